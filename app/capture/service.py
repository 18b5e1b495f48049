"""Applying events: who they are of, what they change, what follows; one transaction a batch.

One worker at a time applies a tenant's events: it holds the tenant's capture lock for the length of the transaction.
"""

import logging
import time
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.capture import identity, record
from app.capture.batch import AppliedEvent, Batch, Handler
from app.capture.claimed import Claimed, claim, understand
from app.events.places import Places, places
from app.infra import clock
from app.infra.db import transaction

log = logging.getLogger(__name__)

# A customer's row is read and written once a batch, however many events it has in it: in 4,000 at a time an event
# took a fifth less than in 1,000. Events may be large, so no more than this are held in memory at once.
BATCH = 2000
PAUSE_SECONDS = 0.05
# Any constant: the first of the two keys of the advisory locks by which one worker at a time has a tenant's events.
LOCK_SPACE = 0x4641_4952

# A tenant that is newer than the statistics looks empty to the planner, who then reads all of it for every row of a
# batch. Plans made without looking at the tenant go by the average one; the handlers' too.
_ANY_TENANT = text("SET LOCAL plan_cache_mode = force_generic_plan")
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:space, hashtext(:tenant))")
_LOCK = text("SELECT pg_advisory_xact_lock(:space, hashtext(:tenant))")
_FAILED = text("""
    UPDATE inbound_event SET status = 'failed', reason = :reason, processed_at = :now, attempts = attempts + 1
    WHERE tenant_id = :tenant_id AND id = ANY(:ids)
""")
GONE = "the customer it names is not there (any more)"


def process_batch(
    *, tenant_id: UUID, now: datetime | None = None, handlers: Sequence[Handler] = (), limit: int = BATCH
) -> int:
    """Apply up to `limit` of the tenant's received events; return how many were settled (0: nothing waits here).

    One transaction: identity, activities, fields, consent, then each handler with the Batch. If another worker is at
    the tenant's events, this returns 0 at once: that one goes on until none is left. Where a batch fails, its events
    are applied one by one, so that a bad one becomes `failed` with the reason and holds up no other.
    """
    now = now or clock.now()
    try:
        return _apply_next(tenant_id, now, handlers, limit)
    except OperationalError:
        # The database's own trouble (a deadlock, a restart) is no event's fault: the tick tries again.
        raise
    except Exception:
        log.exception("A batch of events of %s failed; applying them one by one", tenant_id)
    return _one_by_one(tenant_id, now, handlers, limit)


def lock_tenant(session: Session, tenant_id: UUID) -> None:
    """Wait for the tenant's capture lock: whoever makes or merges customers by their hints must hold it."""
    session.execute(_LOCK, {"space": LOCK_SPACE, "tenant": str(tenant_id)})


def _try_lock(session: Session, tenant_id: UUID) -> bool:
    """Take the capture lock if it is free.

    Whoever holds it after the pause is in the middle of a batch and will look again for events when it is done; one
    that was just finding nothing more is gone by then, and can't leave behind what arrived meanwhile.
    """
    values = {"space": LOCK_SPACE, "tenant": str(tenant_id)}
    if session.scalar(_TRY_LOCK, values):
        return True
    time.sleep(PAUSE_SECONDS)
    return bool(session.scalar(_TRY_LOCK, values))


def _apply_next(tenant_id: UUID, now: datetime, handlers: Sequence[Handler], limit: int) -> int:
    with transaction(tenant_id) as session:
        if not _try_lock(session, tenant_id):
            return 0
        rows = claim(session, tenant_id, limit)
        if rows:
            known = places(session, tenant_id)
            _apply(session, tenant_id, [understand(row, known) for row in rows], known, now, handlers)
        return len(rows)


def _one_by_one(tenant_id: UUID, now: datetime, handlers: Sequence[Handler], limit: int) -> int:
    settled = 0
    with transaction(tenant_id) as session:
        if not _try_lock(session, tenant_id):
            return 0
        known = places(session, tenant_id)
        for row in claim(session, tenant_id, limit):
            try:
                with session.begin_nested():
                    _apply(session, tenant_id, [understand(row, known)], known, now, handlers)
            except OperationalError:
                raise
            except Exception as error:
                log.exception("Event %s of %s failed", row.id, tenant_id)
                _fail(session, tenant_id, [row.id], f"{type(error).__name__}: {error}"[:500], now)
            settled += 1
    return settled


def _apply(
    session: Session,
    tenant_id: UUID,
    events: list[Claimed],
    known: Places,
    now: datetime,
    handlers: Sequence[Handler],
) -> None:
    session.execute(_ANY_TENANT)
    found = identity.resolve(session, tenant_id, [one.evidence for one in events], known)
    lost = [one.id for one in events if one.id not in found.matches]
    if lost:
        _fail(session, tenant_id, lost, GONE, now)
        events = [one for one in events if one.id in found.matches]
    if not events:
        return
    consented, merged = record.write(session, tenant_id, events, found, now)
    matched = [(one, found.matches[one.id]) for one in events]
    applied = [_applied(one, match.customer_id, match.is_new) for one, match in matched]
    # Events that went to another customer are news for that one. A handler that knows them already passes them over.
    applied += [_applied(one, found.moves[one.id], False) for one in found.divided if one.id in found.moves]
    batch = Batch(tenant_id, now, applied, consented, merged)
    for handler in handlers:
        handler(batch)


def _applied(event: Claimed, customer_id: UUID, is_new: bool) -> AppliedEvent:
    return AppliedEvent(event.id, event.type.name, event.source, event.occurred_at, event.payload, customer_id, is_new)


def _fail(session: Session, tenant_id: UUID, ids: Sequence[UUID], reason: str, now: datetime) -> None:
    session.execute(_FAILED, {"tenant_id": tenant_id, "ids": list(ids), "reason": reason, "now": now})
