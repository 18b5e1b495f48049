"""What other rooms call: being told of applied events, and the repair of interrupted attempts."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import text

from app.events.validation import OWN_SOURCE
from app.infra.db import transaction
from app.messaging import clicks, outbox, tally
from app.messaging.double_opt_in import ask_those_told_of
from app.messaging.gate import OLDEST_EVENT
from app.messaging.results import STUCK_AFTER, reconcile
from app.messaging.settling import settle

__all__ = ["STUCK_AFTER", "on_events", "reconcile", "settle"]


class AppliedEvent(Protocol):
    """One event that was applied."""

    @property
    def source(self) -> str:
        """Who told of it."""

    @property
    def type(self) -> str:
        """What happened."""

    @property
    def occurred_at(self) -> datetime:
        """When it did."""

    @property
    def payload(self) -> dict[str, Any]:
        """What is told of it."""


class AppliedEvents(Protocol):
    """What a batch of applied events tells us."""

    tenant_id: UUID
    now: datetime

    @property
    def events(self) -> Sequence[AppliedEvent]:
        """The events, in the order they came in."""

    @property
    def consent_changed(self) -> Collection[UUID]:
        """The customers whose consent on some channel is another than before."""


ANY_HELD = text("SELECT EXISTS (SELECT FROM message WHERE tenant_id = :tenant_id AND status = 'held')")


def on_events(batch: AppliedEvents) -> None:
    """Ask for the confirmations that are needed now, and look again at messages that waited for consent or events.

    What our own events tell of messages (opened, clicked, bounced) is counted; what others tell of them is not.
    """
    ours = [one for one in batch.events if one.source == OWN_SOURCE]
    with transaction(batch.tenant_id) as session:
        told = (did for one in ours for did in tally.told(one.type, one.payload, one.occurred_at))
        tally.note(session, batch.tenant_id, told)
        followed = (click for one in ours for click in clicks.told(one.type, one.payload, one.occurred_at))
        clicks.note(session, batch.tenant_id, followed)
        ask_those_told_of(tenant_id=batch.tenant_id, customer_ids=batch.consent_changed, now=batch.now)
        if not session.execute(ANY_HELD, {"tenant_id": batch.tenant_id}).scalar_one():
            return
        outbox.recheck(tenant_id=batch.tenant_id, customer_ids=sorted(batch.consent_changed), now=batch.now)
        # While others wait to be read, the gate looks again by itself.
        if session.execute(OLDEST_EVENT, {"tenant_id": batch.tenant_id}).scalar() is None:
            outbox.events_processed(tenant_id=batch.tenant_id, now=batch.now)
