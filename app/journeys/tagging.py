"""Tags as journeys name them: found, and called by another name when the tag is."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.conditions.values import fold
from app.infra.db import transaction
from app.journeys.models import Journey, JourneyDraftEdit, JourneyVersion

FIELD = "tags"


def naming(*, tenant_id: UUID, tag: str) -> list[tuple[UUID, str]]:
    """Return id and name of the journeys whose draft or published graph names a tag, by name."""
    with transaction(tenant_id) as session:
        rows = session.execute(
            select(Journey.id, Journey.name, Journey.draft, JourneyVersion.graph)
            .outerjoin(
                JourneyVersion,
                (JourneyVersion.tenant_id == Journey.tenant_id)
                & (JourneyVersion.journey_id == Journey.id)
                & (JourneyVersion.number == Journey.published_version),
            )
            .where(Journey.tenant_id == tenant_id, Journey.status != "ARCHIVED")
            .order_by(Journey.name)
        )
        return [
            (row.id, row.name)
            for row in rows
            if any(renamed_graph(graph, tag, "") != graph for graph in (row.draft, row.graph) if graph)
        ]


def follow(session: Session, tenant_id: UUID, old: str, new: str) -> None:
    """Write a tag's new name into drafts, their history and the graphs people follow, in the open transaction.

    A published graph changes in this one way only: the tag is the same one, and a step that went on adding the old name
    would bring it back. Versions of the past keep the name the tag had. Editors of a changed draft are told to reload.
    """
    for journey in session.scalars(
        select(Journey).where(Journey.tenant_id == tenant_id).order_by(Journey.id).with_for_update()
    ):
        draft = renamed_graph(journey.draft, old, new)
        if draft != journey.draft:
            journey.draft = draft
            journey.draft_revision += 1
    edits = select(JourneyDraftEdit).where(JourneyDraftEdit.tenant_id == tenant_id)
    versions = select(JourneyVersion).join(
        Journey,
        (Journey.tenant_id == JourneyVersion.tenant_id)
        & (Journey.id == JourneyVersion.journey_id)
        & (Journey.published_version == JourneyVersion.number),
    )
    for row in (*session.scalars(edits), *session.scalars(versions.where(JourneyVersion.tenant_id == tenant_id))):
        graph = renamed_graph(row.graph, old, new)
        if graph != row.graph:
            row.graph = graph
    session.flush()


def renamed_graph(graph: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    """Return a stored graph with `new` where steps name the tag `old`. The trigger asks an event, not the customer."""
    steps = [
        step if step.get("type") == "TRIGGER" else step | {"config": _renamed(step.get("config"), old, new)}
        for step in graph.get("steps", [])
    ]
    return {**graph, "steps": steps}


def _renamed(value: Any, old: str, new: str) -> Any:
    if isinstance(value, list):
        return [_renamed(one, old, new) for one in value]
    if not isinstance(value, dict):
        return value
    if "event" in value and "operator" in value:
        # A rule on what somebody did asks the payloads of events.
        return value
    if value.get("field") != FIELD:
        return {key: _renamed(one, old, new) for key, one in value.items()}
    # Rules compare without regard to case, changes of the customer don't.
    same = fold if "operator" in value else str
    given = value.get("value")
    if isinstance(given, list):
        told = list(_each(given, same(old), new, same))
        return value | {"value": list(dict.fromkeys(told))}
    return value | {"value": new} if isinstance(given, str) and same(given) == same(old) else value


def _each(values: list[Any], old: str, new: str, same: Any) -> Iterator[Any]:
    for one in values:
        yield new if isinstance(one, str) and same(one) == old else one
