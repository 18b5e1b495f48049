"""Variants of what a campaign says that are tried first, and which of them won in a run."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None

OF_RUN = (
    ("experiment", postgresql.JSONB(none_as_null=True)),
    ("decide_at", sa.DateTime(timezone=True)),
    ("winner", sa.Text()),
    ("winner_at", sa.DateTime(timezone=True)),
    ("winner_by", sa.Text()),
    ("winner_by_name", sa.Text()),
)


def upgrade() -> None:
    op.add_column("campaign", sa.Column("experiment", postgresql.JSONB(none_as_null=True)))
    for name, kind in OF_RUN:
        op.add_column("campaign_run", sa.Column(name, kind))


def downgrade() -> None:
    for name, _ in reversed(OF_RUN):
        op.drop_column("campaign_run", name)
    op.drop_column("campaign", "experiment")
