"""Tasks: what colleagues are to do about customers."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import protect

revision = "0082"
down_revision = "0081"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "task",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("details", sa.Text()),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("role", sa.Text()),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True)),
        sa.Column("done_by", sa.Text()),
        sa.Column("done_by_name", sa.Text()),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customer.tenant_id", "customer.id"],
            name="fk_task_tenant_id_customer_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["users.tenant_id", "users.id"],
            name="fk_task_tenant_id_user_id",
            ondelete="SET NULL (user_id)",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_task"),
        sa.UniqueConstraint("tenant_id", "key", name="uq_task_key"),
    )
    op.create_index("ix_task_customer", "task", ["tenant_id", "customer_id"])
    for column in ("user_id", "role"):
        op.create_index(
            f"ix_task_{column}",
            "task",
            ["tenant_id", column, "due_at", "id"],
            postgresql_where=sa.text("done_at IS NULL"),
        )
    protect("task")


def downgrade() -> None:
    op.drop_table("task")
