"""What a publication means for those inside: people of removed steps go on, waits are counted anew, none is sent twice.

Publishing leaves a row in `journey_settling` for each step whose people are concerned; the engine takes them in
batches, in the order of their ids, before it claims who is due. Rows are locked before people, people before journeys.
Resuming leaves one for the whole journey: nobody walks on in it until all are back on the clock and their waits moved.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.infra.arrays import array
from app.journeys import graph
from app.journeys.engine.plan import Plan, PlannedStep, edition, facts_of, plans_of
from app.journeys.models import Journey
from app.journeys.step_type import ANEW, JourneyFacts, Outcome, StepBatch, Walker

log = logging.getLogger(__name__)

PASSED = {"skipped": "taken_before"}

# The first in order, and only one worker at it: the others go on with who is due. Journeys that were resumed go first:
# nobody goes on in them before.
NEXT = text("""
    SELECT journey_id, step_key, rebase, look, after, paused_at, resumed_at FROM journey_settling
    WHERE tenant_id = :tenant_id ORDER BY resumed_at, journey_id, step_key LIMIT 1 FOR UPDATE SKIP LOCKED
""")
DONE = text("""
    DELETE FROM journey_settling WHERE tenant_id = :tenant_id AND journey_id = :journey_id AND step_key = :step_key
""")
GO_ON = text("""
    UPDATE journey_settling SET after = :after
    WHERE tenant_id = :tenant_id AND journey_id = :journey_id AND step_key = :step_key
""")
STANDING = text("""
    SELECT id, customer_id, current_step_number, waiting_until, woken_by, trigger_data, answers, awaited
    FROM journey_enrollment
    WHERE tenant_id = :tenant_id AND journey_id = :journey_id AND current_step_key = :step_key AND status = 'ACTIVE'
      AND (CAST(:after AS uuid) IS NULL OR id > :after)
    ORDER BY id LIMIT :limit FOR UPDATE
""")
# The moment they waited for means nothing any more, wherever they are placed.
PLACE_NOW = text("""
    UPDATE journey_enrollment SET due_at = :now, waiting_until = CASE WHEN waiting_until IS NOT NULL THEN :now END
    WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[]))
""")
# They wait for what the step waits for now, from when they are parked again. Who failed is tried again in their time,
# who is off the clock of a paused journey stays off it.
LOOK_AGAIN = text("""
    UPDATE journey_enrollment SET due_at = :now, waits_for = NULL
    WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[])) AND waiting_until IS NOT NULL AND attempts = 0
      AND due_at > :now
""")
INSIDE = text("""
    SELECT id FROM journey_enrollment
    WHERE tenant_id = :tenant_id AND journey_id = :journey_id AND status = 'ACTIVE'
      AND (CAST(:after AS uuid) IS NULL OR id > :after)
    ORDER BY id LIMIT :limit FOR NO KEY UPDATE
""")
# The engine took people of the paused journey off the clock when it met them. Their time is over, they are woken, or
# their step parks them again.
BACK_ON_THE_CLOCK = text("""
    UPDATE journey_enrollment SET due_at = :now
    WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[])) AND due_at IS NULL
""")
# Who waits for something besides the time is looked at when that was due, and who is off the clock is at once. Who
# stands at a step that is gone is not waiting any more, nor is who has been woken, but to be told of another date.
MOVE_WAITS = text("""
    WITH moved AS (
        UPDATE journey_enrollment
        SET waiting_until = waiting_until + :pause,
            due_at = CASE WHEN waits_for IS NULL AND due_at = waiting_until THEN waiting_until + :pause
                ELSE coalesce(due_at, :now) END
        WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[]))
            AND (woken_by IS NULL OR woken_by ? CAST(:anew AS text))
            AND attempts = 0 AND waiting_until > :paused_at AND current_step_key = ANY(:keys)
        RETURNING id, current_step_number, waiting_until
    )
    UPDATE journey_enrollment_step step
    SET result = jsonb_set(step.result, '{waiting_until}', to_jsonb(
        to_char(moved.waiting_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))
    FROM moved
    WHERE step.tenant_id = :tenant_id AND step.enrollment_id = moved.id
        AND step.step_number = moved.current_step_number AND step.status = 'IN_PROGRESS'
        AND step.result ? 'waiting_until'
""")
ENTERED = text("""
    SELECT step.enrollment_id, step.entered_at
    FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS int[])) AS asked(id, number)
    JOIN journey_enrollment_step step ON step.tenant_id = :tenant_id AND step.enrollment_id = asked.id
        AND step.step_number = asked.number
    WHERE step.status = 'IN_PROGRESS' AND step.version < :version
""")
# Who is off the clock of a paused journey stays off it.
WAIT_ANEW = text("""
    UPDATE journey_enrollment person
    SET waiting_until = told.until, waits_for = told.waits_for, woken_by = CAST(told.woken_by AS jsonb),
        due_at = CASE WHEN person.due_at IS NOT NULL THEN told.look_at END
    FROM unnest(CAST(:ids AS uuid[]), CAST(:untils AS timestamptz[]), CAST(:looks AS timestamptz[]),
                CAST(:fors AS text[]), CAST(:bys AS text[])) AS told(id, until, look_at, waits_for, woken_by)
    WHERE person.tenant_id = :tenant_id AND person.id = told.id
""")
LOG_ANEW = text("""
    UPDATE journey_enrollment_step step SET version = :version, result = CAST(told.result AS jsonb)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS int[]), CAST(:results AS text[])) AS told(id, number, result)
    WHERE step.tenant_id = :tenant_id AND step.enrollment_id = told.id AND step.step_number = told.number
""")
TAKEN_BEFORE = text("""
    SELECT enrollment_id FROM journey_enrollment_step
    WHERE tenant_id = :tenant_id AND enrollment_id = ANY(CAST(:ids AS uuid[])) AND step_key = :step_key
      AND status = 'COMPLETED'
    GROUP BY enrollment_id HAVING max(version) < :version
""")


def settle(session: Session, tenant_id: UUID, now: datetime, limit: int) -> int:
    """Look at up to `limit` people of one step that a publication concerns; return how many, at least 1 for a step.

    People of removed steps become due, and the walk then places them; so do those of steps that wait for something
    else, and the walk parks them again. Waits are counted anew here. Of a journey that was resumed it is everybody.
    """
    step = session.execute(NEXT, {"tenant_id": tenant_id}).one_or_none()
    if step is None:
        return 0
    where = {"tenant_id": tenant_id, "journey_id": step.journey_id, "step_key": step.step_key}
    resumed = step.resumed_at is not None
    people = session.execute(INSIDE if resumed else STANDING, {**where, "after": step.after, "limit": limit}).all()
    if people and resumed:
        _go_on(session, tenant_id, step, [row.id for row in people], now)
    elif people and step.rebase and not step.look:
        _rebase(session, tenant_id, step, people, now)
    elif people:
        who = {"tenant_id": tenant_id, "now": now, "ids": array(row.id for row in people)}
        session.execute(LOOK_AGAIN if step.look else PLACE_NOW, who)
    if len(people) < limit:
        session.execute(DONE, where)
    else:
        session.execute(GO_ON, {**where, "after": people[-1].id})
    return len(people) or 1


def _go_on(session: Session, tenant_id: UUID, at: Row[Any], people: Sequence[UUID], now: datetime) -> None:
    """Put people of a resumed journey back on the clock; where that is wanted their waits end later by the pause."""
    who: dict[str, object] = {"tenant_id": tenant_id, "now": now, "ids": array(people)}
    if at.paused_at is not None:
        journey = session.get_one(Journey, (tenant_id, at.journey_id), populate_existing=True)
        plan = plans_of(session, tenant_id, {journey.id: edition(journey)})[journey.id]
        times = {"paused_at": at.paused_at, "pause": at.resumed_at - at.paused_at}
        session.execute(MOVE_WAITS, who | times | {"keys": list(plan), "anew": ANEW})
    session.execute(BACK_ON_THE_CLOCK, who)


def _rebase(session: Session, tenant_id: UUID, at: Row[Any], people: Sequence[Row[Any]], now: datetime) -> None:
    """Park people until the moment the step would give them had they come to it as it is now."""
    journey = session.get_one(Journey, (tenant_id, at.journey_id), populate_existing=True)
    version = journey.published_version or 0
    step = plans_of(session, tenant_id, {journey.id: edition(journey)})[journey.id].get(at.step_key)
    if step is None or step.config is None or not step.kind.rebases:
        return
    # Whose time is over, or who was woken by something else, goes on with that.
    waiting = [one for one in people if one.waiting_until and one.waiting_until > now and one.woken_by is None]
    ids, numbers = array(one.id for one in waiting), array(one.current_step_number for one in waiting)
    asked = {"tenant_id": tenant_id, "ids": ids, "numbers": numbers, "version": version}
    since = {row.enrollment_id: row.entered_at for row in session.execute(ENTERED, asked)}
    facts = facts_of(journey)
    found = _outcomes(session, tenant_id, facts, step, [one for one in waiting if one.id in since], since)
    if not found:
        return
    values = {"tenant_id": tenant_id, "ids": array(walker.enrollment_id for walker in found)}
    # Whom the step would have let go by now goes on at once.
    untils = [outcome.until or now for outcome in found.values()]
    moments = {
        "untils": array(untils),
        "looks": array(one.look_at or until for one, until in zip(found.values(), untils, strict=True)),
        "fors": array(outcome.waits_for for outcome in found.values()),
        "bys": array(_way(outcome) for outcome in found.values()),
    }
    session.execute(WAIT_ANEW, {**values, **moments})
    log = {
        "version": version,
        "numbers": array(walker.step_number for walker in found),
        "results": array(orjson.dumps(outcome.result).decode() for outcome in found.values()),
    }
    session.execute(LOG_ANEW, {**values, **log})


def _way(outcome: Outcome) -> str | None:
    """Return what tells the step by which way to let somebody go whom it would not have made wait."""
    return orjson.dumps({"exit": outcome.exit}).decode() if outcome.exit not in (None, graph.NEXT) else None


def _outcomes(
    session: Session,
    tenant_id: UUID,
    journey: JourneyFacts,
    step: PlannedStep,
    people: Iterable[Row[Any]],
    since: Mapping[UUID, datetime],
) -> dict[Walker, Outcome]:
    """Return what the step would give each had they come to it as it is set now, at the moment they came.

    It is run once for each such moment: those let in together came together. Where it can't be run nothing is given.
    """
    assert step.config is not None
    groups: dict[datetime, list[Walker]] = defaultdict(list)
    for row in people:
        walker = Walker(
            row.id,
            row.customer_id,
            row.current_step_number,
            None,
            row.trigger_data,
            answers=row.answers or {},
            awaited=row.awaited,
        )
        groups[since[row.id]].append(walker)
    found: dict[Walker, Outcome] = {}
    for came, walkers in groups.items():
        batch = StepBatch(
            session=session,
            tenant_id=tenant_id,
            now=came,
            journey=journey,
            step_key=step.key,
            config=step.config,
            walkers=walkers,
        )
        try:
            with session.begin_nested():
                step.kind.run(batch)
        except OperationalError:
            raise
        except Exception:
            # Nobody else must wait for it: they keep the moment they have, and what is wrong fails them then.
            log.exception("Step %s of journey %s can't be counted anew", step.key, journey.id)
        else:
            found |= batch.outcomes
    return found


def passing(
    session: Session, tenant_id: UUID, plan: Plan, step: PlannedStep, walkers: Sequence[Walker]
) -> dict[Walker, Outcome]:
    """Return who passes by a step: a version brought them to it again, and they took it in an earlier one.

    Who stood at it already goes through with it.
    """
    version = plan.once.get(step.key)
    coming = [walker for walker in walkers if not walker.logged]
    if version is None or not coming:
        return {}
    ids = array(walker.enrollment_id for walker in coming)
    asked = {"tenant_id": tenant_id, "ids": ids, "step_key": step.key, "version": version}
    taken = {row.enrollment_id for row in session.execute(TAKEN_BEFORE, asked)}
    way = Outcome(exit=next(iter(step.exits), None), result=PASSED)
    return {walker: way for walker in coming if walker.enrollment_id in taken}
