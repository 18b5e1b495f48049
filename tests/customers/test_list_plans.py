"""What people wait for is answered by indexes, with row-level security on: as the app's role, of a tenant of thousands.

A condition that is not leakproof (`@>`, `@@`, LIKE) reaches no index under row-level security, and nobody notices in a
small database: docs/performance.md.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import event, text

from app.customers import queries
from app.infra.db import db, transaction
from tests.plans import nodes

PEOPLE = 12_000
BIG = {"customer", "customer_word", "customer_tag", "contact_point", "external_id", "activity"}
_FILL = (
    """
    INSERT INTO customer (tenant_id, id, first_name, last_name, email, phone, club_id, membership_tier,
        lifecycle_stage, tags, search_extra)
    SELECT :t, uuid7(), 'First' || n % 50, 'Last' || n % 1000, 'p' || n || '@example.com', '+2782' || 1000000 + n,
        (SELECT id FROM club), CASE WHEN n % 3 > 0 THEN (ARRAY['Gold', 'Silver', 'Weekday'])[n % 3] END,
        CASE WHEN n % 40 = 0 THEN 'LEAD' ELSE 'MEMBER' END,
        CASE WHEN n % 60 = 0 THEN '{vip,news}'::text[] ELSE '{news}' END,
        'za' || 1000000 + n
    FROM generate_series(1, :people) AS n
    """,
    """
    INSERT INTO contact_point (tenant_id, customer_id, kind, key, value)
    SELECT tenant_id, id, 'email', email, email FROM customer
    """,
    """
    INSERT INTO external_id (tenant_id, customer_id, kind, value)
    SELECT tenant_id, id, 'scl_member_id', search_extra FROM customer
    """,
    """
    INSERT INTO activity (tenant_id, customer_id, type, category, title, occurred_at, source)
    SELECT tenant_id, id, 'teetime.booked', 'GOLF', 'Booked', now() - n * interval '1 day', 'teetime'
    FROM customer, generate_series(1, 3) AS n
    """,
)


@pytest.fixture
def crowd(real_db: str) -> UUID:
    """Return a tenant of thousands, its tables analysed."""
    from tests.conftest import make_tenant

    tenant_id: UUID = make_tenant().id  # type: ignore[attr-defined]
    with transaction(tenant_id) as session:
        for statement in _FILL:
            session.execute(text(statement), {"t": tenant_id, "people": PEOPLE} if ":people" in statement else {})
    with psycopg.connect(real_db, autocommit=True) as connection:
        for table in sorted(BIG):
            connection.execute(f"VACUUM (ANALYZE) {table}")
    return tenant_id


def _plans(tenant_id: UUID, ask: Callable[[], object]) -> list[dict[str, Any]]:
    """Return the plan of every statement that `ask` runs, as the app's role is given it."""
    found: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
        found.append((statement, values))

    event.listen(db.engine, "before_cursor_execute", note)
    ask()
    event.remove(db.engine, "before_cursor_execute", note)
    plans = []
    with transaction(tenant_id) as session:
        assert session.scalar(text("SELECT current_user")) == "fairway_app"
        for statement, values in found:
            answer = session.connection().exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).scalar_one()
            plans.append(answer[0]["Plan"])
    return plans


def _first(tenant_id: UUID, column: str) -> Any:
    with transaction(tenant_id) as session:
        return session.scalar(text(f"SELECT {column} FROM customer ORDER BY id LIMIT 1"))


@pytest.mark.committed
def test_lists_searches_and_pages_read_no_big_table_whole(crowd: UUID) -> None:
    def customers(**filters: Any) -> Callable[[], object]:
        return lambda: queries.customers(tenant_id=crowd, **filters)

    first, club_id = _first(crowd, "id"), _first(crowd, "club_id")
    next_page = queries.customers(tenant_id=crowd).next_cursor
    next_found = queries.customers(tenant_id=crowd, q="last").next_cursor
    questions: dict[str, Callable[[], object]] = {
        "list": customers(),
        "next page": customers(cursor=next_page),
        "club": customers(club_id=club_id),
        "tier": customers(tier="Gold"),
        "stage": customers(stage="LEAD", cursor=next_page),
        "tag": customers(tag="vip"),
        "a tag all have": customers(tag="news"),
        "name": customers(q="last77"),
        "two names": customers(q="first7 last77"),
        "a letter, which all have": customers(q="l"),
        "its next page": customers(q="last", cursor=next_found),
        "e-mail": customers(q="p77@example.com"),
        "phone": customers(q="+27 82 1000077"),
        "member number": customers(q="ZA1000077"),
        "name, tag, club and tier": customers(q="last7", tag="vip", club_id=club_id, tier="Gold"),
        "e-mail key": customers(email="p77@example.com"),
        "customer": lambda: queries.customer(tenant_id=crowd, customer_id=first),
        "names": lambda: queries.names(tenant_id=crowd, customer_ids=[first]),
        "hints": lambda: queries.hints(tenant_id=crowd, customer_id=first),
        "tiers": lambda: queries.tiers(tenant_id=crowd),
    }
    for what, ask in questions.items():
        for plan in _plans(crowd, ask):
            for node in nodes(plan):
                assert not (node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG), f"{what}: {plan}"
                assert not (node["Node Type"] == "Sort" and node["Plan Rows"] > PEOPLE / 4), f"{what}: {plan}"
