"""Messages over the API."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from app.infra.paging import Page
from app.messaging import queries
from app.messaging.states import Reason, Status
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import PageQuery

blueprint = ApiBlueprint("messaging_api", __name__)


class MessageQuery(PageQuery):
    """Whose messages, of which journey, campaign or run of one, in which state; every filter given must match."""

    customer_id: UUID | None = None
    journey_id: UUID | None = None
    campaign_id: UUID | None = None
    run_id: UUID | None = None
    status: Status | None = None
    reason: Reason | None = None


class MessageOut(BaseModel):
    """One message and what became of it; `reason` says why it is held, skipped, failed or unknown.

    `instead_of` is the reader's preferred address if mail can't reach them there and it goes to another of theirs.
    `bounce_kind`: `hard` (nobody is there), `soft` (not for now) or `blocked` (we were turned away). `delivered_at` is
    there where the channel tells of it.
    """

    id: UUID
    channel: str
    purpose: str
    customer_id: UUID | None
    to_address: str | None
    instead_of: str | None
    template_id: UUID | None
    journey_id: UUID | None
    enrollment_id: UUID | None
    step_key: str | None
    campaign_id: UUID | None
    run_id: UUID | None
    status: Status
    reason: str | None
    subject: str | None
    attempts: int
    response: str | None
    due_at: datetime
    created_at: datetime
    sent_at: datetime | None
    first_open_at: datetime | None
    first_click_at: datetime | None
    delivered_at: datetime | None
    bounced_at: datetime | None
    bounce_kind: str | None
    complained_at: datetime | None
    replied_at: datetime | None
    unsubscribed_at: datetime | None


@blueprint.operation("GET", "/messages", permission="messages.view", query=MessageQuery, returns=MessageOut, paged=True)
def list_messages(query: MessageQuery) -> Page[MessageOut]:
    """List messages, the newest first."""
    page = queries.page(tenant_id=current().tenant_id, **query.model_dump())
    return Page([MessageOut.model_validate(row) for row in page.items], page.next_cursor)


@blueprint.operation("GET", "/messages/<uuid:message_id>", permission="messages.view", returns=MessageOut)
def get_message(message_id: UUID) -> Any:
    """Return one message."""
    return MessageOut.model_validate(queries.get(tenant_id=current().tenant_id, message_id=message_id))
