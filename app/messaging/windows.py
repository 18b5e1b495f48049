"""On which days, and at what hours, a journey sends: its marketing is held until that time comes for its reader.

The gate keeps to it as to quiet hours, beside them: both have to let a message out.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra import clock
from app.infra.arrays import array
from app.infra.working_days import DAY_NAMES, WEEK

CLOSED_AT_MOST = timedelta(days=7)
PERSON, JOURNEY = "person", "journey"
"""Whose clock local times of a journey go by: each person's own, or the journey's for all."""

_OF_JOURNEYS = text("""
    SELECT id, CAST(send_window AS text) AS said, timezone AS zone, clock = 'journey' AS for_all FROM journey
    WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[])) AND send_window IS NOT NULL
""")


@dataclass(frozen=True, slots=True)
class Window:
    """Days of the week (0 is Monday), and from when to before when on each; without hours it is the whole day.

    `zone` is the journey's: the one of readers whose own nobody knows, with `for_all` that of everybody.
    """

    days: frozenset[int]
    starts: time | None = None
    ends: time | None = None
    zone: str | None = None
    for_all: bool = False

    def opens(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """Return when it opens next in a zone, in UTC; None where it is open now."""
        day = now.astimezone(zone).date()
        while True:
            if day.weekday() in self.days:
                begin = clock.instant(datetime.combine(day, self.starts or time()), zone)
                last = datetime.combine(day, self.ends) if self.ends else datetime.combine(day + timedelta(1), time())
                if now < begin:
                    return begin
                if now < clock.instant(last, zone):
                    return None
            day += timedelta(days=1)

    @property
    def words(self) -> str:
        """Return it in words: "Monday to Friday, 09:00 to 17:00"."""
        chosen = sorted(self.days)
        names = [DAY_NAMES[one] for one in chosen]
        if len(chosen) == len(WEEK):
            told = "Every day"
        elif len(chosen) > 2 and chosen == list(range(chosen[0], chosen[-1] + 1)):
            told = f"{names[0]} to {names[-1]}"
        else:
            told = " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
        return f"{told}, {self.starts:%H:%M} to {self.ends:%H:%M}" if self.starts and self.ends else told


@lru_cache(maxsize=1_000)
def _read(said: str, zone: str, for_all: bool) -> Window:
    return read(orjson.loads(said), zone, for_all=for_all)


def read(said: Mapping[str, Any], zone: str | None = None, *, for_all: bool = False) -> Window:
    """Return a window as a journey keeps it: `days`, and `from` and `to` where it has hours."""
    starts, ends = (time.fromisoformat(said[name]) if said.get(name) else None for name in ("from", "to"))
    return Window(frozenset(WEEK.index(one) for one in said["days"]), starts, ends, zone, for_all)


def checked(given: Any, errors: dict[str, str]) -> dict[str, Any] | None:
    """Return a window as a journey keeps it, None for one that is always open; what is wrong goes to `errors`."""
    if not given:
        return None
    days, starts, ends = given.get("days"), given.get("from") or None, given.get("to") or None
    if not isinstance(days, list | tuple) or not days or not set(days) <= set(WEEK):
        errors["send_window.days"] = f"Choose at least one day of {', '.join(WEEK)}."
        return None
    for name, value in (("from", starts), ("to", ends)):
        if value is not None and not clock.is_time_of_day(value):
            errors[f"send_window.{name}"] = "Give a time of day such as 09:00."
    if (starts is None) is not (ends is None):
        errors["send_window.to" if starts else "send_window.from"] = "Give both times, or none for the whole day."
    elif starts and ends and not starts < ends:
        errors["send_window.to"] = "Let it end later on the same day than it begins."
    if any(name.startswith("send_window") for name in errors):
        return None
    if len(set(days)) == len(WEEK) and starts is None:
        return None
    kept: dict[str, Any] = {"days": sorted(set(days), key=WEEK.index)}
    return kept | ({"from": starts, "to": ends} if starts else {})


def of_journeys(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> dict[UUID, Window]:
    """Return the windows of these journeys, of those that have one."""
    rows = session.execute(_OF_JOURNEYS, {"tenant_id": tenant_id, "ids": array(ids)})
    return {row.id: _read(row.said, row.zone, row.for_all) for row in rows}
