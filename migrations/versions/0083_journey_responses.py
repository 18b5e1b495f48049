"""What was done with messages of journeys, by step."""

import sqlalchemy as sa
from alembic import op

revision = "0083"
down_revision = "0082"
branch_labels = None
depends_on = None

NAME = "ix_message_response_journey"


def upgrade() -> None:
    op.execute("ALTER TABLE message_response ADD COLUMN IF NOT EXISTS journey_id uuid")
    op.execute("ALTER TABLE message_response ADD COLUMN IF NOT EXISTS step_key text")
    op.alter_column("message_response", "run_id", nullable=True)
    with op.get_context().autocommit_block():
        # Building waits for transactions that are older than itself, and nobody waits for it.
        op.execute("SET lock_timeout = 0")
        # An attempt that was ended leaves an index that is of no use.
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}")
        op.create_index(
            NAME,
            "message_response",
            ["tenant_id", "journey_id", "step_key", "kind"],
            postgresql_where=sa.text("journey_id IS NOT NULL"),
            postgresql_concurrently=True,
        )
        op.execute("SET lock_timeout = '4s'")


def downgrade() -> None:
    op.drop_index(NAME, table_name="message_response")
    op.execute("DELETE FROM message_response WHERE run_id IS NULL")
    op.alter_column("message_response", "run_id", nullable=False)
    op.drop_column("message_response", "step_key")
    op.drop_column("message_response", "journey_id")
