"""How many entered and left segments in the last days, for lists of them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import func, select

from app.infra import clock
from app.infra.db import transaction
from app.segments.models import SegmentDay

DAYS = 7


@dataclass(frozen=True, slots=True)
class Lately:
    """How many came and went in the last DAYS days, today among them."""

    entered: int = 0
    left: int = 0


def of(*, tenant_id: UUID, segment_ids: Collection[UUID], today: date | None = None) -> dict[UUID, Lately]:
    """Return the numbers of those of the segments in which anything moved."""
    since = (today or clock.now().date()) - timedelta(days=DAYS - 1)
    wanted = (
        select(SegmentDay.segment_id, func.sum(SegmentDay.entered), func.sum(SegmentDay.left))
        .where(SegmentDay.tenant_id == tenant_id, SegmentDay.segment_id.in_(segment_ids), SegmentDay.day >= since)
        .group_by(SegmentDay.segment_id)
    )
    with transaction(tenant_id) as session:
        return {row[0]: Lately(row[1], row[2]) for row in session.execute(wanted)}
