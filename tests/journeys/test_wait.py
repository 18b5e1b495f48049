"""How long people wait: elapsed time and local clocks, across the nights when clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.accounts.models import Club, ClubClosure, Tenant
from app.infra.db import transaction
from app.infra.working_days import Closure, WorkingDays
from app.journeys.durations import duration
from app.journeys.moments import after_working_days, at_local, on_working_day
from app.journeys.step_type import Known, step_types
from app.journeys.waits import WaitConfig
from tests.journeys.helpers import NOW, Json, admit, journey, paths, people, rows, run, step, wait

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
    "words",
    [
        "",
        "soon",
        "251 working days",
        "working days",
        "-1 days",
        "1.5 hours",
        "3 fortnights",
        "3",
        "days",
        "9999999 weeks",
        "٣ days",
    ],
)
def test_what_is_no_duration_is_refused_in_words(words: str) -> None:
    with pytest.raises(ValueError, match=r"duration|years|250"):
        WaitConfig.model_validate({"duration": words})


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


CLOSED = {"starts_on": date(2026, 11, 23), "ends_on": date(2026, 11, 24)}


def club(tenant_id: UUID, name: str, *, week: list[str] | None = None, **closed: date) -> UUID:
    """Make a club, closed on some days."""
    with transaction(tenant_id) as session:
        made = Club(
            tenant_id=tenant_id, name=name, country="ZA", timezone="Africa/Johannesburg", locale="en_ZA",
            currency="ZAR", working_days=week or ["MON", "TUE", "WED", "THU", "FRI"],
        )  # fmt: skip
        session.add(made)
        session.flush()
        if closed:
            session.add(ClubClosure(tenant_id=tenant_id, club_id=made.id, name="Greens", **closed))
        return made.id


def at(day: int, hour: int = 9) -> datetime:
    return datetime(2026, 11, day, hour, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("config", "moment"),
    [
        # NOW is a Friday, 11:00 in Johannesburg; the club is closed on the Monday and Tuesday that follow.
        ({"duration": "1 working day"}, at(25)),
        ({"duration": "3 working days"}, at(27)),
        ({"duration": "0 working days"}, at(20)),
        ({"duration": "1 day"}, at(21)),
        ({"duration": "1 day", "working_days": True}, at(25)),
        ({"duration": "6 days", "working_days": True}, at(26)),
        ({"duration": "2 hours", "working_days": True}, at(20, 11)),
        ({"until": {"time": "09:00", "days": 1}, "working_days": True}, at(25, 7)),
        ({"until": {"time": "09:00", "weekdays": ["MON"]}, "working_days": True}, at(25, 7)),
        ({"until": {"time": "12:00"}, "working_days": True}, at(20, 10)),
    ],
)
def test_waits_go_by_working_days(tenant: Tenant, config: Json, moment: datetime) -> None:
    of = club(tenant.id, "Kelp Point", **CLOSED)
    made = journey(tenant.id, [step("w", "WAIT", None, config)], timezone="Africa/Johannesburg", club_id=of)
    admit(tenant.id, made.id, people(tenant.id))
    run(tenant.id)
    [row] = rows(tenant.id, "SELECT status, waiting_until FROM journey_enrollment")
    assert row.waiting_until == moment if moment > NOW else row.status == "COMPLETED"


def test_a_wait_for_a_date_of_the_customer_goes_by_working_days_too(tenant: Tenant) -> None:
    of = club(tenant.id, "Kelp Point", **CLOSED)
    born = {"field": "date_of_birth", "time": "09:00"}
    steps = [step("w", "WAIT", None, {"date": {**born, "working_days": True}})]
    made = journey(tenant.id, steps, timezone="Africa/Johannesburg")
    [closed] = people(tenant.id, date_of_birth=date(1990, 11, 23), club_id=of)
    [open_] = people(tenant.id, date_of_birth=date(1990, 11, 27), club_id=of)
    admit(tenant.id, made.id, [closed, open_])
    run(tenant.id)
    found = rows(tenant.id, "SELECT customer_id, waiting_until FROM journey_enrollment")
    assert {row.customer_id: row.waiting_until for row in found} == {closed: at(25, 7), open_: at(27, 7)}


def test_the_days_of_the_journeys_club_come_first_then_those_of_each_ones_own(tenant: Tenant) -> None:
    closed, weekend = club(tenant.id, "Kelp Point", **CLOSED), club(tenant.id, "Marula Ridge", week=["SAT", "SUN"])
    who = {people(tenant.id, club_id=one)[0]: one for one in (closed, weekend, None)}
    found: dict[UUID | None, dict[UUID | None, datetime]] = {}
    for of in (None, weekend):
        steps = [wait("w", None, "1 working day")]
        made = journey(tenant.id, steps, name=f"Of {of}", club_id=of, timezone="Africa/Johannesburg")
        admit(tenant.id, made.id, list(who))
        run(tenant.id)
        told = rows(
            tenant.id, "SELECT customer_id, waiting_until FROM journey_enrollment WHERE journey_id = :id", id=made.id
        )
        found[of] = {who[row.customer_id]: row.waiting_until for row in told}
    assert found[None] == {closed: at(25), weekend: at(21), None: at(23)}
    assert set(found[weekend].values()) == {at(21)}


open_days = st.builds(
    WorkingDays,
    st.frozensets(st.integers(0, 6), min_size=1),
    st.lists(
        st.dates(date(2020, 1, 1), date(2029, 1, 1)).flatmap(
            lambda day: st.builds(Closure, st.just("x"), st.just(day), st.just(day + timedelta(days=3)), st.booleans())
        ),
        max_size=3,
    ),
)
moments = st.integers(1_577_836_800, 1_893_456_000).map(lambda second: datetime.fromtimestamp(second, UTC))


@given(moments, st.sampled_from(ZONES), st.integers(1, 20), open_days)
def test_working_days_later_the_clock_shows_the_same(now: datetime, zone: str, count: int, days: WorkingDays) -> None:
    here = ZoneInfo(zone)
    found = after_working_days(now, here, count, days)
    before, after = now.astimezone(here), found.astimezone(here)
    assert found > now
    assert after.date() in days
    assert sum(before.date() + timedelta(days=one) in days for one in range(1, (after - before).days + 2)) >= count
    assert timedelta(0) <= after.replace(tzinfo=None) - datetime.combine(after.date(), before.time()) <= HOUR


@given(moments, st.sampled_from(ZONES), st.times(), st.integers(0, 10), open_days)
def test_nobody_goes_on_on_a_closed_day(now: datetime, zone: str, clock: time, later: int, days: WorkingDays) -> None:
    here, clock = ZoneInfo(zone), clock.replace(second=0, microsecond=0)
    plain = at_local(now, here, clock, later)
    found = on_working_day(plain, here, clock, days)
    assert found >= plain
    assert found.astimezone(here).date() in days
    assert (found == plain) is (plain.astimezone(here).date() in days)


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
        {"until": {"time": "09:00", "days": 4}}, {"duration": "3 working days", "working_days": True},
        {"duration": "3 days", "working_days": True}, {"until": {"time": "09:00", "days": 1}, "working_days": True},
        {"until": {"time": "09:00", "weekdays": ["MON"]}, "working_days": True},
        {"event_date": {"field": "tee_time", "when": "on", "working_days": True}})]  # fmt: skip
    assert told == [
        "Wait 3 days", "Wait until 09:00", "Wait until 09:00 the next day", "Wait until 09:00, 4 days later",
        "Wait 3 working days", "Wait 3 days, then until a working day",
        "Wait until 09:00 the next day, on a working day", "Wait until Monday at 09:00, or on the next working day",
        "Wait until “Tee time”, or on the next working day",
    ]  # fmt: skip
