"""Templates over the API."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from app.content import queries, service
from app.content.liquid import MAX_SOURCE
from app.content.models import Template
from app.infra.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import Body, Shown

blueprint = ApiBlueprint("content_api", __name__)

Source = Annotated[str, Field(max_length=MAX_SOURCE)]


class TemplateIn(Body):
    """A template to be written: a subject, and an HTML part, a text part or both, with Liquid merge tags."""

    name: str
    channel: str = "EMAIL"
    subject: str = ""
    html: Source | None = None
    text: Source | None = None


class TemplateChange(Body):
    """What is to be changed; fields left out stay as they are."""

    name: str | None = None
    subject: str | None = None
    html: Source | None = None
    text: Source | None = None


class TemplateOut(Shown):
    """A template. `version` rises with every change."""

    id: UUID
    name: str
    channel: str
    subject: str
    html: str | None
    text: str | None
    version: int
    created_at: datetime
    updated_at: datetime


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
    return Page([_out(template) for template in page.items], page.next_cursor)


@blueprint.operation(
    "POST", "/templates", permission="templates.edit", body=TemplateIn, returns=TemplateOut, status=201
)
def create_template(body: TemplateIn) -> TemplateOut:
    """Write a template; what is wrong with it is said by field, with the line."""
    return _out(service.create(tenant_id=current().tenant_id, **body.model_dump()))


@blueprint.operation("GET", "/templates/<uuid:template_id>", permission="templates.view", returns=TemplateOut)
def get_template(template_id: UUID) -> TemplateOut:
    """Return a template."""
    return _out(queries.get(tenant_id=current().tenant_id, template_id=template_id))


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
    return _out(service.update(tenant_id=current().tenant_id, template_id=template_id, changes=changes))


def _out(template: Template) -> TemplateOut:
    return TemplateOut.model_validate(template)
