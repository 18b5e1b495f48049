"""People whom something happened to: the segments it concerns look at them again, in one statement a batch.

Triggers note whoever it may be (migration 0032) in the transaction in which it happens. A segment that is being
refreshed is passed over: the refresh may have looked before the change, so who is due for it is noted again.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.capture.batch import Batch
from app.customers import custom_fields
from app.infra import clock
from app.infra.arrays import array
from app.infra.db import again_after_deadlock, transaction
from app.infra.queue import Work, wake
from app.segments import asking, kept, locks, membership, schedule
from app.segments.asking import Question
from app.segments.kept import Definition
from app.segments.membership import Teller
from app.segments.models import Segment, SegmentDependency

log = logging.getLogger(__name__)

BATCH = 5_000
GONE = "gone"
"""Noted by the trigger that took a deleted customer out of a segment: its count is to follow."""

_TAKE = text("""
    WITH taken AS (
        SELECT d.id FROM segment_due d WHERE d.tenant_id = :tenant_id AND (d.segment_id IS NULL OR NOT EXISTS (
            SELECT FROM segment s
            WHERE s.tenant_id = :tenant_id AND s.id = d.segment_id AND s.refreshing_since IS NOT NULL))
        ORDER BY d.id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    DELETE FROM segment_due d USING taken WHERE d.tenant_id = :tenant_id AND d.id = taken.id
    RETURNING d.customer_id, d.segment_id, d.reads
""")
_PUT_BACK = text("""
    INSERT INTO segment_due (tenant_id, customer_id, segment_id)
    SELECT :tenant_id, customer_id, :segment_id FROM unnest(CAST(:customers AS uuid[])) AS c(customer_id)
""")
_PUT_BACK_GONE = text("""
    INSERT INTO segment_due (tenant_id, customer_id, segment_id, reads)
    SELECT :tenant_id, customer_id, :segment_id, 'gone' FROM unnest(CAST(:customers AS uuid[])) AS c(customer_id)
""")
# Read without a lock: whoever refreshes may hold one for as long as it takes to write.
_BUSY = text("SELECT id FROM segment WHERE tenant_id = :tenant_id AND refreshing_since IS NOT NULL")
_COUNT = text("""
    WITH counted AS (
        UPDATE segment SET member_count = member_count - :gone WHERE tenant_id = :tenant_id AND id = :id
        RETURNING id, member_count
    )
    INSERT INTO segment_day AS known (tenant_id, segment_id, day, "left", members)
    SELECT :tenant_id, id, :day, :gone, member_count FROM counted
    ON CONFLICT (tenant_id, segment_id, day)
    DO UPDATE SET "left" = known."left" + excluded."left", members = excluded.members
""")
# Whoever was made a past member, or put on a list, while the customer was being deleted.
_FORGET = text("""
    WITH missing AS (
        SELECT id FROM unnest(CAST(:customers AS uuid[])) AS c(id)
        WHERE NOT EXISTS (SELECT FROM customer WHERE tenant_id = :tenant_id AND customer.id = c.id)
    ), past AS (
        DELETE FROM segment_past_member
        WHERE tenant_id = :tenant_id AND customer_id = ANY(ARRAY(SELECT id FROM missing))
    )
    DELETE FROM segment_listed WHERE tenant_id = :tenant_id AND customer_id = ANY(ARRAY(SELECT id FROM missing))
""")
_FAILED = text("UPDATE segment SET refresh_error = :said WHERE tenant_id = :tenant_id AND id = :id")
_WAITING = text("SELECT EXISTS (SELECT FROM segment_due WHERE tenant_id = :tenant_id)")
# Plans of a few hundred expressions over a few people are not worth compiling.
_NO_JIT = text("SET LOCAL jit = off")
_AT_ONCE = "People could not be looked at as things happened ({}). The next refresh tries again."


@dataclass(slots=True)
class _Due:
    """Who was taken: by kind of row that changed (None: whatever it is), by segment; who was deleted out of which."""

    by_reads: dict[str | None, set[UUID]] = field(default_factory=lambda: defaultdict(set))
    by_segment: dict[UUID, set[UUID]] = field(default_factory=lambda: defaultdict(set))
    gone: dict[UUID, list[UUID]] = field(default_factory=lambda: defaultdict(list))
    rows: int = 0

    def of(self, segment_id: UUID, kinds: Iterable[str | None]) -> set[UUID]:
        """Return whom a segment has to look at."""
        return self.by_segment.get(segment_id, set()).union(*(self.by_reads.get(one, ()) for one in kinds))

    def everybody(self) -> list[UUID]:
        """Return all who are to be looked at, in one order in every process."""
        who: set[UUID] = set()
        return sorted(who.union(*self.by_reads.values(), *self.by_segment.values()))


def on_events(batch: Batch) -> None:
    """Wake who keeps segments up to date if the batch's events concern any: they show in them at once."""
    with transaction(batch.tenant_id) as session:
        if session.scalar(_WAITING, {"tenant_id": batch.tenant_id}):
            wake(Work.REFRESH_SEGMENTS, batch.tenant_id)


@again_after_deadlock
def run_batch(
    *, tenant_id: UUID, now: datetime | None = None, tellers: Sequence[Teller] = (), limit: int = BATCH
) -> int:
    """Let the segments concerned look again at up to `limit` notes of people; return how many were settled.

    One transaction. Returns 0 where nobody is due, or somebody else is at it. Without `now` it is the moment at which
    the segments are its own, so that who moves does so after whoever was waited for.
    """
    with transaction(tenant_id) as session:
        if not locks.try_upkeep(session, tenant_id):
            return 0
        due = _take(session, tenant_id, limit)
        if not due.rows:
            return 0
        session.execute(_NO_JIT)
        kinds = _concerned(session, tenant_id, due)
        busy = set(session.scalars(_BUSY, {"tenant_id": tenant_id}))
        segments = _held(session, tenant_id, {*kinds, *due.gone} - busy)
        # Some may have begun while they were waited for.
        busy |= {one.id for one in segments if one.refreshing_since is not None}
        moment = now or clock.now()
        _put_back(session, tenant_id, due, kinds, busy)
        free = [one for one in segments if one.id not in busy]
        ready = [one for one in free if one.archived_at is None and one.id in kinds]
        places = schedule.places(session, tenant_id)
        if ready:
            _look(session, tenant_id, ready, due.everybody(), places, moment, tellers)
        for one in free:
            if gone := len(due.gone.get(one.id, ())):
                day = moment.astimezone(places[one.club_id].zone).date()
                session.execute(_COUNT, {"tenant_id": tenant_id, "id": one.id, "gone": gone, "day": day})
        if None in due.by_reads:
            session.execute(_FORGET, {"tenant_id": tenant_id, "customers": array(sorted(due.by_reads[None]))})
        return due.rows


def _take(session: Session, tenant_id: UUID, limit: int) -> _Due:
    due = _Due()
    for row in session.execute(_TAKE, {"tenant_id": tenant_id, "limit": limit}):
        due.rows += 1
        if row.reads == GONE:
            due.gone[row.segment_id].append(row.customer_id)
        elif row.segment_id is not None:
            due.by_segment[row.segment_id].add(row.customer_id)
        else:
            due.by_reads[row.reads].add(row.customer_id)
    return due


def _concerned(session: Session, tenant_id: UUID, due: _Due) -> dict[UUID, set[str | None]]:
    """Return the segments that have to look at somebody, with the kinds of rows that changed for which they do."""
    asked = select(SegmentDependency.segment_id, SegmentDependency.reads).where(
        SegmentDependency.tenant_id == tenant_id
    )
    if None not in due.by_reads:
        asked = asked.where(SegmentDependency.reads.in_(sorted(one for one in due.by_reads if one)))
    kinds: dict[UUID, set[str | None]] = {one: set() for one in due.by_segment}
    for segment_id, reads in session.execute(asked):
        kinds.setdefault(segment_id, set()).update((reads, None))
    return kinds


def _put_back(
    session: Session, tenant_id: UUID, due: _Due, kinds: Mapping[UUID, set[str | None]], busy: Collection[UUID]
) -> None:
    """Note people again for the segments that are being refreshed."""
    for one in sorted(busy):
        values = {"tenant_id": tenant_id, "segment_id": one}
        if customers := due.of(one, kinds.get(one, ())):
            session.execute(_PUT_BACK, {**values, "customers": array(sorted(customers))})
        if gone := due.gone.get(one):
            session.execute(_PUT_BACK_GONE, {**values, "customers": array(gone)})


def _held(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> Sequence[Segment]:
    """Return these segments, nobody else's to change or to begin to refresh until the transaction ends."""
    return session.scalars(
        select(Segment)
        .where(Segment.tenant_id == tenant_id, Segment.id.in_(sorted(ids)))
        .order_by(Segment.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()


def _look(
    session: Session,
    tenant_id: UUID,
    segments: Sequence[Segment],
    customers: Collection[UUID],
    places: Mapping[UUID | None, schedule.Place],
    now: datetime,
    tellers: Sequence[Teller],
) -> None:
    """Tell who of the customers is in which segment; one that can't be asked keeps its members and says why."""
    vocabulary = custom_fields.vocabulary(tenant_id=tenant_id)
    asked = kept.asked(tenant_id, vocabulary, tuple(Definition.of(one, places[one.club_id]) for one in segments))
    for segment_id, why in asked.wrong.items():
        _say(session, tenant_id, segment_id, why)

    def write(questions: Sequence[Question]) -> None:
        everything = len(questions) == len(asked.questions)
        membership.write(
            session,
            tenant_id=tenant_id,
            wanted=asked.wanted if everything else asking.of_people(tenant_id, questions),
            segments=asking.days(questions, now),
            customers=array(customers),
            now=now,
            tellers=tellers,
        )

    for question, error in _each_or_all(session, asked.questions, write):
        _say(session, tenant_id, question.segment.id, type(error).__name__)


def _each_or_all(
    session: Session, questions: Sequence[Question], write: Callable[[Sequence[Question]], None]
) -> Iterable[tuple[Question, Exception]]:
    """Write all at once; where that fails each by itself, and yield those that do."""
    if not questions:
        return
    try:
        with session.begin_nested():
            write(questions)
    except OperationalError:
        # The database's own trouble (a deadlock, a restart) is no segment's fault: the tick tries again.
        raise
    except Exception as error:
        if len(questions) == 1:
            log.exception("Segment %s can't look at people", questions[0].segment.id)
            yield questions[0], error
            return
        for one in questions:
            yield from _each_or_all(session, [one], write)


def _say(session: Session, tenant_id: UUID, segment_id: UUID, why: str) -> None:
    session.execute(_FAILED, {"tenant_id": tenant_id, "id": segment_id, "said": _AT_ONCE.format(why)})
