"""Fifty thousand activities of one person: every filter is answered from the timeline's index, under RLS.

Plans, not timings: what the plan says holds on a slow machine too. docs/performance.md has measured figures.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import event, select, text

from app.customers import timeline
from app.customers.models import Customer
from app.customers.timeline import Filters
from app.infra.db import db, transaction
from app.infra.ids import new_id
from tests.conftest import make_tenant

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CLUB = UUID(int=7)
_FILL = text("""
    INSERT INTO activity (tenant_id, customer_id, type, category, title, occurred_at, source, club_id, payload)
    SELECT cast(:tenant AS uuid), person.id, CASE WHEN n % 5000 = 1 THEN 'payment.received' ELSE 'teetime.booked' END,
        CASE WHEN n % 5000 = 1 THEN 'PAYMENT' ELSE 'GOLF' END, 'Booked number ' || n,
        cast(:now AS timestamptz) - n * interval '1 hour', 'teetime',
        CASE WHEN n % 5000 = 2 THEN cast(:club AS uuid) END, '{"holes": 18}'
    FROM unnest(cast(:people AS uuid[])) AS person(id), generate_series(1, :many) AS n
""")


@pytest.fixture
def busy(real_db: str) -> tuple[UUID, UUID]:
    """Return a tenant and its customer with 50,000 activities, among four hundred people with five hundred each."""
    tenant_id = make_tenant("Busy Links").id
    people = [new_id() for _ in range(401)]
    with transaction(tenant_id) as session:
        session.add_all(Customer(tenant_id=tenant_id, id=one, first_name="N") for one in people)
        session.flush()
        # In portions: a statement has a minute, however slow the machine.
        for some, many in ((people[:1], 50_000), *((people[at : at + 50], 500) for at in range(1, 401, 50))):
            values = {"tenant": tenant_id, "people": some, "now": NOW, "club": CLUB, "many": many}
            session.execute(_FILL, values)
    with psycopg.connect(real_db, autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE activity")
    return tenant_id, people[0]


def plan_of(tenant_id: UUID, ask: Any) -> str:
    """Return the plan of the statement on activities that `ask` runs, as the app's role explains it."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if "activity" in statement and not statement.startswith("EXPLAIN"):
            asked.append((statement, values))

    with transaction(tenant_id) as session:
        assert session.scalar(text("SELECT current_user")) == "fairway_app"
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", note)
        ask()
        [(statement, values)] = asked
        rows = connection.exec_driver_sql(f"EXPLAIN (COSTS OFF) {statement}", values)
        return "\n".join(row[0] for row in rows)


FILTERS = {
    "everything": Filters(),
    "the owner's": Filters(sees_private=True),
    "category": Filters(category="PAYMENT"),
    "type": Filters(type="payment.received"),
    "club": Filters(club_id=CLUB),
    "time": Filters(since=NOW - timedelta(days=900), until=NOW - timedelta(days=800)),
    "all": Filters(category="PAYMENT", type="payment.received", club_id=CLUB, since=NOW - timedelta(days=900)),
}


@pytest.mark.committed
def test_every_filter_is_answered_from_the_index(busy: tuple[UUID, UUID]) -> None:
    tenant_id, customer_id = busy
    page = timeline.timeline(tenant_id=tenant_id, customer_id=customer_id)
    for name, filters in FILTERS.items():
        for cursor in (None, page.next_cursor):
            where = {"tenant_id": tenant_id, "customer_id": customer_id, "filters": filters, "cursor": cursor}
            plan = plan_of(tenant_id, partial(timeline.timeline, **where))
            # Of a type that few rows have, everybody's are fewer than the person's own.
            if filters.type and "using ix_activity_done" in plan:
                assert not re.search(r"Seq Scan|Hash Join", plan), f"{name}\n{plan}"
                continue
            assert "Index Only Scan using ix_activity_story" in plan, f"{name}\n{plan}"
            assert not re.search(r"Seq Scan|Sort\b|Hash Join|Bitmap", plan), f"{name}\n{plan}"
            if cursor or name == "time":
                assert re.search(r"Index Cond: .*occurred_at", plan), f"{name}\n{plan}"
    for ask in (
        lambda: timeline.counts_30d(tenant_id=tenant_id, customer_ids=[customer_id, uuid4()], now=NOW),
        lambda: timeline.kinds(tenant_id=tenant_id, customer_id=customer_id, reader_id=None, sees_private=False),
        lambda: db.session.execute(select(timeline.count_30d()).where(Customer.id == customer_id)).one(),
    ):
        plan = plan_of(tenant_id, ask)
        assert "Index Only Scan using ix_activity_story" in plan, plan
        assert "Seq Scan on activity" not in plan, plan
    ask = Filters(q="number 49999")
    plan = plan_of(tenant_id, lambda: timeline.timeline(tenant_id=tenant_id, customer_id=customer_id, filters=ask))
    assert "Index Only Scan using ix_activity_story" in plan, plan
    # The page that was found is put in order; the person's rows are walked in order.
    assert not re.search(r"Seq Scan|Hash Join|Bitmap", plan), plan
    found = timeline.timeline(tenant_id=tenant_id, customer_id=customer_id, filters=ask)
    assert [one.title for one in found.items] == ["Booked number 49999"]
