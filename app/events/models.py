"""The inbound log: every event a tenant's systems sent, and what became of it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.db import Base, TenantRow

RECEIVED, PROCESSED, FAILED, ERASED = "received", "processed", "failed", "erased"


class InboundEvent(TenantRow, Base):
    """An accepted event: `received` until it is applied to a customer, then `processed`, or `failed` with a reason.

    `erased`: it told of somebody's time before they were erased, and nothing of that is kept.

    No foreign key to the tenant: checking it locked the tenant's one row in every posting transaction, a quarter of
    what an event costs at the door. Row-level security lets nobody write an event of another tenant.
    """

    __tablename__ = "inbound_event"
    __table_args__ = (
        UniqueConstraint("tenant_id", "source", "event_id", name="uq_inbound_event_source"),
        Index("ix_inbound_event_due", "tenant_id", "id", postgresql_where=text("status = 'received'")),
        Index("ix_inbound_event_failed", "tenant_id", "id", postgresql_where=text("status = 'failed'")),
        Index(
            "ix_inbound_event_customer", "tenant_id", "customer_id", postgresql_where=text("customer_id IS NOT NULL")
        ),
    )

    source: Mapped[str]
    event_id: Mapped[str]
    type: Mapped[str]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    identity: Mapped[dict[str, Any]]
    payload: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(server_default=RECEIVED, default=RECEIVED)
    reason: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default="0", default=0)
    processed_at: Mapped[datetime | None]
    customer_id: Mapped[UUID | None]
    matched_by: Mapped[list[str] | None]
    confidence: Mapped[int | None]
