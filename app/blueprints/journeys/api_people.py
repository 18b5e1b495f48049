"""The API of people in journeys whose step failed or who wait: try again, go on."""

from uuid import UUID

from app.blueprints.journeys.api import PathOut, Words, path_of
from app.journeys.engine import retry
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import Body, Shown

api = ApiBlueprint("journey_people_api", __name__)


class RetryBody(Body):
    """Whose failed step is tried again: with `step`, theirs who failed at the step of that key."""

    step: Words | None = None


class RetriedOut(Shown):
    """How many people go on."""

    people: int


@api.operation(
    "POST",
    "/journeys/<uuid:journey_id>/enrollments/retry",
    permission="journeys.run",
    body=RetryBody,
    returns=RetriedOut,
)
def retry_enrollments(journey_id: UUID, body: RetryBody) -> RetriedOut:
    """Let all who failed take their step again, once what was wrong is mended."""
    actor = current()
    people = retry.retry_all(tenant_id=actor.tenant_id, journey_id=journey_id, actor=actor.ref, step=body.step)
    return RetriedOut(people=people)


@api.operation(
    "POST",
    "/journeys/<uuid:journey_id>/enrollments/<uuid:enrollment_id>/retry",
    permission="journeys.run",
    returns=PathOut,
)
def retry_enrollment(journey_id: UUID, enrollment_id: UUID) -> PathOut:
    """Let a person who failed take their step again; 409 with the reason if that can't be."""
    actor = current()
    retry.retry_one(tenant_id=actor.tenant_id, journey_id=journey_id, enrollment_id=enrollment_id, actor=actor.ref)
    return path_of(enrollment_id)


@api.operation(
    "POST",
    "/journeys/<uuid:journey_id>/enrollments/<uuid:enrollment_id>/skip-ahead",
    permission="journeys.run",
    returns=PathOut,
)
def skip_ahead(journey_id: UUID, enrollment_id: UUID) -> PathOut:
    """Let a person who waits go on now; 409 if they wait for nothing."""
    actor = current()
    retry.skip_ahead(tenant_id=actor.tenant_id, journey_id=journey_id, enrollment_id=enrollment_id, actor=actor.ref)
    return path_of(enrollment_id)
