"""People of a resumed journey come back on the clock, and their waits are moved, in batches."""

import sqlalchemy as sa
from alembic import op

revision = "0107"
down_revision = "0106"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journey_settling", sa.Column("paused_at", sa.DateTime(timezone=True)))
    op.add_column("journey_settling", sa.Column("resumed_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("journey_settling", "resumed_at")
    op.drop_column("journey_settling", "paused_at")
