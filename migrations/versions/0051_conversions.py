"""What a campaign is for and what it costs, and which of its readers did it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import protect

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

MONEY = sa.Numeric(14, 2)


def _id(name: str) -> sa.Column:
    return sa.Column(name, sa.Uuid(), nullable=False)


def _text(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=nullable)


def upgrade() -> None:
    op.add_column("campaign", sa.Column("goal", postgresql.JSONB(none_as_null=True)))
    op.add_column("campaign", sa.Column("cost", MONEY))
    op.add_column("campaign", _text("cost_currency", nullable=True))
    op.create_index("ix_campaign_goal", "campaign", ["tenant_id", "id"], postgresql_where=sa.text("goal IS NOT NULL"))
    op.create_table(
        "conversion",
        _id("tenant_id"),
        _id("message_id"),
        _id("event_id"),
        _id("campaign_id"),
        _id("run_id"),
        _text("variant", nullable=True),
        sa.Column("held_out", sa.Boolean(), nullable=False),
        sa.Column("credited", sa.Boolean(), nullable=False),
        _text("touch"),
        _text("type"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount", MONEY),
        _text("currency", nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "message_id"],
            ["message.tenant_id", "message.id"],
            name="fk_conversion_tenant_id_message_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "campaign_id"],
            ["campaign.tenant_id", "campaign.id"],
            name="fk_conversion_tenant_id_campaign_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "message_id", "event_id", name="pk_conversion"),
    )
    op.create_index("ix_conversion_run", "conversion", ["tenant_id", "run_id", "message_id"])
    op.create_index(
        "uq_conversion_credit",
        "conversion",
        ["tenant_id", "event_id"],
        unique=True,
        postgresql_where=sa.text("credited"),
    )
    protect("conversion")


def downgrade() -> None:
    op.drop_table("conversion")
    op.drop_index("ix_campaign_goal", table_name="campaign")
    for column in ("cost_currency", "cost", "goal"):
        op.drop_column("campaign", column)
