"""Who is behind a number of a journey's report: the same people the number counts."""

from uuid import UUID

from sqlalchemy import Uuid, text

from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.paging import DEFAULT_LIMIT, Page, cut, id_cursor
from app.journeys import latest, queries, whereabouts
from app.journeys.flow import MOST_STAGES, SEND
from app.journeys.latest import DID, Behind, Who
from app.journeys.models import Journey, JourneyEnrollment
from app.journeys.queries import EnrollmentLine, line_of, lines


def people(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    who: Who = Who(),  # noqa: B008 - a value
    behind: Behind = Behind(),  # noqa: B008 - a value
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[EnrollmentLine]:
    """Return the walks of whom all that `behind` says is true, newest first; raise NoSuchJourney or Invalid.

    What is asked of the log is asked of the latest walks only, as the report's numbers are (`latest.MOST`).
    """
    if behind.did is not None and behind.did[0] not in DID:
        raise Invalid({"did": f"Say one of {', '.join(DID)}, and the step."})
    if len(behind.after) + len(behind.without) > MOST_STAGES:
        raise Invalid({"after": f"Name at most {MOST_STAGES} steps."})
    with transaction(tenant_id) as session:
        journey = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
        found, values = latest.ids(journey, who, behind, _sends(journey), id_cursor(cursor), limit + 1)
        ids = list(session.scalars(text(found).columns(id=Uuid()), values))
        wanted = lines(tenant_id).where(JourneyEnrollment.id.in_(ids)).order_by(JourneyEnrollment.id.desc())
        rows = session.execute(wanted).all() if ids else []
    return cut(rows, limit, lambda row: (row.id,), line_of)


def _sends(journey: Journey) -> list[str]:
    graph = whereabouts.live(tenant_id=journey.tenant_id, journey=journey)
    return [step.key for step in graph if step.type == SEND]
