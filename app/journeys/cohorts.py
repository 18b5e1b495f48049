"""The weeks and versions in which people came into a journey, and what became of them: counters, read whole."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra.statistics import Interval, wilson
from app.journeys.latest import Who

_OF = """
    WHERE tenant_id = :tenant_id AND journey_id = :journey_id
        AND (CAST(:since AS date) IS NULL OR week >= :since) AND (CAST(:until AS date) IS NULL OR week <= :until)
        AND (CAST(:version AS int) IS NULL OR version = :version)
"""
_COHORTS = text(f"""
    SELECT week, version, entered, completed, exited, failed, converted FROM journey_cohort {_OF}
""")  # noqa: S608 - of parts written here
_REVENUE = text(f"""
    SELECT week, version, currency, amount FROM journey_revenue {_OF}
""")  # noqa: S608 - of parts written here


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


def cohorts(session: Session, tenant_id: UUID, journey_id: UUID, who: Who = Who()) -> Cohorts:  # noqa: B008
    """Return the cohorts of a journey; of whole weeks (`Who.in_weeks`) and a version where `who` says so."""
    of = {"tenant_id": tenant_id, "journey_id": journey_id, **asdict(who)}
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
