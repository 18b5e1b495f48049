"""WAIT: some time has to pass, or a clock has to show a time, before the journey goes on."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from sqlalchemy import text

from app.infra.arrays import array
from app.infra.clock import instant
from app.journeys.durations import MAX_DAYS, duration, longer_than_nothing
from app.journeys.step_type import Known, StepBatch, StepConfig, StepType, Walker, registry


class Until(BaseModel):
    """A local time of day, so many days on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    time: str = Field(title="Time of day", json_schema_extra={"widget": "time"})
    days: int = Field(
        default=0,
        ge=0,
        le=MAX_DAYS,
        title="Days later",
        description="0: the next time the clock shows this time. 1: tomorrow at this time.",
    )

    @field_validator("time")
    @classmethod
    def _clock(cls, value: str) -> str:
        if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value, re.ASCII):
            raise ValueError("Give a time of day such as 09:00.")
        return value


class WaitConfig(StepConfig):
    """Either a duration or a local time of day."""

    duration: str | None = Field(
        default=None,
        title="Wait for",
        description="For example “30 minutes”, “2 hours”, “3 days” or “1 week”.",
        json_schema_extra={"widget": "duration"},
    )
    until: Until | None = Field(
        default=None, title="Or until", description="A time of day in the customer's own time zone, if it is known."
    )

    @field_validator("duration")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None:
            duration(value)
        return value

    @model_validator(mode="after")
    def _one(self) -> "WaitConfig":
        if (self.duration is None) == (self.until is None):
            raise ValueError("Say either how long to wait or until when.")
        return self


def at_local(now: datetime, zone: ZoneInfo, clock: time, days: int) -> datetime:
    """Return when the zone's clocks next show `clock`, `days` days after today, as an instant in UTC after `now`.

    Nights on which the clocks change are as `clock.instant` has them.
    """
    today = now.astimezone(zone).date()
    while True:
        found = instant(datetime.combine(today + timedelta(days=days), clock), zone)
        if found > now:
            return found
        days += 1


ZONES = text("""
    SELECT id, timezone FROM customer
    WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[])) AND timezone IS NOT NULL
""")


class Wait(StepType[WaitConfig]):
    """Parks people until their moment has come. It is fixed when they enter and stored with them."""

    label = "Wait"
    icon = "clock"
    description = "Let some time pass, or wait for a time of day."
    rebases = True
    Config = WaitConfig

    def defaults(self) -> dict[str, Any]:
        """Return a wait of a day."""
        return {"duration": "1 day"}

    def takes_time(self, config: Mapping[str, Any]) -> bool:
        """Return whether it waits at all."""
        return bool(config.get("until")) or longer_than_nothing(config.get("duration"))

    def words(self, config: WaitConfig, known: Known) -> str:  # noqa: ARG002
        """Return how long, or until when."""
        if config.until is None:
            return f"Wait {config.duration}"
        match config.until.days:
            case 0:
                return f"Wait until {config.until.time}"
            case 1:
                return f"Wait until {config.until.time} the next day"
            case days:
                return f"Wait until {config.until.time}, {days} days later"

    def run(self, batch: StepBatch[WaitConfig]) -> None:
        """Park those who have just come and let those go whose time is over."""
        coming = [walker for walker in batch.walkers if walker.waiting_until is None]
        for walker in batch.walkers:
            if walker.waiting_until is not None:
                batch.leave(walker, result={"waiting_until": _iso(walker.waiting_until)})
        untils = _untils(batch, coming)
        for walker, until in zip(coming, untils, strict=True):
            if until <= batch.now:
                batch.leave(walker, result={"waiting_until": _iso(until)})
            else:
                batch.park(walker, until, {"waiting_until": _iso(until)})


def _untils(batch: StepBatch[WaitConfig], coming: Sequence[Walker]) -> list[datetime]:
    config = batch.config
    if config.duration is not None:
        return [batch.now + duration(config.duration)] * len(coming)
    assert config.until is not None
    clock = time.fromisoformat(config.until.time)
    rows = batch.session.execute(ZONES, {"tenant_id": batch.tenant_id, "ids": array(one.customer_id for one in coming)})
    zones: Mapping[UUID, str] = {row.id: row.timezone for row in rows}
    moments: dict[str, datetime] = {}
    found = []
    for walker in coming:
        name = zones.get(walker.customer_id, batch.journey.timezone)
        if name not in moments:
            moments[name] = at_local(batch.now, _zone(name, batch.journey.timezone), clock, config.until.days)
        found.append(moments[name])
    return found


def _zone(name: str, otherwise: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo(otherwise)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


registry.register("WAIT")(Wait())
