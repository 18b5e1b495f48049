"""When a campaign is sent: at once, at a local time, at that time in each recipient's zone, at the hour each of them
opens most, or again and again.

All times of a schedule are local times of the campaign's zone, without an offset: what they are in UTC is worked out
when they come, so that 09:00 stays 09:00 when the clocks change. A time that a spring night leaves out is the first
minute after the gap; one that an autumn night has twice is its first showing. One occurrence a local date.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.campaigns.models import RECURRING
from app.infra import clock
from app.infra.errors import Invalid
from app.infra.recurrence import MAX_RULE, MOST_YEARS, RULE_HELP, read_rule

NOW, AT, RECIPIENT_ZONE, BEST_TIME = "now", "at", "recipient_zone", "best_time"
MODES = (NOW, AT, RECIPIENT_ZONE, BEST_TIME)
SHOWN = 5
TOO_LATE = timedelta(hours=12)
"""An occurrence that nobody was there to begin for so long is left out: yesterday's good morning is none today."""


def read(given: Mapping[str, Any], *, type_: str, zone: ZoneInfo, now: datetime) -> dict[str, Any]:
    """Return a schedule as it is kept, or raise Invalid with messages by `schedule.<part>`.

    What is not given yet is missing: `missing` says what a campaign needs before it can be scheduled. `start_at` may
    have an offset and is then read in the campaign's zone.
    """
    errors: dict[str, str] = {}
    found: dict[str, Any] = {}
    start = _start(given.get("start_at"), zone, errors)
    mode = given.get("mode") or (AT if start or type_ == RECURRING else NOW)
    if mode not in MODES or (mode == NOW and type_ == RECURRING):
        allowed = [one for one in MODES if one != NOW or type_ != RECURRING]
        errors["schedule.mode"] = f"Choose one of {', '.join(allowed)}."
    found["mode"] = mode
    if clock_ := given.get("local_time"):
        if not clock.is_time_of_day(clock_):
            errors["schedule.local_time"] = "Give a time of day such as 09:00."
        elif start is not None and type_ != RECURRING:
            start = datetime.combine(start.date(), time.fromisoformat(clock_))
    if start is not None:
        found["start_at"] = start.isoformat(timespec="minutes")
    if type_ == RECURRING:
        found["local_time"] = clock_ or (f"{start:%H:%M}" if start else "09:00")
        found["start_at"] = (start.date() if start else now.astimezone(zone).date()).isoformat()
        if given.get("rrule"):
            _read_rule(given["rrule"], found, errors)
        if "rrule" in found and "schedule.local_time" not in errors:
            today = now.astimezone(zone).date()
            if not any(True for _ in local_times(found, type_=type_, after=None, today=today)):
                errors["schedule.rrule"] = f"No day is like that within {MOST_YEARS} years. Choose others."
    elif given.get("rrule"):
        errors["schedule.rrule"] = "Only a recurring campaign has a rule."
    if errors:
        raise Invalid(errors)
    return found


def _start(value: Any, zone: ZoneInfo, errors: dict[str, str]) -> datetime | None:
    if value in (None, ""):
        return None
    try:
        start = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        if start.tzinfo is not None:
            start = start.astimezone(zone).replace(tzinfo=None)
        if not 2000 <= start.year <= 2200:
            raise ValueError
    except (ValueError, OverflowError):
        errors["schedule.start_at"] = "Give a date and time such as 2026-11-25T09:00."
        return None
    return start.replace(second=0, microsecond=0, fold=0)


def _read_rule(value: Any, found: dict[str, Any], errors: dict[str, str]) -> None:
    try:
        if not isinstance(value, str) or len(value) > MAX_RULE:
            raise ValueError(RULE_HELP)
        read_rule(value)
        found["rrule"] = value.removeprefix("RRULE:").upper()
    except ValueError as wrong:
        errors["schedule.rrule"] = str(wrong)


def starts_now(schedule: Mapping[str, Any], *, type_: str) -> bool:
    """Return whether a campaign begins as soon as somebody sends it: what goes at the best hours needs no time."""
    mode = schedule.get("mode")
    return type_ != RECURRING and (mode == NOW or (mode == BEST_TIME and not schedule.get("start_at")))


def missing(schedule: Mapping[str, Any], *, type_: str) -> dict[str, str]:
    """Return what a schedule lacks, by `schedule.<part>`: nothing where it says when to send."""
    if type_ == RECURRING and not schedule.get("rrule"):
        return {"schedule.rrule": "Say how often it is sent."}
    if type_ != RECURRING and not starts_now(schedule, type_=type_) and not schedule.get("start_at"):
        return {"schedule.start_at": "Say when it is sent."}
    return {}


def local_times(schedule: Mapping[str, Any], *, type_: str, after: date | None, today: date) -> Iterator[datetime]:
    """Yield the local times at which a campaign is sent, those on dates later than `after`; none for one sent now."""
    if type_ != RECURRING:
        if start := schedule.get("start_at"):
            yield datetime.fromisoformat(start)
        return
    first = datetime.combine(date.fromisoformat(schedule["start_at"]), time.fromisoformat(schedule["local_time"]))
    horizon = min(max(first.date(), today) + timedelta(days=366 * MOST_YEARS), date.max)
    for one in read_rule(schedule["rrule"]).occurrences(first, horizon):
        if after is None or one.date() > after:
            yield one


def coming(
    schedule: Mapping[str, Any],
    *,
    type_: str,
    zones: Sequence[ZoneInfo],
    now: datetime,
    after: date | None = None,
    limit: int = SHOWN,
) -> list[tuple[datetime, datetime]]:
    """Return the next local times at which a campaign is sent, each with when it begins in UTC: in the first zone that
    reaches it.

    Times that have passed are left out. One that has passed in some zones only still is that of a one-off, which then
    begins now: whoever is behind gets it at once.
    """
    today = now.astimezone(zones[0]).date()
    found: list[tuple[datetime, datetime]] = []
    for local in local_times(schedule, type_=type_, after=after, today=today):
        moments = [clock.instant(local, zone) for zone in zones]
        if min(moments) > now:
            found.append((local, min(moments)))
        elif type_ != RECURRING and max(moments) > now:
            found.append((local, now))
        if len(found) == limit:
            break
    return found


def begins(local: datetime, zones: Sequence[ZoneInfo]) -> datetime:
    """Return when the first of these zones reaches a local time, in UTC."""
    return min(clock.instant(local, zone) for zone in zones)
