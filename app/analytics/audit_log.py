"""Reading the audit trail: who did what to which object, with what the people and objects are called today."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.customers import household_queries
from app.customers.called import UNNAMED
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.ids import as_id
from app.infra.paging import DEFAULT_LIMIT, Page, cut, decode_cursor, id_of, moment_of

# By type of object, its table and what it is called there.
_NAMED = {
    "api_key": ("api_key", "x.name"),
    "campaign": ("campaign", "x.name"),
    "club": ("club", "x.name"),
    "custom_field": ("custom_field", "x.label"),
    "customer": (
        "customer",
        f"coalesce(nullif(concat_ws(' ', x.first_name, x.last_name), ''), x.email, x.phone, '{UNNAMED}')",
    ),
    "image": ("image", "x.name"),
    "import_mapping": ("import_mapping", "x.name"),
    "import_run": ("import_run", "x.file_name"),
    "journey": ("journey", "x.name"),
    "mail_sender": ("mail_sender", "x.name"),
    "segment": ("segment", "x.name"),
    "sending_domain": ("sending_domain", "x.domain"),
    "snippet": ("snippet", "x.name"),
    "tag": ("tag", "x.name"),
    "template": ("template", "x.name"),
    "tenant": ("tenant", "x.name"),
    "topic": ("topic", "x.name"),
    "user": ("users", "x.name"),
}
HOUSEHOLD = "household"
_KEYS = {"tenant": "x.id"}
_PAGE = """
    SELECT e.id, e.at, e.actor, coalesce(u.name, k.name) AS actor_name, e.action, e.object_type, e.object_id, e.detail,
        e.ip
    FROM audit_entry e
    LEFT JOIN users u ON u.tenant_id = e.tenant_id AND u.id = e.user_id
    LEFT JOIN api_key k ON k.tenant_id = e.tenant_id
        AND k.id = CASE WHEN e.actor LIKE 'key:%' THEN CAST(substr(e.actor, 5) AS uuid) END
    WHERE e.tenant_id = :tenant_id{conditions}
    ORDER BY e.at DESC, e.id DESC LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which entries; everything given must hold. `since` is the first moment, `until` the first that is too late.

    `actor` is as entries name it (`user:<id>`, `key:<id>`, `system`); without `actions` it may be any.
    """

    actor: str | None = None
    actions: Collection[str] | None = None
    object_type: str | None = None
    object_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One act. `actor_name` and `object_name` are None for who or what is not there any more, or has no name."""

    id: UUID
    at: datetime
    actor: str
    actor_name: str | None
    action: str
    object_type: str
    object_id: str | None
    detail: dict[str, Any]
    ip: str | None
    object_name: str | None = None


_CONDITIONS = {
    "actor": "e.actor = :actor",
    "actions": "e.action = ANY(CAST(:actions AS text[]))",
    "object_type": "e.object_type = :object_type",
    "object_id": "e.object_id = :object_id",
    "since": "e.at >= :since",
    "until": "e.at < :until",
}


def page(*, tenant_id: UUID, asked: Asked, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> Page[Entry]:
    """Return entries, the newest first; raises BadCursor."""
    values: dict[str, Any] = {"tenant_id": tenant_id, "limit": limit + 1}
    held = []
    for name, condition in _CONDITIONS.items():
        given = getattr(asked, name)
        if given is not None:
            values[name] = array(given) if name == "actions" else given
            held.append(condition)
    if cursor:
        at, identity = decode_cursor(cursor, 2)
        values |= {"last_at": moment_of(at), "last_id": id_of(identity)}
        held.append("(e.at, e.id) < (:last_at, :last_id)")
    conditions = "".join(f" AND {one}" for one in held)
    with transaction(tenant_id) as session:
        rows = session.execute(text(_PAGE.format(conditions=conditions)), values).all()
        names = _names(session, tenant_id, ((row.object_type, row.object_id) for row in rows))

    def shown(row: Any) -> Entry:
        return Entry(**row._mapping, object_name=names.get((row.object_type, row.object_id)))

    return cut(rows, limit, lambda row: (row.at, row.id), shown)


def object_name(*, tenant_id: UUID, object_type: str, object_id: str) -> str | None:
    """Return what an object is called today; None if it has no name or is not there any more."""
    with transaction(tenant_id) as session:
        return _names(session, tenant_id, [(object_type, object_id)]).get((object_type, object_id))


def _names(
    session: Session, tenant_id: UUID, objects: Iterable[tuple[str, str | None]]
) -> dict[tuple[str, str | None], str]:
    """Return what those of the objects that are still there are called, in one statement (households in one more)."""
    wanted: dict[str, set[UUID]] = {}
    for kind, said in objects:
        identity = as_id(said)
        if identity is not None:
            wanted.setdefault(kind, set()).add(identity)
    homes = wanted.pop(HOUSEHOLD, set())
    known = [kind for kind in _NAMED if kind in wanted]
    found: dict[tuple[str, str | None], str] = {}
    if known:
        union = " UNION ALL ".join(
            f"SELECT '{kind}' AS kind, x.id, {_NAMED[kind][1]} AS name FROM {_NAMED[kind][0]} x"  # noqa: S608 - our names
            f" WHERE {_KEYS.get(kind, 'x.tenant_id')} = :tenant_id AND x.id = ANY(CAST(:{kind} AS uuid[]))"
            for kind in known
        )
        values = {"tenant_id": tenant_id, **{kind: array(wanted[kind]) for kind in known}}
        found = {(row.kind, str(row.id)): row.name for row in session.execute(text(union), values)}
    named = household_queries.by_ids(tenant_id=tenant_id, household_ids=homes) if homes else {}
    return found | {(HOUSEHOLD, str(one)): home.name for one, home in named.items()}
