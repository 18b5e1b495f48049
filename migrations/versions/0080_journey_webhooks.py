"""Calls of other systems by steps of journeys, what they answered, and which hosts are left alone for a while."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import dispatchable, protect

revision = "0080"
down_revision = "0079"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "journey_webhook",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.Column("enrollment_id", sa.Uuid(), nullable=False),
        sa.Column("step_number", sa.Integer(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("body", sa.Text()),
        sa.Column("status", sa.Text(), server_default="QUEUED", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("gives_up_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("code", sa.Integer()),
        sa.Column("said", sa.Text()),
        sa.Column("answer", postgresql.JSONB(none_as_null=True)),
        sa.ForeignKeyConstraint(
            ["tenant_id", "enrollment_id"],
            ["journey_enrollment.tenant_id", "journey_enrollment.id"],
            name="fk_journey_webhook_tenant_id_enrollment_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_journey_webhook"),
        sa.UniqueConstraint("tenant_id", "enrollment_id", "step_number", name="uq_journey_webhook_step"),
    )
    op.create_index(
        "ix_journey_webhook_due",
        "journey_webhook",
        ["tenant_id", "due_at"],
        postgresql_where=sa.text("status = 'QUEUED'"),
    )
    op.create_index(
        "ix_journey_webhook_host",
        "journey_webhook",
        ["tenant_id", "host", "due_at"],
        postgresql_where=sa.text("status = 'QUEUED'"),
    )
    protect("journey_webhook")
    dispatchable("journey_webhook", ["tenant_id", "status", "due_at"])
    op.create_table(
        "journey_webhook_host",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("open_until", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name="fk_journey_webhook_host_tenant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "host", name="pk_journey_webhook_host"),
    )
    protect("journey_webhook_host")
    op.add_column("journey_enrollment", sa.Column("answers", postgresql.JSONB(none_as_null=True)))


def downgrade() -> None:
    op.drop_column("journey_enrollment", "answers")
    op.drop_table("journey_webhook_host")
    op.drop_table("journey_webhook")
