"""Links of letters that are tried before they are sent, and what came of it."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import dispatchable, protect

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "link_check",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("said", sa.Text(), nullable=True),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_link_check_tenant_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_link_check"),
        sa.UniqueConstraint("tenant_id", "url", name="uq_link_check_url"),
    )
    op.create_index(
        "ix_link_check_due",
        "link_check",
        ["tenant_id", "due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    protect("link_check")
    dispatchable("link_check", ["tenant_id", "due_at"])


def downgrade() -> None:
    op.drop_table("link_check")
