"""Which links of a run's messages were followed, by whom, and how often."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import protect

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "message_click",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("url_key", sa.Text(), nullable=False),
        sa.Column("by_machine", sa.Boolean(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("variant", sa.Text()),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "message_id"],
            ["message.tenant_id", "message.id"],
            name="fk_message_click_tenant_id_message_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "message_id", "url_key", "by_machine", name="pk_message_click"),
    )
    op.create_index("ix_message_click_run", "message_click", ["tenant_id", "run_id", "url_key", "message_id"])
    protect("message_click")


def downgrade() -> None:
    op.drop_table("message_click")
