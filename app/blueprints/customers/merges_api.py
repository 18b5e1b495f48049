"""Merging over the API."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from app.capture import merging
from app.customers import service, suggestions
from app.infra.paging import Page
from app.road import HANDLERS
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import Body, PageQuery, Shown

api = ApiBlueprint("merges_api", __name__)


class MergeBody(Body):
    """Which profile goes into the other, and of fields that differ, by name, whose value holds."""

    loser_id: UUID
    fields: dict[str, Literal["winner", "loser"]] = Field(
        default_factory=dict,
        description='By profile field (custom ones: `custom.key`) "winner" or "loser"; others go by the later word.',
    )


class MergeOut(BaseModel):
    """The merge that was made."""

    merge_id: UUID


class UndoneOut(Shown):
    """The two profiles, which are two again, and how many events since the merge went to the loser."""

    winner_id: UUID
    loser_id: UUID
    given_back: int


@api.operation(
    "POST", "/customers/<uuid:customer_id>/merge", permission="customers.merge", body=MergeBody, returns=MergeOut
)
def merge_customers(customer_id: UUID, body: MergeBody) -> MergeOut:
    """Merge another customer into this one; the other's id leads here from then on."""
    actor = current()
    kept = service.current(tenant_id=actor.tenant_id, customer_id=customer_id).id
    merge_id = merging.merge_customers(
        tenant_id=actor.tenant_id,
        winner_id=kept,
        loser_id=body.loser_id,
        actor=actor.ref,
        fields=body.fields,
        handlers=HANDLERS,
    )
    return MergeOut(merge_id=merge_id)


@api.operation("POST", "/merges/<uuid:merge_id>/undo", permission="customers.merge", returns=UndoneOut)
def undo_merge(merge_id: UUID) -> UndoneOut:
    """Undo a merge: both customers are as they were."""
    actor = current()
    undone = merging.undo(tenant_id=actor.tenant_id, merge_id=merge_id, actor=actor.ref, handlers=HANDLERS)
    return UndoneOut.model_validate(undone)


class SuggestionOut(Shown):
    """A pair that may be one person, the older profile first; what speaks for and against it."""

    id: UUID
    one_id: UUID
    other_id: UUID
    score: int
    speaks_for: list[str]
    against: list[str]
    found_at: datetime


class SuggestionsQuery(PageQuery):
    """Which suggestions: all, or those about one customer."""

    customer_id: UUID | None = None


@api.operation(
    "GET",
    "/merge-suggestions",
    permission="customers.merge",
    query=SuggestionsQuery,
    returns=SuggestionOut,
    paged=True,
)
def list_suggestions(query: SuggestionsQuery) -> Page[SuggestionOut]:
    """List the pairs of customers that may be one person, the likeliest first."""
    found = suggestions.suggested(
        tenant_id=current().tenant_id, customer_id=query.customer_id, cursor=query.cursor, limit=query.limit
    )
    return Page([SuggestionOut.model_validate(one) for one in found.items], found.next_cursor)


@api.operation("POST", "/merge-suggestions/<uuid:suggestion_id>/dismiss", permission="customers.merge")
def dismiss_suggestion(suggestion_id: UUID) -> None:
    """Say that a suggested pair are two people; it is not suggested again, nor joined by events."""
    actor = current()
    suggestions.dismiss(tenant_id=actor.tenant_id, ids=[suggestion_id], actor=actor.ref)
