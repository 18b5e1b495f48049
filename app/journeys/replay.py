"""A stretch of the past as a journey would have met it: whom its trigger concerned, and what then happened with them.

What is asked of is what is kept: the log of activities, when people entered and left segments and other journeys, and
the dates people have today.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, BigInteger, Select, Text, Uuid, any_, cast, func, literal, select, text
from sqlalchemy.orm import Session

from app.capture.batch import AppliedEvent, Batch
from app.customers.models import Customer
from app.events.types.journeys import COMPLETED, ENDS
from app.events.types.segments import ENTERED, MOVES
from app.infra.arrays import array
from app.infra.clock import instant
from app.journeys import leaving
from app.journeys.engine import enrol, timed
from app.journeys.engine.enrol import Candidate
from app.journeys.graph import TRIGGER, Graph
from app.journeys.models import Journey
from app.journeys.step_type import MANUAL
from app.journeys.timed import TIMED, DateTrigger, Schedule

LOOKED_AT, TOGETHER = 20_000, 500
"""The people whose events are read to find whom the trigger lets in; of more, so many at random. So many at once."""
EVENTS = 200_000
"""After so many events nobody else's are read."""

_DONE = """
    SELECT customer_id, occurred_at AS at, id, payload, source FROM activity
    WHERE tenant_id = :tenant_id AND type = :type AND private_to IS NULL AND occurred_at >= :since
      AND occurred_at < :until
"""
# Who is in a segment has no event of it; the id is made of what it would be.
_MOVED = """
    SELECT m.customer_id, m.at, CAST(md5(concat_ws(':', m.segment_id, m.customer_id, m.at)) AS uuid) AS id,
        jsonb_build_object('segment_id', m.segment_id, 'segment', s.name) AS payload, 'fairway' AS source
    FROM ({moves}) AS m JOIN segment s ON s.tenant_id = :tenant_id AND s.id = m.segment_id
    WHERE m.segment_id = :segment_id AND m.at >= :since AND m.at < :until
"""
_ENTERED = _MOVED.format(
    moves="""
    SELECT segment_id, customer_id, entered_at AS at FROM segment_member WHERE tenant_id = :tenant_id
    UNION ALL SELECT segment_id, customer_id, entered_at FROM segment_past_member WHERE tenant_id = :tenant_id
"""
)
_LEFT = _MOVED.format(
    moves="""
    SELECT segment_id, customer_id, left_at AS at FROM segment_past_member WHERE tenant_id = :tenant_id
"""
)
_ENDED = """
    SELECT e.customer_id, coalesce(e.completed_at, e.exited_at) AS at, e.id,
        jsonb_build_object('journey_id', j.id, 'journey', j.name, 'reason', e.exit_reason) AS payload,
        'fairway' AS source
    FROM journey_enrollment e JOIN journey j ON j.tenant_id = e.tenant_id AND j.id = e.journey_id
    WHERE e.tenant_id = :tenant_id AND e.journey_id = :journey_id AND e.status <> 'ACTIVE'
      AND (e.status = 'COMPLETED') = :completed
      AND coalesce(e.completed_at, e.exited_at) >= :since AND coalesce(e.completed_at, e.exited_at) < :until
"""
_BY_HAND = """
    SELECT customer_id, enrolled_at AS at, id, trigger_data AS payload, 'fairway' AS source FROM journey_enrollment
    WHERE tenant_id = :tenant_id AND journey_id = :journey_id AND trigger_event_id IS NULL
      AND enrolled_at >= :since AND enrolled_at < :until
"""
# Who was in the segment at each of the moments, or anybody who was a customer by then.
_AT_MOMENTS = """
    SELECT c.id AS customer_id, m.at, c.id, CAST('{{}}' AS jsonb) AS payload, 'fairway' AS source
    FROM customer c {members} JOIN unnest(CAST(:moments AS timestamptz[])) AS m(at) ON c.created_at <= m.at {inside}
    WHERE c.tenant_id = :tenant_id AND (CAST(:club_id AS uuid) IS NULL OR c.club_id = :club_id)
"""
# The same at any of the moments, without a row for each.
_AT_ANY = """
    SELECT c.id AS customer_id FROM customer c {members}
    WHERE c.tenant_id = :tenant_id AND (CAST(:club_id AS uuid) IS NULL OR c.club_id = :club_id)
      AND c.created_at <= CAST(:last AS timestamptz) {inside}
"""
_MEMBERS = """
    JOIN (SELECT segment_id, customer_id, entered_at, NULL AS left_at FROM segment_member WHERE tenant_id = :tenant_id
        UNION ALL
        SELECT segment_id, customer_id, entered_at, left_at FROM segment_past_member WHERE tenant_id = :tenant_id
    ) AS s ON s.customer_id = c.id AND s.segment_id = :segment_id
"""
_INSIDE = "AND s.entered_at <= m.at AND (s.left_at IS NULL OR s.left_at > m.at)"
_INSIDE_AT_ANY = f"""
    AND EXISTS (SELECT FROM unnest(CAST(:moments AS timestamptz[])) AS m(at) WHERE c.created_at <= m.at {_INSIDE})
"""
# By a number made of the id and a seed: whoever comes first by that is anybody, and the same ones under the same seed.
_WHO = """
    SELECT one.customer_id, count(*) OVER () AS total
    FROM (SELECT DISTINCT found.customer_id FROM ({found}) AS found) AS one
    JOIN customer ON customer.tenant_id = :tenant_id AND customer.id = one.customer_id AND customer.status = 'ACTIVE'
    ORDER BY hashtextextended(one.customer_id::text, :seed), one.customer_id LIMIT :most
"""
_OF_THESE = """
    SELECT found.* FROM ({found}) AS found WHERE found.customer_id = ANY(CAST(:customers AS uuid[]))
    ORDER BY found.at, found.id
"""
_MEANWHILE = text("""
    SELECT customer_id, occurred_at AS at, id, type, payload, source FROM activity
    WHERE tenant_id = :tenant_id AND customer_id = ANY(CAST(:customers AS uuid[])) AND type = ANY(:types)
      AND private_to IS NULL AND occurred_at >= :since AND occurred_at <= :now
    ORDER BY occurred_at, id
""")
_SAID = text("""
    SELECT customer_id, changed_at AS at FROM consent_change
    WHERE tenant_id = :tenant_id AND customer_id = ANY(CAST(:customers AS uuid[])) AND NOT opted_in
      AND changed_at >= :since AND changed_at <= :now
    ORDER BY changed_at
""")
_SHUT = text("UPDATE journey SET trigger_type = 'MANUAL' WHERE tenant_id = :tenant_id AND id = :id")

Row = Any
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` to before `until`; `now` is up to when what happened is known."""

    since: datetime
    until: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Concerned:
    """Whom the trigger would have let in: some of about `total`, in an order that is left to chance."""

    customer_ids: Sequence[UUID]
    total: int


class Replay:
    """The past of one journey's trigger, asked in the transaction of a rehearsal with the journey's copy."""

    def __init__(self, session: Session, copy: Journey, original: UUID, period: Period) -> None:
        self.session, self.copy, self.original, self.period = session, copy, original, period
        self.config = timed.config_of(copy)

    def concerned(self, seed: int, most: int) -> Concerned:
        """Return up to `most` people whom the trigger would have let in, and about how many those are in all.

        Where it asks for more than the kind of event, the events of LOOKED_AT people at random are looked at.
        """
        if isinstance(self.config, DateTrigger):
            return self._with_dates(seed, most)
        found, values = self._found()
        if isinstance(self.config, Schedule):
            inside = _INSIDE_AT_ANY if self.config.segment_id else ""
            found = _AT_ANY.format(members=_MEMBERS if inside else "", inside=inside)
        asked = text(_WHO.format(found=found))
        by_event = self.copy.trigger_type not in (*TIMED, MANUAL)
        rows = self.session.execute(asked, values | {"seed": seed, "most": LOOKED_AT if by_event else most}).all()
        ids, total = [row.customer_id for row in rows], rows[0].total if rows else 0
        if not by_event:
            return Concerned(ids, total)
        entering: set[UUID] = set()
        looked = read = 0
        while looked < len(ids) and read < EVENTS:
            part = ids[looked : looked + TOGETHER]
            events = [self._event(row, self.copy.trigger_type) for row in self._of(part)]
            fitting = enrol.letting_in(self.session, self.copy.tenant_id, self.copy.id, events)
            entering |= {event.customer_id for event in fitting}
            looked, read = looked + len(part), read + len(events)
        share = len(entering) / max(looked, 1)
        return Concerned([one for one in ids if one in entering][:most], round(total * share))

    def past(self, customer_ids: Sequence[UUID], graph: Graph) -> "Past":
        """Return what happened with these people: what lets them in, what steps may wait for, what they said no to."""
        type_ = self.copy.trigger_type
        arrivals: list[tuple[datetime, Candidate]] = []
        events: list[AppliedEvent] = []
        waited = _waited_for(self.copy, graph)
        if isinstance(self.config, DateTrigger):
            arrivals = self._dated(customer_ids, self.config)
        elif isinstance(self.config, Schedule):
            arrivals = [(row.at, self._scheduled(row)) for row in self._of(customer_ids)]
        elif type_ == MANUAL:
            arrivals = [
                (row.at, Candidate(self.copy.id, row.customer_id, f"manual:{row.id}", None, row.payload))
                for row in self._of(customer_ids)
            ]
        elif type_ in (*MOVES, *ENDS):
            events = [self._event(row, type_) for row in self._of(customer_ids)]
        else:
            waited = {*waited, type_}
        asked = {
            "tenant_id": self.copy.tenant_id,
            "customers": array(customer_ids),
            "types": sorted(waited),
            "since": self.period.since,
            "now": self.period.now,
        }
        meanwhile = self.session.execute(_MEANWHILE, asked).all() if waited else []
        events += [self._event(row, row.type) for row in meanwhile]
        said = self.session.execute(_SAID, asked).all() if self.copy.exit_on_unsubscribe else []
        return Past(
            self.session,
            self.copy,
            self.period.until,
            deque((one.occurred_at, one) for one in sorted(events, key=lambda one: one.occurred_at)),
            deque(sorted(arrivals, key=lambda one: one[0])),
            deque((row.at, row.customer_id) for row in said),
        )

    def _found(self) -> tuple[str, dict[str, Any]]:
        """Return the statement for what lets people in, and its values."""
        copy, config = self.copy, self.config
        values: dict[str, Any] = {
            "tenant_id": copy.tenant_id,
            "type": copy.trigger_type,
            "since": self.period.since,
            "until": self.period.until,
            "journey_id": self.original if copy.trigger_type == MANUAL else copy.trigger_config.get("journey_id"),
            "segment_id": copy.trigger_config.get("segment_id"),
            "completed": copy.trigger_type == COMPLETED,
        }
        if isinstance(config, Schedule):
            moments = [moment for moment, _ in self._times(config)]
            values |= {"moments": array(moments), "last": max(moments, default=None)}
            values |= {"club_id": copy.club_id, "segment_id": config.segment_id}
            parts = {"members": _MEMBERS, "inside": _INSIDE} if config.segment_id else {"members": "", "inside": ""}
            return _AT_MOMENTS.format(**parts), values
        if copy.trigger_type == MANUAL:
            return _BY_HAND, values
        if copy.trigger_type in ENDS:
            return _ENDED, values
        if copy.trigger_type in MOVES:
            return _ENTERED if copy.trigger_type == ENTERED else _LEFT, values
        return _DONE, values

    def _of(self, customer_ids: Sequence[UUID]) -> Sequence[Row]:
        found, values = self._found()
        asked = text(_OF_THESE.format(found=found))
        return self.session.execute(asked, values | {"customers": array(customer_ids)}).all()

    def _event(self, row: Row, type_: str) -> AppliedEvent:
        return AppliedEvent(row.id, type_, row.source, row.at, row.payload or {}, row.customer_id, is_new=False)

    def _times(self, config: Schedule) -> list[tuple[datetime, datetime]]:
        """Return the moments of a schedule in the period with their local times."""
        zone = ZoneInfo(self.copy.timezone)
        last = self.period.until.astimezone(zone).date()
        told = ((instant(local, zone), local) for local in config.local_times(last))
        return [one for one in told if self.period.since <= one[0] < self.period.until]

    def _scheduled(self, row: Row) -> Candidate:
        return timed.scheduled(self.copy.id, row.customer_id, row.at.astimezone(ZoneInfo(self.copy.timezone)))

    def _dates(self) -> Select[Any] | None:
        """Return the statement for who has a date in the period, a row for each; None: it is nobody's."""
        assert isinstance(self.config, DateTrigger)
        last = self.period.until - timedelta(microseconds=1)
        wanted = timed.by_date(self.copy, self.config, self.period.since, last)
        return None if wanted is None else timed.of_journey(self.copy, wanted)

    def _with_dates(self, seed: int, most: int) -> Concerned:
        wanted = self._dates()
        if wanted is None:
            return Concerned([], 0)
        one = wanted.with_only_columns(Customer.id).distinct().subquery("one")
        chance = func.hashtextextended(cast(one.c.id, Text()), cast(seed, BigInteger()))
        asked = select(one.c.id, func.count().over().label("total")).order_by(chance, one.c.id).limit(most)
        rows = self.session.execute(asked).all()
        return Concerned([row.id for row in rows], rows[0].total if rows else 0)

    def _dated(self, customer_ids: Sequence[UUID], config: DateTrigger) -> list[tuple[datetime, Candidate]]:
        wanted, clock = self._dates(), time.fromisoformat(config.time)
        if wanted is None:
            return []
        theirs = Customer.id == any_(cast(literal(array(customer_ids), Text()), ARRAY(Uuid())))
        return [
            (
                instant(datetime.combine(row.day, clock), ZoneInfo(row.zone)),
                timed.dated(self.copy.id, row.id, row.occurs, config),
            )
            for row in self.session.execute(wanted.where(theirs))
        ]


@dataclass(slots=True)
class Past:
    """What happened with some people, in the order it did: the feed of a rehearsal (`rehearsal.Feed`).

    Events up to `until` let people in, later ones only wake or take out who is inside.
    """

    session: Session
    copy: Journey
    until: datetime
    events: deque[tuple[datetime, AppliedEvent]]
    arrivals: deque[tuple[datetime, Candidate]]
    said: deque[tuple[datetime, UUID]]
    shut: bool = field(default=False)

    def next(self) -> datetime | None:
        """Return when the next of it happened, None where nothing more did."""
        return min((some[0][0] for some in (self.events, self.arrivals, self.said) if some), default=None)

    def happen(self, now: datetime) -> None:
        """Tell the journey of what happened by a moment."""
        self._tell(now, min(now, self.until - timedelta(microseconds=1)))
        if now >= self.until:
            if not self.shut:
                self.session.execute(_SHUT, {"tenant_id": self.copy.tenant_id, "id": self.copy.id})
                self.shut = True
            self._tell(now, now)

    def _tell(self, now: datetime, by: datetime) -> None:
        events, arrivals, said = _taken(self.events, by), _taken(self.arrivals, by), _taken(self.said, by)
        if events or said:
            batch = Batch(self.copy.tenant_id, now, events=events, consent_changed=set(said))
            enrol.on_events(batch, only=self.copy.id)
        if arrivals:
            enrol.enrol(self.session, self.copy.tenant_id, arrivals, now)


def _taken(waiting: deque[tuple[datetime, T]], by: datetime) -> list[T]:
    taken = []
    while waiting and waiting[0][0] <= by:
        taken.append(waiting.popleft()[1])
    return taken


def _waited_for(copy: Journey, graph: Graph) -> set[str]:
    """Return the types of events that steps wait for, or that are a goal."""
    named = [step.config.get("event_type") for step in graph if step.type != TRIGGER]
    named += [(settings or {}).get(leaving.EVENT) for settings in (copy.goal, copy.exit_event)]
    return {one for one in named if isinstance(one, str) and one}
