"""Waiting until a date that the event said which let somebody in, or the last one they waited for."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.accounts.models import Tenant
from app.customers.models import Activity
from app.infra.db import transaction
from app.infra.working_days import WorkingDays
from app.journeys import lifecycle
from app.journeys.kinds import check_graph, read_graph
from app.journeys.payloads import said_date
from app.journeys.step_type import Known, step_types
from app.journeys.waits import UntilEventDate, WaitConfig
from tests.journeys.helpers import (
    NOW,
    Json,
    check_counters,
    event,
    happen,
    journey,
    paths,
    people,
    rows,
    run,
    step,
    tag,
)

BOOKED = "teetime.booked"
HERE = ZoneInfo("Africa/Johannesburg")


def reminding(tenant_id: UUID, config: Json, **settings: Any) -> UUID:
    """Return a journey that begins with a tee time and waits for its date; who has none ahead goes another way."""
    start = step("trigger", "TRIGGER", "w", {"event_type": BOOKED})
    wait = step("w", "WAIT", "yes", {"event_date": {"field": "tee_time", "missed": "branch", **config}})
    steps = [start, {**wait, "next_missed": "no"}, tag("yes", None, "came"), tag("no", None, "missed")]
    more = {"timezone": "Africa/Johannesburg", "reentry": "each", "reentry_key": "booking_id"}
    return journey(tenant_id, steps, **{**more, **settings}).id


def book(tenant_id: UUID, who: UUID, tee_time: Any, id: str = "B1", **more: Any) -> None:
    happen(tenant_id, event(who, {"booking_id": id, "tee_time": tee_time, **more}, type=BOOKED))


WEEK_BEFORE: Json = {"when": "before", "offset": "7 days", "time": "09:00"}


@pytest.mark.parametrize(
    ("config", "tee_time", "expected"),
    [
        (WEEK_BEFORE, "2026-12-05T06:30:00+02:00", "2026-11-28T07:00"),
        # The same moment written by a system in UTC: still 5 December where the club is.
        (WEEK_BEFORE, "2026-12-04T22:30:00Z", "2026-11-28T07:00"),
        # Without an offset it is the time at the club, and a day alone is one too.
        (WEEK_BEFORE, "2026-12-05T06:30", "2026-11-28T07:00"),
        (WEEK_BEFORE, "2026-12-05", "2026-11-28T07:00"),
        ({"when": "before", "offset": "2 hours"}, "2026-12-05T06:30:00+02:00", "2026-12-05T02:30"),
        ({"when": "before", "offset": "2 hours"}, "2026-12-05T06:30", "2026-12-05T02:30"),
        ({"when": "before", "offset": "1 day"}, "2026-12-05T06:30:00+02:00", "2026-12-04T04:30"),
        ({"when": "on"}, "2026-12-05T06:30:00+02:00", "2026-12-05T04:30"),
        ({"when": "on", "time": "18:00"}, "2026-12-05T06:30:00+02:00", "2026-12-05T16:00"),
        ({"when": "after", "offset": "1 week", "time": "10:00"}, "2026-12-05T06:30:00+02:00", "2026-12-12T08:00"),
        # 5 December is a Saturday.
        ({"when": "before", "offset": "2 working days", "time": "10:00"}, "2026-12-05T06:30", "2026-12-03T08:00"),
        ({"when": "after", "offset": "1 working day"}, "2026-12-05T06:30", "2026-12-07T04:30"),
        # Put off to the Monday, at the same time of day.
        ({"when": "on", "working_days": True}, "2026-12-05T06:30:00+02:00", "2026-12-07T04:30"),
        ({"when": "after", "offset": "2 hours", "working_days": True}, "2026-12-05T06:30", "2026-12-07T06:30"),
        # What comes before it never comes after it.
        ({**WEEK_BEFORE, "working_days": True}, "2026-12-05T06:30:00+02:00", "2026-11-27T07:00"),
        ({**WEEK_BEFORE, "offset": "1 day", "working_days": True}, "2026-12-06T10:00", "2026-12-04T07:00"),
        ({"when": "before", "offset": "2 hours", "working_days": True}, "2026-12-05T06:30", "2026-12-04T02:30"),
        # The Sunday's is Friday's, which is over.
        ({**WEEK_BEFORE, "offset": "1 day", "working_days": True}, "2026-11-23T10:00", None),
        ({"when": "on", "working_days": True}, "2026-12-04T06:30:00+02:00", "2026-12-04T04:30"),
        # Over, or none that could be read.
        (WEEK_BEFORE, "2026-11-26T06:30:00+02:00", None),
        (WEEK_BEFORE, "next Saturday", None),
        (WEEK_BEFORE, None, None),
        (WEEK_BEFORE, 1796000000, None),
        (WEEK_BEFORE, "0001-01-01", None),
        ({"when": "after", "offset": "7 days"}, "9999-12-31T23:59:59Z", None),
    ],
)
def test_when_it_comes(tenant: Tenant, config: Json, tee_time: Any, expected: str | None) -> None:
    made = reminding(tenant.id, config)
    [who] = people(tenant.id)
    book(tenant.id, who, tee_time)
    run(tenant.id)
    [row] = rows(tenant.id, "SELECT current_step_key, waiting_until FROM journey_enrollment")
    if expected is None:
        assert paths(tenant.id)[who][-1] == ("no", "COMPLETED")
    else:
        assert row.waiting_until == datetime.fromisoformat(expected).replace(tzinfo=UTC)
        run(tenant.id, row.waiting_until)
        assert paths(tenant.id)[who][-1] == ("yes", "COMPLETED")
    check_counters(tenant.id, made)


@pytest.mark.parametrize(("hour", "waits"), [(9, True), (10, False), (12, False)])
def test_what_is_over_on_a_closed_day_is_not_waited_for(hour: int, waits: bool) -> None:
    asked = UntilEventDate(field="tee_time", when="on", working_days=True)
    now = datetime(2026, 12, 5, hour, tzinfo=HERE)  # a Saturday
    found = asked.moment(datetime(2026, 12, 5, 10, tzinfo=HERE), now, here=HERE, zone=HERE, days=WorkingDays())
    assert found == (datetime(2026, 12, 7, 10, tzinfo=HERE) if waits else None)


def test_a_time_of_day_is_the_persons_and_the_day_is_where_the_event_is(tenant: Tenant) -> None:
    reminding(tenant.id, WEEK_BEFORE)
    [who] = people(tenant.id, timezone="America/New_York")
    book(tenant.id, who, "2026-12-05T04:00:00+02:00")  # the evening of the 4th in New York
    run(tenant.id)
    assert rows(tenant.id, "SELECT waiting_until FROM journey_enrollment")[0].waiting_until == datetime(
        2026, 11, 28, 14, 0, tzinfo=UTC
    )


def test_each_booking_has_its_own_date(tenant: Tenant) -> None:
    reminding(tenant.id, WEEK_BEFORE)
    [who] = people(tenant.id)
    book(tenant.id, who, "2026-12-05T06:30", "B1")
    book(tenant.id, who, "2026-12-12T06:30", "B2")
    run(tenant.id)
    found = {row.waiting_until.day for row in rows(tenant.id, "SELECT waiting_until FROM journey_enrollment")}
    assert found == {28, 5}


def test_it_is_where_the_event_has_it_in_camel_case(tenant: Tenant) -> None:
    reminding(tenant.id, WEEK_BEFORE)
    [who] = people(tenant.id)
    happen(tenant.id, event(who, {"bookingId": "B1", "teeTime": "2026-12-05T06:30"}, type=BOOKED))
    run(tenant.id)
    assert paths(tenant.id)[who][-1] == ("w", "IN_PROGRESS")


def test_the_last_event_they_waited_for_goes_first(tenant: Tenant) -> None:
    moved = "teetime.moved"
    steps = [
        step("trigger", "TRIGGER", "a", {"event_type": BOOKED}),
        step("a", "WAIT", "w", {"event_type": moved, "timeout": "3 days"}, next_timeout="w"),
        step("w", "WAIT", None, {"event_date": {"field": "tee_time", **WEEK_BEFORE}}),
    ]
    journey(tenant.id, steps, timezone="Africa/Johannesburg")
    one, other = people(tenant.id, 2)
    for who in (one, other):
        book(tenant.id, who, "2026-12-05T06:30")
    run(tenant.id)
    later = event(one, {"tee_time": "2026-12-20T06:30"}, type=moved)
    with transaction(tenant.id) as session:
        session.add(
            Activity(
                tenant_id=tenant.id, customer_id=one, type=moved, category="GOLF", title="Moved", source="test",
                occurred_at=NOW, payload=dict(later.payload), id=later.id,
            )
        )  # fmt: skip
    happen(tenant.id, later)
    for days in range(4):
        run(tenant.id, NOW + timedelta(days=days))
    found = rows(tenant.id, "SELECT customer_id, waiting_until FROM journey_enrollment")
    assert {row.customer_id: row.waiting_until.date() for row in found} == {
        one: date(2026, 12, 13),
        other: date(2026, 11, 28),
    }


@pytest.mark.parametrize(
    "config",
    [{"field": "x", "when": "before"}, {"field": "x", "offset": "soon"}, {"field": "", "when": "on"},
     {"field": "x", "offset": "0 days"}, {"field": "x", "offset": "2 hours", "time": "09:00"},
     {"field": "x", "when": "on", "time": "9"}],
)  # fmt: skip
def test_bad_settings(config: Json) -> None:
    with pytest.raises(ValueError, match="validation error"):
        WaitConfig.model_validate({"event_date": config})


def checked(trigger: str, field: str, *more: Json) -> list[str]:
    wait = step("w", "WAIT", None, {"event_date": {"field": field, "when": "on"}})
    steps = [step("trigger", "TRIGGER", "w", {"event_type": trigger}), wait, *more]
    return [one.message for one in check_graph(read_graph({"steps": steps}), Known()) if one.step_key == "w"]


def test_only_dates_that_events_say_can_be_waited_for() -> None:
    assert checked(BOOKED, "tee_time") == []
    assert checked(BOOKED, "holes") == ["Choose a date that the event says."]
    assert checked("booking.confirmed", "starts_at") == []
    assert checked("pos.purchase", "starts_at") == [
        "No event that begins the journey, or that it waits for, says a date."
    ]
    assert checked("DATE", "starts_at") == ["No event that begins the journey, or that it waits for, says a date."]
    # Nobody knows what else these say.
    assert checked("MANUAL", "starts_at") == []
    assert checked("teetime.moved", "new_time") == []


def test_words() -> None:
    kind = step_types().get("WAIT")
    told = [
        kind.words(WaitConfig.model_validate({"event_date": {"field": "tee_time", **config}}), Known())
        for config in (
            WEEK_BEFORE,
            {"when": "on"},
            {"when": "after", "offset": "2 hours"},
            WEEK_BEFORE | {"working_days": True},
        )
    ]
    assert told == [
        "Wait until 7 days before “Tee time”, at 09:00",
        "Wait until “Tee time”",
        "Wait until 2 hours after “Tee time”",
        "Wait until 7 days before “Tee time”, at 09:00, or on the last working day before that",
    ]


ZONES = ("UTC", "Africa/Johannesburg", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
moments = st.integers(1_577_836_800, 1_893_456_000).map(lambda second: datetime.fromtimestamp(second, UTC))


@given(
    moments, st.sampled_from(ZONES), st.sampled_from(ZONES), st.integers(1, 60), st.sampled_from(("before", "after"))
)
def test_so_many_days_from_it_on_calendars(starts: datetime, here: str, zone: str, days: int, when: str) -> None:
    asked = UntilEventDate.model_validate({"field": "x", "when": when, "offset": f"{days} days", "time": "12:00"})
    said = said_date("x", {"x": starts.isoformat()}, "x", ZoneInfo(here))
    assert said == starts
    early = starts - timedelta(days=100)
    found = asked.moment(said, early, here=ZoneInfo(here), zone=ZoneInfo(zone), days=WorkingDays())
    assert found is not None
    shown = found.astimezone(ZoneInfo(zone))
    assert (shown.hour, shown.minute) == (12, 0)
    assert abs((shown.date() - starts.astimezone(ZoneInfo(here)).date()).days) == days


def test_nothing_of_it_is_known_for_a_preview() -> None:
    from app.journeys.steps.wait import Wait

    config = WaitConfig.model_validate({"event_date": {"field": "tee_time", **WEEK_BEFORE}})
    assert Wait.next_times(config, HERE, NOW) == []


def test_who_waits_goes_by_the_new_date_of_the_same_booking(tenant: Tenant) -> None:
    [who] = people(tenant.id)
    made = reminding(tenant.id, WEEK_BEFORE)
    book(tenant.id, who, "2026-12-05T06:30:00+02:00")
    run(tenant.id, NOW)
    assert waiting(tenant.id) == ["2026-11-28T07:00"]
    # Later, for somebody else's booking and another one of theirs: those are walks of their own.
    book(tenant.id, who, "2027-01-10T06:30:00+02:00", id="B2")
    book(tenant.id, who, "2026-12-20T06:30:00+02:00")
    run(tenant.id, NOW)
    assert waiting(tenant.id) == ["2026-12-13T07:00", "2027-01-03T07:00"]
    run(tenant.id, NOW + timedelta(days=10))
    assert waiting(tenant.id) == ["2026-12-13T07:00", "2027-01-03T07:00"]
    assert [row.trigger_data["tee_time"][:10] for row in rows(tenant.id, WALKS)] == ["2026-12-20", "2027-01-10"]
    # And earlier: what is over by now goes another way.
    book(tenant.id, who, "2026-12-03T06:30:00+02:00")
    run(tenant.id, NOW + timedelta(days=10))
    assert waiting(tenant.id) == ["2027-01-03T07:00"]
    check_counters(tenant.id, made)


@pytest.mark.parametrize("move_waits", [False, True])
def test_the_new_date_of_a_booking_holds_that_is_told_of_in_a_pause(tenant: Tenant, move_waits: bool) -> None:
    later, sooner = people(tenant.id, 2)
    act: Json = {"tenant_id": tenant.id, "journey_id": reminding(tenant.id, WEEK_BEFORE), "actor": "system"}
    book(tenant.id, later, "2026-11-29T06:30:00+02:00", id="B1")
    book(tenant.id, sooner, "2027-01-10T06:30:00+02:00", id="B2")
    run(tenant.id, NOW)
    lifecycle.pause(**act, now=NOW)
    # The reminder of one was due in the pause.
    run(tenant.id, NOW + timedelta(days=4))
    for who, id, tee_time in ((later, "B1", "2026-12-20T06:30:00+02:00"), (sooner, "B2", "2026-12-13T06:30:00+02:00")):
        told = event(who, {"booking_id": id, "tee_time": tee_time}, type=BOOKED)
        happen(tenant.id, told, now=NOW + timedelta(days=4))
    # Nobody else comes in meanwhile.
    book(tenant.id, later, "2026-12-20T06:30:00+02:00", id="B3")
    run(tenant.id, NOW + timedelta(days=4))
    lifecycle.resume(**act, now=NOW + timedelta(days=5), move_waits=move_waits)
    run(tenant.id, NOW + timedelta(days=5))
    assert waiting(tenant.id) == ["2026-12-06T07:00", "2026-12-13T07:00"]
    check_counters(tenant.id, act["journey_id"])


@pytest.mark.parametrize("together", [False, True])
def test_what_happened_before_and_is_told_of_later_brings_no_old_date_back(tenant: Tenant, together: bool) -> None:
    [who] = people(tenant.id)
    made = reminding(tenant.id, WEEK_BEFORE)
    said = [("2026-12-05", 3), ("2026-12-20", 1), ("2026-12-12", 2)]
    events = [
        replace(
            event(who, {"booking_id": "B1", "tee_time": f"{day}T06:30:00+02:00"}, type=BOOKED),
            occurred_at=NOW - timedelta(hours=hours),
        )
        for day, hours in said
    ]
    with transaction(tenant.id) as session:
        session.add_all(
            Activity(
                tenant_id=tenant.id, customer_id=who, type=BOOKED, category="GOLF", title="Booked", source="test",
                occurred_at=one.occurred_at, payload=dict(one.payload), id=one.id,
            )
            for one in events
        )  # fmt: skip
    if together:
        happen(tenant.id, *events)
        run(tenant.id, NOW)
    else:
        for one in events:
            happen(tenant.id, one)
            run(tenant.id, NOW)
    assert waiting(tenant.id) == ["2026-12-13T07:00"]
    check_counters(tenant.id, made)


def test_of_two_dates_of_one_booking_in_a_batch_the_last_counts(tenant: Tenant) -> None:
    [who] = people(tenant.id)
    made = reminding(tenant.id, WEEK_BEFORE)
    first = event(who, {"booking_id": "B1", "tee_time": "2026-12-05T06:30:00+02:00"}, type=BOOKED)
    second = event(who, {"booking_id": "B1", "tee_time": "2026-12-20T06:30:00+02:00"}, type=BOOKED)
    happen(tenant.id, first, second)
    run(tenant.id, NOW)
    assert waiting(tenant.id) == ["2026-12-13T07:00"]
    check_counters(tenant.id, made)


WALKS = "SELECT trigger_data FROM journey_enrollment ORDER BY id"


def waiting(tenant_id: UUID) -> list[str]:
    """Return until when people wait, in UTC."""
    asked = "SELECT waiting_until FROM journey_enrollment WHERE status = 'ACTIVE' ORDER BY waiting_until"
    return [f"{row.waiting_until.astimezone(UTC):%Y-%m-%dT%H:%M}" for row in rows(tenant_id, asked)]
