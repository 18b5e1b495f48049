"""What a step comes to, for its panel: the mail it sends, the next moments its wait ends."""

from dataclasses import dataclass
from datetime import date, datetime
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
from app.journeys.graph import Step
from app.journeys.step_type import Known
from app.journeys.steps.wait import Wait
from app.journeys.waits import WaitConfig
from app.messaging.channel import EMAIL
from app.web.guards import can


@dataclass(frozen=True, slots=True)
class NextTime:
    """A moment at which people go on, and the closed day they would have gone on without working days."""

    at: datetime
    instead_of: date | None = None
    closed_by: str | None = None


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
        plain = anyway.moment(before, zone, working).astimezone(zone).date()
        closed = (None, None) if plain in working else (plain, working.closed_by(plain))
        found.append(NextTime(at, *closed))
    return found


def _letter(step: Step, tenant_id: UUID, known: Known) -> str | None:
    key = as_id(step.config.get("template_id"))
    template = known.templates.get(key) if key else None
    if key is None or template is None or template.channel != EMAIL or not can("templates.view"):
        return None
    source = content.source(tenant_id=tenant_id, template_id=key)
    return url_for("content.letter", template_id=key) if source.html else None
