"""The index of what many people did holds the amounts too: a sum over a year is told from it alone.

The old one serves until the new one is there.
"""

import sqlalchemy as sa
from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None

NAME, OTHER = "ix_activity_done", "ix_activity_done_other"


def _replace(include: list[str]) -> None:
    with op.get_context().autocommit_block():
        # Building waits for transactions that are older than itself, and nobody waits for it.
        op.execute("SET lock_timeout = 0")
        # An attempt that was ended leaves an index that is of no use.
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {OTHER}")
        op.create_index(
            OTHER,
            "activity",
            ["tenant_id", "type", "occurred_at"],
            postgresql_include=include,
            postgresql_where=sa.text("private_to IS NULL"),
            postgresql_concurrently=True,
        )
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}")
        op.execute(f"ALTER INDEX {OTHER} RENAME TO {NAME}")
        op.execute("SET lock_timeout = '4s'")


def upgrade() -> None:
    _replace(["customer_id", "amount", "currency"])


def downgrade() -> None:
    _replace(["customer_id"])
