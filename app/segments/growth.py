"""How a segment grew, day by day of its zone."""

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.infra.db import transaction
from app.segments import queries, schedule
from app.segments.models import DYNAMIC, SegmentDay

MAX_DAYS = 730


@dataclass(frozen=True, slots=True)
class Day:
    """How many came and went on a day, and how many were in it at its end; `members` None before the first refresh."""

    day: date
    entered: int
    left: int
    members: int | None


def days(*, tenant_id: UUID, segment_id: UUID, days: int, today: date) -> list[Day]:
    """Return the last `days` days (at most MAX_DAYS), the oldest first; on days without a row nothing moved.

    A segment in which nobody was found, or nobody put, has been empty since it was made. Raises NoSuchSegment.
    """
    first = today - timedelta(days=min(days, MAX_DAYS) - 1)
    mine = (SegmentDay.tenant_id == tenant_id, SegmentDay.segment_id == segment_id)
    with transaction(tenant_id) as session:
        rows = {
            one.day: one
            for one in session.scalars(
                select(SegmentDay)
                .where(*mine, SegmentDay.day >= first, SegmentDay.day <= today)
                .execution_options(populate_existing=True)
            )
        }
        members = session.scalar(
            select(SegmentDay.members).where(*mine, SegmentDay.day < first).order_by(SegmentDay.day.desc()).limit(1)
        )
        empty_since = _empty_since(session, tenant_id, segment_id)
    found = []
    for number in range((today - first).days + 1):
        day = first + timedelta(days=number)
        row = rows.get(day)
        members = row.members if row else members
        if members is None and empty_since is not None and day >= empty_since:
            members = 0
        found.append(Day(day, row.entered if row else 0, row.left if row else 0, members))
    return found


def _empty_since(session: Session, tenant_id: UUID, segment_id: UUID) -> date | None:
    """Return the day a segment was made, if it is known that nobody was in it before the first row."""
    segment = queries.one(tenant_id=tenant_id, segment_id=segment_id)
    first = session.scalar(
        select(SegmentDay)
        .where(SegmentDay.tenant_id == tenant_id, SegmentDay.segment_id == segment_id)
        .order_by(SegmentDay.day)
        .limit(1)
        .execution_options(populate_existing=True)
    )
    if first is None:
        is_empty = segment.type != DYNAMIC or segment.refreshed_at is not None
    else:
        is_empty = first.members - first.entered + first.left == 0
    zone = schedule.zone_of(session, tenant_id, segment.club_id)
    return segment.created_at.astimezone(zone).date() if is_empty else None
