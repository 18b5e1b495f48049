"""People in journeys who wait for an event, and what woke them."""

import sqlalchemy as sa
from alembic import op

revision = "0079"
down_revision = "0078"
branch_labels = None
depends_on = None

NAME = "ix_journey_enrollment_waits"
WAITING = sa.text("status = 'ACTIVE' AND waits_for IS NOT NULL")


def upgrade() -> None:
    op.execute("ALTER TABLE journey_enrollment ADD COLUMN IF NOT EXISTS waits_for text")
    op.execute("ALTER TABLE journey_enrollment ADD COLUMN IF NOT EXISTS woken_by jsonb")
    with op.get_context().autocommit_block():
        # Building waits for transactions that are older than itself, and nobody waits for it.
        op.execute("SET lock_timeout = 0")
        # An attempt that was ended leaves an index that is of no use.
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}")
        op.create_index(
            NAME,
            "journey_enrollment",
            ["tenant_id", "customer_id"],
            postgresql_where=WAITING,
            postgresql_concurrently=True,
        )
        op.execute("SET lock_timeout = '4s'")


def downgrade() -> None:
    op.drop_index(NAME, table_name="journey_enrollment")
    op.drop_column("journey_enrollment", "woken_by")
    op.drop_column("journey_enrollment", "waits_for")
