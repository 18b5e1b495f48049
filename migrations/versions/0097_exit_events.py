"""People leave journeys by an event."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0097"
down_revision = "0096"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journey", sa.Column("exit_event", JSONB()))


def downgrade() -> None:
    op.drop_column("journey", "exit_event")
