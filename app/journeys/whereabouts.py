"""Who stands where: people of one step, and numbers for lists."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select

from app.customers.models import Activity
from app.events.types.journeys import REFUSED
from app.infra.db import transaction
from app.infra.paging import DEFAULT_LIMIT, Page, cut, id_cursor
from app.journeys.graph import Graph
from app.journeys.models import Journey, JourneyEnrollment, JourneyEnrollmentStep, JourneyStepCount
from app.journeys.queries import EnrollmentLine, draft, line_of, lines, version_graph

WHICH = ("here", "done", "failed")


def active_counts(*, tenant_id: UUID, journey_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return how many people are in each of the journeys now; journeys with nobody are missing."""
    with transaction(tenant_id) as session:
        rows = session.execute(
            select(JourneyStepCount.journey_id, func.sum(JourneyStepCount.active))
            .where(JourneyStepCount.tenant_id == tenant_id, JourneyStepCount.journey_id.in_(journey_ids))
            .group_by(JourneyStepCount.journey_id)
        )
        return {journey_id: int(people) for journey_id, people in rows if people}


def live(*, tenant_id: UUID, journey: Journey) -> Graph:
    """Return the graph people follow; before the first activation, the draft."""
    if journey.published_version is None:
        return draft(journey)
    return version_graph(tenant_id=tenant_id, journey_id=journey.id, number=journey.published_version)


def refusals(*, tenant_id: UUID, journey_id: UUID, customer_id: UUID) -> list[Activity]:
    """Return the last ten times somebody was not let in again (`app.journeys.engine.circles`), the latest first."""
    found = (
        select(Activity)
        .where(
            Activity.tenant_id == tenant_id,
            Activity.customer_id == customer_id,
            Activity.type == REFUSED,
            Activity.object_id == journey_id,
        )
        .order_by(Activity.occurred_at.desc(), Activity.id.desc())
        .limit(10)
    )
    with transaction(tenant_id) as session:
        return list(session.scalars(found.execution_options(populate_existing=True)))


def step_people(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    step: str,
    which: str = "here",
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[EnrollmentLine]:
    """Return the people of one step, newest first: who stands "here", went through ("done") or "failed" there."""
    asked = lines(tenant_id).where(JourneyEnrollment.journey_id == journey_id, _at(step, which))
    before = id_cursor(cursor)
    if before is not None:
        asked = asked.where(JourneyEnrollment.id < before)
    with transaction(tenant_id) as session:
        rows = session.execute(asked.order_by(JourneyEnrollment.id.desc()).limit(limit + 1)).all()
    return cut(rows, limit, lambda row: (row.id,), line_of)


def _at(step: str, which: str) -> ColumnElement[bool]:
    e, taken = JourneyEnrollment, JourneyEnrollmentStep
    if which == "done":
        return exists().where(
            taken.tenant_id == e.tenant_id,
            taken.enrollment_id == e.id,
            taken.step_key == step,
            taken.status == "COMPLETED",
        )
    return (e.status == ("FAILED" if which == "failed" else "ACTIVE")) & (e.current_step_key == step)
