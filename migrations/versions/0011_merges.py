"""Merges that can be undone: what each moved, and pairs that may be, or are not, one person."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import protect

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("customer_merge", sa.Column("undone_by", sa.Text(), nullable=True))
    op.add_column("customer_merge", sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_customer_merge_winner", "customer_merge", ["tenant_id", "winner_id"])
    op.create_table(
        "customer_merge_part",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("merge_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("moved", postgresql.ARRAY(sa.Uuid()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("images", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "merge_id"],
            ["customer_merge.tenant_id", "customer_merge.id"],
            name="fk_customer_merge_part_tenant_id_merge_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "merge_id", "part", name="pk_customer_merge_part"),
    )
    op.create_table(
        "merge_suggestion",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("one_id", sa.Uuid(), nullable=False),
        sa.Column("other_id", sa.Uuid(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(none_as_null=True), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("one_id <= other_id", name="ck_merge_suggestion_ordered"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "one_id"],
            ["customer.tenant_id", "customer.id"],
            name="fk_merge_suggestion_tenant_id_one_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "other_id"],
            ["customer.tenant_id", "customer.id"],
            name="fk_merge_suggestion_tenant_id_other_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_merge_suggestion"),
        sa.UniqueConstraint("tenant_id", "one_id", "other_id", name="uq_merge_suggestion_pair"),
    )
    op.create_index("ix_merge_suggestion_other", "merge_suggestion", ["tenant_id", "other_id"])
    op.create_index(
        "ix_merge_suggestion_queue", "merge_suggestion", ["tenant_id", "status", sa.text("score DESC"), "id"]
    )
    protect("customer_merge_part")
    protect("merge_suggestion")


def downgrade() -> None:
    op.drop_table("merge_suggestion")
    op.drop_table("customer_merge_part")
    op.drop_index("ix_customer_merge_winner", table_name="customer_merge")
    op.drop_column("customer_merge", "undone_at")
    op.drop_column("customer_merge", "undone_by")
