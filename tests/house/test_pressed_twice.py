"""A button that is pressed twice at once acts once, and tells the second press why it does not."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from app.customers import tags
from app.infra.db import transaction
from app.messaging import sending_domains
from tests.conftest import make_tenant
from tests.waiting import until_somebody_waits

ACTOR = "user:00000000-0000-0000-0000-000000000001"


def both(app: Flask, url: str, tenant: Any, act: Callable[[], object], second: type[Exception]) -> None:
    """Do it, and once more while nobody knows of the first."""

    def again() -> None:
        with app.app_context(), pytest.raises(second):
            act()

    with ThreadPoolExecutor(1) as pool:
        with transaction(tenant.id):
            act()
            pressed = pool.submit(again)
            until_somebody_waits(url)
        pressed.result(30)


@pytest.mark.committed
def test_a_tag_is_made_once(app: Flask, real_db: str) -> None:
    tenant: Any = make_tenant()
    made = {"tenant_id": tenant.id, "name": "vip", "actor": ACTOR}
    both(app, real_db, tenant, lambda: tags.add(**made), tags.TagTaken)
    assert [one.name for one in tags.listed(tenant_id=tenant.id).items] == ["vip"]


@pytest.mark.committed
def test_a_sending_domain_is_removed_once(app: Flask, real_db: str) -> None:
    tenant: Any = make_tenant()
    domain = sending_domains.add(tenant_id=tenant.id, name="news.club.example", actor=ACTOR)
    gone = {"tenant_id": tenant.id, "domain_id": domain.id, "actor": ACTOR}
    both(app, real_db, tenant, lambda: sending_domains.remove(**gone), sending_domains.NoSuchDomain)
    assert sending_domains.domains(tenant_id=tenant.id) == []
