"""Contact points and ids in other systems over the API."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StrictBool

from app.blueprints.customers import contact_words
from app.blueprints.customers.api import api
from app.capture import contacts
from app.customers import contact_points, service
from app.customers.contact_kinds import KINDS
from app.customers.contact_points import NoSuchContactPoint, NoSuchExternalId
from app.infra.errors import Invalid
from app.web.guards import current
from app.web.schemas import Body, Shown, Text

_POINTS = "/customers/<uuid:customer_id>/contact-points"
_POINT = f"{_POINTS}/<uuid:point_id>"
_IDS = "/customers/<uuid:customer_id>/external-ids"
Words = Annotated[Text, Field(max_length=600)]


class NotWrittenTo(Shown):
    """Why an address is not written to. `dead`: nobody is reached there, by no kind of mail."""

    reason: str
    detail: str | None
    dead: bool
    created_at: datetime


class ContactPointOut(BaseModel):
    """Where a customer is reached. `verified_how`: they `confirmed` it, or `staff` made sure."""

    id: UUID
    kind: str
    value: str
    source: str | None
    preferred: bool
    verified_at: datetime | None
    verified_how: str | None
    suppressed: NotWrittenTo | None
    shared_with: list[UUID] = Field(description="Others who have it too, at most three.")
    created_at: datetime


class ContactPointsOut(BaseModel):
    """All a customer is reached at: by kind, the preferred one first."""

    items: list[ContactPointOut]


class ContactPointIn(Body):
    """What to add."""

    kind: Words = Field(description=f"One of {', '.join(KINDS)}.")
    value: Words
    verified: StrictBool = False
    preferred: StrictBool = False


class ContactPointPatch(Body):
    """What to change. To prefer another one, set its `preferred`."""

    verified: StrictBool | None = None
    preferred: StrictBool | None = None


class ExternalIdIn(Body):
    """An id in another system. It names one person: 409 if it is somebody else's."""

    kind: Words = Field(description="scl_member_id, auth_user_id, … or any other system's name.")
    value: Words


class ExternalIdOut(Shown):
    """An id in another system."""

    id: UUID
    kind: str
    value: str
    source: str | None
    created_at: datetime


class ExternalIdsOut(BaseModel):
    """All a customer is called in other systems."""

    items: list[ExternalIdOut]


@api.operation("GET", _POINTS, permission="customers.view", returns=ContactPointsOut)
def list_contact_points(customer_id: UUID) -> ContactPointsOut:
    """List where a customer is reached."""
    return ContactPointsOut(items=_points(_kept(customer_id)))


@api.operation("POST", _POINTS, permission="customers.edit", body=ContactPointIn, returns=ContactPointOut, status=201)
def add_contact_point(customer_id: UUID, body: ContactPointIn) -> ContactPointOut:
    """Give a customer an address, number or token."""
    actor, kept = current(), _kept(customer_id)
    made = contacts.add(tenant_id=actor.tenant_id, customer_id=kept, actor=actor.ref, **body.model_dump())
    return _point(kept, made)


@api.operation("PATCH", _POINT, permission="customers.edit", body=ContactPointPatch, returns=ContactPointOut)
def patch_contact_point(customer_id: UUID, point_id: UUID, body: ContactPointPatch) -> ContactPointOut:
    """Prefer a contact point, or say whether it is verified."""
    if body.preferred is False:
        raise Invalid({"preferred": "Prefer another one instead."})
    actor, kept = current(), _kept(customer_id)
    if body.preferred:
        contact_points.prefer(tenant_id=actor.tenant_id, customer_id=kept, point_id=point_id, actor=actor.ref)
    if body.verified is not None:
        contact_points.verify(
            tenant_id=actor.tenant_id,
            customer_id=kept,
            point_id=point_id,
            verified=body.verified,
            actor=actor.ref,
        )
    return _point(kept, point_id)


@api.operation("DELETE", _POINT, permission="customers.edit", status=204)
def remove_contact_point(customer_id: UUID, point_id: UUID) -> None:
    """Take a contact point away; an event that names it again brings it back."""
    actor = current()
    contacts.remove(tenant_id=actor.tenant_id, customer_id=_kept(customer_id), point_id=point_id, actor=actor.ref)


@api.operation("GET", _IDS, permission="customers.view", returns=ExternalIdsOut)
def list_external_ids(customer_id: UUID) -> ExternalIdsOut:
    """List what a customer is called in other systems."""
    return ExternalIdsOut(items=_ids(_kept(customer_id)))


@api.operation("POST", _IDS, permission="customers.edit", body=ExternalIdIn, returns=ExternalIdOut, status=201)
def add_external_id(customer_id: UUID, body: ExternalIdIn) -> ExternalIdOut:
    """Give a customer an id in another system."""
    actor, kept = current(), _kept(customer_id)
    made = contacts.add_id(
        tenant_id=actor.tenant_id, customer_id=kept, kind=body.kind, value=body.value, actor=actor.ref
    )
    for one in _ids(kept):
        if one.id == made:
            return one
    raise NoSuchExternalId


@api.operation("DELETE", f"{_IDS}/<uuid:external_id>", permission="customers.edit", status=204)
def remove_external_id(customer_id: UUID, external_id: UUID) -> None:
    """Take an id in another system away."""
    actor = current()
    contacts.remove_id(tenant_id=actor.tenant_id, customer_id=_kept(customer_id), id_=external_id, actor=actor.ref)


def _kept(customer_id: UUID) -> UUID:
    return service.current(tenant_id=current().tenant_id, customer_id=customer_id).id


def _points(customer_id: UUID) -> list[ContactPointOut]:
    tenant_id = current().tenant_id
    found = contact_points.points(tenant_id=tenant_id, customer_id=customer_id)
    held = contact_words.held(tenant_id, found)
    return [
        ContactPointOut(
            id=one.id,
            kind=one.kind,
            value=one.value,
            source=one.source,
            preferred=one.preferred,
            verified_at=one.verified_at,
            verified_how=one.verified_how,
            suppressed=NotWrittenTo.model_validate(held[one.id]) if one.id in held else None,
            shared_with=[id_ for id_, _ in one.others],
            created_at=one.created_at,
        )
        for one in found
    ]


def _point(customer_id: UUID, point_id: UUID) -> ContactPointOut:
    for one in _points(customer_id):
        if one.id == point_id:
            return one
    raise NoSuchContactPoint


def _ids(customer_id: UUID) -> list[ExternalIdOut]:
    found = contact_points.identifiers(tenant_id=current().tenant_id, customer_id=customer_id)
    return [ExternalIdOut.model_validate(one) for one in found]
