"""What a batch of events came to, as those who act on events (triggers, rechecks) are told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(slots=True)
class AppliedEvent:
    """One event, tied to its customer. `id` is its row in inbound_event; `is_new`: it made the customer."""

    id: UUID
    type: str
    source: str
    occurred_at: datetime
    payload: dict[str, Any]
    customer_id: UUID
    is_new: bool


@dataclass(slots=True)
class Batch:
    """The events one transaction applied, in the order they came in.

    `consent_changed` are the customers whose consent on some channel is another than before; `merged` maps the ids
    of profiles that went into another one to that one.
    """

    tenant_id: UUID
    now: datetime
    events: list[AppliedEvent] = field(default_factory=list)
    consent_changed: set[UUID] = field(default_factory=set)
    merged: dict[UUID, UUID] = field(default_factory=dict)


Handler = Callable[[Batch], None]
"""Called inside the batch's transaction, once for all of its events; what it raises fails the batch."""
