"""Events and rows of an import that tell of people who were erased: not applied, and nothing of them kept."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.capture.claimed import Claimed
from app.capture.evidence import namesake
from app.capture.names import name_key
from app.customers import erased
from app.customers.erased import Pair
from app.events.addresses import email_key
from app.events.places import Places
from app.infra.arrays import array

Refused = tuple[int, str, list[str]]
"""A row by its number, with the reason and its cells."""
BEFORE = "It tells of the time before the person it is of was erased."

# The id its sender gave may tell who it is of, too.
_BLANK = text("""
    UPDATE inbound_event SET status = 'erased', identity = '{}', payload = '{}', event_id = 'erased:' || id,
        reason = :reason, processed_at = :now, customer_id = NULL, matched_by = NULL, confidence = NULL
    WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[]))
""")
# Whoever holds a hint now, by first name: somebody who came back by new evidence, or who shares the address.
_HOLDERS = text("""
    SELECT h.kind, h.value, c.first_name
    FROM unnest(cast(:kinds AS text[]), cast(:values AS text[])) AS h(kind, value)
    CROSS JOIN LATERAL (
        SELECT e.customer_id FROM external_id e
        WHERE e.tenant_id = :tenant_id AND e.kind = h.kind AND e.value = h.value
        UNION ALL
        SELECT p.customer_id FROM contact_point p
        WHERE p.tenant_id = :tenant_id AND p.kind = h.kind AND p.key = h.value OFFSET 0
    ) AS held
    JOIN customer c ON c.tenant_id = :tenant_id AND c.id = held.customer_id
""")


# By ranges of sort_name: it begins with "1", the last name and a space.
_NAMESAKES = text("""
    SELECT c.first_name, c.last_name, c.date_of_birth
    FROM unnest(cast(:names AS text[]), cast(:days AS date[])) AS told(last_name, day)
    CROSS JOIN LATERAL (
        SELECT x.* FROM customer x WHERE x.tenant_id = :tenant_id AND x.date_of_birth = told.day
            AND x.sort_name ~>=~ ('1' || told.last_name || ' ') AND x.sort_name ~<~ ('1' || told.last_name || '!')
            AND x.status = 'ACTIVE' LIMIT 20
    ) AS c
""")


def drop(session: Session, tenant_id: UUID, events: Sequence[Claimed], now: datetime) -> list[Claimed]:
    """Blank the events that tell of somebody's time before they were erased; return the others.

    The caller holds the tenant's capture lock, shared at least, so that nobody is being erased meanwhile.
    """
    last = erased.last(session, tenant_id)
    if last is None:
        return list(events)
    suspects = {one.id: _hints(one) for one in events if one.evidence.own or one.occurred_at <= last}
    found = erased.find(session, tenant_id, suspects)
    gone = [
        one.id
        for one in events
        if one.id in found and (one.evidence.own or one.occurred_at <= max(found[one.id].values()))
    ]
    if gone:
        blank(session, tenant_id, gone, now)
    dropped = set(gone)
    return [one for one in events if one.id not in dropped]


def blank(session: Session, tenant_id: UUID, ids: Collection[UUID], now: datetime) -> None:
    """Empty events of somebody who was erased: that they came in stays, so that they do not come in again."""
    session.execute(_BLANK, {"tenant_id": tenant_id, "ids": array(ids), "reason": BEFORE, "now": now})


def of_import(session: Session, tenant_id: UUID, claimed: Sequence[Claimed]) -> dict[UUID, datetime]:
    """Return when those were erased of whom rows of an import tell; whoever is here again by new evidence is not."""
    if erased.last(session, tenant_id) is None:
        return {}
    found = erased.find(session, tenant_id, {one.id: _hints(one) for one in claimed})
    if not found:
        return {}
    held = _held(session, tenant_id, {pair for hits in found.values() for pair in hits})
    return {id_: max(hits.values()) for id_, hits in found.items() if not held & hits.keys()}


def without_erased(session: Session, tenant_id: UUID, refused: Sequence[Refused], known: Places) -> list[Refused]:
    """Return rows that an import refused, emptied where a cell holds an id or address of somebody who was erased."""
    if not refused or erased.last(session, tenant_id) is None:
        return list(refused)
    pieces = {record: [pair for cell in cells for pair in _of_cell(cell, known)] for record, _, cells in refused}
    found = erased.find(session, tenant_id, pieces)
    held = _held(session, tenant_id, {pair for hits in found.values() for pair in hits}) if found else set()
    gone = {record for record, hits in found.items() if not held & hits.keys()}
    return [(record, reason, [] if record in gone else cells) for record, reason, cells in refused]


def _of_cell(cell: str, known: Places) -> Iterator[Pair]:
    said = cell.strip()
    if email := email_key(said):
        yield ("email", email)
    elif said:
        yield ("scl_member_id", said)
        if phone := known.phone_key(said, None):
            yield ("phone", phone)


def _held(session: Session, tenant_id: UUID, pairs: set[Pair]) -> set[Pair]:
    born = {pair for pair in pairs if pair[0] == erased.NAMESAKE}
    return _reached(session, tenant_id, pairs - born) | _called(session, tenant_id, born)


def _called(session: Session, tenant_id: UUID, pairs: set[Pair]) -> set[Pair]:
    """Return those of the names and birth dates that somebody has."""
    if not pairs:
        return set()
    told = sorted(value.split("\x1f") for _, value in pairs)
    values = {
        "tenant_id": tenant_id,
        "names": array(last for _, last, _ in told),
        "days": array(day for *_, day in told),
    }
    return {
        erased.namesake(*who)
        for row in session.execute(_NAMESAKES, values)
        if (who := namesake(name_key(row.first_name), row.last_name.lower(), row.date_of_birth))
    } & pairs


def _reached(session: Session, tenant_id: UUID, pairs: set[Pair]) -> set[Pair]:
    """Return those of the ids and addresses that somebody holds, the latter together with their first name too."""
    plain = sorted({(kind.removesuffix("+name"), value.partition("\x1f")[0]) for kind, value in pairs})
    values = {
        "tenant_id": tenant_id,
        "kinds": array(kind for kind, _ in plain),
        "values": array(value for _, value in plain),
    }
    held: set[Pair] = set()
    for row in session.execute(_HOLDERS, values):
        name = name_key(row.first_name)
        held.add((row.kind, row.value))
        if name:
            held.add(erased.shared(row.kind, row.value, name))
    return held & pairs


def _hints(event: Claimed) -> list[Pair]:
    evidence = event.evidence
    if evidence.own:
        return [("customer_id", str(evidence.customer_id))]
    return erased.hints_of(evidence.ids, evidence.points, evidence.first_name, evidence.namesake)
