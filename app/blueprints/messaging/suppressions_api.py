"""The suppression list over the API."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.infra.paging import Page
from app.messaging import suppression
from app.messaging.channel import EMAIL
from app.messaging.suppression import SuppressedBecause
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import Body, PageQuery, Shown, Text

api = ApiBlueprint("suppressions_api", __name__)

Words = Annotated[Text, Field(max_length=500)]


class SuppressionsQuery(PageQuery):
    """Which entries; every filter given must match. `q` is how the address begins, `lifted` those that hold no more."""

    q: Words | None = None
    reason: SuppressedBecause | None = None
    channel: Words | None = None
    lifted: bool = False


class SuppressionOut(Shown):
    """An address nothing marketing is sent to; for `hard_bounce` and `invalid` nothing at all."""

    id: UUID
    channel: str
    address: str = Field(validation_alias="address_key")
    reason: str
    detail: str | None
    added_by: str | None
    created_at: datetime
    lifted_at: datetime | None
    lifted_by: str | None
    lift_reason: str | None


class SuppressionBody(Body):
    """An address to suppress, and why."""

    address: Words
    reason: SuppressedBecause = SuppressedBecause.MANUAL
    detail: Words | None = None
    channel: Words = EMAIL


class LiftBody(Body):
    """Why mail may go there again."""

    reason: Words


@api.operation(
    "GET",
    "/suppressions",
    permission="messages.view",
    query=SuppressionsQuery,
    returns=SuppressionOut,
    paged=True,
)
def list_suppressions(query: SuppressionsQuery) -> Page[SuppressionOut]:
    """List suppressed addresses, the newest first."""
    filters = query.model_dump(exclude={"channel"})
    page = suppression.page(tenant_id=current().tenant_id, channel_name=query.channel, **filters)
    return Page([SuppressionOut.model_validate(one) for one in page.items], page.next_cursor)


@api.operation(
    "POST",
    "/suppressions",
    permission="suppressions.manage",
    body=SuppressionBody,
    returns=SuppressionOut,
    status=201,
)
def add_suppression(body: SuppressionBody) -> SuppressionOut:
    """Suppress an address."""
    actor = current()
    made = suppression.add(
        tenant_id=actor.tenant_id,
        address=body.address,
        because=body.reason,
        detail=body.detail,
        channel_name=body.channel,
        actor=actor.ref,
    )
    return SuppressionOut.model_validate(made)


@api.operation(
    "POST",
    "/suppressions/<uuid:suppression_id>/lift",
    permission="suppressions.manage",
    body=LiftBody,
    returns=SuppressionOut,
)
def lift_suppression(suppression_id: UUID, body: LiftBody) -> SuppressionOut:
    """Let mail go to an address again."""
    actor = current()
    lifted = suppression.lift(
        tenant_id=actor.tenant_id, suppression_id=suppression_id, reason=body.reason, actor=actor.ref
    )
    return SuppressionOut.model_validate(lifted)
