"""How many of a campaign's people are left out, to measure what it changes."""

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaign", sa.Column("holdout_percent", sa.Integer()))


def downgrade() -> None:
    op.drop_column("campaign", "holdout_percent")
