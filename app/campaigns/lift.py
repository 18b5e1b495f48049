"""What a campaign changed: those who got it beside those who were held out by chance."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.statistics import Interval, difference, wilson

# A person counts once, on however many channels. Whoever the gate would have skipped is in neither part.
_PARTS = text("""
    WITH person AS (
        SELECT coalesce(message.customer_id, message.id) AS id, message.status = 'skipped' AS held_out,
            bool_or(EXISTS (SELECT FROM conversion WHERE conversion.tenant_id = :tenant_id
                AND conversion.message_id = message.id)) AS converted,
            max(coalesce(message.sent_at, message.sending_at, message.due_at)) AS at
        FROM message
        WHERE message.tenant_id = :tenant_id AND message.run_id = ANY(CAST(:runs AS uuid[]))
            AND (message.status IN ('sent', 'unknown') OR message.status = 'skipped' AND message.reason = 'holdout')
        GROUP BY message.run_id, 1, 2
    )
    SELECT held_out, count(*) AS people, count(*) FILTER (WHERE converted) AS converted, max(at) AS latest
    FROM person GROUP BY held_out
""")


@dataclass(frozen=True, slots=True)
class Part:
    """So many people, and how many of them converted: the share and between what it lies."""

    people: int
    converted: int

    @property
    def share(self) -> Interval:
        """Return the share that converted."""
        return wilson(self.converted, self.people)


@dataclass(frozen=True, slots=True)
class Lift:
    """Those who got a campaign and those who were held out; `latest`: when the last of them did."""

    reached: Part
    held_out: Part
    latest: datetime | None

    @property
    def difference(self) -> Interval:
        """Return by how much the share of those who got it is above that of the others."""
        return difference(self.reached.converted, self.reached.people, self.held_out.converted, self.held_out.people)

    @property
    def decided(self) -> bool:
        """Return whether the difference is told from chance."""
        return self.difference.decided

    @property
    def relative(self) -> float | None:
        """Return how much more of those who got it converted, of one; None where nobody else did."""
        base = self.held_out.share.value
        return self.difference.value / base if base else None

    @property
    def extra(self) -> int:
        """Return how many conversions more there are than there would have been, as it seems."""
        return round(self.difference.value * self.reached.people)


def of(*, tenant_id: UUID, run_ids: Collection[UUID]) -> Lift | None:
    """Return what these runs changed, None where nobody was held out."""
    with transaction(tenant_id) as session:
        rows = session.execute(_PARTS, {"tenant_id": tenant_id, "runs": array(run_ids)}).all()
    found = {row.held_out: row for row in rows}
    if True not in found:
        return None
    parts = {held: Part(row.people, row.converted) for held, row in found.items()}
    return Lift(parts.get(False, Part(0, 0)), parts[True], max((row.latest for row in rows), default=None))
