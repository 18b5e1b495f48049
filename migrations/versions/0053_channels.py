"""Channels beside e-mail: who carries their messages, what their templates hold, short links, and the mailbox's."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import dispatchable, protect

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

NOW = sa.text("now()")


def _key() -> tuple[sa.Column, sa.Column]:
    return (
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
    )


def upgrade() -> None:
    op.add_column("template", sa.Column("parameters", postgresql.JSONB(none_as_null=True), nullable=True))
    op.add_column("mailbox_mail", sa.Column("channel", sa.Text(), server_default="EMAIL", nullable=False))
    op.create_table(
        "channel_account",
        *_key(),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("settings", postgresql.JSONB(none_as_null=True), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("secret", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE", name="fk_channel_account_tenant"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_channel_account"),
        sa.UniqueConstraint("tenant_id", "channel", name="uq_channel_account_channel"),
    )
    protect("channel_account")
    op.create_table(
        "short_link",
        *_key(),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE", name="fk_short_link_tenant"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "message_id"],
            ["message.tenant_id", "message.id"],
            ondelete="CASCADE",
            name="fk_short_link_message",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_short_link"),
        sa.UniqueConstraint("tenant_id", "message_id", "url", name="uq_short_link_url"),
        sa.UniqueConstraint("tenant_id", "code", name="uq_short_link_code"),
        sa.Index("ix_short_link_code", "code"),
    )
    protect("short_link")
    # A code in a text names no tenant.
    dispatchable("short_link", ["tenant_id", "code"])


def downgrade() -> None:
    op.drop_table("short_link")
    op.drop_table("channel_account")
    op.drop_column("mailbox_mail", "channel")
    op.drop_column("template", "parameters")
