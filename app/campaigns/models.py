"""Campaigns: what is to be said to whom and when, and each time that it was."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, Numeric, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.db import Base, Key, TenantRow

ONE_TIME, RECURRING = "ONE_TIME", "RECURRING"
TYPES = (ONE_TIME, RECURRING)
CAMPAIGN_TYPES = (
    "follow_up",
    "birthday",
    "anniversary",
    "promotional",
    "seasonal",
    "re_engagement",
    "referral",
)
FIRST, ALL = "first", "all"
CHANNEL_MODES = (FIRST, ALL)
TEMPLATES = {
    "EMAIL": "email_template_id",
    "SMS": "sms_template_id",
    "PUSH": "push_template_id",
    "WHATSAPP": "whatsapp_template_id",
}
"""Which column names the template of a channel."""


def _template(column: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id", column], ["template.tenant_id", "template.id"])


class Campaign(TenantRow, Base):
    """One thing to say to a segment: once, or again and again.

    `schedule` says when (app.campaigns.schedule). At `due_at` the occurrence `next_occurrence` begins, a local time of
    `timezone`. With several `channels` each reader is reached by the `first` that reaches them, or by `all`. With
    `one_copy` an address that people share gets one. What could not go out `expires_hours` after it was due is not sent
    any more. `version` rises with every change. `goal` is what it is for (app.campaigns.goal), `cost` what it costs, in
    `cost_currency`. So many `holdout_percent` of its people are left out by chance, to measure what it changes.
    `experiment` are variants of it that are tried first (app.campaigns.experiment).
    """

    __tablename__ = "campaign"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["tenant_id", "segment_id"], ["segment.tenant_id", "segment.id"], ondelete="SET NULL (segment_id)"
        ),
        *(_template(column) for column in TEMPLATES.values()),
        ForeignKeyConstraint(["tenant_id", "topic_id"], ["topic.tenant_id", "topic.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "sender_id"], ["mail_sender.tenant_id", "mail_sender.id"], ondelete="SET NULL (sender_id)"
        ),
        Index("ix_campaign_due", "tenant_id", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_campaign_segment", "tenant_id", "segment_id"),
        Index("ix_campaign_goal", "tenant_id", "id", postgresql_where=text("goal IS NOT NULL")),
    )

    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="", default="")
    type: Mapped[str]
    campaign_type: Mapped[str | None]
    segment_id: Mapped[UUID | None]
    channels: Mapped[list[str]]
    channel_mode: Mapped[str] = mapped_column(server_default=FIRST, default=FIRST)
    email_template_id: Mapped[UUID | None]
    sms_template_id: Mapped[UUID | None]
    push_template_id: Mapped[UUID | None]
    whatsapp_template_id: Mapped[UUID | None]
    topic_id: Mapped[UUID | None]
    sender_id: Mapped[UUID | None]
    timezone: Mapped[str]
    schedule: Mapped[dict[str, Any]]
    throttle_per_hour: Mapped[int | None]
    spread_minutes: Mapped[int | None]
    goal: Mapped[dict[str, Any] | None]
    cost: Mapped[Decimal | None] = mapped_column(Numeric(14, 2))
    cost_currency: Mapped[str | None]
    holdout_percent: Mapped[int | None]
    one_copy: Mapped[bool] = mapped_column(server_default=text("true"), default=True)
    expires_hours: Mapped[int | None]
    experiment: Mapped[dict[str, Any] | None]
    status: Mapped[str]
    due_at: Mapped[datetime | None]
    next_occurrence: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    archived_at: Mapped[datetime | None]
    created_by: Mapped[str]
    created_by_name: Mapped[str] = mapped_column(server_default="", default="")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CampaignRun(TenantRow, Base):
    """One time that a campaign is sent. Its id is that of the messages' run.

    `occurrence` makes it one: the local date of a recurring campaign, else ONCE. `content` holds what is said on each
    channel, with the version it had when the run began. People are put in up to `cursor`, and `audience` counts their
    messages; from `prepared_at` on nobody is added. A worker looks at it again at `look_at`.
    An `experiment` is the campaign's as it was when the run began; its `winner` is chosen at `decide_at`, unless
    somebody did before (`winner_by`).
    """

    __tablename__ = "campaign_run"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "campaign_id"], ["campaign.tenant_id", "campaign.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "campaign_id", "occurrence", name="uq_campaign_run_occurrence"),
        Index("ix_campaign_run_look", "tenant_id", "look_at", postgresql_where=text("look_at IS NOT NULL")),
    )

    campaign_id: Mapped[UUID]
    occurrence: Mapped[str]
    local_at: Mapped[str | None]
    due_at: Mapped[datetime]
    status: Mapped[str]
    content: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    segment_id: Mapped[UUID]
    people: Mapped[int] = mapped_column(server_default="0", default=0)
    audience: Mapped[int] = mapped_column(server_default="0", default=0)
    cursor: Mapped[UUID | None]
    refresh_asked_at: Mapped[datetime | None]
    prepared_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    look_at: Mapped[datetime | None]
    error: Mapped[str | None]
    experiment: Mapped[dict[str, Any] | None]
    decide_at: Mapped[datetime | None]
    winner: Mapped[str | None]
    winner_at: Mapped[datetime | None]
    winner_by: Mapped[str | None]
    winner_by_name: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CampaignApproval(TenantRow, Base):
    """That a second person's yes to a campaign was asked for, and what they answered (app.campaigns.approval).

    `seal` is what was asked for, of so many `people`; a yes holds for `up_to` so many. Without a `decision` it waits.
    """

    __tablename__ = "campaign_approval"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "campaign_id"], ["campaign.tenant_id", "campaign.id"], ondelete="CASCADE"),
        Index("ix_campaign_approval_campaign", "tenant_id", "campaign_id", text("id DESC")),
        Index("ix_campaign_approval_waiting", "tenant_id", "id", postgresql_where=text("decision IS NULL")),
    )

    campaign_id: Mapped[UUID]
    asked_by: Mapped[str]
    asked_by_name: Mapped[str] = mapped_column(server_default="", default="")
    asked_at: Mapped[datetime] = mapped_column(server_default=func.now())
    note: Mapped[str] = mapped_column(server_default="", default="")
    people: Mapped[int]
    up_to: Mapped[int]
    seal: Mapped[dict[str, Any]]
    decision: Mapped[str | None]
    decided_by: Mapped[str | None]
    decided_by_name: Mapped[str] = mapped_column(server_default="", default="")
    decided_at: Mapped[datetime | None]
    answer: Mapped[str] = mapped_column(server_default="", default="")


class Conversion(Base):
    """That a message's reader did what its campaign is for, `touch`: after a click, an open, or it was sent.

    Of all messages an event is laid beside, one is `credited`. Who was `held_out` got none.
    """

    __tablename__ = "conversion"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "message_id"], ["message.tenant_id", "message.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "campaign_id"], ["campaign.tenant_id", "campaign.id"], ondelete="CASCADE"),
        Index("ix_conversion_run", "tenant_id", "run_id", "message_id"),
        Index("uq_conversion_credit", "tenant_id", "event_id", unique=True, postgresql_where=text("credited")),
    )

    tenant_id: Mapped[Key]
    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    campaign_id: Mapped[UUID]
    run_id: Mapped[UUID]
    variant: Mapped[str | None]
    held_out: Mapped[bool]
    credited: Mapped[bool]
    touch: Mapped[str]
    type: Mapped[str]
    at: Mapped[datetime]
    amount: Mapped[Decimal | None] = mapped_column(Numeric(14, 2))
    currency: Mapped[str | None]


ONCE = "once"
