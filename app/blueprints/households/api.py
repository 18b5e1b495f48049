"""Households over the API."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from app.customers import household_queries, household_suggestions, households, service
from app.customers.household_queries import HouseholdView
from app.customers.households import Newcomer
from app.infra.paging import Page
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import Body, PageQuery, Shown, Words

api = ApiBlueprint("households_api", __name__)
Role = Literal["head", "member", "child"]


class HouseholdsQuery(PageQuery):
    """Which households: `q` are beginnings of what their people are known by, or a part of their own name."""

    q: Words | None = None
    customer_id: UUID | None = Field(default=None, description="The household of this customer.")
    dissolved: bool = False


class MemberIn(Body):
    """Somebody to put into a household; without a role they are a child under 18, else a member."""

    customer_id: UUID
    role: Role | None = None


class MemberBody(MemberIn):
    """With `move` they leave the household they are in; without, that is a conflict."""

    move: bool = False


class HouseholdIn(Body):
    """A new household. Without a name or greeting it goes by its people's names."""

    name: Words | None = None
    greeting: Words | None = None
    members: list[MemberIn] = Field(min_length=1, max_length=households.MAX_MEMBERS)


class HouseholdPatch(Body):
    """What to change; null lets it go by its people's names."""

    name: Words | None = None
    greeting: Words | None = None


class RolePatch(Body):
    """As what somebody is in the household; of heads there is one."""

    role: Role


class MemberOut(Shown):
    """Somebody in a household: as what, and how they came into it (`source` hand or address)."""

    customer_id: UUID
    full_name: str
    role: str
    source: str
    reason: str
    added_at: datetime


class HouseholdOut(Shown):
    """A household; `own_name` and `own_greeting` are null where it goes by its people's names."""

    id: UUID
    name: str
    greeting: str
    own_name: str | None
    own_greeting: str | None
    members: list[MemberOut]
    created_at: datetime
    dissolved_at: datetime | None


class SuggestionOut(Shown):
    """People who share an `address` (`kind` email or phone) and may be a household; some may be in one already."""

    id: UUID
    kind: str
    address: str
    customer_ids: list[UUID]
    household_ids: list[UUID]
    score: int
    reasons: list[str]
    found_at: datetime


class AcceptedOut(Shown):
    """The households that were made or joined."""

    households: list[UUID]


@api.operation(
    "GET", "/households", permission="customers.view", query=HouseholdsQuery, returns=HouseholdOut, paged=True
)
def list_households(query: HouseholdsQuery) -> Page[HouseholdOut]:
    """List households, the newest first."""
    tenant_id = current().tenant_id
    if query.customer_id is not None:
        kept = service.current(tenant_id=tenant_id, customer_id=query.customer_id).id
        found = household_queries.of_customers(tenant_id=tenant_id, customer_ids=[kept])
        return Page([_out(one) for one in found.values()])
    page = household_queries.households(
        tenant_id=tenant_id, q=query.q, dissolved=query.dissolved, cursor=query.cursor, limit=query.limit
    )
    return Page([_out(one) for one in page.items], page.next_cursor)


@api.operation("POST", "/households", permission="households.edit", body=HouseholdIn, returns=HouseholdOut, status=201)
def create_household(body: HouseholdIn) -> HouseholdOut:
    """Make a household of some customers, who are in none yet."""
    actor = current()
    made = households.make(
        tenant_id=actor.tenant_id,
        members=[_newcomer(actor.tenant_id, one) for one in body.members],
        name=body.name,
        greeting=body.greeting,
        actor=actor.ref,
    )
    return _shown(made)


@api.operation("GET", "/households/<uuid:household_id>", permission="customers.view", returns=HouseholdOut)
def get_household(household_id: UUID) -> HouseholdOut:
    """Return one household, a dissolved one too."""
    return _shown(household_id)


@api.operation(
    "PATCH",
    "/households/<uuid:household_id>",
    permission="households.edit",
    body=HouseholdPatch,
    returns=HouseholdOut,
)
def patch_household(household_id: UUID, body: HouseholdPatch) -> HouseholdOut:
    """Give a household its own name or greeting."""
    actor = current()
    changes = body.model_dump(exclude_unset=True)
    households.change(tenant_id=actor.tenant_id, household_id=household_id, changes=changes, actor=actor.ref)
    return _shown(household_id)


@api.operation("DELETE", "/households/<uuid:household_id>", permission="households.edit", status=204)
def delete_household(household_id: UUID) -> None:
    """Dissolve a household; it can be restored."""
    actor = current()
    households.dissolve(tenant_id=actor.tenant_id, household_id=household_id, actor=actor.ref)


@api.operation("POST", "/households/<uuid:household_id>/restore", permission="households.edit", returns=HouseholdOut)
def restore_household(household_id: UUID) -> HouseholdOut:
    """Take dissolving back, for those who are in no other household."""
    actor = current()
    households.restore(tenant_id=actor.tenant_id, household_id=household_id, actor=actor.ref)
    return _shown(household_id)


@api.operation(
    "POST",
    "/households/<uuid:household_id>/members",
    permission="households.edit",
    body=MemberBody,
    returns=HouseholdOut,
)
def add_member(household_id: UUID, body: MemberBody) -> HouseholdOut:
    """Put a customer into a household."""
    actor = current()
    households.add(
        tenant_id=actor.tenant_id,
        household_id=household_id,
        newcomer=_newcomer(actor.tenant_id, body),
        move=body.move,
        actor=actor.ref,
    )
    return _shown(household_id)


@api.operation(
    "PATCH",
    "/households/<uuid:household_id>/members/<uuid:customer_id>",
    permission="households.edit",
    body=RolePatch,
    returns=HouseholdOut,
)
def patch_member(household_id: UUID, customer_id: UUID, body: RolePatch) -> HouseholdOut:
    """Say as what a customer is in a household."""
    actor = current()
    kept = service.current(tenant_id=actor.tenant_id, customer_id=customer_id).id
    households.set_role(
        tenant_id=actor.tenant_id, household_id=household_id, customer_id=kept, role=body.role, actor=actor.ref
    )
    return _shown(household_id)


@api.operation(
    "DELETE",
    "/households/<uuid:household_id>/members/<uuid:customer_id>",
    permission="households.edit",
    status=204,
)
def remove_member(household_id: UUID, customer_id: UUID) -> None:
    """Take a customer out of a household."""
    actor = current()
    kept = service.current(tenant_id=actor.tenant_id, customer_id=customer_id).id
    households.remove(tenant_id=actor.tenant_id, household_id=household_id, customer_id=kept, actor=actor.ref)


@api.operation(
    "GET",
    "/household-suggestions",
    permission="households.edit",
    query=PageQuery,
    returns=SuggestionOut,
    paged=True,
)
def list_household_suggestions(query: PageQuery) -> Page[SuggestionOut]:
    """List people who share an address and may be a household, the likeliest first."""
    found = household_suggestions.suggested(tenant_id=current().tenant_id, cursor=query.cursor, limit=query.limit)
    return Page([SuggestionOut.model_validate(one) for one in found.items], found.next_cursor)


@api.operation(
    "POST",
    "/household-suggestions/<uuid:household_suggestion_id>/accept",
    permission="households.edit",
    returns=AcceptedOut,
)
def accept_household_suggestion(household_suggestion_id: UUID) -> AcceptedOut:
    """Make a household of suggested people, or let them join the one that some of them are in."""
    actor = current()
    done = households.accept(tenant_id=actor.tenant_id, ids=[household_suggestion_id], actor=actor.ref)
    return AcceptedOut.model_validate(done)


@api.operation("POST", "/household-suggestions/<uuid:household_suggestion_id>/dismiss", permission="households.edit")
def dismiss_household_suggestion(household_suggestion_id: UUID) -> None:
    """Say that those who share an address are no household; it is not suggested again."""
    actor = current()
    household_suggestions.dismiss(tenant_id=actor.tenant_id, ids=[household_suggestion_id], actor=actor.ref)


@api.operation("POST", "/household-suggestions/<uuid:household_suggestion_id>/reopen", permission="households.edit")
def reopen_household_suggestion(household_suggestion_id: UUID) -> None:
    """Take a dismissal back: those who share the address are suggested again."""
    actor = current()
    household_suggestions.reopen(tenant_id=actor.tenant_id, ids=[household_suggestion_id], actor=actor.ref)


def _newcomer(tenant_id: UUID, given: MemberIn) -> Newcomer:
    """Return whom a body names; the id of a merged profile leads to the one it went into."""
    return Newcomer(service.current(tenant_id=tenant_id, customer_id=given.customer_id).id, given.role)


def _shown(household_id: UUID) -> HouseholdOut:
    return _out(household_queries.household(tenant_id=current().tenant_id, household_id=household_id))


def _out(found: HouseholdView) -> HouseholdOut:
    return HouseholdOut.model_validate(found)
