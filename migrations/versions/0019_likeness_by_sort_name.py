"""Look those who look alike up by sort_name: row-level security lets no index of lower(…) be used."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_customer_born": ["tenant_id", "date_of_birth", "sort_name"],
    "ix_customer_called": ["tenant_id", "sort_name"],
}
BEFORE = {
    "ix_customer_birth": ["tenant_id", "date_of_birth", sa.text("lower(last_name)")],
    "ix_customer_names": ["tenant_id", sa.text("lower(last_name)"), sa.text("lower(first_name)")],
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # Building waits for transactions that are older than itself, and nobody waits for it.
        op.execute("SET lock_timeout = 0")
        for name, columns in INDEXES.items():
            # An attempt that was ended leaves an index that is of no use.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.create_index(
                name,
                "customer",
                columns,
                postgresql_ops={"sort_name": "text_pattern_ops"},
                postgresql_concurrently=True,
            )
        for name in BEFORE:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute("SET lock_timeout = '4s'")


def downgrade() -> None:
    where = {"ix_customer_birth": sa.text("date_of_birth IS NOT NULL")}
    for name, columns in BEFORE.items():
        op.create_index(name, "customer", columns, postgresql_where=where.get(name))
    for name in INDEXES:
        op.drop_index(name, table_name="customer")
