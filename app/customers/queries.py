"""Reading customers: lists, one profile with all that identifies it, and its consent."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text, tuple_
from sqlalchemy.orm import Session

from app.customers import erased, search
from app.customers.called import UNNAMED
from app.customers.models import ConsentChange, ContactPoint, Customer, ExternalId
from app.events.validation import OWN_SOURCE
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.errors import NotFound
from app.infra.paging import DEFAULT_LIMIT, Page, cut, decode_cursor, id_of, moment_of


class NoSuchCustomer(NotFound):
    """There is no customer with this id."""

    def __init__(self) -> None:
        super().__init__("There is no such customer.")


class Erased(NoSuchCustomer):
    """There was a customer with this id, who was erased."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self.message = f"This person was erased on {at:%-d %B %Y}. Nothing is kept of them."


@dataclass(frozen=True, slots=True)
class Hints:
    """What a customer is known by: addresses and numbers, and ids in other systems."""

    points: list[ContactPoint]
    ids: list[ExternalId]


DISPLAY_NAME = func.coalesce(
    func.nullif(func.concat_ws(" ", Customer.first_name, Customer.last_name), ""),
    Customer.email,
    Customer.phone,
    UNNAMED,
)
"""What lists call a customer, in SQL."""
# A loose scan of the index on tiers: as many probes as there are tiers, however many customers have them.
_TIERS = text("""
    WITH RECURSIVE tier AS (
        (SELECT membership_tier AS name FROM customer
         WHERE tenant_id = :tenant_id AND membership_tier IS NOT NULL ORDER BY membership_tier LIMIT 1)
        UNION ALL
        SELECT (SELECT c.membership_tier FROM customer c
                WHERE c.tenant_id = :tenant_id AND c.membership_tier > tier.name ORDER BY c.membership_tier LIMIT 1)
        FROM tier WHERE tier.name IS NOT NULL
    )
    SELECT name FROM tier WHERE name IS NOT NULL LIMIT 100
""")


def customers(
    *,
    tenant_id: UUID,
    q: str | None = None,
    email: str | None = None,
    phone: str | None = None,
    club_id: UUID | None = None,
    tier: str | None = None,
    stage: str | None = None,
    tag: str | None = None,
    among: Sequence[search.Range] = (),
    apart: Sequence[search.Range] = (),
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Customer]:
    """Return customers by name; every filter given must match.

    `q` holds words that begin a name, address, number or id; they come by the word that fits the longest, so that
    whoever has it whole comes first. `email` and `phone` are keys (see app.events.addresses) of any contact point of
    theirs. `among` and `apart` are sets of customers of other rooms: they are in all of the former, in none of the
    latter. Merged profiles are left out.
    """
    words = search.words_of(q) if q else []
    if q and q.strip() and not words:
        # Signs alone, such as a percent sign: nobody is known by them.
        return Page([], None)
    asked = search.Asked(
        words=words,
        email=email,
        phone=phone,
        club_id=club_id,
        tier=tier,
        stage=stage,
        tag=tag,
        among=among,
        apart=apart,
    )
    with transaction(tenant_id) as session:
        return search.page(session, tenant_id, asked, cursor, limit)


def customer(*, tenant_id: UUID, customer_id: UUID) -> Customer:
    """Return a customer, merged ones too (`merged_into_id` says where they went), or raise NoSuchCustomer."""
    with transaction(tenant_id) as session:
        found = session.get(Customer, (tenant_id, customer_id), populate_existing=True)
        if found is None:
            raise _missing(session, tenant_id, customer_id)
        return found


def _missing(session: Session, tenant_id: UUID, customer_id: UUID) -> NoSuchCustomer:
    hits = erased.find(session, tenant_id, {customer_id: [("customer_id", str(customer_id))]})
    return Erased(max(hits[customer_id].values())) if hits else NoSuchCustomer()


def by_ids(*, tenant_id: UUID, customer_ids: Collection[UUID]) -> dict[UUID, Customer]:
    """Return by id those of the customers that exist."""
    with transaction(tenant_id) as session:
        wanted = select(Customer).where(Customer.tenant_id == tenant_id, Customer.id.in_(customer_ids))
        return {one.id: one for one in session.scalars(wanted.execution_options(populate_existing=True))}


def names(*, tenant_id: UUID, customer_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return what to call each of the customers that exist."""
    with transaction(tenant_id) as session:
        rows = session.execute(
            select(Customer.id, DISPLAY_NAME).where(Customer.tenant_id == tenant_id, Customer.id.in_(customer_ids))
        )
        return {row[0]: row[1] for row in rows}


_NUMBERS = text("""
    SELECT e.customer_id, e.value FROM unnest(CAST(:ids AS uuid[])) AS w(id)
    CROSS JOIN LATERAL (
        SELECT x.customer_id, x.value, x.id FROM external_id x
        WHERE x.tenant_id = :tenant_id AND x.customer_id = w.id AND x.kind = 'scl_member_id'
    ) AS e ORDER BY e.customer_id, e.id
""")


def member_numbers(*, tenant_id: UUID, customer_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """Return the member numbers of the customers who have any, each one's oldest first."""
    found: dict[UUID, list[str]] = {}
    with transaction(tenant_id) as session:
        for row in session.execute(_NUMBERS, {"tenant_id": tenant_id, "ids": array(customer_ids)}):
            found.setdefault(row.customer_id, []).append(row.value)
    return found


def hints(*, tenant_id: UUID, customer_id: UUID) -> Hints:
    """Return what a customer is known by, in the order it became known."""
    with transaction(tenant_id) as session:
        points = session.scalars(
            select(ContactPoint)
            .where(ContactPoint.tenant_id == tenant_id, ContactPoint.customer_id == customer_id)
            .order_by(ContactPoint.kind, ContactPoint.created_at, ContactPoint.id)
        )
        ids = session.scalars(
            select(ExternalId)
            .where(ExternalId.tenant_id == tenant_id, ExternalId.customer_id == customer_id)
            .order_by(ExternalId.kind, ExternalId.created_at, ExternalId.id)
        )
        return Hints(list(points), list(ids))


def consent_history(
    *, tenant_id: UUID, customer_id: UUID, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[ConsentChange]:
    """Return what the customer said about being written to, the newest first.

    The second proof that an event of our own leaves of what was proven when it was said is left out.
    """
    wanted = select(ConsentChange).where(
        ConsentChange.tenant_id == tenant_id,
        ConsentChange.customer_id == customer_id,
        ~((ConsentChange.source == OWN_SOURCE) & (ConsentChange.how == "event")),
    )
    if cursor:
        at, last = decode_cursor(cursor, 2)
        wanted = wanted.where(tuple_(ConsentChange.changed_at, ConsentChange.id) < tuple_(moment_of(at), id_of(last)))
    ordered = wanted.order_by(ConsentChange.changed_at.desc(), ConsentChange.id.desc()).limit(limit + 1)
    with transaction(tenant_id) as session:
        rows = session.scalars(ordered.execution_options(populate_existing=True)).all()
    return cut(rows, limit, lambda row: (row.changed_at, row.id), lambda row: row)


def tiers(*, tenant_id: UUID) -> list[str]:
    """Return the membership tiers that customers have, by name; at most a hundred."""
    with transaction(tenant_id) as session:
        return list(session.scalars(_TIERS, {"tenant_id": tenant_id}))
