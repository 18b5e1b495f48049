"""One notice of many people: how many more came to a step, to who has not read of those before."""

import sqlalchemy as sa
from alembic import op

revision = "0114"
down_revision = "0113"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notice", sa.Column("more", sa.Integer(), server_default="0", nullable=False))
    op.alter_column("notice", "customer_id", nullable=True)


def downgrade() -> None:
    # Forced, its rows are hidden from their owner too.
    op.execute("ALTER TABLE notice NO FORCE ROW LEVEL SECURITY")
    op.execute("DELETE FROM notice WHERE customer_id IS NULL")
    op.execute("ALTER TABLE notice FORCE ROW LEVEL SECURITY")
    op.alter_column("notice", "customer_id", nullable=False)
    op.drop_column("notice", "more")
