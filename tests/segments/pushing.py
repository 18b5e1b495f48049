"""Segments that are pushed to a receiver: who is in them, what is noted, and how far a push comes."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.customers.models import Customer
from app.infra.db import transaction
from app.infra.ids import new_id
from app.segments import service as segments
from app.segments.sync import envelope, service, work
from app.segments.sync.models import SegmentSync
from app.tasks.work import _due
from tests.segments.receiver import Receiver

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
ALL = tuple(envelope.FIELDS)
ACTOR = "system:tests"


def people(tenant: Any, count: int, first: int = 0) -> list[UUID]:
    """Make customers whose ids are in their order."""
    made = []
    with transaction(tenant.id) as session:
        for at in range(first, first + count):
            one = Customer(
                tenant_id=tenant.id,
                id=UUID(int=(at + 1) << 64 | 7 << 76),
                first_name=f"Person {at}",
                last_name="Fairbanks",
                email=f"person.{at}@example.com",
                phone=f"+2782000{at:04}",
            )
            session.add(one)
            made.append(one.id)
        session.flush()
    return made


def let_in(tenant: Any, segment_id: UUID, *customers: UUID) -> None:
    with transaction(tenant.id) as session:
        for one in customers:
            session.execute(
                text("INSERT INTO segment_member VALUES (:tenant, :segment, :customer, :now)"),
                {"tenant": tenant.id, "segment": segment_id, "customer": one, "now": NOW},
            )


def note(tenant: Any, segment_id: UUID, act: str, *customers: UUID, at: datetime = NOW) -> None:
    """Note a change as `note_changes` has it written."""
    with transaction(tenant.id) as session:
        for one in customers:
            session.execute(
                text(
                    "INSERT INTO segment_sync_change (tenant_id, id, segment_id, customer_id, act, at)"
                    " VALUES (:tenant, :id, :segment, :customer, :act, :at)"
                ),
                {"tenant": tenant.id, "id": new_id(), "segment": segment_id, "customer": one, "act": act, "at": at},
            )


def a_segment(tenant: Any, name: str = "Gold") -> UUID:
    return segments.create(tenant_id=tenant.id, actor=ACTOR, name=name, type="STATIC", now=NOW).id


def put(tenant: Any, segment_id: UUID, receiver: Receiver, **more: Any) -> service.Saved:
    given: dict[str, Any] = {"shape": "MESSAGING", "url": receiver.url, "fields": ALL, "now": NOW} | more
    return service.put(tenant_id=tenant.id, segment_id=segment_id, actor=ACTOR, **given)


def push(tenant: Any, now: datetime = NOW) -> int:
    """Push until there is nothing to tell at `now`; return how many times something was told."""
    turns = 0
    while work.push_one(tenant_id=tenant.id, now=now):
        turns += 1
        assert turns < 50
    return turns


def sync_of(tenant: Any, segment_id: UUID) -> SegmentSync:
    return service.state(tenant_id=tenant.id, segment_id=segment_id).sync


def waits_for(tenant: Any) -> bool:
    """Return whether the tick finds something to be pushed."""
    return any(job == "sync_segments" and id_ == tenant.id for job, id_ in _due(NOW))
