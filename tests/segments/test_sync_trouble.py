"""Pushing when receivers fail, and when what a segment means is another thing or can't be worked out."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.customers import custom_fields
from app.infra.db import transaction
from app.segments import service as segments
from app.segments.sync import service, work
from tests.segments.helpers import settle
from tests.segments.pushing import (
    ACTOR,
    NOW,
    a_segment,
    let_in,
    note,
    people,
    push,
    put,
    sync_of,
    waits_for,
)
from tests.segments.receiver import Receiver, receiving


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch, tenant: Any) -> Iterator[Receiver]:
    with receiving(monkeypatch) as found:
        yield found


def test_a_change_that_failed_goes_out_again_under_its_id_with_nobody_new_in_it(
    tenant: Any, receiver: Receiver
) -> None:
    segment = a_segment(tenant)
    one, two = people(tenant, 2)
    put(tenant, segment, receiver)
    push(tenant)
    note(tenant, segment, "entered", one)
    receiver.answer(500)
    assert push(tenant) == 1
    failed = sync_of(tenant, segment)
    assert failed.error == "The receiver answered 500."
    assert failed.due_at is not None
    assert work.FIRST_WAIT / 2 <= failed.due_at - failed.failing_since <= work.FIRST_WAIT  # type: ignore[operator]
    note(tenant, segment, "entered", two)
    push(tenant, failed.due_at)
    tried, again, more = receiver.told[1:]
    assert tried.id == again.id
    assert [contact["externalId"] for contact in again.json["contacts"]] == [str(one)]
    assert [contact["externalId"] for contact in more.json["contacts"]] == [str(two)]
    settled = sync_of(tenant, segment)
    assert (settled.error, settled.failing_since, settled.attempts) == (None, None, 0)


@pytest.mark.parametrize(
    "asked, seconds", [("120", 120), ("Sat, 21 Nov 2026 10:05:00 GMT", 300), ("999999", 6 * 3600), ("0", 1)]
)
def test_a_receiver_that_asks_to_be_left_alone_is(tenant: Any, receiver: Receiver, asked: str, seconds: int) -> None:
    segment = a_segment(tenant)
    put(tenant, segment, receiver)
    receiver.answer(429, {"Retry-After": asked})
    assert push(tenant) == 1
    assert sync_of(tenant, segment).due_at == NOW + timedelta(seconds=seconds)


def test_waits_grow_with_jitter_and_have_a_longest(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    put(tenant, segment, receiver)
    now, waits = NOW, []
    for _ in range(14):
        receiver.answer(503)
        push(tenant, now)
        due = sync_of(tenant, segment).due_at
        assert due is not None
        waits.append(due - now)
        now = due
    for attempt, wait in enumerate(waits):
        longest = min(work.FIRST_WAIT * 2**attempt, work.LONGEST_WAIT)
        assert longest / 2 <= wait <= longest
    assert len(set(waits[-3:])) == 3


def test_after_a_day_of_failures_it_stops_and_says_so_and_goes_on_by_hand(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    (one,) = people(tenant, 1)
    put(tenant, segment, receiver)
    push(tenant)
    note(tenant, segment, "entered", one)
    for moment in (NOW, NOW + timedelta(days=1)):
        receiver.answer(500)
        push(tenant, moment)
    stopped = service.state(tenant_id=tenant.id, segment_id=segment)
    assert (stopped.sync.status, stopped.sync.error, stopped.sync.due_at) == (
        "STOPPED",
        "The receiver answered 500.",
        None,
    )
    assert push(tenant, NOW + timedelta(days=9)) == 0
    let_in(tenant, segment, one)
    before = len(receiver.told)
    service.push_all(tenant_id=tenant.id, segment_id=segment, actor=ACTOR, now=NOW + timedelta(days=9))
    push(tenant, NOW + timedelta(days=9))
    (said,) = receiver.bodies()[before:]
    assert (said["push"]["mode"], len(said["contacts"])) == ("full", 1)
    assert sync_of(tenant, segment).status == "LIVE"


def test_a_receiver_that_is_gone_is_not_asked_again(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    put(tenant, segment, receiver)
    receiver.answer(410)
    push(tenant)
    assert (sync_of(tenant, segment).status, push(tenant, NOW + timedelta(days=2))) == ("STOPPED", 0)


def test_a_redirect_is_a_failure_and_nobody_there_hears_of_anybody(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    put(tenant, segment, receiver)
    receiver.answer(307, {"Location": f"{receiver.origin}/elsewhere"})
    push(tenant)
    assert (len(receiver.told), sync_of(tenant, segment).error) == (1, "The receiver answered 307.")


def test_another_definition_pushes_everybody_anew_once_it_is_worked_out(tenant: Any, receiver: Receiver) -> None:
    """Who enters and leaves by it is told to nobody, so the receiver would be left with those of the old one."""
    segment = a_segment(tenant)
    put(tenant, segment, receiver)
    push(tenant)
    run = sync_of(tenant, segment).run

    def change(**values: object) -> None:
        with transaction(tenant.id) as session:
            named = ", ".join(f"{name} = :{name}" for name in values)
            session.execute(text(f"UPDATE segment SET {named} WHERE id = :id"), {"id": segment, **values})

    change(version=2, refresh_tells=False, refreshing_since=NOW)
    assert push(tenant) == 0
    assert waits_for(tenant) is False
    change(refresh_tells=True, refreshing_since=None)
    assert waits_for(tenant) is True
    push(tenant)
    assert len(receiver.told) == 2
    assert receiver.bodies()[-1]["push"]["mode"] == "full"
    assert sync_of(tenant, segment).run != run


def test_a_change_from_before_another_definition_does_not_undo_it(tenant: Any, receiver: Receiver) -> None:
    """Who had left and is back by the new definition, of which nobody is told, stays in; who is gone has left."""
    segment = a_segment(tenant)
    back, gone = people(tenant, 2)
    put(tenant, segment, receiver)
    push(tenant)
    note(tenant, segment, "left", back, gone)
    with transaction(tenant.id) as session:
        session.execute(
            text("INSERT INTO segment_member VALUES (:tenant, :segment, :customer, :now)"),
            {"tenant": tenant.id, "segment": segment, "customer": back, "now": NOW},
        )
        session.execute(text("UPDATE segment SET version = 2 WHERE id = :id"), {"id": segment})
    push(tenant)
    everybody, after = receiver.bodies()[-2:]
    assert [contact["externalId"] for contact in everybody["contacts"]] == [str(back)]
    assert [contact["externalId"] for contact in after["removedContacts"]] == [str(gone)]


def test_a_segment_that_is_being_worked_out_is_pushed_after_that(tenant: Any, receiver: Receiver) -> None:
    """A refresh that began before there was a sync does not note for it who enters."""
    segment = a_segment(tenant)
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE segment SET refreshing_since = :now"), {"now": NOW})
    put(tenant, segment, receiver)
    push(tenant)
    assert receiver.told == []
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE segment SET refreshing_since = NULL"))
    push(tenant, NOW + work.SOON)
    assert len(receiver.told) == 1


def test_a_segment_that_can_not_be_worked_out_pauses_its_sync_and_says_why(
    tenant: Any, receiver: Receiver, client: Any, sign_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing looks at it again until its definition is another one, or it can be worked out after all."""
    one, two = people(tenant, 2)
    field = custom_fields.add(tenant_id=tenant.id, key="", label="Locker", kind="NUMBER", actor=ACTOR)
    asked = {"combinator": "AND", "rules": [{"field": field.name, "operator": "isNull"}]}
    who: dict[str, Any] = {"tenant_id": tenant.id, "actor": ACTOR}
    made = segments.create(**who, name="No locker", criteria=asked, now=NOW).id
    with transaction(tenant.id) as session:
        session.execute(text("DELETE FROM custom_field"))
    put(tenant, made, receiver)
    settle(tenant.id)
    assert push(tenant) <= 1
    assert (push(tenant, NOW + timedelta(days=1)), waits_for(tenant), receiver.told) == (0, False, [])
    state = service.state(tenant_id=tenant.id, segment_id=made)
    assert "There is no field" in (state.paused or "")
    sign_in("owner")
    page = client.get(f"/segments/{made}/sync").get_data(as_text=True)
    assert "Nothing is pushed for now" in page
    assert "There is no field" in page
    other = {"combinator": "AND", "rules": [{"field": "first_name", "operator": "eq", "value": "Person 1"}]}
    segments.change(**who, segment_id=made, changes={"criteria": other}, users=(), now=NOW)
    assert service.state(tenant_id=tenant.id, segment_id=made).paused is None
    settle(tenant.id)
    assert waits_for(tenant)
    push(tenant)
    (said,) = receiver.bodies()
    assert [contact["externalId"] for contact in said["contacts"]] == [str(two)] != [str(one)]
    assert not waits_for(tenant)
