"""Tags over the API."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from app.customers import tags
from app.infra.paging import Page
from app.road import TAG_FOLLOWERS
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import Body, PageQuery, Shown, Words

api = ApiBlueprint("tags_api", __name__)


class TagsQuery(PageQuery):
    """Which tags, by a part of the name, and from where on."""

    q: Words | None = None


class TagIn(Body):
    """A tag that nobody has yet."""

    name: Words
    colour: str = tags.COLOURS[0]


class TagPatch(Body):
    """Another name, for all who have it and in the journeys that name it; another colour."""

    name: Words | None = None
    colour: str | None = None


class TagMerge(Body):
    """The tag that stays."""

    into_id: UUID


class TagOut(Shown):
    """A tag; `customers` had it at `counted_at` (null: not counted yet)."""

    id: UUID
    name: str
    colour: str
    customers: int
    counted_at: datetime | None
    created_at: datetime


class Counted(BaseModel):
    """Whether tags were counted now, or had been within the last seconds."""

    counted: bool


@api.operation("GET", "/tags", permission="customers.view", query=TagsQuery, returns=TagOut, paged=True)
def list_tags(query: TagsQuery) -> Page[TagOut]:
    """List tags by name, with the counts of the last counting."""
    found = tags.listed(tenant_id=current().tenant_id, q=query.q, cursor=query.cursor, limit=query.limit)
    return Page([TagOut.model_validate(one) for one in found.items], found.next_cursor)


@api.operation("POST", "/tags", permission="tags.manage", body=TagIn, returns=TagOut, status=201)
def create_tag(body: TagIn) -> TagOut:
    """Make a tag before anybody has it. Tags given to customers appear by themselves."""
    actor = current()
    return TagOut.model_validate(tags.add(tenant_id=actor.tenant_id, actor=actor.ref, **body.model_dump()))


@api.operation("POST", "/tags/count", permission="tags.manage", returns=Counted)
def count_tags() -> Counted:
    """Count now who has which tag."""
    return Counted(counted=tags.count(tenant_id=current().tenant_id, again_after=tags.COUNT_AGAIN))


@api.operation("GET", "/tags/<uuid:tag_id>", permission="customers.view", returns=TagOut)
def get_tag(tag_id: UUID) -> TagOut:
    """Return one tag."""
    return TagOut.model_validate(tags.tag(tenant_id=current().tenant_id, tag_id=tag_id))


@api.operation("PATCH", "/tags/<uuid:tag_id>", permission="tags.manage", body=TagPatch, returns=TagOut)
def patch_tag(tag_id: UUID, body: TagPatch) -> TagOut:
    """Rename a tag for all who have it and wherever journeys name it, or give it another colour."""
    actor = current()
    changed = tags.change(
        tenant_id=actor.tenant_id, tag_id=tag_id, actor=actor.ref, followers=TAG_FOLLOWERS, **body.model_dump()
    )
    return TagOut.model_validate(changed)


@api.operation("POST", "/tags/<uuid:tag_id>/merge", permission="tags.manage", body=TagMerge, returns=TagOut)
def merge_tag(tag_id: UUID, body: TagMerge) -> TagOut:
    """Let all who have a tag have another one instead; return the one that stays."""
    actor = current()
    kept = tags.merge(
        tenant_id=actor.tenant_id, tag_id=tag_id, into_id=body.into_id, actor=actor.ref, followers=TAG_FOLLOWERS
    )
    return TagOut.model_validate(kept)


@api.operation("DELETE", "/tags/<uuid:tag_id>", permission="tags.manage", status=204)
def delete_tag(tag_id: UUID) -> None:
    """Take a tag from all who have it; it can be restored for 30 days."""
    actor = current()
    tags.delete(tenant_id=actor.tenant_id, tag_id=tag_id, actor=actor.ref)


@api.operation("POST", "/tags/<uuid:tag_id>/restore", permission="tags.manage", returns=TagOut)
def restore_tag(tag_id: UUID) -> TagOut:
    """Give a deleted tag back to those it was taken from."""
    actor = current()
    return TagOut.model_validate(tags.restore(tenant_id=actor.tenant_id, tag_id=tag_id, actor=actor.ref))
