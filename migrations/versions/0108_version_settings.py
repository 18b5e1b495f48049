"""The settings a journey had when a version was published, so that publishing can tell what changed since."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0108"
down_revision = "0107"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journey_version", sa.Column("settings", JSONB(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("journey_version", "settings")
