"""Journeys, their versions and the people in them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import dispatchable, protect

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = (
    "journey",
    "journey_version",
    "journey_draft_edit",
    "journey_enrollment",
    "journey_enrollment_step",
    "journey_step_count",
)


def upgrade() -> None:
    op.create_table(
        "journey",
        sa.Column("club_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="DRAFT", nullable=False),
        sa.Column("trigger_type", sa.Text(), nullable=False),
        sa.Column(
            "trigger_config",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("allow_reentry", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("max_enrollments", sa.Integer(), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("draft", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("draft_revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("draft_position", sa.Integer(), server_default="1", nullable=False),
        sa.Column("published_version", sa.Integer(), nullable=True),
        sa.Column("total_enrolled", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total_completed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total_exited", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total_failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "club_id"], ["club.tenant_id", "club.id"], name=op.f("fk_journey_tenant_id_club_id")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_journey_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_journey")),
        sa.UniqueConstraint("tenant_id", "name", name="uq_journey_name"),
    )
    op.create_index("ix_journey_trigger", "journey", ["tenant_id", "status", "trigger_type"], unique=False)
    op.create_table(
        "journey_draft_edit",
        sa.Column("journey_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("graph", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "journey_id"],
            ["journey.tenant_id", "journey.id"],
            name=op.f("fk_journey_draft_edit_tenant_id_journey_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_journey_draft_edit")),
        sa.UniqueConstraint("tenant_id", "journey_id", "position", name="uq_journey_draft_edit"),
    )
    op.create_table(
        "journey_enrollment",
        sa.Column("journey_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("entry", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), server_default="ACTIVE", nullable=False),
        sa.Column("current_step_key", sa.Text(), nullable=True),
        sa.Column("current_step_number", sa.Integer(), server_default="0", nullable=False),
        sa.Column("waiting_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("enrolled_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("exited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("exit_reason", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("trigger_event_id", sa.Uuid(), nullable=True),
        sa.Column(
            "trigger_data",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["customer.tenant_id", "customer.id"],
            name=op.f("fk_journey_enrollment_tenant_id_customer_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "journey_id"],
            ["journey.tenant_id", "journey.id"],
            name=op.f("fk_journey_enrollment_tenant_id_journey_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_journey_enrollment")),
        sa.UniqueConstraint("tenant_id", "journey_id", "customer_id", "entry", name="uq_journey_enrollment_entry"),
    )
    op.create_index("ix_journey_enrollment_customer", "journey_enrollment", ["tenant_id", "customer_id"], unique=False)
    op.create_index(
        "ix_journey_enrollment_due",
        "journey_enrollment",
        ["tenant_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("status = 'ACTIVE' AND due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_journey_enrollment_failed",
        "journey_enrollment",
        ["tenant_id", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'FAILED'"),
    )
    op.create_index(
        "ix_journey_enrollment_status",
        "journey_enrollment",
        ["tenant_id", "journey_id", "status", "id"],
        unique=False,
    )
    op.create_index(
        "ix_journey_enrollment_step",
        "journey_enrollment",
        ["tenant_id", "journey_id", "current_step_key", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'ACTIVE'"),
    )
    op.create_table(
        "journey_step_count",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("journey_id", sa.Uuid(), nullable=False),
        sa.Column("step_key", sa.Text(), nullable=False),
        sa.Column("entered", sa.Integer(), server_default="0", nullable=False),
        sa.Column("active", sa.Integer(), server_default="0", nullable=False),
        sa.Column("completed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("skipped", sa.Integer(), server_default="0", nullable=False),
        sa.Column("yes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("no", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "journey_id"],
            ["journey.tenant_id", "journey.id"],
            name=op.f("fk_journey_step_count_tenant_id_journey_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "journey_id", "step_key", name=op.f("pk_journey_step_count")),
    )
    op.create_table(
        "journey_version",
        sa.Column("journey_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("graph", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuid7()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "journey_id"],
            ["journey.tenant_id", "journey.id"],
            name=op.f("fk_journey_version_tenant_id_journey_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_journey_version")),
        sa.UniqueConstraint("tenant_id", "journey_id", "number", name="uq_journey_version_number"),
    )
    op.create_table(
        "journey_enrollment_step",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("enrollment_id", sa.Uuid(), nullable=False),
        sa.Column("step_number", sa.Integer(), nullable=False),
        sa.Column("step_key", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "enrollment_id"],
            ["journey_enrollment.tenant_id", "journey_enrollment.id"],
            name=op.f("fk_journey_enrollment_step_tenant_id_enrollment_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "enrollment_id", "step_number", name=op.f("pk_journey_enrollment_step")),
    )

    for table in TABLES:
        protect(table)
    dispatchable("journey_enrollment", ["tenant_id", "status", "due_at"])


def downgrade() -> None:
    op.drop_table("journey_enrollment_step")
    op.drop_table("journey_version")
    op.drop_table("journey_step_count")
    op.drop_index(
        "ix_journey_enrollment_step",
        table_name="journey_enrollment",
        postgresql_where=sa.text("status = 'ACTIVE'"),
    )
    op.drop_index("ix_journey_enrollment_status", table_name="journey_enrollment")
    op.drop_index(
        "ix_journey_enrollment_failed",
        table_name="journey_enrollment",
        postgresql_where=sa.text("status = 'FAILED'"),
    )
    op.drop_index(
        "ix_journey_enrollment_due",
        table_name="journey_enrollment",
        postgresql_where=sa.text("status = 'ACTIVE' AND due_at IS NOT NULL"),
    )
    op.drop_index("ix_journey_enrollment_customer", table_name="journey_enrollment")
    op.drop_table("journey_enrollment")
    op.drop_table("journey_draft_edit")
    op.drop_index("ix_journey_trigger", table_name="journey")
    op.drop_table("journey")
