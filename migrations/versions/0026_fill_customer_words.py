"""The words and tags of the customers who were there before their tables, in batches that each commit.

It may be ended and run again: whoever has words is done. A customer nobody can name has none and is gone over again.
"""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import APP_ROLE, DISPATCH_ROLE

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

BATCH = 5_000
# Whatever is written to `words`, a trigger puts the customer's own there. The row is locked before its tags are read,
# so that what changes them meanwhile comes before or after, never between.
FILL = sa.text("""
    WITH batch AS MATERIALIZED (
        SELECT id, tags, sort_name FROM customer
        WHERE tenant_id = :tenant_id AND id > :after ORDER BY id LIMIT :batch FOR NO KEY UPDATE
    ), tagged AS (
        INSERT INTO customer_tag (tenant_id, tag, sort_name, customer_id)
        SELECT DISTINCT CAST(:tenant_id AS uuid), t.tag, batch.sort_name, batch.id FROM batch, unnest(batch.tags) AS t(tag)
        ON CONFLICT DO NOTHING
    ), named AS (
        UPDATE customer c SET words = '' FROM batch
        WHERE c.tenant_id = :tenant_id AND c.id = batch.id AND c.words IS NULL
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
    """Leave the rows: they go with their tables."""
