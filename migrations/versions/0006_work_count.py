"""Work done, by minute."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import protect

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "work_count",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("work", sa.Text(), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_work_count_tenant_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "work", "minute", name="pk_work_count"),
    )
    protect("work_count")


def downgrade() -> None:
    op.drop_table("work_count")
