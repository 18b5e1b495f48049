"""An index of the timeline that holds what its filters ask of."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

COLUMNS = ["tenant_id", "customer_id", sa.literal_column("occurred_at DESC"), sa.literal_column("id DESC")]


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # Building waits for transactions that are older than itself, and nobody waits for it.
        op.execute("SET lock_timeout = 0")
        # An attempt that was ended leaves an index that is of no use.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_activity_story")
        op.create_index(
            "ix_activity_story",
            "activity",
            COLUMNS,
            postgresql_include=["category", "type", "club_id", "private_to"],
            postgresql_concurrently=True,
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_activity_timeline")
        op.execute("SET lock_timeout = '4s'")


def downgrade() -> None:
    op.create_index("ix_activity_timeline", "activity", COLUMNS)
    op.drop_index("ix_activity_story", table_name="activity")
