"""Who is noted for segments: each in their own tenant, and for the moment from which something counts."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from app.infra import clock
from app.tasks.work import _due
from tests.conftest import make_tenant
from tests.segments.helpers import GOLD, PLAYED, all_of, did, due, members, people, play, rows, rule, segment, settle

ASKED = {
    "gold": GOLD,
    "played": PLAYED,
    "agreed": all_of(rule("can_be_mailed", "eq", True)),
    "reached": all_of(rule("email_count", "gte", 1)),
    "lived": all_of(rule("in_household", "eq", True)),
}
# Each is one statement over everybody of all tenants, as maintenance may write it.
STATEMENTS = (
    "UPDATE customer SET membership_tier = 'Gold', email_opt_in = true, last_activity_at = now()",
    "INSERT INTO activity (tenant_id, customer_id, type, category, title, occurred_at, source)"
    " SELECT tenant_id, id, 'teetime.completed', 'GOLF', 'A round', now() - interval '1 day', 'scl' FROM customer",
    "UPDATE activity SET title = 'Another round'",
    "INSERT INTO contact_point (tenant_id, customer_id, kind, key, value, source)"
    " SELECT tenant_id, id, 'email', id || '@example.com', id || '@example.com', 'scl' FROM customer",
    "INSERT INTO suppression (tenant_id, channel, address_key, reason)"
    " SELECT tenant_id, 'EMAIL', key, 'manual' FROM contact_point",
    "DELETE FROM suppression",
    "INSERT INTO consent (tenant_id, customer_id, channel, state, said_at)"
    " SELECT tenant_id, id, 'EMAIL', 'pending', now() FROM customer",
    "DELETE FROM activity",
    "INSERT INTO customer (tenant_id, membership_tier) SELECT id, 'Gold' FROM tenant",
)
STRANGERS = """
    SELECT d.tenant_id FROM segment_due d
    LEFT JOIN customer c ON c.tenant_id = d.tenant_id AND c.id = d.customer_id WHERE c.id IS NULL
"""


@pytest.mark.committed
def test_a_statement_over_several_tenants_notes_each_in_their_own(real_db: str) -> None:
    tenants: list[Any] = [make_tenant() for _ in range(3)]
    here, there, without = (one.id for one in tenants)
    who = {one: people(one, 3) for one in (here, there, without)}
    made = {one: {name: segment(one, asked, name) for name, asked in ASKED.items()} for one in (here, there)}
    with psycopg.connect(real_db, autocommit=True) as maintenance:
        # As a superuser's would be, the owner's statements are of all tenants, in this test's own database.
        for (table,) in maintenance.execute("SELECT relname FROM pg_class WHERE relforcerowsecurity").fetchall():
            maintenance.execute(sql.SQL("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY").format(sql.Identifier(table)))
        for statement in STATEMENTS:
            maintenance.execute("DELETE FROM segment_due")
            maintenance.execute(statement)
            found = maintenance.execute("SELECT DISTINCT tenant_id FROM segment_due").fetchall()
            assert {one for (one,) in found} == {here, there}, statement
            assert maintenance.execute(STRANGERS).fetchall() == [], statement
        maintenance.execute("DELETE FROM segment_due")
        maintenance.execute("UPDATE customer SET membership_tier = 'Gold ' WHERE membership_tier = 'Gold'")
        maintenance.execute("UPDATE customer SET membership_tier = 'Gold'")
        for one in (here, there):
            settle(one, clock.now())
            assert members(one, made[one]["gold"]) > set(who[one])
        maintenance.execute("DELETE FROM customer")
        assert {one for (one,) in maintenance.execute("SELECT DISTINCT tenant_id FROM segment_due")} == {here, there}
    for one in (here, there):
        settle(one, clock.now())
        assert members(one, made[one]["gold"]) == set()


def test_what_is_to_come_counts_from_its_moment_on(tenant: Any) -> None:
    now = clock.now()
    (one,) = people(tenant.id)
    played = segment(tenant.id, PLAYED, "Played", now)
    never = segment(tenant.id, all_of(did("teetime.completed", "never", None)), "Never", now)
    # No refresh on a schedule comes between.
    rows(tenant.id, "UPDATE segment SET refresh_due_at = NULL RETURNING id")
    begins = now + timedelta(hours=2)
    play(tenant.id, one, at=begins + timedelta(minutes=1))
    settle(tenant.id, now)
    assert (members(tenant.id, played), members(tenant.id, never)) == (set(), {one})
    assert not waits(tenant, begins - timedelta(minutes=1))
    assert waits(tenant, begins)
    settle(tenant.id, begins)
    assert (members(tenant.id, played), members(tenant.id, never)) == ({one}, set())
    assert (due(tenant.id), waits(tenant, begins)) == (0, False)
    assert rows(tenant.id, "SELECT FROM segment_later") == []


def test_what_no_segment_asks_about_is_not_noted_for_later(tenant: Any) -> None:
    segment(tenant.id, PLAYED, "Played", clock.now())
    play(tenant.id, *people(tenant.id), type="teetime.booked", at=clock.now() + timedelta(hours=1))
    assert rows(tenant.id, "SELECT FROM segment_later") == []


def waits(tenant: Any, now: Any) -> bool:
    return any(work == "refresh_segments" and id_ == tenant.id for work, id_ in _due(now))
