"""The batches of senders that were killed on this machine, settled once that is known: by what each had offered."""

import logging
from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from app.infra import clock
from app.infra.db import again_after_deadlock, look_up_by_index, transaction
from app.infra.queue import Work, wake
from app.messaging import in_hand
from app.messaging.in_hand import Left
from app.messaging.results import MAX_ATTEMPTS, Ending, record
from app.messaging.sender import retry_at
from app.messaging.states import Purpose, Reason, Status

log = logging.getLogger(__name__)

AT_ONCE = 3
"""So often what was never offered is due again at once; then later and later, and not all together: something among it
may be what ends its senders."""
TAKEN = "Taken; its sender was ended before it could note the answer."
NEVER_OFFERED = "Its senders were ended before they could hand it over."

# Those that were told of as unknown meanwhile are not sent any more: somebody may have read that.
STILL_SENDING = text("""
    SELECT id, purpose, attempts FROM message
    WHERE tenant_id = :tenant_id AND status = 'sending' AND attempt_id = :attempt_id
    FOR UPDATE
""")


def settle(*, now: datetime | None = None) -> dict[str, int]:
    """Settle what dead senders of this machine had in hand: what was taken is `sent`, what nobody got is queued again.

    What may have been taken is `unknown`, or queued again if it is transactional. Return how many became what.
    """
    moment = now or clock.now()
    counts: Counter[str] = Counter()
    for left in in_hand.left():
        try:
            counts.update(_settle(left, moment))
        except Exception:
            # Whatever is wrong with one batch, the others are settled.
            log.exception("What a sender of %s had in hand can't be settled", left.tenant_id)
            left.again = True
    return dict(counts)


# Messages are locked before their readers here, and after them where two profiles become one.
@again_after_deadlock
def _settle(left: Left, now: datetime) -> list[str]:
    with transaction(left.tenant_id) as session:
        look_up_by_index(session)
        attempt = {"tenant_id": left.tenant_id, "attempt_id": left.attempt_id}
        endings = [
            Ending(id_, Status.SENT, None, TAKEN, subject, sent_at=now, customer_id=reader)
            for id_, subject, reader in left.taken
        ]
        taken, perhaps = {ending.id for ending in endings}, set(left.perhaps)
        rows = session.execute(STILL_SENDING, attempt).all()
        endings += [_ending(row, perhaps, now) for row in rows if row.id not in taken]
        if endings:
            record(**attempt, endings=endings)
        if any(ending.status is Status.QUEUED for ending in endings):
            wake(Work.SEND_MESSAGES, left.tenant_id)
    return [ending.status for ending in endings]


def _ending(row: Row[Any], perhaps: set[UUID], now: datetime) -> Ending:
    """Return what becomes of a message that was not taken for certain."""
    if row.id in perhaps and (row.purpose == Purpose.MARKETING or row.attempts >= MAX_ATTEMPTS):
        return Ending(row.id, Status.UNKNOWN, Reason.INTERRUPTED)
    if row.attempts >= MAX_ATTEMPTS:
        return Ending(row.id, Status.FAILED, Reason.GAVE_UP, NEVER_OFFERED)
    due_at = now if row.attempts <= AT_ONCE else retry_at(row.attempts - AT_ONCE, now)
    return Ending(row.id, Status.QUEUED, Reason.TEMPORARY_FAILURE, due_at=due_at)
