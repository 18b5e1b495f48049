"""What providers have told already, so that it counts once."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import protect

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provider_word",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE", name="fk_provider_word_tenant"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_provider_word"),
        sa.UniqueConstraint("tenant_id", "channel", "provider_id", name="uq_provider_word_id"),
    )
    protect("provider_word")


def downgrade() -> None:
    op.drop_table("provider_word")
