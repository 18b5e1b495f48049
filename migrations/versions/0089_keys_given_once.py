"""Keys of steps are given once in a journey, and people whose step waits for something else are looked at again."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import APP_ROLE, DISPATCH_ROLE

revision = "0089"
down_revision = "0088"
branch_labels = None
depends_on = None

FILL = f"""
    DO $$
    DECLARE one uuid; tenants uuid[];
    BEGIN
        SET LOCAL ROLE {DISPATCH_ROLE};
        SELECT array_agg(id) INTO tenants FROM tenant;
        SET LOCAL ROLE {APP_ROLE};
        FOREACH one IN ARRAY coalesce(tenants, '{{}}') LOOP
            PERFORM set_config('fairway.tenant_id', one::text, true);
            WITH key AS (
                SELECT journey_id, step_key AS key FROM journey_step_count WHERE tenant_id = one
                UNION SELECT journey_id, step ->> 'key' FROM journey_version
                    CROSS JOIN LATERAL jsonb_array_elements(graph -> 'steps') AS step WHERE tenant_id = one
                UNION SELECT journey_id, step ->> 'key' FROM journey_draft_edit
                    CROSS JOIN LATERAL jsonb_array_elements(graph -> 'steps') AS step WHERE tenant_id = one
            ), highest AS (
                SELECT journey_id, upper(parts[1]) AS kind, max(parts[2]::int) AS number
                FROM key CROSS JOIN LATERAL regexp_match(key, '^([a-z_]+)_([0-9]{{1,9}})$') AS parts
                WHERE parts IS NOT NULL GROUP BY 1, 2
            ), told AS (
                SELECT journey_id, jsonb_object_agg(kind, number) AS numbers FROM highest GROUP BY 1
            )
            UPDATE journey SET key_numbers = told.numbers
            FROM told WHERE journey.tenant_id = one AND journey.id = told.journey_id;
        END LOOP;
        RESET ROLE;
    END $$
"""


def upgrade() -> None:
    op.add_column(
        "journey",
        sa.Column("key_numbers", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column("journey_settling", sa.Column("look", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.execute(FILL)


def downgrade() -> None:
    op.drop_column("journey_settling", "look")
    op.drop_column("journey", "key_numbers")
