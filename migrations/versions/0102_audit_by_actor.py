"""The audit log is read by person, by act and by object."""

import sqlalchemy as sa
from alembic import op

revision = "0102"
down_revision = "0101"
branch_labels = None
depends_on = None

BY = {
    "ix_audit_entry_actor": ("actor",),
    "ix_audit_entry_action": ("action",),
    "ix_audit_entry_object": ("object_type", "object_id"),
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # Building waits for transactions that are older than itself, and nobody waits for it.
        op.execute("SET lock_timeout = 0")
        for name, columns in BY.items():
            # An attempt that was ended leaves an index that is of no use.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            order = (sa.text("at DESC"), sa.text("id DESC"))
            op.create_index(name, "audit_entry", ["tenant_id", *columns, *order], postgresql_concurrently=True)
        op.execute("SET lock_timeout = '4s'")


def downgrade() -> None:
    for name in BY:
        op.drop_index(name, table_name="audit_entry")
