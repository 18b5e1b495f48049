"""Steps as text: what copying puts on the clipboard and pasting reads, in any journey of any browser tab."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from app.infra.ids import as_id
from app.journeys import parts
from app.journeys.graph import TRIGGER, BadGraph, Graph
from app.journeys.step_type import read_graph

LARGEST = 2_000_000
NOT_STEPS = "What is on the clipboard is no steps of a journey. Copy some steps first."


@dataclass(frozen=True, slots=True)
class Clip:
    """Copied steps and the journey they come from, if it is told."""

    part: Graph
    journey_id: UUID | None


def read(text: str) -> Clip:
    """Return the steps a text holds (`{"journey": id, "steps": […]}`), or raise BadGraph; a TRIGGER is left out."""
    try:
        data = json.loads(text) if len(text) <= LARGEST else None
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
