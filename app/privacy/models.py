"""Requests of people for all we have of them, or for its erasure, and the files that are handed out."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.db import Base, Key, TenantRow

PENDING, RUNNING, COMPLETED, FAILED, EXPIRED = "PENDING", "RUNNING", "COMPLETED", "FAILED", "EXPIRED"
UNDER_WAY = (PENDING, RUNNING)


class Kind(StrEnum):
    """What is asked for."""

    EXPORT = "export"
    ERASE = "erase"


class PrivacyRequest(TenantRow, Base):
    """One export or erasure. `customer_id` outlives the customer: it says that there was one, and nothing of them.

    `step` is what comes next and `at` the place in it: a worker that dies leaves both where they were. `work` holds
    what the erasure looks for, and is emptied when it is done. `due_at` is when a worker must look again: to go on, or
    to delete the file of an export at `expires_at`. `with_private`: the file has notes that only some may read.
    """

    __tablename__ = "privacy_request"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        Index("ix_privacy_request_due", "tenant_id", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_privacy_request_customer", "tenant_id", "customer_id"),
        Index(
            "uq_privacy_request_under_way",
            "tenant_id",
            "customer_id",
            "kind",
            unique=True,
            postgresql_where=text("status IN ('PENDING', 'RUNNING')"),
        ),
    )

    kind: Mapped[str]
    customer_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(server_default=PENDING, default=PENDING)
    step: Mapped[int] = mapped_column(server_default="0", default=0)
    steps: Mapped[int]
    at: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    work: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    report: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    attempts: Mapped[int] = mapped_column(server_default="0", default=0)
    error: Mapped[str | None]
    with_private: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    requested_by: Mapped[str]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]


class PrivacyFile(Base):
    """A piece of an export: `part` is a table's rows while it is made, "zip" what is handed out."""

    __tablename__ = "privacy_file"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "request_id"], ["privacy_request.tenant_id", "privacy_request.id"], ondelete="CASCADE"
        ),
    )

    tenant_id: Mapped[Key]
    request_id: Mapped[Key]
    part: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(LargeBinary)
