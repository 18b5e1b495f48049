"""Due messages are found apart: those of no run by their time, those of a run in it, so that one that is paused is in
nobody's way. What is held is found by why."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

NEW = {
    "ix_message_single_due": (["tenant_id", "due_at"], "status IN ('queued', 'held') AND run_id IS NULL"),
    "ix_message_run_due": (["tenant_id", "run_id", "due_at"], "status IN ('queued', 'held') AND run_id IS NOT NULL"),
    "ix_message_run_fate": (["tenant_id", "run_id", "status", "reason", "id"], "run_id IS NOT NULL"),
    "ix_message_held": (["tenant_id", "reason", "customer_id"], "status = 'held'"),
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # Building waits for transactions that are older than itself, and nobody waits for it.
        op.execute("SET lock_timeout = 0")
        for name, (columns, where) in NEW.items():
            # An attempt that was ended leaves an index that is of no use.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.create_index(name, "message", columns, postgresql_where=sa.text(where), postgresql_concurrently=True)
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_message_due")
        op.execute("SET lock_timeout = '4s'")
    op.execute("ALTER TABLE message VALIDATE CONSTRAINT fk_message_tenant_id_run_id")


def downgrade() -> None:
    op.create_index(
        "ix_message_due",
        "message",
        ["tenant_id", "due_at"],
        postgresql_where=sa.text("status IN ('queued', 'held')"),
    )
    for name in NEW:
        op.drop_index(name, table_name="message")
