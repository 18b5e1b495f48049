"""The weeks and versions in which people came into journeys before these were noted, in batches that each commit.

It may be ended and run again: whoever has a week is counted already, in the statement that gave it.
"""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import APP_ROLE, DISPATCH_ROLE

revision = "0088"
down_revision = "0087"
branch_labels = None
depends_on = None

BATCH = 20_000
FILL = sa.text("""
    WITH batch AS MATERIALIZED (
        SELECT id FROM journey_enrollment WHERE tenant_id = :tenant_id AND id > :after ORDER BY id LIMIT :batch
    ), filled AS (
        UPDATE journey_enrollment e
        SET entered_week = CAST(date_trunc('week', e.enrolled_at AT TIME ZONE j.timezone) AS date),
            entered_version = coalesce((
                SELECT s.version FROM journey_enrollment_step s
                WHERE s.tenant_id = e.tenant_id AND s.enrollment_id = e.id ORDER BY s.step_number LIMIT 1
            ), j.published_version, 1)
        FROM batch, journey j
        WHERE e.tenant_id = :tenant_id AND e.id = batch.id AND e.entered_week IS NULL
            AND j.tenant_id = e.tenant_id AND j.id = e.journey_id
        RETURNING e.journey_id, e.entered_week AS week, e.entered_version AS version, e.status, e.converted_at
    ), counted AS (
        INSERT INTO journey_cohort AS held
            (tenant_id, journey_id, week, version, entered, completed, exited, failed, converted)
        SELECT :tenant_id, journey_id, week, version, count(*), count(*) FILTER (WHERE status = 'COMPLETED'),
            count(*) FILTER (WHERE status = 'EXITED'), count(*) FILTER (WHERE status = 'FAILED'), count(converted_at)
        FROM filled GROUP BY journey_id, week, version ORDER BY journey_id, week, version
        ON CONFLICT (tenant_id, journey_id, week, version) DO UPDATE
        SET entered = held.entered + excluded.entered, completed = held.completed + excluded.completed,
            exited = held.exited + excluded.exited, failed = held.failed + excluded.failed,
            converted = held.converted + excluded.converted
    )
    SELECT id FROM batch ORDER BY id DESC LIMIT 1
""")


def upgrade() -> None:
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        connection.execute(sa.text(f"SET ROLE {DISPATCH_ROLE}"))
        tenants = connection.execute(sa.text("SELECT id FROM tenant")).scalars().all()
        connection.execute(sa.text(f"SET ROLE {APP_ROLE}"))
        for tenant_id in tenants:
            connection.execute(sa.text("SELECT set_config('fairway.tenant_id', :id, false)"), {"id": str(tenant_id)})
            last = "00000000-0000-0000-0000-000000000000"
            while last is not None:
                last = connection.execute(FILL, {"tenant_id": tenant_id, "after": last, "batch": BATCH}).scalar()
        connection.execute(sa.text("RESET fairway.tenant_id"))
        connection.execute(sa.text("RESET ROLE"))


def downgrade() -> None:
    """Leave what was filled: it goes with its columns."""
