"""Customers over the API: find, read, resolve, change, and what happened to them."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from flask import Response
from pydantic import BaseModel, Field, StrictBool

from app.accounts import queries as accounts
from app.blueprints.customers import writing
from app.capture import contacts, desk, lookup
from app.capture.desk import Entry
from app.customers import queries, service, timeline
from app.customers.models import Customer
from app.customers.timeline import Filters
from app.events.addresses import email_key, phone_key
from app.events.validation import EXACT_KINDS
from app.infra.errors import Invalid, NotFound
from app.infra.paging import Page
from app.messaging import outbox
from app.road import HANDLERS
from app.web.api import ApiBlueprint, respond
from app.web.guards import current
from app.web.schemas import NOT_BEFORE_SINCE, Body, Day, Moment, PageQuery, Shown, Words

api = ApiBlueprint("customers_api", __name__)


class CustomersQuery(PageQuery):
    """Which customers; every filter given must match. `q` are beginnings of names, addresses, numbers and ids."""

    q: Words | None = None
    email: Words | None = None
    phone: Words | None = None
    club: Words | None = Field(default=None, description="A club's id or name.")
    tier: Words | None = None
    stage: Words | None = Field(default=None, description="A lifecycle stage, such as MEMBER.")
    tag: Words | None = None


class CustomerOut(Shown):
    """A customer's profile; a consent is null where nobody ever asked."""

    id: UUID
    title: str | None
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    date_of_birth: date | None
    club_id: UUID | None
    membership_tier: str | None
    membership_status: str | None
    joined_on: date | None
    handicap_index: float | None
    lifecycle_stage: str
    tags: list[str]
    custom: dict[str, Any]
    email_opt_in: bool | None
    sms_opt_in: bool | None
    push_opt_in: bool | None
    whatsapp_opt_in: bool | None
    email_opt_in_at: datetime | None
    sms_opt_in_at: datetime | None
    push_opt_in_at: datetime | None
    whatsapp_opt_in_at: datetime | None
    last_activity_at: datetime | None
    last_activity_type: str | None
    activity_count_30d: int = Field(default=0, description="What they did in the last thirty days.")
    last_email_sent_at: datetime | None
    last_email_open_at: datetime | None
    last_email_click_at: datetime | None
    created_at: datetime
    updated_at: datetime


class HintOut(BaseModel):
    """An id in another system, or an address or number."""

    kind: str
    value: str


class CustomerDetail(CustomerOut):
    """A profile with all the customer is known by."""

    contact_points: list[HintOut]
    external_ids: list[HintOut]


class ActivityOut(Shown):
    """One thing that happened."""

    id: UUID
    type: str
    category: str
    title: str
    occurred_at: datetime
    source: str
    object_type: str | None
    object_id: UUID | None
    club_id: UUID | None
    payload: dict[str, Any]


class TimelineQuery(PageQuery):
    """Which activities: from `since` on and before `until`; `q` are words of titles and payloads."""

    category: Words | None = None
    type: Words | None = None
    club: Words | None = Field(default=None, description="A club's id or name.")
    q: Words | None = None
    since: Moment | None = None
    until: Annotated[Moment, NOT_BEFORE_SINCE] | None = None


class ResolveQuery(Body):
    """Hints, as an event's identity has them, but for other systems' ids. `club` reads local numbers."""

    email: Words | None = None
    phone_number: Words | None = None
    auth_user_id: Words | None = None
    scl_member_id: Words | None = None
    teetime_player_id: Words | None = None
    messaging_contact_id: Words | None = None
    club: Words | None = None


class ResolveOut(BaseModel):
    """Whom the hints lead to, by which of them, how sure (0 to 100) and why. Nobody is ever made by asking."""

    customer: CustomerOut
    is_new: bool = False
    matched_by: list[str]
    confidence: int
    reason: str


class CustomerPatch(Body):
    """What to change; what is left out stays, null empties. A consent given here is recorded as said to staff."""

    title: Words | None = None
    first_name: Words | None = None
    last_name: Words | None = None
    email: Words | None = None
    phone: Words | None = None
    date_of_birth: Day | None = None
    club_id: UUID | None = None
    membership_tier: Words | None = None
    membership_status: Words | None = None
    joined_on: Day | None = None
    handicap_index: Decimal | None = Field(default=None, allow_inf_nan=False)
    lifecycle_stage: Words | None = None
    tags: list[Words] | None = None
    custom: dict[Words, Any] | None = Field(default=None, description="Values by key of custom fields; null empties.")
    email_opt_in: StrictBool | None = None
    sms_opt_in: StrictBool | None = None
    push_opt_in: StrictBool | None = None
    whatsapp_opt_in: StrictBool | None = None


class CustomerNew(CustomerPatch):
    """Somebody to be known: a first or last name, and an address, a number or an id to know them by."""

    auth_user_id: Words | None = None
    scl_member_id: Words | None = None
    teetime_player_id: Words | None = None
    messaging_contact_id: Words | None = None
    external_ids: dict[Words, Words] = Field(default={}, description="Ids by the names of other systems.")


class CustomerMade(CustomerDetail):
    """The customer; `is_new` is false for one who was known already, by `matched_by`, and left as they are."""

    is_new: bool
    matched_by: list[str]


class NobodyFound(NotFound):
    """The hints lead to no customer."""

    def __init__(self) -> None:
        super().__init__("No customer is known by any of these.")


@api.operation("GET", "/customers", permission="customers.view", query=CustomersQuery, returns=CustomerOut, paged=True)
def list_customers(query: CustomersQuery) -> Page[CustomerOut]:
    """List customers by name."""
    tenant_id = current().tenant_id
    wanted: dict[str, Any] = {"q": query.q, "tier": query.tier, "stage": query.stage, "tag": query.tag}
    if query.email is not None:
        wanted["email"] = email_key(query.email) or ""
    if query.phone is not None:
        country = accounts.tenant_info(tenant_id=tenant_id).country
        wanted["phone"] = phone_key(query.phone, country) or ""
    if query.club is not None:
        wanted["club_id"] = _club_id(tenant_id, query.club)
    page = queries.customers(tenant_id=tenant_id, cursor=query.cursor, limit=query.limit, **wanted)
    return Page(_out(tenant_id, page.items), page.next_cursor)


@api.operation("GET", "/customers/resolve", permission="customers.view", query=ResolveQuery, returns=ResolveOut)
def resolve_customer(query: ResolveQuery) -> ResolveOut:
    """Return the customer that hints lead to, without making one."""
    tenant_id = current().tenant_id
    hints = query.model_dump(exclude={"club"}, exclude_none=True)
    if not hints:
        raise Invalid({"email": "Give at least one hint: an e-mail address, a phone number or an id."})
    found = lookup.find(tenant_id=tenant_id, identity=hints, club=query.club)
    if found is None:
        raise NobodyFound
    customer = queries.customer(tenant_id=tenant_id, customer_id=found.customer_id)
    return ResolveOut(
        customer=_out(tenant_id, [customer])[0],
        matched_by=list(found.matched_by),
        confidence=found.confidence,
        reason=found.reason,
    )


@api.operation("GET", "/customers/<uuid:customer_id>", permission="customers.view", returns=CustomerDetail)
def get_customer(customer_id: UUID) -> CustomerDetail:
    """Return one customer; the id of a profile that was merged leads to the one it went into."""
    tenant_id = current().tenant_id
    return _detail(tenant_id, service.current(tenant_id=tenant_id, customer_id=customer_id))


@api.operation("POST", "/customers", permission="customers.edit", body=CustomerNew, returns=CustomerMade, status=201)
def post_customer(body: CustomerNew) -> Response:
    """Add a customer; one who is known already is answered with 200 and left as they are."""
    actor = current()
    entered = desk.enter(
        tenant_id=actor.tenant_id,
        entry=_entry(actor.tenant_id, body),
        actor=actor.ref,
        actor_name=actor.name,
        handlers=HANDLERS,
    )
    if entered.is_new:
        outbox.recheck(tenant_id=actor.tenant_id, customer_ids=[entered.customer_id])
    found = queries.customer(tenant_id=actor.tenant_id, customer_id=entered.customer_id)
    made = CustomerMade(
        **_detail(actor.tenant_id, found).model_dump(), is_new=entered.is_new, matched_by=list(entered.matched_by)
    )
    return respond(made, 201 if entered.is_new else 200)


@api.operation(
    "PATCH", "/customers/<uuid:customer_id>", permission="customers.edit", body=CustomerPatch, returns=CustomerDetail
)
def patch_customer(customer_id: UUID, body: CustomerPatch) -> CustomerDetail:
    """Change a customer's profile, tags or consent."""
    actor = current()
    kept = service.current(tenant_id=actor.tenant_id, customer_id=customer_id).id
    changes = body.model_dump(exclude_unset=True)
    changed = contacts.change(tenant_id=actor.tenant_id, customer_id=kept, changes=changes, actor=actor.ref)
    if service.changed_consents(changed):
        outbox.recheck(tenant_id=actor.tenant_id, customer_ids=[kept])
    return _detail(actor.tenant_id, queries.customer(tenant_id=actor.tenant_id, customer_id=kept))


@api.operation(
    "GET",
    "/customers/<uuid:customer_id>/timeline",
    permission="customers.view",
    query=TimelineQuery,
    returns=ActivityOut,
    paged=True,
)
def get_timeline(customer_id: UUID, query: TimelineQuery) -> Page[ActivityOut]:
    """List what happened to a customer, the newest first."""
    tenant_id = current().tenant_id
    kept = service.current(tenant_id=tenant_id, customer_id=customer_id).id
    reader = writing.reader()
    filters = Filters(
        reader_id=reader.user_id,
        sees_private=reader.sees_private,
        category=query.category,
        type=query.type,
        club_id=_club_id(tenant_id, query.club) if query.club is not None else None,
        since=query.since,
        until=query.until,
        q=query.q,
    )
    page = timeline.timeline(
        tenant_id=tenant_id, customer_id=kept, filters=filters, cursor=query.cursor, limit=query.limit
    )
    return Page([ActivityOut.model_validate(one) for one in page.items], page.next_cursor)


_ENTERED = ("first_name", "last_name", "email", "phone")


def _entry(tenant_id: UUID, body: CustomerNew) -> Entry:
    given = body.model_dump(exclude_unset=True)
    ids = {kind: given.pop(kind) for kind in EXACT_KINDS if kind in given} | given.pop("external_ids", {})
    club = next((one.name for one in accounts.clubs(tenant_id=tenant_id) if one.id == body.club_id), None)
    said = {name: (given.pop(name) or "").strip() or None for name in _ENTERED if name in given}
    return Entry(**said, club=club, ids={kind: value for kind, value in ids.items() if value}, profile=given)


def _out(tenant_id: UUID, found: Sequence[Customer]) -> list[CustomerOut]:
    counts = timeline.counts_30d(tenant_id=tenant_id, customer_ids=[one.id for one in found])
    return [CustomerOut.model_validate(one).model_copy(update={"activity_count_30d": counts[one.id]}) for one in found]


def _detail(tenant_id: UUID, customer: Customer) -> CustomerDetail:
    hints = queries.hints(tenant_id=tenant_id, customer_id=customer.id)
    return CustomerDetail(
        **_out(tenant_id, [customer])[0].model_dump(),
        contact_points=[HintOut(kind=one.kind, value=one.value) for one in hints.points],
        external_ids=[HintOut(kind=one.kind, value=one.value) for one in hints.ids],
    )


def _club_id(tenant_id: UUID, club: str) -> UUID:
    """Return the id of a club given by id or name; the nil UUID, which nobody has, for one that is not there."""
    for one in accounts.clubs(tenant_id=tenant_id):
        if club.strip().casefold() in (str(one.id), one.name.casefold()):
            return one.id
    return UUID(int=0)
