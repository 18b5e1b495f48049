"""When a journey was paused last, so that what came before lets people in and what came meanwhile does not.

And how often its published graph was changed where it stands.
"""

import sqlalchemy as sa
from alembic import op

revision = "0093"
down_revision = "0092"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journey", sa.Column("published_revision", sa.Integer(), server_default="0", nullable=False))
    op.add_column("journey", sa.Column("paused_from", sa.DateTime(timezone=True)))
    op.add_column("journey", sa.Column("paused_until", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("journey", "paused_until")
    op.drop_column("journey", "paused_from")
    op.drop_column("journey", "published_revision")
