"""The amounts of the activities that were there before their columns, in batches that each commit.

It may be ended and run again. Segments that ask of such events look at those people once more, and find the same.
"""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import APP_ROLE, DISPATCH_ROLE

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

BATCH = 20_000
FILL = sa.text("""
    WITH batch AS MATERIALIZED (
        SELECT id, payload ? 'amount' AND amount IS NULL AS lacks FROM activity
        WHERE tenant_id = :tenant_id AND id > :after ORDER BY id LIMIT :batch
    ), filled AS (
        UPDATE activity a
        SET amount = payload_amount(a.payload, 'amount'), currency = payload_currency(a.payload, 'currency')
        FROM batch WHERE a.tenant_id = :tenant_id AND a.id = batch.id AND batch.lacks
            AND payload_amount(a.payload, 'amount') IS NOT NULL
    )
    SELECT id FROM batch ORDER BY id DESC LIMIT 1
""")


def upgrade() -> None:
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        connection.execute(sa.text(f"SET ROLE {DISPATCH_ROLE}"))
        tenants = connection.execute(sa.text("SELECT id FROM tenant")).scalars().all()
        connection.execute(sa.text(f"SET ROLE {APP_ROLE}"))
        for tenant_id in tenants:
            connection.execute(sa.text("SELECT set_config('fairway.tenant_id', :id, false)"), {"id": str(tenant_id)})
            last = "00000000-0000-0000-0000-000000000000"
            while last is not None:
                last = connection.execute(FILL, {"tenant_id": tenant_id, "after": last, "batch": BATCH}).scalar()
        connection.execute(sa.text("RESET fairway.tenant_id"))
        connection.execute(sa.text("RESET ROLE"))


def downgrade() -> None:
    """Leave what was filled: it goes with its columns."""
