"""The inbound log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import dispatchable, protect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("inbound_event",)


def upgrade() -> None:
    op.create_table(
        "inbound_event",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("identity", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("payload", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.Text(), server_default="received", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("matched_by", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("confidence", sa.Integer(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_inbound_event_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_inbound_event")),
        sa.UniqueConstraint("tenant_id", "source", "event_id", name="uq_inbound_event_source"),
    )
    op.create_index(
        "ix_inbound_event_due",
        "inbound_event",
        ["tenant_id", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'received'"),
    )
    op.create_index(
        "ix_inbound_event_failed",
        "inbound_event",
        ["tenant_id", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'failed'"),
    )
    op.create_index(
        "ix_inbound_event_customer",
        "inbound_event",
        ["tenant_id", "customer_id"],
        unique=False,
        postgresql_where=sa.text("customer_id IS NOT NULL"),
    )

    for table in TABLES:
        protect(table)
    dispatchable("inbound_event", ["tenant_id", "status"])


def downgrade() -> None:
    op.drop_index(
        "ix_inbound_event_customer", table_name="inbound_event", postgresql_where=sa.text("customer_id IS NOT NULL")
    )
    op.drop_index("ix_inbound_event_failed", table_name="inbound_event", postgresql_where=sa.text("status = 'failed'"))
    op.drop_index("ix_inbound_event_due", table_name="inbound_event", postgresql_where=sa.text("status = 'received'"))
    op.drop_table("inbound_event")
