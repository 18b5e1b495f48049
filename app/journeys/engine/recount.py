"""Counting the cohorts of journeys anew from the people in them: what processes that knew no cohorts moved past."""

from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.infra.db import transaction
from app.journeys.engine.writes import LOCK_JOURNEYS

BATCH = 5_000

_GIVE_WEEKS = text("""
    WITH batch AS MATERIALIZED (
        SELECT id FROM journey_enrollment
        WHERE tenant_id = :tenant_id AND id > :after ORDER BY id LIMIT :batch
    ), without AS MATERIALIZED (
        SELECT id FROM journey_enrollment
        WHERE tenant_id = :tenant_id AND id IN (SELECT id FROM batch) AND entered_week IS NULL ORDER BY id FOR UPDATE
    ), given AS (
        UPDATE journey_enrollment e
        SET entered_week = CAST(date_trunc('week', e.enrolled_at AT TIME ZONE j.timezone) AS date),
            entered_version = coalesce((
                SELECT s.version FROM journey_enrollment_step s
                WHERE s.tenant_id = e.tenant_id AND s.enrollment_id = e.id ORDER BY s.step_number LIMIT 1
            ), j.published_version, 1)
        FROM without, journey j
        WHERE e.tenant_id = :tenant_id AND e.id = without.id AND j.tenant_id = e.tenant_id AND j.id = e.journey_id
    )
    SELECT id FROM batch ORDER BY id DESC LIMIT 1
""")
_JOURNEYS = text("SELECT id FROM journey WHERE tenant_id = :tenant_id ORDER BY id")
_CLEAR = (
    text("DELETE FROM journey_cohort WHERE tenant_id = :tenant_id AND journey_id = :journey_id"),
    text("DELETE FROM journey_revenue WHERE tenant_id = :tenant_id AND journey_id = :journey_id"),
)
_COUNT = (
    text("""
        INSERT INTO journey_cohort (tenant_id, journey_id, week, version, entered, completed, exited, failed, converted)
        SELECT tenant_id, journey_id, entered_week, entered_version, count(*),
            count(*) FILTER (WHERE status = 'COMPLETED'), count(*) FILTER (WHERE status = 'EXITED'),
            count(*) FILTER (WHERE status = 'FAILED'), count(converted_at)
        FROM journey_enrollment
        WHERE tenant_id = :tenant_id AND journey_id = :journey_id AND entered_week IS NOT NULL
        GROUP BY tenant_id, journey_id, entered_week, entered_version
    """),
    text("""
        INSERT INTO journey_revenue (tenant_id, journey_id, week, version, currency, people, amount)
        SELECT tenant_id, journey_id, entered_week, entered_version, converted_currency, count(*), sum(converted_amount)
        FROM journey_enrollment
        WHERE tenant_id = :tenant_id AND journey_id = :journey_id AND entered_week IS NOT NULL
            AND converted_currency IS NOT NULL
        GROUP BY tenant_id, journey_id, entered_week, entered_version, converted_currency
    """),
)


def recount(*, tenant_id: UUID) -> int:
    """Set the cohorts of each journey, and what they brought in, to what its people say; return how many journeys.

    The journeys may run meanwhile: each stands still while it is counted. Doing it again is safe, but whoever was
    erased is counted no more.
    """
    last: UUID | None = UUID(int=0)
    while last is not None:
        with transaction(tenant_id) as session:
            last = session.scalar(_GIVE_WEEKS, {"tenant_id": tenant_id, "after": last, "batch": BATCH})
    with transaction(tenant_id) as session:
        journeys = session.scalars(_JOURNEYS, {"tenant_id": tenant_id}).all()
    for journey_id in journeys:
        of: dict[str, Any] = {"tenant_id": tenant_id, "journey_id": journey_id}
        with transaction(tenant_id) as session:
            # Whoever moves counters waits here, and then adds to what was counted.
            session.execute(LOCK_JOURNEYS, {"tenant_id": tenant_id, "ids": [journey_id]})
            for statement in (*_CLEAR, *_COUNT):
                session.execute(statement, of)
    return len(journeys)
