"""Calls of journeys that are over are found by when they were given up."""

import sqlalchemy as sa
from alembic import op

revision = "0095"
down_revision = "0094"
branch_labels = None
depends_on = None

NAME = "ix_journey_webhook_gives_up"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # Building waits for transactions that are older than itself, and nobody waits for it.
        op.execute("SET lock_timeout = 0")
        # An attempt that was ended leaves an index that is of no use.
        op.execute(sa.text(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}"))
        op.create_index(NAME, "journey_webhook", ["tenant_id", "gives_up_at"], postgresql_concurrently=True)
        op.execute("SET lock_timeout = '4s'")


def downgrade() -> None:
    op.drop_index(NAME, table_name="journey_webhook")
