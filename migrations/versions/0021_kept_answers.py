"""Answers to requests with an Idempotency-Key, kept for their repeats."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import protect

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kept_answer",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_kept_answer_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_kept_answer")),
        sa.UniqueConstraint("tenant_id", "actor", "key", name="uq_kept_answer_key"),
    )
    op.create_index("ix_kept_answer_created", "kept_answer", ["tenant_id", "created_at"])
    protect("kept_answer")


def downgrade() -> None:
    op.drop_table("kept_answer")
