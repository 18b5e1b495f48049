"""Walking a draft over what happened: whom it would have let in, and what would have become of them."""

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, text

from app.capture.batch import AppliedEvent
from app.customers.models import Activity
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.ids import first_id_at
from app.journeys import backtest, queries, replay, service
from app.journeys.engine.advance import advance_batch
from app.journeys.rehearsal import CannotRehearse
from app.messaging import policy
from app.messaging.sender import send_batch
from app.segments.models import Segment, SegmentMember, SegmentPastMember
from tests.journeys.helpers import (
    Json,
    asks,
    event,
    happen,
    journey,
    people,
    rows,
    send,
    step,
    tag,
    template,
    wait,
)  # fmt: skip
from tests.messaging.sink import Sink

SINCE = datetime(2026, 10, 1, tzinfo=UTC)
UNTIL = datetime(2026, 10, 31, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
STUCK = ("SET LOCAL statement_timeout = 1", "SELECT pg_sleep(10)")
PLAYED, BOOKED = "scl.round.completed", "scl.booking.created"


def happened(tenant_id: UUID, customer_id: UUID, at: datetime, type: str = BOOKED, **payload: Any) -> AppliedEvent:
    """Write down that something happened."""
    made = event(customer_id, payload, type=type)
    made.occurred_at = at
    written(tenant_id, [made])
    return made


def written(tenant_id: UUID, events: list[AppliedEvent]) -> None:
    with transaction(tenant_id) as session:
        session.execute(
            insert(Activity),
            [
                {
                    "tenant_id": tenant_id, "id": one.id, "customer_id": one.customer_id, "type": one.type,
                    "category": "OTHER", "title": "Something", "occurred_at": one.occurred_at, "source": "scl",
                    "payload": one.payload,
                }
                for one in events
            ],
        )  # fmt: skip


def walk_again(
    tenant_id: UUID, journey_id: UUID, since: datetime = SINCE, until: datetime = UNTIL
) -> backtest.Backtest:
    """Walk the draft to the end, as a worker does."""
    made = backtest.ask(tenant_id=tenant_id, journey_id=journey_id, since=since, until=until, actor="system", now=NOW)
    for _ in range(50):
        if not backtest.run_batch(tenant_id=tenant_id, now=NOW):
            break
    found = backtest.backtest(tenant_id=tenant_id, journey_id=journey_id, backtest_id=made.id)
    assert (found.status, found.error) == (backtest.DONE, None)
    return found


def begins(event_type: str, to: str, **config: Any) -> Json:
    return step("t", "TRIGGER", to, {"event_type": event_type, **config})


def test_who_came_in_what_was_sent_and_how_it_ended(tenant: Any) -> None:
    made = journey(
        tenant.id,
        [begins(BOOKED, "hi"), send("hi", "rest", template(tenant.id)), wait("rest", "mark", "3 days"),
         tag("mark", None, "booked")],
        active=False,
    )  # fmt: skip
    yes, no, early, late = *people(tenant.id, 1), *people(tenant.id, 1, email_opt_in=False), *people(tenant.id, 2)
    for who, at in ((yes, SINCE + DAY), (no, SINCE + 2 * DAY), (early, SINCE - DAY), (late, UNTIL)):
        happened(tenant.id, who, at)
    # Once for each person: the second booking lets nobody in.
    happened(tenant.id, yes, SINCE + 5 * DAY)
    before = [rows(tenant.id, f"SELECT count(*) FROM {name}")[0][0] for name in ("journey", "message", "activity")]
    found = walk_again(tenant.id, made.id)
    assert (found.total, found.picked, found.walked, found.factor) == (2, 2, 2, 1.0)
    assert found.sums["entered"] == {"2026-10-02": 1, "2026-10-03": 1}
    assert found.sums["steps"]["rest"] == {"came": 2, "passed": 2}
    assert found.sums["letters"] == {"hi": {"sent:": 1, "skipped:opted_out": 1}}
    assert found.sums["days"] == {"EMAIL": {"2026-10-02": 1}}
    assert found.sums["endings"] == {"COMPLETED:completed": 2}
    assert [one["customer_id"] for one in found.sample] == [str(yes), str(no)]
    after = [rows(tenant.id, f"SELECT count(*) FROM {name}")[0][0] for name in ("journey", "message", "activity")]
    assert before == after


def test_days_are_the_journeys(tenant: Any) -> None:
    made = journey(
        tenant.id, [begins(BOOKED, "hi"), send("hi", None, template(tenant.id))], active=False,
        timezone="Pacific/Auckland",
    )  # fmt: skip
    (who,) = people(tenant.id)
    happened(tenant.id, who, SINCE + timedelta(hours=18))
    found = walk_again(tenant.id, made.id)
    assert (found.sums["entered"], found.sums["days"]) == ({"2026-10-02": 1}, {"EMAIL": {"2026-10-02": 1}})


def test_waits_see_the_events_that_came_then_and_none_of_later(tenant: Any) -> None:
    """Also those after the period, up to today, though nobody comes in by them."""
    waits = step("w", "WAIT", "came", {"event_type": PLAYED, "timeout": "10 days"}, next_timeout="lost")
    made = journey(
        tenant.id, [begins(BOOKED, "w"), waits, tag("came", None, "played"), tag("lost", None, "lost")], active=False
    )
    soon, last, never = people(tenant.id, 3)
    for who, at in ((soon, SINCE), (last, UNTIL - DAY), (never, SINCE)):
        happened(tenant.id, who, at)
    happened(tenant.id, soon, SINCE + 2 * DAY, PLAYED)
    happened(tenant.id, last, UNTIL + DAY, PLAYED)
    happened(tenant.id, never, SINCE + 11 * DAY, PLAYED)
    found = walk_again(tenant.id, made.id)
    assert found.sums["steps"]["came"] == {"came": 2, "passed": 2}
    assert found.sums["steps"]["lost"] == {"came": 1, "passed": 1}


def test_re_entry_and_the_most_at_one_time_are_obeyed(tenant: Any) -> None:
    steps = [begins(BOOKED, "rest"), wait("rest", None, "2 days")]
    again = journey(tenant.id, steps, name="Again", active=False, reentry="after_exit")
    full = journey(tenant.id, steps, name="Full", active=False, max_enrollments=1)
    one, other = people(tenant.id, 2)
    for who, day in ((one, 0), (one, 1), (one, 5), (other, 1), (other, 6)):
        happened(tenant.id, who, SINCE + day * DAY)
    assert walk_again(tenant.id, again.id).sums["steps"]["rest"]["came"] == 4
    assert walk_again(tenant.id, full.id).sums["entered"] == {"2026-10-01": 1, "2026-10-07": 1}


def test_conditions_on_the_event_are_asked_at_its_time(tenant: Any) -> None:
    rule = {"field": "course", "operator": "eq", "value": "East"}
    made = journey(tenant.id, [begins(BOOKED, "rest", conditions=[rule]), wait("rest", None, "1 day")], active=False)
    east, west = people(tenant.id, 2)
    happened(tenant.id, east, SINCE, course="East")
    happened(tenant.id, west, SINCE, course="West")
    found = walk_again(tenant.id, made.id)
    assert (found.total, found.sums["steps"]["rest"]["came"]) == (1, 1)


def test_of_many_a_sample_is_walked_and_stands_for_all(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtest, "MOST", 20)
    monkeypatch.setattr(backtest, "AT_ONCE", 8)
    made = journey(tenant.id, [begins(BOOKED, "rest"), wait("rest", None, "1 day")], active=False)
    written(tenant.id, [_booking(one, SINCE + DAY) for one in people(tenant.id, 50)])
    asked = backtest.ask(tenant_id=tenant.id, journey_id=made.id, since=SINCE, until=UNTIL, actor="system", now=NOW)
    far = []
    while backtest.run_batch(tenant_id=tenant.id, now=NOW):
        found = backtest.backtest(tenant_id=tenant.id, journey_id=made.id, backtest_id=asked.id)
        far.append((found.status, found.walked))
    assert far == [("RUNNING", 0), ("RUNNING", 8), ("RUNNING", 16), ("DONE", 20)]
    assert (found.total, found.picked, found.estimate, found.factor) == (50, 20, True, 2.5)
    assert found.sums["endings"] == {"COMPLETED:completed": 20}


def _booking(customer_id: UUID, at: datetime) -> AppliedEvent:
    made = event(customer_id, type=BOOKED)
    made.occurred_at = at
    return made


def test_what_takes_too_long_is_walked_with_fewer_at_once(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = journey(tenant.id, [begins(BOOKED, "rest"), wait("rest", None, "1 day")], active=False)
    written(tenant.id, [_booking(one, SINCE + DAY) for one in people(tenant.id, 3)])
    monkeypatch.setattr(backtest, "SECONDS", 0.0)
    found = walk_again(tenant.id, made.id)
    assert (found.walked, found.broken_off) == (3, 3)


def test_dates_and_schedules_by_their_own_history(tenant: Any) -> None:
    birthday = {"field": "dateOfBirth", "when": "before", "days": 3, "time": "09:00"}
    by_date = journey(
        tenant.id, [begins("DATE", "rest", date=birthday), wait("rest", None, "1 day")], name="Birthday", active=False,
        timezone="Europe/London",
    )  # fmt: skip
    people(tenant.id, 1, date_of_birth=date(1980, 10, 10), timezone="Africa/Johannesburg")
    people(tenant.id, 1, date_of_birth=date(1980, 12, 10))
    assert walk_again(tenant.id, by_date.id).sums["entered"] == {"2026-10-07": 1}

    with transaction(tenant.id) as session:
        segment = Segment(tenant_id=tenant.id, name="Gold", type="STATIC", criteria=None, created_by="system")
        session.add(segment)
        session.flush()
        was, is_ = people(tenant.id, 2, created_at=SINCE - 30 * DAY)
        where = {"tenant_id": tenant.id, "segment_id": segment.id}
        session.add(SegmentPastMember(**where, customer_id=was, entered_at=SINCE - DAY, left_at=SINCE + 10 * DAY))
        session.add(SegmentMember(**where, customer_id=is_, entered_at=SINCE + 8 * DAY))
    weekly = {"starts_on": "2026-10-05", "time": "10:00", "rrule": "FREQ=WEEKLY", "segment_id": str(segment.id)}
    by_schedule = journey(
        tenant.id, [begins("SCHEDULE", "rest", schedule=weekly), wait("rest", None, "1 day")], name="Weekly",
        active=False, reentry="after_exit", timezone="UTC",
    )  # fmt: skip
    found = walk_again(tenant.id, by_schedule.id)
    assert found.sums["entered"] == {"2026-10-05": 1, "2026-10-12": 1, "2026-10-19": 1, "2026-10-26": 1}

    entered = journey(
        tenant.id, [begins("segment.entered", "rest", segment_id=str(segment.id)), wait("rest", None, "1 day")],
        name="Entered", active=False,
    )  # fmt: skip
    assert walk_again(tenant.id, entered.id).sums["entered"] == {"2026-10-09": 1}
    left = journey(
        tenant.id, [begins("segment.left", "rest", segment_id=str(segment.id)), wait("rest", None, "1 day")],
        name="Left", active=False,
    )  # fmt: skip
    assert walk_again(tenant.id, left.id).sums["entered"] == {"2026-10-11": 1}


def test_a_schedule_for_everybody_concerns_who_was_a_customer_by_then(tenant: Any) -> None:
    daily = {"starts_on": "2026-10-05", "time": "10:00", "rrule": "FREQ=DAILY"}
    made = journey(
        tenant.id, [begins("SCHEDULE", "rest", schedule=daily), wait("rest", None, "1 hour")], active=False,
        timezone="UTC",
    )  # fmt: skip
    first = people(tenant.id, 3, created_at=SINCE - DAY) + people(tenant.id, 1, created_at=UNTIL - 2 * DAY)
    people(tenant.id, 1, created_at=UNTIL - timedelta(hours=1))
    found = walk_again(tenant.id, made.id)
    assert (found.total, found.walked) == (4, 4)
    assert {one["customer_id"] for one in found.sample} == {str(one) for one in first}
    assert found.sums["entered"] == {"2026-10-05": 3, "2026-10-29": 1}
    # No moment of it lies in the period.
    assert walk_again(tenant.id, made.id, SINCE, SINCE + DAY).total == 0


def test_of_many_dates_a_sample_is_walked(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtest, "MOST", 2)
    birthday = {"field": "dateOfBirth", "when": "on", "days": 0, "time": "09:00"}
    made = journey(
        tenant.id, [begins("DATE", "rest", date=birthday), wait("rest", None, "1 day")], active=False, timezone="UTC"
    )
    people(tenant.id, 5, date_of_birth=date(1980, 10, 10))
    found = walk_again(tenant.id, made.id)
    assert (found.total, found.picked, found.sums["entered"]) == (5, 2, {"2026-10-10": 2})


def test_after_so_many_events_nobody_elses_are_read(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "TOGETHER", 2)
    monkeypatch.setattr(replay, "EVENTS", 3)
    made = journey(tenant.id, [begins(BOOKED, "rest"), wait("rest", None, "1 day")], active=False)
    for who in people(tenant.id, 6):
        happened(tenant.id, who, SINCE + DAY)
    found = walk_again(tenant.id, made.id)
    assert (found.total, found.picked) == (6, 4)


def test_what_the_database_breaks_off_fails_at_once(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = journey(tenant.id, [begins(BOOKED, "rest"), wait("rest", None, "1 day")], active=False)
    monkeypatch.setattr(replay.Replay, "concerned", lambda one, *_: [one.session.execute(text(each)) for each in STUCK])
    asked = backtest.ask(tenant_id=tenant.id, journey_id=made.id, since=SINCE, until=UNTIL, actor="system", now=NOW)
    backtest.run_batch(tenant_id=tenant.id, now=NOW)
    found = backtest.backtest(tenant_id=tenant.id, journey_id=made.id, backtest_id=asked.id)
    assert (found.status, found.error) == (backtest.FAILED, backtest.TOO_LONG)
    assert backtest.run_batch(tenant_id=tenant.id, now=NOW + DAY) == 0


def test_a_period_that_can_not_be_is_refused_in_words(tenant: Any) -> None:
    made = journey(tenant.id, [begins(BOOKED, "rest"), wait("rest", None, "1 day")], active=False)
    for since, until in ((UNTIL, SINCE), (SINCE, NOW + 2 * DAY), (SINCE - 400 * DAY, UNTIL)):
        with pytest.raises(Invalid):
            walk_again(tenant.id, made.id, since, until)
    empty = service.create(tenant_id=tenant.id, actor="system", name="Empty")
    with pytest.raises(CannotRehearse, match="Add a trigger"):
        walk_again(tenant.id, empty.id)


def test_moments_at_the_ends_of_all_time_are_refused_in_words(api: Any, tenant: Any) -> None:
    made = journey(tenant.id, [begins(BOOKED, "rest"), wait("rest", None, "1 day")], active=False)
    ends = ("0001-01-01T00:00:00+02:00", "9999-12-31T23:59:00-02:00")
    for name in ("since", "until"):
        for end in ends:
            assert api.post(f"/journeys/{made.id}/backtest", json={name: end}).status_code == 422, (name, end)
    (who,) = people(tenant.id)
    for end in ends:
        told = {"name": "Newcomer", "facts": {}, "starts_at": end}
        assert "starts_at" in api.post(f"/journeys/{made.id}/checks", json=told).get_json()["errors"]
        told = {"customer_ids": [str(who)], "at": end}
        assert "at" in api.post(f"/journeys/{made.id}/rehearse", json=told).get_json()["errors"]


def test_only_the_last_five_are_kept(tenant: Any, other_tenant: Any) -> None:
    made = journey(tenant.id, [begins(BOOKED, "rest"), wait("rest", None, "1 day")], active=False)
    asked = [
        backtest.ask(tenant_id=tenant.id, journey_id=made.id, since=SINCE, until=UNTIL, actor="system", now=NOW)
        for _ in range(7)
    ]
    kept = {row.id for row in rows(tenant.id, "SELECT id FROM journey_backtest")}
    assert kept == {one.id for one in asked[2:]}
    with pytest.raises(backtest.NoSuchBacktest):
        backtest.backtest(tenant_id=other_tenant.id, journey_id=made.id, backtest_id=asked[-1].id)


@pytest.mark.parametrize("seed", range(4))
def test_it_comes_to_what_really_came_of_the_same_events(tenant: Any, sink: Sink, seed: int) -> None:
    """Walked before it really ran and after: what the journey itself sent then does not count for caps twice."""
    rng = random.Random(seed)
    quiet, caps = {"EMAIL": {"from": "21:00", "to": "08:00"}}, [{"channel": "EMAIL", "most": 2, "hours": 72}]
    policy.save(tenant_id=tenant.id, actor="system", changes={"quiet": quiet, "caps": caps})
    letter = template(tenant.id)
    waits = step("w", "WAIT", "ask", {"event_type": PLAYED, "timeout": "2 days"}, next_timeout="again")
    made = journey(
        tenant.id,
        [begins(BOOKED, "hi"), send("hi", "w", letter), waits,
         asks("ask", "again", "end", {"field": "emailOptIn", "operator": "eq", "value": True}),
         send("again", "rest", letter), wait("rest", "last", rng.choice(("3 hours", "1 day"))),
         send("last", "end", letter), step("end", "END")],
        reentry=rng.choice(("never", "after_exit")),
        exit_on_unsubscribe=True,
    )  # fmt: skip
    who = [id_ for _ in range(8) for id_ in people(tenant.id, email_opt_in=rng.choice((True, True, False)))]
    events = [event(rng.choice(who), type=rng.choice((BOOKED, BOOKED, PLAYED))) for _ in range(30)]
    for at, one in enumerate(events):
        one.occurred_at = SINCE + timedelta(minutes=rng.randrange(20 * 24 * 60))
        # It was told of when it happened.
        one.id = UUID(int=first_id_at(one.occurred_at).int + at)
    events.sort(key=lambda one: one.occurred_at)
    written(tenant.id, events)
    said = walk_again(tenant.id, made.id).sums
    _live(tenant.id, made.id, events)
    assert said == _done(tenant.id, made.id)
    assert said["letters"]
    assert walk_again(tenant.id, made.id).sums == said


def _live(tenant_id: UUID, journey_id: UUID, events: list[AppliedEvent]) -> None:
    coming = list(events)
    now = SINCE
    while True:
        while advance_batch(tenant_id=tenant_id, now=now) or send_batch(tenant_id=tenant_id, now=now):
            pass
        due = rows(
            tenant_id,
            "SELECT min(due_at) FROM (SELECT due_at FROM journey_enrollment WHERE status = 'ACTIVE'"
            " UNION ALL SELECT due_at FROM message WHERE status IN ('queued', 'held')) AS due",
        )[0][0]
        moments = [one for one in (due, coming[0].occurred_at if coming else None) if one]
        if not moments:
            return
        now = max(min(moments), now)
        while coming and coming[0].occurred_at <= now:
            happen(tenant_id, coming.pop(0), now=now)


def _done(tenant_id: UUID, journey_id: UUID) -> dict[str, Any]:
    """Return of what was really done the counts a backtest gives."""

    zone = ZoneInfo(queries.journey(tenant_id=tenant_id, journey_id=journey_id).timezone)

    def day(moment: datetime) -> str:
        return moment.astimezone(zone).date().isoformat()

    fates = {"COMPLETED": "passed", "FAILED": "failed", "SKIPPED": "skipped"}
    walks = rows(tenant_id, "SELECT * FROM journey_enrollment")
    steps: dict[str, Counter[str]] = {}
    for row in rows(tenant_id, "SELECT step_key, status FROM journey_enrollment_step"):
        steps.setdefault(row.step_key, Counter()).update(["came", fates[row.status]])
    letters: dict[str, Counter[str]] = {}
    days: Counter[str] = Counter()
    for row in rows(tenant_id, "SELECT step_key, status, reason, sent_at FROM message"):
        letters.setdefault(row.step_key, Counter())[f"{row.status}:{row.reason or ''}"] += 1
        if row.status == "sent":
            days[day(row.sent_at)] += 1
    held = rows(tenant_id, "SELECT count(*) FROM message WHERE status = 'sent' AND sending_at > created_at")[0][0]
    return {
        "entered": Counter(day(one.enrolled_at) for one in walks),
        "steps": steps,
        "letters": letters,
        "days": {"EMAIL": days},
        "endings": Counter(f"{one.status}:{one.exit_reason or ''}" for one in walks),
        "held": held,
    }
