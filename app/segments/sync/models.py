"""Where a segment is pushed to, how far that has come, and the changes that wait to be told."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.db import Base, Key
from app.segments.models import of_segment

MESSAGING, WEBHOOK = "MESSAGING", "WEBHOOK"
SHAPES = (MESSAGING, WEBHOOK)
FULL, LIVE, STOPPED = "FULL", "LIVE", "STOPPED"
STATUSES = (FULL, LIVE, STOPPED)
ENTERED, LEFT = "entered", "left"


class SegmentSync(Base):
    """A segment that is pushed to a receiver: everybody first (FULL), then who enters and leaves (LIVE).

    STOPPED: the receiver failed for a day, or said that it is gone; somebody has to look at it. `shape` is how the
    body is written, `fields` what of a person is told besides their id. Secrets are sealed; the old one signs too until
    `old_secret_until`.

    `run` names a push of everybody, `part` and `position` (the last customer who was taken) say how far it is, `pushed`
    how many were told in it, `version` which definition of the segment. A part is written down before it goes out,
    `batch_id` and where it ends (`batch_end`, and whether it is the `batch_last`): after a crash the same part goes out
    again under the same id. `due_at`: when to try next; none while there is nothing to do but wait for changes, or for
    another definition to be worked out.
    """

    __tablename__ = "segment_sync"
    __table_args__ = (
        of_segment(),
        Index("ix_segment_sync_due", "tenant_id", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    tenant_id: Mapped[Key]
    segment_id: Mapped[Key]
    shape: Mapped[str]
    url: Mapped[str]
    fields: Mapped[list[str]]
    secret: Mapped[str]
    old_secret: Mapped[str | None]
    old_secret_until: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(server_default=FULL, default=FULL)
    run: Mapped[UUID]
    part: Mapped[int] = mapped_column(server_default="0", default=0)
    position: Mapped[UUID | None]
    pushed: Mapped[int] = mapped_column(server_default="0", default=0)
    version: Mapped[int]
    batch_id: Mapped[UUID | None]
    batch_end: Mapped[UUID | None]
    batch_last: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    due_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default="0", default=0)
    failing_since: Mapped[datetime | None]
    error: Mapped[str | None]
    receiver_id: Mapped[str | None]
    last_pushed_at: Mapped[datetime | None]
    last_full_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]
    changed_by_name: Mapped[str] = mapped_column(server_default="", default="")


class SegmentSyncChange(Base):
    """Somebody who entered or left a segment and of whom the receiver has not been told yet.

    `batch_id`: they are in that part. No foreign keys: that a customer who was deleted left has to be told as well, and
    a million who enter at once are not checked one by one. A trigger takes out what belongs to a sync that is deleted.
    """

    __tablename__ = "segment_sync_change"
    __table_args__ = (Index("ix_segment_sync_change_segment", "tenant_id", "segment_id", "id"),)

    tenant_id: Mapped[Key]
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuid7()"))
    segment_id: Mapped[UUID]
    customer_id: Mapped[UUID]
    act: Mapped[str]
    at: Mapped[datetime]
    batch_id: Mapped[UUID | None]
