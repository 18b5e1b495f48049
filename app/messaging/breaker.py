"""The breaker: a channel whose other side is down, or asks for peace, is left alone for a while.

It stands in Postgres, one row for each channel in trouble, so that all workers know. While it is open nothing of the
channel is claimed: messages wait and use up none of their attempts. When its time is over one worker tries one message;
if that is taken all goes on, else it stays open for twice as long. What other channels have is in nobody's way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra.db import transaction
from app.messaging.channel import Outcome, channel

AFTER = 3
"""So many batches in a row that nobody took open it."""
FIRST = timedelta(seconds=30)
LONGEST = timedelta(minutes=10)
MOST_ASKED = timedelta(hours=6)
"""Who asks to be left alone for longer is asked again after so long."""
MAX_SAID = 500

_IN_TROUBLE = text("SELECT channel, open_until FROM channel_breaker WHERE tenant_id = :tenant_id")
# One worker gets the row; who comes second finds it open for longer.
_TRY = text("""
    UPDATE channel_breaker SET open_until = :until
    WHERE tenant_id = :tenant_id AND channel = :channel AND open_until <= :now
    RETURNING channel
""")
_FAILED = text("""
    INSERT INTO channel_breaker AS breaker (tenant_id, channel, failures, since, said, open_until)
    VALUES (:tenant_id, :channel, 1, :now, :said, :asked)
    ON CONFLICT (tenant_id, channel) DO UPDATE
    SET failures = breaker.failures + 1, said = excluded.said,
        open_until = greatest(excluded.open_until, CASE WHEN breaker.failures + 1 >= :after THEN
            :now + least(:first * power(2, least(breaker.failures + 1 - :after, 10)), :longest) END)
""")
_WORKED = text("DELETE FROM channel_breaker WHERE tenant_id = :tenant_id AND channel = :channel")
_OPEN = text("""
    SELECT channel, failures, since, said, open_until FROM channel_breaker
    WHERE tenant_id = :tenant_id AND open_until IS NOT NULL ORDER BY channel
""")


@dataclass(frozen=True, slots=True)
class Standing:
    """How the channels of a tenant stand: those in `troubled` failed last, nothing of those in `shut` is claimed.

    Of `trial`, which is one of the shut ones, one message is tried now.
    """

    troubled: frozenset[str]
    shut: frozenset[str]
    trial: str | None


@dataclass(frozen=True, slots=True)
class Open:
    """A channel that is left alone: since when it fails, what was said last, and when it is tried again."""

    channel: str
    label: str
    failures: int
    since: datetime
    said: str
    until: datetime


def standing(session: Session, *, tenant_id: UUID, now: datetime) -> Standing:
    """Return how the channels stand; a trial is this caller's alone. For the gate."""
    rows = session.execute(_IN_TROUBLE, {"tenant_id": tenant_id}).all()
    shut = frozenset(row.channel for row in rows if row.open_until is not None)
    trial = None
    for row in rows:
        if trial is None and row.open_until is not None and row.open_until <= now:
            values = {"tenant_id": tenant_id, "channel": row.channel, "now": now, "until": now + FIRST}
            trial = session.execute(_TRY, values).scalar_one_or_none()
    return Standing(frozenset(row.channel for row in rows), shut, trial)


def learn(*, tenant_id: UUID, name: str, outcomes: Sequence[Outcome], troubled: bool, now: datetime) -> None:
    """Take note of what became of a channel's batch. `troubled`: it was in trouble before."""
    asked = max((one.retry_after for one in outcomes if one.retry_after and not one.asked_by_one), default=None)
    if asked is None and not all(one.no_connection for one in outcomes):
        if troubled:
            with transaction(tenant_id) as session:
                session.execute(_WORKED, {"tenant_id": tenant_id, "channel": name})
        return
    said = next(one.response for one in reversed(outcomes) if one.retry_after == asked or one.no_connection)
    with transaction(tenant_id) as session:
        session.execute(
            _FAILED,
            {
                "tenant_id": tenant_id,
                "channel": name,
                "now": now,
                "said": said.replace("\x00", "").encode("utf-8", "replace").decode()[:MAX_SAID],
                "asked": None if asked is None else now + min(asked, MOST_ASKED),
                "after": AFTER,
                "first": FIRST,
                "longest": LONGEST,
            },
        )


def opened(*, tenant_id: UUID) -> list[Open]:
    """Return the channels that are left alone now."""
    with transaction(tenant_id) as session:
        return [
            Open(row.channel, channel(row.channel).label, row.failures, row.since, row.said, row.open_until)
            for row in session.execute(_OPEN, {"tenant_id": tenant_id})
        ]
