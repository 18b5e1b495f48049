"""Stretches of time told from now ("30 days"), and what they mean on a calendar. Both readers take it from here.

Minutes and hours pass on the clock; days, weeks, months and years on the calendar of the zone: a day back is the same
time of yesterday, whatever daylight saving does, and a month back from 31 March is the last day of February.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from app.infra import clock

UNITS = ("minutes", "hours", "days", "weeks", "months", "years")
MAX_AMOUNT = 10_000
MAX_YEARS = 200
_TEXT = re.compile(r"([0-9]{1,5}) *(minute|hour|day|week|month|year)s?", re.ASCII | re.IGNORECASE)
_MONTHS = {"months": 1, "years": 12}
_DAYS = {"days": 1, "weeks": 7}
_MINUTES = {"minutes": 1, "hours": 60}
LEAP_DAY = 229
"""29 February as `month_day` tells it."""


@dataclass(frozen=True, slots=True)
class Period:
    """A number of one of UNITS."""

    amount: int
    unit: str

    def __str__(self) -> str:
        return f"{self.amount} {self.unit.removesuffix('s') if self.amount == 1 else self.unit}"

    @property
    def whole_days(self) -> bool:
        """Return whether it is told in days or more, so that it can be asked of a day."""
        return self.unit not in _MINUTES


@dataclass(frozen=True, slots=True)
class Present:
    """When and where a tree is asked: now, the zone whose days count, and the currency amounts are in there (a code,
    empty where none is at home)."""

    zone: tzinfo
    now: datetime
    currency: str = ""

    @classmethod
    def of(cls, zone: tzinfo, now: datetime | None, currency: str = "") -> "Present":
        """Return the present in the zone; None is this moment."""
        return cls(zone, now or clock.now(), currency)

    @property
    def today(self) -> date:
        """Return the day it is in the zone."""
        return self.now.astimezone(self.zone).date()

    def moment(self, period: Period, sign: int) -> datetime:
        """Return the instant a period before (`sign` -1) or after (1) now, in UTC."""
        if not period.whole_days:
            return self.now + timedelta(minutes=sign * period.amount * _MINUTES[period.unit])
        local = self.now.astimezone(self.zone)
        there = datetime.combine(_moved(local.date(), period, sign), local.time(), self.zone)
        return there.astimezone(UTC)

    def day(self, period: Period, sign: int) -> date:
        """Return the day a period before (`sign` -1) or after (1) today."""
        return _moved(self.today, period, sign)

    def ends(self, period: Period, sign: int, *, days: bool) -> tuple[Any, Any]:
        """Return now, and what lies a period before or after it: both instants, or both days."""
        return (self.today, self.day(period, sign)) if days else (self.now, self.moment(period, sign))

    def anniversaries(self, period: Period, sign: int) -> "Anniversaries":
        """Return the days of a year from today to the day a period before or after it, both included."""
        first, last = sorted((self.today, self.day(period, sign)))
        return Anniversaries(first, last)


@dataclass(frozen=True, slots=True)
class Anniversaries:
    """The days of the year from one day to another, both included, for those who were born on them.

    Who was born on 29 February has their day on the 28th in a year without one.
    """

    first: date
    last: date

    @property
    def whole_year(self) -> bool:
        """Return whether everybody has their day among these."""
        return (self.last - self.first).days >= 365

    @property
    def ends(self) -> tuple[int, int]:
        """Return the first and the last as `month_day`; the first is the greater where a year ends between them."""
        return month_day(self.first), month_day(self.last)

    @property
    def leap_day(self) -> bool:
        """Return whether those born on 29 February have their day among these."""
        years = {self.first.year, self.last.year}
        return any(self.first <= date(year, 2, 29 if calendar.isleap(year) else 28) <= self.last for year in years)

    @property
    def numbers(self) -> list[int]:
        """Return the days of birth, as `month_day`, of those who have their day among these; at most 366."""
        found = {month_day(self.first + timedelta(days=at)) for at in range((self.last - self.first).days + 1)}
        return sorted(found - {LEAP_DAY} | ({LEAP_DAY} if self.leap_day else set()))

    def __contains__(self, born: date) -> bool:
        if self.whole_year:
            return True
        at = month_day(born)
        if at == LEAP_DAY:
            return self.leap_day
        first, last = self.ends
        return first <= at <= last if first <= last else at >= first or at <= last


def month_day(day: date) -> int:
    """Return 100 times the month, and the day: 29 February is 229."""
    return day.month * 100 + day.day


def read(value: object) -> Period | None:
    """Return the period a text ("30 days", "1 month") or `{"amount": 30, "unit": "days"}` tells, or None."""
    if isinstance(value, dict):
        value = f"{value.get('amount')} {value.get('unit')}"
    match = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    found = Period(int(match[1]), f"{match[2].lower()}s")
    too_long = found.amount > MAX_AMOUNT or found.amount * _MONTHS.get(found.unit, 0) > MAX_YEARS * 12
    return None if too_long else found


def _moved(day: date, period: Period, sign: int) -> date:
    if period.unit in _DAYS:
        return day + timedelta(days=sign * period.amount * _DAYS[period.unit])
    months = day.year * 12 + day.month - 1 + sign * period.amount * _MONTHS[period.unit]
    year, month = divmod(months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
