"""How a segment grew, day by day of its zone."""

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import select

from app.infra.db import transaction
from app.segments.models import SegmentDay

MAX_DAYS = 730


@dataclass(frozen=True, slots=True)
class Day:
    """How many came and went on a day, and how many were in it at its end; `members` None before the first refresh."""

    day: date
    entered: int
    left: int
    members: int | None


def days(*, tenant_id: UUID, segment_id: UUID, days: int, today: date) -> list[Day]:
    """Return the last `days` days (at most MAX_DAYS), the oldest first; on days without a row nothing moved."""
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
    found = []
    for number in range((today - first).days + 1):
        day = first + timedelta(days=number)
        row = rows.get(day)
        members = row.members if row else members
        found.append(Day(day, row.entered if row else 0, row.left if row else 0, members))
    return found
