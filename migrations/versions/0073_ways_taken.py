"""The log of a journey tells by which way a step was left, and how many went each way is counted by its name.

The columns `yes` and `no` stay for code that still counts by them.
"""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import APP_ROLE, DISPATCH_ROLE, protect

revision = "0073"
down_revision = "0072"
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
            INSERT INTO journey_exit_count (tenant_id, journey_id, step_key, exit, passed)
            SELECT tenant_id, journey_id, step_key, way.exit, way.passed
            FROM journey_step_count CROSS JOIN LATERAL (VALUES ('yes', yes), ('no', no)) AS way(exit, passed)
            WHERE tenant_id = one AND way.passed > 0;
        END LOOP;
        RESET ROLE;
    END $$
"""


def upgrade() -> None:
    op.add_column("journey_enrollment_step", sa.Column("exit", sa.Text()))
    op.create_table(
        "journey_exit_count",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("journey_id", sa.Uuid(), nullable=False),
        sa.Column("step_key", sa.Text(), nullable=False),
        sa.Column("exit", sa.Text(), nullable=False),
        sa.Column("passed", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "journey_id"],
            ["journey.tenant_id", "journey.id"],
            name="fk_journey_exit_count_tenant_id_journey_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "journey_id", "step_key", "exit", name="pk_journey_exit_count"),
    )
    protect("journey_exit_count")
    op.execute(FILL)


def downgrade() -> None:
    op.drop_table("journey_exit_count")
    op.drop_column("journey_enrollment_step", "exit")
