"""Journeys of a tenant take turns: who is due is found by journey, by workers and by the tick."""

import sqlalchemy as sa
from alembic import op

revision = "0105"
down_revision = "0104"
branch_labels = None
depends_on = None

OLD, NEW = "ix_journey_enrollment_due", "ix_journey_enrollment_turn"


def upgrade() -> None:
    op.execute("GRANT SELECT (id) ON journey TO fairway_dispatch")
    op.execute("GRANT SELECT (journey_id) ON journey_enrollment TO fairway_dispatch")
    _replace(OLD, NEW, ["tenant_id", "journey_id", "due_at"])


def downgrade() -> None:
    _replace(NEW, OLD, ["tenant_id", "due_at"])
    op.execute("REVOKE SELECT (journey_id) ON journey_enrollment FROM fairway_dispatch")
    op.execute("REVOKE SELECT (id) ON journey FROM fairway_dispatch")


def _replace(old: str, new: str, columns: list[str]) -> None:
    with op.get_context().autocommit_block():
        # Building waits for transactions that are older than itself, and nobody waits for it.
        op.execute("SET lock_timeout = 0")
        # An attempt that was ended leaves an index that is of no use.
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {new}")
        op.create_index(
            new,
            "journey_enrollment",
            columns,
            postgresql_where=sa.text("status = 'ACTIVE' AND due_at IS NOT NULL"),
            postgresql_concurrently=True,
        )
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {old}")
        op.execute("SET lock_timeout = '4s'")
