"""A customer's walks are found by the index that refuses a second one of the same cause: one index less to write."""

import sqlalchemy as sa
from alembic import op

revision = "0104"
down_revision = "0103"
branch_labels = None
depends_on = None

ENTRY = "uq_journey_enrollment_entry"
CUSTOMER = "ix_journey_enrollment_customer"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        _unique("tenant_id", "customer_id", "journey_id", "entry")
        # It waits for who reads by the index, and nobody waits for it.
        op.execute("SET lock_timeout = 0")
        op.execute(sa.text(f"DROP INDEX CONCURRENTLY IF EXISTS {CUSTOMER}"))
        op.execute("SET lock_timeout = '4s'")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        op.execute(sa.text(f"DROP INDEX CONCURRENTLY IF EXISTS {CUSTOMER}"))
        op.create_index(CUSTOMER, "journey_enrollment", ["tenant_id", "customer_id"], postgresql_concurrently=True)
        _unique("tenant_id", "journey_id", "customer_id", "entry")


def _unique(*columns: str) -> None:
    """Put a unique key of these columns in the place of the one there is, while people come in."""
    # Building waits for transactions that are older than itself, and nobody waits for it.
    op.execute("SET lock_timeout = 0")
    # An attempt that was ended leaves an index that is of no use.
    op.execute(sa.text(f"DROP INDEX CONCURRENTLY IF EXISTS {ENTRY}_made"))
    op.create_index(f"{ENTRY}_made", "journey_enrollment", list(columns), unique=True, postgresql_concurrently=True)
    op.execute("SET lock_timeout = '4s'")
    op.execute(
        f"ALTER TABLE journey_enrollment DROP CONSTRAINT {ENTRY},"
        f" ADD CONSTRAINT {ENTRY} UNIQUE USING INDEX {ENTRY}_made"
    )
