"""Waiting for something: an event, a condition, a date; and going another way in vain."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.accounts.models import Tenant
from app.capture.batch import AppliedEvent
from app.customers.models import Activity
from app.infra.arrays import array
from app.infra.clock import anniversary
from app.infra.db import look_up_by_index, transaction
from app.infra.ids import first_id_at
from app.infra.working_days import WorkingDays
from app.journeys import lifecycle, queries, since
from app.journeys.engine import enrol
from app.journeys.kinds import check_graph, exit_labels, read_graph
from app.journeys.moments import at_local, on_date
from app.journeys.step_type import Known, step_types
from app.journeys.steps.wait import FIRST_LOOK, LOOK_EVERY, Wait
from app.journeys.waits import UntilDate, WaitConfig
from tests.journeys.helpers import (
    NOW,
    Json,
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
    template,
)
from tests.plans import plan_of

DAY = timedelta(days=1)
BOOKED, CAME = "booking.created", "visit.logged"
FOR_BOOKING: Json = {"event_type": BOOKED, "timeout": "3 days"}
GOLD = {"field": "membership_tier", "operator": "eq", "value": "Gold"}


def waiting(tenant_id: UUID, config: Json, **settings: Any) -> UUID:
    """Return a journey that tags who went on by `next` and who went another way."""
    steps = [step("w", "WAIT", "yes", config), tag("yes", None, "came"), tag("no", None, "late")]
    other = {"timeout": "next_timeout", "missed": "next_missed"}
    for exit in step_types().get("WAIT").exits(config):
        if exit in other:
            steps[0][other[exit]] = "no"
            break
    else:
        steps.pop()
    return journey(tenant_id, steps, **settings).id


def where(tenant_id: UUID) -> dict[UUID, str]:
    """Return the last step each took."""
    return {who: taken[-1][0] for who, taken in paths(tenant_id).items()}


def test_who_has_what_they_wait_for_goes_on_at_once_and_the_others_in_time(tenant: Tenant) -> None:
    made = waiting(tenant.id, FOR_BOOKING)
    one, other, third = people(tenant.id, 3)
    admit(tenant.id, made, [one, other, third])
    run(tenant.id)
    happen(tenant.id, event(one, type=BOOKED), event(other, type="booking.cancelled"), now=NOW + DAY)
    assert run(tenant.id, NOW + DAY) == 3  # the first look of those who had nothing was due too
    assert where(tenant.id) == {one: "yes", other: "w", third: "w"}
    assert run(tenant.id, NOW + 3 * DAY - timedelta(seconds=1)) == 0
    assert run(tenant.id, NOW + 3 * DAY) == 2
    assert where(tenant.id) == {one: "yes", other: "no", third: "no"}
    check_counters(tenant.id, made)
    assert queries.step_counts(tenant_id=tenant.id, journey_id=made)["w"].ways == {"timeout": 2}
    results = {row.exit: row.result for row in rows(
        tenant.id, "SELECT exit, result FROM journey_enrollment_step WHERE step_key = 'w'")}  # fmt: skip
    assert results[None]["happened"] == BOOKED
    assert results["timeout"]["timed_out"] is True


def test_only_an_event_that_says_so_wakes(tenant: Tenant) -> None:
    about = [{"field": "holes", "operator": "eq", "value": 18}]
    made = waiting(tenant.id, {**FOR_BOOKING, "conditions": about})
    one, other = people(tenant.id, 2)
    admit(tenant.id, made, [one, other])
    run(tenant.id)
    run(tenant.id, NOW + FIRST_LOOK)
    happen(tenant.id, event(one, {"holes": 18}, type=BOOKED), event(other, {"holes": 9}, type=BOOKED), now=NOW + DAY)
    assert run(tenant.id, NOW + DAY) == 1
    assert where(tenant.id) == {one: "yes", other: "w"}


def test_only_an_event_about_the_same_booking_wakes(tenant: Tenant) -> None:
    config = {**FOR_BOOKING, "event_type": "booking.cancelled", "same": "booking_id"}
    start = step("trigger", "TRIGGER", "w", {"event_type": BOOKED})
    steps = [start, step("w", "WAIT", "yes", config, next_timeout=None), tag("yes", None, "came")]
    made = journey(tenant.id, steps, reentry="each", reentry_key="booking_id")
    [who] = people(tenant.id)
    for booking in ("A", "B"):
        happen(tenant.id, event(who, {"booking_id": booking}, type=BOOKED))
    run(tenant.id)
    for said in ({}, {"booking_id": "C"}, {"bookingId": "A"}):
        happen(tenant.id, event(who, said, type="booking.cancelled"), now=NOW + timedelta(minutes=1))
    run(tenant.id, NOW + timedelta(minutes=1))
    stand = "SELECT entry, status FROM journey_enrollment ORDER BY entry"
    assert [tuple(row) for row in rows(tenant.id, stand)] == [("each:A", "COMPLETED"), ("each:B", "ACTIVE")]
    with transaction(tenant.id) as session:
        # Another worker applied these before it could see that somebody waits.
        for booking in ("C", "B"):
            session.add(Activity(
                tenant_id=tenant.id, customer_id=who, type="booking.cancelled", category="OTHER", title="Cancelled",
                source="scl", occurred_at=NOW + timedelta(seconds=1), payload={"booking_id": booking},
            ))  # fmt: skip
    run(tenant.id, NOW + FIRST_LOOK)
    assert [tuple(row) for row in rows(tenant.id, stand)] == [("each:A", "COMPLETED"), ("each:B", "COMPLETED")]
    check_counters(tenant.id, made.id)
    words = step_types().get("WAIT").words(WaitConfig.model_validate(config), Known())
    assert words == "Wait until “Booking cancelled” happens with the same “booking_id”, at most 3 days"


@pytest.mark.parametrize("booking", ["B", 7, "7", True])
def test_the_same_booking_is_found_behind_many_others(tenant: Tenant, booking: Any) -> None:
    config = {**FOR_BOOKING, "event_type": "booking.cancelled", "same": "booking_id"}
    start = step("trigger", "TRIGGER", "w", {"event_type": BOOKED})
    journey(tenant.id, [start, step("w", "WAIT", "yes", config, next_timeout=None), tag("yes", None, "came")])
    [who] = people(tenant.id)
    happen(tenant.id, event(who, {"booking_id": booking}, type=BOOKED))
    run(tenant.id)
    with transaction(tenant.id) as session:
        others = [{"booking_id": number} for number in range(100, 160)]
        for number, payload in enumerate([*others, {"bookingId": booking}], 1):
            session.add(Activity(
                tenant_id=tenant.id, customer_id=who, type="booking.cancelled", category="OTHER", title="Cancelled",
                source="scl", occurred_at=NOW + timedelta(seconds=number), payload=payload,
            ))  # fmt: skip
    run(tenant.id, NOW + FIRST_LOOK)
    assert where(tenant.id) == {who: "yes"}


def test_nobody_is_woken_twice_or_after_they_went_on(tenant: Tenant) -> None:
    made = waiting(tenant.id, FOR_BOOKING)
    [who] = people(tenant.id)
    admit(tenant.id, made, [who])
    run(tenant.id)
    for _ in range(2):
        happen(tenant.id, event(who, type=BOOKED), now=NOW + DAY)
    assert run(tenant.id, NOW + DAY) == 1
    happen(tenant.id, event(who, type=BOOKED), now=NOW + DAY)
    assert run(tenant.id, NOW + 9 * DAY) == 0
    assert paths(tenant.id)[who] == [("trigger", "COMPLETED"), ("w", "COMPLETED"), ("yes", "COMPLETED")]


def test_what_happened_in_the_moment_they_came_is_found_in_the_log(tenant: Tenant) -> None:
    made = waiting(tenant.id, FOR_BOOKING)
    [who] = people(tenant.id)
    admit(tenant.id, made, [who])
    run(tenant.id)
    with transaction(tenant.id) as session:
        # Another worker applied it before it could see that somebody waits.
        session.add(Activity(
            tenant_id=tenant.id, customer_id=who, type=BOOKED, category="OTHER", title="Booked", source="scl",
            occurred_at=NOW + timedelta(seconds=1), payload={},
        ))  # fmt: skip
    assert run(tenant.id, NOW + FIRST_LOOK) == 1
    assert where(tenant.id) == {who: "yes"}


def test_who_is_told_of_another_date_misses_no_event_of_that_moment(tenant: Tenant) -> None:
    """The event could not wake them: they were woken already."""
    settings: Json = {"trigger_type": BOOKED, "reentry": "each", "reentry_key": "booking_id"}
    journey(tenant.id, [step("w", "WAIT", None, {"event_type": CAME, "timeout": "3 days"})], **settings)
    [who] = people(tenant.id)
    happen(tenant.id, event(who, {"booking_id": "B1", "tee_time": "2026-12-05"}, type=BOOKED))
    run(tenant.id)
    run(tenant.id, NOW + FIRST_LOOK)
    later = NOW + timedelta(hours=1)
    happen(tenant.id, event(who, {"booking_id": "B1", "tee_time": "2026-12-06"}, type=BOOKED), now=later)
    # Its activity is there only once they were looked at.
    came = replace(event(who, type=CAME), occurred_at=later)
    happen(tenant.id, came, now=later)
    run(tenant.id, later)
    assert paths(tenant.id)[who][-1] == ("w", "IN_PROGRESS")
    log_event(tenant.id, came)
    run(tenant.id, later + FIRST_LOOK)
    assert paths(tenant.id)[who][-1] == ("w", "COMPLETED")


def test_a_paused_journey_keeps_what_woke_them(tenant: Tenant) -> None:
    made = waiting(tenant.id, FOR_BOOKING)
    [who] = people(tenant.id)
    admit(tenant.id, made, [who])
    run(tenant.id)
    lifecycle.pause(tenant_id=tenant.id, journey_id=made, actor="system", now=NOW)
    happen(tenant.id, event(who, type=BOOKED), now=NOW + DAY)
    run(tenant.id, NOW + DAY)
    assert where(tenant.id) == {who: "w"}
    lifecycle.resume(tenant_id=tenant.id, journey_id=made, actor="system", now=NOW + 2 * DAY)
    run(tenant.id, NOW + 2 * DAY)
    assert where(tenant.id) == {who: "yes"}


def test_people_wait_for_a_condition(tenant: Tenant) -> None:
    made = waiting(tenant.id, {"rules": [GOLD], "timeout": "3 days"})
    gold, silver, never = (people(tenant.id, membership_tier=tier)[0] for tier in ("Gold", "Silver", None))
    admit(tenant.id, made, [gold, silver, never])
    run(tenant.id)
    assert where(tenant.id) == {gold: "yes", silver: "w", never: "w"}
    rows(tenant.id, "UPDATE customer SET membership_tier = 'Gold' WHERE id = :id RETURNING id", id=silver)
    assert run(tenant.id, NOW + timedelta(hours=1)) == 0
    happen(tenant.id, event(silver, type="member.changed"), now=NOW + timedelta(hours=1))
    assert run(tenant.id, NOW + timedelta(hours=1)) == 1
    assert where(tenant.id) == {gold: "yes", silver: "yes", never: "w"}
    rows(tenant.id, "UPDATE customer SET membership_tier = 'Gold' WHERE id = :id RETURNING id", id=never)
    assert run(tenant.id, NOW + LOOK_EVERY) == 1
    assert where(tenant.id)[never] == "yes"
    check_counters(tenant.id, made)


def test_who_waits_in_vain_for_a_condition_goes_the_other_way(tenant: Tenant) -> None:
    made = waiting(tenant.id, {"rules": [GOLD], "timeout": "7 hours"})
    admit(tenant.id, made, people(tenant.id))
    assert [run(tenant.id, NOW + timedelta(hours=hour)) for hour in (0, 6, 7)] == [1, 1, 1]
    assert list(where(tenant.id).values()) == ["no"]


@pytest.mark.parametrize(
    ("born", "config", "expected"),
    [
        (date(1980, 12, 1), {"field": "date_of_birth"}, datetime(2026, 12, 1, 7, 0, tzinfo=UTC)),
        (
            date(1980, 12, 1),
            {"field": "date_of_birth", "when": "before", "days": 3, "time": "10:30"},
            datetime(2026, 11, 28, 8, 30, tzinfo=UTC),
        ),
        (date(1980, 11, 19), {"field": "date_of_birth"}, datetime(2027, 11, 19, 7, 0, tzinfo=UTC)),
        (date(2026, 11, 19), {"field": "date_of_birth", "every": "once"}, None),
        (date(2026, 11, 21), {"field": "date_of_birth", "every": "once"}, datetime(2026, 11, 21, 7, 0, tzinfo=UTC)),
        (None, {"field": "date_of_birth"}, None),
    ],
)
def test_people_wait_for_their_date(tenant: Tenant, born: date | None, config: Json, expected: datetime | None) -> None:
    made = waiting(tenant.id, {"date": {**config, "missed": "branch"}}, timezone="Africa/Johannesburg")
    [who] = people(tenant.id, date_of_birth=born)
    admit(tenant.id, made, [who])
    run(tenant.id)
    assert rows(tenant.id, "SELECT waiting_until FROM journey_enrollment")[0].waiting_until == expected
    assert where(tenant.id) == {who: "w" if expected else "no"}
    if expected:
        run(tenant.id, expected)
        assert where(tenant.id) == {who: "yes"}


def test_without_a_branch_who_has_no_date_goes_on(tenant: Tenant) -> None:
    made = waiting(tenant.id, {"date": {"field": "date_of_birth"}})
    admit(tenant.id, made, people(tenant.id))
    run(tenant.id)
    assert list(statuses(tenant.id).values()) == [("COMPLETED", "completed")]


@pytest.mark.parametrize(
    ("weekdays", "days", "expected"),
    [
        # NOW is a Friday, 11:00 in Johannesburg.
        (["FRI"], 0, "2026-11-27T07:00"),
        (["SAT", "MON"], 0, "2026-11-21T07:00"),
        (["FRI", "SAT"], 2, "2026-11-27T07:00"),
        (["MON", "TUE", "WED", "THU", "FRI"], 1, "2026-11-23T07:00"),
    ],
)
def test_days_of_the_week(weekdays: list[str], days: int, expected: str) -> None:
    config = WaitConfig.model_validate({"until": {"time": "09:00", "days": days, "weekdays": weekdays}})
    assert config.until is not None
    found = config.until.next(NOW, ZoneInfo("Africa/Johannesburg"))
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


ZONES = (
    "UTC", "Africa/Johannesburg", "Europe/London", "America/New_York", "America/St_Johns", "Australia/Lord_Howe",
    "Asia/Kathmandu", "Pacific/Apia",
)  # fmt: skip


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("clock", [time(0, 0), time(1, 30), time(2, 30), time(9, 0), time(23, 59)])
def test_a_year_of_waits_meets_every_day_once(zone: str, clock: time) -> None:
    """Whoever waits for a time of day again and again meets each day of the year once, whatever the clocks do."""
    here = ZoneInfo(zone)
    now = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    days = []
    for _ in range(366):
        found = at_local(now, here, clock, 0)
        assert found > now
        # A time that a spring night leaves out is the first minute after the gap.
        shown = found.astimezone(here)
        assert timedelta(0) <= shown.replace(tzinfo=None) - datetime.combine(shown.date(), clock) <= timedelta(hours=1)
        days.append(shown.date())
        now = found
    assert days == [days[0] + number * DAY for number in range(366)]
    weekly = Wait.next_times(
        WaitConfig.model_validate({"until": {"time": f"{clock:%H:%M}", "weekdays": ["SUN"]}}), here, now, 52
    )
    shown_days = [one.astimezone(here).date() for one in weekly]
    assert shown_days == [shown_days[0] + number * 7 * DAY for number in range(52)]
    assert shown_days[0].weekday() == 6


def test_a_year_in_a_journey_is_lived_by_each_ones_own_clock(tenant: Tenant) -> None:
    """Eight zones, both changes of the clocks: who goes round waiting for 02:30 on Sundays meets each Sunday once."""
    loop = step("again", "JUMP", None, {"to": "w", "max_times": 1000})
    wait_for = step("w", "WAIT", "again", {"until": {"time": "02:30", "weekdays": ["SUN"]}})
    made = journey(tenant.id, [wait_for, loop], timezone="UTC")
    who = {people(tenant.id, timezone=zone)[0]: zone for zone in ZONES}
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    admit(tenant.id, made.id, list(who), now=begin)
    now = begin
    while now < begin + 365 * DAY:
        run(tenant.id, now)
        now = rows(tenant.id, "SELECT min(due_at) AS at FROM journey_enrollment WHERE status = 'ACTIVE'")[0].at
    left = rows(
        tenant.id,
        "SELECT e.customer_id, s.completed_at AS at FROM journey_enrollment_step s JOIN journey_enrollment e"
        " ON e.id = s.enrollment_id WHERE s.step_key = 'w' AND s.status = 'COMPLETED' ORDER BY s.step_number",
    )
    sundays = [date(2026, 1, 4) + number * 7 * DAY for number in range(52)]
    for customer_id, zone in who.items():
        shown = [row.at.astimezone(ZoneInfo(zone)) for row in left if row.customer_id == customer_id]
        assert [one.date() for one in shown] == sundays, zone
        # A spring night leaves 02:30 out: then it is the first minute after the gap.
        assert {one.time() for one in shown} <= {time(2, 30), time(3, 0)}, zone
        assert sum(one.time() == time(3, 0) for one in shown) <= 1, zone


@settings(max_examples=200)
@given(
    st.dates(date(1930, 1, 1), date(2030, 12, 31)),
    st.integers(-365, 365),
    st.datetimes(datetime(2024, 1, 1), datetime(2029, 12, 31)),  # noqa: DTZ001 - made UTC below
    st.sampled_from(ZONES),
)
def test_a_yearly_date_is_ahead_and_within_a_year(occurs: date, offset: int, now: datetime, zone: str) -> None:
    moment = now.replace(tzinfo=UTC)
    found = on_date(moment, ZoneInfo(zone), time(9), occurs, timedelta(days=offset), yearly=True)
    assert moment < found <= moment + timedelta(days=367)
    day = found.astimezone(ZoneInfo(zone)).date() - timedelta(days=offset)
    assert day == anniversary(occurs, day.year)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"event_type": BOOKED}, "timeout"),
        ({"event_type": BOOKED, "timeout": "0 days"}, "timeout"),
        ({"event_type": "MANUAL", "timeout": "1 day"}, "event_type"),
        ({"event_type": "segment.entered", "timeout": "1 day"}, "event_type"),
        ({"rules": [], "timeout": "1 day"}, "rules"),
        ({"rules": [{"field": "nonsense", "operator": "eq", "value": 1}], "timeout": "1 day"}, "rules[0]"),
        ({"rules": [GOLD], "timeout": "soon"}, "timeout"),
        ({"date": {"field": "first_name"}}, "date.field"),
        ({"until": {"time": "09:00", "weekdays": ["FUNDAY"]}}, "until.weekdays[0]"),
        ({"rules": [GOLD], "event_type": BOOKED, "timeout": "1 day"}, None),
    ],
)
def test_what_is_wrong_is_told_beside_it(config: Json, field: str | None) -> None:
    trigger = step("t", "TRIGGER", "w", {"event_type": "MANUAL"})
    graph = read_graph({"steps": [trigger, step("w", "WAIT", None, config)]})
    assert field in [one.field for one in check_graph(graph, Known())]


def test_words_and_names_of_ways() -> None:
    kind = step_types().get("WAIT")
    told = [
        kind.words(WaitConfig.model_validate(config), Known())
        for config in (
            FOR_BOOKING,
            {"rules": [GOLD], "timeout": "1 week"},
            {"until": {"time": "09:00", "weekdays": ["MON", "FRI"]}},
            {"until": {"time": "09:00", "weekdays": ["MON", "TUE", "WED", "THU", "FRI"], "days": 1}},
            {"date": {"field": "date_of_birth", "when": "before", "days": 3}},
        )
    ]
    assert told == [
        "Wait until “Booking created” happens, at most 3 days",
        "Wait until Membership tier is Gold, at most 1 week",
        "Wait until Monday or Friday at 09:00",
        "Wait until a weekday at 09:00, 1 day later at the earliest",
        "Wait until 3 days before “Birthday”, at 09:00",
    ]
    found = read_graph({"steps": [step("w", "WAIT", None, FOR_BOOKING)]}).steps["w"]
    assert exit_labels(found) == {"next": "It happened", "timeout": "Time is up"}


def test_next_times_of_what_differs_for_each_are_none() -> None:
    assert Wait.next_times(WaitConfig.model_validate(FOR_BOOKING), ZoneInfo("UTC"), NOW) == []
    assert Wait.next_times(WaitConfig.model_validate({"duration": "1 day"}), ZoneInfo("UTC"), NOW) == [NOW + DAY]
    assert UntilDate(field="date_of_birth").moment(None, NOW, ZoneInfo("UTC"), WorkingDays()) is None


def log_event(tenant_id: UUID, told: AppliedEvent) -> None:
    """Put an event into the log as another worker did who could not see yet that somebody waits."""
    with transaction(tenant_id) as session:
        session.add(Activity(
            id=told.id, tenant_id=tenant_id, customer_id=told.customer_id, type=told.type, category="OTHER",
            title="Booked", source="scl", occurred_at=told.occurred_at, payload=told.payload,
        ))  # fmt: skip


@pytest.mark.parametrize("told", ["woken", "found"])
@pytest.mark.parametrize(
    ("minutes_before", "came_in", "counts"),
    [(-1, 1, True), (5, 1, True), (5, -1, False), (-1, -1, True), (400 * 24 * 60, 1, False)],
)
def test_what_counts_as_since_they_came_is_the_same_for_who_is_woken_and_who_looks(
    tenant: Tenant, told: str, minutes_before: int, came_in: int, counts: bool
) -> None:
    """It happened since, or is told of since and is not too old, whichever of both hears of it."""
    made = waiting(tenant.id, FOR_BOOKING)
    [who] = people(tenant.id)
    admit(tenant.id, made, [who])
    run(tenant.id)
    happened = replace(
        event(who, type=BOOKED),
        id=first_id_at(NOW + timedelta(minutes=came_in)),
        occurred_at=NOW - timedelta(minutes=minutes_before),
    )
    soon = NOW + FIRST_LOOK
    if told == "found":
        log_event(tenant.id, happened)
    else:
        happen(tenant.id, happened, now=soon)
    run(tenant.id, soon)
    assert where(tenant.id) == {who: "yes" if counts else "w"}


def test_what_is_told_of_with_the_event_that_let_them_in_counts(tenant: Tenant) -> None:
    """However long the engine took to bring them to the step; but not the event that let them in itself."""
    start = step("trigger", "TRIGGER", "w", {"event_type": CAME})
    both = [step("w", "WAIT", "again", FOR_BOOKING, next_timeout=None)]
    steps = [start, *both, step("again", "WAIT", None, {"event_type": CAME, "timeout": "3 days"}, next_timeout=None)]
    journey(tenant.id, steps)
    [who] = people(tenant.id)
    earlier = NOW - timedelta(minutes=10)
    came, booked = (
        replace(event(who, type=type_), id=first_id_at(earlier + timedelta(seconds=at)), occurred_at=earlier)
        for at, type_ in enumerate((CAME, BOOKED))
    )
    for one in (came, booked):
        log_event(tenant.id, one)
    happen(tenant.id, came, booked)
    run(tenant.id)
    assert where(tenant.id) == {who: "w"}
    run(tenant.id, NOW + FIRST_LOOK)
    assert where(tenant.id) == {who: "again"}
    for minutes in range(1, 60, 10):
        run(tenant.id, NOW + timedelta(minutes=minutes))
    assert where(tenant.id) == {who: "again"}


def test_an_event_with_a_number_beyond_64_bits_is_waited_for_and_written_of(tenant: Tenant) -> None:
    """Postgres gives 1e30 back as a whole number, which nobody who writes JSON takes."""
    steps = [step("w", "WAIT", "s", FOR_BOOKING, next_timeout=None), send("s", None, template(tenant.id))]
    made = journey(tenant.id, steps)
    [who] = people(tenant.id)
    enrol.enrol_one(tenant_id=tenant.id, journey_id=made.id, customer_id=who, data={"price": 1e18}, now=NOW)
    run(tenant.id)
    told = event(who, {"price": 1e30}, type=BOOKED)
    log_event(tenant.id, told)
    happen(tenant.id, told)
    run(tenant.id)
    assert paths(tenant.id)[who][1:] == [("w", "COMPLETED"), ("s", "COMPLETED")]
    [letter] = rows(tenant.id, "SELECT context FROM message")
    assert letter.context == {"event": {"price": 1e18}, "awaited": {"price": 1e30}}


def test_only_events_that_count_are_read_however_much_somebody_did(tenant: Tenant) -> None:
    (who,) = people(tenant.id)
    values = {"tenant_id": tenant.id, "now": NOW, "type": BOOKED, "late": since.LATE}
    arrays = {"ids": [who], "customers": [who], "ats": [NOW], "firsts": [who], "brought": [None], "said": [None]}
    with transaction(tenant.id) as session:
        look_up_by_index(session)
        # Of an empty table any index is as good as the other, but for the order they come in.
        session.execute(text("SET LOCAL enable_sort = off"))
        values |= {name: array(one) for name, one in arrays.items()}
        plan = plan_of(session, since._SINCE.text, values)
    ways = [(node["Node Type"], node["Index Name"]) for node in plan if node.get("Relation Name") == "activity"]
    assert ("Index Only Scan", "ix_activity_story") in ways
