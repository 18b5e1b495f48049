"""The outbox: every message meant for a person, and what became of it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.db import Base, TenantRow


class Message(TenantRow, Base):
    """One intended message: `dedupe_key` makes the intention unique, `status` tells how far it came, `reason` why.

    `instead_of` is the reader's preferred address, where mail can't reach them, if `to_address` is another.
    """

    __tablename__ = "message"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customer.tenant_id", "customer.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "template_id"], ["template.tenant_id", "template.id"]),
        ForeignKeyConstraint(["tenant_id", "topic_id"], ["topic.tenant_id", "topic.id"]),
        UniqueConstraint("tenant_id", "dedupe_key", name="uq_message_dedupe"),
        Index("ix_message_due", "tenant_id", "due_at", postgresql_where=text("status IN ('queued', 'held')")),
        Index("ix_message_sending", "tenant_id", "sending_at", postgresql_where=text("status = 'sending'")),
        Index("ix_message_failed", "tenant_id", "id", postgresql_where=text("status IN ('failed', 'unknown')")),
        Index("ix_message_customer", "tenant_id", "customer_id", text("id DESC")),
        Index("ix_message_journey", "tenant_id", "journey_id", text("id DESC")),
        Index(
            "ix_message_step",
            "tenant_id",
            "journey_id",
            "step_key",
            "status",
            postgresql_where=text("journey_id IS NOT NULL"),
        ),
    )

    channel: Mapped[str]
    purpose: Mapped[str]
    customer_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    to_address: Mapped[str | None]
    instead_of: Mapped[str | None]
    template_id: Mapped[UUID | None]
    topic_id: Mapped[UUID | None]
    builtin: Mapped[str | None]
    context: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    journey_id: Mapped[UUID | None]
    enrollment_id: Mapped[UUID | None]
    step_key: Mapped[str | None]
    dedupe_key: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="queued", default="queued")
    reason: Mapped[str | None]
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(server_default="0", default=0)
    attempt_id: Mapped[UUID | None]
    sending_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    response: Mapped[str | None]
    subject: Mapped[str | None]
    first_open_at: Mapped[datetime | None]
    first_click_at: Mapped[datetime | None]


class Suppression(TenantRow, Base):
    """An address that must not be written to on one channel, apart from what anybody consented to.

    One that was lifted stays, with the reason, and stops nothing. Of somebody who was erased `address_key` is a keyed
    hash (app.infra.crypto).
    """

    __tablename__ = "suppression"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "channel", "address_key", name="uq_suppression_address"),
        Index("ix_suppression_search", "tenant_id", "address_key", postgresql_ops={"address_key": "text_pattern_ops"}),
    )

    channel: Mapped[str]
    address_key: Mapped[str]
    reason: Mapped[str]
    detail: Mapped[str | None]
    added_by: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None]
    lift_reason: Mapped[str | None]
