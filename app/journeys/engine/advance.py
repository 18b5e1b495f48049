"""Walking people on: whoever is due goes from step to step until parked or at an end, thousands at a time.

One call is one transaction: claim due people (skipping those another worker holds), run each kind of step over all who
stand there, log every step, move the counters, and commit it together with the messages it caused. A crash anywhere
leaves everything as it was before the call. The log's key (enrollment, step number) refuses a step taken twice.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from app.infra import clock
from app.infra.arrays import array
from app.infra.db import Overtaken, again_after_deadlock, transaction
from app.journeys.engine import begun, exits, retry, settling, watching, writes
from app.journeys.engine.plan import Plan, PlannedStep, edition, facts_of, plans_of
from app.journeys.step_type import JourneyFacts, Outcome, StepBatch, Walker

log = logging.getLogger(__name__)

BATCH = 2000
MAX_STEPS_A_TURN = 100
MAX_ERROR = 500

# One look into the index a journey. With more journeys than people in a batch, those go whose people were due first.
# Of one that was resumed nobody goes before all are settled: their wait may still have to be moved.
LIVE = text("""
    SELECT j.id, j.published_version, j.published_revision, j.timezone, j.trigger_type, j.topic_id, j.clock, j.watches,
        j.exit_conditions, j.exit_event, j.exit_on_unsubscribe, j.goal, j.goal_days
    FROM journey j
    CROSS JOIN LATERAL (
        SELECT e.due_at FROM journey_enrollment e
        WHERE e.tenant_id = j.tenant_id AND e.journey_id = j.id AND e.status = 'ACTIVE' AND e.due_at <= :now
        ORDER BY e.due_at LIMIT 1) AS first
    WHERE j.tenant_id = :tenant_id AND j.status = 'ACTIVE' AND j.published_version IS NOT NULL
      AND (CAST(:only AS uuid) IS NULL OR j.id = :only)
      AND NOT EXISTS (
          SELECT FROM journey_settling s
          WHERE s.tenant_id = j.tenant_id AND s.journey_id = j.id AND s.resumed_at IS NOT NULL)
    ORDER BY first.due_at LIMIT :limit
""")

# Asked once the counters are moved: until this transaction ends, nobody can publish, pause or archive then, or rename a
# tag in what people follow. Where they were only parked no counter is moved, and their journey is not locked.
CHANGED = text("""
    SELECT EXISTS (
        SELECT FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS int[]), CAST(:revisions AS int[]))
            AS walked(id, version, revision)
        JOIN journey ON journey.tenant_id = :tenant_id AND journey.id = walked.id
        WHERE journey.status <> 'ACTIVE' OR journey.published_version <> walked.version
            OR journey.published_revision <> walked.revision)
""")

# Who is in a batch that a worker died with goes on in that one only, whose note is taken up before others are claimed.
_CLAIMED = """
    WITH noted AS MATERIALIZED (
        SELECT unnest(people) AS id FROM journey_batch WHERE tenant_id = :tenant_id
    ), claimed AS MATERIALIZED (
        SELECT e.* FROM unnest(CAST(:journeys AS uuid[])) AS journey(id)
        CROSS JOIN LATERAL (
            SELECT tenant_id, id, journey_id, customer_id, current_step_key, current_step_number, waiting_until,
                   attempts, CAST(trigger_data AS text) AS trigger_data, woken_by, answers, waits_for,
                   awaited
            FROM journey_enrollment
            WHERE tenant_id = :tenant_id AND journey_id = journey.id AND status = 'ACTIVE' AND due_at <= :now
              {these}
            ORDER BY due_at
            LIMIT :share
            FOR UPDATE SKIP LOCKED
        ) AS e
    )
    SELECT e.*, (SELECT c.status = 'MERGED' FROM customer c WHERE c.tenant_id = e.tenant_id AND c.id = e.customer_id)
        AS merged
    FROM claimed e
"""
CLAIM = text(_CLAIMED.format(these="AND id NOT IN (SELECT noted.id FROM noted)"))
CLAIM_THESE = text(_CLAIMED.format(these="AND id = ANY(CAST(:people AS uuid[]))"))


@again_after_deadlock
def advance_batch(*, tenant_id: UUID, now: datetime | None = None, limit: int = BATCH) -> int:
    """Walk up to `limit` due people on, in one transaction, and return how many were dealt with; 0: nothing is due.

    Two workers may change the same customers in another order; then one of them begins again. So does who walked by a
    version that is not the live one any more: nobody is left at a step that was removed once its people were placed.
    """
    moment, note = now or clock.now(), begun.Note(tenant_id)
    with transaction(tenant_id) as session:
        try:
            return _advance(session, tenant_id, moment, limit, note)
        except Exception as error:
            # The lock on the note is held still, so that nobody takes it for that of a dead worker.
            note.take_back(error)
            raise


def advance_in(session: Session, *, tenant_id: UUID, journey_id: UUID, original: UUID, now: datetime) -> int:
    """Walk due people of one journey on in the open transaction, and return how many; 0: none is due.

    What is left to chance comes out as it would in the journey `original`.
    """
    return _walk(session, tenant_id, now, BATCH, only=journey_id, original=original)


def _advance(session: Session, tenant_id: UUID, now: datetime, limit: int, note: begun.Note) -> int:
    # In this order: who is made due by a publication goes on with the others.
    settled = settling.settle(session, tenant_id, now, limit)
    walked = _walk(session, tenant_id, now, limit, note=note)
    return walked or settled or exits.settle_stopped(session, tenant_id, now, limit)


def _walk(
    session: Session,
    tenant_id: UUID,
    now: datetime,
    limit: int,
    only: UUID | None = None,
    original: UUID | None = None,
    note: begun.Note | None = None,
) -> int:
    asked = {"tenant_id": tenant_id, "now": now, "only": only, "limit": limit}
    live = {row.id: row for row in session.execute(LIVE, asked)}
    lost = note.lost(session, now) if note and live else None
    claimed = _claim(session, tenant_id, now, list(live), limit, lost.people if lost else None)
    if not claimed:
        if note and lost:
            note.end(session, now, walked=False)
        return 1 if lost else 0
    if note and not lost:
        note.begin(session, [row.id for row in claimed])
    involved = {row.journey_id for row in claimed}
    editions = {id: edition(live[id]) for id in involved}
    plans = plans_of(session, tenant_id, editions)
    journeys = {id: facts_of(live[id], original) for id in involved}
    watches = {id: watching.watch(tenant_id, live[id], journeys[id], plans[id]) for id in involved if live[id].watches}
    turn = _Turn(
        session=session,
        tenant_id=tenant_id,
        now=now,
        plans=plans,
        journeys=journeys,
        watches=watches,
        most=1 if lost and lost.alone else MAX_STEPS_A_TURN,
        died=lost.died if lost else 0,
    )
    turn.walk(claimed)
    writes.write(session, tenant_id, now, turn.record)
    versions, revisions = zip(*editions.values(), strict=True)
    walked = {"ids": array(editions), "versions": array(versions), "revisions": array(revisions)}
    if only is None and session.scalar(CHANGED, {"tenant_id": tenant_id, **walked}):
        raise Overtaken("a journey was published, changed, paused or archived while its people walked")
    if note:
        note.end(session, now, walked=True)
    return len(claimed)


def _claim(
    session: Session,
    tenant_id: UUID,
    now: datetime,
    journeys: Sequence[UUID],
    limit: int,
    people: Sequence[UUID] | None,
) -> Sequence[Row[Any]]:
    """Claim up to `limit` due people (of these only), an equal share of each journey; what some leave others get."""
    claimed: dict[UUID, Row[Any]] = {}
    share, more = 0, list(journeys)
    while more and (room := (limit - len(claimed)) // len(more)):
        share += room
        # Whom this transaction has claimed before is found again.
        claim: dict[str, object] = {"tenant_id": tenant_id, "now": now, "journeys": array(more), "share": share}
        if people is None:
            found = session.execute(CLAIM, claim).all()
        else:
            found = session.execute(CLAIM_THESE, claim | {"people": array(people)}).all()
        claimed |= {row.id: row for row in found}
        of_each = Counter(row.journey_id for row in found)
        more = [id for id in more if of_each[id] == share]
    return list(claimed.values())


@dataclass(slots=True)
class _Turn:
    """One batch on its way through the graphs."""

    session: Session
    tenant_id: UUID
    now: datetime
    plans: dict[UUID, Plan]
    journeys: dict[UUID, JourneyFacts]
    watches: dict[UUID, watching.Watch]
    most: int
    """So many steps somebody takes in it at most."""
    died: int
    """So often a worker has died at the step of the one person in it, which is not tried then; 0: it is."""
    record: writes.Record = field(default_factory=writes.Record)

    def walk(self, claimed: Sequence[Row[Any]]) -> None:
        """Take everybody as far as they come. Groups go in the order of the graph, so that branches meet again."""
        groups: dict[tuple[UUID, str], list[Walker]] = defaultdict(list)
        first: dict[Walker, int] = {}
        for row in claimed:
            walker = Walker(
                row.id,
                row.customer_id,
                row.current_step_number,
                row.waiting_until,
                orjson.loads(row.trigger_data),
                row.attempts,
                row.woken_by,
                row.answers or {},
                row.waits_for,
                row.awaited,
            )
            plan, key = self.plans[row.journey_id], row.current_step_key
            at = key if key in plan else plan.placements.get(key)
            if row.merged or at is None or at not in plan:
                self.record.leave_early(row.journey_id, key, walker, "merged" if row.merged else "step_removed")
                continue
            if at != key:
                self.record.place(row.journey_id, key, walker, at)
            first[walker] = row.current_step_number
            groups[row.journey_id, at].append(walker)
        while groups:
            journey_id, key = min(groups, key=lambda at: (self.plans[at[0]][at[1]].rank, at))
            step = self.plans[journey_id][key]
            walkers = groups.pop((journey_id, key))
            journey = self.journeys[journey_id]
            if self.died:
                # Nothing is asked of them either: that may be what it died of.
                outcomes = {walker: retry.after_death(walker, self.died, self.now) for walker in walkers}
            else:
                if journey_id in self.watches:
                    watch = self.watches[journey_id]
                    walkers = watching.ask(self.session, self.tenant_id, watch, step, walkers, self.record, self.now)
                passing = settling.passing(self.session, self.tenant_id, self.plans[journey_id], step, walkers)
                doing = [walker for walker in walkers if walker not in passing] if passing else walkers
                outcomes = passing | (self._run(journey, step, doing) if doing else {})
            for target, going in self.record.taken(journey, step, walkers, outcomes, self.now).items():
                on = going
                # Nobody comes to a step twice in a turn.
                if len(self.plans[journey_id]) > self.most:
                    on = [walker for walker in going if walker.step_number - first[walker] < self.most]
                    for walker in going:
                        if walker.step_number - first[walker] >= self.most:
                            self.record.stand(target, walker, due_at=self.now)
                if on:
                    groups[journey_id, target] += on

    def _run(self, journey: JourneyFacts, step: PlannedStep, walkers: list[Walker]) -> dict[Walker, Outcome]:
        """Run a step over people; if it raises, over each half of them, until whoever is at fault is alone."""
        if step.config is None:
            failed = Outcome(failure="The settings of this step are not valid.")
            return dict.fromkeys(walkers, failed)
        batch = StepBatch(
            session=self.session,
            tenant_id=self.tenant_id,
            now=self.now,
            journey=journey,
            step_key=step.key,
            config=step.config,
            walkers=walkers,
            entered_now=partial(self.record.entered, journey.version),
        )
        try:
            with self.session.begin_nested():
                step.kind.run(batch)
                _check(step, batch, self.plans[journey.id])
        except OperationalError:
            # The database, and nobody's data, is in trouble: the whole batch is tried again later.
            raise
        except Exception as error:
            if len(walkers) == 1:
                who, reason = walkers[0].enrollment_id, _reason(error)
                log.exception("Step %s of journey %s failed for enrollment %s", step.key, journey.id, who)
                return {walkers[0]: retry.after(walkers[0], reason, self.now)}
            middle = len(walkers) // 2
            return self._run(journey, step, walkers[:middle]) | self._run(journey, step, walkers[middle:])
        self.record.at_last += batch.at_last
        return batch.outcomes


def _check(step: PlannedStep, batch: StepBatch[Any], plan: Plan) -> None:
    fine = None
    for walker in batch.walkers:
        outcome = batch.outcomes.get(walker)
        if outcome is fine is not None:
            continue
        if (
            outcome is None
            or (outcome.exit and not outcome.leaves and step.exits and outcome.exit not in step.exits)
            or (outcome.jump is not None and outcome.jump not in plan)
        ):
            raise RuntimeError(f"step {step.key} gave enrollment {walker.enrollment_id} no way on")
        fine = outcome


def _reason(error: Exception) -> str:
    """Return the error in one line without the statement's parameters, which may hold personal data."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(cause).splitlines() or [""]
    return f"{type(cause).__name__}: {lines[0]}".replace("\0", "")[:MAX_ERROR]
