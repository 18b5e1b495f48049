"""When journeys look for people by the calendar: dates of customers, and schedules."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import dispatchable

revision = "0074"
down_revision = "0073"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journey", sa.Column("next_run_at", sa.DateTime(timezone=True)))
    op.add_column("journey", sa.Column("run_until", sa.DateTime(timezone=True)))
    op.add_column("journey", sa.Column("run_cursor", sa.Uuid()))
    op.create_index(
        "ix_journey_run",
        "journey",
        ["tenant_id", "next_run_at"],
        postgresql_where=sa.text("status = 'ACTIVE' AND next_run_at IS NOT NULL"),
    )
    dispatchable("journey", ["tenant_id", "status", "next_run_at"])


def downgrade() -> None:
    op.execute("REVOKE SELECT (tenant_id, status, next_run_at) ON journey FROM fairway_dispatch")
    op.execute("DROP POLICY dispatch ON journey")
    op.drop_index("ix_journey_run", "journey")
    op.drop_column("journey", "run_cursor")
    op.drop_column("journey", "run_until")
    op.drop_column("journey", "next_run_at")
