"""Answers kept for repeats: a request that names an Idempotency-Key is carried out once, however often it is sent.

The key's row, what the request does and its answer are one transaction, so there is never one without the others. A
repeat that comes meanwhile waits for it at the row's unique key (draft-ietf-httpapi-idempotency-key-header).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from psycopg.errors import LockNotAvailable
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Conflict, Invalid

KEPT = timedelta(hours=24)
MAX_KEY = 255

_PURGE = text("""
    DELETE FROM kept_answer WHERE tenant_id = :tenant_id AND created_at < :expired
""")
_WAIT = text("SET LOCAL lock_timeout = '5s'")
_WAIT_NO_MORE = text("SET LOCAL lock_timeout = DEFAULT")
_TAKE = text("""
    INSERT INTO kept_answer AS kept (tenant_id, actor, key, fingerprint, created_at)
    VALUES (:tenant_id, :actor, :key, :fingerprint, :now)
    ON CONFLICT (tenant_id, actor, key) DO UPDATE
        SET fingerprint = excluded.fingerprint, created_at = excluded.created_at, status = NULL, body = NULL
        WHERE kept.created_at < :expired
    RETURNING id
""")
_KEPT = text("""
    SELECT fingerprint, status, content_type, body FROM kept_answer
    WHERE tenant_id = :tenant_id AND actor = :actor AND key = :key
""")
_KEEP = text("""
    UPDATE kept_answer SET status = :status, content_type = :content_type, body = :body
    WHERE tenant_id = :tenant_id AND id = :id
""")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered with; `repeated`: it had been carried out before."""

    status: int
    content_type: str
    body: str
    repeated: bool = False


class KeyReused(Invalid):
    """The key belongs to another request of the same caller."""

    def __init__(self) -> None:
        super().__init__({"Idempotency-Key": "This key came with another request before. Use a new key for each."})


class StillRunning(Conflict):
    """The first request with this key has not come to its end."""

    def __init__(self) -> None:
        super().__init__("The first request with this Idempotency-Key is still being carried out. Try again shortly.")


def once(
    *,
    tenant_id: UUID,
    actor: str,
    key: str,
    fingerprint: str,
    act: Callable[[], Answer],
    now: datetime | None = None,
) -> Answer:
    """Carry `act` out in a transaction of the tenant, unless `actor` did so with this key in the last 24 hours.

    Then the answer of that time is returned. What raises is not kept: a repeat is carried out. Raises Invalid for a key
    that is none, KeyReused where `fingerprint` (whatever tells requests apart) is another, StillRunning.
    """
    if not 0 < len(key) <= MAX_KEY or not key.isprintable():
        raise Invalid({"Idempotency-Key": f"Send up to {MAX_KEY} printable characters, a UUID for example."})
    moment = now or clock.now()
    named = {"tenant_id": tenant_id, "actor": actor, "key": key}
    with transaction(tenant_id) as session:
        mine = _take(session, {**named, "fingerprint": fingerprint, "now": moment, "expired": moment - KEPT})
        if mine is None:
            found = session.execute(_KEPT, named).one()
            if found.fingerprint != fingerprint:
                raise KeyReused
            return Answer(found.status, found.content_type, found.body, repeated=True)
        answer = act()
        session.execute(
            _KEEP,
            {
                "tenant_id": tenant_id,
                "id": mine,
                "status": answer.status,
                "content_type": answer.content_type,
                "body": answer.body,
            },
        )
    return replace(answer, repeated=False)


def forget_old(*, tenant_id: UUID, now: datetime) -> None:
    """Delete the answers that are older than KEPT."""
    with transaction(tenant_id) as session:
        session.execute(_PURGE, {"tenant_id": tenant_id, "expired": now - KEPT})


def _take(session: Session, values: dict[str, object]) -> UUID | None:
    """Return the row that is now this request's, or None where an answer is kept."""
    session.execute(_WAIT)
    try:
        mine: UUID | None = session.scalar(_TAKE, values)
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):
            raise StillRunning from None
        raise
    session.execute(_WAIT_NO_MORE)
    return mine
