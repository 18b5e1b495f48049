"""Triggers that come by the calendar: a date of the customer, and a schedule. Their settings, words and moments.

What runs when one has come is in `engine/timed.py`.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from app.conditions import FieldType
from app.conditions.periods import Anniversaries
from app.customers.records import CUSTOM
from app.infra import recurrence
from app.infra.clock import TimeOfDay, instant
from app.infra.recurrence import MAX_RULE, MOST_YEARS, read_rule
from app.infra.working_days import FAR, WorkingDays
from app.journeys.step_type import Known

DATE, SCHEDULE = "DATE", "SCHEDULE"
TIMED = {DATE: "On a date of the customer", SCHEDULE: "At a time I set, once or again and again"}
"""What a TRIGGER has in the place of an event type, and what people call it."""
CATCH_UP = timedelta(days=3)
"""What should have happened while nothing ran is made good for so long, and left out if it is older."""
ONLY_ON_WORKING_DAYS = (
    "Not on a day on which the club is closed: then on its next working day, at the same time of day. What is to come "
    "before the date comes on the last working day before that."
)
_DAY = timedelta(days=1)


class DateTrigger(BaseModel):
    """A date of the customer, or so many days before or after it, at a time of day where they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str = Field(title="Date", min_length=1, max_length=100, json_schema_extra={"widget": "date_field"})
    when: Literal["on", "before", "after"] = Field(
        default="on",
        title="When",
        json_schema_extra={"labels": {"on": "On the day", "before": "Days before it", "after": "Days after it"}},
    )
    days: int = Field(default=0, ge=0, le=365, title="How many days before or after", validate_default=True)
    every: Literal["year", "once"] = Field(
        default="year",
        title="How often",
        description="Who has a 29 February has it on the 28th in other years.",
        json_schema_extra={"labels": {"year": "Every year, as birthdays", "once": "On that one date, as an expiry"}},
    )
    time: TimeOfDay = Field(
        default="09:00",
        title="Time of day",
        description="In the customer's own time zone, if it is known, else that of their club; in the journey's where "
        "its settings say so.",
        json_schema_extra={"widget": "time"},
    )
    working_days: bool = Field(
        default=False,
        title="Only on working days",
        description=ONLY_ON_WORKING_DAYS,
    )

    @field_validator("days")
    @classmethod
    def _some_days(cls, value: int, info: ValidationInfo) -> int:
        when = info.data.get("when", "on")
        if when != "on" and not value:
            raise ValueError(f"Say how many days {when} the date.")
        return value

    @property
    def offset(self) -> timedelta:
        """Return how long after the date its moment is."""
        return timedelta(days={"on": 0, "before": -self.days, "after": self.days}[self.when])

    def days_between(self, zone: ZoneInfo, since: datetime, until: datetime) -> list[date]:
        """Return the days on which its time of day in a zone lies from `since` to `until`, both included."""
        clock = time.fromisoformat(self.time)
        day, last = since.astimezone(zone).date(), until.astimezone(zone).date()
        found = []
        while day <= last:
            if since <= instant(datetime.combine(day, clock), zone) <= until:
                found.append(day)
            day += _DAY
        return found

    def occurrences(self, day: date, working: WorkingDays) -> list[date]:
        """Return the dates whose moment is on a day, those that are put off to it among them."""
        if not self.working_days:
            return [day - self.offset]
        if self._working_day(day, working) != day:
            return []
        found, way = [day - self.offset], _DAY if self.when == "before" else -_DAY
        while self._working_day(beside := day + len(found) * way, working) == day and len(found) < FAR:
            found.append(beside - self.offset)
        return found

    def _working_day(self, day: date, working: WorkingDays) -> date:
        # What is to come before a date is of no use after it.
        return working.before(day, 0) if self.when == "before" else working.first(day)

    def numbers(self, occurs: date) -> list[int]:
        """Return the days of the year (100 times the month, and the day) of those who have their day on a date."""
        return Anniversaries(occurs, occurs).numbers

    def next(self, after: datetime) -> datetime:
        """Return when the first zone there is reaches the next moment, in UTC, later than `after`."""
        return min(_next_in(zone, time.fromisoformat(self.time), after) for zone in zones())

    def words(self, known: Known) -> str:
        """Return who enters when: "3 days before the birthday, at 09:00"."""
        about = known.profile.find(self.field)
        label = (about.yearly if self.every == "year" else about.label) if about else "a date that does not exist"
        called = label if label.startswith("The ") else f"“{label}”"
        days = f"{self.days} day{'s' if self.days != 1 else ''}"
        lead = "On" if self.when == "on" else f"{days} {self.when}"
        return f"{lead} {called}, at {self.time}{put_off(self.when) if self.working_days else ''}"


class Schedule(BaseModel):
    """A local time of the journey's zone, once or by a rule, and who enters then."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    starts_on: date = Field(title="First day", json_schema_extra={"widget": "date"})
    time: TimeOfDay = Field(
        default="09:00",
        title="Time of day",
        description="In the journey's time zone.",
        json_schema_extra={"widget": "time"},
    )
    rrule: str | None = Field(
        default=None, max_length=MAX_RULE, title="How often", json_schema_extra={"widget": "recurrence"}
    )
    segment_id: UUID | None = Field(
        default=None,
        title="Segment",
        description="Who is in it at that time enters. Without one all customers enter, of the journey's club if it "
        "has one.",
        json_schema_extra={"widget": "segment", "blank": "Everybody"},
    )

    @field_validator("starts_on")
    @classmethod
    def _sane(cls, value: date) -> date:
        if not 2000 <= value.year <= 2200:
            raise ValueError("Choose a day between 2000 and 2200.")
        return value

    @field_validator("rrule")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None:
            read_rule(value)
            return value.removeprefix("RRULE:").upper()
        return value

    @property
    def first(self) -> datetime:
        """Return the local time it begins at."""
        return datetime.combine(self.starts_on, time.fromisoformat(self.time))

    def local_times(self, until: date) -> Iterator[datetime]:
        """Yield its local times in order, none on a date later than `until` unless it comes once."""
        if self.rrule is None:
            yield self.first
        else:
            yield from read_rule(self.rrule).occurrences(self.first, until)

    def next(self, zone: ZoneInfo, after: datetime) -> tuple[datetime, datetime] | None:
        """Return its first local time whose moment is later than `after`, with that in UTC; None if none comes."""
        horizon = _horizon(max(after.astimezone(zone).date(), self.starts_on))
        moments = ((local, instant(local, zone)) for local in self.local_times(horizon))
        return next((one for one in moments if one[1] > after), None)

    def last(self, zone: ZoneInfo, since: datetime, until: datetime) -> datetime | None:
        """Return its last local time whose moment lies from `since` to `until`, both included."""
        found = None
        for local in self.local_times(until.astimezone(zone).date()):
            moment = instant(local, zone)
            if moment > until:
                break
            found = local if moment >= since else None
        return found

    def words(self, known: Known) -> str:
        """Return when, and who enters: "Every week from 23 November 2026 at 09:00: the segment “Gold”"."""
        day = f"{self.starts_on:%-d %B %Y}"
        at = f" at {self.time}"
        when = recurrence.in_words(self.rrule, f" from {day}{at}") if self.rrule else f"On {day}{at}"
        name = known.segments.get(self.segment_id) if self.segment_id else None
        who = "everybody" if self.segment_id is None else f"the segment “{name}”" if name else "a segment"
        return f"{when}: {who}"


def put_off(when: str) -> str:
    """Return in words on which day it is instead of a closed one, by "on", "before" or "after" the date."""
    return f", or on the {'last working day before that' if when == 'before' else 'next working day'}"


def comes_again(trigger: Mapping[str, Any]) -> bool:
    """Return whether the settings of a TRIGGER (maybe unfinished) let people in again and again by the calendar."""
    told = {name: given if isinstance(given := trigger.get(name), Mapping) else {} for name in ("date", "schedule")}
    match trigger.get("event_type"):
        case "DATE":
            return bool(told["date"].get("every", "year") == "year")
        case "SCHEDULE":
            return bool(told["schedule"].get("rrule"))
        case _:
            return False


def date_fields(known: Known) -> dict[str, str]:
    """Return the dates of customers a journey can begin by: names with what people call them."""
    return {
        one.name: one.label
        for one in known.profile
        if one.type is FieldType.DATE
        and one.column is not None
        and (one.name in known.custom or not one.name.startswith(CUSTOM))
    }


@cache
def zones() -> tuple[ZoneInfo, ...]:
    """Return every time zone there is."""
    return tuple(ZoneInfo(name) for name in sorted(available_timezones()))


def _next_in(zone: ZoneInfo, clock: time, after: datetime) -> datetime:
    day = after.astimezone(zone).date()
    while (found := instant(datetime.combine(day, clock), zone)) <= after:
        day += _DAY
    return found


def _horizon(day: date) -> date:
    return min(day + timedelta(days=366 * MOST_YEARS), date.max)
