"""The draft of a journey as a row holds it: lock it, change it, and keep what it was to go back to."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from app.accounts import audit
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Conflict
from app.infra.ids import as_id
from app.journeys import editing
from app.journeys.graph import Graph, Step
from app.journeys.kinds import stored_graph
from app.journeys.models import Journey, JourneyDraftEdit
from app.journeys.queries import NoSuchJourney
from app.journeys.step_type import MANUAL, step_types

NAMED = ("segment_id", "journey_id")
"""What a trigger names by id."""


class DraftChanged(Conflict):
    """Somebody else has changed the draft since it was loaded."""

    def __init__(self) -> None:
        super().__init__("Somebody else has changed this journey in the meantime. Reload it and try again.")


class WrongStatus(Conflict):
    """The act does not fit the journey's status."""


def locked(session: Session, tenant_id: UUID, journey_id: UUID) -> Journey:
    """Return a journey, nobody else's to change until the transaction ends, or raise NoSuchJourney."""
    journey = session.scalar(
        select(Journey)
        .where(Journey.tenant_id == tenant_id, Journey.id == journey_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if journey is None:
        raise NoSuchJourney
    return journey


def edit(
    tenant_id: UUID,
    journey_id: UUID,
    actor: str,
    draft_revision: int | None,
    label: str | Callable[[Graph], str],
    change: Callable[[Journey, Graph], Graph],
    *,
    sitting: str | None = None,
    step_key: str | None = None,
) -> Journey:
    """Apply `change` to the draft, keep the new state in its history, and return the journey.

    If the newest entry of the history is of the same `sitting`, the new state takes its place. `step_key` is the step
    whose settings are changed, where it is one.
    """
    with transaction(tenant_id) as session:
        journey = locked(session, tenant_id, journey_id)
        _expect(journey, draft_revision)
        graph = stored_graph(journey.draft)
        told = label if isinstance(label, str) else label(graph)
        changed = change(journey, graph)
        if changed == graph and changed.notes == graph.notes:
            return journey
        session.execute(
            text(
                "DELETE FROM journey_draft_edit WHERE tenant_id = :tenant_id AND journey_id = :journey_id"
                " AND position > :position"
            ),
            {"tenant_id": tenant_id, "journey_id": journey_id, "position": journey.draft_position},
        )
        if sitting is not None and _sat_on(session, journey, changed, sitting):
            _show(journey, changed)
            session.flush()
            return journey
        journey.draft_position += 1
        _show(journey, changed)
        session.add(
            JourneyDraftEdit(
                tenant_id=tenant_id,
                journey_id=journey_id,
                position=journey.draft_position,
                graph=journey.draft,
                label=told,
                sitting=sitting,
            )
        )
        session.flush()
        about = {"step": step_key} if step_key else {}
        audit.record(session, actor, "journey.edit", "journey", journey_id, {"what": told, **about})
        return journey


def is_newest(journey: Journey, sitting: str) -> bool:
    """Return whether the newest entry of the draft's history is of a sitting."""
    wanted = _newest(select(JourneyDraftEdit.id), journey, sitting)
    with transaction(journey.tenant_id) as session:
        return session.scalar(wanted) is not None


def _newest(statement: Any, journey: Journey, sitting: str) -> Any:
    """Return a statement on the newest entry of a draft's history, if that is of a sitting."""
    return statement.where(
        JourneyDraftEdit.tenant_id == journey.tenant_id,
        JourneyDraftEdit.journey_id == journey.id,
        JourneyDraftEdit.position == journey.draft_position,
        JourneyDraftEdit.sitting == sitting,
    )


def _sat_on(session: Session, journey: Journey, graph: Graph, sitting: str) -> bool:
    """Put a state in the place of the newest one if that is of the same sitting, and return whether it is."""
    put = update(JourneyDraftEdit).values(graph=graph.to_json()).returning(JourneyDraftEdit.id)
    wanted = _newest(put, journey, sitting).execution_options(synchronize_session=False)
    return session.scalar(wanted) is not None


def removed(journey: Journey, key: str) -> tuple[Step, bool] | None:
    """Return a step that the draft had and has no more, and whether undoing brings it back; None if there was none."""
    wanted = (
        select(JourneyDraftEdit.position, JourneyDraftEdit.graph)
        .where(
            JourneyDraftEdit.tenant_id == journey.tenant_id,
            JourneyDraftEdit.journey_id == journey.id,
            JourneyDraftEdit.position < journey.draft_position,
            JourneyDraftEdit.graph.contains({"steps": [{"key": key}]}),
        )
        .order_by(JourneyDraftEdit.position.desc())
        .limit(1)
    )
    with transaction(journey.tenant_id) as session:
        found = session.execute(wanted).one_or_none()
    if found is None:
        return None
    return stored_graph(found.graph).steps[key], found.position == journey.draft_position - 1


def travel(tenant_id: UUID, journey_id: UUID, actor: str, draft_revision: int | None, step: int) -> Journey:
    """Go so many states back or forth in the history of the draft, where there are so many."""
    with transaction(tenant_id) as session:
        journey = locked(session, tenant_id, journey_id)
        _expect(journey, draft_revision)
        target = session.scalar(
            select(JourneyDraftEdit.graph).where(
                JourneyDraftEdit.tenant_id == tenant_id,
                JourneyDraftEdit.journey_id == journey_id,
                JourneyDraftEdit.position == journey.draft_position + step,
            )
        )
        if target is not None:
            journey.draft_position += step
            _show(journey, stored_graph(target))
            session.flush()
            audit.record(session, actor, "journey.undo" if step < 0 else "journey.redo", "journey", journey_id)
        return journey


def begin_here(session: Session, journey: Journey) -> None:
    """Let the history of a journey that was just made begin with its draft as it is: nothing before is undone."""
    session.execute(
        delete(JourneyDraftEdit).where(
            JourneyDraftEdit.tenant_id == journey.tenant_id,
            JourneyDraftEdit.journey_id == journey.id,
            JourneyDraftEdit.position < journey.draft_position,
        )
    )


def _expect(journey: Journey, draft_revision: int | None) -> None:
    if journey.status == "ARCHIVED":
        raise WrongStatus("An archived journey can't be changed.")
    if draft_revision is not None and draft_revision != journey.draft_revision:
        raise DraftChanged


def _show(journey: Journey, graph: Graph) -> None:
    journey.draft = graph.to_json()
    journey.key_numbers = editing.given_keys(graph, (name for name, _ in step_types()), journey.key_numbers)
    journey.draft_revision += 1
    journey.updated_at = clock.now()
    if journey.published_version is None:
        copy_trigger(journey, graph)


def copy_trigger(journey: Journey, graph: Graph) -> None:
    """Put the settings of a graph's TRIGGER onto the journey's row, by which events find it."""
    journey.trigger_type, journey.trigger_config = trigger_of(graph)


def trigger_of(graph: Graph) -> tuple[str, dict[str, Any]]:
    """Return what a graph's TRIGGER begins with, and its other settings, as a journey's row has them."""
    config = dict(graph.trigger.config) if graph.trigger else {}
    begins = str(config.pop("event_type", None) or MANUAL)
    # As events name them, however they were written.
    config |= {name: str(found) for name in NAMED if (found := as_id(config.get(name)))}
    return begins, config
