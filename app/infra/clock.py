"""The only place that asks the machine for the time."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, WithJsonSchema

_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)


def is_time_of_day(value: object) -> bool:
    """Return whether it is a time of day such as "09:00"."""
    return isinstance(value, str) and _TIME_OF_DAY.fullmatch(value) is not None


def _time_of_day(value: str) -> str:
    if not is_time_of_day(value):
        raise ValueError("Give a time of day such as 09:00.")
    return value


TimeOfDay = Annotated[
    str, AfterValidator(_time_of_day), WithJsonSchema({"type": "string", "pattern": f"^{_TIME_OF_DAY.pattern}$"})
]
"""A time of day such as "09:00", as models take it."""


def midnight(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return when the day that `moment` is in began in `zone`."""
    return moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


def anniversary(of: date, year: int) -> date:
    """Return the day a date has its anniversary on in a year; a 29 February has it on the 28th in other years."""
    try:
        return of.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


def instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return when the clocks of a zone show a local time, in UTC.

    A time that a spring night leaves out is the first minute after the gap; one that an autumn night shows twice is
    its first showing.
    """
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None, fold=0) == local:
        return first
    # In a gap fold=1 reads the time by the offset after it, which lies before the change, and fold=0 after it.
    low, high = local.replace(tzinfo=zone, fold=1).astimezone(UTC), first
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
