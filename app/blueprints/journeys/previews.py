"""What a step comes to, for its panel: the mail it sends, the next moments its wait ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import url_for
from pydantic import ValidationError

from app.accounts.closures import club_days
from app.blueprints.journeys.presenters import kind_of
from app.content import queries as content
from app.infra import clock
from app.infra.db import transaction
from app.infra.ids import as_id
from app.infra.working_days import WorkingDays, of_the_week
from app.journeys.durations import working_days
from app.journeys.graph import Step
from app.journeys.step_type import Known
from app.journeys.steps.wait import Wait
from app.journeys.waits import WaitConfig
from app.messaging.channel import EMAIL
from app.web.guards import can

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class NextTime:
    """A moment at which people go on, and the days that are passed over for it, in sentences."""

    at: datetime
    passes: Sequence[str] = ()


def of_step(step: Step, *, tenant_id: UUID, known: Known, timezone: str, club_id: UUID | None) -> dict[str, Any]:
    """Return what the panel shows: `times`, in the journey's zone, by `working` days, and `letter`, the mail alone.

    `working` says whose working days they are, of a wait that goes by them.
    """
    config = _wait(step)
    working = _working_days(tenant_id, club_id) if config is not None and config.by_working_days else None
    return {
        "times": [] if config is None else _times(config, ZoneInfo(timezone), working),
        "working": None if working is None else _whose(working, known, club_id),
        "letter": _letter(step, tenant_id, known),
    }


def _working_days(tenant_id: UUID, club_id: UUID | None) -> WorkingDays:
    with transaction(tenant_id) as session:
        return club_days(session, tenant_id).of(club_id)


def _whose(working: WorkingDays, known: Known, club_id: UUID | None) -> str:
    week = of_the_week(working.week)
    only = next(iter(known.clubs.values())) if len(known.clubs) == 1 else None
    if club := known.clubs.get(club_id, only) if club_id else only:
        return f"Working days of {club}: {week}, but for its closures."
    return f"Here {week}. For each customer the working days and closures of their own club count."


def _wait(step: Step) -> WaitConfig | None:
    kind = kind_of(step)
    if not isinstance(kind, Wait):
        return None
    try:
        return kind.Config.model_validate(step.config)
    except (ValidationError, ValueError, OverflowError):
        return None


def _times(config: WaitConfig, zone: ZoneInfo, working: WorkingDays | None) -> list[NextTime]:
    now = clock.now()
    times = Wait.next_times(config, zone, now, days=working)
    if working is None:
        return [NextTime(at) for at in times]
    anyway = config.model_copy(update={"working_days": False})
    found = []
    for before, at in zip([now, *times], times, strict=False):
        counted = config.duration is not None and working_days(config.duration) is not None
        first = (before + DAY if counted else anyway.moment(before, zone, working)).astimezone(zone).date()
        passed = _passed(first, at.astimezone(zone).date(), working)
        # Where working days are counted, nobody asks why a weekend is passed over.
        found.append(NextTime(at, [_told(*one) for one in passed if one[2] or not counted]))
    return found


def _passed(first: date, end: date, working: WorkingDays) -> list[tuple[date, date, str | None]]:
    """Return the days from `first` to before `end` that are no working days: first and last day, and what is closed."""
    days = [first + number * DAY for number in range((end - first).days)]
    found: list[tuple[date, date, str | None]] = []
    for day in (one for one in days if one not in working):
        name = working.closed_by(day)
        if found and found[-1][1:] == (day - DAY, name):
            found[-1] = (found[-1][0], day, name)
        else:
            found.append((day, day, name))
    return found


def _told(first: date, last: date, name: str | None) -> str:
    """Return days that are passed over in a sentence: "Fri 25 Dec is closed: Christmas Day"."""
    days = f"{first:%a %-d %b}" + (f" to {last:%a %-d %b}" if last > first else "")
    one = first == last
    if name:
        return f"{days} {'is' if one else 'are'} closed: {name}"
    return f"{days} is no working day" if one else f"{days} are no working days"


def _letter(step: Step, tenant_id: UUID, known: Known) -> str | None:
    key = as_id(step.config.get("template_id"))
    template = known.templates.get(key) if key else None
    if key is None or template is None or template.channel != EMAIL or not can("templates.view"):
        return None
    source = content.source(tenant_id=tenant_id, template_id=key)
    return url_for("content.letter", template_id=key) if source.html else None
