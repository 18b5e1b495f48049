"""Steps as text: what copying puts on the clipboard and pasting reads, in any journey of any browser tab."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import text

from app.infra.db import transaction
from app.infra.ids import as_id
from app.journeys import parts
from app.journeys.graph import TRIGGER, BadGraph, Graph
from app.journeys.kinds import read_graph
from app.journeys.models import Journey
from app.journeys.step_type import SEALED

LARGEST = 2_000_000
NOT_STEPS = "What is on the clipboard is no steps of a journey. Copy some steps first."


@dataclass(frozen=True, slots=True)
class Clip:
    """Copied steps and the journey they come from, if it is told."""

    part: Graph
    journey_id: UUID | None


_SECRETS = text("""
    SELECT DISTINCT ON (step ->> 'key') step ->> 'key' AS key, step -> 'config' ->> 'secret' AS secret
    FROM journey_draft_edit, jsonb_array_elements(graph -> 'steps') AS step
    WHERE tenant_id = :tenant_id AND journey_id = :journey_id AND position BETWEEN :position - 50 AND :position
        AND step ->> 'key' = ANY(:keys) AND step -> 'config' ? 'secret'
    ORDER BY step ->> 'key', position DESC
""")
"""The secrets that steps of a draft had lately."""


def with_secrets(journey: Journey, part: Graph) -> Graph:
    """Return steps that were copied out of a journey, for the same one, with the secrets that no clipboard holds."""
    on = {"tenant_id": journey.tenant_id, "journey_id": journey.id, "position": journey.draft_position}
    with transaction(journey.tenant_id) as session:
        found = session.execute(_SECRETS, {**on, "keys": list(part.steps)}).all()
    had = {row.key: {SEALED: row.secret} for row in found}
    return part.with_steps(*(replace(step, config=had.get(step.key, {}) | dict(step.config)) for step in part))


def read(words: str) -> Clip:
    """Return the steps a text holds (`{"journey": id, "steps": […]}`), or raise BadGraph; a TRIGGER is left out."""
    try:
        data = json.loads(words) if len(words) <= LARGEST else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, Mapping):
        raise BadGraph({"clip": NOT_STEPS}, NOT_STEPS)
    try:
        graph = read_graph(data)
    except BadGraph as refused:
        raise BadGraph(refused.errors, NOT_STEPS) from None
    keys = [step.key for step in graph if step.type != TRIGGER]
    if not keys:
        raise BadGraph({"clip": NOT_STEPS}, NOT_STEPS)
    return Clip(parts.part_of(graph, keys), as_id(data.get("journey")))
