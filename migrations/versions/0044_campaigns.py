"""Campaigns, and each time that one is sent."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import dispatchable, protect

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

NOW = sa.text("now()")
CHANNELS = ("email", "sms", "push", "whatsapp")


def _id(name: str = "id", *, default: bool = False, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Uuid(), server_default=sa.text("uuid7()") if default else None, nullable=nullable)


def _at(name: str, *, default: bool = False, nullable: bool = True) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=NOW if default else None, nullable=nullable)


def _text(name: str, default: str | None = None, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text(), server_default=default, nullable=nullable)


def _number(name: str, default: str | None = None) -> sa.Column:
    return sa.Column(name, sa.Integer(), server_default=default, nullable=default is None)


def upgrade() -> None:
    op.create_table(
        "campaign",
        _id("tenant_id"),
        _id(default=True),
        _text("name"),
        _text("description", ""),
        _text("type"),
        _text("campaign_type", nullable=True),
        _id("segment_id", nullable=True),
        sa.Column("channels", postgresql.ARRAY(sa.Text()), nullable=False),
        _text("channel_mode", "first"),
        *(_id(f"{one}_template_id", nullable=True) for one in CHANNELS),
        _id("topic_id", nullable=True),
        _text("timezone"),
        sa.Column("schedule", postgresql.JSONB(none_as_null=True), nullable=False),
        _number("throttle_per_hour"),
        _number("spread_minutes"),
        _text("status"),
        _at("due_at"),
        _text("next_occurrence", nullable=True),
        _number("version", "1"),
        _at("archived_at"),
        _text("created_by"),
        _text("created_by_name", ""),
        _at("created_at", default=True, nullable=False),
        _at("updated_at", default=True, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_campaign_tenant_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "segment_id"],
            ["segment.tenant_id", "segment.id"],
            name="fk_campaign_tenant_id_segment_id",
            ondelete="SET NULL (segment_id)",
        ),
        *(
            sa.ForeignKeyConstraint(
                ["tenant_id", f"{one}_template_id"],
                ["template.tenant_id", "template.id"],
                name=f"fk_campaign_tenant_id_{one}_template_id",
            )
            for one in CHANNELS
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "topic_id"], ["topic.tenant_id", "topic.id"], name="fk_campaign_tenant_id_topic_id"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_campaign"),
    )
    op.create_index(
        "ix_campaign_due", "campaign", ["tenant_id", "due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.create_index("ix_campaign_segment", "campaign", ["tenant_id", "segment_id"])
    op.create_table(
        "campaign_run",
        _id("tenant_id"),
        _id(default=True),
        _id("campaign_id"),
        _text("occurrence"),
        _text("local_at", nullable=True),
        _at("due_at", nullable=False),
        _text("status"),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        _id("segment_id"),
        _number("people", "0"),
        _number("audience", "0"),
        _id("cursor", nullable=True),
        _at("refresh_asked_at"),
        _at("prepared_at"),
        _at("started_at"),
        _at("paused_at"),
        _at("finished_at"),
        _at("look_at"),
        _text("error", nullable=True),
        _at("created_at", default=True, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "campaign_id"],
            ["campaign.tenant_id", "campaign.id"],
            name="fk_campaign_run_tenant_id_campaign_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_campaign_run"),
        sa.UniqueConstraint("tenant_id", "campaign_id", "occurrence", name="uq_campaign_run_occurrence"),
    )
    op.create_index(
        "ix_campaign_run_look",
        "campaign_run",
        ["tenant_id", "look_at"],
        postgresql_where=sa.text("look_at IS NOT NULL"),
    )
    protect("campaign")
    protect("campaign_run")
    dispatchable("campaign", ["tenant_id", "due_at"])
    dispatchable("campaign_run", ["tenant_id", "look_at"])


def downgrade() -> None:
    op.drop_table("campaign_run")
    op.drop_table("campaign")
