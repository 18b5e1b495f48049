"""Tasks: what a colleague, or whoever has a role, is to do about a customer, and until when."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.accounts import queries as accounts
from app.accounts.permissions import ROLES, permissions_of
from app.customers.queries import DISPLAY_NAME
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.errors import NotFound
from app.infra.ids import as_id

PERMISSION = "tasks.do"
LIMIT = 50
_NAME = DISPLAY_NAME.compile(compile_kwargs={"literal_binds": True})
_SHOWN = f"""
    SELECT task.id, task.key, task.customer_id, {_NAME} AS customer_name, task.title, task.details, task.user_id,
        task.role, users.name AS user_name, task.due_at, task.created_at, task.done_at, task.done_by_name
    FROM task JOIN customer ON customer.tenant_id = task.tenant_id AND customer.id = task.customer_id
    LEFT JOIN users ON users.tenant_id = task.tenant_id AND users.id = task.user_id
    WHERE task.tenant_id = :tenant_id
"""  # noqa: S608 - the name is ours
_PUT = text("""
    INSERT INTO task (tenant_id, key, customer_id, title, details, user_id, role, due_at, created_by, created_at)
    SELECT :tenant_id, asked.key, asked.customer, asked.title, asked.details, :user_id, :role, :due_at, :by, :now
    FROM unnest(CAST(:keys AS text[]), CAST(:customers AS uuid[]), CAST(:titles AS text[]), CAST(:details AS text[]))
        AS asked(key, customer, title, details)
    ON CONFLICT (tenant_id, key) DO NOTHING
    RETURNING key, id
""")
_KEYED = text(f"{_SHOWN} AND task.key = ANY(CAST(:keys AS text[]))")
_ONE = text(f"{_SHOWN} AND task.id = :id")
_OPEN = text(f"{_SHOWN} AND task.id = ANY(CAST(:ids AS uuid[])) AND task.done_at IS NULL ORDER BY task.id")
# Each half is read from its index, no further than is shown: a role may have very many.
_MINE = text(f"""
    WITH task AS MATERIALIZED (
        (SELECT * FROM task WHERE tenant_id = :tenant_id AND user_id = :user_id AND done_at IS NULL
            ORDER BY due_at, id LIMIT :limit)
        UNION ALL
        (SELECT * FROM task WHERE tenant_id = :tenant_id AND role = :role AND done_at IS NULL
            ORDER BY due_at, id LIMIT :limit))
    {_SHOWN} ORDER BY task.due_at, task.id LIMIT :limit
""")  # noqa: S608 - as above
_OF_CUSTOMER = text(f"""{_SHOWN} AND task.customer_id = :customer_id AND (task.done_at IS NULL OR task.done_at > :since)
    ORDER BY task.done_at IS NOT NULL, task.due_at, task.id LIMIT :limit
""")
_DONE_BY = text(f"""{_SHOWN} AND task.done_by = :actor AND task.done_at > :since
    ORDER BY task.done_at DESC, task.id LIMIT :limit
""")
_DONE = text("""
    UPDATE task SET done_at = :now, done_by = :by, done_by_name = :name
    WHERE tenant_id = :tenant_id AND id = :id AND done_at IS NULL
    RETURNING key
""")
_AGAIN = text("""
    UPDATE task SET done_at = NULL, done_by = NULL, done_by_name = NULL WHERE tenant_id = :tenant_id AND id = :id
    RETURNING key
""")


class NoSuchTask(NotFound):
    """There is no task with this id."""

    def __init__(self) -> None:
        super().__init__("There is no such task (any more).")


class Follower(Protocol):
    """Told when a task is done, in the same transaction."""

    def __call__(self, session: Session, tenant_id: UUID, key: str, now: datetime) -> None:
        """Take note of the task that was put in under this key."""


@dataclass(frozen=True, slots=True)
class NewTask:
    """What is to be done about one customer; of two with one `key` the first is kept."""

    key: str
    customer_id: UUID
    title: str
    details: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it is shown: for `user_name`, else for whoever has the `role`."""

    id: UUID
    key: str
    customer_id: UUID
    customer_name: str
    title: str
    details: str | None
    user_id: UUID | None
    role: str | None
    user_name: str | None
    due_at: datetime | None
    created_at: datetime
    done_at: datetime | None
    done_by_name: str | None

    @property
    def whose(self) -> str:
        """Return who is to do it: a colleague's name, or "anybody with the role staff"."""
        return self.user_name or f"anybody with the role {self.role}"


def colleagues(*, tenant_id: UUID) -> dict[str, str]:
    """Return whom tasks can be given to: roles ("role:staff") and people ("user:<id>"), with what they are called."""
    roles = {f"role:{role}": f"Anybody with the role {role}" for role in ROLES if PERMISSION in permissions_of(role)}
    people = accounts.active_users(tenant_id=tenant_id)
    return roles | {f"user:{one.id}": one.name for one in people if PERMISSION in permissions_of(one.role)}


def readers_of(*, tenant_id: UUID, to: str) -> list[accounts.UserInfo]:
    """Return the people a task given to `to` (see `colleagues`) is for."""
    return [
        one
        for one in accounts.active_users(tenant_id=tenant_id)
        if to in (f"user:{one.id}", f"role:{one.role}") and PERMISSION in permissions_of(one.role)
    ]


def put(
    *, tenant_id: UUID, to: str, tasks: Sequence[NewTask], due_at: datetime | None, actor: str, now: datetime
) -> dict[str, UUID]:
    """Give tasks to a colleague or a role (see `colleagues`) and return the ids of those not given before, by key."""
    kind, _, name = to.partition(":")
    values = {
        "tenant_id": tenant_id,
        "user_id": as_id(name) if kind == "user" else None,
        "role": name if kind == "role" else None,
        "due_at": due_at,
        "by": actor,
        "now": now,
        "keys": array(one.key for one in tasks),
        "customers": array(one.customer_id for one in tasks),
        "titles": array(one.title for one in tasks),
        "details": array(one.details for one in tasks),
    }
    with transaction(tenant_id) as session:
        return {row.key: row.id for row in session.execute(_PUT, values)}


def by_keys(*, tenant_id: UUID, keys: Collection[str]) -> dict[str, Task]:
    """Return tasks by their keys."""
    return {one.key: one for one in _read(tenant_id, _KEYED, {"keys": array(keys)})}


def task(*, tenant_id: UUID, task_id: UUID) -> Task:
    """Return a task, or raise NoSuchTask."""
    found = _read(tenant_id, _ONE, {"id": task_id})
    if not found:
        raise NoSuchTask
    return found[0]


def still_open(*, tenant_id: UUID, task_ids: Collection[UUID]) -> list[Task]:
    """Return which of some tasks are there and not done, in the order in which they were given."""
    return _read(tenant_id, _OPEN, {"ids": array(task_ids)})


def mine(*, tenant_id: UUID, user_id: UUID | None, role: str) -> list[Task]:
    """Return what somebody is to do, alone or as one of their role: what is due first, first."""
    return _read(tenant_id, _MINE, {"user_id": user_id, "role": role, "limit": LIMIT})


def done_by(*, tenant_id: UUID, actor: str, since: datetime) -> list[Task]:
    """Return what somebody has done `since` then, the latest first."""
    return _read(tenant_id, _DONE_BY, {"actor": actor, "since": since, "limit": 5})


def of_customer(*, tenant_id: UUID, customer_id: UUID, since: datetime) -> list[Task]:
    """Return what is to be done about a customer, then what was done `since` then."""
    return _read(tenant_id, _OF_CUSTOMER, {"customer_id": customer_id, "since": since, "limit": LIMIT})


def done(
    *, tenant_id: UUID, task_id: UUID, actor: str, name: str, now: datetime, followers: Sequence[Follower] = ()
) -> None:
    """Note that a task is done, by whom; one that was done already stays as it is. Raises NoSuchTask."""
    with transaction(tenant_id) as session:
        values = {"tenant_id": tenant_id, "id": task_id, "now": now, "by": actor, "name": name}
        key = session.scalar(_DONE, values)
        if key is None:
            task(tenant_id=tenant_id, task_id=task_id)
            return
        for follow in followers:
            follow(session, tenant_id, key, now)


def reopen(*, tenant_id: UUID, task_id: UUID) -> None:
    """Take back that a task is done; what went on because of it has gone on. Raises NoSuchTask."""
    with transaction(tenant_id) as session:
        if session.scalar(_AGAIN, {"tenant_id": tenant_id, "id": task_id}) is None:
            raise NoSuchTask


def _read(tenant_id: UUID, statement: Any, values: Mapping[str, Any]) -> list[Task]:
    with transaction(tenant_id) as session:
        rows: Sequence[Row[Any]] = session.execute(statement, {"tenant_id": tenant_id, **values}).all()
    return [Task(**row._mapping) for row in rows]
