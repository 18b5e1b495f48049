"""Keys of machines: shown once, kept as a hash, allowed what their scopes name."""

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from app.accounts import audit, credentials
from app.accounts.actor import Actor
from app.accounts.permissions import PERMISSIONS, grantable_scopes
from app.infra import clock
from app.infra.db import after_commit, transaction
from app.infra.errors import Invalid, NotFound
from app.infra.ids import new_id
from app.infra.paging import Page, cut, id_cursor
from app.infra.words import is_visible

PREFIX = f"{credentials.API_KEY}_"
USED_EVERY = timedelta(minutes=1)
MAX_NAME = 100
# Asking the database each time took a third of what taking in one event takes. A key revoked in another process is
# good for so long still.
REMEMBERED_SECONDS = 1.0
MAX_REMEMBERED = 1_000
_remembered: dict[bytes, tuple[float, Actor]] = {}


@dataclass(frozen=True, slots=True)
class Key:
    """A key as its list shows it: everything but the secret. `hint` is how the key begins and ends."""

    id: UUID
    name: str
    hint: str
    scopes: list[str]
    created_by: UUID | None
    created_by_name: str | None
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class KeyNotFound(NotFound):
    """The tenant has no such key."""

    def __init__(self) -> None:
        super().__init__("There is no such API key.")


_AUTHENTICATE = text("""
    SELECT name, secret_hash, scopes, last_used_at
    FROM api_key WHERE tenant_id = :tenant_id AND id = :id AND revoked_at IS NULL
""")
_USED = text("""
    UPDATE api_key SET last_used_at = :now
    WHERE tenant_id = :tenant_id AND id = :id AND (last_used_at IS NULL OR last_used_at < :stale)
""")
_SHOWN = """
    SELECT k.id, k.name, k.hint, k.scopes, k.created_by, u.name AS created_by_name, k.created_at, k.last_used_at,
           k.revoked_at
    FROM api_key k LEFT JOIN users u ON u.tenant_id = k.tenant_id AND u.id = k.created_by
"""


def create(*, tenant_id: UUID, actor: Actor, name: str, scopes: list[str], ip: str | None = None) -> tuple[Key, str]:
    """Make a key and return it with its full text, which can never be shown again.

    Nobody can give a key what they may not do themselves. Raises Invalid.
    """
    name = name.strip()
    errors: dict[str, str] = {}
    if not is_visible(name) or len(name) > MAX_NAME:
        errors["name"] = f"Give the key a name of 1 to {MAX_NAME} characters: which machine uses it?"
    allowed = grantable_scopes(actor.permissions)
    refused = [scope for scope in scopes if scope not in allowed]
    if refused:
        errors["scopes"] = f"These scopes do not exist or are not yours to give: {', '.join(sorted(refused))[:200]}."
    elif not scopes:
        errors["scopes"] = "Choose at least one scope: what may the machine do?"
    if errors:
        raise Invalid(errors)
    key_id = new_id()
    full, secret_hash = credentials.make(credentials.API_KEY, tenant_id, key_id)
    kept = [scope for scope in PERMISSIONS if scope in scopes]
    with transaction(tenant_id) as session:
        session.execute(
            text("""
                INSERT INTO api_key (tenant_id, id, name, hint, secret_hash, scopes, created_by)
                VALUES (:tenant_id, :id, :name, :hint, :secret_hash, :scopes, :created_by)
            """),
            {
                "tenant_id": tenant_id,
                "id": key_id,
                "name": name,
                "hint": f"{PREFIX}…{full[-4:]}",
                "secret_hash": secret_hash,
                "scopes": kept,
                "created_by": actor.user_id,
            },
        )
        audit.record(session, actor.ref, "api_key_created", "api_key", key_id, {"name": name, "scopes": kept}, ip)
        row = session.execute(
            text(f"{_SHOWN} WHERE k.tenant_id = :tenant_id AND k.id = :id"), {"tenant_id": tenant_id, "id": key_id}
        ).one()
    return Key(*row), full


def listed(*, tenant_id: UUID, limit: int = 50, cursor: str | None = None) -> Page[Key]:
    """Return the tenant's keys, the newest first; revoked ones stay listed."""
    after = id_cursor(cursor)
    with transaction(tenant_id) as session:
        rows = session.execute(
            text(f"""{_SHOWN}
                WHERE k.tenant_id = :tenant_id AND (CAST(:after AS uuid) IS NULL OR k.id < :after)
                ORDER BY k.id DESC LIMIT :limit
            """),
            {"tenant_id": tenant_id, "after": after, "limit": limit + 1},
        ).all()
    return cut(rows, limit, lambda row: (row.id,), lambda row: Key(*row))


def revoke(*, tenant_id: UUID, actor: Actor, key_id: UUID, ip: str | None = None, now: datetime | None = None) -> None:
    """End a key at once; ending it again changes nothing. Raises KeyNotFound."""
    with transaction(tenant_id) as session:
        row = session.execute(
            text("SELECT name, revoked_at FROM api_key WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE"),
            {"tenant_id": tenant_id, "id": key_id},
        ).one_or_none()
        if row is None:
            raise KeyNotFound
        if row.revoked_at is None:
            session.execute(
                text("UPDATE api_key SET revoked_at = :now WHERE tenant_id = :tenant_id AND id = :id"),
                {"now": now or clock.now(), "tenant_id": tenant_id, "id": key_id},
            )
            audit.record(session, actor.ref, "api_key_revoked", "api_key", key_id, {"name": row.name}, ip)
            after_commit(_remembered.clear)


def authenticate(key: str, *, now: datetime | None = None) -> Actor | None:
    """Return the machine whose key this is, or None; at most once a minute this notes that the key was used.

    The answer may be REMEMBERED_SECONDS old; one for a given `now` never is.
    """
    if now is not None:
        return _look_up(key, now)
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    until, actor = _remembered.get(digest, (0.0, None))
    if actor is not None and time.monotonic() < until:
        return actor
    # Measured from before the look-up: what is revoked meanwhile is not good for longer.
    until = time.monotonic() + REMEMBERED_SECONDS
    actor = _look_up(key, clock.now())
    if actor is not None:
        if len(_remembered) >= MAX_REMEMBERED:
            _remembered.clear()
        _remembered[digest] = (until, actor)
    return actor


def _look_up(key: str, now: datetime) -> Actor | None:
    given = credentials.parse(credentials.API_KEY, key)
    if given is None:
        return None
    where = {"tenant_id": given.tenant_id, "id": given.row_id}
    with transaction(given.tenant_id) as session:
        row = session.execute(_AUTHENTICATE, where).one_or_none()
        if row is None or not given.matches(row.secret_hash):
            return None
        if row.last_used_at is None or row.last_used_at < now - USED_EVERY:
            session.execute(_USED, where | {"now": now, "stale": now - USED_EVERY})
    return Actor(
        tenant_id=given.tenant_id,
        user_id=None,
        name=row.name,
        email=None,
        role=None,
        permissions=frozenset(row.scopes) & PERMISSIONS.keys(),
        via="key",
        key_id=given.row_id,
    )
