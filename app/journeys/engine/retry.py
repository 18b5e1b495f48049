"""Trying again: by itself after a while, and by hand once what was wrong is mended; and going on before the time."""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.infra import clock
from app.infra.db import again_after_deadlock, transaction
from app.infra.errors import Conflict, Invalid
from app.infra.queue import Work, wake
from app.journeys import queries
from app.journeys.drafts import WrongStatus
from app.journeys.engine.writes import LOCK_JOURNEYS, Cohort, Where, move_counters
from app.journeys.queries import NoSuchEnrollment, NoSuchJourney
from app.journeys.step_type import Outcome, Walker

WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 720))
JITTER = 0.2
"""Each wait is up to so much longer, so that many who failed together don't come again together."""
AT_ONCE = 2000
DEATHS = 3
DIED = "The worker died three times at this step."

STATUS = text("SELECT status FROM journey WHERE tenant_id = :tenant_id AND id = :journey_id")
# Moving waits would take back that somebody goes on now.
RESUMING = text("""
    SELECT EXISTS (
        SELECT FROM journey_settling
        WHERE tenant_id = :tenant_id AND journey_id = :journey_id AND resumed_at IS NOT NULL)
""")
PERSON = text("""
    SELECT status, due_at, waiting_until FROM journey_enrollment
    WHERE tenant_id = :tenant_id AND journey_id = :journey_id AND id = :id
""")
# The step that failed stays in the log; it is taken again under the next number. Of somebody who walks in the journey
# again meanwhile, or failed more than once, only the latest walk can go on.
AGAIN = text("""
    WITH failed AS (
        SELECT e.id, e.current_step_key FROM journey_enrollment e
        JOIN journey j ON j.tenant_id = e.tenant_id AND j.id = e.journey_id
        WHERE e.tenant_id = :tenant_id AND e.journey_id = :journey_id AND e.status = 'FAILED'
            AND (CAST(:id AS uuid) IS NULL OR e.id = :id)
            AND (CAST(:step AS text) IS NULL OR e.current_step_key = :step)
            AND (CAST(:after AS uuid) IS NULL OR e.id > :after)
            AND (j.reentry = 'each' OR NOT EXISTS (
                SELECT FROM journey_enrollment other
                WHERE other.tenant_id = e.tenant_id AND other.journey_id = e.journey_id
                    AND other.customer_id = e.customer_id
                    AND (other.status = 'ACTIVE' OR other.status = 'FAILED' AND other.id > e.id)))
        ORDER BY e.id LIMIT :limit FOR UPDATE OF e
    )
    UPDATE journey_enrollment person
    SET status = 'ACTIVE', current_step_number = person.current_step_number + 1, due_at = :now, waiting_until = NULL,
        exited_at = NULL, exit_reason = NULL, error = NULL, attempts = 0
    FROM failed WHERE person.tenant_id = :tenant_id AND person.id = failed.id
    RETURNING person.id, failed.current_step_key AS step_key, person.entered_week AS week,
        person.entered_version AS version
""")
GO_ON = text("""
    UPDATE journey_enrollment
    SET due_at = :now, waiting_until = CASE WHEN waiting_until IS NOT NULL THEN CAST(:now AS timestamptz) END
    WHERE tenant_id = :tenant_id AND journey_id = :journey_id AND id = :id AND status = 'ACTIVE' AND due_at > :now
    RETURNING id
""")


class NotRetried(Conflict):
    """The step can't be tried again for this person; the message says why."""


class NotWaiting(Conflict):
    """The person can't go on now; the message says why."""


def after(walker: Walker, reason: str, now: datetime) -> Outcome:
    """Return what becomes of a person for whom a step raised: it is tried again later, and in the end they fail."""
    if walker.attempts >= len(WAITS):
        return Outcome(failure=reason, result={"error": reason})
    return _later(walker, reason, now + WAITS[walker.attempts] * (1 + random.random() * JITTER))  # noqa: S311 - no secret


def after_death(walker: Walker, deaths: int, now: datetime) -> Outcome:
    """Return what becomes of a person alone with whom a worker died at this step so often, at least twice."""
    if deaths >= DEATHS:
        return Outcome(failure=DIED, result={"error": DIED})
    return _later(walker, "The worker died at this step.", now + WAITS[0])


def _later(walker: Walker, reason: str, again_at: datetime) -> Outcome:
    told = {"error": reason, "attempt": walker.attempts + 1, "again_at": again_at.isoformat()}
    return Outcome(failure=reason, again_at=again_at, result=told)


@again_after_deadlock
def retry_one(
    *, tenant_id: UUID, journey_id: UUID, enrollment_id: UUID, actor: str, now: datetime | None = None
) -> None:
    """Let a FAILED person take the step at which they failed again.

    Raises NoSuchJourney, NoSuchEnrollment, WrongStatus, or NotRetried with the reason.
    """
    with transaction(tenant_id) as session:
        _lock(session, tenant_id, journey_id)
        person = _person(session, tenant_id, journey_id, enrollment_id)
        if person.status != "FAILED":
            raise NotRetried("This person has not failed, so there is nothing to try again.")
        if not _again(session, tenant_id, journey_id, now or clock.now(), id=enrollment_id):
            raise NotRetried("This person has come into the journey again since, so this walk stays as it is.")
        audit.record(session, actor, "journey.retry", "journey", journey_id, {"enrollment_id": str(enrollment_id)})


def retry_all(
    *, tenant_id: UUID, journey_id: UUID, actor: str, step: str | None = None, now: datetime | None = None
) -> int:
    """Let all who FAILED (at the step of that key) take their step again and return how many that were.

    Whoever has come into the journey again since stays as they are. Raises NoSuchJourney, WrongStatus, or Invalid for a
    step that it never had.
    """
    if step is not None:
        _check_step(tenant_id, journey_id, step)
    total, after = 0, None
    # Who fails again meanwhile is behind the last one taken, so nobody is taken twice.
    while some := _retry_some(tenant_id, journey_id, step, after, now or clock.now()):
        total, after = total + len(some), max(some)
    with transaction(tenant_id) as session:
        audit.record(session, actor, "journey.retry", "journey", journey_id, {"step": step, "people": total})
    return total


def _check_step(tenant_id: UUID, journey_id: UUID, step: str) -> None:
    found = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
    if step in queries.draft(found).steps or step in queries.step_counts(tenant_id=tenant_id, journey_id=journey_id):
        return
    told = "There is no such step in this journey. Name one by its key."
    raise Invalid({"step": told}, told)


@again_after_deadlock
def _retry_some(
    tenant_id: UUID, journey_id: UUID, step: str | None, after: UUID | None, now: datetime
) -> Sequence[UUID]:
    with transaction(tenant_id) as session:
        _lock(session, tenant_id, journey_id)
        return _again(session, tenant_id, journey_id, now, step=step, after=after)


def skip_ahead(
    *, tenant_id: UUID, journey_id: UUID, enrollment_id: UUID, actor: str, now: datetime | None = None
) -> None:
    """Let a person who waits in an ACTIVE journey go on now, as if the time they wait for had come.

    Raises NoSuchJourney, NoSuchEnrollment, WrongStatus, or NotWaiting.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        status = session.scalar(STATUS, {"tenant_id": tenant_id, "journey_id": journey_id})
        if status is None:
            raise NoSuchJourney
        if status != "ACTIVE":
            raise WrongStatus(f"Nobody goes on in a journey that is {status.lower()}. Resume it first.")
        if session.scalar(RESUMING, {"tenant_id": tenant_id, "journey_id": journey_id}):
            raise WrongStatus("Its people are still being put back since it was resumed. Try again in a moment.")
        _person(session, tenant_id, journey_id, enrollment_id)
        who = {"tenant_id": tenant_id, "journey_id": journey_id, "id": enrollment_id, "now": moment}
        if session.execute(GO_ON, who).first() is None:
            raise NotWaiting("This person does not wait for anything.")
        audit.record(session, actor, "journey.skip_ahead", "journey", journey_id, {"enrollment_id": str(enrollment_id)})
        wake(Work.ADVANCE_JOURNEYS, tenant_id)


def _lock(session: Session, tenant_id: UUID, journey_id: UUID) -> None:
    """Hold the journey, as all do who let people in: nobody enters beside somebody who comes back."""
    session.execute(LOCK_JOURNEYS, {"tenant_id": tenant_id, "ids": [journey_id]})
    status = session.scalar(STATUS, {"tenant_id": tenant_id, "journey_id": journey_id})
    if status is None:
        raise NoSuchJourney
    if status == "ARCHIVED":
        raise WrongStatus("An archived journey does not go on, so nothing can be tried again in it.")


def _person(session: Session, tenant_id: UUID, journey_id: UUID, enrollment_id: UUID) -> Row[Any]:
    who = {"tenant_id": tenant_id, "journey_id": journey_id, "id": enrollment_id}
    person = session.execute(PERSON, who).first()
    if person is None:
        raise NoSuchEnrollment
    return person


def _again(
    session: Session,
    tenant_id: UUID,
    journey_id: UUID,
    now: datetime,
    *,
    id: UUID | None = None,
    step: str | None = None,
    after: UUID | None = None,
) -> Sequence[UUID]:
    where = {"tenant_id": tenant_id, "journey_id": journey_id, "id": id, "step": step, "after": after}
    people = session.execute(AGAIN, {**where, "now": now, "limit": AT_ONCE}).all()
    keys = [person.step_key for person in people]
    if keys:
        counts: dict[Where, dict[str, int]] = {
            (journey_id, key): {"entered": keys.count(key), "active": keys.count(key)} for key in set(keys)
        }
        cohorts: dict[Cohort, Counter[str]] = defaultdict(Counter)
        for person in people:
            if person.week is not None:
                cohorts[journey_id, person.week, person.version]["failed"] -= 1
        move_counters(session, tenant_id, {journey_id: {"failed": -len(keys)}}, counts, cohorts=cohorts)
        wake(Work.ADVANCE_JOURNEYS, tenant_id)
    return [person.id for person in people]
