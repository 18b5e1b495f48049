"""Indexes for the lists' filters, in the order of the list; none any more that no policy lets the app use.

The two GIN indexes were never read: under row-level security only leakproof operators reach an index, and `@@` and `@>`
are not. `search` stays for the version before, which looks there for as long as it runs, but is not worked out any
more; the next version drops it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

SEARCH = (
    "to_tsvector('simple', coalesce(first_name, '') || ' ' || coalesce(last_name, '') || ' ' || "
    "coalesce(email, '') || ' ' || coalesce(phone, '') || ' ' || coalesce(search_extra, ''))"
)
HAS_TIER = sa.text("membership_tier IS NOT NULL")
NEW = {
    "ix_customer_club": ("club_id", None),
    "ix_customer_stage": ("lifecycle_stage", None),
    "ix_customer_tier_name": ("membership_tier", HAS_TIER),
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # Building waits for transactions that are older than itself, and nobody waits for it.
        op.execute("SET lock_timeout = 0")
        for name, (column, having) in NEW.items():
            # An attempt that was ended leaves an index that is of no use.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.create_index(
                name,
                "customer",
                ["tenant_id", column, "sort_name", "id"],
                postgresql_where=having,
                postgresql_concurrently=True,
            )
        for name in ("ix_customer_tier", "ix_customer_search", "ix_customer_tags"):
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute("SET lock_timeout = '4s'")
    op.execute("ALTER TABLE customer ALTER COLUMN search DROP EXPRESSION, ALTER COLUMN search DROP NOT NULL")


def downgrade() -> None:
    op.drop_column("customer", "search")
    op.add_column(
        "customer",
        sa.Column("search", postgresql.TSVECTOR(), sa.Computed(SEARCH, persisted=True), nullable=False),
    )
    op.create_index("ix_customer_search", "customer", ["search"], postgresql_using="gin")
    op.create_index("ix_customer_tags", "customer", ["tags"], postgresql_using="gin")
    op.create_index("ix_customer_tier", "customer", ["tenant_id", "membership_tier"], postgresql_where=HAS_TIER)
    for name in NEW:
        op.drop_index(name, table_name="customer")
