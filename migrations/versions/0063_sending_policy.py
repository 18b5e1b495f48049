"""What an organisation says of all its sending, and what a message carries for it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import protect

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sending_policy",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("caps", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("quiet", postgresql.JSONB(none_as_null=True), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_sending_policy_tenant_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_sending_policy"),
        sa.UniqueConstraint("tenant_id", name="uq_sending_policy_tenant_id"),
    )
    protect("sending_policy")
    op.add_column("message", sa.Column("one_copy", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("message", sa.Column("saw", postgresql.JSONB(none_as_null=True), nullable=True))
    op.add_column("campaign", sa.Column("one_copy", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    op.add_column("campaign", sa.Column("expires_hours", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("campaign", "expires_hours")
    op.drop_column("campaign", "one_copy")
    op.drop_column("message", "saw")
    op.drop_column("message", "one_copy")
    op.drop_table("sending_policy")
