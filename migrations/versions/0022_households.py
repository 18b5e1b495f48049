"""Households, who is in them, and addresses whose people may be one."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import protect

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

# An import may merge profiles, and so move memberships; it finds people who share an address.
JOURNALED = ("household_member", "household_suggestion")


def upgrade() -> None:
    op.create_table(
        "household",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("greeting", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("dissolved_by", sa.Text(), nullable=True),
        sa.Column("dissolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("members_then", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_household_tenant_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_household"),
    )
    op.create_index("ix_household_name", "household", ["tenant_id", "id"], postgresql_where=sa.text("name IS NOT NULL"))
    op.create_index(
        "ix_household_dissolved", "household", ["tenant_id", "id"], postgresql_where=sa.text("dissolved_at IS NOT NULL")
    )
    op.create_table(
        "household_member",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), server_default="member", nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customer.tenant_id", "customer.id"],
            name="fk_household_member_tenant_id_customer_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "household_id"],
            ["household.tenant_id", "household.id"],
            name="fk_household_member_tenant_id_household_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_household_member"),
        sa.UniqueConstraint("tenant_id", "customer_id", name="uq_household_member_customer"),
    )
    op.create_index("ix_household_member_household", "household_member", ["tenant_id", "household_id"])
    op.create_table(
        "household_suggestion",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("people", postgresql.ARRAY(sa.Uuid()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("score", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reasons", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name="fk_household_suggestion_tenant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_household_suggestion"),
        sa.UniqueConstraint("tenant_id", "kind", "key", name="uq_household_suggestion_address"),
    )
    op.create_index(
        "ix_household_suggestion_queue", "household_suggestion", ["tenant_id", "status", sa.text("score DESC"), "id"]
    )
    for table in ("household", "household_member", "household_suggestion"):
        protect(table)
    for table in JOURNALED:
        op.execute(
            f"CREATE TRIGGER import_journal AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW"
            " WHEN (coalesce(current_setting('fairway.import_run', true), '') <> '')"
            " EXECUTE FUNCTION import_journal()"
        )


def downgrade() -> None:
    op.drop_table("household_suggestion")
    op.drop_table("household_member")
    op.drop_table("household")
