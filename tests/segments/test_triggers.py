"""What the triggers look at is all there is to look at."""

from typing import Any

from sqlalchemy import text

from app.customers.models import Customer
from app.infra.db import transaction

# What changes with every word of anybody, or is made of what else is looked at.
BESIDE = {"tenant_id", "id", "updated_at", "facts_at", "search", "search_extra", "words", "sort_name"}


def test_every_column_of_a_customer_is_compared(tenant: Any) -> None:
    """A new column has to be among those of `segment_customers_changed`, or conditions on it would not follow."""
    with transaction(tenant.id) as session:
        source = session.scalar(text("SELECT prosrc FROM pg_proc WHERE proname = 'segment_customers_changed'"))
    missing = {one.name for one in Customer.__table__.columns if f"a.{one.name}" not in source}
    # Rows before and after are joined by these.
    assert missing == BESIDE - {"tenant_id", "id"}
