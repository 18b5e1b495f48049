"""What a journey's draft would have done with what happened in the past: asked for, walked by a worker, added up.

People are walked some at a time, each time in a rehearsal of its own (`rehearsal.Stage`) whose clock begins with the
period and whose feed is what happened with them (`replay.py`). Of more people than MOST so many are taken at random,
and whoever shows the sums multiplies them by `Backtest.factor`.
"""

import logging
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.infra.db import DEADLOCK, transaction, undone
from app.infra.errors import Conflict, Invalid, NotFound
from app.infra.queue import Work, wake
from app.journeys.graph import Graph
from app.journeys.kinds import read_graph
from app.journeys.models import Journey, JourneyBacktest
from app.journeys.queries import NoSuchJourney
from app.journeys.rehearsal import HORIZON, LOCK_TIMEOUT, LOCKED, CannotRehearse, Stage, Storyboard, copied
from app.journeys.replay import Period, Replay
from app.messaging.states import Status

log = logging.getLogger(__name__)

MOST = 2_000
"""So many people are walked at most."""
MOST_WITH_ROOM = 500
"""The same where only some may be in the journey at one time: they are walked together, in one transaction."""
AT_ONCE = 200
FEW = 200
PACE, PACE_OF_FEW = timedelta(minutes=30), timedelta(minutes=1)
"""The clock is put forward to half hours, with so few people or less to minutes."""
USUAL, LONGEST = timedelta(days=30), timedelta(days=366)
EARLIEST = datetime(1999, 12, 31, tzinfo=UTC)
SECONDS, MOMENTS = 20.0, 50_000
SHOWN = 100
KEPT = 5
LEASE = timedelta(minutes=2)
AGAIN = timedelta(seconds=5)
ATTEMPTS = 5
CANCELED = "57014"
TOO_LONG = "It took too long to look at so much. Choose fewer days."
RUNNING, DONE, FAILED = "RUNNING", "DONE", "FAILED"

_CLAIM = text("""
    UPDATE journey_backtest SET due_at = :lease, attempts = attempts + 1
    WHERE tenant_id = :tenant_id AND id = (
        SELECT id FROM journey_backtest WHERE tenant_id = :tenant_id AND due_at <= :now
        ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id
""")

Counts = dict[str, Any]
"""Counts by names, some by several: each value is a number or counts again."""


class NoSuchBacktest(NotFound):
    """There is no such backtest (any more)."""

    def __init__(self) -> None:
        super().__init__("There is no such backtest. The last five of a journey are kept.")


@dataclass(frozen=True, slots=True)
class Backtest:
    """How far a backtest has come, and the sums so far; `total` is None until it is known whom it concerns.

    `sums` (see `summed`) are of `walked` of the `picked` people, of `total` whom the trigger would have let in.
    `sample` are some of the walks: customer_id, entered_at, status, why.
    """

    id: UUID
    journey_id: UUID
    status: str
    since: datetime
    until: datetime
    graph: Graph
    trigger_type: str
    total: int | None
    picked: int
    walked: int
    pace: timedelta
    sums: Counts
    sample: Sequence[Mapping[str, Any]]
    broken_off: int
    error: str | None
    created_at: datetime

    @property
    def factor(self) -> float:
        """Return how many people each who was walked stands for."""
        return (self.total or 0) / self.walked if self.walked else 0.0

    @property
    def coarse(self) -> bool:
        """Return whether the clock was put forward by more than a minute at a time."""
        return self.pace > PACE_OF_FEW

    @property
    def estimate(self) -> bool:
        """Return whether only some of those concerned are walked."""
        return self.total is not None and self.total > self.picked


def ask(
    *, tenant_id: UUID, journey_id: UUID, since: datetime | None, until: datetime | None, actor: str, now: datetime
) -> Backtest:
    """Let a worker walk the draft over the events from `since` to before `until`, and return the backtest.

    Without `until` that is now, without `since` the USUAL time before it. Raises NoSuchJourney, Invalid for such a
    period, or CannotRehearse for a draft without a beginning.
    """
    until = until or now
    for name, moment in (("since", since), ("until", until)):
        if moment is not None and moment < EARLIEST:
            raise Invalid({name: "Choose a day since 2000."})
    since = since or until - USUAL
    if until > now + timedelta(minutes=1):
        raise Invalid({"until": "Choose a day that is past, or today."})
    if since >= until:
        raise Invalid({"since": "Choose a day before the last one."})
    if until - since > LONGEST:
        raise Invalid({"since": "Choose a year at most."})
    with transaction(tenant_id) as session:
        journey = session.get(Journey, (tenant_id, journey_id))
        if journey is None:
            raise NoSuchJourney
        graph = read_graph(journey.draft)
        if graph.trigger is None or len(graph) < 2:
            raise CannotRehearse("Add a trigger and a step after it; then it can be walked.")
        made = JourneyBacktest(
            tenant_id=tenant_id,
            journey_id=journey_id,
            since=since,
            until=until,
            graph=graph.to_json(),
            seed=secrets.randbelow(2**31),
            due_at=now,
            created_by=actor,
            created_at=now,
        )
        session.add(made)
        session.flush()
        _forget(session, tenant_id, journey_id)
        wake(Work.BACKTEST_JOURNEYS, tenant_id)
        return _read(made)


def backtest(*, tenant_id: UUID, journey_id: UUID, backtest_id: UUID) -> Backtest:
    """Return a backtest of a journey, or raise NoSuchBacktest."""
    with transaction(tenant_id) as session:
        found = session.get(JourneyBacktest, (tenant_id, backtest_id), populate_existing=True)
        if found is None or found.journey_id != journey_id:
            raise NoSuchBacktest
        return _read(found)


def latest(*, tenant_id: UUID, journey_id: UUID) -> Backtest | None:
    """Return the backtest of a journey that was asked for last, if there is one."""
    wanted = _of(tenant_id, journey_id).limit(1).execution_options(populate_existing=True)
    with transaction(tenant_id) as session:
        found = session.scalar(wanted)
        return _read(found) if found else None


def _of(tenant_id: UUID, journey_id: UUID) -> Any:
    return (
        select(JourneyBacktest)
        .where(JourneyBacktest.tenant_id == tenant_id, JourneyBacktest.journey_id == journey_id)
        .order_by(JourneyBacktest.id.desc())
    )


def _forget(session: Session, tenant_id: UUID, journey_id: UUID) -> None:
    old = _of(tenant_id, journey_id).with_only_columns(JourneyBacktest.id).offset(KEPT)
    session.execute(
        delete(JourneyBacktest).where(JourneyBacktest.tenant_id == tenant_id, JourneyBacktest.id.in_(old)),
        execution_options={"synchronize_session": False},
    )


def _read(row: JourneyBacktest) -> Backtest:
    graph = read_graph(row.graph)
    return Backtest(
        id=row.id,
        journey_id=row.journey_id,
        status=row.status,
        since=row.since,
        until=row.until,
        graph=graph,
        trigger_type=str(graph.trigger.config.get("event_type")) if graph.trigger else "",
        total=row.total,
        picked=len(row.people or ()),
        walked=row.walked,
        pace=timedelta(minutes=row.pace_minutes),
        sums=row.sums,
        sample=row.sample,
        broken_off=row.broken_off,
        error=row.error,
        created_at=row.created_at,
    )


def run_batch(*, tenant_id: UUID, now: datetime) -> int:
    """Choose the people of one backtest that is due, or walk the next of them; return how many were dealt with.

    At least 1 where one was due. Who dies in between leaves it to others.
    """
    with transaction(tenant_id) as session:
        id_ = session.scalar(_CLAIM, {"tenant_id": tenant_id, "now": now, "lease": now + LEASE})
        row = session.get(JourneyBacktest, (tenant_id, id_), populate_existing=True) if id_ else None
        if row is None:
            return 0
        if row.attempts > ATTEMPTS:
            row.status, row.due_at = FAILED, None
            row.error = row.error or "It could not be walked: it was tried five times."
            return 1
        session.flush()
        session.expunge(row)
    try:
        changes = _chosen(row, now) if row.people is None else _walked(row, now)
    except Conflict as refused:
        changes = {"status": FAILED, "due_at": None, "error": refused.message}
    except OperationalError as error:
        state = getattr(error.orig, "sqlstate", None)
        if state not in (DEADLOCK, LOCKED, CANCELED):
            raise
        changes = (
            {"status": FAILED, "due_at": None, "error": TOO_LONG}
            if state == CANCELED
            else {"due_at": now + AGAIN, "error": "Others were changing these people again and again. Try it later."}
        )
    _keep(tenant_id, row, changes, now)
    return max(1, int(changes.get("walked", 0)) - row.walked)


def _keep(tenant_id: UUID, row: JourneyBacktest, changes: Mapping[str, Any], now: datetime) -> None:
    """Write down what a batch came to, unless it took so long that another one has begun."""
    with transaction(tenant_id) as session:
        kept = session.get(JourneyBacktest, (tenant_id, row.id), with_for_update=True, populate_existing=True)
        if kept is None or kept.due_at != row.due_at or kept.attempts != row.attempts:
            return
        for name, value in changes.items():
            setattr(kept, name, value)
        if "due_at" not in changes:
            done = kept.walked >= len(kept.people or ())
            kept.status, kept.due_at = (DONE, None) if done else (RUNNING, now)
            kept.attempts, kept.error = 0, None


def _chosen(row: JourneyBacktest, now: datetime) -> dict[str, Any]:
    """Return whom a backtest concerns, and how they are to be walked."""
    with undone(row.tenant_id) as session:
        journey, graph = _journey(session, row), read_graph(row.graph)
        most = MOST if journey.max_enrollments is None else MOST_WITH_ROOM
        copy = session.get(Journey, (row.tenant_id, _copy(session, row, journey, graph)))
        assert copy is not None
        found = Replay(session, copy, journey.id, Period(row.since, row.until, now)).concerned(row.seed, most)
    people = list(found.customer_ids)
    return {
        "people": people,
        "total": found.total,
        "at_once": AT_ONCE if journey.max_enrollments is None else max(1, len(people)),
        "pace_minutes": (PACE_OF_FEW if len(people) <= FEW else PACE) // timedelta(minutes=1),
    }


def _walked(row: JourneyBacktest, now: datetime) -> dict[str, Any]:
    """Return the sums with those of the next people; of nobody where they took too long: fewer are taken next."""
    people = (row.people or [])[row.walked : row.walked + row.at_once]
    with undone(row.tenant_id) as session:
        session.execute(LOCK_TIMEOUT)
        journey, graph = _journey(session, row), read_graph(row.graph)
        copy = session.get(Journey, (row.tenant_id, _copy(session, row, journey, graph)))
        assert copy is not None
        period = Period(row.since, row.until, now)
        past = Replay(session, copy, journey.id, period).past(people, graph)
        stage = Stage(
            session,
            row.tenant_id,
            copy.id,
            journey.id,
            row.since,
            keep_letters=False,
            feed=past,
            pace=timedelta(minutes=row.pace_minutes),
            past=True,
        )
        deadline = time.monotonic() + SECONDS
        through = stage.play(until=max(row.until, now) + HORIZON, deadline=deadline, moments=MOMENTS)
        if not through and journey.max_enrollments is None and len(people) > 1:
            return {"at_once": max(1, len(people) // 3)}
        walks, zone = stage.walks(), ZoneInfo(journey.timezone)
    shown = [_shown(one) for one in walks[: SHOWN - len(row.sample)]]
    return {
        "walked": row.walked + len(people),
        "sums": added(row.sums, summed(walks, zone)),
        "sample": [*row.sample, *shown],
        "broken_off": row.broken_off + (0 if through else len(people)),
    }


def _journey(session: Session, row: JourneyBacktest) -> Journey:
    journey = session.get(Journey, (row.tenant_id, row.journey_id))
    if journey is None:
        raise NoSuchJourney
    return journey


def _copy(session: Session, row: JourneyBacktest, journey: Journey, graph: Graph) -> UUID:
    """Make the journey that is walked; of its places as large a part as the people are of all."""
    most = journey.max_enrollments
    if most is not None and row.people and row.total:
        most = max(1, round(most * min(1.0, len(row.people) / row.total)))
    return copied(session, journey, graph, most)


def _shown(walk: Storyboard) -> dict[str, Any]:
    why = walk.standing_at if walk.status == "ACTIVE" else walk.exit_reason
    return {
        "customer_id": str(walk.customer_id),
        "entered_at": walk.entered_at.isoformat(),
        "status": walk.status,
        "why": why,
    }


def summed(walks: Sequence[Storyboard], zone: ZoneInfo) -> Counts:
    """Return counts of walks: `entered` by day; `steps` by key and fate; `letters` by key and "status:reason"; `days`
    of messages sent, by channel; `endings` by "status:reason", of those inside by the step they stand at; `held`,
    the messages kept back before they went out. Days are those of `zone`, as "2026-11-22".
    """
    steps: dict[str, Counter[str]] = defaultdict(Counter)
    letters: dict[str, Counter[str]] = defaultdict(Counter)
    days: dict[str, Counter[str]] = defaultdict(Counter)
    held = 0
    for walk in walks:
        for step in walk.steps:
            steps[step.key].update(["came", _fate(step.status)])
            for letter in step.letters:
                letters[step.key][f"{letter.status}:{letter.reason or ''}"] += 1
                if letter.status is Status.SENT and letter.at is not None:
                    days[letter.channel][_day(letter.at, zone)] += 1
                    held += letter.waited
    return {
        "entered": Counter(_day(walk.entered_at, zone) for walk in walks),
        "steps": steps,
        "letters": letters,
        "days": days,
        "endings": Counter(f"{one['status']}:{one['why'] or ''}" for one in map(_shown, walks)),
        "held": held,
    }


def _fate(status: str) -> str:
    return {"COMPLETED": "passed", "FAILED": "failed", "SKIPPED": "skipped"}.get(status, "here")


def _day(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).date().isoformat()


def added(one: Any, other: Any) -> Any:
    """Return two counts, or counts by names, added up."""
    if isinstance(one, Mapping) or isinstance(other, Mapping):
        first, second = one or {}, other or {}
        return {name: added(first.get(name), second.get(name)) for name in [*first, *(set(second) - set(first))]}
    return (one or 0) + (other or 0)
