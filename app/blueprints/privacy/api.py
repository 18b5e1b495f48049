"""Exports and erasures over the API."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from flask import Response
from pydantic import BaseModel, Field

from app.blueprints.privacy.pages import file_of
from app.infra.paging import Page
from app.privacy import queries, service
from app.privacy.models import PrivacyRequest
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import PageQuery

api = ApiBlueprint("privacy_api", __name__)


class RequestsQuery(PageQuery):
    """Which exports and erasures."""

    customer_id: UUID | None = None


class PrivacyRequestOut(BaseModel):
    """How far an export or erasure is. `report` counts rows by table: what is in an export, what an erasure did."""

    id: UUID
    kind: Literal["export", "erase"]
    customer_id: UUID
    status: Literal["PENDING", "RUNNING", "COMPLETED", "FAILED", "EXPIRED"]
    progress: float = Field(description="From 0 to 1.")
    report: dict[str, Any]
    error: str | None
    requested_by: str
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None = Field(description="When the file of an export is deleted.")


@api.operation(
    "POST",
    "/customers/<uuid:customer_id>/export",
    permission="customers.export",
    returns=PrivacyRequestOut,
    status=202,
)
def export_customer(customer_id: UUID) -> PrivacyRequestOut:
    """Have all of a customer collected into a file; ask for the request to follow it."""
    actor = current()
    request_id = service.export(
        tenant_id=actor.tenant_id,
        customer_id=customer_id,
        actor=actor.ref,
        with_private=actor.may("notes.view_private"),
    )
    return get_privacy_request(request_id)


@api.operation(
    "DELETE", "/customers/<uuid:customer_id>", permission="customers.erase", returns=PrivacyRequestOut, status=202
)
def erase_customer(customer_id: UUID) -> PrivacyRequestOut:
    """Erase a customer for good: from every table, with a keyed hash kept of each address. There is no undo."""
    actor = current()
    request_id = service.erase(tenant_id=actor.tenant_id, customer_id=customer_id, actor=actor.ref)
    return get_privacy_request(request_id)


@api.operation(
    "GET",
    "/privacy-requests",
    permission="customers.export",
    query=RequestsQuery,
    returns=PrivacyRequestOut,
    paged=True,
)
def list_privacy_requests(query: RequestsQuery) -> Page[PrivacyRequestOut]:
    """List exports and erasures, the newest first."""
    found = queries.requests(
        tenant_id=current().tenant_id, customer_id=query.customer_id, cursor=query.cursor, limit=query.limit
    )
    return Page([_out(one) for one in found.items], found.next_cursor)


@api.operation("GET", "/privacy-requests/<uuid:request_id>", permission="customers.export", returns=PrivacyRequestOut)
def get_privacy_request(request_id: UUID) -> PrivacyRequestOut:
    """Return how far an export or erasure is."""
    return _out(queries.request(tenant_id=current().tenant_id, request_id=request_id))


@api.operation("GET", "/privacy-requests/<uuid:request_id>/file", permission="customers.export")
def get_export_file(request_id: UUID) -> Response:
    """Return the file of an export: a zip with person.json and person.html."""
    return file_of(request_id)  # type: ignore[return-value]


def _out(found: PrivacyRequest) -> PrivacyRequestOut:
    values = {name: getattr(found, name) for name in PrivacyRequestOut.model_fields if name != "progress"}
    return PrivacyRequestOut(**values, progress=queries.progress(found))
