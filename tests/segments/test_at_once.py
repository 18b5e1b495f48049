"""What must not be true together, asked for at the same moment, each in a transaction of its own."""

import threading
from typing import Any

import pytest
from flask import Flask

from app.conditions import InvalidConditions
from app.infra.db import transaction
from app.journeys import lifecycle
from app.journeys import service as journeys
from app.road import SEGMENT_TELLERS, SEGMENT_USERS
from app.segments import ready_made, service
from app.segments.locks import locked
from app.segments.service import Circle, InUse
from tests.conftest import make_tenant
from tests.journeys.helpers import journey, tag
from tests.segments.helpers import ACTOR, NOW, all_of, people, rows, rule, segment

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


@pytest.mark.parametrize("goes", ["archived", "deleted"])
@pytest.mark.parametrize("does", ["create", "change"])
def test_a_segment_is_not_asked_about_while_it_goes(app: Flask, real_db: str, goes: str, does: str) -> None:
    """Whichever of the two is first: the other sees it."""
    tenant: Any = make_tenant()
    gold, asking = segment(tenant.id), segment(tenant.id, name="Asks")
    criteria = all_of(rule("segments", "contains", str(gold.id)))
    who: dict[str, Any] = {"tenant_id": tenant.id, "actor": ACTOR}

    def ask() -> None:
        if does == "create":
            service.create(**who, name="Asks too", criteria=criteria, now=NOW)
        else:
            service.change(**who, segment_id=asking.id, changes={"criteria": criteria}, users=(), now=NOW)

    def go() -> None:
        act = service.archive if goes == "archived" else service.delete
        act(**who, segment_id=gold.id, users=SEGMENT_USERS)

    (refused,) = both(app, tenant.id, go, ask)
    assert isinstance(refused, InvalidConditions)
    assert list(refused.errors) == ["criteria.rules[0]"]


@pytest.mark.parametrize("does", ["create", "change"])
def test_a_segment_does_not_go_while_another_begins_to_ask_about_it(app: Flask, real_db: str, does: str) -> None:
    tenant: Any = make_tenant()
    gold, asking = segment(tenant.id), segment(tenant.id, name="Asks")
    criteria = all_of(rule("segments", "contains", str(gold.id)))
    who: dict[str, Any] = {"tenant_id": tenant.id, "actor": ACTOR}

    def ask() -> None:
        if does == "create":
            service.create(**who, name="Asks", criteria=criteria, now=NOW)
        else:
            service.change(**who, segment_id=asking.id, changes={"criteria": criteria}, users=(), now=NOW)

    if does == "create":
        service.delete(**who, segment_id=asking.id, users=())
    (refused,) = both(
        app, tenant.id, ask, lambda: service.archive(**who, segment_id=gold.id, users=SEGMENT_USERS, now=NOW)
    )
    assert isinstance(refused, InUse)
    assert [one.name for one in refused.uses] == ["Asks"]


def test_whoever_asks_for_a_ready_made_segment_at_once_gets_the_one(app: Flask, real_db: str) -> None:
    tenant: Any = make_tenant()
    found: list[Any] = []

    def make() -> None:
        found.append(ready_made.make(tenant_id=tenant.id, key="leads", actor=ACTOR, now=NOW).id)

    assert both(app, tenant.id, make, make, make, make) == []
    assert len(found) == 4
    assert len(set(found)) == 1


def both(app: Flask, tenant_id: Any, first: Any, *others: Any) -> list[Exception]:
    """Do something, and others beside it before it is committed; return what the others raised."""
    raised: list[Exception] = []
    begun = threading.Barrier(len(others) + 1)

    def beside(act: Any) -> None:
        with app.app_context():
            begun.wait(timeout=20)
            try:
                act()
            except Exception as error:
                raised.append(error)

    threads = [threading.Thread(target=beside, args=[act]) for act in others]
    for thread in threads:
        thread.start()
    with transaction(tenant_id):
        first()
        begun.wait(timeout=20)
        # They have until here to do it without seeing what is not committed yet.
        threads[0].join(timeout=1)
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    return raised


def test_who_waited_for_the_segment_moves_after_whoever_was_before(app: Flask, real_db: str) -> None:
    """However early they began: else somebody would leave before they entered."""
    tenant: Any = make_tenant()
    (one,) = people(tenant.id)
    made = segment(tenant.id, None, "List", type="STATIC")
    for trigger in ("segment.entered", "segment.left"):
        journey(tenant.id, [tag("mark", None, "x")], name=trigger, trigger_type=trigger,
                trigger_config={"segment_id": str(made.id)})  # fmt: skip
    who: dict[str, Any] = {"tenant_id": tenant.id, "segment_id": made.id, "actor": ACTOR, "tellers": SEGMENT_TELLERS}
    begun = threading.Event()

    def take_out() -> None:
        with app.app_context():
            begun.set()
            service.remove_people(**who, customer_ids=[one], users=())

    thread = threading.Thread(target=take_out)
    with transaction(tenant.id) as session:
        locked(session, tenant.id, made.id)
        thread.start()
        assert begun.wait(timeout=20)
        # It has begun by now, and waits.
        thread.join(timeout=1)
        service.add_people(**who, customer_ids=[one])
    thread.join(timeout=60)
    assert not thread.is_alive()
    told = rows(tenant.id, "SELECT type FROM inbound_event WHERE type LIKE 'segment.%' ORDER BY occurred_at")
    assert [row.type for row in told] == ["segment.entered", "segment.left"]
    (past,) = rows(tenant.id, "SELECT entered_at, left_at FROM segment_past_member")
    assert past.entered_at < past.left_at
