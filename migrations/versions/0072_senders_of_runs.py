"""Whom a campaign's letters are from, where somebody chose it; a run keeps it by variant."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0072"
down_revision = "0071"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaign", sa.Column("sender_id", sa.Uuid()))
    op.create_foreign_key(
        "fk_campaign_sender",
        "campaign",
        "mail_sender",
        ["tenant_id", "sender_id"],
        ["tenant_id", "id"],
        ondelete="SET NULL (sender_id)",
    )
    op.add_column("message_run", sa.Column("senders", postgresql.JSONB(none_as_null=True)))


def downgrade() -> None:
    op.drop_column("message_run", "senders")
    op.drop_constraint("fk_campaign_sender", "campaign")
    op.drop_column("campaign", "sender_id")
