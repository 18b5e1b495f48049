"""Tags as journeys name them: found, and called by another name when the tag is."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.conditions.values import fold
from app.infra.db import transaction
from app.journeys.leaving import EVENT
from app.journeys.models import Journey, JourneyDraftEdit, JourneyVersion

FIELD = "tags"
ASKS = ("exit_conditions", "goal")
"""The settings that ask about customers."""


def naming(*, tenant_id: UUID, tag: str) -> list[tuple[UUID, str]]:
    """Return id and name of the journeys whose draft, published graph or settings name a tag, by name."""
    with transaction(tenant_id) as session:
        rows = session.execute(
            select(Journey.id, Journey.name, Journey.draft, Journey.exit_conditions, Journey.goal, JourneyVersion.graph)
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
            or _settings(row._asdict(), tag, "") != _asks(row._asdict())
        ]


def follow(session: Session, tenant_id: UUID, old: str, new: str) -> None:
    """Write a tag's new name into drafts, their history, settings and what people follow, in the open transaction.

    A published graph changes in this one way only: the tag is the same one, and a step that went on adding the old name
    would bring it back. Versions of the past keep the name the tag had. Editors of a changed draft are told to reload.
    """
    of_tenant = select(Journey).where(Journey.tenant_id == tenant_id).order_by(Journey.id)
    journeys = {journey.id: journey for journey in session.scalars(of_tenant.with_for_update())}
    for journey in journeys.values():
        draft = renamed_graph(journey.draft, old, new)
        if draft != journey.draft:
            journey.draft = draft
            journey.draft_revision += 1
        settings = {name: getattr(journey, name) for name in ASKS}
        for name, told in _settings(settings, old, new).items():
            if told != settings[name]:
                setattr(journey, name, told)
    for edit in session.scalars(select(JourneyDraftEdit).where(JourneyDraftEdit.tenant_id == tenant_id)):
        graph = renamed_graph(edit.graph, old, new)
        if graph != edit.graph:
            edit.graph = graph
    followed = (
        (Journey.tenant_id == JourneyVersion.tenant_id)
        & (Journey.id == JourneyVersion.journey_id)
        & (Journey.published_version == JourneyVersion.number)
    )
    versions = select(JourneyVersion).join(Journey, followed).where(JourneyVersion.tenant_id == tenant_id)
    for version in session.scalars(versions):
        # What was kept to tell what is set otherwise since: the tag is the same one.
        if version.settings is not None and (told := _settings(version.settings, old, new)) != _asks(version.settings):
            version.settings = version.settings | told
        graph = renamed_graph(version.graph, old, new)
        if graph != version.graph:
            version.graph = graph
            # Workers that run have the graph in hand as it was.
            journeys[version.journey_id].published_revision += 1
    session.flush()


def _asks(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: settings.get(name) for name in ASKS}


def _settings(settings: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    """Return the settings that ask about customers with `new` where they name the tag `old`."""
    asks = _asks(settings)
    by_event = bool((asks["goal"] or {}).get(EVENT))
    return {name: one if by_event and name == "goal" else _renamed(one, old, new) for name, one in asks.items()}


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
