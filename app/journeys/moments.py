"""When people who wait go on: moments of local clocks, days of the week, and dates."""

from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.infra.clock import anniversary, instant
from app.infra.working_days import WorkingDays


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


def on_working_day(
    moment: datetime, zone: ZoneInfo, clock: time, days: WorkingDays, *, earlier: bool = False
) -> datetime:
    """Return a moment if it is on a working day of the zone, else when clocks show `clock` on the next one.

    With `earlier` it is the last one before.
    """
    day = moment.astimezone(zone).date()
    open_ = days.before(day, 0) if earlier else days.first(day)
    return moment if open_ == day else instant(datetime.combine(open_, clock), zone)


def after_working_days(now: datetime, zone: ZoneInfo, count: int, days: WorkingDays) -> datetime:
    """Return when the zone's clocks show the time they show now, on the `count`th working day after today.

    Of 0 it is now, or the next working day if today is none.
    """
    local = now.astimezone(zone)
    day = days.after(local.date(), count)
    return now if day == local.date() else instant(datetime.combine(day, local.time()), zone)
