"""Pushing: a part is written down and committed, told to the receiver outside of any transaction, and settled.

The receiver hears of everything at least once: what was written down goes out again, under the same id, until it was
taken. Whoever dies in between loses the claim after a while, and the next one goes on from there.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.infra import http
from app.infra.arrays import array
from app.infra.crypto import CannotUnseal, unseal
from app.infra.db import transaction
from app.infra.errors import UserError
from app.infra.http import Answer
from app.infra.ids import new_id
from app.segments.sync import envelope
from app.segments.sync.envelope import FIELDS, Part, Person
from app.segments.sync.models import ENTERED, FULL, LEFT, LIVE, STOPPED

PURPOSE = "segment-sync"
BATCH = 500
# Longer than a request may take: before it is over nobody else takes the part up.
LEASE = timedelta(seconds=30)
TIMEOUT_SECONDS = 10.0
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=10), timedelta(hours=1)
LONGEST_ASKED = timedelta(hours=6)
"""A receiver that asks to be left alone for longer is tried after this."""
GIVE_UP_AFTER = timedelta(days=1)
SOON = timedelta(seconds=2)

# Live and nothing due: then there is something to do where changes wait, or where the definition is another one and
# everybody has to be pushed anew. Not while that is being worked out: nobody is told who enters and leaves by it, and
# a refresh that began before there was a sync does not note down for it who enters. Full and nothing due: it waits for
# a definition to be worked out, however long that takes, or whoever has to mend it.
_NEXT = text("""
    SELECT s.*, g.name, g.version AS defined,
        g.refresh_tells AS told, g.refresh_tells AND g.refreshing_since IS NULL AS settled
    FROM segment_sync s JOIN segment g ON g.tenant_id = s.tenant_id AND g.id = s.segment_id
    WHERE s.tenant_id = :tenant_id AND (s.due_at <= :now OR s.status = 'FULL' AND s.due_at IS NULL AND g.refresh_tells
        OR s.status = 'LIVE' AND s.due_at IS NULL AND (g.version <> s.version AND g.refresh_tells OR EXISTS (
            SELECT FROM segment_sync_change c WHERE c.tenant_id = s.tenant_id AND c.segment_id = s.segment_id)))
    ORDER BY coalesce(s.due_at, :now), s.segment_id LIMIT 1 FOR UPDATE OF s SKIP LOCKED
""")
_CLAIM = text("""
    UPDATE segment_sync SET status = :status, run = :run, part = :part, position = :position, pushed = :pushed,
        version = :version, batch_id = :batch_id, batch_end = :batch_end, batch_last = :batch_last, due_at = :due_at
    WHERE tenant_id = :tenant_id AND segment_id = :segment_id
""")
_LATER = text("UPDATE segment_sync SET due_at = :due_at WHERE tenant_id = :tenant_id AND segment_id = :segment_id")
_FORGET = text("DELETE FROM segment_sync_change WHERE tenant_id = :tenant_id AND segment_id = :segment_id")
# By another definition people come and go without a note: one from before it must not undo what everybody's push says.
_OUTDATED = text("""
    DELETE FROM segment_sync_change c
    WHERE c.tenant_id = :tenant_id AND c.segment_id = :segment_id AND (c.act = 'entered') <> EXISTS (
        SELECT FROM segment_member m
        WHERE m.tenant_id = c.tenant_id AND m.segment_id = c.segment_id AND m.customer_id = c.customer_id)
""")
_PAGE = text("""
    SELECT customer_id FROM segment_member
    WHERE tenant_id = :tenant_id AND segment_id = :segment_id
        AND (CAST(:position AS uuid) IS NULL OR customer_id > :position)
    ORDER BY customer_id LIMIT :limit
""")
_SAME_PAGE = text("""
    SELECT customer_id FROM segment_member
    WHERE tenant_id = :tenant_id AND segment_id = :segment_id AND customer_id <= :batch_end
        AND (CAST(:position AS uuid) IS NULL OR customer_id > :position)
    ORDER BY customer_id
""")
_TAKE = text("""
    WITH next AS (
        SELECT id FROM segment_sync_change WHERE tenant_id = :tenant_id AND segment_id = :segment_id
        ORDER BY id LIMIT :limit)
    UPDATE segment_sync_change c SET batch_id = :batch_id FROM next WHERE c.tenant_id = :tenant_id AND c.id = next.id
""")
# The last thing that happened to somebody is what counts.
_TAKEN = text("""
    SELECT DISTINCT ON (customer_id) customer_id, act FROM segment_sync_change
    WHERE tenant_id = :tenant_id AND segment_id = :segment_id AND batch_id = :batch_id
    ORDER BY customer_id, at DESC, id DESC
""")
_PEOPLE = text("""
    SELECT c.id, c.email, c.phone, c.first_name, c.last_name
    FROM unnest(CAST(:ids AS uuid[])) AS wanted(id) JOIN customer c ON c.tenant_id = :tenant_id AND c.id = wanted.id
""")
_MINE = text("""
    SELECT * FROM segment_sync
    WHERE tenant_id = :tenant_id AND segment_id = :segment_id AND batch_id = :batch_id FOR UPDATE
""")
_SETTLED = text("""
    UPDATE segment_sync SET status = :status, position = :position, part = part + 1, pushed = pushed + :people,
        batch_id = NULL, batch_end = NULL, batch_last = false, due_at = :due_at, attempts = 0, failing_since = NULL,
        error = NULL, last_pushed_at = :now, last_full_at = CASE WHEN :complete THEN :now ELSE last_full_at END,
        receiver_id = coalesce(:receiver_id, receiver_id)
    WHERE tenant_id = :tenant_id AND segment_id = :segment_id
""")
_DONE = text("""
    DELETE FROM segment_sync_change
    WHERE tenant_id = :tenant_id AND segment_id = :segment_id AND batch_id = :batch_id
""")
_FAILED = text("""
    UPDATE segment_sync SET status = :status, due_at = :due_at, attempts = attempts + 1, error = :error,
        failing_since = coalesce(failing_since, :now)
    WHERE tenant_id = :tenant_id AND segment_id = :segment_id
""")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A part that is ready to go out, and where to."""

    segment_id: UUID
    url: str
    content: bytes
    signing: tuple[str, ...]
    part: Part


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a part was not taken: in words, how long the receiver asks to be left alone, whether it is gone for good."""

    words: str
    wait: timedelta | None = None
    gone: bool = False


def push_one(*, tenant_id: UUID, now: datetime) -> int:
    """Tell one receiver one part; return how many people it told of, at least 1, and 0 if there is nothing to tell."""
    claimed = _claim(tenant_id, now)
    if not isinstance(claimed, Claimed):
        return int(claimed)
    told = _tell(claimed, now)
    _settle(tenant_id, claimed, told, now)
    return max(1, claimed.part.people)


def _claim(tenant_id: UUID, now: datetime) -> Claimed | bool:
    """Write down the next part and return it; or whether there was something to do that needed no telling."""
    with transaction(tenant_id) as session:
        row = session.execute(_NEXT, {"tenant_id": tenant_id, "now": now}).first()
        if row is None:
            return False
        state = dict(row._mapping)
        if state["batch_id"] is None:
            beginning = row.version != row.defined or (row.status == FULL and row.part == 0)
            if beginning and not row.settled:
                session.execute(_LATER, state | {"due_at": now + SOON if row.told else None})
                return True
            if beginning:
                session.execute(_OUTDATED, state)
            if row.version != row.defined:
                state |= from_the_start(row.defined)
            if not _write_down(session, state):
                session.execute(_CLAIM, state | {"batch_id": None, "due_at": None})
                return True
        session.execute(_CLAIM, state | {"due_at": now + LEASE})
        try:
            signing = _signing(row, now)
        except CannotUnseal as error:
            session.execute(_FAILED, state | {"status": STOPPED, "due_at": None, "error": f"{error}.", "now": now})
            return True
        part = _read(session, state)
        content = envelope.body(part, shape=row.shape, tenant_id=tenant_id, segment_id=row.segment_id, name=row.name)
        return Claimed(row.segment_id, row.url, content, signing, part)


def from_the_start(version: int) -> dict[str, Any]:
    """Return the columns of a sync that begins to push everybody, by that definition of the segment."""
    return {
        "status": FULL,
        "run": new_id(),
        "part": 0,
        "position": None,
        "pushed": 0,
        "version": version,
        "batch_id": None,
        "batch_end": None,
        "batch_last": False,
    }


def _write_down(session: Session, state: dict[str, Any]) -> bool:
    """Give `state` its next part, and return whether there is one."""
    state |= {"batch_id": new_id(), "batch_end": None, "batch_last": True}
    if state["status"] == LIVE:
        taken = session.execute(_TAKE, state | {"limit": BATCH})
        return bool(taken.rowcount)  # type: ignore[attr-defined]
    found = session.scalars(_PAGE, state | {"limit": BATCH + 1}).all()
    # An empty segment is told as well: by a part with nobody in it.
    state |= {"batch_end": found[:BATCH][-1] if found else None, "batch_last": len(found) <= BATCH}
    return True


def _read(session: Session, state: dict[str, Any]) -> Part:
    """Return the part that is written down. People are told of as they are now."""
    full = state["status"] == FULL
    if full:
        ids = session.scalars(_SAME_PAGE, state).all() if state["batch_end"] else []
        acts = dict.fromkeys(ids, ENTERED)
    else:
        acts = {row.customer_id: row.act for row in session.execute(_TAKEN, state)}
    known = {row.id: row for row in session.execute(_PEOPLE, {**_key(state), "ids": array(acts)})}

    def person(id_: UUID) -> Person:
        found = known.get(id_)
        return Person(id_, {name: getattr(found, name) for name in FIELDS if name in state["fields"] and found})

    return Part(
        id=state["batch_id"],
        full=full,
        run=state["run"],
        number=state["part"],
        last=state["batch_last"],
        entered=[person(id_) for id_, act in acts.items() if act == ENTERED],
        left=[person(id_) for id_, act in acts.items() if act == LEFT],
    )


def _key(state: dict[str, Any]) -> dict[str, Any]:
    return {"tenant_id": state["tenant_id"], "segment_id": state["segment_id"]}


def _signing(row: Row[Any], now: datetime) -> tuple[str, ...]:
    sealed = [row.secret]
    if row.old_secret and row.old_secret_until > now:
        sealed.append(row.old_secret)
    return tuple(unseal(PURPOSE, row.tenant_id, one) for one in sealed)


def _tell(claimed: Claimed, now: datetime) -> Answer | Trouble:
    """Ask the receiver to take a part, outside of any transaction; return its answer, or what went wrong."""
    headers = envelope.headers(claimed.part, claimed.content, signing=claimed.signing, now=now)
    try:
        answer = http.request("POST", claimed.url, body=claimed.content, headers=headers, timeout=TIMEOUT_SECONDS)
    except UserError as error:
        return Trouble(error.message)
    if answer.ok:
        return answer
    if answer.status == 410:
        return Trouble("The receiver says that it is gone (410).", gone=True)
    return Trouble(f"The receiver answered {answer.status}.", answer.retry_after(now, LONGEST_ASKED))


def _settle(tenant_id: UUID, claimed: Claimed, told: Answer | Trouble, now: datetime) -> None:
    """Write down what became of a part, unless somebody else did, or the sync was changed meanwhile."""
    key = {"tenant_id": tenant_id, "segment_id": claimed.segment_id, "batch_id": claimed.part.id}
    with transaction(tenant_id) as session:
        row = session.execute(_MINE, key).first()
        if row is None:
            return
        if isinstance(told, Trouble):
            _note_trouble(session, row, told, now)
            return
        complete = claimed.part.full and claimed.part.last
        going_on = claimed.part.full and not complete
        session.execute(_DONE, key)
        session.execute(
            _SETTLED,
            {
                **key,
                "status": FULL if going_on else LIVE,
                "position": row.batch_end if going_on else None,
                "people": claimed.part.people if claimed.part.full else 0,
                "due_at": now if going_on else None,
                "complete": complete,
                "receiver_id": _receiver_id(told),
                "now": now,
            },
        )


def _note_trouble(session: Session, row: Row[Any], trouble: Trouble, now: datetime) -> None:
    since = row.failing_since or now
    over = trouble.gone or now - since >= GIVE_UP_AFTER
    # The exponent has an end before the number has none.
    backoff = min(FIRST_WAIT * 2 ** min(row.attempts, 20), LONGEST_WAIT) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
    values = {
        **_key(dict(row._mapping)),
        "status": STOPPED if over else row.status,
        "due_at": None if over else now + (trouble.wait or backoff),
        "error": trouble.words,
        "now": now,
    }
    session.execute(_FAILED, values)
    if over:
        # Whoever lets it go on has everybody pushed anew.
        session.execute(_FORGET, values)


def _receiver_id(answer: Answer) -> str | None:
    """Return what the receiver calls the segment, where it says so."""
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    found = said.get("id") if isinstance(said, dict) else None
    told = str(found) if isinstance(found, str | int) else ""
    return told if 0 < len(told) <= 200 and told.isprintable() else None
