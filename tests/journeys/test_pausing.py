"""Pausing and resuming: what stands still, and when waits end."""

from datetime import timedelta
from typing import Any

import pytest

from app.accounts.models import Tenant
from app.journeys import lifecycle, queries
from app.journeys.drafts import WrongStatus
from app.journeys.engine import retry
from app.journeys.engine.advance import advance_batch
from tests.journeys.helpers import (
    JOINED,
    NOW,
    admit,
    check_counters,
    event,
    happen,
    journey,
    paths,
    people,
    rows,
    run,
    statuses,
    step,
    tag,
    tags,
    wait,
)

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.mark.parametrize("move_waits", [False, True])
def test_waits_end_at_once_or_later_by_the_pause(tenant: Tenant, move_waits: bool) -> None:
    made = journey(tenant.id, [wait("w", "u", "4 days"), tag("u", None, "x")])
    early, late, over = people(tenant.id, 3)
    act: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    admit(tenant.id, made.id, [over], NOW - 4 * DAY)
    run(tenant.id, NOW - 4 * DAY)
    admit(tenant.id, made.id, [early], NOW - 2 * DAY)
    run(tenant.id, NOW - 2 * DAY)
    enrollment = admit(tenant.id, made.id, [late])[late]
    run_all_but_over = advance_batch(tenant_id=tenant.id, now=NOW - HOUR)
    assert run_all_but_over == 0
    run(tenant.id, NOW)
    assert tags(tenant.id, over) == ["x"], "a wait that ended before the pause is over"
    lifecycle.pause(**act, now=NOW + HOUR)
    run(tenant.id, NOW + 3 * DAY)
    lifecycle.resume(**act, now=NOW + HOUR + 3 * DAY, move_waits=move_waits)
    check_counters(tenant.id, made.id)
    later = 3 * DAY if move_waits else 0 * DAY
    run(tenant.id, NOW + HOUR + 3 * DAY)
    assert tags(tenant.id, early) == ([] if move_waits else ["x"])
    line = queries.enrollment_path(tenant_id=tenant.id, enrollment_id=enrollment)
    assert line.line.waiting_until == line.line.due_at == NOW + 4 * DAY + later
    told = (line.steps[-1].result or {})["waiting_until"]
    assert told.startswith((NOW + 4 * DAY + later).strftime("%Y-%m-%dT%H:%M:%S"))
    assert run(tenant.id, NOW + 4 * DAY + later - HOUR) == (1 if move_waits else 0)
    assert run(tenant.id, NOW + 4 * DAY + later) == 1
    assert {status for status, _ in statuses(tenant.id).values()} == {"COMPLETED"}
    check_counters(tenant.id, made.id)


def test_nobody_enters_or_goes_on_in_a_paused_journey_whatever_wakes_them(tenant: Tenant) -> None:
    loop = step("j", "JUMP", None, {"to": "w", "max_times": 5})
    made = journey(tenant.id, [wait("w", "u", "1 day"), tag("u", "j", "x"), loop], trigger_type=JOINED)
    [who] = people(tenant.id)
    happen(tenant.id, event(who))
    run(tenant.id)
    run(tenant.id, NOW + DAY)
    before = paths(tenant.id)[who]
    act: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    lifecycle.pause(**act, now=NOW + DAY)
    happen(tenant.id, *(event(one) for one in [who, *people(tenant.id)]), now=NOW + 2 * DAY)
    assert retry.retry_all(**act, now=NOW + 2 * DAY) == 0
    run(tenant.id, NOW + 9 * DAY)
    assert paths(tenant.id) == {who: before}
    assert rows(tenant.id, "SELECT 1 FROM journey_enrollment WHERE due_at IS NOT NULL") == []
    lifecycle.archive(**act, now=NOW + 9 * DAY)
    assert statuses(tenant.id) == {who: ("EXITED", "archived")}
    assert run(tenant.id, NOW + 99 * DAY) == 0
    check_counters(tenant.id, made.id)


def test_waits_are_moved_in_batches_and_once_whoever_dies_between_them(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    made = journey(tenant.id, [wait("w", None, "1 day")])
    act: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    admit(tenant.id, made.id, people(tenant.id, 7))
    run(tenant.id)
    lifecycle.pause(**act, now=NOW + HOUR)
    lifecycle.resume(**act, now=NOW + 2 * DAY, move_waits=True)
    later = NOW + 3 * DAY - HOUR

    def moved() -> int:
        return len(rows(tenant.id, "SELECT 1 FROM journey_enrollment WHERE waiting_until = :later", later=later))

    assert advance_batch(tenant_id=tenant.id, now=NOW + 2 * DAY, limit=2) == 2
    assert moved() == 2

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr("app.journeys.engine.advance._walk", die)
        with pytest.raises(Killed):
            advance_batch(tenant_id=tenant.id, now=NOW + 2 * DAY, limit=2)
    assert moved() == 2
    # Nobody goes on whose wait is not moved yet, and a second pause can't be over before the first is settled.
    lifecycle.pause(**act, now=NOW + 2 * DAY)
    with pytest.raises(WrongStatus, match="by the last pause"):
        lifecycle.resume(**act, now=NOW + 2 * DAY)
    assert [advance_batch(tenant_id=tenant.id, now=NOW + 2 * DAY, limit=2) for _ in range(3)] == [2, 2, 1]
    assert moved() == 7
    lifecycle.resume(**act, now=NOW + 2 * DAY)
    run(tenant.id, later - HOUR)
    assert {status for status, _ in statuses(tenant.id).values()} == {"ACTIVE"}
    run(tenant.id, later)
    assert {status for status, _ in statuses(tenant.id).values()} == {"COMPLETED"}
    check_counters(tenant.id, made.id)


def test_a_journey_that_was_resumed_does_not_wait_for_what_others_published(tenant: Tenant) -> None:
    first, resumed = (journey(tenant.id, [wait("w", None, "1 day")], name=name) for name in ("First", "Resumed"))
    act: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": resumed.id, "actor": "system"}
    for one in (first, resumed):
        admit(tenant.id, one.id, people(tenant.id, 2))
    run(tenant.id)
    lifecycle.pause(**act, now=NOW)
    lifecycle.resume(**act, now=NOW + HOUR)
    rows(
        tenant.id,
        "INSERT INTO journey_settling (tenant_id, journey_id, step_key, rebase, look)"
        " VALUES (:tenant, :id, 'w', true, true) RETURNING 1",
        tenant=tenant.id,
        id=first.id,
    )
    advance_batch(tenant_id=tenant.id, now=NOW + HOUR, limit=2)
    left = "SELECT journey_id FROM journey_settling WHERE resumed_at IS NULL OR after IS NULL"
    assert [row.journey_id for row in rows(tenant.id, left)] == [first.id]


def test_nobody_skips_ahead_while_waits_are_moved(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", None, "4 days")])
    act: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    [enrollment] = admit(tenant.id, made.id, people(tenant.id)).values()
    run(tenant.id)
    lifecycle.pause(**act, now=NOW + HOUR)
    lifecycle.resume(**act, now=NOW + DAY, move_waits=True)
    with pytest.raises(WrongStatus, match="since it was resumed"):
        retry.skip_ahead(**act, enrollment_id=enrollment, now=NOW + DAY)
    run(tenant.id, NOW + DAY)
    retry.skip_ahead(**act, enrollment_id=enrollment, now=NOW + DAY)
    run(tenant.id, NOW + DAY)
    assert {status for status, _ in statuses(tenant.id).values()} == {"COMPLETED"}
    check_counters(tenant.id, made.id)
