"""Events as the batch works on them: read from the log, understood by the catalogue."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.capture.evidence import Evidence, of_event
from app.events import catalogue
from app.events.catalogue import EventType
from app.events.places import Places
from app.infra.arrays import array


@dataclass(slots=True)
class Claimed:
    """One row of inbound_event with its type, what it says about fields, and its evidence of whose it is."""

    id: UUID
    source: str
    type: EventType
    occurred_at: datetime
    payload: dict[str, Any]
    said: dict[str, Any]
    evidence: Evidence


# As text: orjson reads a document in a fraction of the driver's time.
_COLUMNS = "id, source, event_id, type, occurred_at, cast(identity AS text), cast(payload AS text), customer_id"
# SKIP LOCKED: a row that a retry or an erasure holds is left for the next batch.
_CLAIM = text(f"""
    SELECT {_COLUMNS} FROM inbound_event
    WHERE tenant_id = :tenant_id AND status = 'received' AND id <> ALL(cast(:but AS uuid[]))
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - the columns are ours
_WAITING = text("""
    SELECT count(*) AS many, sum(pg_column_size(e.payload)) AS size
    FROM (
        SELECT payload FROM inbound_event WHERE tenant_id = :tenant_id AND status = 'received' ORDER BY id LIMIT :most
    ) AS e
""")
_STILL_WAITING = text("""
    SELECT id FROM inbound_event
    WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[])) AND status = 'received'
""")
_CLAIM_AGAIN = text("""
    SELECT id FROM inbound_event
    WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[])) AND status = 'received'
    ORDER BY id FOR UPDATE SKIP LOCKED
""")
_PAST = text(f"""
    SELECT {_COLUMNS} FROM inbound_event
    WHERE tenant_id = :tenant_id AND customer_id = ANY(cast(:customers AS uuid[])) AND status = 'processed'
    ORDER BY id
""")  # noqa: S608 - the columns are ours
_SINCE = text(f"""
    SELECT {_COLUMNS} FROM inbound_event e
    WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND status = 'processed' AND processed_at >= :since
        AND NOT EXISTS (
            SELECT FROM customer_merge_part p WHERE p.tenant_id = :tenant_id AND p.merge_id = :merge_id
                AND p.part = 'inbound_event' AND e.id = ANY(p.moved))
    ORDER BY id
""")  # noqa: S608 - the columns are ours
_NAMED = text(f"""
    SELECT {_COLUMNS} FROM inbound_event WHERE tenant_id = :tenant_id AND source = :source AND event_id = :event_id
""")  # noqa: S608 - the columns are ours
# What a customer's events say of identity, each thing once: of hundreds of visits a handful of rows. Only payloads
# of types that tell names are looked into.
_TOLD = text("""
    SELECT customer_id, type, cast(identity AS text), cast(said AS text), array_agg(id ORDER BY id) AS events
    FROM (
        SELECT customer_id, id, identity, CASE WHEN type = ANY(cast(:telling AS text[])) THEN type END AS type,
            CASE WHEN type = ANY(cast(:telling AS text[])) THEN payload
                ELSE jsonb_build_object('club', payload -> 'club') END AS said
        FROM inbound_event
        WHERE tenant_id = :tenant_id AND customer_id = ANY(cast(:customers AS uuid[])) AND status = 'processed'
            AND NOT identity ? 'customer_id'
    ) AS event
    GROUP BY customer_id, identity, type, said
""")


def share(session: Session, tenant_id: UUID, limit: int, *, least: int, size: int) -> int:
    """Return how many of the waiting events a worker should claim: half, but `least`, and up to `limit`.

    Fewer where these, as they are stored, would take more than `size` bytes.
    """
    waiting = session.execute(_WAITING, {"tenant_id": tenant_id, "most": 2 * limit}).one()
    fair = max(least, waiting.many // 2)
    fits = size * waiting.many // max(1, waiting.size or 0)
    return max(1, min(limit, fair, fits)) if waiting.many else limit


def still_waiting(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> set[UUID]:
    """Return those of the events that nobody has applied yet."""
    return set(session.scalars(_STILL_WAITING, {"tenant_id": tenant_id, "ids": array(ids)}))


def claim(session: Session, tenant_id: UUID, limit: int, but: Collection[UUID] = ()) -> Sequence[Row[Any]]:
    """Return and lock up to `limit` rows that wait to be applied, the oldest first, and none of `but`."""
    return session.execute(_CLAIM, {"tenant_id": tenant_id, "limit": limit, "but": array(but)}).all()


def claim_again(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> Sequence[UUID]:
    """Return and lock those of the rows that still wait to be applied, the oldest first."""
    return session.scalars(_CLAIM_AGAIN, {"tenant_id": tenant_id, "ids": array(ids)}).all()


def named(session: Session, tenant_id: UUID, source: str, event_id: str, places: Places) -> Claimed:
    """Return the event that its sender calls `event_id`; it must be there."""
    row = session.execute(_NAMED, {"tenant_id": tenant_id, "source": source, "event_id": event_id}).one()
    return understand(row, places)


def past(session: Session, tenant_id: UUID, customers: Sequence[UUID], places: Places) -> list[Claimed]:
    """Return every event applied to the customers so far."""
    rows = session.execute(_PAST, {"tenant_id": tenant_id, "customers": array(customers)})
    return [understand(row, places) for row in rows.all()]


def since(
    session: Session, tenant_id: UUID, customer_id: UUID, merge_id: UUID, moment: datetime, places: Places
) -> list[Claimed]:
    """Return the events applied to a customer from a moment on, without those that a merge brought."""
    values = {"tenant_id": tenant_id, "customer_id": customer_id, "merge_id": merge_id, "since": moment}
    return [understand(row, places) for row in session.execute(_SINCE, values).all()]


def told(session: Session, tenant_id: UUID, customers: Sequence[UUID], places: Places) -> list[Evidence]:
    """Return what all events applied to the customers so far say of identity, equal ones as one piece."""
    values = {"tenant_id": tenant_id, "customers": array(customers), "telling": array(_telling())}
    found = []
    for row in session.execute(_TOLD, values).all():
        payload = orjson.loads(row.said)
        said = _said(catalogue.get(row.type), payload) if row.type else {}
        found.append(
            of_event(
                key=f"{row.identity}{row.said}",
                events=tuple(row.events),
                customer_id=row.customer_id,
                identity=orjson.loads(row.identity),
                payload=payload,
                places=places,
                said=said,
            )
        )
    return found


@cache
def _telling() -> list[str]:
    """Return the types that may tell a customer's names or birth date."""
    fields = {"first_name", "last_name", "date_of_birth"}
    return [kind.name for kind in catalogue.known() if fields & {change.field for change in kind.changes}]


def _said(kind: EventType, payload: dict[str, Any]) -> dict[str, Any]:
    said = {}
    for change in kind.changes:
        value = change.value(payload)
        if value is not None:
            said[change.field] = value
    return said


def understand(row: Sequence[Any], places: Places) -> Claimed:
    """Return the event of a row. Whatever its payload holds, this does not raise: what can't be read says nothing."""
    id_, source, event_id, type_, occurred_at, identity, document, customer_id = row
    kind = catalogue.get(type_)
    return read(
        id_,
        source,
        event_id,
        kind,
        occurred_at,
        identity=orjson.loads(identity),
        payload=orjson.loads(document),
        customer_id=customer_id,
        places=places,
    )


def read(
    id_: UUID,
    source: str,
    event_id: str,
    kind: EventType,
    occurred_at: datetime,
    *,
    identity: dict[str, Any],
    payload: dict[str, Any],
    customer_id: UUID | None,
    places: Places,
) -> Claimed:
    """Return an event as the batch works on it; its row in the log need not be written yet."""
    said = _said(kind, payload) if kind.changes else {}
    evidence = of_event(
        key=f"{source}\x1f{event_id}",
        events=(id_,),
        customer_id=customer_id,
        identity=identity,
        payload=payload,
        places=places,
        said=said,
    )
    return Claimed(id_, source, kind, occurred_at, payload, said, evidence)
