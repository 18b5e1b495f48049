"""What comes back on a message after it was sent: delivered, bounced, complained of, replied to.

One way in for whoever hears of it (mail that bounces, providers' webhooks). Each becomes an event of our own on the
timeline, once; it marks the message, and what says that nobody is there, or that somebody wants no more, suppresses.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.events import log
from app.events.validation import OWN_SOURCE
from app.infra import clock
from app.infra.db import again_after_deadlock, transaction
from app.messaging.suppression import SuppressedBecause, suppress

MAX_DETAIL = 500
# So many letters in so many days that came back for now, and none between that was read: nobody is there.
SOFT_LIMIT = 5
SOFT_WITHIN = timedelta(days=30)


class Kind(StrEnum):
    """What came back, by the type of its event."""

    DELIVERED = "message.delivered"
    BOUNCED = "message.bounced"
    COMPLAINED = "message.complained"
    REPLIED = "message.replied"


class Bounce(StrEnum):
    """Why a message came back: nobody is there, not now, or it was turned away for what we are or sent.

    Only the first says anything about the address; several of the second, one after the other, do so too.
    """

    HARD = "hard"
    SOFT = "soft"
    BLOCKED = "blocked"


BOUNCE_WORDS = {
    Bounce.HARD: "Bounced for good",
    Bounce.SOFT: "Bounced for now",
    Bounce.BLOCKED: "Was turned away",
}
"""The kinds of bounces in words."""


@dataclass(frozen=True, slots=True)
class _Message:
    id: UUID
    channel: str
    customer_id: UUID | None
    to_address: str | None
    payload: dict[str, Any]


FIND = text("""
    SELECT id, channel, customer_id, to_address, subject, template_id, topic_id, journey_id, step_key, campaign_id
    FROM message WHERE tenant_id = :tenant_id AND id = :id AND status IN ('sending', 'sent', 'unknown', 'failed')
    FOR NO KEY UPDATE
""")
# The first of its kind counts; of bounces one for good outweighs what was said before.
MARK = {
    Kind.DELIVERED: "delivered_at = :at WHERE delivered_at IS NULL",
    Kind.BOUNCED: "bounced_at = :at, bounce_kind = :bounce"
    " WHERE (bounced_at IS NULL OR :bounce = 'hard' AND bounce_kind <> 'hard')",
    Kind.COMPLAINED: "complained_at = :at WHERE complained_at IS NULL",
    Kind.REPLIED: "replied_at = :at WHERE replied_at IS NULL",
}
_MARKS = {
    kind: text(f"UPDATE message SET {what} AND tenant_id = :tenant_id AND id = :id RETURNING id")  # noqa: S608
    for kind, what in MARK.items()
}
SOFT = text("""
    WITH recent AS (
        SELECT bounced_at, bounce_kind, greatest(first_open_at, delivered_at, replied_at) AS read_at FROM message
        WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND channel = :channel AND to_address = :address
          AND sending_at > :since
    )
    SELECT count(*) FROM recent
    WHERE bounce_kind = 'soft' AND bounced_at > coalesce((SELECT max(read_at) FROM recent), '-infinity')
""")


# Messages are locked before the customers here, and after them where two profiles become one.
@again_after_deadlock
def record(
    *,
    tenant_id: UUID,
    message_id: UUID,
    kind: Kind,
    at: datetime,
    detail: str | None = None,
    bounce: Bounce | None = None,
    mark: str = "",
    now: datetime | None = None,
) -> bool:
    """Record what came back on a message, and return whether that was new. A message that is not there is passed over.

    `detail` is what the other side said: of a bounce the reason, of a reply how it begins; it may hold anything, and
    is kept as text, cut at MAX_DETAIL. A bounce needs `bounce`. `mark` tells one reply from another: without it, each
    kind happens to a message once, and each kind of bounce. A hard bounce and a complaint suppress the address it was
    sent to, as do SOFT_LIMIT soft ones; BLOCKED never does.
    """
    if (kind is Kind.BOUNCED) != (bounce is not None):
        raise ValueError("a bounce, and nothing else, says of which kind it is")
    now = now or clock.now()
    at = min(at, now)
    said = tidy(detail)
    with transaction(tenant_id) as session:
        values = {"tenant_id": tenant_id, "id": message_id}
        row = session.execute(FIND, values).first()
        if row is None:
            return False
        marked = session.execute(_MARKS[kind], {**values, "at": at, "bounce": bounce}).first() is not None
        message = _Message(row.id, row.channel, row.customer_id, row.to_address, _payload(row))
        fresh = _tell(tenant_id, message, kind, at, said, bounce, mark, now) if row.customer_id else marked
        if fresh:
            _suppress(session, tenant_id, message, kind, said, bounce, now)
        return fresh


def tidy(detail: str | None) -> str | None:
    """Return what somebody else said on one line, without what can't be kept or shown, and not without end."""
    if not detail:
        return None
    kept = detail[: 4 * MAX_DETAIL].encode("utf-8", "replace").decode()
    words = "".join(one if one.isprintable() else " " for one in kept)
    return " ".join(words.split())[:MAX_DETAIL].rstrip() or None


def _payload(row: Any) -> dict[str, Any]:
    ids = ("template_id", "topic_id", "journey_id", "campaign_id")
    return {
        "message_id": str(row.id),
        "channel": row.channel,
        "subject": row.subject,
        "step_key": row.step_key,
        **{name: (found := getattr(row, name)) and str(found) for name in ids},
    }


def _tell(
    tenant_id: UUID,
    message: _Message,
    kind: Kind,
    at: datetime,
    said: str | None,
    bounce: Bounce | None,
    mark: str,
    now: datetime,
) -> bool:
    """Write the event, and return whether it was new."""
    payload = dict(message.payload)
    if bounce is not None:
        payload["bounce"] = str(bounce)
    if said:
        payload["excerpt" if kind is Kind.REPLIED else "reason"] = said
    told_apart = str(bounce) if bounce else hashlib.sha256(mark.encode("utf-8", "replace")).hexdigest()[:20]
    event = {
        "id": f"{kind}:{message.id}" + (f":{told_apart}" if bounce or mark else ""),
        "type": str(kind),
        "source": OWN_SOURCE,
        "timestamp": at.isoformat(),
        "identity": {"customer_id": str(message.customer_id)},
        "payload": payload,
    }
    [result] = log.append(tenant_id=tenant_id, events=[event], own=True, now=now)
    return result.status is log.Status.ACCEPTED


def _suppress(
    session: Session,
    tenant_id: UUID,
    message: _Message,
    kind: Kind,
    said: str | None,
    bounce: Bounce | None,
    now: datetime,
) -> None:
    because = None
    if kind is Kind.COMPLAINED:
        because = SuppressedBecause.COMPLAINT
    elif bounce is Bounce.HARD:
        because = SuppressedBecause.HARD_BOUNCE
    elif bounce is Bounce.SOFT and message.customer_id and _gives_up(session, tenant_id, message, now):
        because, said = SuppressedBecause.HARD_BOUNCE, tidy(f"{SOFT_LIMIT} messages came back, the last: {said or '-'}")
    if because and message.to_address:
        details = [said] if said else None
        suppress(
            tenant_id=tenant_id,
            addresses=[message.to_address],
            because=because,
            details=details,
            channel_name=message.channel,
        )


def _gives_up(session: Session, tenant_id: UUID, message: _Message, now: datetime) -> bool:
    values = {
        "tenant_id": tenant_id,
        "customer_id": message.customer_id,
        "channel": message.channel,
        "address": message.to_address,
        "since": now - SOFT_WITHIN,
    }
    return int(session.execute(SOFT, values).scalar_one()) >= SOFT_LIMIT
