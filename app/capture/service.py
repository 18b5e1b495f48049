"""Applying events: who they are of, what they change, what follows; a batch at a time.

What says nothing new of anybody is applied by several workers at once, sharing the tenant's capture lock. What is new
of one customer, or makes one, is applied by one of these at a time. What may join or divide people is applied by one
who has the lock for itself.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.capture import claimed, forgotten, identity, likeness, record
from app.capture.batch import AppliedEvent, Batch, Handler
from app.capture.claimed import Claimed
from app.capture.identity import Resolution
from app.events.capture_lock import lock_tenant, share_tenant, try_to_grow, try_to_lock_tenant
from app.events.places import Places, places
from app.infra import clock
from app.infra.db import again_after_deadlock, transaction

log = logging.getLogger(__name__)

# A customer's row is read and written once a batch, however many events it has in it: in 4,000 at a time an event
# took a fifth less than in 1,000.
BATCH = 4000
# Events may be large: of those in a batch no more is held in memory than this, about, as they are stored.
BATCH_BYTES = 16 << 20
# Of what waits a worker takes half, so that two who share a backlog end at the same time, but no less than this.
LEAST = 2000
# After a batch of fewer, what was left for later is waited for: not much more can have come in meanwhile.
FEW = 500
# One by one an event takes fifty times as long, and nobody else applies any meanwhile: the job must end in time.
ONE_BY_ONE = 2000
# While more is waiting, up to so many events that can't be applied beside others are left for later rather than waited
# for: a worker who waits for the lock does nothing.
LEFT_FOR_LATER = 800

# A tenant that is newer than the statistics looks empty to the planner, who then reads all of it for every row of a
# batch. Plans made without looking at the tenant go by the average one; the handlers' too.
_ANY_TENANT = text("SET LOCAL plan_cache_mode = force_generic_plan")
_FAILED = text("""
    UPDATE inbound_event SET status = 'failed', reason = :reason, processed_at = :now, attempts = attempts + 1
    WHERE tenant_id = :tenant_id AND id = ANY(:ids)
""")
Left = dict[UUID, Claimed]
"""Events, by row, that a turn has looked at and left for later: its next batches need not look at them again."""
GONE = "the customer it names is not there (any more)"


def process_batch(
    *,
    tenant_id: UUID,
    now: datetime | None = None,
    handlers: Sequence[Handler] = (),
    limit: int = BATCH,
    left: Left | None = None,
) -> int:
    """Apply up to `limit` of the tenant's received events; return how many were settled (0: nothing waits here).

    Two transactions at most, first what concerns one customer each and then the rest, each whole: identity,
    activities, fields, consent, then each handler with the Batch. Events that another worker has claimed are left to
    it. Where a batch fails, its events are applied one by one, so that a bad one becomes `failed` with the reason and
    holds up no other.

    `left` is the caller's, empty at first and given again to the next call: what was left for later is kept in it.
    """
    now = now or clock.now()
    left = {} if left is None else left
    try:
        return _apply_next(tenant_id, now, handlers, limit, left)
    except OperationalError:
        # The database's own trouble (a restart, deadlock after deadlock) is no event's fault: the tick tries again.
        raise
    except Exception:
        log.exception("A batch of events of %s failed; applying them one by one", tenant_id)
    left.clear()
    return _one_by_one(tenant_id, now, handlers, min(limit, ONE_BY_ONE))


def _apply_next(tenant_id: UUID, now: datetime, handlers: Sequence[Handler], limit: int, left: Left) -> int:
    known, events, count, share = _apply_beside_others(tenant_id, now, handlers, limit, left)
    left.update((one.id, one) for one in events)
    applied = count - len(events)
    # The lock can't be had for oneself while sharing it: two who wait for each other to let go would never.
    if left:
        few = count < min(share, FEW)
        patient = few or _are_many(tenant_id, left)
        applied += _apply_left(tenant_id, left, known, now, handlers, patient=patient, more=FEW if few else 0)
    return applied


@again_after_deadlock
def _apply_beside_others(
    tenant_id: UUID, now: datetime, handlers: Sequence[Handler], limit: int, left: Left
) -> tuple[Places, list[Claimed], int, int]:
    """Apply what can be applied while others do so too; return the places, the rest, how many were claimed, the share.

    Handlers change people in journeys, whose engine changes customers: either may have to begin again.
    """
    with transaction(tenant_id) as session:
        share = claimed.share(session, tenant_id, limit, least=LEAST, size=BATCH_BYTES)
        known, events = _claim(session, tenant_id, share, left)
        count = len(events)
        if events:
            share_tenant(session, tenant_id)
            session.execute(_ANY_TENANT)
            events = _apply_shared(session, tenant_id, forgotten.drop(session, tenant_id, events, now), now, handlers)
        return known, events, count, share


def _apply_shared(
    session: Session, tenant_id: UUID, events: list[Claimed], now: datetime, handlers: Sequence[Handler]
) -> list[Claimed]:
    """Apply what can be applied while others do so too; return the rest."""
    evidence = [one.evidence for one in events]
    if try_to_grow(session, tenant_id):
        found = identity.resolve_growing(session, tenant_id, evidence)
    else:
        found = identity.resolve_known(session, tenant_id, evidence)
    mine: list[Claimed] = []
    rest: list[Claimed] = []
    for one in events:
        (mine if one.id in found.matches else rest).append(one)
    _finish(session, tenant_id, mine, found, now, handlers)
    if found.news:
        likeness.look(session, tenant_id, _news(found, mine), now)
    return rest


def _are_many(tenant_id: UUID, left: Left) -> bool:
    """Return whether too many are left for later; what others have applied meanwhile is no longer."""
    if len(left) <= LEFT_FOR_LATER:
        return False
    with transaction(tenant_id) as session:
        waiting = claimed.still_waiting(session, tenant_id, left)
    for id_ in left.keys() - waiting:
        del left[id_]
    return len(left) > LEFT_FOR_LATER


@again_after_deadlock
def _apply_left(
    tenant_id: UUID, left: Left, known: Places, now: datetime, handlers: Sequence[Handler], *, patient: bool, more: int
) -> int:
    """Apply what may join or divide people; unless `patient`, leave it for later if the lock is in use.

    Up to `more` that wait are taken along: at the end of a backlog these are what others left, who would go through all
    of this again for them. Return how many events were applied; those that another worker has claimed meanwhile are
    left to it.
    """
    with transaction(tenant_id) as session:
        if patient:
            lock_tenant(session, tenant_id)
        elif not try_to_lock_tenant(session, tenant_id):
            return 0
        mine = [left[id_] for id_ in claimed.claim_again(session, tenant_id, left)]
        if more:
            others = claimed.claim(session, tenant_id, more, left)
            mine = sorted([*mine, *(claimed.understand(row, known) for row in others)], key=lambda one: one.id)
        _apply(session, tenant_id, forgotten.drop(session, tenant_id, mine, now), known, now, handlers)
    left.clear()
    return len(mine)


def _claim(session: Session, tenant_id: UUID, limit: int, left: Left) -> tuple[Places, list[Claimed]]:
    """Claim events other than those left for later, and read them."""
    known = places(session, tenant_id)
    return known, [claimed.understand(row, known) for row in claimed.claim(session, tenant_id, limit, left)]


@again_after_deadlock
def _one_by_one(tenant_id: UUID, now: datetime, handlers: Sequence[Handler], limit: int) -> int:
    with transaction(tenant_id) as session:
        known, events = _claim(session, tenant_id, limit, {})
        lock_tenant(session, tenant_id)
        for event in forgotten.drop(session, tenant_id, events, now):
            try:
                with session.begin_nested():
                    _apply(session, tenant_id, [event], known, now, handlers)
            except OperationalError:
                raise
            except Exception as error:
                log.exception("Event %s of %s failed", event.id, tenant_id)
                _fail(session, tenant_id, [event.id], f"{type(error).__name__}: {error}"[:500], now)
        return len(events)


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
    _finish(session, tenant_id, [one for one in events if one.id in found.matches], found, now, handlers)
    likeness.look(session, tenant_id, _news(found, events), now)


def _news(found: Resolution, events: Sequence[Claimed]) -> set[UUID]:
    """Return of whom something was learnt that may make them look like somebody else."""
    losers = {one.loser for one in found.joins}
    named = {
        found.matches[one.id].customer_id
        for one in events
        if (one.evidence.first_name or one.evidence.date_of_birth) and one.id in found.news and one.id in found.matches
    }
    return ({*found.created, *found.ids.values(), *(owner for owner, _ in found.points)} | named) - losers


def _finish(
    session: Session,
    tenant_id: UUID,
    events: list[Claimed],
    found: Resolution,
    now: datetime,
    handlers: Sequence[Handler],
) -> None:
    """Write what was found out about the events, and tell the handlers."""
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
