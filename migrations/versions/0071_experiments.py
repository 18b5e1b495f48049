"""Variants of what a campaign says that are tried first, and which of them won in a run."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None

OF_RUN = (
    ("experiment", postgresql.JSONB(none_as_null=True)),
    ("decide_at", sa.DateTime(timezone=True)),
    ("winner", sa.Text()),
    ("winner_at", sa.DateTime(timezone=True)),
    ("winner_by", sa.Text()),
    ("winner_by_name", sa.Text()),
)


# Code that knows of no winner would leave those who wait for one waiting for ever, and can't tell what they should get.
# Whose housemate waited is looked at again.
CALL_OFF = """
    DO $$
    DECLARE one uuid; tenants uuid[];
    BEGIN
        SET LOCAL ROLE fairway_dispatch;
        SELECT array_agg(id) INTO tenants FROM tenant;
        SET LOCAL ROLE fairway_app;
        FOREACH one IN ARRAY coalesce(tenants, '{}') LOOP
            PERFORM set_config('fairway.tenant_id', one::text, true);
            UPDATE message SET status = 'skipped', reason = 'cancelled'
            WHERE tenant_id = one AND status = 'held' AND reason = 'awaiting_winner';
            UPDATE message SET due_at = now()
            WHERE tenant_id = one AND status = 'held' AND reason = 'copy_pending' AND due_at >= '9999-01-01';
        END LOOP;
        RESET ROLE;
    END $$
"""


def upgrade() -> None:
    op.add_column("campaign", sa.Column("experiment", postgresql.JSONB(none_as_null=True)))
    for name, kind in OF_RUN:
        op.add_column("campaign_run", sa.Column(name, kind))


def downgrade() -> None:
    op.execute(CALL_OFF)
    for name, _ in reversed(OF_RUN):
        op.drop_column("campaign_run", name)
    op.drop_column("campaign", "experiment")
