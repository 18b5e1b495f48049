"""Who is to be erased: all ids, addresses, numbers and names of one person, and which of them are others' too."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.capture.evidence import Namesake, namesake
from app.capture.names import name_key
from app.customers.erased import Pair, shared
from app.customers.erased import namesake as namesake_of
from app.events.addresses import email_key
from app.events.places import places
from app.infra.arrays import array
from app.privacy.redact import Needles, needles

_IDS = text("""
    SELECT id, merged_into_id FROM customer WHERE tenant_id = :tenant_id AND (id = :id OR merged_into_id = :id)
""")
# Others of a name by ranges of sort_name, which an index answers (see app.capture.likeness).
_NAMES = text("""
    SELECT c.first_name, c.last_name, c.date_of_birth, count(o.id) > 0 AS is_shared,
        coalesce(bool_or(o.date_of_birth = c.date_of_birth), false) AS is_twin
    FROM customer c
    LEFT JOIN LATERAL (
        SELECT x.id, x.date_of_birth FROM customer x
        WHERE x.tenant_id = :tenant_id AND x.id <> ALL(cast(:ids AS uuid[]))
            AND x.sort_name ~>=~ ('1' || lower(c.last_name || ' ' || c.first_name) || ' ')
            AND x.sort_name ~<~ ('1' || lower(c.last_name || ' ' || c.first_name) || '!')
    ) AS o ON true
    WHERE c.tenant_id = :tenant_id AND c.id = ANY(cast(:ids AS uuid[]))
    GROUP BY c.id, c.first_name, c.last_name, c.date_of_birth
""")
# A number is looked for as one, by whatever channel they are reached at it.
SAME_POINT = (
    "p.key = h.key AND p.kind = ANY(CASE h.kind WHEN 'phone' THEN ARRAY['phone', 'whatsapp'] ELSE ARRAY[h.kind] END)"
)
_POINTS = text("""
    SELECT CASE kind WHEN 'whatsapp' THEN 'phone' ELSE kind END AS kind, key FROM contact_point
    WHERE tenant_id = :tenant_id AND customer_id = ANY(cast(:ids AS uuid[]))
    UNION
    SELECT 'email', email FROM customer
    WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[])) AND email IS NOT NULL
    UNION
    SELECT 'phone', phone FROM customer
    WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[])) AND phone IS NOT NULL
""")
_EXTERNAL = text("""
    SELECT kind, value FROM external_id WHERE tenant_id = :tenant_id AND customer_id = ANY(cast(:ids AS uuid[]))
""")
# What events called them earlier: an address they no longer have is theirs all the same.
_TOLD = text("""
    SELECT DISTINCT cast(identity AS text) AS said, identity, payload ->> 'club' AS club FROM inbound_event
    WHERE tenant_id = :tenant_id AND customer_id = ANY(cast(:ids AS uuid[])) AND NOT identity ? 'customer_id'
""")
_OTHERS_POINTS = text(f"""
    SELECT DISTINCT h.kind, h.key FROM unnest(cast(:kinds AS text[]), cast(:keys AS text[])) AS h(kind, key)
    JOIN contact_point p ON p.tenant_id = :tenant_id AND {SAME_POINT}
    WHERE p.customer_id <> ALL(cast(:ids AS uuid[]))
""")  # noqa: S608 - the condition is ours
_OTHERS_IDS = text("""
    SELECT DISTINCT h.kind, h.value FROM unnest(cast(:kinds AS text[]), cast(:values AS text[])) AS h(kind, value)
    JOIN external_id e ON e.tenant_id = :tenant_id AND e.kind = h.kind AND e.value = h.value
    WHERE e.customer_id <> ALL(cast(:ids AS uuid[]))
""")
# Ids by names that a sender chose, beside those we know.
_NO_ID = frozenset(("email", "phone_number", "external_ids", "customer_id"))


@dataclass(frozen=True, slots=True)
class Told:
    """What events called a person: addresses and numbers, and ids in other systems."""

    points: frozenset[Pair] = frozenset()
    ids: frozenset[Pair] = frozenset()

    def as_json(self) -> dict[str, Any]:
        """Return it as the request keeps it while it runs."""
        return {"points": sorted(self.points), "ids": sorted(self.ids)}


def told_from_json(kept: Mapping[str, Any] | None) -> Told:
    """Return what `as_json` was made of; of None, nothing."""
    found = kept or {}
    return Told(*(frozenset((kind, value) for kind, value in found.get(name, ())) for name in ("points", "ids")))


@dataclass(frozen=True, slots=True)
class Traces:
    """All a person is known by. `points` and `external` are theirs alone; `shared_points` are others' too.

    `born` are their names with the birth date, where nobody else has both. `told` is what events called them.
    """

    ids: tuple[UUID, ...]
    points: frozenset[Pair]
    shared_points: frozenset[Pair]
    external: frozenset[Pair]
    names: frozenset[tuple[str | None, str | None]]
    shared_names: frozenset[tuple[str | None, str | None]]
    born: frozenset[Namesake]
    told: Told

    def needles(self) -> Needles:
        """Return what to look for where others are told of."""
        return needles(
            ids=self.ids,
            emails=(key for kind, key in self.points if kind == "email"),
            phones=(key for kind, key in self.points if kind == "phone"),
            external=(
                *(value for _, value in self.external),
                *(key for kind, key in self.points if kind not in ("email", "phone")),
            ),
            names=self.names,
        )

    def hints(self) -> set[Pair]:
        """Return by what the person is known again once they are erased."""
        keys = {key for first, _ in self.names | self.shared_names if (key := name_key(first))}
        named = {shared(kind, key, name) for kind, key in self.shared_points for name in keys}
        born = (namesake_of(*one) for one in self.born)
        return {*self.points, *self.external, *named, *born, *(("customer_id", str(one)) for one in self.ids)}


def lead_of(session: Session, tenant_id: UUID, customer_id: UUID) -> UUID | None:
    """Return the profile that a customer's id leads to, None where there is none any more."""
    values = {"tenant_id": tenant_id, "id": customer_id}
    row = session.execute(_IDS, values).all()
    own = next((one for one in row if one.id == customer_id), None)
    return None if own is None else own.merged_into_id or own.id


def traces(session: Session, tenant_id: UUID, customer_id: UUID, earlier: Told = Told()) -> Traces:
    """Return all by which a customer, and the profiles that went into them, are known.

    `earlier` is what events called them that may be deleted by now.
    """
    ids = tuple(sorted(session.scalars(_IDS, {"tenant_id": tenant_id, "id": customer_id})))
    values = {"tenant_id": tenant_id, "ids": array(ids)}
    points: set[Pair] = {(row.kind, row.key) for row in session.execute(_POINTS, values)}
    external: set[Pair] = {(row.kind, row.value) for row in session.execute(_EXTERNAL, values)}
    told = _told(session, tenant_id, values, earlier)
    points |= told.points
    external |= told.ids
    others = _others(session, _OTHERS_POINTS, values, points, "keys")
    others_ids = _others(session, _OTHERS_IDS, values, external, "values")
    rows = session.execute(_NAMES, values).all()
    names = {(row.first_name, row.last_name) for row in rows}
    common = {(row.first_name, row.last_name) for row in rows if row.is_shared}
    return Traces(
        ids,
        frozenset(points - others),
        frozenset(others),
        frozenset(external - others_ids),
        frozenset(names - common),
        frozenset(common),
        frozenset(one for row in rows if not row.is_twin and (one := _born(row))),
        told,
    )


def _born(row: Any) -> Namesake | None:
    return namesake(name_key(row.first_name), (row.last_name or "").lower(), row.date_of_birth)


def _told(session: Session, tenant_id: UUID, values: dict[str, Any], earlier: Told) -> Told:
    points, ids = set(earlier.points), set(earlier.ids)
    known = places(session, tenant_id)
    for row in session.execute(_TOLD, values):
        identity = row.identity
        if email := email_key(identity.get("email") or ""):
            points.add(("email", email))
        if phone := known.phone_key(identity.get("phone_number") or "", row.club):
            points.add(("phone", phone))
        ids |= {(kind, str(value)) for kind, value in identity.items() if kind not in _NO_ID}
        ids |= {(kind, str(value)) for kind, value in (identity.get("external_ids") or {}).items()}
    return Told(frozenset(points), frozenset(ids))


def _others(session: Session, query: Any, values: dict[str, Any], pairs: Iterable[Pair], column: str) -> set[Pair]:
    listed = sorted(pairs)
    asked = {**values, "kinds": array(kind for kind, _ in listed), column: array(value for _, value in listed)}
    return {(row[0], row[1]) for row in session.execute(query, asked)}
