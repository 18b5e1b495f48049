"""Which profiles may be one person, though not for sure enough to join them: what speaks for it, and what against.

Looked for where something new was learnt of somebody, among those who share an address or number with them, or their
last name and birth date, or their name (nicknames and initials apart). Known people's events never come here.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.capture.names import name_key, names_agree, spellings
from app.capture.profiles import Pair
from app.customers import household_suggestions, suggestions
from app.infra.arrays import array

ENOUGH = 40
"""From this score on a pair is suggested. The figures below are weighed so that a household is not: a shared mailbox,
a phone, a last name and a club (80) less another first name and member number (45)."""
SHARED = {"email": (40, "the same e-mail address"), "phone": (35, "the same phone number")}
# A number beside a shared address says less than by itself: who shares one often shares both.
SECOND_POINT = 20
SAME_FIRST, ALIKE_FIRST, OTHER_FIRST = 25, 15, -40
SAME_LAST, OTHER_LAST = 15, -10
SAME_BIRTH, OTHER_BIRTH = 30, -40
SAME_CLUB, OTHER_NUMBER = 5, -5
# Of those who share an address or a name with somebody, no more than this are looked at: a front desk's address or the
# commonest name of a club says nothing.
CROWD = 20
# A name that so many in a club have, of whom nothing tells them apart, says nothing either.
NAMESAKES = 6

# Names are looked up by ranges of sort_name: row-level security lets no index of lower(…) be used, since lower() might
# tell of rows that are not the tenant's. What begins with a text and a space lies between it and the text with the sign
# after the space. Two birth dates that are not one outweigh a name and a club, so of namesakes only those come into
# question whose birth date is not known, or all if ours is not. Whoever is suggested already is weighed again: asked
# for the open pairs only, the planner reads the whole queue for each person as long as the table has no statistics.
CANDIDATES = text("""
    WITH me AS MATERIALIZED (
        SELECT c.id, c.date_of_birth, c.club_id, '1' || lower(c.last_name) AS last_name
        FROM unnest(cast(:ids AS uuid[])) AS wanted(id) CROSS JOIN LATERAL (
            SELECT x.* FROM customer x WHERE x.tenant_id = :tenant_id AND x.id = wanted.id LIMIT 1
        ) AS c WHERE c.status = 'ACTIVE'
    ), born AS MATERIALIZED (
        SELECT id, date_of_birth, last_name || ' ' AS first, last_name || '!' AS last FROM me
        WHERE date_of_birth IS NOT NULL AND last_name IS NOT NULL
    ), called AS MATERIALIZED (
        SELECT me.id, me.date_of_birth, me.club_id, me.last_name || ' ' || call.first_name || ' ' AS first,
            me.last_name || ' ' || call.first_name || '!' AS last
        FROM me JOIN unnest(cast(:named AS uuid[]), cast(:firsts AS text[])) AS call(id, first_name) ON call.id = me.id
    )
    SELECT me.id AS one, near.id AS other FROM me CROSS JOIN LATERAL (
        SELECT p.kind, p.key FROM contact_point p WHERE p.tenant_id = :tenant_id AND p.customer_id = me.id OFFSET 0
    ) AS mine CROSS JOIN LATERAL (
        SELECT p.customer_id AS id FROM contact_point p
        WHERE p.tenant_id = :tenant_id AND p.kind = mine.kind AND p.key = mine.key AND p.customer_id <> me.id
        LIMIT :crowd
    ) AS near
    UNION
    SELECT born.id, near.id FROM born CROSS JOIN LATERAL (
        SELECT x.id FROM customer x WHERE x.tenant_id = :tenant_id AND x.date_of_birth = born.date_of_birth
            AND x.sort_name ~>=~ born.first AND x.sort_name ~<~ born.last
            AND x.id <> born.id AND x.status = 'ACTIVE' LIMIT :crowd
    ) AS near
    UNION
    SELECT called.id, near.id FROM called CROSS JOIN LATERAL (
        SELECT few.id FROM (
            SELECT one.id, count(*) OVER () AS many FROM (
                SELECT x.id FROM customer x WHERE x.tenant_id = :tenant_id AND x.date_of_birth IS NULL
                AND x.sort_name ~>=~ called.first AND x.sort_name ~<~ called.last
                AND x.club_id = called.club_id AND x.id <> called.id AND x.status = 'ACTIVE' LIMIT :namesakes
            ) AS one
        ) AS few WHERE few.many < :namesakes
    ) AS near
    UNION
    SELECT called.id, near.id FROM called CROSS JOIN LATERAL (
        SELECT few.id FROM (
            SELECT one.id, count(*) OVER () AS many FROM (
                SELECT x.id FROM customer x WHERE x.tenant_id = :tenant_id
                AND x.sort_name ~>=~ called.first AND x.sort_name ~<~ called.last
                AND x.club_id = called.club_id AND x.id <> called.id AND x.status = 'ACTIVE' LIMIT :namesakes
            ) AS one
        ) AS few WHERE few.many < :namesakes
    ) AS near WHERE called.date_of_birth IS NULL
    UNION
    SELECT me.id, near.id FROM me CROSS JOIN LATERAL (
        SELECT s.other_id AS id, s.status FROM merge_suggestion s
        WHERE s.tenant_id = :tenant_id AND s.one_id = me.id OFFSET 0
    ) AS near WHERE near.status = 'open'
    UNION
    SELECT me.id, near.id FROM me CROSS JOIN LATERAL (
        SELECT s.one_id AS id, s.status FROM merge_suggestion s
        WHERE s.tenant_id = :tenant_id AND s.other_id = me.id OFFSET 0
    ) AS near WHERE near.status = 'open'
""")
_NAMES = text("""
    SELECT id, first_name FROM customer
    WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[])) AND first_name IS NOT NULL
        AND last_name IS NOT NULL AND club_id IS NOT NULL AND status = 'ACTIVE'
""")
_PROFILES = text("""
    SELECT c.id, c.first_name, c.last_name, c.date_of_birth, c.club_id,
        (SELECT cast(json_agg(json_build_array(p.kind, p.key)) AS text) FROM contact_point p
         WHERE p.tenant_id = c.tenant_id AND p.customer_id = c.id) AS points,
        (SELECT array_agg(e.value) FROM external_id e
         WHERE e.tenant_id = c.tenant_id AND e.customer_id = c.id AND e.kind = 'scl_member_id') AS numbers
    FROM customer c
    WHERE c.tenant_id = :tenant_id AND c.id = ANY(cast(:ids AS uuid[])) AND c.status = 'ACTIVE'
""")


@dataclass(frozen=True, slots=True)
class Person:
    """What is compared of a profile."""

    id: UUID
    first: str | None
    first_name: str | None
    last: str | None
    last_name: str | None
    date_of_birth: date | None
    club_id: UUID | None
    points: frozenset[Pair]
    numbers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How much speaks for two profiles being one person, 0 to 100, and what speaks for and against, in words."""

    score: int
    speaks_for: tuple[str, ...]
    against: tuple[str, ...]


def look(session: Session, tenant_id: UUID, ids: Collection[UUID], now: datetime) -> list[tuple[UUID, UUID]]:
    """Suggest those pairs with one of these customers that may be one person; return those not suggested before.

    Pairs somebody decided on stay decided. What no longer looks alike is suggested no more.
    """
    if not ids:
        return []
    asked = {"tenant_id": tenant_id, "ids": array(ids)}
    called = [
        (row.id, spelling) for row in session.execute(_NAMES, asked) for spelling in sorted(spellings(row.first_name))
    ]
    names = {"named": array(one for one, _ in called), "firsts": array(first for _, first in called)}
    rows = session.execute(CANDIDATES, {**asked, **names, "crowd": CROWD, "namesakes": NAMESAKES})
    pairs = {(min(row.one, row.other), max(row.one, row.other)) for row in rows}
    if not pairs:
        return []
    near = {one for pair in pairs for one in pair}
    people = _people(session, tenant_id, near)
    apart = suggestions.apart(session, tenant_id, people)
    found, gone = [], []
    for one, other in sorted(pairs):
        if one not in people or other not in people or frozenset((one, other)) in apart:
            continue
        verdict = weigh(people[one], people[other])
        if verdict.score >= ENOUGH:
            reasons = {"for": verdict.speaks_for, "against": verdict.against}
            found.append({"one": one, "other": other, "score": verdict.score, "reasons": reasons})
        else:
            gone.append((one, other))
    suggested = suggestions.suggest(session, tenant_id, found, gone, now)
    # Who shares an address with somebody else and is not the same person may be of their household.
    household_suggestions.look(session, tenant_id, near, now)
    return suggested


def weigh(one: Person, other: Person) -> Verdict:
    """Return what speaks for two profiles being one person, and what against."""
    score = 0
    speaks_for: list[str] = []
    against: list[str] = []
    for kind in sorted({kind for kind, _ in one.points & other.points} & SHARED.keys()):
        score += SECOND_POINT if score else SHARED[kind][0]
        speaks_for.append(SHARED[kind][1])
    for points, words in (_first(one, other), _last(one, other), _birth(one, other)):
        score += points
        if words:
            (speaks_for if points > 0 else against).append(words)
    if one.club_id and one.club_id == other.club_id:
        score += SAME_CLUB
        speaks_for.append("the same club")
    if one.numbers and other.numbers and not one.numbers & other.numbers:
        score += OTHER_NUMBER
        against.append("another member number, which a person entered twice has too")
    return Verdict(max(0, min(score, 100)), tuple(speaks_for), tuple(against))


def _first(one: Person, other: Person) -> tuple[int, str]:
    if not one.first or not other.first:
        return 0, ""
    if one.first == other.first:
        same = (one.first_name or "").casefold() == (other.first_name or "").casefold()
        return SAME_FIRST, "the same first name" if same else "first names that stand for one"
    if names_agree(one.first, other.first):
        return ALIKE_FIRST, "an initial that fits the first name"
    short, long = sorted((one.first, other.first), key=len)
    if len(short) > 2 and long.startswith(short):
        return ALIKE_FIRST, "first names that begin alike"
    return OTHER_FIRST, "another first name"


def _last(one: Person, other: Person) -> tuple[int, str]:
    if not one.last or not other.last:
        return 0, ""
    return (SAME_LAST, "the same last name") if one.last == other.last else (OTHER_LAST, "another last name")


def _birth(one: Person, other: Person) -> tuple[int, str]:
    if not one.date_of_birth or not other.date_of_birth:
        return 0, ""
    if one.date_of_birth == other.date_of_birth:
        return SAME_BIRTH, "the same date of birth"
    return OTHER_BIRTH, "another date of birth"


def _people(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> dict[UUID, Person]:
    rows = session.execute(_PROFILES, {"tenant_id": tenant_id, "ids": array(ids)})
    return {row.id: _person(row) for row in rows}


def _person(row: Any) -> Person:
    return Person(
        row.id,
        name_key(row.first_name),
        row.first_name,
        # The whole of it: "van der Merwe" is not "van Wyk".
        " ".join(filter(None, map(name_key, (row.last_name or "").split()))) or None,
        row.last_name,
        row.date_of_birth,
        row.club_id,
        frozenset(map(tuple, orjson.loads(row.points))) if row.points else frozenset(),
        frozenset(row.numbers or ()),
    )
