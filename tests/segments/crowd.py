"""People and members for tests, written down without asking any condition."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.customers.models import Customer
from app.infra.db import transaction
from app.infra.ids import new_id
from app.segments.models import STATIC, Segment, SegmentMember

SINCE = datetime(2026, 10, 1, 8, tzinfo=UTC)


def person(tenant_id: UUID, name: str, **fields: Any) -> UUID:
    """Make a customer; return the id."""
    with transaction(tenant_id) as session:
        made = Customer(tenant_id=tenant_id, id=new_id(), first_name=name, **fields)
        session.add(made)
        session.flush()
        return made.id


def filled(tenant_id: UUID, name: str, people: list[UUID], **fields: Any) -> UUID:
    """Make a static segment with these members; return its id."""
    with transaction(tenant_id) as session:
        segment = Segment(
            tenant_id=tenant_id,
            id=new_id(),
            name=name,
            created_by="system",
            **({"type": STATIC, "member_count": len(people)} | fields),
        )
        session.add(segment)
        session.flush()
        session.add_all(
            SegmentMember(tenant_id=tenant_id, segment_id=segment.id, customer_id=one, entered_at=SINCE)
            for one in people
        )
        session.flush()
        return segment.id
