"""Forms that are refused come back as typed, also where the refusal has rolled a transaction back for good."""

from typing import Any

import pytest

from app.content import service as templates
from app.customers.models import Customer
from app.infra.db import transaction
from app.infra.ids import new_id
from app.journeys import service as journeys
from tests.page_client import PageClient

LETTER = {"name": "Taken", "subject": "Hi", "html": "<p>Hello</p>", "text": ""}


@pytest.mark.committed
def test_a_refused_form_is_shown_again(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("owner")
    customer_id = new_id()
    with transaction(tenant.id) as session:
        session.add(Customer(tenant_id=tenant.id, id=customer_id, first_name="Nomsa", last_name="Dlamini"))
    one, _ = (journeys.create(tenant_id=tenant.id, actor="system", name=name) for name in ("One", "Taken"))
    written, _ = (
        templates.create(tenant_id=tenant.id, name=name, subject="Hi", text="Hello") for name in ("Written", "Taken")
    )
    client.post("/settings/clubs/new", {"name": "Taken", "timezone": "Africa/Johannesburg"})
    for path, form in {
        f"/customers/{customer_id}/edit": {"first_name": "Nomsa", "email": "no address", "lifecycle_stage": "LEAD"},
        f"/customers/{customer_id}/notes": {"body": " "},
        "/customers/new": {"first_name": "Nobody", "email": "no address"},
        f"/journeys/{one.id}/settings": {"name": "Taken", "timezone": "Africa/Johannesburg"},
        "/journeys/new": {"name": "Taken", "timezone": "Africa/Johannesburg"},
        f"/templates/{written.id}/edit": LETTER,
        "/templates/new": LETTER,
        "/settings/clubs/new": {"name": "", "timezone": "nowhere"},
        "/settings/organisation": {"name": "", "timezone": "nowhere"},
        "/settings/users/invite": {"email": "no address", "name": "", "role": "owner"},
        "/settings/api-keys/new": {"name": ""},
        "/account/name": {"name": ""},
        "/account/password": {"current": "wrong", "password": "x"},
    }.items():
        for htmx in (False, True):
            answer = client.post(path, form, htmx=htmx)
            assert answer.status_code in (409, 422), (path, htmx, answer.status)
