"""Topics: what people may want or not want to hear about. A topic is never deleted, only archived: proofs name it."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from app.accounts import audit
from app.customers.models import Topic
from app.infra import clock
from app.infra.db import again_after_deadlock, once, transaction
from app.infra.errors import Invalid, NotFound
from app.infra.ids import as_id, new_id
from app.infra.paging import DEFAULT_LIMIT, Page, cut, id_cursor
from app.infra.words import is_printable, is_visible

MAX_NAME = 80
MAX_DESCRIPTION = 300
MAX_TOPICS = 50
_FLAGS = ("opt_in_only", "double_opt_in")


class NoSuchTopic(NotFound):
    """There is no topic with this id or key."""

    def __init__(self) -> None:
        super().__init__("There is no such topic.")


@once
def topics(*, tenant_id: UUID, archived: bool = False) -> list[Topic]:
    """Return the topics by name: those in use, or with `archived` all of them, those in use first."""
    wanted = select(Topic).where(Topic.tenant_id == tenant_id)
    if not archived:
        wanted = wanted.where(Topic.archived_at.is_(None))
    ordered = wanted.order_by(Topic.archived_at.is_not(None), func.lower(Topic.name), Topic.id)
    with transaction(tenant_id) as session:
        return list(session.scalars(ordered.execution_options(populate_existing=True)))


def page(
    *, tenant_id: UUID, archived: bool = False, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[Topic]:
    """Return the topics in the order they were made, a page at a time; with `archived` those too."""
    wanted = select(Topic).where(Topic.tenant_id == tenant_id)
    if not archived:
        wanted = wanted.where(Topic.archived_at.is_(None))
    if cursor:
        wanted = wanted.where(Topic.id > id_cursor(cursor))
    ordered = wanted.order_by(Topic.id).limit(limit + 1)
    with transaction(tenant_id) as session:
        rows = session.scalars(ordered.execution_options(populate_existing=True)).all()
    return cut(rows, limit, lambda row: (row.id,), lambda row: row)


def topic(*, tenant_id: UUID, topic_id: UUID) -> Topic:
    """Return a topic, archived ones too, or raise NoSuchTopic."""
    with transaction(tenant_id) as session:
        found = session.get(Topic, (tenant_id, topic_id), populate_existing=True)
        if found is None:
            raise NoSuchTopic
        return found


def named(*, tenant_id: UUID, name: str) -> Topic:
    """Return the topic whose id or key `name` is, archived ones too, or raise NoSuchTopic."""
    topic_id = as_id(name)
    wanted = select(Topic).where(Topic.tenant_id == tenant_id)
    wanted = wanted.where(Topic.id == topic_id) if topic_id else wanted.where(Topic.key == name)
    with transaction(tenant_id) as session:
        found = session.scalar(wanted.execution_options(populate_existing=True))
        if found is None:
            raise NoSuchTopic
        return found


def create(
    *,
    tenant_id: UUID,
    name: str,
    actor: str,
    description: str = "",
    opt_in_only: bool = False,
    double_opt_in: bool = False,
) -> Topic:
    """Add a topic and return it, or raise Invalid. Its key is made of its name and stays when it is renamed."""
    fields = _checked({"name": name, "description": description})
    with transaction(tenant_id) as session:
        keys = set(session.scalars(select(Topic.key).where(Topic.tenant_id == tenant_id)))
        if len(keys) >= MAX_TOPICS:
            raise Invalid({"name": f"There are {MAX_TOPICS} topics already; nobody reads through more."})
        made = Topic(
            tenant_id=tenant_id,
            id=new_id(),
            key=_free_key(fields["name"], keys),
            opt_in_only=opt_in_only,
            double_opt_in=double_opt_in,
            **fields,
        )
        try:
            with session.begin_nested():
                session.add(made)
                session.flush()
        except IntegrityError:
            raise _name_taken() from None
        session.refresh(made)
        audit.record(session, actor, "topic.created", "topic", made.id, {"name": made.name})
        return made


@again_after_deadlock
def update(
    *, tenant_id: UUID, topic_id: UUID, changes: Mapping[str, Any], actor: str, now: datetime | None = None
) -> Topic:
    """Change a topic's `name`, `description`, `opt_in_only` or `double_opt_in`, or archive it (`archived`: a bool).

    An archived topic is offered to nobody any more; what people said about it stays, and still holds for messages
    that name it. Raises NoSuchTopic or Invalid.
    """
    fields = _checked({name: changes[name] for name in ("name", "description") if name in changes})
    fields |= {name: bool(changes[name]) for name in _FLAGS if name in changes}
    with transaction(tenant_id) as session:
        found = session.get(Topic, (tenant_id, topic_id), with_for_update=True, populate_existing=True)
        if found is None:
            raise NoSuchTopic
        if "archived" in changes and bool(changes["archived"]) != (found.archived_at is not None):
            fields["archived_at"] = (now or clock.now()) if changes["archived"] else None
        changed = sorted(name for name, value in fields.items() if getattr(found, name) != value)
        for name in changed:
            setattr(found, name, fields[name])
        try:
            with session.begin_nested():
                session.flush()
        except IntegrityError:
            raise _name_taken() from None
        if changed:
            audit.record(session, actor, "topic.updated", "topic", topic_id, {"fields": changed})
        return found


def _checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return name and description as they are kept, or raise Invalid."""
    fields: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, value in changes.items():
        fields[name] = " ".join(str(value or "").split())
    if "name" in fields and not is_visible(fields["name"]):
        errors["name"] = "Give the topic a name that readers understand."
    for name, most in (("name", MAX_NAME), ("description", MAX_DESCRIPTION)):
        if len(fields.get(name, "")) > most or not is_printable(fields.get(name, "")):
            errors[name] = f"Use at most {most} printable characters."
    if errors:
        raise Invalid(errors)
    return fields


def _free_key(name: str, taken: set[str]) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    key = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40] or "topic"
    # A key is never mistaken for an id.
    key = f"topic-{key}" if as_id(key) else key
    numbered = (f"{key}-{number}" for number in range(2, MAX_TOPICS + 2))
    return key if key not in taken else next(one for one in numbered if one not in taken)


def _name_taken() -> Invalid:
    return Invalid({"name": "Another topic has this name, perhaps an archived one. Choose a different one."})
