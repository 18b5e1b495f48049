"""Enrollments keep the event that a WAIT waited for last, for conditions and letters further on."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0094"
down_revision = "0093"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journey_enrollment", sa.Column("awaited", postgresql.JSONB()))


def downgrade() -> None:
    op.drop_column("journey_enrollment", "awaited")
