"""Templates over the API."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from app.content import checks, link_checks, queries, service
from app.content.kind import kind_of
from app.content.liquid import MAX_SOURCE
from app.content.models import Template, TemplateVersion
from app.content.preview import preview
from app.customers import topics
from app.infra import clock, usage
from app.infra.errors import Invalid
from app.infra.paging import Page
from app.road import TEMPLATE_USERS
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import Body, PageQuery, Shown
from app.web.shell import organisation

blueprint = ApiBlueprint("content_api", __name__)

Source = Annotated[str, Field(max_length=MAX_SOURCE)]


_TOPIC = "A topic's key or id: marketing made of the template goes to people who want it."


_EDITOR = "How it is written: html, mjml, visual (MJML too, drawn) or plain. `html` is made of `mjml` when it is saved."
_PREHEADER = "What a mailbox shows after the subject."


_PARAMETERS = "What a channel needs beside words, by its names; the page of its editor asks for the same."


class TemplateIn(Body):
    """A template to be written, with Liquid merge tags. A letter has a subject, and as its `editor` wants it HTML
    (the usual one), MJML, or plain text alone; its text part is made from it unless it is written. An SMS has `text`
    alone."""

    name: str
    channel: str = "EMAIL"
    topic: str | None = Field(default=None, description=_TOPIC)
    editor: str | None = Field(default=None, description=_EDITOR)
    subject: str = ""
    preheader: str | None = Field(default=None, description=_PREHEADER)
    html: Source | None = None
    mjml: Source | None = None
    text: Source | None = None
    parameters: dict[str, Any] | None = Field(default=None, description=_PARAMETERS)


class TemplateChange(Body):
    """What is to be changed; fields left out stay as they are."""

    name: str | None = None
    topic: str | None = Field(default=None, description=f"{_TOPIC} Null takes it away.")
    editor: str | None = Field(default=None, description=_EDITOR)
    subject: str | None = None
    preheader: str | None = Field(default=None, description=_PREHEADER)
    html: Source | None = None
    mjml: Source | None = None
    text: Source | None = None
    parameters: dict[str, Any] | None = Field(default=None, description=_PARAMETERS)
    version: int | None = Field(
        default=None, description="The version that was changed: 409, and nothing saved, where it is not the newest."
    )


class RestoreBody(Body):
    """Which version is to hold again."""

    version: int = Field(ge=1, le=queries.MAX_NUMBER)


class TemplateOut(Shown):
    """A template. `version` rises with every change."""

    id: UUID
    name: str
    channel: str
    topic: str | None = Field(description="Its topic's key.")
    editor: str
    subject: str
    preheader: str | None
    html: str | None
    mjml: str | None
    text: str | None
    parameters: dict[str, Any] | None
    version: int
    archived_at: datetime | None
    created_at: datetime
    updated_at: datetime


class VersionOut(Shown):
    """What a template said in one version; `restored_from`: it says again what that version said."""

    number: int
    name: str
    editor: str = "html"
    subject: str = ""
    preheader: str | None = None
    html: str | None = None
    mjml: str | None = None
    text: str | None = None
    parameters: dict[str, Any] | None = None
    restored_from: int | None
    changed_at: datetime
    changed_by: str
    changed_by_name: str


class UseOut(Shown):
    """Something that sends a template; `running`: it does so without anybody's doing."""

    kind: str
    id: UUID
    name: str
    running: bool


class FindingOut(Shown):
    """One thing to look at before sending."""

    severity: Literal["problem", "warning", "hint"]
    about: str
    message: str
    where: str | None


class MissingOut(Shown):
    """A merge tag without a default, and for how many people it has no value."""

    tag: str
    people: int
    of: int


class LinksOut(Shown):
    """How far the links of a template are tried; those that answer wrongly are among the findings.

    `varying` have merge tags in them and are not tried. `since`: when the one was tried that was tried longest ago.
    """

    total: int
    tried: int
    waiting: int
    never: int
    varying: list[str]
    since: datetime | None


class ChecksOut(Shown):
    """What should be looked at before a template is sent, what matters most first."""

    findings: list[FindingOut]
    missing: list[MissingOut]
    links: LinksOut


_SHOWN = [name for name in TemplateOut.model_fields if name != "topic"]


class TemplateQuery(PageQuery):
    """Which templates, by a part of the name or the subject."""

    q: str | None = None
    channel: str | None = None
    topic: str | None = Field(default=None, description="A topic's key or id.")
    archived: bool = False
    sort: Literal["name", "-name", "changed", "-changed"] = "name"


@blueprint.operation(
    "GET", "/templates", permission="templates.view", query=TemplateQuery, returns=TemplateOut, paged=True
)
def list_templates(query: TemplateQuery) -> Page[TemplateOut]:
    """List templates, archived ones only if asked for."""
    page = queries.page(
        tenant_id=current().tenant_id,
        q=query.q,
        channel=query.channel,
        topic_id=_topic_id(query.topic),
        archived=query.archived,
        sort=query.sort,
        cursor=query.cursor,
        limit=query.limit,
    )
    return Page(_out(*page.items), page.next_cursor)


@blueprint.operation(
    "POST", "/templates", permission="templates.edit", body=TemplateIn, returns=TemplateOut, status=201
)
def create_template(body: TemplateIn) -> TemplateOut:
    """Write a template; what is wrong with it is said by field, with the line."""
    fields = body.model_dump() | {"topic_id": _topic_id(body.topic)}
    del fields["topic"]
    if fields["editor"] is None and fields["mjml"] is not None:
        fields["editor"] = "mjml"
    return _out(service.create(**_by(), **fields))[0]


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
    seen = changes.pop("version", None)
    if "topic" in changes:
        changes["topic_id"] = _topic_id(changes.pop("topic"))
    if changes.get("html") is not None and "editor" not in changes:
        template = queries.get(tenant_id=current().tenant_id, template_id=template_id)
        if template.mjml is not None:
            raise Invalid({"html": "It is made of the template's MJML. Change that, or set editor to html."})
    return _out(service.update(**_by(), template_id=template_id, changes=changes, seen=seen))[0]


@blueprint.operation(
    "GET",
    "/templates/<uuid:template_id>/versions",
    permission="templates.view",
    query=PageQuery,
    returns=VersionOut,
    paged=True,
)
def template_versions(template_id: UUID, query: PageQuery) -> Page[VersionOut]:
    """List what a template said, the newest version first."""
    tenant_id = current().tenant_id
    queries.get(tenant_id=tenant_id, template_id=template_id)
    page = queries.versions(tenant_id=tenant_id, template_id=template_id, cursor=query.cursor, limit=query.limit)
    return Page([_version_out(one) for one in page.items], page.next_cursor)


@blueprint.operation(
    "GET",
    "/templates/<uuid:template_id>/versions/<int(max=2147483647):number>",
    permission="templates.view",
    returns=VersionOut,
)
def template_version(template_id: UUID, number: int) -> VersionOut:
    """Return what a template said in one version."""
    return _version_out(queries.kept(tenant_id=current().tenant_id, template_id=template_id, number=number))


@blueprint.operation(
    "POST",
    "/templates/<uuid:template_id>/restore",
    permission="templates.edit",
    body=RestoreBody,
    returns=TemplateOut,
)
def restore_template(template_id: UUID, body: RestoreBody) -> TemplateOut:
    """Let a template say again what it said in a version, as a new version."""
    return _out(service.restore(**_by(), template_id=template_id, version=body.version))[0]


@blueprint.operation(
    "POST", "/templates/<uuid:template_id>/copy", permission="templates.edit", returns=TemplateOut, status=201
)
def copy_template(template_id: UUID) -> TemplateOut:
    """Make another template that says the same."""
    return _out(service.copy(**_by(), template_id=template_id))[0]


@blueprint.operation("POST", "/templates/<uuid:template_id>/archive", permission="templates.edit", returns=TemplateOut)
def archive_template(template_id: UUID) -> TemplateOut:
    """Put a template away; 409 where something running sends it."""
    actor = current()
    return _out(
        service.archive(tenant_id=actor.tenant_id, template_id=template_id, users=TEMPLATE_USERS, actor=actor.ref)
    )[0]


@blueprint.operation(
    "POST", "/templates/<uuid:template_id>/unarchive", permission="templates.edit", returns=TemplateOut
)
def unarchive_template(template_id: UUID) -> TemplateOut:
    """Take a template out of the archive."""
    actor = current()
    return _out(service.unarchive(tenant_id=actor.tenant_id, template_id=template_id, actor=actor.ref))[0]


@blueprint.operation("GET", "/templates/<uuid:template_id>/usage", permission="templates.view")
def template_usage(template_id: UUID) -> dict[str, Any]:
    """Tell what sends a template."""
    tenant_id = current().tenant_id
    queries.get(tenant_id=tenant_id, template_id=template_id)
    found = usage.of(tenant_id=tenant_id, ids=[template_id], users=TEMPLATE_USERS).get(template_id, [])
    items = [UseOut.model_validate(one).model_dump(mode="json") for one in found]
    return {"items": items, "next_cursor": None}


@blueprint.operation("GET", "/templates/<uuid:template_id>/checks", permission="templates.view", returns=ChecksOut)
def template_checks(template_id: UUID) -> ChecksOut:
    """Tell what should be looked at before a template is sent, and who lacks a value that it names."""
    tenant_id = current().tenant_id
    source = queries.source(tenant_id=tenant_id, template_id=template_id)
    letter, problems = preview(tenant_id=tenant_id, tenant_name=organisation().name, source=source)
    channel = queries.get(tenant_id=tenant_id, template_id=template_id).channel
    found = checks.of_template(tenant_id, channel, letter, source) if letter else checks.of_problems(problems)
    tried = link_checks.tried(tenant_id=tenant_id, source=source)
    found = [*found, *tried.findings]
    missing = checks.missing_values(tenant_id=tenant_id, source=source, point=kind_of(channel).point)
    links = LinksOut.model_validate(tried)
    return ChecksOut.model_validate({"findings": found, "missing": missing, "links": links}, from_attributes=True)


@blueprint.operation(
    "POST", "/templates/<uuid:template_id>/checks/links", permission="templates.edit", returns=LinksOut, status=202
)
def try_links(template_id: UUID) -> LinksOut:
    """Let the links of a template be tried, whenever they were tried last; `GET …/checks` tells how far that is."""
    tenant_id = current().tenant_id
    source = queries.source(tenant_id=tenant_id, template_id=template_id)
    link_checks.ask(tenant_id=tenant_id, source=source, now=clock.now(), again=True)
    return LinksOut.model_validate(link_checks.tried(tenant_id=tenant_id, source=source))


def _by() -> dict[str, Any]:
    actor = current()
    return {"tenant_id": actor.tenant_id, "actor": actor.ref, "actor_name": actor.name}


def _version_out(one: TemplateVersion) -> VersionOut:
    fields = {name: getattr(one, name) for name in VersionOut.model_fields if hasattr(one, name)}
    said = {name: value for name, value in one.content.items() if name in VersionOut.model_fields}
    return VersionOut(**fields | said)


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
