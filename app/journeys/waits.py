"""What a WAIT waits for: the settings of the step, and the moments they come to."""

from datetime import date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from app.conditions import Catalogue, Tree, parse
from app.infra.clock import TimeOfDay, instant
from app.infra.working_days import DAY_NAMES, WEEK, WorkingDays
from app.journeys.durations import MAX_DAYS, duration, longer_than_nothing, whole_days, working_days
from app.journeys.moments import after_working_days, at_local, on_date, on_working_day
from app.journeys.step_type import StepConfig
from app.journeys.timed import ONLY_ON_WORKING_DAYS, DateTrigger, put_off

WAYS = ("duration", "until", "date", "event_date", "event_type", "rules")
"""The settings of which a wait has one."""


class Until(BaseModel):
    """A local time of day, so many days on, and on a day of the week."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    time: TimeOfDay = Field(title="Time of day", json_schema_extra={"widget": "time"})
    days: int = Field(
        default=0,
        ge=0,
        le=MAX_DAYS,
        title="Days later",
        description="0: the next time the clock shows this time. 1: tomorrow at this time.",
    )
    weekdays: list[Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]] = Field(
        default=[],
        title="Only on",
        description="The first such day from then on; none chosen is any day.",
        json_schema_extra={"widget": "weekdays"},
    )

    def next(self, now: datetime, zone: ZoneInfo) -> datetime:
        """Return the moment somebody waits for who comes now."""
        days = {WEEK.index(one) for one in self.weekdays} or set(range(7))
        return at_local(now, zone, time.fromisoformat(self.time), self.days, days)

    def words(self) -> str:
        """Return it in words: "Monday or Friday at 09:00, 2 days later at the earliest"."""
        if not self.weekdays:
            match self.days:
                case 0:
                    return self.time
                case 1:
                    return f"{self.time} the next day"
                case days:
                    return f"{self.time}, {days} days later"
        chosen = sorted(set(self.weekdays), key=WEEK.index)
        names = [DAY_NAMES[WEEK.index(one)] for one in chosen]
        if chosen == list(WEEK[:5]):
            names = ["a weekday"]
        later = f", {self.days} day{'s' if self.days != 1 else ''} later at the earliest" if self.days else ""
        return f"{' or '.join([', '.join(names[:-1]), names[-1]] if names[1:] else names)} at {self.time}{later}"


class UntilDate(DateTrigger):
    """A date of the customer, or days before or after it, at a time of day where they are."""

    missed: Literal["go_on", "branch"] = Field(
        default="go_on",
        title="If there is no date, or it is over",
        json_schema_extra={"labels": {"go_on": "Go on at once", "branch": "Go another way"}},
    )

    def moment(self, of: date | None, now: datetime, zone: ZoneInfo, days: WorkingDays) -> datetime | None:
        """Return when it comes for somebody who has that date, or None where it does not come any more."""
        if of is None:
            return None
        clock, yearly, earlier = time.fromisoformat(self.time), self.every == "year", self.when == "before"
        found = on_date(now, zone, clock, of, self.offset, yearly=yearly)
        # What is over is not brought back by a closed day.
        if self.working_days and found > now:
            plain, found = found, on_working_day(found, zone, clock, days, earlier=earlier)
            if yearly and found <= now:
                again = on_date(plain, zone, clock, of, self.offset, yearly=True)
                found = on_working_day(again, zone, clock, days, earlier=earlier)
        return found if found > now else None


def _exact(offset: str) -> bool:
    return working_days(offset) is None and whole_days(offset) is None


class UntilEventDate(BaseModel):
    """A date that the event said which let somebody in, or the last one they waited for, or so long before or after."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str = Field(
        title="Date",
        min_length=1,
        max_length=100,
        description="What the event says that let them in, or the last one they waited for, if that says it too.",
        json_schema_extra={"widget": "event_date"},
    )
    when: Literal["on", "before", "after"] = Field(
        default="before",
        title="When",
        json_schema_extra={"labels": {"before": "Before it", "on": "When it comes", "after": "After it"}},
    )
    offset: str | None = Field(
        default=None,
        title="How long before or after",
        validate_default=True,
        json_schema_extra={"widget": "long_duration"},
    )
    time: TimeOfDay | None = Field(
        default=None,
        title="Time of day",
        description="In the customer's own time zone, if it is known. Leave it empty to go by the time of the event.",
        json_schema_extra={"widget": "time"},
    )
    working_days: bool = Field(
        default=False,
        title="Only on working days",
        description=ONLY_ON_WORKING_DAYS,
    )
    missed: Literal["go_on", "branch"] = Field(
        default="go_on",
        title="If there is no date, or it is over",
        json_schema_extra={"labels": {"go_on": "Go on at once", "branch": "Go another way"}},
    )

    @field_validator("offset")
    @classmethod
    def _far(cls, value: str | None, info: ValidationInfo) -> str | None:
        when = info.data.get("when", "on")
        if when == "on":
            return value
        if value is not None and working_days(value) is None:
            duration(value)
        if not longer_than_nothing(value):
            raise ValueError(f"Say how long {when} the date.")
        return value

    @field_validator("time")
    @classmethod
    def _goes_with_days(cls, value: str | None, info: ValidationInfo) -> str | None:
        offset = info.data.get("offset") or ""
        if value and info.data.get("when", "on") != "on" and offset and _exact(offset):
            raise ValueError("A time of day goes with days and weeks. Leave it empty for hours and minutes.")
        return value

    @property
    def exact(self) -> bool:
        """Return whether it is so many hours or minutes from the date, and not days of the calendar."""
        return self.when != "on" and _exact(self.offset or "")

    @property
    def by_working_days(self) -> bool:
        """Return whether it matters which days are working days."""
        return self.working_days or (self.when != "on" and working_days(self.offset or "") is not None)

    def moment(
        self, said: datetime | date | None, now: datetime, *, here: ZoneInfo, zone: ZoneInfo, days: WorkingDays
    ) -> datetime | None:
        """Return when it comes, or None where it does not come any more; `here` is where the event is.

        Days are counted there. A time of day is one of the person's `zone`, that of the event one of where it is.
        """
        try:
            found = None if said is None else self._moment(said, here, zone, days)
            # What is over is not brought back by a closed day.
            if found is not None and found > now and self.working_days:
                where = zone if self.time else here
                clock = found.astimezone(where).time()
                found = on_working_day(found, where, clock, days, earlier=self.when == "before")
        except (OverflowError, ValueError):
            # A date at the end of all times, such as systems write for "never".
            return None
        return found if found is not None and found > now else None

    def _moment(self, said: datetime | date, here: ZoneInfo, zone: ZoneInfo, days: WorkingDays) -> datetime:
        starts = said if isinstance(said, datetime) else instant(datetime.combine(said, time()), here)
        way = {"on": 0, "before": -1, "after": 1}[self.when]
        if self.exact:
            return starts + way * duration(self.offset or "")
        local = starts.astimezone(here)
        day = self._day(local.date(), way, days)
        if self.time:
            return instant(datetime.combine(day, time.fromisoformat(self.time)), zone)
        return starts if day == local.date() else instant(datetime.combine(day, local.time()), here)

    def _day(self, day: date, way: int, days: WorkingDays) -> date:
        if not way:
            return day
        if (count := working_days(self.offset or "")) is not None:
            return days.after(day, count) if way > 0 else days.before(day, count)
        return day + way * timedelta(days=whole_days(self.offset or "") or 0)

    def words(self, label: str) -> str:
        """Return it in words, of a date that is called so: "7 days before “Tee time”, at 09:00"."""
        lead = f"{self.offset} {self.when} " if self.when != "on" else ""
        at = f", at {self.time}" if self.time else ""
        return f"{lead}“{label}”{at}{put_off(self.when) if self.working_days else ''}"


class WaitConfig(StepConfig):
    """One of: a duration, a local time, a date of the customer or of the event, an event, a condition."""

    duration: str | None = Field(
        default=None,
        title="Wait for",
        description="For example “30 minutes”, “2 hours”, “3 days”, “3 working days” or “1 week”.",
        json_schema_extra={"widget": "long_duration"},
    )
    until: Until | None = Field(
        default=None, title="Or until", description="A time of day in the customer's own time zone, if it is known."
    )
    working_days: bool = Field(
        default=False,
        title="Go on only on working days",
        description="Not on a day on which the club is closed: then on its next working day, at the same time of day.",
    )
    date: UntilDate | None = Field(default=None, title="Or until a date", description="")
    event_date: UntilEventDate | None = Field(default=None, title="Or until a date of the event", description="")
    event_type: str | None = Field(
        default=None, max_length=100, title="Event", json_schema_extra={"widget": "awaited_event"}
    )
    conditions: list[dict[str, Any]] = Field(
        default=[],
        max_length=50,
        title="Only if",
        description="Conditions on what the event says; all must hold.",
        json_schema_extra={"widget": "payload_conditions"},
    )
    same: str | None = Field(
        default=None,
        max_length=100,
        title="Only if it says the same",
        description="A field of the event, such as booking_id, that must say what the event said that let them in.",
        json_schema_extra={"widget": "event_key"},
    )
    rules: list[dict[str, Any]] | None = Field(
        default=None,
        title="Conditions",
        description="Looked at whenever something happens with the person, and every six hours.",
        json_schema_extra={"widget": "walk_conditions"},
    )
    combinator: Literal["AND", "OR"] = Field(
        default="AND", title="Join by", json_schema_extra={"widget": "combinator", "joins": "rules"}
    )
    timeout: str | None = Field(
        default=None,
        title="But no longer than",
        description="Who has waited so long goes another way.",
        json_schema_extra={"widget": "duration"},
    )

    @field_validator("timeout")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None:
            duration(value)
        return value

    @field_validator("duration")
    @classmethod
    def _countable(cls, value: str | None) -> str | None:
        if value is not None and working_days(value) is None:
            duration(value)
        return value

    @model_validator(mode="after")
    def _one(self) -> "WaitConfig":
        if sum(getattr(self, name) is not None for name in WAYS) != 1:
            raise ValueError("Say how long to wait, or until when, or for what: one of them.")
        return self

    @property
    def by_working_days(self) -> bool:
        """Return whether it matters which days are working days."""
        counts = self.duration is not None and working_days(self.duration) is not None
        counts = counts or (self.event_date is not None and self.event_date.by_working_days)
        counts = counts or (self.date is not None and self.date.working_days)
        return counts or (self.working_days and (self.duration is not None or self.until is not None))

    def moment(self, now: datetime, zone: ZoneInfo, days: WorkingDays) -> datetime:
        """Return when somebody goes on who comes now, of a wait for a length of time or a time of day."""
        if self.until is not None:
            found, clock = self.until.next(now, zone), time.fromisoformat(self.until.time)
        else:
            assert self.duration is not None
            if (count := working_days(self.duration)) is not None:
                return after_working_days(now, zone, count, days)
            found = now + duration(self.duration)
            clock = found.astimezone(zone).time()
        return on_working_day(found, zone, clock, days) if self.working_days else found

    @property
    def dated(self) -> UntilDate | UntilEventDate | None:
        """Return the date that is waited for, if it is one."""
        return self.date or self.event_date

    @property
    def for_something(self) -> bool:
        """Return whether it waits for something that may never happen."""
        return self.event_type is not None or self.rules is not None

    def tree(self, catalogue: Catalogue) -> Tree:
        """Return the condition it waits for as a tree over the tenant's catalogue, or raise InvalidConditions."""
        return parse({"combinator": self.combinator, "rules": self.rules}, catalogue, spoken=True)
