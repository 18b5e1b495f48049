"""Where segments are pushed to, and the changes that wait to be told there."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import dispatchable, protect

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


# Changes have no foreign key, so that a refresh does not check each one.
DELETED = """
CREATE FUNCTION segment_sync_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM segment_sync_change c USING gone s WHERE c.tenant_id = s.tenant_id AND c.segment_id = s.segment_id;
    RETURN NULL;
END $$
"""
# That somebody who is deleted left is told as well. Fires before segment_customers_gone, which takes them out of their
# segments: of triggers on one event Postgres runs that first whose name comes first, and "_" comes before "s".
CUSTOMERS_GONE = """
CREATE FUNCTION segment_customer_gone_synced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM segment_sync WHERE tenant_id = (SELECT tenant_id FROM gone LIMIT 1)) THEN
        INSERT INTO segment_sync_change (tenant_id, segment_id, customer_id, act, at)
        SELECT c.tenant_id, m.segment_id, m.customer_id, 'left', clock_timestamp()
        FROM gone c JOIN segment_member m ON m.tenant_id = c.tenant_id AND m.customer_id = c.id
        JOIN segment_sync s ON s.tenant_id = m.tenant_id AND s.segment_id = m.segment_id AND s.status <> 'STOPPED';
    END IF;
    RETURN NULL;
END $$
"""


def _id(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Uuid(), nullable=nullable)


def _at(name: str, *, nullable: bool = True) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, default: str | None = None, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text(), server_default=default, nullable=nullable)


def _count(name: str) -> sa.Column:
    return sa.Column(name, sa.Integer(), server_default="0", nullable=False)


def upgrade() -> None:
    op.create_table(
        "segment_sync",
        _id("tenant_id"),
        _id("segment_id"),
        _text("shape"),
        _text("url"),
        sa.Column("fields", postgresql.ARRAY(sa.Text()), nullable=False),
        _text("secret"),
        _text("old_secret", nullable=True),
        _at("old_secret_until"),
        _text("status", "FULL"),
        _id("run"),
        _count("part"),
        _id("position", nullable=True),
        _count("pushed"),
        sa.Column("version", sa.Integer(), nullable=False),
        _id("batch_id", nullable=True),
        _id("batch_end", nullable=True),
        sa.Column("batch_last", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        _at("due_at"),
        _count("attempts"),
        _at("failing_since"),
        _text("error", nullable=True),
        _text("receiver_id", nullable=True),
        _at("last_pushed_at"),
        _at("last_full_at"),
        _at("created_at", nullable=False),
        _at("changed_at", nullable=False),
        _text("changed_by"),
        _text("changed_by_name", ""),
        sa.ForeignKeyConstraint(
            ["tenant_id", "segment_id"],
            ["segment.tenant_id", "segment.id"],
            name="fk_segment_sync_tenant_id_segment_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "segment_id", name="pk_segment_sync"),
    )
    op.create_index(
        "ix_segment_sync_due", "segment_sync", ["tenant_id", "due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.create_table(
        "segment_sync_change",
        _id("tenant_id"),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        _id("segment_id"),
        _id("customer_id"),
        _text("act"),
        _at("at", nullable=False),
        _id("batch_id", nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_segment_sync_change"),
    )
    op.create_index("ix_segment_sync_change_segment", "segment_sync_change", ["tenant_id", "segment_id", "id"])
    for table in ("segment_sync", "segment_sync_change"):
        protect(table)
    dispatchable("segment_sync", ["tenant_id", "segment_id", "status", "version", "due_at"])
    dispatchable("segment_sync_change", ["tenant_id", "segment_id"])
    op.execute(DELETED)
    op.execute(
        "CREATE TRIGGER segment_sync_deleted AFTER DELETE ON segment_sync REFERENCING OLD TABLE AS gone"
        " FOR EACH STATEMENT EXECUTE FUNCTION segment_sync_deleted()"
    )
    op.execute(CUSTOMERS_GONE)
    op.execute(
        "CREATE TRIGGER segment_customer_gone_synced AFTER DELETE ON customer REFERENCING OLD TABLE AS gone"
        " FOR EACH STATEMENT EXECUTE FUNCTION segment_customer_gone_synced()"
    )
    # The tick sees that a definition was changed, and that everybody has to be pushed anew.
    op.execute("GRANT SELECT (id, version, refresh_tells) ON segment TO fairway_dispatch")


def downgrade() -> None:
    op.execute("REVOKE SELECT (id, version, refresh_tells) ON segment FROM fairway_dispatch")
    op.execute("DROP TRIGGER segment_customer_gone_synced ON customer")
    op.execute("DROP FUNCTION segment_customer_gone_synced()")
    op.execute("DROP TRIGGER segment_sync_deleted ON segment_sync")
    op.execute("DROP FUNCTION segment_sync_deleted()")
    for table in ("segment_sync_change", "segment_sync"):
        op.drop_table(table)
