"""Letting people in: by events that match a journey's trigger, or by hand.

Which journeys an event concerns is asked of Postgres for every batch; no process remembers it. Every enrolment locks
its journey first, so that limits and "once only" hold whatever runs at the same time.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.capture.batch import AppliedEvent, Batch
from app.events.facts import facts
from app.events.places import places
from app.events.types.journeys import ENDS
from app.events.types.segments import MOVES
from app.infra import clock
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.errors import Conflict, Invalid, NotFound
from app.infra.ids import new_id
from app.infra.queue import Work, wake
from app.journeys.drafts import WrongStatus
from app.journeys.engine import anew, circles, waking, watching
from app.journeys.engine.exits import exit_customers
from app.journeys.engine.writes import LOCK_JOURNEYS, Where, move_counters
from app.journeys.graph import storable
from app.journeys.payloads import payload_fits
from app.journeys.queries import NoSuchJourney
from app.journeys.reentry import AFTER_DAYS, EACH, NEVER, entry_key
from app.journeys.step_type import MANUAL

MAX_BY_HAND = 10_000
MAX_DATA = 16_000
"""The bytes of JSON that may be known of somebody who is let in by hand."""
NOBODY = "There is no such customer, or no such journey."

# A paused one takes nobody in; who walks in it for a booking, say, is told of its other date all the same.
LISTENING = text("""
    SELECT id, club_id, trigger_type, trigger_config, timezone, status FROM journey
    WHERE tenant_id = :tenant_id AND trigger_type = ANY(:types)
      AND status IN ('ACTIVE', 'PAUSED') AND (status = 'ACTIVE' OR reentry = 'each')
      AND (CAST(:only AS uuid) IS NULL OR id = :only)
    ORDER BY id
""")

STATUS = text("SELECT status FROM journey WHERE tenant_id = :tenant_id AND id = :id")

CLUBS_OF = text("SELECT id, club_id FROM customer WHERE tenant_id = :tenant_id AND id = ANY(:ids)")

OPEN = text("""
    SELECT j.id, j.reentry, j.reentry_days, j.reentry_key, j.published_version,
           v.graph #>> '{steps,0,key}' AS first_key,
           CAST(date_trunc('week', CAST(:now AS timestamptz) AT TIME ZONE j.timezone) AS date) AS week
    FROM journey j JOIN journey_version v
        ON v.tenant_id = j.tenant_id AND v.journey_id = j.id AND v.number = j.published_version
    WHERE j.tenant_id = :tenant_id AND j.id = ANY(:ids) AND j.status = 'ACTIVE'
""")

# Runs under the locks of its journeys, so what it looks at can't change before it commits.
ENROL = text("""
    WITH candidate AS (
        SELECT * FROM unnest(
            CAST(:journeys AS uuid[]), CAST(:customers AS uuid[]), CAST(:entries AS text[]), CAST(:events AS uuid[]),
            CAST(:payloads AS text[])
        ) WITH ORDINALITY AS candidate(journey_id, customer_id, entry, event_id, payload, place)
        JOIN unnest(
            CAST(:ids AS uuid[]), CAST(:keys AS text[]), CAST(:rules AS text[]), CAST(:since AS timestamptz[]),
            CAST(:weeks AS date[]), CAST(:versions AS int[])
        ) AS open(id, first_key, rule, since, week, version) ON open.id = candidate.journey_id
    ), fresh AS (
        SELECT candidate.*, row_number() OVER (PARTITION BY journey_id ORDER BY place) AS turn
        FROM candidate
        JOIN customer ON customer.tenant_id = :tenant_id AND customer.id = candidate.customer_id
        WHERE customer.status = 'ACTIVE' AND NOT EXISTS (
            SELECT FROM journey_enrollment e
            WHERE e.tenant_id = :tenant_id AND e.journey_id = candidate.journey_id
              AND e.customer_id = candidate.customer_id
              AND (candidate.rule = 'never' OR e.entry = candidate.entry OR e.enrolled_at > candidate.since
                  OR candidate.rule <> 'each' AND e.status = 'ACTIVE'))
    ), room AS (
        SELECT id, max_enrollments - (
            SELECT count(*) FROM journey_enrollment e
            WHERE e.tenant_id = journey.tenant_id AND e.journey_id = journey.id AND e.status = 'ACTIVE') AS free
        FROM journey WHERE tenant_id = :tenant_id AND id = ANY(:limited) AND max_enrollments IS NOT NULL
    )
    INSERT INTO journey_enrollment (tenant_id, journey_id, customer_id, entry, current_step_key, current_step_number,
                                    due_at, enrolled_at, trigger_event_id, trigger_data, entered_week,
                                    entered_version)
    SELECT :tenant_id, journey_id, customer_id, entry, first_key, 1, :now, :now, event_id, CAST(payload AS jsonb),
           week, version
    FROM fresh LEFT JOIN room ON room.id = fresh.journey_id
    WHERE room.id IS NULL OR turn <= free
    ORDER BY place
    ON CONFLICT DO NOTHING
    RETURNING id, journey_id, customer_id, trigger_event_id
""")


PEOPLE = text("""
    SELECT c.id, c.status, j.status AS journey, j.reentry, j.reentry_days, j.reentry_key, count(e.id) AS walks,
           count(e.id) FILTER (WHERE e.status = 'ACTIVE') > 0 AS walking, j.max_enrollments <= (
               SELECT count(*) FROM journey_enrollment o
               WHERE o.tenant_id = j.tenant_id AND o.journey_id = j.id AND o.status = 'ACTIVE') AS full
    FROM customer c JOIN journey j ON j.tenant_id = c.tenant_id AND j.id = :journey_id
    LEFT JOIN journey_enrollment e
        ON e.tenant_id = c.tenant_id AND e.customer_id = c.id AND e.journey_id = j.id
    WHERE c.tenant_id = :tenant_id AND c.id = ANY(CAST(:customers AS uuid[]))
    GROUP BY c.id, c.status, j.tenant_id, j.id, j.status, j.reentry, j.reentry_days, j.reentry_key,
        j.max_enrollments
""")


class NoSuchPerson(NotFound):
    """There is no customer with this id."""

    def __init__(self) -> None:
        super().__init__("There is no such customer.", "customer_id")


class NotAdmitted(Conflict):
    """The customer can't enter the journey now; the message says why."""


class Candidate(NamedTuple):
    """Somebody whom something would let into a journey; `entry` names the cause, for journeys with re-entry.

    `by_itself`: a segment or a journey did it, and not the customer or somebody of the club. `type` and `occurred_at`
    are the event's.
    """

    journey_id: UUID
    customer_id: UUID
    entry: str
    event_id: UUID | None
    payload: dict[str, Any]
    by_itself: bool = False
    type: str = MANUAL
    occurred_at: datetime | None = None


class Listening(NamedTuple):
    """What of a journey says which events let people in; `trigger_config` as its row has it."""

    id: UUID
    club_id: UUID | None
    trigger_type: str
    trigger_config: Mapping[str, Any]
    timezone: str
    status: str = "ACTIVE"


def on_events(batch: Batch, only: UUID | None = None) -> None:
    """Wake who waits for the events of a batch and let in whom they let in, inside the transaction that applies them.

    People who were merged into another profile leave the journeys they were in, and who reached a goal or meets what
    lets people leave goes there or out. `only`: this journey alone is told of them.
    """
    with transaction(batch.tenant_id) as session:
        if batch.merged:
            exit_customers(tenant_id=batch.tenant_id, customer_ids=list(batch.merged), reason="merged", now=batch.now)
        # People before counters, which the other one moves; who leaves is out, whatever woke them.
        waking.wake_by_events(session, batch, only)
        types = sorted({event.type for event in batch.events})
        listening = session.execute(LISTENING, {"tenant_id": batch.tenant_id, "types": types, "only": only}).all()
        candidates = _candidates(session, batch, listening) if listening else []
        if candidates:
            anew.tell(session, batch.tenant_id, candidates, batch.now)
        watching.on_events(session, batch, only=only)
        active = {journey.id for journey in listening if journey.status == "ACTIVE"}
        if active:
            entering = [one for one in candidates if one.journey_id in active]
            made = enrol(session, batch.tenant_id, entering, batch.now)
            watching.on_events(session, batch, {row.id: row.trigger_event_id for row in made}, only)


def enrol_manually(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    customer_ids: Sequence[UUID],
    data: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> dict[UUID, UUID]:
    """Let customers into an ACTIVE journey by hand, whatever its trigger; return the enrollments made, by customer.

    `data` is what templates call `event`, as the payload is of an event that lets people in.

    Customers who don't exist, are in it already, were in it before (without re-entry) or find it full are left out.
    Raises NoSuchJourney, WrongStatus, or Invalid for too many at once.
    """
    if len(customer_ids) > MAX_BY_HAND:
        raise Invalid({"customer_id": f"Enrol at most {MAX_BY_HAND} people at once."})
    told = dict(data or {})
    if not storable(told) or len(orjson.dumps(told)) > MAX_DATA:
        raise Invalid({"data": f"Give at most {MAX_DATA} bytes, without what can't be stored as JSON."})
    with transaction(tenant_id) as session:
        session.execute(LOCK_JOURNEYS, {"tenant_id": tenant_id, "ids": [journey_id]})
        status = session.scalar(STATUS, {"tenant_id": tenant_id, "id": journey_id})
        if status is None:
            raise NoSuchJourney
        if status != "ACTIVE":
            raise WrongStatus(
                f"People can enter an active journey only; this one is {status.lower()}. Activate it first."
            )
        cause = f"manual:{new_id()}"
        candidates = [
            Candidate(journey_id, customer_id, f"{cause}:{index}", None, told)
            for index, customer_id in enumerate(dict.fromkeys(customer_ids))
        ]
        rows = enrol(session, tenant_id, candidates, now or clock.now())
        return {row.customer_id: row.id for row in rows}


def enrol_one(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    customer_id: UUID,
    data: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> UUID:
    """Let one customer into an ACTIVE journey by hand, with `data`, and return the enrollment's id.

    Raises NoSuchJourney, WrongStatus, NoSuchPerson, Invalid for such data, or NotAdmitted with the reason.
    """
    with transaction(tenant_id) as session:
        made = enrol_manually(
            tenant_id=tenant_id, journey_id=journey_id, customer_ids=[customer_id], data=data, now=now
        )
        if customer_id in made:
            return made[customer_id]
        reason = why_not(session, tenant_id, journey_id, [customer_id])[customer_id]
    if reason == NOBODY:
        raise NoSuchPerson
    raise NotAdmitted(reason)


def why_not(
    session: Session, tenant_id: UUID, journey_id: UUID, customer_ids: Collection[UUID], *, by_itself: bool = False
) -> dict[UUID, str]:
    """Return why each of these customers, who were not let in, can't enter a journey (`by_itself`: see Candidate)."""
    if not customer_ids:
        return {}
    values = {"tenant_id": tenant_id, "journey_id": journey_id, "customers": array(customer_ids)}
    found = {row.id: _why_not(row, by_itself) for row in session.execute(PEOPLE, values)}
    return {one: found.get(one, NOBODY) for one in customer_ids}


def _why_not(person: Row[Any], by_itself: bool) -> str:
    if person.status != "ACTIVE":
        return "This profile was merged into another one. Enrol that one."
    if person.journey != "ACTIVE":
        return f"People can enter an active journey only; this one is {person.journey.lower()}."
    if person.walking and person.reentry != EACH:
        return "This customer is in the journey already."
    if person.walks and person.reentry == NEVER:
        return "This customer has been in the journey before, and it allows nobody in twice."
    if person.full:
        return "The journey is full: it has as many people in it as its settings allow."
    if person.walks and person.reentry == AFTER_DAYS:
        days = f"less than {person.reentry_days} days ago"
        return f"This customer came into the journey {days}, and it allows nobody in again sooner."
    if person.reentry == EACH and (not by_itself or person.walking or person.walks < circles.MOST):
        return f"This customer has been in it for the same “{person.reentry_key}” already."
    return circles.REASON


def enrol(session: Session, tenant_id: UUID, candidates: Iterable[Candidate], now: datetime) -> Sequence[Row[Any]]:
    """Let in those candidates who may enter, with one statement; return a row of each."""
    asking = list(candidates)
    if not asking:
        return []
    wanted = {"tenant_id": tenant_id, "ids": sorted({one.journey_id for one in asking})}
    # Read only after the lock: a row that changed while it was waited for would drop out of the join.
    session.execute(LOCK_JOURNEYS, wanted)
    open_now = {row.id: row for row in session.execute(OPEN, {**wanted, "now": now})}
    entering = _first_of_each(asking, open_now)
    coming_and_going = [one for one in entering if one.by_itself and open_now[one.journey_id].reentry != NEVER]
    if coming_and_going:
        refused = circles.refuse(
            session, tenant_id, [(one.journey_id, one.customer_id, one.event_id) for one in coming_and_going], now
        )
        entering = [one for one in entering if (one.journey_id, one.customer_id) not in refused]
    if not entering:
        return []
    journeys = open_now.values()
    rows = session.execute(
        ENROL,
        {
            "tenant_id": tenant_id,
            "now": now,
            "limited": list(open_now),
            "ids": array(open_now),
            "keys": array(row.first_key for row in journeys),
            "rules": array(row.reentry for row in journeys),
            "since": array(now - _days(row) if row.reentry == AFTER_DAYS else None for row in journeys),
            "weeks": array(row.week for row in journeys),
            "versions": array(row.published_version for row in journeys),
            "journeys": array(one.journey_id for one in entering),
            "customers": array(one.customer_id for one in entering),
            "entries": array(one.entry for one in entering),
            "events": array(one.event_id for one in entering),
            "payloads": array(orjson.dumps(one.payload, default=str).decode() for one in entering),
        },
    ).all()
    if not rows:
        return []
    entered = Counter(row.journey_id for row in rows)
    totals = {journey_id: {"enrolled": count} for journey_id, count in entered.items()}
    counts: dict[Where, dict[str, int]] = {
        (journey_id, open_now[journey_id].first_key): {"entered": count, "active": count}
        for journey_id, count in entered.items()
    }
    cohorts = {
        (journey_id, open_now[journey_id].week, open_now[journey_id].published_version): {"entered": count}
        for journey_id, count in entered.items()
    }
    move_counters(session, tenant_id, totals, counts, cohorts=cohorts)
    wake(Work.ADVANCE_JOURNEYS, tenant_id)
    return rows


def _first_of_each(asking: Sequence[Candidate], open_now: Mapping[UUID, Row[Any]]) -> list[Candidate]:
    """Return the candidates of journeys that are open with the keys of their walks; of equals the first.

    Where they are for the same booking, say, it goes by what the one says that happened last (`anew`).
    """
    first: dict[tuple[UUID, UUID, str], Candidate] = {}
    for one in asking:
        if (journey := open_now.get(one.journey_id)) is None:
            continue
        said = facts(one.type, one.payload) if journey.reentry == EACH else {}
        entry = entry_key(journey.reentry, journey.reentry_key, one.entry, said)
        alone = entry if journey.reentry == EACH else ""
        key = (one.journey_id, one.customer_id, alone)
        known = first.setdefault(key, one._replace(entry=entry))
        if alone and not (one.occurred_at and known.occurred_at and one.occurred_at < known.occurred_at):
            first[key] = known._replace(payload=one.payload, occurred_at=one.occurred_at)
    return list(first.values())


def _days(journey: Row[Any]) -> timedelta:
    return timedelta(days=journey.reentry_days)


def _candidates(session: Session, batch: Batch, listening: Sequence[Row[Any]]) -> list[Candidate]:
    by_type: dict[str, list[Row[Any]]] = defaultdict(list)
    for journey in listening:
        by_type[journey.trigger_type].append(journey)
    concerned = [event for event in batch.events if event.type in by_type]
    clubs = _Clubs(session, batch.tenant_id, concerned, any(journey.club_id for journey in listening))
    return [
        _candidate(journey.id, event)
        for event in concerned
        for journey in by_type[event.type]
        if clubs.fit(journey.club_id, event) and _matches(journey, event, batch.now)
    ]


def letting_in(
    session: Session, tenant_id: UUID, journey_id: UUID, events: Sequence[AppliedEvent]
) -> list[AppliedEvent]:
    """Return those of past events that an ACTIVE journey would have taken when each happened."""
    types = sorted({event.type for event in events})
    asked = {"tenant_id": tenant_id, "types": types, "only": journey_id}
    journey = session.execute(LISTENING, asked).one_or_none()
    if journey is None or journey.status != "ACTIVE":
        return []
    return taken(session, tenant_id, Listening(*journey), events)


def taken(session: Session, tenant_id: UUID, journey: Listening, events: Sequence[AppliedEvent]) -> list[AppliedEvent]:
    """Return those of past events of a journey's trigger that it would have taken when each happened."""
    clubs = _Clubs(session, tenant_id, events, journey.club_id is not None)
    return [
        event for event in events if clubs.fit(journey.club_id, event) and _matches(journey, event, event.occurred_at)
    ]


def _candidate(journey_id: UUID, event: AppliedEvent) -> Candidate:
    by_itself = event.type in (*MOVES, *ENDS)
    return Candidate(
        journey_id,
        event.customer_id,
        str(event.id),
        event.id,
        event.payload,
        by_itself,
        event.type,
        event.occurred_at,
    )


class _Clubs:
    """Which clubs an event concerns: the one it names, and the customer's."""

    def __init__(self, session: Session, tenant_id: UUID, events: Collection[AppliedEvent], asked: bool) -> None:
        self.of: dict[UUID, UUID | None] = {}
        if asked:
            ids = sorted({event.customer_id for event in events})
            rows = session.execute(CLUBS_OF, {"tenant_id": tenant_id, "ids": ids})
            self.of = {row.id: row.club_id for row in rows}
            self.names = places(session, tenant_id)

    def fit(self, club_id: UUID | None, event: AppliedEvent) -> bool:
        """Return whether a journey of that club (None: of all) takes the event; the club it names goes first."""
        if club_id is None:
            return True
        named = event.payload.get("club")
        said = self.names.club_id(named) or event.payload.get("club_id")
        return str(said or self.of.get(event.customer_id)) == str(club_id)


def _matches(journey: Row[Any] | Listening, event: AppliedEvent, now: datetime) -> bool:
    about = "segment_id" if event.type in MOVES else "journey_id" if event.type in ENDS else None
    if about and journey.trigger_config.get(about) != event.payload.get(about):
        return False
    config = journey.trigger_config
    return payload_fits(event.type, config.get("conditions"), event.payload, zone=journey.timezone, now=now)
