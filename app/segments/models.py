"""Segments: who is meant by a name, who was in it when, and whom to look at again because something changed."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Identity, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.db import Base, Key, TenantRow

DYNAMIC, STATIC = "DYNAMIC", "STATIC"
TYPES = (DYNAMIC, STATIC)
HOURLY, DAILY, WEEKLY, MANUAL = "HOURLY", "DAILY", "WEEKLY", "MANUAL"
FREQUENCIES = (HOURLY, DAILY, WEEKLY, MANUAL)


class Segment(TenantRow, Base):
    """A set of customers by a name: those who fit `criteria` (DYNAMIC), or those somebody put on its list (STATIC).

    `version` names the definition (see SegmentVersion). `refresh_due_at` is when the whole of it is told anew. While
    `refreshing_since` stands, from the moment a definition is saved on, nobody else changes its members.
    `refresh_tells`: those who enter and leave by that refresh are told of; they are not when the definition is new.
    `ready_made` names the recipe it came from, `snapshot_of` the dynamic one whose members it began with.
    """

    __tablename__ = "segment"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "club_id"], ["club.tenant_id", "club.id"]),
        Index(
            "uq_segment_name",
            "tenant_id",
            text("lower(name)"),
            unique=True,
            postgresql_where=text("archived_at IS NULL"),
        ),
        Index(
            "uq_segment_ready_made",
            "tenant_id",
            "ready_made",
            unique=True,
            postgresql_where=text("ready_made IS NOT NULL"),
        ),
        Index("ix_segment_due", "tenant_id", "refresh_due_at", postgresql_where=text("refresh_due_at IS NOT NULL")),
    )

    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="", default="")
    club_id: Mapped[UUID | None]
    type: Mapped[str]
    criteria: Mapped[dict[str, Any] | None]
    refresh_frequency: Mapped[str] = mapped_column(server_default=DAILY, default=DAILY)
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    member_count: Mapped[int] = mapped_column(server_default="0", default=0)
    refreshed_at: Mapped[datetime | None]
    refresh_due_at: Mapped[datetime | None]
    refreshing_since: Mapped[datetime | None]
    refresh_tells: Mapped[bool] = mapped_column(server_default=text("true"), default=True)
    refresh_took_ms: Mapped[int | None]
    refresh_error: Mapped[str | None]
    ready_made: Mapped[str | None]
    snapshot_of: Mapped[UUID | None]
    archived_at: Mapped[datetime | None]
    created_by: Mapped[str]
    created_by_name: Mapped[str] = mapped_column(server_default="", default="")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


def of_segment() -> ForeignKeyConstraint:
    """Return the foreign key to a segment of the same tenant."""
    return ForeignKeyConstraint(["tenant_id", "segment_id"], ["segment.tenant_id", "segment.id"], ondelete="CASCADE")


class SegmentVersion(TenantRow, Base):
    """One definition a segment had or has; never changed once written."""

    __tablename__ = "segment_version"
    __table_args__ = (
        of_segment(),
        UniqueConstraint("tenant_id", "segment_id", "number", name="uq_segment_version_number"),
    )

    segment_id: Mapped[UUID]
    number: Mapped[int]
    club_id: Mapped[UUID | None]
    criteria: Mapped[dict[str, Any] | None]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_by: Mapped[str]
    changed_by_name: Mapped[str] = mapped_column(server_default="", default="")


class SegmentMember(Base):
    """Who is in a segment, since when. `app.segments.membership` alone writes it.

    Neither this table nor those below have a foreign key to the customer or the segment: it would be checked row by
    row, and lock each customer. Triggers take out what belongs to rows that are deleted.
    """

    __tablename__ = "segment_member"
    __table_args__ = (Index("ix_segment_member_customer", "tenant_id", "customer_id"),)

    tenant_id: Mapped[Key]
    segment_id: Mapped[Key]
    customer_id: Mapped[Key]
    entered_at: Mapped[datetime]


class SegmentPastMember(Base):
    """Who was in a segment, from when to when."""

    __tablename__ = "segment_past_member"
    __table_args__ = (Index("ix_segment_past_member_customer", "tenant_id", "customer_id"),)

    tenant_id: Mapped[Key]
    segment_id: Mapped[Key]
    customer_id: Mapped[Key]
    entered_at: Mapped[datetime] = mapped_column(primary_key=True)
    left_at: Mapped[datetime]


class SegmentListed(Base):
    """Whom somebody put on the list of a STATIC segment. Its members are told from it: who was merged counts as the
    one they went into, for as long as they are merged.
    """

    __tablename__ = "segment_listed"
    __table_args__ = (Index("ix_segment_listed_customer", "tenant_id", "customer_id"),)

    tenant_id: Mapped[Key]
    segment_id: Mapped[Key]
    customer_id: Mapped[Key]
    listed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    listed_by: Mapped[str]


class SegmentDay(Base):
    """How many entered and left a segment on a day of its zone, and how many were in it at the end."""

    __tablename__ = "segment_day"
    __table_args__ = (of_segment(),)

    tenant_id: Mapped[Key]
    segment_id: Mapped[Key]
    day: Mapped[date] = mapped_column(primary_key=True)
    entered: Mapped[int] = mapped_column(server_default="0", default=0)
    left: Mapped[int] = mapped_column(server_default="0", default=0)
    members: Mapped[int] = mapped_column(server_default="0", default=0)


class SegmentDependency(Base):
    """What the answer of a live segment depends on: the kinds of rows (`Field.reads`) its rules look at.

    Triggers ask it whether a change concerns any segment. Every live one stands here under STANDING, and a DYNAMIC one
    under ARRIVAL.
    """

    __tablename__ = "segment_dependency"
    __table_args__ = (of_segment(), Index("ix_segment_dependency_segment", "tenant_id", "segment_id"))

    tenant_id: Mapped[Key]
    reads: Mapped[str] = mapped_column(primary_key=True)
    segment_id: Mapped[Key]


class SegmentDue(Base):
    """A customer whom something happened to, so that segments have to look at them again.

    Rows are only added, by triggers, and taken by `app.segments.upkeep`. Without `segment_id` they concern every
    segment that depends on `reads`, without both every segment. GONE: a member of the segment was deleted.
    """

    __tablename__ = "segment_due"

    tenant_id: Mapped[Key]
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    customer_id: Mapped[UUID]
    segment_id: Mapped[UUID | None]
    reads: Mapped[str | None]


class SegmentLater(Base):
    """A customer something is told of whose time is yet to come: they are due (see SegmentDue) at that moment."""

    __tablename__ = "segment_later"
    __table_args__ = (Index("ix_segment_later_at", "tenant_id", "at"),)

    tenant_id: Mapped[Key]
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime]
    customer_id: Mapped[UUID]
    reads: Mapped[str]
