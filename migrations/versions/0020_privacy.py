"""Privacy: requests for export and erasure, their files, and hashes of who was erased."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import dispatchable, protect

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    json = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
    at = sa.DateTime(timezone=True)
    op.create_table(
        "privacy_request",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="PENDING", nullable=False),
        sa.Column("step", sa.Integer(), server_default="0", nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("at", json, nullable=True),
        sa.Column("work", json, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("report", json, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("with_private", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("created_at", at, nullable=False),
        sa.Column("due_at", at, nullable=True),
        sa.Column("finished_at", at, nullable=True),
        sa.Column("expires_at", at, nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_privacy_request_tenant_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_privacy_request"),
    )
    op.create_index(
        "ix_privacy_request_due",
        "privacy_request",
        ["tenant_id", "due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_privacy_request_customer", "privacy_request", ["tenant_id", "customer_id"])
    op.create_index(
        "uq_privacy_request_under_way",
        "privacy_request",
        ["tenant_id", "customer_id", "kind"],
        unique=True,
        postgresql_where=sa.text("status IN ('PENDING', 'RUNNING')"),
    )
    protect("privacy_request")
    dispatchable("privacy_request", ["tenant_id", "id", "due_at"])
    op.create_table(
        "privacy_file",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "request_id"],
            ["privacy_request.tenant_id", "privacy_request.id"],
            name="fk_privacy_file_tenant_id_request_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "request_id", "part", "number", name="pk_privacy_file"),
    )
    protect("privacy_file")
    op.create_table(
        "erased_hint",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("erased_at", at, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_erased_hint_tenant_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "hash", name="pk_erased_hint"),
    )
    op.create_index("ix_erased_hint_at", "erased_hint", ["tenant_id", "erased_at"])
    protect("erased_hint")


def downgrade() -> None:
    for table in ("erased_hint", "privacy_file", "privacy_request"):
        op.drop_table(table)
