"""The door of the club's systems, and the sync log over the API."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from flask import Response
from pydantic import BaseModel, Field, RootModel
from werkzeug.exceptions import BadRequest

from app.events import log, queries
from app.events.log import MAX_BATCH, Result, Status
from app.events.validation import Refused, parse
from app.infra.paging import Page
from app.web.api import ApiBlueprint, refuse_masses
from app.web.errors import problem
from app.web.guards import current
from app.web.schemas import PageQuery, Shown, Text

api = ApiBlueprint("events_api", __name__)

Words = Annotated[Text, Field(max_length=200)]
# A thousand events of a hundred and fifty fields each; read, they are some twenty megabytes.
MAX_SIGNS = 150_000


class IdentityHints(BaseModel):
    """Whose event it is: everything the sender knows; at least one usable hint."""

    email: str | None = None
    phone_number: str | None = None
    auth_user_id: str | None = None
    scl_member_id: str | None = None
    teetime_player_id: str | None = None
    messaging_contact_id: str | None = None
    external_ids: dict[str, str] = Field(default={}, description="Ids in any other system, by its name.")


class CrmEvent(BaseModel):
    """One event. `source` defaults to the part of `type` before the first dot; (source, id) is unique."""

    id: str = Field(max_length=200)
    type: str = Field(max_length=100)
    source: str | None = Field(default=None, max_length=100)
    timestamp: datetime
    identity: IdentityHints
    payload: dict[str, Any] | None = None


class EventsBody(RootModel[CrmEvent | list[CrmEvent]]):
    """One event, or a list of up to 1,000."""


class EventResult(BaseModel):
    """What became of one event at the door."""

    id: str | None
    status: Literal["accepted", "duplicate", "rejected"]
    reason: str | None = None


class EventResults(BaseModel):
    """A result for each event, in their order."""

    results: list[EventResult]


class EventsQuery(PageQuery):
    """Which events of the log; every filter given must match."""

    source: Words | None = None
    type: Words | None = None
    status: Literal["received", "processed", "failed", "erased"] | None = None


class EventOut(Shown):
    """An event of the log: `id` is its row here, `event_id` what its sender calls it."""

    id: UUID
    source: str
    event_id: str
    type: str
    status: str
    reason: str | None
    customer_id: UUID | None
    matched_by: list[str] | None
    confidence: int | None
    occurred_at: datetime
    received_at: datetime


@api.operation(
    "POST", "/events", permission="events.write", raw=True, body=EventsBody, returns=EventResults, status=202
)
def post_events(body: bytes) -> Response:
    """Take in one event or a list of up to 1,000; answered once they are kept, each with its own result.

    A single event that is refused is answered 422; in a list the others are kept, and the answer is 202.
    """
    refuse_masses(body, MAX_SIGNS)
    try:
        sent, clean = parse(body)
    except Refused as error:
        raise BadRequest(f"The body can't be read: {error}.") from None
    if not isinstance(sent, list | dict):
        raise BadRequest("Send one event, or a list of them.")
    events = sent if isinstance(sent, list) else [sent]
    if len(events) > MAX_BATCH:
        raise BadRequest(f"Send at most {MAX_BATCH:,} events at once; these are {len(events):,}.")
    results = log.append(tenant_id=current().tenant_id, events=events, clean=clean)
    if isinstance(sent, dict) and results[0].status is Status.REJECTED:
        return problem(422, "Event refused", results[0].reason, results=[_shown(results[0])])
    answer = orjson.dumps({"results": [_shown(one) for one in results]})
    return Response(answer, status=202, content_type="application/json")


def _shown(result: Result) -> dict[str, str | None]:
    shown: dict[str, str | None] = {"id": result.id, "status": result.status.value}
    if result.reason:
        shown["reason"] = result.reason
    return shown


@api.operation("GET", "/events", permission="events.view", query=EventsQuery, returns=EventOut, paged=True)
def list_events(query: EventsQuery) -> Page[EventOut]:
    """List what came in and what became of it, the newest first."""
    page = queries.events(tenant_id=current().tenant_id, **query.model_dump())
    return Page([EventOut.model_validate(one) for one in page.items], page.next_cursor)
