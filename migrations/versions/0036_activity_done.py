"""An index for what many people did: the activities of one type in the order of time, with whose they are.

Segments ask it of everybody ("three rounds in 90 days"), and `ix_activity_story` has everybody's activities by person:
all of them had to be read for those of one type and a few weeks. Private notes are nobody's doings.
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # Building waits for transactions that are older than itself, and nobody waits for it.
        op.execute("SET lock_timeout = 0")
        # An attempt that was ended leaves an index that is of no use.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_activity_done")
        op.create_index(
            "ix_activity_done",
            "activity",
            ["tenant_id", "type", "occurred_at"],
            postgresql_include=["customer_id"],
            postgresql_where=sa.text("private_to IS NULL"),
            postgresql_concurrently=True,
        )
        op.execute("SET lock_timeout = '4s'")


def downgrade() -> None:
    op.drop_index("ix_activity_done", table_name="activity")
