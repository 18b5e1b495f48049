"""Conditions on what customers did, over their activities."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from app.conditions import compile_sql, parse
from app.customers import custom_fields
from app.customers.models import Activity, Customer
from app.infra import clock
from app.infra.db import transaction
from app.infra.ids import new_id

NOW = clock.now()


def play(tenant: Any, who: UUID, days_ago: float, type: str = "teetime.completed", **payload: Any) -> None:
    with transaction(tenant.id) as session:
        session.add(
            Activity(
                tenant_id=tenant.id,
                id=new_id(),
                customer_id=who,
                type=type,
                category="GOLF",
                title="x",
                occurred_at=NOW - timedelta(days=days_ago),
                source="test",
                payload=payload,
                private_to=payload.pop("private_to", None),
            )
        )


@pytest.fixture
def people(tenant: Any, other_tenant: Any) -> dict[str, UUID]:
    """Ann plays often and pays much, Ben played long ago, Cid never did; another tenant's Ann did all of it."""
    found = {name: new_id() for name in ("ann", "ben", "cid")}
    for owner, names in ((tenant, found), (other_tenant, {"ann": found["ann"]})):
        with transaction(owner.id) as session:
            session.add_all(Customer(tenant_id=owner.id, id=one, first_name=name) for name, one in names.items())
    for days, holes in ((1, 18), (30, "18"), (80, 18), (85, 9)):
        play(tenant, found["ann"], days, holes=holes)
    play(tenant, found["ann"], 10, "payment.received", amount=3000.5)
    play(tenant, found["ann"], 200, "payment.received", amount="2000")
    play(tenant, found["ben"], 100, holes=18)
    play(tenant, found["ben"], 5, private_to=new_id(), holes=18)
    play(other_tenant, found["ann"], 1, "competition.entered")
    return found


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            {
                "event": "teetime.completed",
                "operator": "at_least",
                "value": 3,
                "within": "90 days",
                "where": [{"field": "holes", "operator": "eq", "value": 18}],
            },
            {"ann"},
        ),
        ({"event": "teetime.completed", "operator": "never", "within": "60 days"}, {"ben", "cid"}),
        ({"event": "teetime.completed", "operator": "never"}, {"cid"}),
        (
            {
                "event": "payment.received",
                "aggregate": "sum",
                "field": "amount",
                "operator": "gt",
                "value": 5000,
                "within": "1 year",
            },
            {"ann"},
        ),
        (
            {"event": "payment.received", "aggregate": "sum", "field": "amount", "operator": "eq", "value": 0},
            {"ben", "cid"},
        ),
        ({"event": "teetime.completed", "aggregate": "last", "operator": "longer_ago", "value": "60 days"}, {"ben"}),
        (
            {
                "not": {
                    "event": "teetime.completed",
                    "aggregate": "first",
                    "operator": "within_last",
                    "value": "90 days",
                }
            },
            {"ben"},
        ),
        ({"event": "competition.entered", "operator": "gt", "value": 0}, set()),
    ],
)
def test_who_did_what(tenant: Any, people: dict[str, UUID], rule: dict[str, Any], expected: set[str]) -> None:
    tree = parse(rule, custom_fields.catalogue(tenant_id=tenant.id))
    with transaction(tenant.id) as session:
        asked = select(Customer.id).where(Customer.tenant_id == tenant.id, compile_sql(tree, now=NOW))
        found = set(session.scalars(asked))
    assert {name for name, one in people.items() if one in found} == expected
