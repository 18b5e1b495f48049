"""Snippets over the API."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from app.blueprints.content.api import RestoreBody, blueprint
from app.content import snippet_queries as queries
from app.content import snippet_service as service
from app.content.liquid import MAX_SOURCE
from app.content.models import Snippet
from app.infra.paging import Page
from app.web.guards import current
from app.web.schemas import Body, PageQuery, Shown, Text

Source = Annotated[Text, Field(max_length=MAX_SOURCE)]


class SnippetIn(Body):
    """A snippet to be written. With `club_id` it stands in place of the one for all clubs, for that club's people."""

    key: Text = Field(description='What templates call it: {% snippet "footer" %}.')
    name: Text
    html: Source
    text: Source | None = None
    club_id: UUID | None = None


class SnippetChange(Body):
    """What is to be changed; fields left out stay as they are."""

    name: Text | None = None
    html: Source | None = None
    text: Source | None = None
    version: int | None = Field(
        default=None, description="The version that was changed: 409, and nothing saved, where it is not the newest."
    )


class SnippetQuery(PageQuery):
    """Which snippets, by a part of the key or the name."""

    q: Text | None = None
    archived: bool = False


class SnippetOut(Shown):
    """A snippet. `version` rises with every change."""

    id: UUID
    key: str
    name: str
    club_id: UUID | None
    html: str
    text: str | None
    version: int
    archived_at: datetime | None
    created_at: datetime
    updated_at: datetime


class SnippetVersionOut(Shown):
    """What a snippet said in one version; `restored_from`: it says again what that version said."""

    number: int
    name: str
    html: str
    text: str | None
    restored_from: int | None
    changed_at: datetime
    changed_by: str
    changed_by_name: str


@blueprint.operation(
    "GET", "/snippets", permission="templates.view", query=SnippetQuery, returns=SnippetOut, paged=True
)
def list_snippets(query: SnippetQuery) -> Page[SnippetOut]:
    """List snippets by key, archived ones only if asked for."""
    page = queries.page(tenant_id=current().tenant_id, **query.model_dump())
    return Page([_out(one) for one in page.items], page.next_cursor)


@blueprint.operation("POST", "/snippets", permission="templates.edit", body=SnippetIn, returns=SnippetOut, status=201)
def create_snippet(body: SnippetIn) -> SnippetOut:
    """Write a snippet."""
    return _out(service.create(**_by(), **body.model_dump()))


@blueprint.operation("GET", "/snippets/<uuid:snippet_id>", permission="templates.view", returns=SnippetOut)
def get_snippet(snippet_id: UUID) -> SnippetOut:
    """Return a snippet."""
    return _out(queries.get(tenant_id=current().tenant_id, snippet_id=snippet_id))


@blueprint.operation(
    "PATCH", "/snippets/<uuid:snippet_id>", permission="templates.edit", body=SnippetChange, returns=SnippetOut
)
def change_snippet(snippet_id: UUID, body: SnippetChange) -> SnippetOut:
    """Change a snippet; what is sent from now on says it."""
    changes = body.model_dump(exclude_unset=True)
    seen = changes.pop("version", None)
    return _out(service.update(**_by(), snippet_id=snippet_id, changes=changes, seen=seen))


@blueprint.operation(
    "GET",
    "/snippets/<uuid:snippet_id>/versions",
    permission="templates.view",
    query=PageQuery,
    returns=SnippetVersionOut,
    paged=True,
)
def snippet_versions(snippet_id: UUID, query: PageQuery) -> Page[SnippetVersionOut]:
    """List what a snippet said, the newest version first."""
    tenant_id = current().tenant_id
    queries.get(tenant_id=tenant_id, snippet_id=snippet_id)
    page = queries.versions(tenant_id=tenant_id, snippet_id=snippet_id, cursor=query.cursor, limit=query.limit)
    return Page([SnippetVersionOut.model_validate(one) for one in page.items], page.next_cursor)


@blueprint.operation(
    "POST",
    "/snippets/<uuid:snippet_id>/restore",
    permission="templates.edit",
    body=RestoreBody,
    returns=SnippetOut,
)
def restore_snippet(snippet_id: UUID, body: RestoreBody) -> SnippetOut:
    """Let a snippet say again what it said in a version, as a new version."""
    return _out(service.restore(**_by(), snippet_id=snippet_id, version=body.version))


@blueprint.operation("POST", "/snippets/<uuid:snippet_id>/archive", permission="templates.edit", returns=SnippetOut)
def archive_snippet(snippet_id: UUID) -> SnippetOut:
    """Put a snippet away; 409 where templates or snippets name it and no other says it."""
    actor = current()
    return _out(service.archive(tenant_id=actor.tenant_id, snippet_id=snippet_id, actor=actor.ref))


@blueprint.operation("POST", "/snippets/<uuid:snippet_id>/unarchive", permission="templates.edit", returns=SnippetOut)
def unarchive_snippet(snippet_id: UUID) -> SnippetOut:
    """Take a snippet out of the archive."""
    actor = current()
    return _out(service.unarchive(tenant_id=actor.tenant_id, snippet_id=snippet_id, actor=actor.ref))


def _by() -> dict[str, Any]:
    actor = current()
    return {"tenant_id": actor.tenant_id, "actor": actor.ref, "actor_name": actor.name}


def _out(one: Snippet) -> SnippetOut:
    return SnippetOut.model_validate(one)
