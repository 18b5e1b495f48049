"""Templates over the API."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from app.content import queries, service
from app.content.liquid import MAX_SOURCE
from app.content.models import Template
from app.customers import topics
from app.infra.errors import Invalid
from app.infra.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import Body, Shown

blueprint = ApiBlueprint("content_api", __name__)

Source = Annotated[str, Field(max_length=MAX_SOURCE)]


_TOPIC = "A topic's key or id: marketing made of the template goes to people who want it."


class TemplateIn(Body):
    """A template to be written: a subject, and an HTML part, a text part or both, with Liquid merge tags."""

    name: str
    channel: str = "EMAIL"
    topic: str | None = Field(default=None, description=_TOPIC)
    subject: str = ""
    html: Source | None = None
    text: Source | None = None


class TemplateChange(Body):
    """What is to be changed; fields left out stay as they are."""

    name: str | None = None
    topic: str | None = Field(default=None, description=f"{_TOPIC} Null takes it away.")
    subject: str | None = None
    html: Source | None = None
    text: Source | None = None


class TemplateOut(Shown):
    """A template. `version` rises with every change."""

    id: UUID
    name: str
    channel: str
    topic: str | None = Field(description="Its topic's key.")
    subject: str
    html: str | None
    text: str | None
    version: int
    created_at: datetime
    updated_at: datetime


_SHOWN = [name for name in TemplateOut.model_fields if name != "topic"]


class TemplateQuery(BaseModel):
    """Which templates, by a part of the name, and from where on."""

    q: str | None = None
    cursor: str | None = None
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)


@blueprint.operation(
    "GET", "/templates", permission="templates.view", query=TemplateQuery, returns=TemplateOut, paged=True
)
def list_templates(query: TemplateQuery) -> Page[TemplateOut]:
    """List templates by name."""
    page = queries.page(tenant_id=current().tenant_id, q=query.q, cursor=query.cursor, limit=query.limit)
    return Page(_out(*page.items), page.next_cursor)


@blueprint.operation(
    "POST", "/templates", permission="templates.edit", body=TemplateIn, returns=TemplateOut, status=201
)
def create_template(body: TemplateIn) -> TemplateOut:
    """Write a template; what is wrong with it is said by field, with the line."""
    fields = body.model_dump() | {"topic_id": _topic_id(body.topic)}
    del fields["topic"]
    return _out(service.create(tenant_id=current().tenant_id, **fields))[0]


@blueprint.operation("GET", "/templates/<uuid:template_id>", permission="templates.view", returns=TemplateOut)
def get_template(template_id: UUID) -> TemplateOut:
    """Return a template."""
    return _out(queries.get(tenant_id=current().tenant_id, template_id=template_id))[0]


@blueprint.operation(
    "PATCH",
    "/templates/<uuid:template_id>",
    permission="templates.edit",
    body=TemplateChange,
    returns=TemplateOut,
)
def change_template(template_id: UUID, body: TemplateChange) -> TemplateOut:
    """Change a template; messages that are still queued are made from the new text."""
    changes = body.model_dump(exclude_unset=True)
    if "topic" in changes:
        changes["topic_id"] = _topic_id(changes.pop("topic"))
    return _out(service.update(tenant_id=current().tenant_id, template_id=template_id, changes=changes))[0]


def _topic_id(name: str | None) -> UUID | None:
    if name is None:
        return None
    try:
        return topics.named(tenant_id=current().tenant_id, name=name).id
    except topics.NoSuchTopic as unknown:
        raise Invalid({"topic": unknown.message}) from None


def _out(*found: Template) -> list[TemplateOut]:
    keys = {one.id: one.key for one in topics.topics(tenant_id=current().tenant_id, archived=True)}
    return [
        TemplateOut(
            topic=keys.get(one.topic_id) if one.topic_id else None, **{name: getattr(one, name) for name in _SHOWN}
        )
        for one in found
    ]
