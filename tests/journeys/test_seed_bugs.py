"""What was wrong with journeys in the documents Fairway was made from, one test each."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.accounts.models import Club, Tenant
from app.infra.db import transaction
from app.journeys import lifecycle, queries, service
from app.journeys.engine import advance, exits
from app.journeys.engine.advance import advance_batch
from app.journeys.graph import BadGraph
from app.journeys.payloads import payload_fits
from app.journeys.steps.update import UpdateStep
from app.messaging import gate, suppression
from tests.journeys.helpers import (
    JOINED,
    NOW,
    admit,
    asks,
    check_counters,
    event,
    give_up,
    happen,
    journey,
    paths,
    people,
    rows,
    run,
    send,
    statuses,
    step,
    tag,
    tags,
    template,
    wait,
)

HOUR = timedelta(hours=1)


def test_a_wait_waits_and_what_follows_happens_once(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", "s", "2 hours"), send("s", None, template(tenant.id))])
    admit(tenant.id, made.id, people(tenant.id))
    run(tenant.id)
    assert rows(tenant.id, "SELECT 1 FROM message") == []
    for minutes in (119, 120, 120, 121, 600):
        run(tenant.id, NOW + timedelta(minutes=minutes))
    assert len(rows(tenant.id, "SELECT 1 FROM message")) == 1


def test_a_wait_as_the_last_step_completes(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", None, "2 hours")])
    [who] = people(tenant.id)
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    run(tenant.id, NOW + 2 * HOUR)
    assert statuses(tenant.id)[who] == ("COMPLETED", "completed")
    assert queries.journey(tenant_id=tenant.id, journey_id=made.id).total_completed == 1


def test_a_failed_step_ends_the_enrollment(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    made = journey(tenant.id, [tag("u", None, "x")])
    [who] = people(tenant.id)
    admit(tenant.id, made.id, [who])
    monkeypatch.setattr(UpdateStep, "run", lambda _, batch: 1 / 0)
    last = give_up(tenant.id)
    row = rows(tenant.id, "SELECT * FROM journey_enrollment")[0]
    assert (row.status, row.exit_reason, row.error) == ("FAILED", "error", "ZeroDivisionError: division by zero")
    assert (row.due_at, row.exited_at) == (None, last)


def test_a_kind_of_step_nobody_knows_is_refused_when_it_is_saved(tenant: Tenant) -> None:
    made = service.create(tenant_id=tenant.id, actor="system", name="Welcome")
    with pytest.raises(BadGraph, match="TELEPORT"):
        service.put_steps(tenant_id=tenant.id, journey_id=made.id, actor="system", steps=[step("x", "TELEPORT")])


def test_a_trigger_is_a_step_like_others(tenant: Tenant) -> None:
    made = journey(tenant.id, [tag("u", None, "x")], trigger_type=JOINED)
    [who] = people(tenant.id)
    happen(tenant.id, event(who))
    run(tenant.id)
    assert paths(tenant.id)[who][0] == ("trigger", "COMPLETED")
    check_counters(tenant.id, made.id)


def test_a_split_is_a_step_like_others(tenant: Tenant) -> None:
    halves = {"variants": [{"key": "a", "name": "A", "weight": 1}, {"key": "b", "name": "B", "weight": 1}]}
    made = journey(
        tenant.id, [step("s", "SPLIT", None, halves, next_a="a", next_b="b"), tag("a", None, "a"), tag("b", None, "b")]
    )
    who = people(tenant.id, 40)
    admit(tenant.id, made.id, who)
    run(tenant.id)
    assert set(statuses(tenant.id).values()) == {("COMPLETED", "completed")}
    assert {tuple(tags(tenant.id, one)) for one in who} == {("a",), ("b",)}
    check_counters(tenant.id, made.id)


def test_a_loop_takes_the_same_step_again(tenant: Tenant) -> None:
    round_ = step("j", "JUMP", None, {"to": "w", "max_times": 2})
    made = journey(tenant.id, [wait("w", "u", "1 hour"), tag("u", "j", "x"), round_])
    [who] = people(tenant.id)
    admit(tenant.id, made.id, [who])
    for hours in range(5):
        run(tenant.id, NOW + hours * HOUR)
    lap = [("w", "COMPLETED"), ("u", "COMPLETED"), ("j", "COMPLETED")]
    assert paths(tenant.id)[who] == [("trigger", "COMPLETED"), *lap * 3]
    assert statuses(tenant.id)[who] == ("COMPLETED", "completed")
    check_counters(tenant.id, made.id)


def test_reentry_walks_the_same_steps_again(tenant: Tenant) -> None:
    made = journey(tenant.id, [tag("u", None, "x")], allow_reentry=True)
    [who] = people(tenant.id)
    for _ in range(3):
        admit(tenant.id, made.id, [who])
        run(tenant.id)
    assert paths(tenant.id)[who] == [("trigger", "COMPLETED"), ("u", "COMPLETED")] * 3
    check_counters(tenant.id, made.id)


def test_what_is_modelled_is_honoured(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", None, "1 hour")], max_enrollments=2)
    one, two, three = people(tenant.id, 3)
    enrolled = admit(tenant.id, made.id, [one, two, three])
    assert set(enrolled) == {one, two}, "max_enrollments"
    run(tenant.id)
    exits.exit_enrollments(tenant_id=tenant.id, enrollment_ids=[enrolled[one]], now=NOW)
    exits.exit_customers(tenant_id=tenant.id, customer_ids=[two], reason="unsubscribed", now=NOW)
    assert statuses(tenant.id) == {one: ("EXITED", "manual"), two: ("EXITED", "unsubscribed")}
    assert queries.journey(tenant_id=tenant.id, journey_id=made.id).total_exited == 2
    admit(tenant.id, made.id, [three])
    lifecycle.pause(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW)
    run(tenant.id, NOW + HOUR)
    assert statuses(tenant.id)[three] == ("ACTIVE", None), "PAUSED"
    lifecycle.archive(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW)
    assert statuses(tenant.id)[three] == ("EXITED", "archived"), "ARCHIVED"
    check_counters(tenant.id, made.id)


def test_no_process_remembers_triggers(tenant: Tenant, other_tenant: Tenant) -> None:
    """What another process activates, changes or pauses counts for the very next event."""
    first, second, third = people(tenant.id, 3)
    happen(tenant.id, event(first))
    made = journey(tenant.id, [wait("w", None, "1 day")], trigger_type=JOINED)
    journey(other_tenant.id, [wait("w", None, "1 day")], trigger_type=JOINED)
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE journey SET trigger_config = '{\"conditions\": []}'"))
    happen(tenant.id, event(second))
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE journey SET status = 'PAUSED'"))
    happen(tenant.id, event(third))
    assert [row.customer_id for row in rows(tenant.id, "SELECT customer_id FROM journey_enrollment")] == [second]
    assert queries.journey(tenant_id=tenant.id, journey_id=made.id).total_enrolled == 1
    assert rows(other_tenant.id, "SELECT 1 FROM journey_enrollment") == []


def test_triggers_know_the_club(tenant: Tenant) -> None:
    with transaction(tenant.id) as session:
        here = session.scalar(text("SELECT id FROM club"))
        far = Club(tenant_id=tenant.id, name="Far", country="ZA", timezone="UTC", locale="en_ZA", currency="ZAR")
        session.add(far)
        session.flush()
    journey(tenant.id, [wait("w", None, "1 day")], trigger_type=JOINED, club_id=far.id)
    theirs, elsewhere = people(tenant.id, club_id=far.id) + people(tenant.id, club_id=here)
    happen(tenant.id, event(theirs), event(elsewhere))
    assert set(statuses(tenant.id)) == {theirs}


def test_a_send_goes_through_the_gate(tenant: Tenant) -> None:
    made = journey(tenant.id, [send("s", None, template(tenant.id))])
    willing, silent, unwilling, nowhere, blocked = (
        people(tenant.id, **values)[0]
        for values in ({}, {"email_opt_in": None}, {"email_opt_in": False}, {"email": None}, {"email": "b@example.com"})
    )
    because = suppression.SuppressedBecause.HARD_BOUNCE
    suppression.suppress(tenant_id=tenant.id, addresses=["b@example.com"], because=because)
    admit(tenant.id, made.id, [willing, silent, unwilling, nowhere, blocked])
    run(tenant.id)
    gate.claim(tenant_id=tenant.id, limit=100, now=NOW + HOUR)
    found = rows(tenant.id, "SELECT customer_id, status FROM message")
    assert {row.customer_id: row.status for row in found} == {
        willing: "sending", silent: "skipped", unwilling: "skipped", nowhere: "skipped", blocked: "skipped"
    }  # fmt: skip


@pytest.mark.parametrize(
    "update",
    [
        {"field": "tenant_id", "operation": "set", "value": "x"},
        {"field": "deleted_at", "operation": "set", "value": None},
        {"field": "email_opt_in", "operation": "set", "value": True},
        {"field": "first_name = 'x' --", "operation": "set", "value": "y"},
        {"field": "tags", "operation": "set", "value": ["a"]},
        {"field": "tags", "operation": "add", "value": ""},
        {"field": "lifecycle_stage", "operation": "set", "value": "KING"},
        {"field": "first_name", "operation": "add", "value": "x"},
        {"field": "first_name", "operation": "set", "value": {"a": 1}},
        {"field": "timezone", "operation": "set", "value": "Mars"},
    ],
)
def test_an_update_reaches_permitted_fields_only(tenant: Tenant, update: dict[str, Any]) -> None:
    made = journey(tenant.id, [step("u", "UPDATE", None, {"updates": [update]})], active=False)
    with pytest.raises(lifecycle.NotReady) as refused:
        lifecycle.activate(tenant_id=tenant.id, journey_id=made.id, actor="system")
    assert all(at.startswith("steps.u.updates[0].") for at in refused.value.errors)


@pytest.mark.parametrize(
    ("rule", "yes"),
    [
        ({"field": "handicap_index", "operator": "lt", "value": 18}, False),
        ({"field": "handicap_index", "operator": "neq", "value": 18}, False),
        ({"field": "handicap_index", "operator": "isNull"}, True),
        ({"field": "membership_tier", "operator": "in", "value": ["gold", "platinum"]}, True),
        ({"field": "membership_tier", "operator": "contains", "value": "OL"}, True),
        ({"field": "joined_on", "operator": "between", "value": ["2020-01-01", "2020-12-31"]}, False),
        ({"field": "tags", "operator": "contains", "value": "vip"}, False),
        ({"field": "last_email_open_at", "operator": "gt", "value": "2026-01-01"}, False),
    ],
)
def test_conditions_on_what_is_missing_neither_throw_nor_lie(tenant: Tenant, rule: dict[str, Any], yes: bool) -> None:
    made = journey(tenant.id, [asks("ask", "y", "n", rule), tag("y", None, "yes"), tag("n", None, "no")])
    [who] = people(tenant.id, membership_tier="Gold")
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    assert tags(tenant.id, who) == ["yes" if yes else "no"]


@pytest.mark.parametrize("value", [None, 3, "3", [], {}, True, "Gold\ud800", 10**400])
def test_trigger_conditions_bear_any_payload(tenant: Tenant, value: Any) -> None:
    conditions = [{"field": "n", "operator": "gt", "value": 2}, {"field": "n", "operator": "neq", "value": 5}]
    met = payload_fits(JOINED, conditions, {"n": value}, zone="UTC", now=NOW)
    assert met == (value in (3, "3"))


def test_a_step_can_not_be_taken_twice(tenant: Tenant) -> None:
    """If two workers ever held the same person, the log's key would undo the second one's whole batch."""
    made = journey(tenant.id, [tag("u", None, "x")])
    [who] = people(tenant.id)
    enrollment = admit(tenant.id, made.id, [who])[who]
    run(tenant.id)
    again = "UPDATE journey_enrollment SET status = 'ACTIVE', due_at = :now, current_step_key = 'u' WHERE id = :id"
    with transaction(tenant.id) as session:
        session.execute(text(again), {"now": NOW, "id": enrollment})
    with pytest.raises(IntegrityError):
        advance_batch(tenant_id=tenant.id, now=NOW)


@pytest.mark.committed
def test_a_worker_that_dies_at_a_step_is_followed_by_one_that_does_it(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither twice nor never; two workers at once are in `test_races.py`, a death at any statement in
    `test_any_graph.py`."""
    made = journey(tenant.id, [send("s", "u", template(tenant.id)), tag("u", None, "x")])
    who = people(tenant.id, 3)
    admit(tenant.id, made.id, who)

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(UpdateStep, "run", killed)
        with pytest.raises(Killed):
            advance_batch(tenant_id=tenant.id, now=NOW)
    run(tenant.id)
    assert len(rows(tenant.id, "SELECT 1 FROM message")) == 3
    assert set(statuses(tenant.id).values()) == {("COMPLETED", "completed")}
    check_counters(tenant.id, made.id)


def test_waiting_people_cost_nothing_until_they_are_due(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", None, "1 day")])
    admit(tenant.id, made.id, people(tenant.id, 30))
    run(tenant.id)
    claim = {"tenant_id": tenant.id, "now": NOW + HOUR, "journeys": [made.id], "share": 10}
    with transaction(tenant.id) as session:
        assert session.execute(advance.CLAIM, claim).all() == []
        due = session.execute(advance.CLAIM, claim | {"now": NOW + 24 * HOUR}).all()
    assert len(due) == 10, "no more than one batch is ever read"
