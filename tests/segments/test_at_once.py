"""What must not be true together, asked for at the same moment, each in a transaction of its own."""

import threading
from typing import Any

import pytest
from flask import Flask

from app.infra.db import transaction
from app.journeys import lifecycle
from app.journeys import service as journeys
from app.road import SEGMENT_USERS
from app.segments import service
from app.segments.service import Circle, InUse
from tests.conftest import make_tenant
from tests.journeys.helpers import tag
from tests.segments.helpers import ACTOR, NOW, all_of, rule, segment

pytestmark = pytest.mark.committed


def test_two_who_let_segments_ask_about_each_other_at_once_make_no_circle(app: Flask, real_db: str) -> None:
    tenant: Any = make_tenant()
    one, other = segment(tenant.id, name="One"), segment(tenant.id, name="Other")
    refused: list[Circle] = []
    begun = threading.Event()

    def ask(asking: Any, about: Any) -> None:
        criteria = all_of(rule("segments", "contains", str(about.id)))
        changes = {"criteria": criteria}
        service.change(tenant_id=tenant.id, segment_id=asking.id, actor=ACTOR, changes=changes, users=(), now=NOW)

    def ask_beside() -> None:
        with app.app_context():
            begun.set()
            try:
                ask(other, one)
            except Circle as error:
                refused.append(error)

    thread = threading.Thread(target=ask_beside)
    with transaction(tenant.id):
        ask(one, other)
        thread.start()
        assert begun.wait(timeout=20)
        # It has until here to save what this one, not committed yet, makes a circle.
        thread.join(timeout=1)
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert [error.way for error in refused] == [["Other", "One", "Other"]]


def test_a_journey_does_not_begin_to_run_on_a_segment_that_is_archived_at_that_moment(app: Flask, real_db: str) -> None:
    tenant: Any = make_tenant()
    made = segment(tenant.id)
    journey = journeys.create(
        tenant_id=tenant.id,
        actor=ACTOR,
        name="Welcome",
        trigger_type="segment.entered",
        trigger_config={"segment_id": str(made.id)},
    )
    journeys.put_steps(tenant_id=tenant.id, journey_id=journey.id, actor=ACTOR, steps=[tag("mark", None, "seen")])
    refused: list[InUse] = []
    begun = threading.Event()

    def archive_beside() -> None:
        with app.app_context():
            begun.set()
            try:
                service.archive(tenant_id=tenant.id, segment_id=made.id, actor=ACTOR, users=SEGMENT_USERS, now=NOW)
            except InUse as error:
                refused.append(error)

    thread = threading.Thread(target=archive_beside)
    with transaction(tenant.id):
        lifecycle.activate(tenant_id=tenant.id, journey_id=journey.id, actor=ACTOR, now=NOW)
        thread.start()
        assert begun.wait(timeout=20)
        thread.join(timeout=1)
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert [one.uses[0].name for one in refused] == ["Welcome"]
