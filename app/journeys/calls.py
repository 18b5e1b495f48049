"""Calls of other systems by WEBHOOK steps: written down by the step, made outside of any transaction, and settled.

The receiver hears of each at least once, a repeat under the same id; whoever dies in between loses the claim after a
while. A host that is down, or asks for peace, is left alone for all who wait for it: then one call tries it at a time.
"""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.infra import http, webhooks
from app.infra.arrays import array
from app.infra.crypto import CannotUnseal, seal, unseal
from app.infra.db import transaction
from app.infra.errors import UserError
from app.infra.http import Answer, RefusedUrl
from app.infra.queue import Work, wake
from app.journeys.graph import storable

PURPOSE = "journey-webhook"
QUEUED, DONE, FAILED = "QUEUED", "DONE", "FAILED"
BATCH, AT_ONCE = 40, 8
FORGET_AT_ONCE = 5_000
TIMEOUT_SECONDS = 10.0
# All calls of a batch are over before it ends, however slow they are.
LEASE = timedelta(minutes=2)
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=10), timedelta(hours=1)
LONGEST_ASKED = timedelta(hours=6)
"""A receiver that asks to be left alone for longer is tried after this."""
LEFT_ALONE_AFTER = 3
"""So many calls in a row that a host did not take."""
FIRST_PEACE, LONGEST_PEACE = timedelta(seconds=30), timedelta(minutes=10)
MAX_ANSWER = 4096
"""A longer answer is not kept."""
_TRY_AGAIN = (408, 425, 429)

# Of a host that took none of the last calls one at a time is tried, of others those that have waited longest.
_CLAIM = text("""
    WITH shut AS MATERIALIZED (
        SELECT host, open_until FROM journey_webhook_host
        WHERE tenant_id = :tenant_id AND (failures >= :after OR open_until > :now)
    ), tried AS MATERIALIZED (
        SELECT first.id FROM shut CROSS JOIN LATERAL (
            SELECT w.id FROM journey_webhook w
            WHERE w.tenant_id = :tenant_id AND w.host = shut.host AND w.status = 'QUEUED' AND w.due_at <= :now
            ORDER BY w.due_at LIMIT 1 FOR UPDATE SKIP LOCKED) AS first
        WHERE shut.open_until IS NULL OR shut.open_until <= :now
    ), longest AS MATERIALIZED (
        SELECT w.id FROM journey_webhook w
        WHERE w.tenant_id = :tenant_id AND w.status = 'QUEUED' AND w.due_at <= :now
            AND w.host NOT IN (SELECT host FROM shut)
        ORDER BY w.due_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE journey_webhook SET due_at = :lease
    WHERE tenant_id = :tenant_id AND id IN (SELECT id FROM tried UNION ALL SELECT id FROM longest)
    RETURNING id, enrollment_id, step_number, method, url, host, secret, body, attempts, gives_up_at
""")
# Whoever left the step meanwhile is told of no more.
_FORGET = text("""
    DELETE FROM journey_webhook w USING journey_enrollment e
    WHERE w.tenant_id = :tenant_id AND w.id = ANY(CAST(:ids AS uuid[]))
        AND e.tenant_id = w.tenant_id AND e.id = w.enrollment_id
        AND (e.status <> 'ACTIVE' OR e.current_step_number <> w.step_number)
    RETURNING w.id
""")
# Whoever stands at the step goes by what came of their call, also after a long pause.
_FORGET_OLD = text("""
    DELETE FROM journey_webhook WHERE tenant_id = :tenant_id AND id IN (
        SELECT w.id FROM journey_webhook w
        JOIN journey_enrollment e ON e.tenant_id = w.tenant_id AND e.id = w.enrollment_id
        WHERE w.tenant_id = :tenant_id AND w.gives_up_at <= :now
            AND (e.status <> 'ACTIVE' OR e.current_step_number <> w.step_number)
        ORDER BY w.gives_up_at LIMIT :limit)
""")
# People before calls, as the engine has them.
_GO_ON = text("""
    UPDATE journey_enrollment e SET due_at = :now
    FROM unnest(CAST(:people AS uuid[]), CAST(:numbers AS int[])) AS told(id, number)
    WHERE e.tenant_id = :tenant_id AND e.id = told.id AND e.status = 'ACTIVE' AND e.current_step_number = told.number
""")
_SETTLE = text("""
    UPDATE journey_webhook w SET status = told.status, due_at = told.due_at, said = told.said, code = told.code,
        answer = CAST(told.answer AS jsonb), attempts = attempts + 1
    FROM unnest(CAST(:ids AS uuid[]), CAST(:statuses AS text[]), CAST(:dues AS timestamptz[]), CAST(:said AS text[]),
        CAST(:codes AS int[]), CAST(:answers AS text[])) AS told(id, status, due_at, said, code, answer)
    WHERE w.tenant_id = :tenant_id AND w.id = told.id
""")
_HOST_FAILED = text("""
    INSERT INTO journey_webhook_host AS held (tenant_id, host, failures, open_until)
    VALUES (:tenant_id, :host, 1, :asked)
    ON CONFLICT (tenant_id, host) DO UPDATE SET failures = held.failures + 1,
        open_until = greatest(excluded.open_until, CASE WHEN held.failures + 1 >= :after THEN
            :now + least(:first * power(2, least(held.failures + 1 - :after, 10)), :longest) END)
    RETURNING open_until
""")
_HOST_WORKS = text("DELETE FROM journey_webhook_host WHERE tenant_id = :tenant_id AND host = :host")
_PUT_OFF = text("""
    UPDATE journey_webhook SET due_at = :until
    WHERE tenant_id = :tenant_id AND host = :host AND status = 'QUEUED' AND due_at < :until
""")


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one call: taken, or not for `words`, for good or to be tried again, after `wait` if it said so."""

    taken: bool = False
    again: bool = False
    words: str | None = None
    code: int | None = None
    answer: str | None = None
    wait: timedelta | None = None


def new_secret(tenant_id: UUID) -> tuple[str, str]:
    """Return a secret to sign with, and the same sealed, as the settings of a step keep it."""
    plain = webhooks.new_secret()
    return plain, seal(PURPOSE, tenant_id, plain)


def opens(tenant_id: UUID, sealed: str) -> bool:
    """Return whether a secret can be read here: it was made for this tenant, under a key that is still there."""
    try:
        unseal(PURPOSE, tenant_id, sealed)
    except CannotUnseal:
        return False
    return True


def call_batch(*, tenant_id: UUID, now: datetime) -> int:
    """Make the tenant's calls that are due, some at once, and return how many; 0: nothing is due."""
    values = {"tenant_id": tenant_id, "now": now, "lease": now + LEASE, "limit": BATCH, "after": LEFT_ALONE_AFTER}
    claimed: list[Row[Any]] = []
    while not claimed:
        with transaction(tenant_id) as session:
            due = session.execute(_CLAIM, values).all()
            if not due:
                return 0
            left = {"tenant_id": tenant_id, "ids": array(row.id for row in due)}
            gone = set(session.scalars(_FORGET, left))
        claimed = [row for row in due if row.id not in gone]
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(claimed)), thread_name_prefix="call") as pool:
        told = list(pool.map(lambda row: _call(tenant_id, row, now), claimed))
    _settle(tenant_id, claimed, told, now)
    return len(claimed)


def forget_old(*, tenant_id: UUID, now: datetime) -> int:
    """Delete calls that are over and nobody goes by any more, whose people left meanwhile; return how many."""
    total, gone = 0, FORGET_AT_ONCE
    while gone == FORGET_AT_ONCE:
        with transaction(tenant_id) as session:
            found = session.execute(_FORGET_OLD, {"tenant_id": tenant_id, "now": now, "limit": FORGET_AT_ONCE})
            gone = int(found.rowcount)  # type: ignore[attr-defined]
        total += gone
    return total


def _call(tenant_id: UUID, row: Row[Any], now: datetime) -> Told:
    """Make one call, outside of any transaction."""
    content = (row.body or "").encode()
    try:
        signing = [unseal(PURPOSE, tenant_id, row.secret)]
        headers = webhooks.headers(row.id, content, signing=signing, now=now)
        answer = http.request(row.method, row.url, body=content, headers=headers, timeout=TIMEOUT_SECONDS)
    except CannotUnseal as error:
        return Told(words=f"{error}.")
    except RefusedUrl as error:
        return Told(words=error.message)
    except UserError as error:
        return Told(again=True, words=error.message)
    if answer.ok:
        return Told(taken=True, code=answer.status, answer=_kept(answer))
    again = answer.status >= 500 or answer.status in _TRY_AGAIN
    words = f"The receiver answered {answer.status}."
    return Told(again=again, words=words, code=answer.status, wait=answer.retry_after(now, LONGEST_ASKED))


def _kept(answer: Answer) -> str | None:
    """Return an answer as JSON to keep, or None where it is none, or too long."""
    if not answer.whole or len(answer.body) > MAX_ANSWER:
        return None
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    return orjson.dumps(said).decode() if storable(said) else None


def _settle(tenant_id: UUID, claimed: Sequence[Row[Any]], told: Sequence[Told], now: datetime) -> None:
    """Write down what came of calls; whoever waits for one that is over goes on."""
    dues: list[datetime | None] = []
    for row, one in zip(claimed, told, strict=True):
        # The exponent has an end before the number has none.
        backoff = min(FIRST_WAIT * 2 ** min(row.attempts, 20), LONGEST_WAIT) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        due = now + (one.wait or backoff)
        dues.append(due if one.again and due < row.gives_up_at else None)
    statuses = [QUEUED if due else DONE if one.taken else FAILED for due, one in zip(dues, told, strict=True)]
    over = [row for row, due in zip(claimed, dues, strict=True) if due is None]
    with transaction(tenant_id) as session:
        people = {"people": array(row.enrollment_id for row in over), "numbers": array(row.step_number for row in over)}
        session.execute(_GO_ON, {"tenant_id": tenant_id, "now": now, **people})
        columns = {
            "ids": array(row.id for row in claimed),
            "statuses": array(statuses),
            "dues": array(dues),
            "said": array(one.words for one in told),
            "codes": array(one.code for one in told),
            "answers": array(one.answer for one in told),
        }
        session.execute(_SETTLE, {"tenant_id": tenant_id, **columns})
        _note_hosts(session, tenant_id, claimed, told, now)
        if over:
            wake(Work.ADVANCE_JOURNEYS, tenant_id)


def _note_hosts(
    session: Session, tenant_id: UUID, claimed: Sequence[Row[Any]], told: Sequence[Told], now: datetime
) -> None:
    """Note of each host whether it takes calls: one that took any is well."""
    by_host: dict[str, list[Told]] = {}
    for row, one in zip(claimed, told, strict=True):
        by_host.setdefault(row.host, []).append(one)
    for host, calls in sorted(by_host.items()):
        values = {"tenant_id": tenant_id, "host": host, "now": now, "after": LEFT_ALONE_AFTER}
        if not all(one.again for one in calls):
            session.execute(_HOST_WORKS, values)
            continue
        waits = [one.wait for one in calls if one.wait]
        asked = now + max(waits) if waits else None
        values |= {"asked": asked, "first": FIRST_PEACE, "longest": LONGEST_PEACE}
        until = session.scalar(_HOST_FAILED, values)
        if until is not None:
            session.execute(_PUT_OFF, values | {"until": until})
