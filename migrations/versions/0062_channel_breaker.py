"""The breakers of channels whose other side is down."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import protect

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "channel_breaker",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("open_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_channel_breaker_tenant_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_channel_breaker"),
        sa.UniqueConstraint("tenant_id", "channel", name="uq_channel_breaker_channel"),
    )
    protect("channel_breaker")


def downgrade() -> None:
    op.drop_table("channel_breaker")
