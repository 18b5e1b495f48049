"""The highest numbers that keys of steps had before these were noted, by organisation, in batches that each commit.

It may be ended and run again: a number is only ever raised.
"""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import APP_ROLE, DISPATCH_ROLE

revision = "0101"
down_revision = "0100"
branch_labels = None
depends_on = None

BATCH = 100
FILL = sa.text("""
    WITH batch AS MATERIALIZED (
        SELECT id FROM journey WHERE tenant_id = :tenant_id AND id > :after ORDER BY id LIMIT :batch
    ), key AS (
        SELECT c.journey_id, c.step_key AS key FROM batch
        JOIN journey_step_count c ON c.tenant_id = :tenant_id AND c.journey_id = batch.id
        UNION SELECT v.journey_id, step ->> 'key' FROM batch
        JOIN journey_version v ON v.tenant_id = :tenant_id AND v.journey_id = batch.id
        CROSS JOIN LATERAL jsonb_array_elements(v.graph -> 'steps') AS step
        UNION SELECT e.journey_id, step ->> 'key' FROM batch
        JOIN journey_draft_edit e ON e.tenant_id = :tenant_id AND e.journey_id = batch.id
        CROSS JOIN LATERAL jsonb_array_elements(e.graph -> 'steps') AS step
    ), highest AS (
        SELECT journey_id, upper(parts[1]) AS kind, max(CAST(parts[2] AS int)) AS number
        FROM key CROSS JOIN LATERAL regexp_match(key, '^([a-z_]+)_([0-9]{1,9})$') AS parts
        WHERE parts IS NOT NULL GROUP BY 1, 2
    ), told AS (
        SELECT journey_id, jsonb_object_agg(kind, number) AS numbers FROM highest GROUP BY 1
    ), filled AS (
        UPDATE journey SET key_numbers = (
            SELECT jsonb_object_agg(kind, number) FROM (
                SELECT key AS kind, max(CAST(value AS int)) AS number FROM (
                    SELECT * FROM jsonb_each_text(journey.key_numbers)
                    UNION ALL SELECT * FROM jsonb_each_text(told.numbers)) AS each_one
                GROUP BY 1) AS raised)
        FROM told WHERE journey.tenant_id = :tenant_id AND journey.id = told.journey_id
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
    """Leave what was filled: it goes with its column."""
