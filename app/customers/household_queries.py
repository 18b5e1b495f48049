"""Reading households: one with its people, the list, whose household somebody is in, which addresses they share."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, exists, func, or_, select, text
from sqlalchemy.orm import Session

from app.customers import greetings, queries, search
from app.customers.called import called
from app.customers.household_models import Household, HouseholdMember
from app.customers.household_suggestions import CROWD, MOST, SHARERS
from app.customers.households import NoSuchHousehold
from app.customers.models import Customer
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, cut, id_cursor

_PEOPLE = text("""
    SELECT m.household_id, m.customer_id, m.role, m.source, m.reason, m.added_by, m.added_at,
        c.title, c.first_name, c.last_name, c.email, c.phone, c.date_of_birth, c.last_activity_at
    FROM household_member m JOIN customer c ON c.tenant_id = m.tenant_id AND c.id = m.customer_id
    WHERE m.tenant_id = :tenant_id AND m.household_id = ANY(cast(:ids AS uuid[]))
    ORDER BY m.household_id, array_position(ARRAY['head', 'member', 'child'], m.role), m.added_at, m.id
""")
_OF = text("""
    SELECT household_id, customer_id FROM household_member
    WHERE tenant_id = :tenant_id AND customer_id = ANY(cast(:ids AS uuid[]))
""")
_SHARED = text("""
    SELECT p.kind, p.key, array_agg(p.customer_id ORDER BY p.customer_id) AS people
    FROM unnest(cast(:ids AS uuid[])) AS wanted(id) CROSS JOIN LATERAL (
        SELECT x.kind, x.key, x.customer_id FROM contact_point x
        WHERE x.tenant_id = :tenant_id AND x.customer_id = wanted.id AND x.kind IN ('email', 'phone') OFFSET 0
    ) AS p GROUP BY p.kind, p.key HAVING count(*) > 1 ORDER BY p.kind, p.key
""")
# Addresses that a front desk shares with everybody bring nobody near.
_NEAR = text(f"""
    WITH mine AS (
        SELECT DISTINCT p.kind, p.key FROM unnest(cast(:ids AS uuid[])) AS wanted(id) CROSS JOIN LATERAL (
            SELECT x.kind, x.key FROM contact_point x WHERE x.tenant_id = :tenant_id AND x.customer_id = wanted.id
                AND x.kind IN ('email', 'phone') OFFSET 0
        ) AS p
    ), near AS (
        SELECT who.id, count(*) OVER (PARTITION BY mine.kind, mine.key) AS many
        FROM mine CROSS JOIN LATERAL ({SHARERS.format(at="mine")}) AS who
    )
    SELECT DISTINCT id FROM near WHERE many <= :most AND id <> ALL(cast(:ids AS uuid[])) ORDER BY id LIMIT :most
""")  # noqa: S608 - the names are ours


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a household, and how they came into it."""

    customer_id: UUID
    role: str
    source: str
    reason: str
    added_by: str
    added_at: datetime
    title: str | None
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    last_activity_at: datetime | None

    @property
    def full_name(self) -> str:
        """Return what to call them."""
        return called(self.first_name, self.last_name, title=self.title, email=self.email, phone=self.phone)


@dataclass(frozen=True, slots=True)
class HouseholdView:
    """A household with its people, the head first. `own_name` and `own_greeting` are None where the rule holds."""

    id: UUID
    own_name: str | None
    own_greeting: str | None
    members: list[Member]
    created_at: datetime
    dissolved_at: datetime | None

    @property
    def name(self) -> str:
        """Return what the household is called."""
        return self.own_name or greetings.household_name(self.members)

    @property
    def greeting(self) -> str:
        """Return how a letter to all of them begins."""
        return self.own_greeting or greetings.greeting(self.members)


@dataclass(frozen=True, slots=True)
class SharedAddress:
    """An e-mail address or number (`kind` email or phone), and who of a household have it."""

    kind: str
    address: str
    customer_ids: list[UUID]


def household(*, tenant_id: UUID, household_id: UUID) -> HouseholdView:
    """Return a household, a dissolved one too, or raise NoSuchHousehold."""
    with transaction(tenant_id) as session:
        found = session.get(Household, (tenant_id, household_id), populate_existing=True)
        if found is None:
            raise NoSuchHousehold
        return _views(session, tenant_id, [found])[0]


def by_ids(*, tenant_id: UUID, household_ids: Collection[UUID]) -> dict[UUID, HouseholdView]:
    """Return by id those of the households that exist."""
    wanted = select(Household).where(Household.tenant_id == tenant_id, Household.id.in_(household_ids))
    with transaction(tenant_id) as session:
        rows = session.scalars(wanted.execution_options(populate_existing=True)).all()
        return {one.id: one for one in _views(session, tenant_id, rows)}


def of_customers(*, tenant_id: UUID, customer_ids: Collection[UUID]) -> dict[UUID, HouseholdView]:
    """Return by customer the household each of them is in; who is in none is left out."""
    with transaction(tenant_id) as session:
        asked = {"tenant_id": tenant_id, "ids": array(customer_ids)}
        homes = {row.customer_id: row.household_id for row in session.execute(_OF, asked)}
        found = by_ids(tenant_id=tenant_id, household_ids=set(homes.values())) if homes else {}
    return {customer_id: found[home] for customer_id, home in homes.items()}


def households(
    *,
    tenant_id: UUID,
    q: str | None = None,
    dissolved: bool = False,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[HouseholdView]:
    """Return households, the newest first; dissolved ones only if asked for, and then no others.

    `q` finds them by the words of their people, as customers are found, or by a part of the name of their own.
    """
    h = Household
    wanted = select(h).where(h.tenant_id == tenant_id)
    wanted = wanted.where(h.dissolved_at.is_not(None) if dissolved else h.dissolved_at.is_(None))
    if cursor:
        wanted = wanted.where(h.id < id_cursor(cursor))
    with transaction(tenant_id) as session:
        if q and (words := q.strip()):
            tests = [_is_named(tenant_id, words)]
            if matching := search.has_all(search.words_of(words)):
                tests.append(_has_somebody(tenant_id, words, and_(*matching)))
            wanted = wanted.where(or_(*tests))
        rows = session.scalars(
            wanted.order_by(h.id.desc()).limit(limit + 1).execution_options(populate_existing=True)
        ).all()
        shown = {one.id: one for one in _views(session, tenant_id, rows[:limit])}
        return cut(rows, limit, lambda row: (row.id,), lambda row: shown[row.id])


def shared_addresses(*, tenant_id: UUID, customer_ids: Collection[UUID]) -> list[SharedAddress]:
    """Return the addresses and numbers that two or more of the customers have."""
    with transaction(tenant_id) as session:
        rows = session.execute(_SHARED, {"tenant_id": tenant_id, "ids": array(customer_ids)})
        return [SharedAddress(row.kind, row.key, row.people) for row in rows]


def near(*, tenant_id: UUID, customer_ids: Collection[UUID]) -> list[UUID]:
    """Return others who share an address or number with one of the customers, a few at most."""
    if not customer_ids:
        return []
    values = {"tenant_id": tenant_id, "ids": array(customer_ids), "crowd": CROWD, "most": MOST}
    with transaction(tenant_id) as session:
        return list(session.scalars(_NEAR, values))


def _has_somebody(tenant_id: UUID, words: str, matching: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that one of a household's people is found by the words."""
    m = HouseholdMember
    found = queries.customers(tenant_id=tenant_id, q=words, limit=MAX_LIMIT)
    somebody = select(m.household_id).where(m.tenant_id == tenant_id)
    if found.next_cursor is None:
        return Household.id.in_(somebody.where(m.customer_id.in_([one.id for one in found.items])))
    # Too many are called so to name them all: the list is walked, and is soon full.
    return exists(
        somebody.join(Customer, (Customer.tenant_id == m.tenant_id) & (Customer.id == m.customer_id)).where(
            m.household_id == Household.id, matching
        )
    )


def _is_named(tenant_id: UUID, words: str) -> ColumnElement[bool]:
    named = select(Household.id).where(
        Household.tenant_id == tenant_id,
        Household.name.is_not(None),
        func.strpos(func.lower(Household.name), words.lower()) > 0,
    )
    return Household.id.in_(named)


def _views(session: Session, tenant_id: UUID, found: Collection[Household]) -> list[HouseholdView]:
    members: dict[UUID, list[Member]] = {one.id: [] for one in found}
    if members:
        for row in session.execute(_PEOPLE, {"tenant_id": tenant_id, "ids": array(members)}):
            members[row.household_id].append(_member(row))
    return [
        HouseholdView(one.id, one.name, one.greeting, members[one.id], one.created_at, one.dissolved_at)
        for one in found
    ]


def _member(row: Row[Any]) -> Member:
    return Member(**{name: getattr(row, name) for name in Member.__slots__})
