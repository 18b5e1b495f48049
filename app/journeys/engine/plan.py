"""A published version made ready to run: its steps with their settings read, in the order they are walked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from app.journeys.graph import Graph
from app.journeys.kinds import read_graph
from app.journeys.models import JourneyVersion
from app.journeys.step_type import JourneyFacts, StepConfig, StepType, step_types

_KEPT = 500


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step: its kind, its settings (None if they are not valid any more) and where its exits lead."""

    key: str
    rank: int
    kind: StepType[Any]
    config: StepConfig | None
    exits: dict[str, str | None]


class Plan(dict[str, PlannedStep]):
    """The steps by key; `placements` and `once` are those of the version (see models.JourneyVersion)."""

    placements: Mapping[str, str | None] = {}
    once: Mapping[str, int] = {}


Edition = tuple[int, int]
"""The number of a version, and how often its graph was changed where it stands (`journey.published_revision`)."""

# An edition never changes, so what was read once holds for the life of the process.
_plans: dict[tuple[UUID, UUID, Edition], Plan] = {}


def edition(journey: Any) -> Edition:
    """Return the edition people follow, of a journey or a row with its version and revision."""
    return journey.published_version or 0, journey.published_revision


def plans_of(session: Session, tenant_id: UUID, editions: Mapping[UUID, Edition]) -> dict[UUID, Plan]:
    """Return the plans of journeys by id, from the edition each is to run in."""
    kept = {journey: _plans.get((tenant_id, journey, one)) for journey, one in editions.items()}
    plans = {journey: plan for journey, plan in kept.items() if plan is not None}
    missing = {journey: one for journey, one in editions.items() if journey not in plans}
    if missing:
        if len(_plans) + len(missing) > _KEPT:
            _plans.clear()
        versions = [(journey, number) for journey, (number, _) in missing.items()]
        rows = session.execute(
            select(
                JourneyVersion.journey_id, JourneyVersion.graph, JourneyVersion.placements, JourneyVersion.once
            ).where(
                JourneyVersion.tenant_id == tenant_id,
                tuple_(JourneyVersion.journey_id, JourneyVersion.number).in_(versions),
            )
        )
        for row in rows:
            plan = make_plan(read_graph(row.graph))
            plan.placements, plan.once = row.placements, row.once
            plans[row.journey_id] = _plans[tenant_id, row.journey_id, missing[row.journey_id]] = plan
    return plans


def facts_of(row: Any, original: UUID | None = None) -> JourneyFacts:
    """Return what steps may know of a journey that people follow, a row with these columns.

    In a rehearsal `original` is what is rehearsed.
    """
    return JourneyFacts(
        row.id,
        row.published_version or 0,
        row.timezone,
        original or row.id,
        row.trigger_type,
        row.topic_id,
        row.clock,
    )


def make_plan(graph: Graph) -> Plan:
    """Return the plan of a graph."""
    rank = graph.ranks
    plan = Plan()
    for step in graph:
        kind = step_types().get(step.type)
        config: StepConfig | None
        try:
            config = kind.Config.model_validate(step.config)
        except ValidationError:
            config = None
        plan[step.key] = PlannedStep(step.key, rank[step.key], kind, config, dict(step.exits))
    return plan
