"""A second person's yes to a campaign: from how many people on it is needed, and what was asked and answered."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import protect

revision = "0066"
down_revision = "0065"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sending_policy", sa.Column("approval_above", sa.Integer(), nullable=True))
    op.create_table(
        "campaign_approval",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_by_name", sa.Text(), server_default="", nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("up_to", sa.Integer(), nullable=False),
        sa.Column("seal", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_by_name", sa.Text(), server_default="", nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "campaign_id"],
            ["campaign.tenant_id", "campaign.id"],
            name="fk_campaign_approval_tenant_id_campaign_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_campaign_approval"),
    )
    op.create_index(
        "ix_campaign_approval_campaign", "campaign_approval", ["tenant_id", "campaign_id", sa.text("id DESC")]
    )
    op.create_index(
        "ix_campaign_approval_waiting",
        "campaign_approval",
        ["tenant_id", "id"],
        postgresql_where=sa.text("decision IS NULL"),
    )
    protect("campaign_approval")


def downgrade() -> None:
    op.drop_table("campaign_approval")
    op.drop_column("sending_policy", "approval_above")
