"""Messages keep when they were delivered, came back, were complained of, replied to and unsubscribed by."""

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

MOMENTS = ("delivered_at", "bounced_at", "complained_at", "replied_at", "unsubscribed_at")


def upgrade() -> None:
    for name in MOMENTS:
        op.add_column("message", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("message", sa.Column("bounce_kind", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("message", "bounce_kind")
    for name in reversed(MOMENTS):
        op.drop_column("message", name)
