"""How long people wait: elapsed time and local clocks, across the nights when clocks change."""

from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.accounts.models import Tenant
from app.journeys.durations import duration
from app.journeys.moments import at_local
from app.journeys.step_type import Known, step_types
from app.journeys.steps.wait import WaitConfig
from tests.journeys.helpers import NOW, admit, journey, paths, people, rows, run, step, wait

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("words", "length"),
    [
        ("30 minutes", HOUR / 2),
        ("1 minute", HOUR / 60),
        ("2 hours", 2 * HOUR),
        ("3 days", 72 * HOUR),
        ("1 week", 168 * HOUR),
        ("2Weeks", 336 * HOUR),
        ("0 minutes", HOUR * 0),
    ],
)
def test_durations(words: str, length: timedelta) -> None:
    assert duration(words) == length


@pytest.mark.parametrize(
    "words", ["", "soon", "-1 days", "1.5 hours", "3 fortnights", "3", "days", "9999999 weeks", "٣ days"]
)
def test_what_is_no_duration_is_refused_in_words(words: str) -> None:
    with pytest.raises(ValueError, match=r"duration|years"):
        duration(words)


@pytest.mark.parametrize(
    "config",
    [{}, {"duration": "1 day", "until": {"time": "09:00"}}, {"until": {"time": "9:00"}}, {"until": {"time": "25:00"}},
     {"until": {"time": "09:00", "days": -1}}, {"until": {"time": "09:00", "x": 1}}],
)  # fmt: skip
def test_bad_settings(config: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        WaitConfig.model_validate(config)


@pytest.mark.parametrize(
    ("now", "zone", "clock", "days", "expected"),
    [
        # Ahead today, over for today, tomorrow.
        ("2026-11-20T05:00", "Africa/Johannesburg", "09:00", 0, "2026-11-20T07:00"),
        ("2026-11-20T07:00", "Africa/Johannesburg", "09:00", 0, "2026-11-21T07:00"),
        ("2026-11-20T05:00", "Africa/Johannesburg", "09:00", 1, "2026-11-21T07:00"),
        # Late at night in UTC it is tomorrow already in Johannesburg.
        ("2026-11-20T23:00", "Africa/Johannesburg", "09:00", 1, "2026-11-22T07:00"),
        # London's summer ends on 25 October: 09:00 moves from 08:00 to 09:00 in UTC.
        ("2026-10-24T10:00", "Europe/London", "09:00", 1, "2026-10-25T09:00"),
        # 01:30 comes twice that night: the first one counts, and once.
        ("2026-10-24T12:00", "Europe/London", "01:30", 0, "2026-10-25T00:30"),
        ("2026-10-25T00:30", "Europe/London", "01:30", 0, "2026-10-26T01:30"),
        # New York, 8 March: 02:00 to 03:00 does not exist; 03:00 local is the first minute after.
        ("2026-03-07T12:00", "America/New_York", "02:30", 1, "2026-03-08T07:00"),
        # Lord Howe moves by half an hour: 02:15 on 4 October is in the gap of 02:00 to 02:30.
        ("2026-10-03T03:00", "Australia/Lord_Howe", "02:15", 1, "2026-10-03T15:30"),
    ],
)
def test_local_times(now: str, zone: str, clock: str, days: int, expected: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    found = at_local(moment, ZoneInfo(zone), time.fromisoformat(clock), days)
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


ZONES = ("UTC", "Africa/Johannesburg", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")


@given(
    st.integers(1_577_836_800, 1_893_456_000).map(lambda second: datetime.fromtimestamp(second, UTC)),
    st.sampled_from(ZONES),
    st.times(),
    st.integers(0, 30),
)
def test_a_local_time_is_ahead_and_shown_by_the_clock(now: datetime, zone: str, clock: time, days: int) -> None:
    clock = clock.replace(second=0, microsecond=0)
    found = at_local(now, ZoneInfo(zone), clock, days)
    assert found > now
    shown = found.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    late = shown - datetime.combine(shown.date(), clock)
    assert timedelta(0) <= late <= HOUR
    if late:
        a_minute_before = (found - timedelta(minutes=1)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        assert a_minute_before < datetime.combine(shown.date(), clock)


def test_a_day_is_24_hours_when_clocks_change(tenant: Tenant) -> None:
    before = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    made = journey(tenant.id, [wait("w", None, "1 day")], timezone="Europe/London")
    admit(tenant.id, made.id, people(tenant.id), now=before)
    run(tenant.id, before)
    assert rows(tenant.id, "SELECT waiting_until FROM journey_enrollment")[0].waiting_until == before + 24 * HOUR


def test_each_waits_by_their_own_clock(tenant: Tenant) -> None:
    until = step("w", "WAIT", None, {"until": {"time": "09:00", "days": 1}})
    made = journey(tenant.id, [until], timezone="Africa/Johannesburg")
    who: dict[str | None, UUID] = {
        zone: people(tenant.id, timezone=zone)[0] for zone in (None, "Europe/London", "Mars/Olympus")
    }
    admit(tenant.id, made.id, list(who.values()))
    run(tenant.id)
    found = rows(tenant.id, "SELECT customer_id, waiting_until, due_at FROM journey_enrollment")
    assert {row.customer_id: row.waiting_until for row in found} == {
        who[None]: datetime(2026, 11, 21, 7, 0, tzinfo=UTC),
        who["Europe/London"]: datetime(2026, 11, 21, 9, 0, tzinfo=UTC),
        who["Mars/Olympus"]: datetime(2026, 11, 21, 7, 0, tzinfo=UTC),
    }
    assert run(tenant.id, datetime(2026, 11, 21, 7, 0, tzinfo=UTC)) == 2
    assert run(tenant.id, datetime(2026, 11, 21, 9, 0, tzinfo=UTC)) == 1
    assert set(map(tuple, paths(tenant.id).values())) == {(("trigger", "COMPLETED"), ("w", "COMPLETED"))}


def test_a_moment_too_early_nobody_moves(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", None, "30 minutes")])
    admit(tenant.id, made.id, people(tenant.id))
    assert run(tenant.id) == 1
    assert run(tenant.id, NOW + HOUR / 2 - timedelta(microseconds=1)) == 0
    assert run(tenant.id, NOW + HOUR / 2) == 1


def test_words() -> None:
    kind = step_types().get("WAIT")
    told = [kind.words(WaitConfig.model_validate(config), Known()) for config in (
        {"duration": "3 days"}, {"until": {"time": "09:00"}}, {"until": {"time": "09:00", "days": 1}},
        {"until": {"time": "09:00", "days": 4}})]  # fmt: skip
    assert told == [
        "Wait 3 days", "Wait until 09:00", "Wait until 09:00 the next day", "Wait until 09:00, 4 days later"
    ]  # fmt: skip
