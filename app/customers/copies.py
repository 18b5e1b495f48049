"""One copy per address: who of a list of people share the address they are written to, and how to greet them together.

For sends that would otherwise fill a family's mailbox. Whether each of them may be written to is the gate's question;
ask here for those alone who may.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, text

from app.customers import greetings
from app.infra.arrays import array
from app.infra.db import transaction

_WHO = {
    kind: text(f"""
        SELECT c.id, c.{kind} AS address, c.title, c.first_name, c.last_name, m.role, m.household_id, h.greeting
        FROM (
            SELECT DISTINCT coalesce(x.merged_into_id, x.id) AS id FROM customer x
            WHERE x.tenant_id = :tenant_id AND x.id = ANY(cast(:ids AS uuid[]))
        ) AS wanted
        JOIN customer c ON c.tenant_id = :tenant_id AND c.id = wanted.id
        LEFT JOIN household_member m ON m.tenant_id = :tenant_id AND m.customer_id = c.id
        LEFT JOIN household h ON h.tenant_id = :tenant_id AND h.id = m.household_id
        ORDER BY c.{kind}, array_position(ARRAY['head', 'member', 'child'], m.role), m.added_at, c.created_at, c.id
    """)  # noqa: S608 - the columns are ours
    for kind in ("email", "phone")
}


@dataclass(frozen=True, slots=True)
class Copy:
    """One letter for all of `customer_ids`, who share `address`; the first of them is whom it is put down for.

    `household_id` if all of them are of one household.
    """

    address: str
    customer_ids: tuple[UUID, ...]
    greeting: str
    household_id: UUID | None


@dataclass(frozen=True, slots=True)
class Copies:
    """The letters by address, and who has no address."""

    copies: list[Copy]
    unreached: list[UUID]


def one_per_address(
    *, tenant_id: UUID, customer_ids: Collection[UUID], kind: Literal["email", "phone"] = "email"
) -> Copies:
    """Return one letter for each address that these people are written to, with a greeting for all who share it.

    They are greeted by name, the head of their household first. A household's own greeting holds where the letter is
    for two or more and all are of that household. An id that was merged stands for the customer it leads to. Of a
    large audience ask for a part at a time that keeps equal addresses together.
    """
    at: dict[str, list[Row[Any]]] = {}
    unreached: list[UUID] = []
    with transaction(tenant_id) as session:
        for row in session.execute(_WHO[kind], {"tenant_id": tenant_id, "ids": array(customer_ids)}):
            if row.address:
                at.setdefault(row.address, []).append(row)
            else:
                unreached.append(row.id)
    return Copies([_copy(address, people) for address, people in at.items()], unreached)


def _copy(address: str, people: list[Row[Any]]) -> Copy:
    homes = {one.household_id for one in people}
    home = homes.pop() if len(homes) == 1 else None
    own = people[0].greeting if home and len(people) > 1 else None
    return Copy(address, tuple(one.id for one in people), own or greetings.greeting(people), home)
