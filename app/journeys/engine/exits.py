"""Leaving early: people taken out by hand, merged away, or caught in a journey that was archived."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.infra import clock
from app.infra.arrays import array
from app.infra.db import again_after_deadlock, transaction
from app.journeys.engine import ends
from app.journeys.engine.writes import Cohort, Where, move_counters

OF_JOURNEYS = text("""
    SELECT id, journey_id, current_step_key FROM journey_enrollment
    WHERE tenant_id = :tenant_id AND journey_id = ANY(:journeys) AND status = 'ACTIVE'
    LIMIT :limit FOR UPDATE SKIP LOCKED
""")
OF_CUSTOMERS = text("""
    SELECT id, journey_id, current_step_key FROM journey_enrollment
    WHERE tenant_id = :tenant_id AND customer_id = ANY(CAST(:customers AS uuid[])) AND status = 'ACTIVE'
    ORDER BY id FOR UPDATE
""")
BY_ID = text("""
    SELECT id, journey_id, current_step_key FROM journey_enrollment
    WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[])) AND status = 'ACTIVE'
    ORDER BY id FOR UPDATE
""")

LEAVE = text("""
    UPDATE journey_enrollment
    SET status = 'EXITED', exit_reason = :reason, exited_at = :now, due_at = NULL, waiting_until = NULL, error = NULL,
        attempts = 0
    WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[]))
    RETURNING journey_id, entered_week AS week, entered_version AS version
""")
SKIP = text("""
    UPDATE journey_enrollment_step SET status = 'SKIPPED', completed_at = :now
    WHERE tenant_id = :tenant_id AND enrollment_id = ANY(CAST(:ids AS uuid[])) AND status = 'IN_PROGRESS'
""")


@again_after_deadlock
def exit_enrollments(
    *, tenant_id: UUID, enrollment_ids: Sequence[UUID], reason: str = "manual", now: datetime | None = None
) -> int:
    """Take people out of their journeys and return how many were still in them."""
    with transaction(tenant_id) as session:
        rows = session.execute(BY_ID, {"tenant_id": tenant_id, "ids": array(enrollment_ids)}).all()
        return _leave(session, tenant_id, rows, reason, now or clock.now())


def exit_customers(*, tenant_id: UUID, customer_ids: Sequence[UUID], reason: str, now: datetime | None = None) -> int:
    """Take customers out of every journey they are in and return how many enrollments ended."""
    with transaction(tenant_id) as session:
        rows = session.execute(OF_CUSTOMERS, {"tenant_id": tenant_id, "customers": array(customer_ids)}).all()
        return _leave(session, tenant_id, rows, reason, now or clock.now())


def exit_archived(session: Session, tenant_id: UUID, journey_ids: Sequence[UUID], now: datetime, limit: int) -> int:
    """Take up to `limit` people out of archived journeys and return how many it were."""
    values = {"tenant_id": tenant_id, "journeys": list(journey_ids), "limit": limit}
    return _leave(session, tenant_id, session.execute(OF_JOURNEYS, values).all(), "archived", now)


def _leave(session: Session, tenant_id: UUID, rows: Sequence[Row[Any]], reason: str, now: datetime) -> int:
    if not rows:
        return 0
    values = {"tenant_id": tenant_id, "ids": array(row.id for row in rows), "reason": reason, "now": now}
    cohorts: dict[Cohort, Counter[str]] = defaultdict(Counter)
    for left in session.execute(LEAVE, values):
        if left.week is not None:
            cohorts[left.journey_id, left.week, left.version]["exited"] += 1
    session.execute(SKIP, values)
    ends.tell(session, tenant_id, [row.id for row in rows], now)
    totals: dict[UUID, Counter[str]] = defaultdict(Counter)
    counts: dict[Where, Counter[str]] = defaultdict(Counter)
    for row in rows:
        totals[row.journey_id]["exited"] += 1
        counts[row.journey_id, row.current_step_key].update(active=-1, skipped=1)
    move_counters(session, tenant_id, totals, counts, cohorts=cohorts)
    return len(rows)


ARCHIVED = text("""
    SELECT id FROM journey WHERE tenant_id = :tenant_id AND status = 'ARCHIVED' AND EXISTS (
        SELECT FROM journey_enrollment e
        WHERE e.tenant_id = journey.tenant_id AND e.journey_id = journey.id AND e.status = 'ACTIVE')
""")

# The share lock holds off resume, so that nobody is taken off the clock of a journey that runs again.
PAUSED = text("""
    SELECT id FROM journey WHERE tenant_id = :tenant_id AND status = 'PAUSED' AND EXISTS (
        SELECT FROM journey_enrollment e
        WHERE e.tenant_id = journey.tenant_id AND e.journey_id = journey.id AND e.status = 'ACTIVE'
          AND e.due_at <= :now)
    ORDER BY id FOR SHARE
""")

OFF_THE_CLOCK = text("""
    WITH due AS (
        SELECT id FROM journey_enrollment
        WHERE tenant_id = :tenant_id AND journey_id = ANY(:journeys) AND status = 'ACTIVE' AND due_at <= :now
        LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE journey_enrollment person SET due_at = NULL
    FROM due WHERE person.tenant_id = :tenant_id AND person.id = due.id
    RETURNING person.id
""")


def settle_stopped(session: Session, tenant_id: UUID, now: datetime, limit: int) -> int:
    """Deal with up to `limit` people of journeys that don't run, and return how many it were.

    Those of archived journeys leave. Due ones of paused journeys are taken off the clock, where they cost nothing;
    resuming puts them back on it.
    """
    archived = [row.id for row in session.execute(ARCHIVED, {"tenant_id": tenant_id})]
    if archived and (left := exit_archived(session, tenant_id, archived, now, limit)):
        return left
    paused = [row.id for row in session.execute(PAUSED, {"tenant_id": tenant_id, "now": now})]
    if not paused:
        return 0
    values = {"tenant_id": tenant_id, "now": now, "journeys": paused, "limit": limit}
    return len(session.execute(OFF_THE_CLOCK, values).all())
