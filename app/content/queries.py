"""Reading templates, and the customers a preview is shown for."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, tuple_

from app.content.letters import LetterSource
from app.content.merge_tags import CUSTOMER_FIELDS
from app.content.models import Template
from app.infra.db import transaction
from app.infra.errors import NotFound
from app.infra.paging import DEFAULT_LIMIT, Page, cut, decode_cursor, id_of

_FIELDS = ", ".join(f"customer.{field}" for field in CUSTOMER_FIELDS)

SAMPLE = text(f"""
    SELECT customer.id, {_FIELDS}, club.name AS club_name
    FROM customer LEFT JOIN club ON club.tenant_id = customer.tenant_id AND club.id = customer.club_id
    WHERE customer.tenant_id = :tenant_id AND customer.id = :customer_id
""")  # noqa: S608 - the field names are ours


class TemplateNotFound(NotFound):
    """There is no such template in this tenant."""

    def __init__(self) -> None:
        super().__init__("There is no such template.")


def get(*, tenant_id: UUID, template_id: UUID) -> Template:
    """Return a template, or raise TemplateNotFound."""
    with transaction(tenant_id) as session:
        found = session.get(Template, (tenant_id, template_id))
        if found is None:
            raise TemplateNotFound
        return found


def source(*, tenant_id: UUID, template_id: UUID) -> LetterSource:
    """Return what a template's author wrote, or raise TemplateNotFound."""
    with transaction(tenant_id) as session:
        found = session.execute(
            select(Template.subject, Template.html, Template.text).where(
                Template.tenant_id == tenant_id, Template.id == template_id
            )
        ).first()
    if found is None:
        raise TemplateNotFound
    return LetterSource(found.subject, found.html, found.text)


def page(
    *, tenant_id: UUID, q: str | None = None, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[Template]:
    """Return templates by name, a page at a time; `q` is a part of the name."""
    query = select(Template).where(Template.tenant_id == tenant_id).order_by(Template.name, Template.id)
    if q:
        query = query.where(Template.name.icontains(q, autoescape=True))
    if cursor:
        name, template_id = decode_cursor(cursor, 2)
        query = query.where(tuple_(Template.name, Template.id) > (str(name), id_of(template_id)))
    with transaction(tenant_id) as session:
        rows = session.scalars(query.limit(limit + 1)).all()
    return cut(rows, limit, lambda row: (row.name, row.id), lambda row: row)


def choices(*, tenant_id: UUID, channel: str = "EMAIL") -> list[tuple[str, str]]:
    """Return (id, name) of every template of a channel by name, for a select."""
    with transaction(tenant_id) as session:
        rows = session.execute(
            select(Template.id, Template.name)
            .where(Template.tenant_id == tenant_id, Template.channel == channel)
            .order_by(Template.name)
        )
        return [(str(row.id), row.name) for row in rows]


def sample_customer(*, tenant_id: UUID, customer_id: UUID) -> Mapping[str, Any] | None:
    """Return the merge-tag fields, id and club_name of a customer, or None when there is no such one."""
    with transaction(tenant_id) as session:
        found = session.execute(SAMPLE, {"tenant_id": tenant_id, "customer_id": customer_id}).mappings().first()
    return None if found is None else dict(found)
