"""Notices: what colleagues are told about customers, without something to do."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import protect

revision = "0110"
down_revision = "0109"
branch_labels = None
depends_on = None

_WRITING = "WHEN (coalesce(current_setting('fairway.import_run', true), '') <> '')"


def upgrade() -> None:
    op.create_table(
        "notice",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("told_by", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customer.tenant_id", "customer.id"],
            name="fk_notice_tenant_id_customer_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["users.tenant_id", "users.id"],
            name="fk_notice_tenant_id_user_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_notice"),
        sa.UniqueConstraint("tenant_id", "key", "user_id", name="uq_notice_key"),
    )
    op.create_index("ix_notice_customer", "notice", ["tenant_id", "customer_id"])
    newest = [sa.text("tenant_id"), sa.text("user_id"), sa.text("told_at DESC"), sa.text("id DESC")]
    op.create_index("ix_notice_told", "notice", newest)
    protect("notice")
    op.execute(
        "CREATE TRIGGER import_journal AFTER UPDATE OR DELETE ON notice FOR EACH ROW"
        f" {_WRITING} EXECUTE FUNCTION import_journal()"
    )
    op.execute(
        "CREATE TRIGGER import_journal_made AFTER INSERT ON notice REFERENCING NEW TABLE AS made FOR EACH STATEMENT"
        f" {_WRITING} EXECUTE FUNCTION import_journal_made()"
    )


def downgrade() -> None:
    op.drop_table("notice")
