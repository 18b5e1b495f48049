"""When people leave a journey by themselves: conditions, unsubscribing, a goal; and who reached the goal."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0084"
down_revision = "0083"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journey", sa.Column("exit_conditions", postgresql.JSONB(none_as_null=True)))
    op.add_column(
        "journey", sa.Column("exit_on_unsubscribe", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("journey", sa.Column("goal", postgresql.JSONB(none_as_null=True)))
    op.add_column("journey", sa.Column("goal_days", sa.Integer()))
    op.add_column("journey", sa.Column("watches", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index("ix_journey_watches", "journey", ["tenant_id", "id"], postgresql_where=sa.text("watches"))
    op.add_column("journey_enrollment", sa.Column("converted_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("journey_enrollment", "converted_at")
    op.drop_index("ix_journey_watches", "journey")
    for name in ("watches", "goal_days", "goal", "exit_on_unsubscribe", "exit_conditions"):
        op.drop_column("journey", name)
