"""People who share an address, and households."""

from uuid import UUID

from sqlalchemy import text

from app.infra.db import transaction
from app.infra.ids import new_id
from tests.messaging.conftest import MakeCustomer


def sharing(customer: MakeCustomer, tenant_id: UUID, address: str, *names: str) -> list[UUID]:
    """Make people who share an e-mail address."""
    found = [customer(first_name=name, email=address) for name in names]
    with transaction(tenant_id) as session:
        session.execute(
            text(
                "INSERT INTO contact_point (tenant_id, customer_id, kind, key, value)"
                " SELECT :tenant_id, id, 'email', :address, :address FROM unnest(CAST(:ids AS uuid[])) AS one(id)"
            ),
            {"tenant_id": tenant_id, "ids": found, "address": address},
        )
    return found


def household(tenant_id: UUID, people: list[UUID], roles: list[str]) -> None:
    with transaction(tenant_id) as session:
        home = new_id()
        session.execute(
            text("INSERT INTO household (tenant_id, id, created_by) VALUES (:tenant_id, :id, 'system')"),
            {"tenant_id": tenant_id, "id": home},
        )
        session.execute(
            text(
                "INSERT INTO household_member (tenant_id, household_id, customer_id, role, source, reason, added_by)"
                " SELECT :tenant_id, :home, id, role, 'hand', '', 'system'"
                " FROM unnest(CAST(:ids AS uuid[]), CAST(:roles AS text[])) AS one(id, role)"
            ),
            {"tenant_id": tenant_id, "home": home, "ids": people, "roles": roles},
        )
