"""How long counting a journey's messages took: what takes long is counted more seldom."""

import sqlalchemy as sa
from alembic import op

revision = "0109"
down_revision = "0108"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journey_letters", sa.Column("took_ms", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("journey_letters", "took_ms")
