"""Several workers at once, with real commits: every step once, limits held, nobody lost."""

import threading
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from app.accounts import closures
from app.accounts.actor import Actor
from app.accounts.models import Club, Tenant
from app.capture.service import process_batch
from app.events import log as capture_log
from app.infra.db import db, transaction
from app.infra.errors import Invalid
from app.infra.ids import new_id
from app.journeys import checks, drafts, lifecycle, publishing, queries, recipe, service
from app.journeys.engine import advance
from app.journeys.engine.advance import advance_batch
from app.journeys.steps.update import UpdateStep
from app.road import HANDLERS
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
    send,
    statuses,
    step,
    tag,
    tags,
    template,
    wait,
)
from tests.journeys.test_uses import rename
from tests.waiting import until_somebody_waits

pytestmark = pytest.mark.committed

HOUR = timedelta(hours=1)
CANCELLED = "booking.cancelled"


def together(app: Flask, *acts: Callable[[], Any]) -> list[Any]:
    """Do the acts at the same time, each in a thread with a session of its own; return what each returned."""
    ready = threading.Barrier(len(acts))
    found: list[Any] = [None] * len(acts)

    def do(index: int, act: Callable[[], Any]) -> None:
        with app.app_context():
            ready.wait()
            try:
                found[index] = act()
            except Exception as error:
                found[index] = error
            finally:
                db.session.remove()

    threads = [threading.Thread(target=do, args=(index, act)) for index, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def work(tenant_id: UUID, limit: int = 7) -> int:
    total = 0
    while moved := advance_batch(tenant_id=tenant_id, now=NOW, limit=limit):
        total += moved
    return total


def test_four_workers_take_each_step_once(app: Flask, tenant: Tenant) -> None:
    made = journey(tenant.id, [tag("u", "s", "x"), send("s", None, template(tenant.id))])
    who = people(tenant.id, 60)
    admit(tenant.id, made.id, who)
    found = together(app, *[lambda: work(tenant.id)] * 4)
    assert all(isinstance(one, int) for one in found), found
    # A worker that finds only held rows goes home; what it left is there for the next wake-up.
    run(tenant.id)
    assert len(rows(tenant.id, "SELECT 1 FROM message")) == 60
    assert set(map(tuple, paths(tenant.id).values())) == {
        (("trigger", "COMPLETED"), ("u", "COMPLETED"), ("s", "COMPLETED"))
    }
    assert {status for status, _ in statuses(tenant.id).values()} == {"COMPLETED"}
    check_counters(tenant.id, made.id)


def test_a_worker_that_dies_leaves_nothing_half_done(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    tid = tenant.id
    journey_id = journey(tid, [tag("u", "s", "x"), send("s", None, template(tid))]).id
    who = people(tid, 5)
    admit(tid, journey_id, who)

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(advance.writes, "write", killed)
        with pytest.raises(Killed):
            advance_batch(tenant_id=tid, now=NOW)
    assert rows(tid, "SELECT 1 FROM message UNION ALL SELECT 1 FROM journey_enrollment_step") == []
    assert rows(tid, "SELECT 1 FROM customer WHERE tags <> '{}'") == []
    run(tid)
    assert set(statuses(tid).values()) == {("COMPLETED", "completed")}
    assert len(rows(tid, "SELECT 1 FROM message")) == 5
    check_counters(tid, journey_id)


def test_the_same_events_by_four_workers_at_once(app: Flask, tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", None, "1 day")], trigger_type=JOINED)
    again = journey(tenant.id, [wait("w", None, "1 day")], name="Again", trigger_type=JOINED, allow_reentry=True)
    events = [event(one) for one in people(tenant.id, 20)]
    found = together(
        app, *[lambda turn=turn: happen(tenant.id, *events[turn * 5 :], *events[: turn * 5]) for turn in range(4)]
    )
    assert found == [None] * 4
    for one in (made, again):
        assert queries.journey(tenant_id=tenant.id, journey_id=one.id).total_enrolled == 20
        check_counters(tenant.id, one.id)


def test_a_limit_holds_when_everybody_comes_at_once(app: Flask, tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", None, "1 day")], trigger_type=JOINED, max_enrollments=7)
    events = [event(one) for one in people(tenant.id, 40)]
    found = together(
        app, *[lambda part=part: happen(tenant.id, *events[part * 10 : part * 10 + 10]) for part in range(4)]
    )
    assert found == [None] * 4
    assert len(rows(tenant.id, "SELECT 1 FROM journey_enrollment")) == 7
    check_counters(tenant.id, made.id)


def test_archiving_while_people_walk(app: Flask, tenant: Tenant) -> None:
    made = journey(tenant.id, [tag("u", "w", "x"), wait("w", None, "1 day")])
    admit(tenant.id, made.id, people(tenant.id, 60))
    found = together(
        app,
        lambda: work(tenant.id, limit=5),
        lambda: lifecycle.archive(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW).status,
    )
    assert found[1] == "ARCHIVED", found
    run(tenant.id)
    assert set(statuses(tenant.id).values()) == {("EXITED", "archived")}
    check_counters(tenant.id, made.id)


def test_pausing_and_resuming_while_people_walk(app: Flask, tenant: Tenant) -> None:
    made = journey(tenant.id, [tag("u", None, "x")])
    admit(tenant.id, made.id, people(tenant.id, 60))

    def flicker() -> str:
        for _ in range(5):
            lifecycle.pause(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW)
            lifecycle.resume(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW)
        return "done"

    found = together(app, lambda: work(tenant.id, limit=3), lambda: work(tenant.id, limit=3), flicker)
    assert found[2] == "done", found
    run(tenant.id)
    assert {status for status, _ in statuses(tenant.id).values()} == {"COMPLETED"}
    check_counters(tenant.id, made.id)


def test_publishing_while_events_come_loses_nobody(app: Flask, tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", None, "1 day")], trigger_type=JOINED)
    events = [event(one) for one in people(tenant.id, 30)]

    def publish() -> str:
        for turn in range(5):
            on: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
            service.put_steps(**on, steps=[wait("w", None, f"{turn + 2} days")])
            lifecycle.publish(**on)
        return "done"

    def post() -> str:
        for one in events:
            happen(tenant.id, one)
        return "done"

    assert together(app, publish, post) == ["done", "done"]
    assert len(rows(tenant.id, "SELECT 1 FROM journey_enrollment")) == 30
    check_counters(tenant.id, made.id)


@pytest.mark.parametrize("act", [lifecycle.publish, lifecycle.activate])
def test_who_publishes_while_somebody_else_does_is_not_sent_away(
    app: Flask, tenant: Tenant, real_db: str, act: Callable[..., Any]
) -> None:
    """Another one told the engine whom to look at and wants the journey; who publishes has that, and waits to tell."""
    made = journey(tenant.id, [tag("u", "w", "x"), wait("w", "z", "9 days"), tag("z", None, "z")])
    admit(tenant.id, made.id, people(tenant.id, 3))
    run(tenant.id)
    on: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    otherwise = step("w", "WAIT", "z", {"event_type": CANCELLED, "timeout": "1 hour"}, next_timeout="z")
    service.put_steps(**on, steps=[tag("u", "w", "x"), otherwise, tag("z", None, "z")])
    told = threading.Event()

    def first() -> None:
        with transaction(tenant.id) as session:
            session.execute(publishing._SETTLE, {**on, "keys": ["w"], "rebase": False, "look": False})
            told.set()
            until_somebody_waits(real_db)
            drafts.locked(session, tenant.id, made.id)

    def second() -> int | None:
        told.wait(30)
        version: int | None = act(**on).published_version
        return version

    assert together(app, first, second)[1] == 2


def test_who_walks_by_an_old_version_is_not_left_at_a_step_that_is_gone(
    app: Flask, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = journey(tenant.id, [tag("u", "w", "x"), wait("w", "z", "9 days"), tag("z", None, "z")])
    who = people(tenant.id, 3)
    admit(tenant.id, made.id, who)
    on: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    real = advance.writes.write
    found: list[Any] = []

    def publish_and_settle() -> int:
        service.put_steps(**on, steps=[tag("u", "z", "x"), tag("z", None, "z")])
        lifecycle.publish(**on, placements={})
        return work(tenant.id)

    def overtaken(*given: Any) -> None:
        if not found:
            found.append(None)
            found[:] = together(app, publish_and_settle)
        real(*given)

    with monkeypatch.context() as slow:
        slow.setattr(advance.writes, "write", overtaken)
        assert advance_batch(tenant_id=tenant.id, now=NOW) == 3
    assert found == [1], "the step that is gone was settled while they walked to it"
    run(tenant.id)
    assert set(map(tuple, paths(tenant.id).values())) == {
        (("trigger", "COMPLETED"), ("u", "COMPLETED"), ("z", "COMPLETED"))
    }
    assert [row.version for row in rows(tenant.id, "SELECT DISTINCT version FROM journey_enrollment_step")] == [2]
    check_counters(tenant.id, made.id)


def test_a_tag_renamed_while_people_walk_does_not_come_back(
    app: Flask, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = journey(tenant.id, [tag("u", None, "vip")])
    who, _ = people(tenant.id)[0], people(tenant.id, tags=["vip"])
    admit(tenant.id, made.id, [who])
    real = advance.plans_of
    found: list[Any] = []

    def renamed(*given: Any) -> Any:
        plans = real(*given)
        if not found:
            found[:] = together(app, lambda: rename(tenant, "vip", "Star"))
        return plans

    with monkeypatch.context() as slow:
        slow.setattr(advance, "plans_of", renamed)
        run(tenant.id)
    assert not isinstance(found[0], Exception)
    assert tags(tenant.id, who) == ["Star"]
    check_counters(tenant.id, made.id)


def test_nobody_goes_on_once_a_journey_is_paused(app: Flask, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    made = journey(tenant.id, [send("s", None, template(tenant.id))])
    admit(tenant.id, made.id, people(tenant.id, 3))
    real = advance.writes.write

    def paused(*given: Any) -> None:
        together(app, lambda: lifecycle.pause(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW))
        real(*given)

    with monkeypatch.context() as slow:
        slow.setattr(advance.writes, "write", paused)
        run(tenant.id)
    assert rows(tenant.id, "SELECT 1 FROM message") == []
    check_counters(tenant.id, made.id)


def test_who_starts_another_journey_keeps_nobody_out_of_it(
    app: Flask, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = journey(tenant.id, [wait("w", None, "1 day")], name="Other", trigger_type=JOINED, max_enrollments=4)
    first = journey(tenant.id, [step("s", "START_JOURNEY", "u", {"journey_id": str(other.id)}), tag("u", None, "x")])
    who, [guest] = people(tenant.id, 4), people(tenant.id)
    admit(tenant.id, first.id, who)
    real = advance.writes.write
    found: list[Any] = []

    def enter() -> None:
        with transaction(tenant.id) as session:
            session.execute(text("SET LOCAL lock_timeout = '3s'"))
            happen(tenant.id, event(guest))

    def meanwhile(*given: Any) -> None:
        found.extend(together(app, enter) if not found else ())
        real(*given)

    with monkeypatch.context() as slow:
        slow.setattr(advance.writes, "write", meanwhile)
        run(tenant.id)
    assert found == [None], "an event lets somebody in while the batch walks"
    result = "SELECT s.result ->> 'started' AS started FROM journey_enrollment_step s WHERE s.step_key = 's'"
    assert sorted(row.started for row in rows(tenant.id, result)) == ["false", "true", "true", "true"]
    assert len(rows(tenant.id, "SELECT 1 FROM journey_enrollment WHERE journey_id = :id", id=other.id)) == 4
    for one in (first, other):
        check_counters(tenant.id, one.id)


def test_journeys_that_start_each_other_by_four_workers(
    app: Flask, tenant: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    made = [journey(tenant.id, [tag("u", None, "x")], name=f"J{one}", allow_reentry=True) for one in range(3)]
    for turn, one in enumerate(made):
        after = str(made[(turn + 1) % 3].id)
        steps = [wait("w", "s", "1 hour"), step("s", "START_JOURNEY", "u", {"journey_id": after}), tag("u", None, "x")]
        service.put_steps(tenant_id=tenant.id, journey_id=one.id, actor="system", steps=steps)
        lifecycle.publish(tenant_id=tenant.id, journey_id=one.id, actor="system")
        admit(tenant.id, one.id, people(tenant.id, 40))
    run(tenant.id)

    def on() -> int:
        total = 0
        while moved := advance_batch(tenant_id=tenant.id, now=NOW + HOUR, limit=5):
            total += moved
        return total

    found = together(app, *[on] * 4)
    assert all(isinstance(one, int) for one in found), found
    run(tenant.id, NOW + HOUR)
    assert "begins again" not in caplog.text, "nobody waits in a circle"
    assert len(rows(tenant.id, "SELECT 1 FROM journey_enrollment")) == 240
    for one in made:
        check_counters(tenant.id, one.id)


def test_two_who_lock_customers_the_other_way_round_try_again(app: Flask, tenant: Tenant) -> None:
    made = journey(tenant.id, [tag("u", None, "x")])
    first, second = sorted(people(tenant.id, 2))
    admit(tenant.id, made.id, [first, second])
    held, tried = threading.Event(), threading.Event()

    def other_way_round() -> str:
        lock = text("SELECT 1 FROM customer WHERE id = :id FOR UPDATE")
        with transaction(tenant.id) as session:
            session.execute(lock, {"id": second})
            held.set()
            tried.wait(3)
            session.execute(lock, {"id": first})
        return "done"

    def walk() -> int:
        held.wait(5)
        threading.Timer(0.3, tried.set).start()
        return advance_batch(tenant_id=tenant.id, now=NOW)

    found = together(app, other_way_round, walk)
    # The database picks the one who gives way: the engine then begins again, and the other one is told.
    assert found[1] == 2, found
    run(tenant.id)
    assert {status for status, _ in statuses(tenant.id).values()} == {"COMPLETED"}
    check_counters(tenant.id, made.id)


def test_no_journey_keeps_more_checks_than_it_may_however_many_are_kept_at_once(
    app: Flask, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "MOST", 2)
    made = journey(tenant.id, [tag("u", None, "x")])
    # All have walked before the first of them is kept.
    walked, expected = threading.Barrier(4), checks._expected

    def then_wait(*asked: Any) -> Any:
        found = expected(*asked)
        walked.wait()
        return found

    monkeypatch.setattr(checks, "_expected", then_wait)

    def keep() -> checks.Check:
        return checks.save(
            tenant_id=tenant.id, journey_id=made.id, actor="system", name="Newcomer", starts_at=NOW, facts={}
        )

    found = together(app, *[keep] * 4)
    assert sum(isinstance(one, Invalid) for one in found) == 2, found
    assert len(checks.checks(tenant_id=tenant.id, journey_id=made.id)) == 2


def test_no_club_has_more_closures_than_it_may_however_many_are_added_at_once(
    app: Flask, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closures, "MOST", 2)
    with transaction(tenant.id) as session:
        club = Club(
            tenant_id=tenant.id,
            name="Milnerton Links",
            country="ZA",
            timezone="Africa/Johannesburg",
            locale="en-ZA",
            currency="ZAR",
        )
        session.add(club)
        session.flush()
        club_id = club.id

    manager = Actor(tenant.id, new_id(), "Nomsa", None, "manager", frozenset(), "session")

    def close() -> closures.ClosureInfo:
        return closures.add(
            tenant_id=tenant.id, actor=manager, club_id=club_id, name="Christmas", starts_on=date(2026, 12, 25)
        )

    found = together(app, *[close] * 4)
    assert sum(isinstance(one, Invalid) for one in found) == 2, found
    assert len(closures.closures(tenant_id=tenant.id, club_id=club_id)) == 2


def test_an_event_and_the_engine_that_wait_for_each_other_both_come_through(
    app: Flask, tenant: Tenant, real_db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event has the customer and wants to wake them; the engine moves them on and wants to change the customer."""
    waiting = step("w", "WAIT", "u", {"event_type": CANCELLED, "timeout": "1 hour"}, next_timeout="u")
    made = journey(tenant.id, [waiting, tag("u", None, "x")])
    [who] = people(tenant.id)
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    whose = {"identity": {"customer_id": str(who)}, "source": "fairway"}
    told = {"id": "1", "type": CANCELLED, "timestamp": NOW.isoformat(), "payload": {}, **whose}
    capture_log.append(tenant_id=tenant.id, events=[told], own=True, now=NOW)
    moving = threading.Event()
    as_it_is = UpdateStep.run

    def run_when_waited_for(self: UpdateStep, batch: Any) -> None:
        moving.set()
        until_somebody_waits(real_db)
        as_it_is(self, batch)

    def apply() -> int:
        moving.wait(30)
        return process_batch(tenant_id=tenant.id, now=NOW + HOUR, handlers=HANDLERS)

    monkeypatch.setattr(UpdateStep, "run", run_when_waited_for)
    assert together(app, lambda: advance_batch(tenant_id=tenant.id, now=NOW + HOUR), apply) == [1, 1]
    assert paths(tenant.id)[who][1:] == [("w", "COMPLETED"), ("u", "COMPLETED")]
    assert tags(tenant.id, who) == ["x"]
    check_counters(tenant.id, made.id)


def test_four_who_use_a_recipe_at_once_get_a_journey_each(app: Flask, tenant: Tenant) -> None:
    def use() -> Any:
        return recipe.use(tenant_id=tenant.id, name="lapsed-golfer", actor="system").name

    title = recipe.recipe("lapsed-golfer").title
    numbered = [title, *(f"{title} ({number})" for number in (2, 3, 4))]
    assert sorted(map(str, together(app, use, use, use, use))) == sorted(numbered)
    letters = len(recipe.recipe("lapsed-golfer").letters)
    with transaction(tenant.id) as session:
        assert session.scalar(text("SELECT count(DISTINCT name) FROM template")) == 4 * letters
