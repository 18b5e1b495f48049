"""Telling the whole of a segment anew: on its schedule, when somebody asks for it, and once when it is defined.

A short transaction marks the segment, so that upkeep passes it over; the next one tells the difference and writes it in
one statement. Whoever dies in between leaves the mark, and the next who looks goes on: the lock on the work itself
lives no longer than who holds it.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from psycopg.errors import DeadlockDetected, QueryCanceled
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.conditions import InvalidConditions
from app.customers import custom_fields
from app.infra import clock
from app.infra.db import transaction
from app.segments import dependencies, locks, membership, schedule
from app.segments.asking import Question
from app.segments.membership import Moved, Teller, Wanted
from app.segments.models import MANUAL, Segment

log = logging.getLogger(__name__)

TRY_AGAIN = timedelta(minutes=15)
MINUTES = 30
# Whoever was read is hashed in memory, a million ids in about 100 MB. Most of a table is read faster in the order it
# lies in than by an index, whose every row costs a page. Machine code for what waits for memory is not worth making.
_ROOM = text(
    f"SELECT set_config('statement_timeout', '{MINUTES}min', true), set_config('work_mem', '128MB', true),"
    " set_config('random_page_cost', '4', true), set_config('jit', 'off', true)"
)
_DUE = text("""
    SELECT id FROM segment WHERE tenant_id = :tenant_id AND refresh_due_at <= :now AND archived_at IS NULL
    ORDER BY refresh_due_at, id LIMIT 100
""")
_BEGIN = text("""
    UPDATE segment SET refreshing_since = coalesce(refreshing_since, :now)
    WHERE tenant_id = :tenant_id AND id = :id AND refresh_due_at <= :now AND archived_at IS NULL
    RETURNING id
""")
# Whoever was asked for again while it ran is told once more.
_DONE = text("""
    UPDATE segment SET refreshed_at = :now, refreshing_since = NULL, refresh_tells = true, refresh_error = NULL,
        refresh_took_ms = :took, refresh_due_at = CASE WHEN refresh_due_at > :now THEN refresh_due_at ELSE :due END
    WHERE tenant_id = :tenant_id AND id = :id AND version = :version AND archived_at IS NULL
""")
_FAILED = text("""
    UPDATE segment SET refreshing_since = NULL, refresh_error = :said, refresh_due_at = :due
    WHERE tenant_id = :tenant_id AND id = :id AND archived_at IS NULL
""")


class _ChangedMeanwhile(Exception):
    """The definition is another than the one that was asked."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A refresh that came to its end, and what it changed."""

    segment_id: UUID
    moved: Moved | None


def run_next(*, tenant_id: UUID, now: datetime | None = None, tellers: Sequence[Teller] = ()) -> int:
    """Refresh the segment of the tenant that has been due for the longest; return 1, or 0 if there is none.

    Those that somebody else is at are left to them. One that fails keeps its members, says why and is tried again.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        due = list(session.scalars(_DUE, {"tenant_id": tenant_id, "now": moment}))
    return next((1 for one in due if refresh(tenant_id=tenant_id, segment_id=one, now=now, tellers=tellers)), 0)


def refresh(*, tenant_id: UUID, segment_id: UUID, now: datetime | None = None, tellers: Sequence[Teller] = ()) -> bool:
    """Refresh one segment if it is due; return whether it was, and nobody else was at it.

    One that lost a deadlock stays due and marked, and is a step of its own again: a job never takes longer than one
    refresh may.
    """
    if not begin(tenant_id=tenant_id, segment_id=segment_id, now=now or clock.now()):
        return False
    try:
        return finish(tenant_id=tenant_id, segment_id=segment_id, now=now, tellers=tellers) is not None
    except _ChangedMeanwhile:
        return True
    except OperationalError as error:
        # The database's own trouble (a deadlock, a restart) is not the segment's: it stays due.
        if isinstance(error.orig, DeadlockDetected):
            log.info("Refreshing segment %s lost a deadlock; it is tried again", segment_id)
            return True
        if not isinstance(error.orig, QueryCanceled):
            raise
        said = f"It took longer than {MINUTES} minutes."
    except InvalidConditions as wrong:
        said = "; ".join(wrong.errors.values())
    except Exception as error:
        log.exception("Refreshing segment %s failed", segment_id)
        said = f"Something went wrong ({type(error).__name__})."
    with transaction(tenant_id) as session:
        due = (now or clock.now()) + TRY_AGAIN
        values = {"tenant_id": tenant_id, "id": segment_id, "said": said, "due": due}
        session.execute(_FAILED, values)
    return True


def begin(*, tenant_id: UUID, segment_id: UUID, now: datetime) -> bool:
    """Mark a segment that is due as being refreshed; return whether it is, and nobody is at it.

    Upkeep that looks at people for it is waited for; whoever refreshes it is not.
    """
    with transaction(tenant_id) as session:
        if not locks.try_refresh(session, segment_id):
            return False
        return session.scalar(_BEGIN, {"tenant_id": tenant_id, "id": segment_id, "now": now}) is not None


def finish(
    *, tenant_id: UUID, segment_id: UUID, now: datetime | None = None, tellers: Sequence[Teller] = ()
) -> Refreshed | None:
    """Tell and write the whole difference of a marked segment; None where somebody else does, or did.

    Without `now` it is the moment at which the segment is found marked: nobody has moved its members since.
    """
    began = time.monotonic()
    with transaction(tenant_id) as session:
        if not locks.try_refresh(session, segment_id):
            return None
        segment = _marked(session, tenant_id, segment_id)
        if segment is None:
            return None
        moment = now or clock.now()
        session.execute(_ROOM)
        place = schedule.place_of(session, tenant_id, segment.club_id)
        question = Question.of(segment, custom_fields.catalogue(tenant_id=tenant_id), place)
        dependencies.write(session, segment, dependencies.reads_of(segment, question.tree))
        moved = membership.write(
            session,
            tenant_id=tenant_id,
            wanted=Wanted(question.everybody(moment)),
            segments={segment_id: question.day(moment)},
            now=moment,
            tells=segment.refresh_tells,
            tellers=tellers,
        )
        values = {
            "tenant_id": tenant_id,
            "id": segment_id,
            "version": segment.version,
            "now": moment,
            # A list changes by hand only.
            "due": schedule.next_due(segment.refresh_frequency if question.tree else MANUAL, place.zone, moment),
            "took": int((time.monotonic() - began) * 1000),
        }
        if session.execute(_DONE, values).rowcount == 0:  # type: ignore[attr-defined]
            raise _ChangedMeanwhile
        return Refreshed(segment_id, moved.get(segment_id))


def _marked(session: Session, tenant_id: UUID, segment_id: UUID) -> Segment | None:
    return session.scalar(
        select(Segment)
        .where(
            Segment.tenant_id == tenant_id,
            Segment.id == segment_id,
            Segment.refreshing_since.is_not(None),
            Segment.archived_at.is_(None),
        )
        .execution_options(populate_existing=True)
    )
