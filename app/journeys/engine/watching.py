"""What takes people out of a journey, or to a GOAL of it, wherever they stand.

Asked of journeys that have such settings or steps only (`journey.watches`): of those an event is about, when it is
applied, and of everybody the engine moves, before each of their steps.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import Row, any_, select, text
from sqlalchemy.orm import Session

from app.accounts.queries import tenant_info
from app.capture.batch import AppliedEvent, Batch
from app.conditions import InvalidConditions, Tree, asks_nothing, compile_sql
from app.customers.models import Customer
from app.events.facts import worth
from app.infra.arrays import array, uuids
from app.infra.queue import Work, wake
from app.journeys import leaving
from app.journeys.engine import writes
from app.journeys.engine.plan import Plan, PlannedStep, edition, facts_of, plans_of
from app.journeys.payloads import payload_fits, says_same
from app.journeys.step_type import JourneyFacts, Walker, step_types

WATCHING = text("""
    SELECT id, published_version, published_revision, timezone, trigger_type, topic_id, clock, exit_conditions,
        exit_event, exit_on_unsubscribe, goal, goal_days
    FROM journey
    WHERE tenant_id = :tenant_id AND watches AND status IN ('ACTIVE', 'PAUSED') AND published_version IS NOT NULL
      AND (CAST(:only AS uuid) IS NULL OR id = :only)
    ORDER BY id
""")
# Who has left converts as well, within the days of the goal.
PEOPLE = text("""
    SELECT e.id, e.journey_id, e.customer_id, e.status, e.current_step_key, e.current_step_number, e.waiting_until,
        e.trigger_data, e.attempts
    FROM journey_enrollment e
    JOIN unnest(CAST(:journeys AS uuid[]), CAST(:since AS timestamptz[])) AS j(id, since) ON j.id = e.journey_id
    WHERE e.tenant_id = :tenant_id AND e.customer_id = ANY(CAST(:customers AS uuid[]))
        AND (CAST(:only AS uuid[]) IS NULL OR e.id = ANY(CAST(:only AS uuid[])))
        AND (e.status = 'ACTIVE' OR e.converted_at IS NULL AND e.enrolled_at > j.since)
    ORDER BY e.id FOR UPDATE OF e
""")
# A no to everything, or to a channel or topic of what the journey sends, said since they came in.
UNSUBSCRIBED = text("""
    SELECT e.id FROM journey_enrollment e
    WHERE e.tenant_id = :tenant_id AND e.id = ANY(CAST(:ids AS uuid[])) AND EXISTS (
        SELECT FROM consent_change c
        WHERE c.tenant_id = e.tenant_id AND c.customer_id = e.customer_id AND c.changed_at >= e.enrolled_at
            AND c.changed_at <= :now
            AND NOT c.opted_in AND coalesce(c.state, 'unsubscribed') = 'unsubscribed'
            AND c.channel = ANY(CAST(:channels AS text[]))
            AND (c.topic_id IS NULL OR c.topic_id = ANY(CAST(:topics AS uuid[]))
                OR c.topic_id IN (SELECT t.topic_id FROM template t
                    WHERE t.tenant_id = e.tenant_id AND t.id = ANY(CAST(:templates AS uuid[])))))
""")
EVERYTHING = "ALL"
Paid = tuple[Decimal | None, str | None]
NOTHING: Paid = (None, None)


@dataclass(frozen=True, slots=True)
class Watched:
    """An event that leads people somewhere: its type, conditions on what it says, and what it has to say the same."""

    type: str
    conditions: Sequence[Any] = ()
    same: str | None = None

    def fits(self, event: AppliedEvent, watch: "Watch", trigger_data: Mapping[str, Any], now: datetime) -> bool:
        """Return whether it is the event, for somebody whom an event let in that said this."""
        if event.type != self.type:
            return False
        if self.same and not says_same(self.same, (event.type, event.payload), (watch.journey.trigger, trigger_data)):
            return False
        return payload_fits(self.type, list(self.conditions), event.payload, zone=watch.journey.timezone, now=now)


@dataclass(frozen=True, slots=True)
class Watch:
    """What is asked of the people of one journey: conditions by what they lead to, and events that are goals.

    `trees` are by exit reason, or by the key of a GOAL; so are `events`.
    """

    journey: JourneyFacts
    plan: Plan
    unsubscribed: bool
    trees: Mapping[str, Tree]
    events: Mapping[str, Watched]


def watch(tenant_id: UUID, row: Row[Any], journey: JourneyFacts, plan: Plan) -> Watch:
    """Return what is asked of the people of a journey; conditions that can't be asked any more are left out."""
    asked: dict[str, object] = {"exit_condition": row.exit_conditions}
    events: dict[str, Watched] = {}
    goal = row.goal or {}
    if goal.get(leaving.EVENT):
        events["goal"] = Watched(goal[leaving.EVENT], goal.get(leaving.CONDITIONS) or [], goal.get(leaving.SAME))
    else:
        asked["goal"] = goal.get(leaving.CONDITIONS)
    if row.exit_event:
        events["exit_event"] = Watched(row.exit_event[leaving.EVENT], same=row.exit_event.get(leaving.SAME))
    for step in plan.values():
        config: Any = step.config
        if step.kind is step_types().get(leaving.GOAL) and config is not None:
            if config.event_type:
                events[step.key] = Watched(config.event_type)
            else:
                asked[step.key] = config.tree_json
    trees = {name: tree for name, rules in asked.items() if rules and (tree := _tree(tenant_id, rules)) is not None}
    return Watch(journey, plan, row.exit_on_unsubscribe, trees, events)


def _tree(tenant_id: UUID, rules: object) -> Tree | None:
    try:
        tree = leaving.customer_tree(rules, tenant_id=tenant_id)
    except InvalidConditions:
        return None
    return None if asks_nothing(tree) else tree


def who(
    session: Session, tenant_id: UUID, tree: Tree, customer_ids: Sequence[UUID], journey: JourneyFacts, now: datetime
) -> set[UUID]:
    """Return which of these customers the conditions are true of."""
    return _holding(session, tenant_id, {"": tree}, customer_ids, journey, now)[""]


def _holding(
    session: Session,
    tenant_id: UUID,
    trees: Mapping[str, Tree],
    customer_ids: Sequence[UUID],
    journey: JourneyFacts,
    now: datetime,
) -> dict[str, set[UUID]]:
    if not trees or not customer_ids:
        return {name: set() for name in trees}
    zone, currency = ZoneInfo(journey.timezone), tenant_info(tenant_id=tenant_id).currency
    answers = [
        compile_sql(tree, zone=zone, now=now, currency=currency).is_(True).label(f"answer_{at}")
        for at, tree in enumerate(trees.values())
    ]
    asked = select(Customer.id, *answers).where(
        Customer.tenant_id == tenant_id, Customer.id == any_(uuids(customer_ids))
    )
    rows = session.execute(asked).all()
    return {name: {row[0] for row in rows if row[at]} for at, name in enumerate(trees, 1)}


def _unsubscribed(session: Session, tenant_id: UUID, watch: Watch, ids: Sequence[UUID], now: datetime) -> set[UUID]:
    if not watch.unsubscribed or not ids:
        return set()
    send = step_types().get("SEND")
    configs: list[Any] = [step.config for step in watch.plan.values() if step.kind is send and step.config is not None]
    contents = [content for config in configs for content in config.contents()]
    values = {
        "now": now,
        "ids": array(ids),
        "channels": array({EVERYTHING, *(channel for channel, _ in contents)}),
        "topics": array({one for one in (watch.journey.topic_id, *(c.topic_id for c in configs)) if one}),
        "templates": array({template_id for _, template_id in contents}),
    }
    return set(session.scalars(UNSUBSCRIBED, {"tenant_id": tenant_id, **values}))


def ask(
    session: Session,
    tenant_id: UUID,
    watch: Watch,
    step: PlannedStep,
    walkers: Sequence[Walker],
    record: writes.Record,
    now: datetime,
) -> list[Walker]:
    """Take out, or to a GOAL below, whom that is true of before they take a step; return the others."""
    customers = sorted({walker.customer_id for walker in walkers}, key=lambda id: id.int)
    holding = _holding(session, tenant_id, watch.trees, customers, watch.journey, now)
    gone = _unsubscribed(session, tenant_id, watch, [walker.enrollment_id for walker in walkers], now)
    left = []
    for walker in walkers:
        true = {name for name, people in holding.items() if walker.customer_id in people}
        if not _lead(watch, step.key, walker, true, walker.enrollment_id in gone, record, now):
            left.append(walker)
    return left


def _lead(
    watch: Watch,
    key: str,
    walker: Walker,
    true: set[str],
    unsubscribed: bool,
    record: writes.Record,
    now: datetime,
    paid: Paid = NOTHING,
) -> bool:
    """Note where what is true of a person leads them, if anywhere, and return whether it does.

    `paid` is what the event was worth that is the goal of the journey.
    """
    by_event = "exit_event" if "exit_event" in true else "exit_condition"
    reason = "goal" if "goal" in true else "unsubscribed" if unsubscribed else by_event
    if reason in true or unsubscribed:
        if reason == "goal":
            record.converted.append((walker.enrollment_id, *paid))
        record.leave_early(watch.journey.id, key, walker, reason)
        return True
    ahead = [watch.plan[name] for name in true & watch.plan.keys() if name != key and _below(watch.plan, key, name)]
    if not ahead:
        return False
    goal = max(ahead, key=lambda step: (step.rank, step.key))
    told = orjson.dumps({"reached": True, "from": key}).decode()
    record.reach(watch.journey, key, walker, goal, now, told)
    return True


def _below(plan: Plan, key: str, goal: str) -> bool:
    """Return whether a GOAL lies on a way down from a step."""
    seen: set[str] = set()
    ahead = [key]
    while ahead:
        at = ahead.pop()
        if at == goal:
            return True
        if at not in seen and at in plan:
            seen.add(at)
            ahead += [target for target in plan[at].exits.values() if target is not None]
    return False


def on_events(
    session: Session, batch: Batch, entered: Mapping[UUID, UUID] | None = None, only: UUID | None = None
) -> None:
    """Take out, or to a GOAL, those whom the events of a batch are about, inside the transaction that applies them.

    With `entered`, the enrollments the batch made by the event that let them in: those only, by what came after it.
    With `only`, those of that journey.
    """
    happened: dict[UUID, list[AppliedEvent]] = defaultdict(list)
    for event in batch.events:
        happened[event.customer_id].append(event)
    touched = (set(happened) | batch.consent_changed) - set(batch.merged)
    if entered is not None:
        touched = {one for one in touched if len(happened[one]) > 1} if entered else set()
    watching = {"tenant_id": batch.tenant_id, "only": only}
    rows = session.execute(WATCHING, watching).all() if touched else []
    if not rows:
        return
    since = [batch.now - timedelta(days=row.goal_days or leaving.MAX_DAYS) if row.goal else None for row in rows]
    values = {"journeys": array(row.id for row in rows), "since": array(since), "customers": array(sorted(touched))}
    made = None if entered is None else array(entered)
    people: dict[UUID, list[Row[Any]]] = defaultdict(list)
    for person in session.execute(PEOPLE, {"tenant_id": batch.tenant_id, "only": made, **values}):
        people[person.journey_id].append(person)
    concerned = [row for row in rows if row.id in people]
    plans = plans_of(session, batch.tenant_id, {row.id: edition(row) for row in concerned})
    record = writes.Record()
    for row in concerned:
        facts_ = facts_of(row)
        _touch(
            session,
            batch,
            watch(batch.tenant_id, row, facts_, plans[row.id]),
            people[row.id],
            happened,
            record,
            entered or {},
        )
    if record.states or record.converted:
        writes.write(session, batch.tenant_id, batch.now, record)
        wake(Work.ADVANCE_JOURNEYS, batch.tenant_id)


def _touch(
    session: Session,
    batch: Batch,
    watch: Watch,
    people: Sequence[Row[Any]],
    happened: Mapping[UUID, Sequence[AppliedEvent]],
    record: writes.Record,
    entered: Mapping[UUID, UUID],
) -> None:
    customers = sorted({person.customer_id for person in people})
    holding = _holding(session, batch.tenant_id, watch.trees, customers, watch.journey, batch.now)
    inside = [person.id for person in people if person.status == "ACTIVE"]
    gone = _unsubscribed(session, batch.tenant_id, watch, inside, batch.now)
    for person in people:
        true = {name for name, found in holding.items() if person.customer_id in found}
        events = happened.get(person.customer_id, ())
        if person.id in entered:
            events = events[[event.id for event in events].index(entered[person.id]) + 1 :]
        paid = NOTHING
        for name, asked in watch.events.items():
            fits = (one for one in events if asked.fits(one, watch, person.trigger_data, batch.now))
            if (first := next(fits, None)) is not None:
                true.add(name)
                paid = worth(first.type, first.payload) if name == "goal" else paid
        if person.status != "ACTIVE":
            record.converted += [(person.id, *paid)] if "goal" in true else []
        elif person.current_step_key in watch.plan:
            walker = Walker(
                person.id,
                person.customer_id,
                person.current_step_number,
                person.waiting_until,
                person.trigger_data,
                attempts=person.attempts,
            )
            _lead(watch, person.current_step_key, walker, true, person.id in gone, record, batch.now, paid)
