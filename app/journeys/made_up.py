"""Somebody made up for a check: facts as those of a customer, and none that tells who somebody is."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from sqlalchemy.orm import Session

from app.customers import custom_fields, service
from app.customers.facts import CONSENT_FIELDS
from app.customers.mass_update import MAX_TEXT, field_problem
from app.customers.models import Customer
from app.events.places import places
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.journeys.plainly import plainly

ADDRESS = "made-up@example.com"

Words = Annotated[str, Field(max_length=MAX_TEXT)]


class Facts(BaseModel):
    """A made-up person: what steps and the gate may ask of them. Addresses are made up too, or missing.

    `custom` are values of your own fields, by key.
    """

    model_config = ConfigDict(extra="forbid")

    first_name: Words = "Alex"
    has_email: bool = True
    email_opt_in: bool | None = True
    sms_opt_in: bool | None = None
    push_opt_in: bool | None = None
    whatsapp_opt_in: bool | None = None
    club_id: UUID | None = None
    membership_tier: Words | None = None
    membership_status: Words | None = None
    lifecycle_stage: str = Field(default="SUBSCRIBER", max_length=40)
    handicap_index: FiniteFloat | None = None
    timezone: str | None = Field(default=None, max_length=64)
    date_of_birth: date | None = None
    joined_on: date | None = None
    tags: Annotated[list[Words], Field(max_length=service.MAX_TAGS)] = []
    custom: dict[str, Any] = {}


COPIED = (
    "email_opt_in", "sms_opt_in", "push_opt_in", "whatsapp_opt_in", "club_id", "membership_tier", "membership_status",
    "lifecycle_stage", "handicap_index", "timezone", "tags",
)  # fmt: skip
"""What a made-up person takes over from one who is like them: nothing that tells who that is."""


def checked(model: type[BaseModel], given: Mapping[str, Any], at: str) -> dict[str, Any]:
    """Return what was given as its model keeps it; Invalid, with messages by `at` and the field, where it can't be."""
    try:
        return model.model_validate(dict(given)).model_dump(mode="json")
    except ValidationError as wrong:
        errors = wrong.errors(include_url=False)
        told = {".".join([at, *map(str, one["loc"])]): plainly(one, "There is no such field.") for one in errors}
        raise Invalid(told) from None


def like(*, tenant_id: UUID, customer_id: UUID) -> dict[str, Any]:
    """Return the facts of somebody made up who is like a customer; Invalid where there is none or too much."""
    with transaction(tenant_id) as session:
        found = session.get(Customer, (tenant_id, customer_id))
        if found is None:
            raise Invalid({"customer_id": "There is no such customer (any more)."})
        told = {name: getattr(found, name) for name in COPIED}
        return checked(Facts, {**told, "has_email": bool(found.email)}, "facts")


def facts(*, tenant_id: UUID, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts as they are kept; Invalid, by `facts.<name>`, for what a customer could not have either."""
    found = checked(Facts, given, "facts")
    with transaction(tenant_id) as session:
        _as_customers(session, tenant_id, found)
    return found


def _as_customers(session: Session, tenant_id: UUID, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts as columns of a customer, or raise Invalid."""
    asked = {name: value for name, value in given.items() if name not in ("has_email", "timezone", "custom")}
    unasked = {name: asked.pop(name) for name in CONSENT_FIELDS.values() if asked[name] is None}
    errors: dict[str, str] = {}
    values: dict[str, Any] = {}
    try:
        values = service.read(asked, places(session, tenant_id))
    except Invalid as wrong:
        errors |= wrong.errors
    try:
        values["custom"] = custom_fields.read(given["custom"], custom_fields.load(session, tenant_id))
    except Invalid as wrong:
        errors |= wrong.errors
    if given["timezone"] and (problem := field_problem("timezone", given["timezone"])):
        errors["timezone"] = problem
    if errors:
        raise Invalid({f"facts.{name}": words for name, words in errors.items()})
    return {**values, **unasked, "timezone": given["timezone"] or None}


def put(session: Session, tenant_id: UUID, given: Mapping[str, Any]) -> UUID:
    """Put somebody made up among the customers, in a transaction that is undone; return their id.

    Raises Invalid for facts that nobody can have (any more), such as a club that is gone.
    """
    kept = checked(Facts, given, "facts")
    try:
        values = _as_customers(session, tenant_id, kept)
    except Invalid as wrong:
        gone = "facts.club_id" in wrong.errors
        told = "The club of the made-up person is gone." if gone else " ".join(wrong.errors.values())
        raise Invalid({"facts": f"{told} Change the facts of this check, or delete it."}) from None
    made = Customer(tenant_id=tenant_id, **values)
    made.email = ADDRESS if kept["has_email"] else None
    session.add(made)
    session.flush()
    return made.id
