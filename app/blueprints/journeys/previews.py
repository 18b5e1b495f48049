"""What a step comes to, for its panel: the mail it sends, the next moments its wait ends."""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import url_for
from pydantic import ValidationError

from app.blueprints.journeys.presenters import kind_of
from app.content import queries as content
from app.infra import clock
from app.infra.ids import as_id
from app.journeys.graph import Step
from app.journeys.step_type import Known
from app.journeys.steps.wait import Wait
from app.messaging.channel import EMAIL
from app.web.guards import can


def of_step(step: Step, *, tenant_id: UUID, known: Known, timezone: str) -> dict[str, Any]:
    """Return what the panel shows: `times`, in the journey's zone, and `letter`, the address of the mail alone."""
    return {"times": _times(step, ZoneInfo(timezone)), "letter": _letter(step, tenant_id, known)}


def _times(step: Step, zone: ZoneInfo) -> list[datetime]:
    kind = kind_of(step)
    if not isinstance(kind, Wait):
        return []
    try:
        return kind.next_times(kind.Config.model_validate(step.config), zone, clock.now())
    except (ValidationError, ValueError, OverflowError):
        return []


def _letter(step: Step, tenant_id: UUID, known: Known) -> str | None:
    key = as_id(step.config.get("template_id"))
    template = known.templates.get(key) if key else None
    if key is None or template is None or template.channel != EMAIL or not can("templates.view"):
        return None
    source = content.source(tenant_id=tenant_id, template_id=key)
    return url_for("content.letter", template_id=key) if source.html else None
