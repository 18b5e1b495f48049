"""Who may come into a journey again, and when. `allow_reentry` stays for code that still asks it."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import APP_ROLE, DISPATCH_ROLE

revision = "0078"
down_revision = "0077"
branch_labels = None
depends_on = None

FILL = f"""
    DO $$
    DECLARE one uuid; tenants uuid[];
    BEGIN
        SET LOCAL ROLE {DISPATCH_ROLE};
        SELECT array_agg(id) INTO tenants FROM tenant;
        SET LOCAL ROLE {APP_ROLE};
        FOREACH one IN ARRAY coalesce(tenants, '{{}}') LOOP
            PERFORM set_config('fairway.tenant_id', one::text, true);
            UPDATE journey SET reentry = 'after_exit' WHERE tenant_id = one AND allow_reentry;
        END LOOP;
        RESET ROLE;
    END $$
"""


def upgrade() -> None:
    op.add_column("journey", sa.Column("reentry", sa.Text(), server_default="never", nullable=False))
    op.add_column("journey", sa.Column("reentry_days", sa.Integer()))
    op.add_column("journey", sa.Column("reentry_key", sa.Text()))
    op.execute(FILL)


def downgrade() -> None:
    for name in ("reentry_key", "reentry_days", "reentry"):
        op.drop_column("journey", name)
