"""Reading the inbound log."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from app.events.models import ERASED, FAILED, PROCESSED, RECEIVED, InboundEvent
from app.infra.db import transaction
from app.infra.errors import NotFound
from app.infra.paging import DEFAULT_LIMIT, Page, cut, id_cursor

STATUSES = (RECEIVED, PROCESSED, FAILED, ERASED)


class NoSuchEvent(NotFound):
    """There is no event with this id."""

    def __init__(self) -> None:
        super().__init__("There is no such event.")


@dataclass(frozen=True, slots=True)
class EventLine:
    """One event of the log as lists show it: without what it says about people."""

    id: UUID
    event_id: str
    source: str
    type: str
    status: str
    reason: str | None
    customer_id: UUID | None
    matched_by: list[str] | None
    confidence: int | None
    occurred_at: datetime
    received_at: datetime
    processed_at: datetime | None
    attempts: int


_LISTED: tuple[Any, ...] = tuple(getattr(InboundEvent, field.name) for field in fields(EventLine))
# A loose scan of the unique key: as many probes as there are sources.
_SOURCES = text("""
    WITH RECURSIVE known AS (
        (SELECT source FROM inbound_event WHERE tenant_id = :tenant_id ORDER BY source LIMIT 1)
        UNION ALL
        SELECT (SELECT e.source FROM inbound_event e
                WHERE e.tenant_id = :tenant_id AND e.source > known.source ORDER BY e.source LIMIT 1)
        FROM known WHERE known.source IS NOT NULL
    )
    SELECT source FROM known WHERE source IS NOT NULL LIMIT 100
""")


def events(
    *,
    tenant_id: UUID,
    source: str | None = None,
    type: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[EventLine]:
    """Return the events that came in, the newest first; every filter given must match."""
    wanted = select(*_LISTED).where(InboundEvent.tenant_id == tenant_id)
    for column, value in ((InboundEvent.source, source), (InboundEvent.type, type), (InboundEvent.status, status)):
        if value is not None:
            wanted = wanted.where(column == value)
    if cursor:
        wanted = wanted.where(InboundEvent.id < id_cursor(cursor))
    with transaction(tenant_id) as session:
        rows = session.execute(wanted.order_by(InboundEvent.id.desc()).limit(limit + 1)).all()
    return cut(rows, limit, lambda row: (row.id,), lambda row: EventLine(*row))


def event(*, tenant_id: UUID, event_id: UUID) -> InboundEvent:
    """Return one event by its row's id, or raise NoSuchEvent."""
    with transaction(tenant_id) as session:
        found = session.get(InboundEvent, (tenant_id, event_id), populate_existing=True)
        if found is None:
            raise NoSuchEvent
        return found


def sources(*, tenant_id: UUID) -> list[str]:
    """Return the systems that sent events, by name; at most a hundred."""
    with transaction(tenant_id) as session:
        return list(session.scalars(_SOURCES, {"tenant_id": tenant_id}))
