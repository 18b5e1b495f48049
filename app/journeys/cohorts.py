"""The weeks and versions in which people came into a journey, and what became of them: counters, read whole."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra.statistics import Interval, wilson

_COHORTS = text("""
    SELECT week, version, entered, completed, exited, failed, converted FROM journey_cohort
    WHERE tenant_id = :tenant_id AND journey_id = :journey_id
""")
_REVENUE = text("""
    SELECT week, version, currency, amount FROM journey_revenue
    WHERE tenant_id = :tenant_id AND journey_id = :journey_id
""")


@dataclass(slots=True)
class Cohort:
    """Those who entered in a week (its Monday, by the journey's clocks), or under a version, or all of them."""

    entered: int = 0
    completed: int = 0
    left: int = 0
    failed: int = 0
    converted: int = 0
    revenue: dict[str, Decimal] = field(default_factory=dict)
    """What those who reached the goal brought in, by currency."""

    @property
    def inside(self) -> int:
        """Return how many have not come to an end yet."""
        return self.entered - self.completed - self.left - self.failed

    @property
    def share(self) -> Interval:
        """Return the share that reached the goal."""
        return wilson(self.converted, self.entered)


@dataclass(frozen=True, slots=True)
class Cohorts:
    """All of them together, by week the latest first, and by version the highest first."""

    together: Cohort
    weeks: Mapping[date, Cohort]
    versions: Mapping[int, Cohort]


def cohorts(session: Session, tenant_id: UUID, journey_id: UUID) -> Cohorts:
    """Return the cohorts of a journey."""
    of = {"tenant_id": tenant_id, "journey_id": journey_id}
    counts = session.execute(_COHORTS, of).all()
    money = session.execute(_REVENUE, of).all()
    return Cohorts(
        together=_summed(counts, money, lambda _: None).get(None, Cohort()),
        weeks=_summed(counts, money, lambda row: row.week),
        versions=_summed(counts, money, lambda row: row.version),
    )


def _summed(counts: Sequence[Any], money: Sequence[Any], by: Callable[[Any], Any]) -> dict[Any, Cohort]:
    found: dict[Any, Cohort] = defaultdict(Cohort)
    for row in counts:
        one = found[by(row)]
        one.entered += row.entered
        one.completed += row.completed
        one.left += row.exited
        one.failed += row.failed
        one.converted += row.converted
    for row in money:
        revenue = found[by(row)].revenue
        revenue[row.currency] = revenue.get(row.currency, Decimal(0)) + row.amount
    return {key: found[key] for key in sorted(found, reverse=True)} if None not in found else dict(found)
