"""When people who wait go on: moments of local clocks, days of the week, and dates."""

from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.infra.clock import instant

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def at_local(
    now: datetime, zone: ZoneInfo, clock: time, days: int, weekdays: Collection[int] = frozenset(range(7))
) -> datetime:
    """Return when the zone's clocks next show `clock`, `days` days after today, as an instant in UTC after `now`.

    It is on one of the weekdays (0 is Monday): the first there is from then on. Nights on which the clocks change are
    as `clock.instant` has them.
    """
    day = now.astimezone(zone).date() + timedelta(days=days)
    while True:
        found = instant(datetime.combine(day, clock), zone)
        if found > now and day.weekday() in weekdays:
            return found
        day += timedelta(days=1)


def on_date(now: datetime, zone: ZoneInfo, clock: time, occurs: date, offset: timedelta, *, yearly: bool) -> datetime:
    """Return when the zone's clocks show `clock` so long after a date (offset: whole days); it may lie before `now`.

    Yearly, it is the first of its anniversaries that does not; a 29 February has its own on the 28th in other years.
    """
    if not yearly:
        return instant(datetime.combine(occurs + offset, clock), zone)
    year = (now.astimezone(zone).date() - offset).year - 1
    while True:
        year += 1
        found = instant(datetime.combine(anniversary(occurs, year) + offset, clock), zone)
        if found > now:
            return found


def anniversary(of: date, year: int) -> date:
    """Return the day a date has its anniversary on in a year."""
    try:
        return of.replace(year=year)
    except ValueError:
        return date(year, 2, 28)
