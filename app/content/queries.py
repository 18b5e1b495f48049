"""Reading templates and what they said before, and the customers a preview is shown for."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, text, tuple_

from app.content.kind import kind_of
from app.content.letters import LetterSource
from app.content.merge_tags import CUSTOMER_FIELDS
from app.content.models import Template, TemplateVersion
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.errors import NotFound
from app.infra.paging import DEFAULT_LIMIT, BadCursor, Page, cut, decode_cursor, id_of, moment_of

_FIELDS = ", ".join(f"customer.{field}" for field in CUSTOMER_FIELDS)

MAX_NUMBER = 2**31 - 1
"""The largest a version can be numbered."""

SAMPLE = text(f"""
    SELECT customer.id, customer.club_id, {_FIELDS}, club.name AS club_name
    FROM customer LEFT JOIN club ON club.tenant_id = customer.tenant_id AND club.id = customer.club_id
    WHERE customer.tenant_id = :tenant_id AND customer.id = :customer_id
""")  # noqa: S608 - the field names are ours


_READERS = text(f"""
    SELECT customer.id, {_FIELDS}, club.name AS club_name, tenant.name AS tenant_name
    FROM customer JOIN tenant ON tenant.id = customer.tenant_id
    LEFT JOIN club ON club.tenant_id = customer.tenant_id AND club.id = customer.club_id
    WHERE customer.tenant_id = :tenant_id AND customer.id = ANY(CAST(:ids AS uuid[]))
""")  # noqa: S608 - the field names are ours


def readers(*, tenant_id: UUID, customer_ids: Collection[UUID]) -> dict[UUID, Mapping[str, Any]]:
    """Return what templates can say of customers, by id: CUSTOMER_FIELDS, `club_name` and `tenant_name`."""
    with transaction(tenant_id) as session:
        rows = session.execute(_READERS, {"tenant_id": tenant_id, "ids": array(customer_ids)})
        return {row["id"]: dict(row) for row in rows.mappings()}


CONTENT = ("editor", "subject", "preheader", "html", "mjml", "text", "parameters")
"""The columns of a template that hold what it says; a version keeps them under these names."""


class TemplateNotFound(NotFound):
    """There is no such template in this tenant."""

    def __init__(self) -> None:
        super().__init__("There is no such template.")


class NoSuchVersion(NotFound):
    """The template never had a version of this number, or it was not kept."""

    def __init__(self) -> None:
        super().__init__("There is no such version of this template.")


def content_of(template: Template) -> dict[str, Any]:
    """Return what a template says, as its versions keep it."""
    return {key: getattr(template, key) for key in CONTENT}


def get(*, tenant_id: UUID, template_id: UUID) -> Template:
    """Return a template, or raise TemplateNotFound."""
    with transaction(tenant_id) as session:
        found = session.get(Template, (tenant_id, template_id))
        if found is None:
            raise TemplateNotFound
        return found


def source(*, tenant_id: UUID, template_id: UUID, version: int | None = None) -> LetterSource:
    """Return what a template's author wrote, now or in one `version`. Raises TemplateNotFound or NoSuchVersion."""
    template = get(tenant_id=tenant_id, template_id=template_id)
    if version is None or version == template.version:
        return source_of(content_of(template), template.channel)
    content = kept(tenant_id=tenant_id, template_id=template_id, number=version).content
    return source_of(content, template.channel)


def source_of(content: Mapping[str, Any], channel: str = "EMAIL") -> LetterSource:
    """Return the letter that a version kept, or that stands in an editor."""
    kind = kind_of(channel)
    return LetterSource(
        content.get("subject") or "",
        content.get("html"),
        kind.text_of(content),
        content.get("preheader"),
        inlined=content.get("mjml") is not None,
        bare=kind.bare,
        parameters=tuple(flat(content.get("parameters") or {})),
    )


def only_text(editor: str, text: str | None) -> dict[str, Any]:
    """Return the columns of what is a text and nothing else."""
    written = text.strip() if text and text.strip() else None
    return dict.fromkeys(CONTENT) | {"editor": editor, "subject": "", "text": written}


def flat(parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what else a template holds by its names, `parameters.url`; those of a list are numbered from 1."""
    for key, value in parameters.items():
        if isinstance(value, list):
            yield from ((f"parameters.{key}.{place}", str(one)) for place, one in enumerate(value, 1))
        elif value is not None:
            yield f"parameters.{key}", str(value)


def kept(*, tenant_id: UUID, template_id: UUID, number: int) -> TemplateVersion:
    """Return what a template was at one of its versions, or raise NoSuchVersion."""
    with transaction(tenant_id) as session:
        found = session.scalar(
            select(TemplateVersion).where(
                TemplateVersion.tenant_id == tenant_id,
                TemplateVersion.template_id == template_id,
                TemplateVersion.number == number,
            )
        )
    if found is None:
        raise NoSuchVersion
    return found


def versions(
    *, tenant_id: UUID, template_id: UUID, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[TemplateVersion]:
    """Return a template's versions, the newest first."""
    wanted = select(TemplateVersion).where(
        TemplateVersion.tenant_id == tenant_id, TemplateVersion.template_id == template_id
    )
    if cursor:
        wanted = wanted.where(TemplateVersion.number < number_of(decode_cursor(cursor, 1)[0]))
    with transaction(tenant_id) as session:
        rows = session.scalars(wanted.order_by(TemplateVersion.number.desc()).limit(limit + 1)).all()
    return cut(rows, limit, lambda row: (row.number,), lambda row: row)


def number_of(value: Any) -> int:
    """Return the number of a version that a cursor's value is, or raise BadCursor."""
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_NUMBER:
        raise BadCursor
    return value


_SORTS: dict[str, tuple[ColumnElement[Any], Callable[[Any], Any]]] = {
    "name": (func.lower(Template.name), str),
    "changed": (Template.updated_at.expression, moment_of),
}
SORTS = tuple(_SORTS)


def page(
    *,
    tenant_id: UUID,
    q: str | None = None,
    channel: str | None = None,
    topic_id: UUID | None = None,
    archived: bool = False,
    sort: str = "name",
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Template]:
    """Return templates, archived ones only if asked for; `q` is looked for in name, subject and a text's own words.

    `sort` is one of SORTS, by name where it is none; with a minus before it the last come first.
    """
    down = sort.startswith("-")
    key, read = _SORTS.get(sort.removeprefix("-"), _SORTS["name"])
    wanted = select(Template, key.label("key")).where(Template.tenant_id == tenant_id)
    wanted = wanted.where(Template.archived_at.is_not(None) if archived else Template.archived_at.is_(None))
    if q and q.strip():
        held = Template.name.icontains(q.strip(), autoescape=True)
        said = Template.subject.icontains(q.strip(), autoescape=True)
        text_alone = (Template.subject == "") & Template.text.icontains(q.strip(), autoescape=True)
        wanted = wanted.where(held | said | text_alone)
    if channel is not None:
        wanted = wanted.where(Template.channel == channel)
    if topic_id is not None:
        wanted = wanted.where(Template.topic_id == topic_id)
    after = tuple_(key, Template.id)
    if cursor:
        value, last = decode_cursor(cursor, 2)
        place = tuple_(read(value), id_of(last))
        wanted = wanted.where(after < place if down else after > place)
    order = (key.desc(), Template.id.desc()) if down else (key, Template.id)
    with transaction(tenant_id) as session:
        rows = session.execute(wanted.order_by(*order).limit(limit + 1)).all()
    return cut(rows, limit, lambda row: (row.key, row[0].id), lambda row: row[0])


def choices(*, tenant_id: UUID, channel: str = "EMAIL") -> list[tuple[str, str]]:
    """Return (id, name) of the templates of a channel by name, those in use, for a select."""
    with transaction(tenant_id) as session:
        rows = session.execute(
            select(Template.id, Template.name)
            .where(Template.tenant_id == tenant_id, Template.channel == channel, Template.archived_at.is_(None))
            .order_by(Template.name)
        )
        return [(str(row.id), row.name) for row in rows]


def subjects(*, tenant_id: UUID) -> dict[str, str]:
    """Return by id what the letters in use are called, as they were written."""
    with transaction(tenant_id) as session:
        rows = session.execute(
            select(Template.id, Template.subject).where(
                Template.tenant_id == tenant_id, Template.channel == "EMAIL", Template.archived_at.is_(None)
            )
        )
        return {str(row.id): row.subject for row in rows}


def sample_customer(*, tenant_id: UUID, customer_id: UUID) -> Mapping[str, Any] | None:
    """Return the merge-tag fields, id, club_id and club_name of a customer, or None when there is no such one."""
    with transaction(tenant_id) as session:
        found = session.execute(SAMPLE, {"tenant_id": tenant_id, "customer_id": customer_id}).mappings().first()
    return None if found is None else dict(found)
