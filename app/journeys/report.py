"""What a journey has come to: by week of entering, by step with its messages, and by the ways of its splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra.db import transaction
from app.infra.statistics import Interval, wilson
from app.journeys import queries
from app.journeys.queries import Analytics, StepNumbers
from app.messaging import queries as messages
from app.messaging.states import Status
from app.messaging.tally import Kind

WEEKS = 26

_COHORTS = text("""
    SELECT CAST(date_trunc('week', enrolled_at AT TIME ZONE :zone) AS date) AS week, count(*) AS entered,
           count(*) FILTER (WHERE status = 'ACTIVE') AS inside,
           count(*) FILTER (WHERE status = 'COMPLETED') AS completed,
           count(*) FILTER (WHERE status = 'EXITED') AS left_early,
           count(*) FILTER (WHERE status = 'FAILED') AS failed,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY completed_at - enrolled_at) AS median
    FROM journey_enrollment
    WHERE tenant_id = :tenant_id AND journey_id = :journey_id
    GROUP BY week ORDER BY week DESC LIMIT :weeks
""")

# Who clicked is looked for once, by the index of what was done with a journey's messages.
_ARMS = text("""
    WITH clicked AS MATERIALIZED (
        SELECT DISTINCT message.enrollment_id AS id
        FROM message_response did JOIN message ON message.tenant_id = did.tenant_id AND message.id = did.message_id
        WHERE did.tenant_id = :tenant_id AND did.journey_id = :journey_id AND did.kind = 'clicked'
    )
    SELECT step.exit, count(DISTINCT walk.id) AS people,
           count(DISTINCT walk.id) FILTER (WHERE walk.status = 'COMPLETED') AS completed,
           count(DISTINCT walk.id) FILTER (WHERE clicked.id IS NOT NULL) AS clicked
    FROM journey_enrollment walk
    JOIN journey_enrollment_step step
        ON step.tenant_id = walk.tenant_id AND step.enrollment_id = walk.id AND step.step_key = :step
    LEFT JOIN clicked ON clicked.id = walk.id
    WHERE walk.tenant_id = :tenant_id AND walk.journey_id = :journey_id AND step.exit IS NOT NULL
    GROUP BY step.exit
""")


@dataclass(frozen=True, slots=True)
class Cohort:
    """Those who entered in a week, which begins on a Monday of the journey's zone; `median` is how long to the end."""

    week: date
    entered: int
    inside: int
    completed: int
    left: int
    failed: int
    median: timedelta | None


@dataclass(frozen=True, slots=True)
class Letters:
    """What became of a step's messages. Opened and clicked are by people; machines are counted apart."""

    sent: int
    not_sent: int
    waiting: int
    opened: int
    clicked: int
    by_machines: int
    bounced: int
    unsubscribed: int
    complained: int


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of a split: how many went it, and which share of them clicked and completed, with intervals."""

    exit: str
    label: str
    people: int
    clicked: Interval
    completed: Interval


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step: its numbers, its messages if it wrote any, and its ways if it is a split."""

    numbers: StepNumbers
    letters: Letters | None
    arms: Sequence[Arm]


@dataclass(frozen=True, slots=True)
class Report:
    """All of it; `cohorts` are the last 26 weeks in which somebody entered, the latest first."""

    totals: Analytics
    cohorts: Sequence[Cohort]
    steps: Sequence[StepReport]


def report(*, tenant_id: UUID, journey_id: UUID) -> Report:
    """Return what a journey has come to, or raise NoSuchJourney."""
    with transaction(tenant_id) as session:
        found = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
        totals = queries.analytics(tenant_id=tenant_id, journey_id=journey_id)
        values = {"tenant_id": tenant_id, "journey_id": journey_id, "zone": found.timezone, "weeks": WEEKS}
        cohorts = [
            Cohort(row.week, row.entered, row.inside, row.completed, row.left_early, row.failed, row.median)
            for row in session.execute(_COHORTS, values)
        ]
        fates = messages.step_fates(tenant_id=tenant_id, journey_id=journey_id)
        did = messages.step_responses(tenant_id=tenant_id, journey_id=journey_id)
        steps = [
            StepReport(
                numbers=one,
                letters=_letters(fates[one.key], did.get(one.key, {})) if one.key in fates else None,
                arms=_arms(session, tenant_id, journey_id, one) if one.type == "SPLIT" else (),
            )
            for one in totals.steps
        ]
    return Report(totals, cohorts, steps)


def _letters(fates: Mapping[str, int], did: Mapping[str, int]) -> Letters:
    def of(*statuses: Status) -> int:
        return sum(fates.get(one, 0) for one in statuses)

    return Letters(
        sent=of(Status.SENT),
        not_sent=of(Status.SKIPPED, Status.FAILED, Status.UNKNOWN),
        waiting=of(Status.QUEUED, Status.HELD, Status.SENDING),
        opened=did.get(Kind.OPENED, 0),
        clicked=did.get(Kind.CLICKED, 0),
        by_machines=did.get(Kind.MACHINE_OPENED, 0),
        bounced=did.get(Kind.BOUNCED, 0),
        unsubscribed=did.get(Kind.UNSUBSCRIBED, 0),
        complained=did.get(Kind.COMPLAINED, 0),
    )


def _arms(session: Session, tenant_id: UUID, journey_id: UUID, step: StepNumbers) -> list[Arm]:
    values = {"tenant_id": tenant_id, "journey_id": journey_id, "step": step.key}
    rows = {row.exit: row for row in session.execute(_ARMS, values)}
    return [
        Arm(
            way.exit,
            way.label,
            rows[way.exit].people,
            wilson(rows[way.exit].clicked, rows[way.exit].people),
            wilson(rows[way.exit].completed, rows[way.exit].people),
        )
        for way in step.exits
        if way.exit in rows
    ]
