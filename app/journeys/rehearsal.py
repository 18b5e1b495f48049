"""Rehearsing a draft: people walk it on a clock that is put forward, and all of it is undone.

It is the engine, the gate and the letters of real life, in one transaction that is rolled back (app.infra.db.undone),
over a copy of the journey whose only version is the draft. People are as they are today, whatever day it is on the
clock; nothing happens to them but the journey: nobody opens a mail, and what a step waits for does not come.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.content.letters import RenderedLetter
from app.infra import clock
from app.infra.arrays import array
from app.infra.db import DEADLOCK, Base, transaction, undone, worked_out
from app.infra.errors import Conflict, Invalid
from app.infra.ids import new_id
from app.journeys import leaving, occasions
from app.journeys.drafts import trigger_of
from app.journeys.engine.advance import advance_in
from app.journeys.engine.enrol import Candidate, enrol
from app.journeys.graph import Graph
from app.journeys.kinds import read_graph
from app.journeys.models import Journey, JourneyEnrollment, JourneyEnrollmentStep, JourneyVersion
from app.journeys.queries import NoSuchJourney
from app.messaging import rehearsing
from app.messaging.models import Message
from app.messaging.rehearsing import Judged
from app.messaging.states import Reason, Status

HORIZON = timedelta(days=400)
MAX_MOMENTS = 5_000
MAX_SECONDS = 20.0
"""A rehearsal holds the rows that its steps change, and events about these people wait for it so long at most."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COMING_IN = (Reason.AWAITING_CONSENT, Reason.EVENTS_PENDING)
LOCKED = "55P03"
LOCK_TIMEOUT = text("SET LOCAL lock_timeout = '3s'")

_NEXT_DUE = text("""
    SELECT min(due_at) FROM journey_enrollment
    WHERE tenant_id = :tenant_id AND journey_id = :journey_id AND status = 'ACTIVE'
""")

# By a number made of the id and a seed: whoever comes first by that is anybody, and the same ones under the same seed.
_ANYBODY = """
    SELECT id FROM customer {part}
    WHERE tenant_id = :tenant_id AND status = 'ACTIVE' AND (CAST(:club_id AS uuid) IS NULL OR club_id = :club_id)
      AND (CAST(:segment_id AS uuid) IS NULL OR EXISTS (
          SELECT FROM segment_member m
          WHERE m.tenant_id = :tenant_id AND m.segment_id = :segment_id AND m.customer_id = customer.id))
    ORDER BY hashtextextended(id::text, :seed), id LIMIT :count
"""
_OF_ALL = text(_ANYBODY.format(part=""))
# Whole blocks of the table at random, and of their people as above: a million need not be read for a hundred.
_OF_SOME = text(_ANYBODY.format(part="TABLESAMPLE SYSTEM (:share) REPEATABLE (:seed)"))
_HOW_MANY = text("SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = 'customer'::regclass")
_MEMBERS = text("SELECT member_count FROM segment WHERE tenant_id = :tenant_id AND id = :segment_id")
YEARS = 5
"""It begins so many years away at most."""
FAR = f"Choose a moment at most {YEARS} years away."
READ_ALL = 20_000
"""Of no more customers than this, or members of a segment, everybody is looked at."""
TIMES = 30
"""So many times the people that are wanted are in the blocks that are read."""


class CannotRehearse(Conflict):
    """The draft can't be walked; the message says why."""


@dataclass(slots=True)
class Letter:
    """A message of a rehearsal: `held` says since when it was kept back for what, `at` when it came to its end.

    `letter` is what would have been read, where it goes out and the rehearsal was asked to keep letters.
    """

    id: UUID
    channel: str
    template_id: UUID | None
    status: Status = Status.QUEUED
    reason: Reason | None = None
    address: str | None = None
    at: datetime | None = None
    problem: str | None = None
    letter: RenderedLetter | None = None
    held: list[tuple[datetime, Reason | None]] = field(default_factory=list)

    @property
    def waited(self) -> bool:
        """Return whether it was kept back by something else than what may still come in."""
        return any(reason not in _COMING_IN for _, reason in self.held)


@dataclass(frozen=True, slots=True)
class Taken:
    """One step somebody took, with the messages it wrote."""

    number: int
    key: str
    status: str
    entered_at: datetime
    left_at: datetime | None
    result: Mapping[str, Any]
    letters: Sequence[Letter]


@dataclass(frozen=True, slots=True)
class Storyboard:
    """One person's way through the draft. ACTIVE: at the end of the rehearsal they stand at `standing_at`.

    `waiting_until` is when they would go on from there, if that is known.
    """

    customer_id: UUID
    entered_at: datetime
    status: str
    left_at: datetime | None
    exit_reason: str | None
    error: str | None
    standing_at: str | None
    waiting_until: datetime | None
    steps: Sequence[Taken]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Everybody's way, and whether it was broken off before everybody was through or the horizon reached."""

    boards: Sequence[Storyboard]
    broken_off: bool


def in_reach(moment: datetime) -> bool:
    """Return whether a rehearsal may begin at a moment: YEARS away at most."""
    return abs(moment.year - clock.now().year) <= YEARS


def rehearse(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    customer_ids: Sequence[UUID],
    at: datetime,
    payload: Mapping[str, Any] | None = None,
    keep_letters: bool = True,
    seconds: float = MAX_SECONDS,
) -> Rehearsal:
    """Let customers into the journey's draft at a moment, whatever its trigger, and return what becomes of each.

    `payload` is what the event says that lets them in; without it, what their last one says that the trigger takes, or
    one like those that come in, moved to that day. Who is no customer (any more) has no storyboard. Raises
    NoSuchJourney, Invalid for a moment out of reach, or CannotRehearse for a draft without a beginning.
    """
    if not in_reach(at):
        raise Invalid({"at": FAR})
    try:
        return _rehearsed(tenant_id, journey_id, customer_ids, at, payload, keep_letters, seconds)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) not in (DEADLOCK, LOCKED):
            raise
        raise CannotRehearse("Somebody else is changing these people just now. Try again in a moment.") from None


def _rehearsed(
    tenant_id: UUID,
    journey_id: UUID,
    customer_ids: Sequence[UUID],
    at: datetime,
    payload: Mapping[str, Any] | None,
    keep_letters: bool,
    seconds: float,
) -> Rehearsal:
    with undone(tenant_id) as session:
        session.execute(LOCK_TIMEOUT)
        journey = session.get(Journey, (tenant_id, journey_id))
        if journey is None:
            raise NoSuchJourney
        graph = read_graph(journey.draft)
        if graph.trigger is None or len(graph) < 2:
            raise CannotRehearse("Add a trigger and a step after it; then it can be rehearsed.")
        stage = Stage(session, tenant_id, copied(session, journey, graph), journey_id, at, keep_letters)
        said: Sequence[Mapping[str, Any]] = [payload or {}] * len(customer_ids)
        if payload is None:
            said = occasions.said_by(session, journey, graph, customer_ids, at)
        stage.let_in(customer_ids, said)
        broken_off = not stage.play(until=at + HORIZON, deadline=time.monotonic() + seconds)
        return Rehearsal(stage.boards(customer_ids), broken_off)


def anybody(
    *, tenant_id: UUID, count: int, club_id: UUID | None = None, segment_id: UUID | None = None, seed: int = 0
) -> list[UUID]:
    """Return up to `count` customers at random, of a club and of who is in a segment; the same ones for a seed.

    Of many they are taken from blocks of the table at random, so that those who were added together come together a
    little more often than by chance alone.
    """
    values = {"tenant_id": tenant_id, "club_id": club_id, "segment_id": segment_id, "seed": seed, "count": count}
    with transaction(tenant_id) as session:
        rows = session.scalar(_HOW_MANY) or 0
        few = rows <= READ_ALL or (segment_id is not None and (session.scalar(_MEMBERS, values) or 0) <= READ_ALL)
        share = 100.0 if few else 100 * TIMES * count / rows
        while share < 100:
            if len(found := list(session.scalars(_OF_SOME, values | {"share": share}))) == count:
                return found
            share *= 10
        return list(session.scalars(_OF_ALL, values))


@dataclass(frozen=True, slots=True)
class Sums:
    """What many storyboards come to: people by step and by ending, messages by step and by local day.

    An ending is (status, exit reason); of those who are not through, ("ACTIVE", the step they stand at). Messages are
    counted by (status, reason); only those that go out have a day. `held` of these were kept back first, not counting
    those that wait for what may still come in.
    """

    came: Mapping[str, int]
    endings: Mapping[tuple[str, str | None], int]
    letters: Mapping[str, Mapping[tuple[Status, Reason | None], int]]
    days: Mapping[date, int]
    held: int


def summed(boards: Collection[Storyboard], zone: ZoneInfo) -> Sums:
    """Return the sums of storyboards, days as clocks in `zone` have them."""
    steps = [step for board in boards for step in board.steps]
    written = [(step.key, letter) for step in steps for letter in step.letters]
    by_step: dict[str, Counter[tuple[Status, Reason | None]]] = defaultdict(Counter)
    for key, letter in written:
        by_step[key][letter.status, letter.reason] += 1
    sent = (letter.at.astimezone(zone).date() for _, letter in written if letter.at and letter.status is Status.SENT)
    return Sums(
        came=Counter(step.key for step in steps),
        endings=Counter((b.status, b.standing_at if b.status == "ACTIVE" else b.exit_reason) for b in boards),
        letters=by_step,
        days=dict(sorted(Counter(sent).items())),
        held=sum(letter.status is Status.SENT and letter.waited for _, letter in written),
    )


def copied(session: Session, journey: Journey, graph: Graph, most: int | None = None) -> UUID:
    """Make a journey nobody else sees, with a graph as its live version and nobody in it; return its id.

    `most` people may be in it at one time; None: any number.
    """
    table = Base.metadata.tables[Journey.__tablename__]
    made, (begins, config) = new_id(), trigger_of(graph)
    values = {one.key: getattr(journey, one.key) for one in table.columns if one.name not in worked_out(table)}
    values |= {"id": made, "name": f"{journey.name} {made}"[-200:], "status": "ACTIVE", "published_version": 1}
    values |= {
        "trigger_type": begins,
        "trigger_config": config,
        "max_enrollments": most,
        "next_run_at": None,
        "watches": leaving.watched(journey, graph),
        **{one.key: 0 for one in table.columns if one.key.startswith("total_")},
    }
    session.execute(insert(Journey), values)
    version = {"tenant_id": journey.tenant_id, "id": new_id(), "journey_id": made, "number": 1}
    session.execute(insert(JourneyVersion), {**version, "graph": graph.to_json(), "created_by": journey.created_by})
    return made


class Feed(Protocol):
    """What happens in a rehearsal besides what the journey does itself."""

    def next(self) -> datetime | None:
        """Return when the next of it happens, None where nothing more does."""

    def happen(self, now: datetime) -> None:
        """Let happen what has not happened yet and is to by a moment."""


@dataclass(slots=True)
class Stage:
    """Where a rehearsal is played: the copy of the journey, the clock, and what the gate said.

    `feed` is what happens meanwhile. `pace`: the clock shows multiples of it only, so that what is due between two of
    them is done at once. `past`: what the original really sent does not count for caps.
    """

    session: Session
    tenant_id: UUID
    journey_id: UUID
    original: UUID
    clock: datetime
    keep_letters: bool
    feed: Feed | None = None
    pace: timedelta = timedelta(0)
    past: bool = False
    judged: dict[UUID, list[tuple[datetime, Judged]]] = field(default_factory=lambda: defaultdict(list))

    def let_in(self, customer_ids: Sequence[UUID], payloads: Sequence[Mapping[str, Any]]) -> None:
        """Let people in now, each once."""
        candidates = [
            Candidate(self.journey_id, customer_id, f"rehearsal:{customer_id}", None, dict(payload))
            for customer_id, payload in zip(customer_ids, payloads, strict=True)
        ]
        enrol(self.session, self.tenant_id, candidates, self.clock)

    def play(self, *, until: datetime, deadline: float, moments: int = MAX_MOMENTS) -> bool:
        """Put the clock forward from one due moment to the next; return whether that came to an end by itself."""
        for _ in range(moments):
            if self.feed is not None:
                self.feed.happen(self.clock)
            if not self._now(deadline):
                return False
            following = self._next()
            if following is None or following > until:
                return True
            self.clock = max(self._paced(following), self.clock)
        return False

    def _paced(self, moment: datetime) -> datetime:
        late = (moment - _EPOCH) % self.pace if self.pace else timedelta(0)
        return moment + self.pace - late if late else moment

    def _now(self, deadline: float) -> bool:
        """Do all that is due at this moment, the steps and then their messages, until there is nothing."""
        tenant_id, journey_id, now = self.tenant_id, self.journey_id, self.clock
        where = {"tenant_id": tenant_id, "journey_id": journey_id, "original": self.original}
        while time.monotonic() < deadline:
            moved = advance_in(self.session, **where, now=now)
            apart = self.original if self.past else None
            sent = rehearsing.send_due(
                self.session, tenant_id=tenant_id, journey_id=journey_id, now=now, apart_from=apart
            )
            for one in sent:
                self.judged[one.message_id].append(
                    (self.clock, one if self.keep_letters else replace(one, letter=None))
                )
            if not moved and not sent:
                return True
        return False

    def _next(self) -> datetime | None:
        where = {"tenant_id": self.tenant_id, "journey_id": self.journey_id}
        due = [self.session.scalar(_NEXT_DUE, where), self.session.scalar(rehearsing.NEXT_DUE, where)]
        happens = self.feed.next() if self.feed is not None else None
        return min((one for one in [*due, happens] if one is not None), default=None)

    def boards(self, customer_ids: Collection[UUID]) -> list[Storyboard]:
        """Return what became of each, in the order they were named in."""
        boards = {one.customer_id: one for one in self.walks()}
        return [boards[one] for one in dict.fromkeys(customer_ids) if one in boards]

    def walks(self) -> list[Storyboard]:
        """Return what became of everybody each time they came in, in the order they did."""
        of_journey = (JourneyEnrollment.tenant_id == self.tenant_id, JourneyEnrollment.journey_id == self.journey_id)
        asked = select(JourneyEnrollment.__table__).where(*of_journey)
        walks = self.session.execute(asked.order_by(JourneyEnrollment.enrolled_at, JourneyEnrollment.id)).all()
        steps: dict[UUID, list[Taken]] = defaultdict(list)
        letters = self._letters()
        taken = select(JourneyEnrollmentStep.__table__).where(
            JourneyEnrollmentStep.tenant_id == self.tenant_id,
            JourneyEnrollmentStep.enrollment_id == text("ANY(CAST(:ids AS uuid[]))"),
        )
        ids = {"ids": array(one.id for one in walks)}
        for row in self.session.execute(taken.order_by(JourneyEnrollmentStep.step_number), ids):
            written = letters.get((row.enrollment_id, row.step_number), [])
            result = row.result or {}
            steps[row.enrollment_id].append(
                Taken(row.step_number, row.step_key, row.status, row.entered_at, row.completed_at, result, written)
            )
        return [_board(row, steps[row.id]) for row in walks]

    def _letters(self) -> dict[tuple[UUID, int], list[Letter]]:
        """Return the messages by whose and which step they are, as their keys say."""
        found: dict[tuple[UUID, int], list[Letter]] = defaultdict(list)
        wanted = select(
            Message.id, Message.channel, Message.template_id, Message.enrollment_id, Message.dedupe_key
        ).where(Message.tenant_id == self.tenant_id, Message.journey_id == self.journey_id)
        for row in self.session.execute(wanted.order_by(Message.id)):
            letter = Letter(row.id, row.channel, row.template_id)
            for at, judged in self.judged[row.id]:
                letter.status, letter.reason, letter.address = judged.status, judged.reason, judged.address
                letter.problem, letter.letter, letter.at = judged.problem, judged.letter, at
                if judged.status is Status.HELD and judged.reason not in [reason for _, reason in letter.held[-1:]]:
                    letter.held.append((at, judged.reason))
            found[row.enrollment_id, int(row.dedupe_key.split(":")[2])].append(letter)
        return found


def _board(row: Any, steps: Sequence[Taken]) -> Storyboard:
    active = row.status == "ACTIVE"
    return Storyboard(
        customer_id=row.customer_id,
        entered_at=row.enrolled_at,
        status=row.status,
        left_at=row.completed_at or row.exited_at,
        exit_reason=row.exit_reason,
        error=row.error,
        standing_at=row.current_step_key if active else None,
        waiting_until=row.waiting_until if active else None,
        steps=steps,
    )
