"""Where a message goes: to where its reader prefers to be reached now, or, if mail can't reach them there, elsewhere.

Elsewhere is another address of theirs that nothing is known against: a verified one, else the newest. One that others
share counts only if it is verified: a letter to one person is no letter to the front desk that once booked for them.
Who complained of mail, or whom staff keep from it, is not written to at another address instead. Fairway's own letters
speak for the address they were meant for, and go nowhere else.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra.arrays import array
from app.messaging.channel import channel
from app.messaging.states import Purpose
from app.messaging.suppression import Held, held

MOST = 10
"""So many other addresses of one person are looked at."""
_OTHERS = text("""
    SELECT wanted.customer_id, wanted.kind, point.value
    FROM unnest(CAST(:customers AS uuid[]), CAST(:kinds AS text[])) AS wanted(customer_id, kind)
    CROSS JOIN LATERAL (
        SELECT mine.value, mine.verified_at, mine.created_at, mine.id FROM contact_point mine
        WHERE mine.tenant_id = :tenant_id AND mine.customer_id = wanted.customer_id AND mine.kind = wanted.kind
            AND (mine.verified_at IS NOT NULL OR NOT EXISTS (
                SELECT FROM contact_point theirs
                WHERE theirs.tenant_id = :tenant_id AND theirs.kind = mine.kind AND theirs.key = mine.key
                    AND theirs.customer_id <> mine.customer_id))
        ORDER BY mine.verified_at IS NOT NULL DESC, mine.created_at DESC, mine.id DESC LIMIT :most
    ) AS point
    ORDER BY point.verified_at IS NOT NULL DESC, point.created_at DESC, point.id DESC
""")


@dataclass(slots=True)
class Destination:
    """Where a message goes. `raw` is what is on file, `address` what the channel makes of it, if it can.

    `held`: why the address is not written to. `instead_of`: the reader's preferred one, which can't be reached.
    """

    raw: str | None
    address: str | None
    held: Held | None = None
    instead_of: str | None = None

    @property
    def dead(self) -> bool:
        """Return whether nobody is reached there."""
        return self.address is None or (self.held is not None and self.held.dead)


def destinations(session: Session, tenant_id: UUID, rows: Sequence[Mapping[str, Any]]) -> list[Destination]:
    """Return where each message goes, in the order of `rows`, which are the gate's; all of installed channels."""
    fields = {name: channel(name).customer_field for name in {row["channel"] for row in rows}}
    preferred = _looked_at(tenant_id, [(row["channel"], _preferred(row, fields[row["channel"]])) for row in rows])
    astray = [
        at
        for at, (row, there) in enumerate(zip(rows, preferred, strict=True))
        if there.dead and row["reader_id"] is not None and row["builtin"] is None
    ]
    if not astray:
        return preferred
    others = _others(session, tenant_id, [rows[at] for at in astray])
    for at in astray:
        row, there = rows[at], preferred[at]
        found = next((one for one in others.get(_whose(row), ()) if _open(one, row)), None)
        if found is not None:
            preferred[at] = Destination(found.raw, found.address, found.held, (there.raw or "").strip() or None)
    return preferred


def _preferred(row: Mapping[str, Any], field: str) -> str | None:
    """Return the reader's address of today, not of when the message was put in; `field` has it."""
    address = row["to_address"] if row["customer_id"] is None else row.get(field)
    return None if address is None else str(address)


def _whose(row: Mapping[str, Any]) -> tuple[UUID, str]:
    return row["reader_id"], row["channel"]


def _open(there: Destination, row: Mapping[str, Any]) -> bool:
    return not there.dead and (there.held is None or row["purpose"] != Purpose.MARKETING)


def _others(
    session: Session, tenant_id: UUID, rows: Iterable[Mapping[str, Any]]
) -> dict[tuple[UUID, str], list[Destination]]:
    """Return the readers' other addresses by reader and channel, the best first."""
    asked = sorted({_whose(row) for row in rows})
    kinds = {channel(name).customer_field: name for _, name in asked}
    values = {
        "tenant_id": tenant_id,
        "customers": array(reader for reader, _ in asked),
        "kinds": array(channel(name).customer_field for _, name in asked),
        "most": MOST,
    }
    found = [(row.customer_id, kinds[row.kind], row.value) for row in session.execute(_OTHERS, values)]
    looked = _looked_at(tenant_id, [(name, value) for _, name, value in found])
    others: dict[tuple[UUID, str], list[Destination]] = {}
    for (reader, name, _), there in zip(found, looked, strict=True):
        others.setdefault((reader, name), []).append(there)
    return others


def _looked_at(tenant_id: UUID, addresses: Sequence[tuple[str, str | None]]) -> list[Destination]:
    """Return what is known of addresses, each with the name of its channel."""
    via = {name: channel(name) for name in {name for name, _ in addresses}}
    keys = [(name, via[name].address_key(raw)) if raw else None for name, raw in addresses]
    stopped = held(tenant_id=tenant_id, addresses=filter(None, keys))
    return [
        Destination(raw, via[name].clean_address(raw) if raw else None, stopped.get(key) if key else None)
        for (name, raw), key in zip(addresses, keys, strict=True)
    ]
