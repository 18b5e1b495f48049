"""Customers as identity sees them: their ids, contact points, given name and birth date."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.capture.evidence import Evidence, Namesake, namesake
from app.capture.names import name_key
from app.customers.merge import SYSTEM
from app.infra.arrays import array

Pair = tuple[str, str]
# So many who share a birth date and a last name are looked at.
CROWD = 20


@dataclass(frozen=True, slots=True)
class Profile:
    """A customer: `ids` are (kind, value), `points` are ("email" or "phone", key); names as in Evidence."""

    id: UUID
    first_name: str | None
    last_name: str | None
    date_of_birth: date | None
    club_id: UUID | None
    ids: frozenset[Pair]
    points: frozenset[Pair]

    @property
    def named(self) -> bool:
        """Return whether a first or last name is known."""
        return bool(self.first_name or self.last_name)

    @property
    def namesake(self) -> Namesake | None:
        """Return what it has in common with people who may be this one though they share no hint, if any."""
        return namesake(self.first_name, self.last_name, self.date_of_birth)

    def anchor(self, ids: Iterable[Pair], points: Iterable[Pair]) -> Evidence:
        """Return the profile itself as evidence that the ids and points are one person's."""
        return Evidence(
            key=f"~{self.id}",
            events=(),
            customer_id=self.id,
            ids=tuple(sorted(ids)),
            points=tuple(sorted(points)),
            first_name=self.first_name,
            last_name=self.last_name,
            date_of_birth=self.date_of_birth,
            club_id=self.club_id,
        )


# Everybody who has one of the hints, and everybody who shares a contact point with one of those, and so on: within
# one consistent person there is nobody to go on to, so this walks only where people share addresses. LATERAL with
# LIMIT or OFFSET makes each step a look-up by key, whatever the planner believes of the tenant's size.
_PROFILES = text("""
    WITH RECURSIVE hit AS (
        SELECT e.customer_id FROM unnest(cast(:kinds AS text[]), cast(:values AS text[])) AS h(kind, value)
        CROSS JOIN LATERAL (
            SELECT x.customer_id FROM external_id x
            WHERE x.tenant_id = :tenant_id AND x.kind = h.kind AND x.value = h.value LIMIT 1
        ) AS e
        UNION
        SELECT p.customer_id FROM unnest(cast(:point_kinds AS text[]), cast(:keys AS text[])) AS h(kind, key)
        CROSS JOIN LATERAL (
            SELECT x.customer_id FROM contact_point x
            WHERE x.tenant_id = :tenant_id AND x.kind = h.kind AND x.key = h.key OFFSET 0
        ) AS p
        UNION
        SELECT unnest(cast(:customers AS uuid[]))
    ), near AS (
        SELECT customer_id FROM hit
        UNION
        SELECT other.customer_id FROM near
        CROSS JOIN LATERAL (
            SELECT x.kind, x.key FROM contact_point x
            WHERE x.tenant_id = :tenant_id AND x.customer_id = near.customer_id AND x.kind IN ('email', 'phone')
            OFFSET 0
        ) AS mine
        CROSS JOIN LATERAL (
            SELECT x.customer_id FROM contact_point x
            WHERE x.tenant_id = :tenant_id AND x.kind = mine.kind AND x.key = mine.key
                AND x.customer_id <> near.customer_id OFFSET 0
        ) AS other
    )
    SELECT c.id, c.first_name, c.last_name, c.date_of_birth, c.club_id,
        (SELECT cast(json_agg(json_build_array(e.kind, e.value)) AS text) FROM external_id e
         WHERE e.tenant_id = c.tenant_id AND e.customer_id = c.id) AS ids,
        (SELECT cast(json_agg(json_build_array(p.kind, p.key)) AS text) FROM contact_point p
         WHERE p.tenant_id = c.tenant_id AND p.customer_id = c.id AND p.kind IN ('email', 'phone')) AS points
    FROM near CROSS JOIN LATERAL (
        SELECT x.* FROM customer x WHERE x.tenant_id = :tenant_id AND x.id = near.customer_id LIMIT 1
    ) AS c
    WHERE c.merged_into_id IS NULL
    ORDER BY c.id
""")
_MERGED = text("""
    SELECT id, merged_into_id FROM customer
    WHERE tenant_id = :tenant_id AND id = ANY(:ids) AND merged_into_id IS NOT NULL
""")


def load(
    session: Session, tenant_id: UUID, evidence: Sequence[Evidence], also: Collection[UUID] = ()
) -> dict[UUID, Profile]:
    """Return by id every customer the evidence may concern, those of `also`, and who shares an address with these."""
    ids = {pair for one in evidence for pair in one.ids}
    points = {pair for one in evidence for pair in one.points}
    rows = session.execute(
        _PROFILES,
        {
            "tenant_id": tenant_id,
            "kinds": array(kind for kind, _ in ids),
            "values": array(value for _, value in ids),
            "point_kinds": array(kind for kind, _ in points),
            "keys": array(key for _, key in points),
            "customers": array({*also, *(one.customer_id for one in evidence if one.customer_id)}),
        },
    ).all()
    return {
        row.id: Profile(
            row.id,
            name_key(row.first_name),
            row.last_name.lower() if row.last_name else None,
            row.date_of_birth,
            row.club_id,
            _pairs(row.ids),
            _pairs(row.points),
        )
        for row in rows
    }


# By ranges of sort_name (it begins with "1", the last name and a space): row-level security lets no index of lower(…)
# be used, nor one by what is put together in the statement.
NAMESAKES = text("""
    SELECT near.id, near.first_name, near.last_name, near.date_of_birth
    FROM unnest(cast(:first AS text[]), cast(:last AS text[]), cast(:births AS date[])) AS told(first, last, birth)
    CROSS JOIN LATERAL (
        SELECT x.id, x.first_name, x.last_name, x.date_of_birth FROM customer x
        WHERE x.tenant_id = :tenant_id AND x.date_of_birth = told.birth
            AND x.sort_name ~>=~ told.first AND x.sort_name ~<~ told.last
            AND x.status = 'ACTIVE' LIMIT :crowd
    ) AS near
""")


def namesakes(session: Session, tenant_id: UUID, evidence: Sequence[Evidence]) -> set[UUID]:
    """Return the customers who have the full name and the birth date that a piece of the evidence tells."""
    told = {one.namesake for one in evidence if one.namesake}
    if not told:
        return set()
    born = {(last_name, date_of_birth) for _, last_name, date_of_birth in told}
    values = {
        "tenant_id": tenant_id,
        "first": array(f"1{last_name} " for last_name, _ in born),
        "last": array(f"1{last_name}!" for last_name, _ in born),
        "births": array(date_of_birth.isoformat() for _, date_of_birth in born),
        "crowd": CROWD,
    }
    rows = session.execute(NAMESAKES, values)
    return {row.id for row in rows if (name_key(row.first_name), row.last_name.lower(), row.date_of_birth) in told}


_BY_HAND = text("""
    SELECT DISTINCT gone.merged_into_id AS id
    FROM unnest(cast(:ids AS uuid[])) AS p(id)
    CROSS JOIN LATERAL (
        SELECT c.id, c.merged_into_id FROM customer c
        WHERE c.tenant_id = :tenant_id AND c.merged_into_id = p.id OFFSET 0
    ) AS gone
    WHERE EXISTS (
        SELECT FROM customer_merge m WHERE m.tenant_id = :tenant_id AND m.loser_id = gone.id AND m.undone_at IS NULL
            AND m.merged_by <> :system)
""")


def merged_by_hand(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the customers whom somebody made one out of several: what people joined is not divided."""
    values = {"tenant_id": tenant_id, "ids": array(ids), "system": SYSTEM}
    return set(session.scalars(_BY_HAND, values))


def _pairs(document: str | None) -> frozenset[Pair]:
    return frozenset(map(tuple, orjson.loads(document))) if document else frozenset()


def follow_merges(session: Session, tenant_id: UUID, evidence: Sequence[Evidence]) -> list[Evidence]:
    """Return the evidence with merged customers replaced by those they went into."""
    named = {one.customer_id for one in evidence if one.customer_id}
    if not named:
        return list(evidence)
    rows = session.execute(_MERGED, {"tenant_id": tenant_id, "ids": list(named)})
    winners = {row.id: row.merged_into_id for row in rows}
    return [
        replace(one, customer_id=winners[one.customer_id]) if one.customer_id in winners else one for one in evidence
    ]
