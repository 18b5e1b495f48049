"""The door every event comes in by: judged one by one, written with one statement, answered after the commit."""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.events.addresses import phone_key
from app.events.places import Places, lately, places
from app.events.validation import Incoming, Refused, parse, validate
from app.infra import clock
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.queue import Work, wake

MAX_BATCH = 1000


class Status(StrEnum):
    """What became of one event at the door."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


@dataclass(slots=True)
class Result:
    """The answer to one event: `id` as its sender gave it, None where there was none to read."""

    id: str | None
    status: Status
    reason: str | None = None


# Everything but the identity and the payload as columns of text: one JSON document is the quickest way in.
_INSERT = text(
    """
    INSERT INTO inbound_event (tenant_id, id, source, event_id, type, occurred_at, received_at, identity, payload)
    SELECT :tenant_id, r.id, r.source, r.event_id, r.type, r.occurred_at, :now, r.identity, r.payload
    FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r(
        id uuid, source text, event_id text, type text, occurred_at timestamptz, identity jsonb, payload jsonb)
    ORDER BY r.source, r.event_id, r.id
    ON CONFLICT (tenant_id, source, event_id) DO NOTHING
    """
)
_WRITTEN = text("""
    SELECT source, event_id FROM inbound_event WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[]))
""")


def append(
    *,
    tenant_id: UUID,
    events: Sequence[Any],
    source_default: str | None = None,
    own: bool = False,
    clean: bool = False,
    now: datetime | None = None,
) -> list[Result]:
    """Write the events (at most MAX_BATCH) that are fit to be kept and return a result for each, in their order.

    An event is an object in the shape of the seeds' CrmEvent (`id, type, source, timestamp, identity, payload`), or
    the JSON text of one. `source_default` stands in where an event names no source; without it the part of the type
    before the first dot does. `own` is for events Fairway makes itself: only they may have the source "fairway" and
    the hint `identity.customer_id`. `clean` is what `validation.parse` said of objects it read.
    Unique are (tenant, source, id): a repeat is a duplicate and changes nothing. Once the transaction has committed, a
    worker is woken to apply them.
    """
    if len(events) > MAX_BATCH:
        raise ValueError(f"{len(events)} events at once, {MAX_BATCH} at most")
    now = now or clock.now()
    with transaction(tenant_id) as session:
        phones = _phones(session, tenant_id)
        judged = [_judge(event, source_default, now, phones, own, clean) for event in events]
        written = _write(session, tenant_id, [one for one in judged if isinstance(one, Incoming)], now)
        if written:
            wake(Work.PROCESS_EVENTS, tenant_id)
    results = []
    for one in judged:
        if isinstance(one, Result):
            results.append(one)
            continue
        key = (one.source, one.event_id)
        # The first of two equal events of one batch is the one that was written.
        status = Status.ACCEPTED if key in written else Status.DUPLICATE
        written.discard(key)
        results.append(Result(one.event_id, status))
    return results


def _phones(session: Session, tenant_id: UUID) -> Callable[[str, Any], bool]:
    fresh: list[Places] = []

    def valid(number: str, club: Any) -> bool:
        if number.startswith("+"):
            return phone_key(number, "") is not None
        if lately(session, tenant_id).phone_key(number, club):
            return True
        # A club of another country may have been added a moment ago.
        if not fresh:
            fresh.append(places(session, tenant_id))
        return fresh[0].phone_key(number, club) is not None

    return valid


def _judge(
    event: Any,
    source_default: str | None,
    now: datetime,
    valid_phone: Callable[[str, Any], bool],
    own: bool,
    clean: bool,
) -> Incoming | Result:
    try:
        if isinstance(event, str | bytes):
            event, clean = parse(event)
        if source_default and isinstance(event, dict) and event.get("source") is None:
            event = {**event, "source": source_default}
        return validate(event, now=now, valid_phone=valid_phone, own=own, clean=clean)
    except Refused as error:
        return Result(_spoken_id(event), Status.REJECTED, str(error))


def _spoken_id(event: Any) -> str | None:
    """Return the id a refused event gave, fit to be sent back, so that its sender can find it again."""
    name = event.get("id") if isinstance(event, dict) else None
    if isinstance(name, str):
        return name[:200].encode("utf-8", "replace").decode().replace("\x00", "\\u0000")
    return str(name) if isinstance(name, int) and not isinstance(name, bool) and abs(name) < 10**20 else None


def _write(session: Session, tenant_id: UUID, events: list[Incoming], now: datetime) -> set[tuple[str, str]]:
    """Insert the events; return (source, event id) of those that were new."""
    if not events:
        return set()
    ids = new_ids(len(events))
    rows = [
        {
            "id": id_,
            "source": event.source,
            "event_id": event.event_id,
            "type": event.type,
            "occurred_at": event.occurred_at,
            "identity": event.identity,
            "payload": event.payload,
        }
        for id_, event in zip(ids, events, strict=True)
    ]
    done = session.execute(_INSERT, {"tenant_id": tenant_id, "rows": orjson.dumps(rows).decode(), "now": now})
    if done.rowcount == len(events):  # type: ignore[attr-defined]
        return {(event.source, event.event_id) for event in events}
    # Some were there before; only then is it worth asking which.
    there = session.execute(_WRITTEN, {"tenant_id": tenant_id, "ids": array(ids)})
    return {(row.source, row.event_id) for row in there}


_KNOWN = text("""
    SELECT h.event_id FROM unnest(cast(:event_ids AS text[])) AS h(event_id)
    CROSS JOIN LATERAL (
        SELECT FROM inbound_event e
        WHERE e.tenant_id = :tenant_id AND e.source = :source AND e.event_id = h.event_id LIMIT 1
    ) AS there
""")


def known_ids(session: Session, tenant_id: UUID, source: str, event_ids: Iterable[str]) -> set[str]:
    """Return those of the sender's event ids that the log has."""
    values = {"tenant_id": tenant_id, "source": source, "event_ids": array(event_ids)}
    return set(session.scalars(_KNOWN, values))


def keep(session: Session, tenant_id: UUID, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Write events that are new and were judged already; each with `id` and what an event is made of."""
    session.execute(_INSERT, {"tenant_id": tenant_id, "rows": orjson.dumps(rows).decode(), "now": now})


_THREE = [f"{number:03x}" for number in range(0x1000)]
# Of the first figure after the count only two bits are chance.
_VARIANT = {f"{number:x}": "89ab"[number % 4] for number in range(16)}


def new_ids(count: int) -> list[str]:
    """Return `count` UUIDs (version 7) in hexadecimal that sort in the order they are returned, as they were sent.

    As texts: making an object of each takes five times as long, and most only go into a statement.
    """
    start = int(time.time() * 1000)
    noise = os.urandom(8 * count).hex()
    found = []
    for at in range(0, count, len(_THREE)):
        # The milliseconds and the version; then a count in place of the first bits of chance.
        head = f"{start + at // len(_THREE):012x}7"
        for number, three in zip(range(16 * at, 16 * count, 16), _THREE, strict=False):
            found.append(f"{head}{three}{_VARIANT[noise[number]]}{noise[number + 1 : number + 16]}")
    return found
