"""What a batch of the engine came to, and writing it down: a few statements, however many people."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra.arrays import array
from app.infra.db import looking_up_by_index
from app.journeys.engine import ends
from app.journeys.engine.plan import PlannedStep
from app.journeys.graph import NEXT
from app.journeys.step_type import JourneyFacts, Outcome, Walker

COUNTS = ("entered", "active", "completed", "failed", "skipped")
ENDS = ("entered", "completed", "exited", "failed", "converted")

Where = tuple[UUID, str]
Way = tuple[UUID, str, str]
"""A journey, a step of it, and the name of the exit."""
Cohort = tuple[UUID, date, int]
"""A journey, the week and the version in which people came in."""
Revenue = dict[tuple[Cohort, str], tuple[int, Decimal]]
"""How many of a cohort brought in how much in a currency."""


@dataclass(slots=True)
class Record:
    """The steps taken and the states people end up in, as columns side by side."""

    new_steps: dict[tuple[str, int, str, str | None], list[tuple[UUID, int, str | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """(enrollment, number, result as JSON) by what people have in common: (key, version, status, exit)"""
    ended_steps: list[tuple[UUID, int, str, str | None, str | None]] = field(default_factory=list)
    """(enrollment, number, status, exit, result as JSON) of steps that were IN_PROGRESS"""
    states: list[
        tuple[UUID, str, str | None, int, datetime | None, datetime | None, str | None, str | None, int, str | None]
    ] = field(default_factory=list)
    """(enrollment, status, key, number, waiting until, due at, exit reason, error, attempts, waits for)"""
    counts: dict[Where, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    passed: Counter[Way] = field(default_factory=Counter)
    totals: dict[UUID, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    converted: list[tuple[UUID, Decimal | None, str | None]] = field(default_factory=list)
    """(enrollment, amount, currency) of who reached the goal of their journey, and what that was worth."""
    at_last: list[tuple[UUID, Callable[[], None]]] = field(default_factory=list)
    """What is done under the lock of a journey; all journeys are locked at once then, in their order."""

    def taken(
        self,
        journey: JourneyFacts,
        step: PlannedStep,
        walkers: Sequence[Walker],
        outcomes: Mapping[Walker, Outcome],
        now: datetime,
    ) -> dict[str, list[Walker]]:
        """Note what became of people at a step and return those who go on by the key they come to next.

        Whoever jumps stands before the step they come to until a later batch: the graph leads down, so a batch that
        follows it comes to each step once, and the log tells a later one how often somebody has been where. So does
        whose step says that they go on later.
        """
        going: dict[str, list[Walker]] = defaultdict(list)
        counts, ends, passed = Counter[str](), Counter[str](), Counter[str]()
        texts: dict[int, str | None] = {}
        for walker in walkers:
            outcome = outcomes[walker]
            result = outcome.result
            if id(result) not in texts:
                texts[id(result)] = orjson.dumps(result).decode() if result is not None else None
            way = None if outcome.exit == NEXT else outcome.exit
            self._log(step.key, journey.version, walker, outcome, way, texts[id(result)])
            if outcome.stays:
                self._stay(step.key, walker, outcome)
                continue
            walker.attempts, walker.waiting_until, walker.woken_by = 0, None, None
            if outcome.failure is not None:
                counts["failed"] += 1
                ends["failed"] += 1
                self._state(walker, "FAILED", step.key, reason="error", error=outcome.failure)
                continue
            counts["completed"] += 1
            if way is not None:
                passed[way] += 1
            if outcome.leaves is not None:
                ends["exited"] += 1
                self._state(walker, "EXITED", step.key, reason=outcome.leaves)
                continue
            target = outcome.jump or step.exits.get(outcome.exit or "")
            if target is None:
                ends["completed"] += 1
                self._state(walker, "COMPLETED", step.key, reason="completed")
                continue
            walker.step_number += 1
            if outcome.jump is not None or outcome.later:
                self.counts[journey.id, target].update(entered=1, active=1)
                self.stand(target, walker, due_at=now)
                continue
            going[target].append(walker)
        counts["active"] = -counts["completed"] - counts["failed"]
        self.counts[journey.id, step.key].update(counts)
        if ends:
            self.totals[journey.id].update(ends)
        for way, count in passed.items():
            self.passed[journey.id, step.key, way] += count
        for target, arrived in going.items():
            self.counts[journey.id, target].update(entered=len(arrived), active=len(arrived))
        return going

    def _log(self, key: str, version: int, walker: Walker, outcome: Outcome, way: str | None, told: str | None) -> None:
        """Note for the log that a person took a step by a way (None: the main one), or stands at it now."""
        status = "IN_PROGRESS" if outcome.stays else "FAILED" if outcome.failure is not None else "COMPLETED"
        if not walker.logged:
            self.new_steps[key, version, status, way].append((walker.enrollment_id, walker.step_number, told))
        elif outcome.until is None or walker.attempts:
            self.ended_steps.append((walker.enrollment_id, walker.step_number, status, way, told))

    def _stay(self, key: str, walker: Walker, outcome: Outcome) -> None:
        """Note that a person waits at a step, for something or to try it again."""
        if outcome.again_at is not None:
            walker.attempts += 1
            until = walker.waiting_until
            self._state(walker, "ACTIVE", key, until=until, due_at=outcome.again_at, error=outcome.failure)
            return
        walker.attempts = 0
        due_at = outcome.look_at or outcome.until
        self._state(walker, "ACTIVE", key, until=outcome.until, due_at=due_at, waits_for=outcome.waits_for)

    def entered(self, version: int, key: str) -> set[UUID]:
        """Return the enrollments that came to a step of a version of a journey in this batch."""
        return {taken[0] for at, steps in self.new_steps.items() if at[:2] == (key, version) for taken in steps}

    def stand(self, key: str, walker: Walker, due_at: datetime) -> None:
        """Note that a person stands before a step that is to be taken in a later batch."""
        self._state(walker, "ACTIVE", key, due_at=due_at)

    def place(self, journey_id: UUID, key: str, walker: Walker, target: str) -> None:
        """Note that a person goes on at another step because the one they stand at is gone."""
        self.counts[journey_id, key].update(active=-1, skipped=1)
        self.counts[journey_id, target].update(entered=1, active=1)
        if walker.logged:
            placed = orjson.dumps({"removed": True, "placed": target}).decode()
            self.ended_steps.append((walker.enrollment_id, walker.step_number, "SKIPPED", None, placed))
            walker.waiting_until, walker.woken_by, walker.attempts = None, None, 0
            walker.step_number += 1

    def reach(
        self, journey: JourneyFacts, key: str, walker: Walker, goal: PlannedStep, now: datetime, result: str
    ) -> None:
        """Note that a person is taken from the step they stand at past a GOAL, before the step that follows it.

        `result` is what the log says of the GOAL, as JSON.
        """
        self.counts[journey.id, key].update(active=-1, skipped=1)
        if walker.logged:
            self.ended_steps.append((walker.enrollment_id, walker.step_number, "SKIPPED", None, None))
            walker.waiting_until, walker.attempts = None, 0
            walker.step_number += 1
        self.counts[journey.id, goal.key].update(entered=1, completed=1)
        taken = (walker.enrollment_id, walker.step_number, result)
        self.new_steps[goal.key, journey.version, "COMPLETED", None].append(taken)
        target = goal.exits[NEXT]
        if target is None:
            self.totals[journey.id]["completed"] += 1
            self._state(walker, "COMPLETED", goal.key, reason="completed")
            return
        walker.step_number += 1
        self.counts[journey.id, target].update(entered=1, active=1)
        self.stand(target, walker, due_at=now)

    def leave_early(self, journey_id: UUID, key: str | None, walker: Walker, reason: str) -> None:
        """Note that a person leaves the journey without taking the step they stand at."""
        if walker.logged:
            self.ended_steps.append((walker.enrollment_id, walker.step_number, "SKIPPED", None, None))
        if key is not None:
            self.counts[journey_id, key].update(active=-1, skipped=1)
        self.totals[journey_id]["exited"] += 1
        walker.attempts = 0
        self._state(walker, "EXITED", key, reason=reason)

    def _state(
        self,
        walker: Walker,
        status: str,
        key: str | None,
        *,
        until: datetime | None = None,
        due_at: datetime | None = None,
        reason: str | None = None,
        error: str | None = None,
        waits_for: str | None = None,
    ) -> None:
        self.states.append(
            (
                walker.enrollment_id,
                status,
                key,
                walker.step_number,
                until,
                due_at,
                reason,
                error,
                walker.attempts,
                waits_for,
            )
        )


LOG_STEPS = text("""
    INSERT INTO journey_enrollment_step
        (tenant_id, enrollment_id, step_number, step_key, version, status, exit, entered_at, completed_at, result)
    SELECT :tenant_id, taken.id, taken.number, :key, :version, CAST(:status AS text), :exit, :now,
           CASE WHEN CAST(:status AS text) <> 'IN_PROGRESS' THEN CAST(:now AS timestamptz) END,
           CAST(taken.result AS jsonb)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS int[]), CAST(:results AS text[]))
        AS taken(id, number, result)
""")

END_STEPS = text("""
    UPDATE journey_enrollment_step step
    SET status = ended.status, exit = ended.exit,
        completed_at = CASE WHEN ended.status <> 'IN_PROGRESS' THEN CAST(:now AS timestamptz) END,
        result = coalesce(CAST(ended.result AS jsonb), nullif(step.result - '{error,attempt,again_at}'::text[], '{}'))
    FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS int[]), CAST(:statuses AS text[]), CAST(:exits AS text[]),
                CAST(:results AS text[])) AS ended(id, number, status, exit, result)
    WHERE step.tenant_id = :tenant_id AND step.enrollment_id = ended.id AND step.step_number = ended.number
""")

# What the cohorts have to know comes with it. Who came in before there were any is in none.
MOVE_PEOPLE = text("""
    WITH moved AS (
    UPDATE journey_enrollment person
    SET status = moved.status, current_step_key = moved.key, current_step_number = moved.number,
        waiting_until = moved.until, due_at = moved.due_at, waits_for = moved.waits_for,
        woken_by = CASE WHEN moved.attempts > 0 THEN person.woken_by END,
        exit_reason = moved.reason, error = moved.error, attempts = moved.attempts,
        completed_at = CASE WHEN moved.status = 'COMPLETED' THEN CAST(:now AS timestamptz) END,
        exited_at = CASE WHEN moved.status IN ('EXITED', 'FAILED') THEN CAST(:now AS timestamptz) END
    FROM unnest(CAST(:ids AS uuid[]), CAST(:statuses AS text[]), CAST(:keys AS text[]), CAST(:numbers AS int[]),
                CAST(:untils AS timestamptz[]), CAST(:due AS timestamptz[]), CAST(:reasons AS text[]),
                CAST(:errors AS text[]), CAST(:attempts AS int[]), CAST(:fors AS text[]))
        AS moved(id, status, key, number, until, due_at, reason, error, attempts, waits_for)
    WHERE person.tenant_id = :tenant_id AND person.id = moved.id
    RETURNING person.journey_id, person.entered_week AS week, person.entered_version AS version, person.status
    )
    SELECT journey_id, week, version, status, count(*) AS people FROM moved
    WHERE status <> 'ACTIVE' AND week IS NOT NULL GROUP BY journey_id, week, version, status
""")

# An amount without a currency is in that of the person's club, else the organisation's.
CONVERT = text("""
    WITH reached AS (
    UPDATE journey_enrollment person
    SET converted_at = :now, converted_amount = done.amount,
        converted_currency = CASE WHEN done.amount IS NOT NULL THEN coalesce(
            done.currency,
            (SELECT club.currency FROM customer JOIN club ON club.tenant_id = customer.tenant_id
                AND club.id = customer.club_id
             WHERE customer.tenant_id = person.tenant_id AND customer.id = person.customer_id),
            (SELECT tenant.currency FROM tenant WHERE tenant.id = person.tenant_id)) END
    FROM unnest(CAST(:ids AS uuid[]), CAST(:amounts AS numeric[]), CAST(:currencies AS text[]))
            AS done(id, amount, currency),
        journey
    WHERE journey.tenant_id = person.tenant_id AND journey.id = person.journey_id
        AND person.tenant_id = :tenant_id AND person.id = done.id AND person.converted_at IS NULL
        AND (journey.goal_days IS NULL OR person.enrolled_at > :now - make_interval(days => journey.goal_days))
    RETURNING person.journey_id, person.entered_week AS week, person.entered_version AS version,
        person.converted_currency AS currency, person.converted_amount AS amount
    )
    SELECT journey_id, week, version, currency, count(*) AS people, sum(amount) AS amount FROM reached
    WHERE week IS NOT NULL GROUP BY journey_id, week, version, currency
""")

# Every writer of counters locks the journeys first, in one order, so that none waits for another in a circle.
LOCK_JOURNEYS = text("""
    SELECT id FROM journey WHERE tenant_id = :tenant_id AND id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE
""")

MOVE_TOTALS = text("""
    UPDATE journey
    SET total_enrolled = total_enrolled + moved.enrolled, total_completed = total_completed + moved.completed,
        total_exited = total_exited + moved.exited, total_failed = total_failed + moved.failed
    FROM unnest(CAST(:ids AS uuid[]), CAST(:enrolled AS int[]), CAST(:completed AS int[]), CAST(:exited AS int[]),
                CAST(:failed AS int[])) AS moved(id, enrolled, completed, exited, failed)
    WHERE journey.tenant_id = :tenant_id AND journey.id = moved.id
""")

MOVE_COUNTS = text("""
    INSERT INTO journey_step_count AS held
        (tenant_id, journey_id, step_key, entered, active, completed, failed, skipped)
    SELECT :tenant_id, moved.* FROM unnest(
        CAST(:journeys AS uuid[]), CAST(:keys AS text[]), CAST(:entered AS int[]), CAST(:active AS int[]),
        CAST(:completed AS int[]), CAST(:failed AS int[]), CAST(:skipped AS int[])) AS moved
    ON CONFLICT (tenant_id, journey_id, step_key) DO UPDATE
    SET entered = held.entered + excluded.entered, active = held.active + excluded.active,
        completed = held.completed + excluded.completed, failed = held.failed + excluded.failed,
        skipped = held.skipped + excluded.skipped
""")

MOVE_EXITS = text("""
    INSERT INTO journey_exit_count AS held (tenant_id, journey_id, step_key, exit, passed)
    SELECT :tenant_id, moved.* FROM unnest(
        CAST(:journeys AS uuid[]), CAST(:keys AS text[]), CAST(:exits AS text[]), CAST(:passed AS int[])) AS moved
    ON CONFLICT (tenant_id, journey_id, step_key, exit) DO UPDATE SET passed = held.passed + excluded.passed
""")

MOVE_COHORTS = text("""
    INSERT INTO journey_cohort AS held
        (tenant_id, journey_id, week, version, entered, completed, exited, failed, converted)
    SELECT :tenant_id, moved.* FROM unnest(
        CAST(:journeys AS uuid[]), CAST(:weeks AS date[]), CAST(:versions AS int[]), CAST(:entered AS int[]),
        CAST(:completed AS int[]), CAST(:exited AS int[]), CAST(:failed AS int[]), CAST(:converted AS int[])) AS moved
    ON CONFLICT (tenant_id, journey_id, week, version) DO UPDATE
    SET entered = held.entered + excluded.entered, completed = held.completed + excluded.completed,
        exited = held.exited + excluded.exited, failed = held.failed + excluded.failed,
        converted = held.converted + excluded.converted
""")

MOVE_REVENUE = text("""
    INSERT INTO journey_revenue AS held (tenant_id, journey_id, week, version, currency, people, amount)
    SELECT :tenant_id, moved.* FROM unnest(
        CAST(:journeys AS uuid[]), CAST(:weeks AS date[]), CAST(:versions AS int[]), CAST(:currencies AS text[]),
        CAST(:people AS int[]), CAST(:amounts AS numeric[])) AS moved
    ON CONFLICT (tenant_id, journey_id, week, version, currency) DO UPDATE
    SET people = held.people + excluded.people, amount = held.amount + excluded.amount
""")


def write(session: Session, tenant_id: UUID, now: datetime, record: Record) -> None:
    """Write everything down."""
    base: dict[str, Any] = {"tenant_id": tenant_id, "now": now}
    for (key, version, status, exit), taken in record.new_steps.items():
        if taken:
            same = {"key": key, "version": version, "status": status, "exit": exit}
            session.execute(LOG_STEPS, base | same | _columns(taken, "ids", "numbers", "results"))
    # People came in by hundreds of thousands within the minute after which Postgres looks at a table anew. Meanwhile
    # a plan of before went through all of them for each batch: up to 90 µs a person more.
    with looking_up_by_index(session):
        cohorts, revenue = _write_people(session, base, record)
    ends.tell(session, tenant_id, [state[0] for state in record.states if state[1] != "ACTIVE"], now)
    if record.at_last:
        concerned = {*record.totals, *(journey for journey, _ in record.counts), *(id for id, _ in record.at_last)}
        session.execute(LOCK_JOURNEYS, {"tenant_id": tenant_id, "ids": sorted(concerned)})
        for _, act in record.at_last:
            act()
    move_counters(session, tenant_id, record.totals, record.counts, record.passed, cohorts, revenue)


def _write_people(session: Session, base: dict[str, Any], record: Record) -> tuple[dict[Cohort, Counter[str]], Revenue]:
    """Write down which steps ended and where people are now; return what the cohorts have to know of it."""
    cohorts: dict[Cohort, Counter[str]] = defaultdict(Counter)
    if record.ended_steps:
        session.execute(
            END_STEPS, base | _columns(record.ended_steps, "ids", "numbers", "statuses", "exits", "results")
        )
    if record.states:
        names = ("ids", "statuses", "keys", "numbers", "untils", "due", "reasons", "errors", "attempts", "fors")
        for row in session.execute(MOVE_PEOPLE, base | _columns(record.states, *names)):
            cohorts[row.journey_id, row.week, row.version][row.status.lower()] += row.people
    revenue: Revenue = {}
    if record.converted:
        reached = [(id, None if paid is None else str(paid), currency) for id, paid, currency in record.converted]
        for row in session.execute(CONVERT, base | _columns(reached, "ids", "amounts", "currencies")):
            cohort = (row.journey_id, row.week, row.version)
            cohorts[cohort]["converted"] += row.people
            if row.currency is not None:
                revenue[cohort, row.currency] = (row.people, row.amount)
    return cohorts, revenue


def move_counters(
    session: Session,
    tenant_id: UUID,
    totals: Mapping[UUID, Mapping[str, int]],
    counts: Mapping[Where, Mapping[str, int]],
    passed: Mapping[Way, int] | None = None,
    cohorts: Mapping[Cohort, Mapping[str, int]] | None = None,
    revenue: Revenue | None = None,
) -> None:
    """Add to the totals of journeys and of their cohorts, and to the counts of steps and of their named ways out.

    What it changes is held until commit, so call it last.
    """
    journeys = sorted({*totals, *(journey for journey, _ in counts), *(journey for journey, _, _ in cohorts or ())})
    if not journeys:
        return
    session.execute(LOCK_JOURNEYS, {"tenant_id": tenant_id, "ids": journeys})
    if totals:
        moved = {
            name: [totals[journey].get(name, 0) for journey in totals]
            for name in ("enrolled", "completed", "exited", "failed")
        }
        session.execute(MOVE_TOTALS, {"tenant_id": tenant_id, "ids": list(totals), **moved})
    if counts:
        at = sorted(counts)
        columns = {name: [counts[where].get(name, 0) for where in at] for name in COUNTS}
        session.execute(
            MOVE_COUNTS,
            {"tenant_id": tenant_id, "journeys": [one for one, _ in at], "keys": [key for _, key in at], **columns},
        )
    if passed:
        ways = [(*way, passed[way]) for way in sorted(passed)]
        session.execute(MOVE_EXITS, {"tenant_id": tenant_id} | _columns(ways, "journeys", "keys", "exits", "passed"))
    if cohorts:
        moves = [(*one, *(cohorts[one].get(name, 0) for name in ENDS)) for one in sorted(cohorts)]
        session.execute(
            MOVE_COHORTS, {"tenant_id": tenant_id} | _columns(moves, "journeys", "weeks", "versions", *ENDS)
        )
    if revenue:
        brought = [
            (*cohort, currency, people, str(amount)) for (cohort, currency), (people, amount) in sorted(revenue.items())
        ]
        names = ("journeys", "weeks", "versions", "currencies", "people", "amounts")
        session.execute(MOVE_REVENUE, {"tenant_id": tenant_id} | _columns(brought, *names))


def _columns(rows: Sequence[tuple[Any, ...]], *names: str) -> dict[str, str]:
    return {name: array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
