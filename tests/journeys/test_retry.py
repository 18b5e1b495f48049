"""Steps that fail: tried again by themselves, then by hand; and people who go on before their time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.accounts.models import Tenant
from app.infra.errors import Invalid
from app.infra.ids import new_id
from app.journeys import lifecycle, queries
from app.journeys.drafts import WrongStatus
from app.journeys.engine import exits, retry
from app.journeys.step_type import StepBatch
from app.journeys.steps.trigger import Trigger
from app.journeys.steps.update import UpdateStep
from app.journeys.steps.wait import Wait
from tests.journeys.helpers import (
    NOW,
    admit,
    check_counters,
    give_up,
    journey,
    paths,
    people,
    rows,
    run,
    send,
    statuses,
    tag,
    tags,
    template,
    wait,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[..., set[str]]:
    """Make kinds of steps raise for as long as their name is in the set that is returned."""

    def break_(*kinds: type[Any]) -> set[str]:
        names = {kind.__name__ for kind in kinds}
        for kind in kinds:
            real = kind.run

            def run_(self: Any, batch: StepBatch[Any], real: Any = real) -> None:
                if type(self).__name__ in names:
                    raise RuntimeError("the pump is dry")
                real(self, batch)

            monkeypatch.setattr(kind, "run", run_)
        return names

    return break_


def again(tenant_id: UUID, journey_id: UUID, **which: Any) -> int:
    return retry.retry_all(tenant_id=tenant_id, journey_id=journey_id, actor="system", now=NOW + 9 * DAY, **which)


def test_what_raises_is_tried_again_later_and_later_and_then_fails(tenant: Tenant, broken: Any) -> None:
    made = journey(tenant.id, [tag("u", None, "x")])
    [who] = people(tenant.id)
    enrollment = admit(tenant.id, made.id, [who])[who]
    broken(UpdateStep)
    now, waits = NOW, []
    for attempt in range(1, 6):
        assert run(tenant.id, now) == 1
        line = queries.enrollment_path(tenant_id=tenant.id, enrollment_id=enrollment).line
        assert (line.status, line.attempts, line.error) == ("ACTIVE", attempt, "RuntimeError: the pump is dry")
        assert line.due_at is not None
        assert run(tenant.id, line.due_at - timedelta(seconds=1)) == 0
        waits.append(line.due_at - now)
        now = line.due_at
        check_counters(tenant.id, made.id)
    for waited, least in zip(waits, (MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 12 * HOUR), strict=True):
        assert least <= waited <= least * 1.2
    assert run(tenant.id, now) == 1
    line = queries.enrollment_path(tenant_id=tenant.id, enrollment_id=enrollment).line
    assert (line.status, line.exit_reason, line.error) == ("FAILED", "error", "RuntimeError: the pump is dry")
    assert (line.attempts, line.due_at, line.exited_at) == (0, None, now)
    assert paths(tenant.id)[who] == [("trigger", "COMPLETED"), ("u", "FAILED")]
    check_counters(tenant.id, made.id)


@pytest.mark.parametrize("kind", [Trigger, UpdateStep, Wait])
def test_a_step_that_fails_and_then_does_not_is_taken_once(tenant: Tenant, broken: Any, kind: type[Any]) -> None:
    made = journey(tenant.id, [tag("u", "w", "x"), wait("w", "s", "1 hour"), send("s", None, template(tenant.id))])
    [who] = people(tenant.id)
    enrollment = admit(tenant.id, made.id, [who])[who]
    names = broken(kind)
    run(tenant.id)
    run(tenant.id, NOW + 2 * MINUTE)
    names.clear()
    run(tenant.id, NOW + 10 * MINUTE)
    path = queries.enrollment_path(tenant_id=tenant.id, enrollment_id=enrollment)
    assert (path.line.attempts, path.line.error) == (0, None)
    assert path.line.waiting_until is not None
    assert "error" not in str([one.result for one in path.steps])
    run(tenant.id, path.line.waiting_until)
    assert paths(tenant.id)[who] == [(key, "COMPLETED") for key in ("trigger", "u", "w", "s")]
    assert len(rows(tenant.id, "SELECT 1 FROM message")) == 1
    check_counters(tenant.id, made.id)


def test_a_wait_that_fails_when_it_is_over_does_not_begin_again(tenant: Tenant, broken: Any) -> None:
    made = journey(tenant.id, [wait("w", None, "1 day")])
    [who] = people(tenant.id)
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    names = broken(Wait)
    run(tenant.id, NOW + DAY)
    names.clear()
    run(tenant.id, NOW + DAY + 2 * MINUTE)
    assert statuses(tenant.id)[who] == ("COMPLETED", "completed")
    check_counters(tenant.id, made.id)


def test_who_leaves_while_a_step_is_to_be_tried_again_skipped_it(tenant: Tenant, broken: Any) -> None:
    made = journey(tenant.id, [tag("u", None, "x")])
    [who] = people(tenant.id)
    enrollment = admit(tenant.id, made.id, [who])[who]
    broken(UpdateStep)
    run(tenant.id)
    exits.exit_enrollments(tenant_id=tenant.id, enrollment_ids=[enrollment], now=NOW)
    assert paths(tenant.id)[who] == [("trigger", "COMPLETED"), ("u", "SKIPPED")]
    line = queries.enrollment_path(tenant_id=tenant.id, enrollment_id=enrollment).line
    assert (line.status, line.error, line.attempts) == ("EXITED", None, 0)
    check_counters(tenant.id, made.id)


def test_one_who_failed_goes_on_once_it_is_mended(tenant: Tenant, broken: Any) -> None:
    made = journey(tenant.id, [tag("u", "v", "x"), tag("v", None, "y")])
    one, two = people(tenant.id, 2)
    enrolled = admit(tenant.id, made.id, [one, two])
    names = broken(UpdateStep)
    give_up(tenant.id)
    names.clear()
    act = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system", "now": NOW + 9 * DAY}
    retry.retry_one(**act, enrollment_id=enrolled[one])
    check_counters(tenant.id, made.id)
    assert statuses(tenant.id) == {one: ("ACTIVE", None), two: ("FAILED", "error")}
    with pytest.raises(retry.NotRetried):
        retry.retry_one(**act, enrollment_id=enrolled[one])
    run(tenant.id, NOW + 9 * DAY)
    assert paths(tenant.id)[one] == [
        ("trigger", "COMPLETED"), ("u", "FAILED"), ("u", "COMPLETED"), ("v", "COMPLETED")
    ]  # fmt: skip
    assert (tags(tenant.id, one), tags(tenant.id, two)) == (["x", "y"], [])
    check_counters(tenant.id, made.id)
    with pytest.raises(queries.NoSuchEnrollment):
        retry.retry_one(**{**act, "journey_id": journey(tenant.id, [tag("u", None, "x")], name="Other").id},
                        enrollment_id=enrolled[two])  # fmt: skip


def test_all_who_failed_go_on_or_those_of_one_step(
    tenant: Tenant, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "AT_ONCE", 2)
    made = journey(tenant.id, [wait("w", "u", "1 hour"), tag("u", None, "x")])
    who = people(tenant.id, 5)
    admit(tenant.id, made.id, who[:3])
    names = broken(UpdateStep)
    run(tenant.id)
    give_up(tenant.id, NOW + HOUR)
    names.add("Wait")
    broken(Wait)
    admit(tenant.id, made.id, who[3:])
    give_up(tenant.id)
    assert {status for status, _ in statuses(tenant.id).values()} == {"FAILED"}
    assert again(tenant.id, made.id, step="w") == 2
    assert again(tenant.id, made.id) == 3
    assert again(tenant.id, made.id) == 0
    check_counters(tenant.id, made.id)
    with pytest.raises(Invalid, match="no such step"):
        again(tenant.id, made.id, step="gone")
    for which in ({}, {"step": "w"}):
        with pytest.raises(queries.NoSuchJourney):
            again(tenant.id, new_id(), **which)


def test_who_fails_again_at_once_is_tried_once(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "AT_ONCE", 2)
    made = journey(tenant.id, [send("s", None, template(tenant.id))])
    admit(tenant.id, made.id, people(tenant.id, 5))
    rows(tenant.id, "DELETE FROM template RETURNING id")
    run(tenant.id)
    assert {status for status, _ in statuses(tenant.id).values()} == {"FAILED"}
    some = retry._retry_some

    def beside_a_worker(*asked: Any) -> Any:
        found = some(*asked)
        run(tenant.id, NOW + 9 * DAY)
        rounds.append(found)
        assert len(rounds) < 9
        return found

    rounds: list[Any] = []
    monkeypatch.setattr(retry, "_retry_some", beside_a_worker)
    assert again(tenant.id, made.id) == 5
    assert len(rounds) == 4
    check_counters(tenant.id, made.id)


def test_who_came_in_again_since_does_not_walk_twice(tenant: Tenant, broken: Any) -> None:
    made = journey(tenant.id, [tag("u", "w", "x"), wait("w", None, "1 day")], allow_reentry=True)
    [who] = people(tenant.id)
    first = admit(tenant.id, made.id, [who])[who]
    names = broken(UpdateStep)
    give_up(tenant.id)
    second = admit(tenant.id, made.id, [who])[who]
    give_up(tenant.id)
    names.clear()
    assert again(tenant.id, made.id) == 1
    found = {row.id: row.status for row in rows(tenant.id, "SELECT id, status FROM journey_enrollment")}
    assert found == {first: "FAILED", second: "ACTIVE"}
    with pytest.raises(retry.NotRetried, match="come into the journey again"):
        retry.retry_one(tenant_id=tenant.id, journey_id=made.id, enrollment_id=first, actor="system")
    check_counters(tenant.id, made.id)


def test_nothing_is_tried_again_in_an_archived_journey(tenant: Tenant, broken: Any) -> None:
    made = journey(tenant.id, [tag("u", None, "x")])
    admit(tenant.id, made.id, people(tenant.id))
    broken(UpdateStep)
    give_up(tenant.id)
    lifecycle.archive(tenant_id=tenant.id, journey_id=made.id, actor="system")
    with pytest.raises(WrongStatus):
        again(tenant.id, made.id)


def test_who_waits_goes_on_when_told_to(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", "v", "9 days"), wait("v", "u", "9 days"), tag("u", None, "x")])
    one, two = people(tenant.id, 2)
    enrolled = admit(tenant.id, made.id, [one, two])
    run(tenant.id)
    act = {"tenant_id": tenant.id, "journey_id": made.id, "enrollment_id": enrolled[one], "actor": "system"}
    retry.skip_ahead(**act, now=NOW + HOUR)
    check_counters(tenant.id, made.id)
    assert run(tenant.id, NOW + HOUR) == 1
    assert paths(tenant.id)[one] == [("trigger", "COMPLETED"), ("w", "COMPLETED"), ("v", "IN_PROGRESS")]
    assert paths(tenant.id)[two] == [("trigger", "COMPLETED"), ("w", "IN_PROGRESS")]
    retry.skip_ahead(**act, now=NOW + HOUR)
    run(tenant.id, NOW + HOUR)
    with pytest.raises(retry.NotWaiting):
        retry.skip_ahead(**act, now=NOW + HOUR)
    assert tags(tenant.id, one) == ["x"]
    check_counters(tenant.id, made.id)
    lifecycle.pause(tenant_id=tenant.id, journey_id=made.id, actor="system")
    with pytest.raises(WrongStatus, match="paused"):
        retry.skip_ahead(**{**act, "enrollment_id": enrolled[two]})


def test_a_step_that_is_to_be_tried_again_is_tried_at_once_when_told_to(tenant: Tenant, broken: Any) -> None:
    made = journey(tenant.id, [tag("u", None, "x")])
    [who] = people(tenant.id)
    enrollment = admit(tenant.id, made.id, [who])[who]
    names = broken(UpdateStep)
    run(tenant.id)
    names.clear()
    retry.skip_ahead(tenant_id=tenant.id, journey_id=made.id, enrollment_id=enrollment, actor="system", now=NOW)
    run(tenant.id)
    assert statuses(tenant.id)[who] == ("COMPLETED", "completed")


def test_a_paused_journey_tries_nothing_again_until_it_is_resumed(tenant: Tenant, broken: Any) -> None:
    made = journey(tenant.id, [tag("u", None, "x")])
    [who] = people(tenant.id)
    admit(tenant.id, made.id, [who])
    names = broken(UpdateStep)
    run(tenant.id)
    lifecycle.pause(tenant_id=tenant.id, journey_id=made.id, actor="system")
    names.clear()
    run(tenant.id, NOW + DAY)
    assert paths(tenant.id)[who] == [("trigger", "COMPLETED"), ("u", "IN_PROGRESS")]
    lifecycle.resume(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW + DAY)
    run(tenant.id, NOW + DAY)
    assert statuses(tenant.id)[who] == ("COMPLETED", "completed")
    check_counters(tenant.id, made.id)
