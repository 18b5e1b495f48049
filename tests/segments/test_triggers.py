"""What the triggers look at is all there is to look at."""

from typing import Any

import pytest
from sqlalchemy import text

from app.customers.models import Customer
from app.infra.db import transaction
from tests.segments.helpers import all_of, people, rows, rule, segment

# What changes with every word of anybody, or is made of what else is looked at.
BESIDE = {"tenant_id", "id", "updated_at", "facts_at", "search", "search_extra", "words", "sort_name"}


def test_every_column_of_a_customer_is_compared(tenant: Any) -> None:
    """A new column has to be among those of `segment_customers_changed`, or conditions on it would not follow."""
    with transaction(tenant.id) as session:
        source = session.scalar(text("SELECT prosrc FROM pg_proc WHERE proname = 'segment_customers_changed'"))
    missing = {one.name for one in Customer.__table__.columns if f"a.{one.name}" not in source}
    # Rows before and after are joined by these.
    assert missing == BESIDE - {"tenant_id", "id"}


ADDRESS = """
    INSERT INTO contact_point (tenant_id, customer_id, kind, key, value)
    SELECT :t, :who, 'email', 'guest' || n || '@example.com', 'guest' || n || '@example.com'
    FROM generate_series(CAST(:first AS int), :last) AS n RETURNING id
"""
SUPPRESSION = """
    INSERT INTO suppression (tenant_id, channel, address_key, reason)
    VALUES (:t, 'email', 'guest' || CAST(:n AS int) || '@example.com', 'manual') RETURNING id
"""
READ = "SELECT idx_tup_fetch + seq_tup_read AS many FROM pg_stat_xact_user_tables WHERE relname = 'contact_point'"


@pytest.mark.committed  # In a database of its own: statistics of rows that are gone are no such plan's.
@pytest.mark.parametrize("of", ["contact_point", "suppression"])
def test_a_note_reads_the_addresses_it_is_of_though_its_plan_was_made_while_there_were_none(
    tenant: Any, of: str
) -> None:
    segment(tenant.id, all_of(rule("can_be_mailed", "eq", True)), name="Reached")
    (who,) = people(tenant.id)

    def write(n: int) -> int:
        """Write one row, and return how many addresses were read for it."""
        before = rows(tenant.id, READ)[0].many
        if of == "suppression":
            rows(tenant.id, SUPPRESSION, t=tenant.id, n=n)
        else:
            rows(tenant.id, ADDRESS, t=tenant.id, who=who, first=n, last=n)
        return int(rows(tenant.id, READ)[0].many - before)

    with transaction(tenant.id) as session:
        # As of a connection that has asked often enough.
        session.execute(text("SET plan_cache_mode = force_generic_plan"))
    write(1)
    rows(tenant.id, ADDRESS, t=tenant.id, who=who, first=10_000, last=39_999)
    assert write(20_000 if of == "suppression" else 2) < 20
    assert len(rows(tenant.id, "SELECT 1 FROM segment_due WHERE reads = :of", of=of.removesuffix("_point"))) >= 1
