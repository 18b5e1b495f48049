"""What conditions may ask of where customers are reached, and whom they live with."""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.conditions import compile_sql, explain, parse
from app.customers import custom_fields, households
from app.customers.households import Newcomer
from app.customers.models import ContactPoint, Customer
from app.infra import clock
from app.infra.db import transaction
from tests.journeys import helpers as journeys


def yes(tenant_id: UUID, *rules: Any) -> set[UUID]:
    """Return who is found by conditions."""
    tree = parse(list(rules), custom_fields.catalogue(tenant_id=tenant_id))
    with transaction(tenant_id) as session:
        return set(session.scalars(select(Customer.id).where(compile_sql(tree).is_(True))))


def rule(name: str, operator: str, value: Any = None) -> dict[str, Any]:
    return {"field": name, "operator": operator} | ({} if value is None else {"value": value})


def test_where_people_are_reached(tenant: Any) -> None:
    many, verified, none = journeys.people(tenant.id, 3)
    with transaction(tenant.id) as session:
        for who, kind, key, at in (
            (many, "email", "a@example.com", None),
            (many, "email", "b@example.com", None),
            (many, "phone", "+27821111111", None),
            (verified, "email", "c@example.com", clock.now()),
        ):
            point = ContactPoint(tenant_id=tenant.id, customer_id=who, kind=kind, key=key, value=key, verified_at=at)
            session.add(point)
    assert yes(tenant.id, rule("contact_points", "contains", "email")) == {many, verified}
    assert yes(tenant.id, rule("contact_points", "contains", "phone")) == {many}
    assert yes(tenant.id, rule("contact_points", "in", ["push", "phone"])) == {many}
    assert yes(tenant.id, rule("contact_points", "isNull")) == {none}
    assert yes(tenant.id, rule("verified_contact_points", "contains", "email")) == {verified}
    assert yes(tenant.id, rule("verified_contact_points", "not_contains", "email")) == {many, none}
    assert yes(tenant.id, rule("email_count", "gte", 2)) == {many}
    assert yes(tenant.id, rule("email_count", "eq", 0)) == {none}
    assert yes(tenant.id, rule("phone_count", "between", [1, 9])) == {many}


def test_whom_they_live_with(tenant: Any) -> None:
    head, child, alone, single = journeys.people(tenant.id, 4)
    pair = [Newcomer(head, "head"), Newcomer(child, "child")]
    households.make(tenant_id=tenant.id, members=pair, actor="system")
    households.make(tenant_id=tenant.id, members=[Newcomer(alone)], actor="system")
    assert yes(tenant.id, rule("in_household", "eq", True)) == {head, child, alone}
    assert yes(tenant.id, rule("in_household", "eq", False)) == {single}
    assert yes(tenant.id, rule("household_size", "eq", 2)) == {head, child}
    assert yes(tenant.id, rule("household_size", "isNull")) == {single}
    assert yes(tenant.id, rule("household_role", "eq", "head")) == {head}
    assert yes(tenant.id, rule("household_role", "in", ["child", "member"])) == {child, alone}
    tree = parse([rule("household_role", "eq", "head")], custom_fields.catalogue(tenant_id=tenant.id))
    assert "Head of household" in explain(tree)
