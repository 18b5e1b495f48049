"""What came back on the messages of a run is counted without reading them all."""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

CAME_BACK = (
    "(bounced_at IS NOT NULL OR complained_at IS NOT NULL OR replied_at IS NOT NULL OR unsubscribed_at IS NOT NULL)"
)
NEW = {
    "ix_message_run_feedback": (
        ["bounced_at", "bounce_kind", "complained_at", "replied_at", "unsubscribed_at", "variant"],
        f"run_id IS NOT NULL AND {CAME_BACK}",
    ),
    "ix_message_run_delivered": (["variant"], "run_id IS NOT NULL AND delivered_at IS NOT NULL"),
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # Building waits for transactions that are older than itself, and nobody waits for it.
        op.execute("SET lock_timeout = 0")
        for name, (include, where) in NEW.items():
            # An attempt that was ended leaves an index that is of no use.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.create_index(
                name,
                "message",
                ["tenant_id", "run_id"],
                postgresql_include=include,
                postgresql_where=sa.text(where),
                postgresql_concurrently=True,
            )
        op.execute("SET lock_timeout = '4s'")


def downgrade() -> None:
    for name in NEW:
        op.drop_index(name, table_name="message")
