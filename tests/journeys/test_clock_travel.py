"""A whole leap year on a clock that is put forward, in eight zones: waits and triggers by the calendar come on time.

What they are held against is plain: every half hour of the year with what the clocks of a zone show then. The moment of
a local time is the first at which they show it or something later, so a time that a spring night leaves out comes when
the gap is over, and one that an autumn night shows twice comes when it is shown first.

The nightly profile (HYPOTHESIS_PROFILE) begins walks every day, and looks for whose date has come every hour.
"""

import os
from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.journeys.engine import enrol
from app.journeys.engine import timed as engine
from tests.journeys.helpers import check_counters, journey, people, rows, run, step
from tests.journeys.test_timed import by_date, by_time, let_in

# Both hemispheres, half an hour at Lord Howe, no midnight on a spring day in Cairo and Santiago.
ZONES = (
    "Africa/Johannesburg",
    "Europe/London",
    "America/New_York",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "America/Santiago",
    "Africa/Cairo",
)
YEAR = 2028
BEGIN, END = datetime(YEAR, 1, 1, tzinfo=UTC), datetime(YEAR + 1, 1, 1, tzinfo=UTC)
HALF_HOUR, HOUR, DAY = timedelta(minutes=30), timedelta(hours=1), timedelta(days=1)
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
BORN = date(2000, 2, 29)


@cache
def clocks(zone: str) -> list[tuple[datetime, datetime]]:
    """Return every half hour around the year, and what the clocks of a zone show then."""
    count = (END - BEGIN + 800 * DAY) // HALF_HOUR
    moments = [BEGIN - 2 * DAY + number * HALF_HOUR for number in range(count)]
    return [(moment, moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)) for moment in moments]


def comes(zone: str, local: datetime) -> datetime:
    """Return when the clocks of a zone show a local time, or the first moment after it that they do show."""
    shown = clocks(zone)
    # They are never more than a day from UTC.
    start = bisect_right(shown, local.replace(tzinfo=UTC) - DAY, key=lambda one: one[0])
    return next(moment for moment, seen in shown[start:] if seen >= local)


def local(zone: str, moment: datetime) -> datetime:
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def changes(zone: str) -> list[datetime]:
    """Return the moments of the year at which the clocks of a zone are changed."""
    shown = clocks(zone)
    return [later[0] for one, later in pairwise(shown) if later[1] - one[1] != HALF_HOUR and BEGIN <= later[0] < END]


def first_later(zone: str, now: datetime, clock: time, fits: Callable[[date], bool] = lambda _: True) -> datetime:
    """Return the first moment after `now` at which the clocks show a time, on a day that fits."""
    day = local(zone, now).date()
    while not (fits(day) and comes(zone, datetime.combine(day, clock)) > now):
        day += DAY
    return comes(zone, datetime.combine(day, clock))


def working(day: date, count: int) -> date:
    while count:
        day += DAY
        count -= day.weekday() < 5
    return day


def after_working_days(zone: str, now: datetime, count: int) -> datetime:
    here = local(zone, now)
    return comes(zone, datetime.combine(working(here.date(), count), here.time()))


def on_working_day(zone: str, moment: datetime) -> datetime:
    here = local(zone, moment)
    if here.weekday() < 5:
        return moment
    return comes(zone, datetime.combine(working(here.date(), 1), here.time()))


def birthday_eve(zone: str, now: datetime) -> datetime:
    days = (BORN.replace(year=YEAR), date(YEAR + 1, 2, 28))
    eves = [comes(zone, datetime.combine(day - DAY, time())) for day in days]
    return next(eve for eve in eves if eve > now)


def week_before(zone: str, now: datetime) -> datetime:
    """Return when it is the same time of day in Johannesburg seven days before 25 days after `now`."""
    del zone
    return comes("Africa/Johannesburg", local("Africa/Johannesburg", now + 25 * DAY) - 7 * DAY)


Reckoning = Callable[[str, datetime], datetime]
WAITS: dict[str, tuple[dict[str, Any], Reckoning]] = {
    "hours": ({"duration": "36 hours"}, lambda _, now: now + 36 * HOUR),
    "days": ({"duration": "3 days"}, lambda _, now: now + 72 * HOUR),
    "time": ({"until": {"time": "02:30"}}, lambda zone, now: first_later(zone, now, time(2, 30))),
    "midnight": (
        {"until": {"time": "00:00", "days": 1}},
        lambda zone, now: first_later(zone, now, time(), lambda day: day > local(zone, now).date()),
    ),
    "weekday": (
        {"until": {"time": "02:00", "weekdays": ["FRI", "SUN"]}},
        lambda zone, now: first_later(zone, now, time(2), lambda day: day.weekday() in (4, 6)),
    ),
    "working": ({"duration": "2 working days"}, lambda zone, now: after_working_days(zone, now, 2)),
    "open": ({"duration": "24 hours", "working_days": True}, lambda zone, now: on_working_day(zone, now + DAY)),
    "birthday": (
        {"date": {"field": "date_of_birth", "when": "before", "days": 1, "time": "00:00"}},
        birthday_eve,
    ),
    "event": ({"event_type": "payment.received", "timeout": "2 days"}, lambda _, now: now + 48 * HOUR),
    "condition": (
        {"rules": [{"field": "first_name", "operator": "equals", "value": "Nobody"}], "timeout": "5 hours"},
        lambda _, now: now + 5 * HOUR,
    ),
}


def starts() -> list[tuple[datetime, str]]:
    """Return when walks begin, and in which zones: before clocks are changed, before 29 February, before new year."""
    ends_of = [BEGIN.replace(month=2, day=27, hour=22), END - 30 * HOUR]
    found = [(moment, zone) for zone in ZONES for moment in ends_of]
    for zone in ZONES:
        found += [
            (change - before, zone) for change in changes(zone) for before in ((49 * HOUR, HOUR) if LONG else (HOUR,))
        ]
        if LONG:
            found += [(BEGIN + number * DAY, zone) for number in range(366)]
    return sorted(found)


def test_every_kind_of_wait_ends_when_its_time_has_come(tenant: Any) -> None:
    here = dict(zip(ZONES, (people(tenant.id, timezone=zone, date_of_birth=BORN)[0] for zone in ZONES), strict=True))
    journeys = {
        name: journey(
            tenant.id,
            [step("wait", "WAIT", None, config)],
            name=name,
            timezone="Africa/Johannesburg",
            reentry="after_exit",
        ).id
        for name, (config, _) in WAITS.items()
    }
    ahead = starts()
    while True:
        due = rows(tenant.id, "SELECT min(due_at) FROM journey_enrollment")[0][0]
        now = min([moment for moment, _ in ahead[:1]] + [moment for moment in [due] if moment is not None], default=END)
        if now >= END:
            break
        while ahead and ahead[0][0] == now:
            zone = ahead.pop(0)[1]
            for journey_id in journeys.values():
                enrol.enrol_manually(tenant_id=tenant.id, journey_id=journey_id, customer_ids=[here[zone]], now=now)
        run(tenant.id, now)
    assert not ahead
    zones = {customer: zone for zone, customer in here.items()}
    names = {journey_id: name for name, journey_id in journeys.items()}
    taken = rows(
        tenant.id,
        "SELECT e.journey_id, e.customer_id, s.entered_at, s.completed_at, e.waiting_until FROM journey_enrollment e"
        " JOIN journey_enrollment_step s ON s.enrollment_id = e.id AND s.step_key = 'wait'",
    )
    wrong = []
    for row in taken:
        name, zone = names[row.journey_id], zones[row.customer_id]
        told, reckoned = row.completed_at or row.waiting_until, WAITS[name][1](zone, row.entered_at)
        if told != reckoned:
            wrong.append((name, zone, row.entered_at, told, reckoned))
    assert not wrong
    assert {(names[row.journey_id], zones[row.customer_id]) for row in taken} == {
        (name, zone) for name in WAITS for zone in ZONES
    }
    for journey_id in journeys.values():
        check_counters(tenant.id, journey_id)


def test_dates_of_people_let_them_in_where_they_are(tenant: Any) -> None:
    born = {
        zone: [BORN, *(local(zone, change).date().replace(year=1980) for change in changes(zone))] for zone in ZONES
    }
    here: dict[UUID, tuple[str, date]] = {}
    for zone, days in born.items():
        for day in days:
            here[people(tenant.id, timezone=zone, date_of_birth=day)[0]] = zone, day
    at = BEGIN - 12 * HOUR
    settings = {"timezone": "Africa/Johannesburg", "at": at}
    midnight = by_date(tenant, {"field": "date_of_birth", "when": "on", "time": "00:00"}, name="midnight", **settings)
    config = {"field": "date_of_birth", "when": "before", "days": 7, "time": "02:30"}
    before = by_date(tenant, config, name="before", **settings)
    expected: dict[tuple[UUID, UUID, str], datetime] = {}
    for customer, (zone, day) in here.items():
        for made, days_before, clock in ((midnight, 0, time()), (before, 7, time(2, 30))):
            occurs = day.replace(year=YEAR)
            moment = comes(zone, datetime.combine(occurs - days_before * DAY, clock))
            if moment > at:
                expected[made.id, customer, f"date:{occurs}"] = moment
    # A moment before nobody has come in yet. What comes unasked for is found in between.
    every = HOUR if LONG else 10 * DAY
    looks = {one for moment in expected.values() for one in (moment - timedelta(seconds=1), moment)}
    looks |= {at + number * every for number in range((END - at) // every)}
    for now in sorted(looks):
        let_in(tenant, now)
    run(tenant.id, END)
    entered = rows(tenant.id, "SELECT journey_id, customer_id, entry, enrolled_at FROM journey_enrollment")
    assert {(row.journey_id, row.customer_id, row.entry): row.enrolled_at for row in entered} == expected


def test_schedules_come_at_the_local_time_of_their_journeys(tenant: Any) -> None:
    people(tenant.id)
    zones: dict[UUID, tuple[str, time, int]] = {}
    for zone in ZONES if LONG else ("Europe/London", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo"):
        # The day, and the time of it, at which the clocks are changed there.
        change = changes(zone)[0] if changes(zone) else BEGIN
        day, clock = (4, time()) if zone == "Africa/Cairo" else (6, time() if "Santiago" in zone else time(2, 30))
        assert not changes(zone) or local(zone, change - HALF_HOUR).weekday() in (day, (day - 1) % 7)
        rule = f"FREQ=WEEKLY;BYDAY={'FR' if day == 4 else 'SU'}"
        config = {"starts_on": f"{YEAR}-01-02", "time": f"{clock:%H:%M}", "rrule": rule}
        zones[by_time(tenant, config, at=BEGIN, name=zone, timezone=zone).id] = zone, clock, day
    while True:
        now = rows(tenant.id, "SELECT min(next_run_at) FROM journey")[0][0]
        if now >= END:
            break
        while engine.run_due(tenant_id=tenant.id, now=now):
            pass
        run(tenant.id, now)
    expected = {
        (journey_id, f"schedule:{day}", comes(zone, datetime.combine(day, clock)))
        for journey_id, (zone, clock, weekday) in zones.items()
        for number in range(1, 366)
        if (day := BEGIN.date() + number * DAY).weekday() == weekday and comes(zone, datetime.combine(day, clock)) < END
    }
    entered = rows(tenant.id, "SELECT journey_id, entry, enrolled_at FROM journey_enrollment")
    assert {(row.journey_id, row.entry, row.enrolled_at) for row in entered} == expected
