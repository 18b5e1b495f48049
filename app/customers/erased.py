"""What is left of people who were erased: keyed hashes of their ids and addresses, by which they are known again.

An import can't bring them back, and events that tell of the time before go unread. What they do after it is new
evidence, and makes somebody new.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra.arrays import array
from app.infra.crypto import keyed_hash, keyed_hashes

Pair = tuple[str, str]
"""What kind of hint, and its value: an id's kind, "email" or "phone", or "customer_id"."""
T = TypeVar("T")

NAMESAKE = "namesake"

_PURPOSE = "erased_hint"
_UNDER_WAY = text("""
    SELECT customer_id FROM privacy_request
    WHERE tenant_id = :tenant_id AND customer_id = ANY(cast(:ids AS uuid[])) AND kind = 'erase'
        AND (status IN ('PENDING', 'RUNNING') OR status = 'FAILED' AND step > 0)
""")
_LAST = text("SELECT max(erased_at) FROM erased_hint WHERE tenant_id = :tenant_id")
_FIND = text("""
    SELECT h.hash, e.erased_at FROM unnest(cast(:hashes AS text[])) AS h(hash)
    CROSS JOIN LATERAL (
        SELECT x.erased_at FROM erased_hint x WHERE x.tenant_id = :tenant_id AND x.hash = h.hash LIMIT 1
    ) AS e
""")
_REMEMBER = text("""
    INSERT INTO erased_hint (tenant_id, hash, erased_at)
    SELECT :tenant_id, h.hash, :now FROM unnest(cast(:hashes AS text[])) AS h(hash)
    ON CONFLICT (tenant_id, hash) DO UPDATE SET erased_at = excluded.erased_at
""")


def shared(kind: str, key: str, first_name: str) -> Pair:
    """Return the hint that an address several people share is, together with the (plain) given name of one of them."""
    return (f"{kind}+name", f"{key}\x1f{first_name}")


def namesake(first_name: str, last_name: str, date_of_birth: date) -> Pair:
    """Return the hint that a (plain) name and a birth date are together: people entered twice may share no other."""
    return (NAMESAKE, f"{first_name}\x1f{last_name}\x1f{date_of_birth.isoformat()}")


def hints_of(
    ids: Iterable[Pair], points: Iterable[Pair], first_name: str | None, born: tuple[str, str, date] | None
) -> list[Pair]:
    """Return the hints by which evidence could be known to be of somebody erased; `born` is name and birth date."""
    points = list(points)
    named = [shared(kind, key, first_name) for kind, key in points] if first_name else []
    return [*ids, *points, *named, *([namesake(*born)] if born else [])]


def under_way(session: Session, tenant_id: UUID, ids: Iterable[UUID]) -> set[UUID]:
    """Return who of these customers is being erased, or was until it failed halfway: they are nobody else meanwhile."""
    return set(session.scalars(_UNDER_WAY, {"tenant_id": tenant_id, "ids": array(ids)}))


def remember(session: Session, tenant_id: UUID, hints: Iterable[Pair], now: datetime) -> None:
    """Keep hashes of the hints of somebody who is erased now."""
    hashes = sorted({keyed_hash(_PURPOSE, tenant_id, _said(pair)) for pair in hints})
    if hashes:
        session.execute(_REMEMBER, {"tenant_id": tenant_id, "hashes": array(hashes), "now": now})


def last(session: Session, tenant_id: UUID) -> datetime | None:
    """Return when somebody was erased last, None where nobody ever was."""
    found: datetime | None = session.scalar(_LAST, {"tenant_id": tenant_id})
    return found


def find(session: Session, tenant_id: UUID, pieces: Mapping[T, Iterable[Pair]]) -> dict[T, dict[Pair, datetime]]:
    """Return, by piece of evidence, which of its hints were of somebody erased, and when that was."""
    by_hash: dict[str, list[tuple[T, Pair]]] = {}
    for piece, hints in pieces.items():
        for pair in hints:
            for one in keyed_hashes(_PURPOSE, tenant_id, _said(pair)):
                by_hash.setdefault(one, []).append((piece, pair))
    if not by_hash:
        return {}
    found: dict[T, dict[Pair, datetime]] = {}
    for row in session.execute(_FIND, {"tenant_id": tenant_id, "hashes": array(by_hash)}):
        for piece, pair in by_hash[row.hash]:
            found.setdefault(piece, {})[pair] = row.erased_at
    return found


def _said(pair: Pair) -> str:
    return "\x1e".join(pair)
