"""Templates, the outbox, suppressions and the built-in mailbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import dispatchable, protect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = ("template", "message", "suppression", "mailbox_mail")


def upgrade() -> None:
    op.create_table(
        "mailbox_mail",
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("mail_from", sa.Text(), nullable=False),
        sa.Column("rcpt_to", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("from_address", sa.Text(), nullable=False),
        sa.Column("to_address", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("source", sa.LargeBinary(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_mailbox_mail_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_mailbox_mail")),
    )
    op.create_index("ix_mailbox_mail_recent", "mailbox_mail", ["tenant_id", sa.literal_column("id DESC")], unique=False)
    op.create_table(
        "suppression",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address_key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_suppression_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_suppression")),
        sa.UniqueConstraint("tenant_id", "channel", "address_key", name="uq_suppression_address"),
    )
    op.create_table(
        "template",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_template_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_template")),
        sa.UniqueConstraint("tenant_id", "name", name="uq_template_name"),
    )
    op.create_table(
        "message",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("to_address", sa.Text(), nullable=True),
        sa.Column("template_id", sa.Uuid(), nullable=True),
        sa.Column("builtin", sa.Text(), nullable=True),
        sa.Column(
            "context",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("journey_id", sa.Uuid(), nullable=True),
        sa.Column("enrollment_id", sa.Uuid(), nullable=True),
        sa.Column("step_key", sa.Text(), nullable=True),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="queued", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=True),
        sa.Column("sending_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("response", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("first_open_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_click_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customer.tenant_id", "customer.id"],
            name=op.f("fk_message_tenant_id_customer_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "template_id"],
            ["template.tenant_id", "template.id"],
            name=op.f("fk_message_tenant_id_template_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_message_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_message")),
        sa.UniqueConstraint("tenant_id", "dedupe_key", name="uq_message_dedupe"),
    )
    op.create_index(
        "ix_message_customer",
        "message",
        ["tenant_id", "customer_id", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_message_due",
        "message",
        ["tenant_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('queued', 'held')"),
    )
    op.create_index(
        "ix_message_failed",
        "message",
        ["tenant_id", "id"],
        unique=False,
        postgresql_where=sa.text("status IN ('failed', 'unknown')"),
    )
    op.create_index(
        "ix_message_step",
        "message",
        ["tenant_id", "journey_id", "step_key", "status"],
        unique=False,
        postgresql_where=sa.text("journey_id IS NOT NULL"),
    )
    op.create_index(
        "ix_message_journey",
        "message",
        ["tenant_id", "journey_id", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_message_sending",
        "message",
        ["tenant_id", "sending_at"],
        unique=False,
        postgresql_where=sa.text("status = 'sending'"),
    )

    for table in TABLES:
        protect(table)
    dispatchable("message", ["tenant_id", "channel", "status", "due_at", "sending_at"])


def downgrade() -> None:
    op.drop_index("ix_message_sending", table_name="message", postgresql_where=sa.text("status = 'sending'"))
    op.drop_index("ix_message_step", table_name="message", postgresql_where=sa.text("journey_id IS NOT NULL"))
    op.drop_index("ix_message_journey", table_name="message")
    op.drop_index(
        "ix_message_failed", table_name="message", postgresql_where=sa.text("status IN ('failed', 'unknown')")
    )
    op.drop_index("ix_message_due", table_name="message", postgresql_where=sa.text("status IN ('queued', 'held')"))
    op.drop_index("ix_message_customer", table_name="message")
    op.drop_table("message")
    op.drop_table("template")
    op.drop_table("suppression")
    op.drop_index("ix_mailbox_mail_recent", table_name="mailbox_mail")
    op.drop_table("mailbox_mail")
