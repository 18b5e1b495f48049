"""The database: one engine, one way to open a transaction, one place that commits.

The app connects as the role `fairway_app`, which owns nothing and is bound by row-level security on every tenant
table; `transaction(tenant_id)` names the tenant for as long as the transaction lasts. `dispatching()` is the one way
to see across tenants, and sees only which of them have work due.
"""

import functools
import logging
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Annotated, Any, ClassVar, ParamSpec, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

import orjson
import psycopg
from flask_sqlalchemy import SQLAlchemy
from psycopg.types.json import set_json_loads
from sqlalchemy import ARRAY, Connection, DateTime, MetaData, Table, Text, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import InvalidatePoolError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from app.infra.ids import new_id

P = ParamSpec("P")
Result = TypeVar("Result")
log = logging.getLogger(__name__)

APP_ROLE = "fairway_app"
DISPATCH_ROLE = "fairway_dispatch"
STATEMENT_TIMEOUT_MS = 60_000


# Postgres gives even 1e30 back as a whole number, of more digits than orjson writes: read by it, it is what it was.
set_json_loads(orjson.loads)


class Base(DeclarativeBase):
    """All tables. Constraint names follow one pattern, so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(none_as_null=True),
        list[str]: ARRAY(Text),
        str: Text,
    }


Key = Annotated[UUID, mapped_column(primary_key=True)]


class TenantRow:
    """Mixin: a row of one tenant, keyed `(tenant_id, id)` so that foreign keys cannot cross tenants."""

    tenant_id: Mapped[Key]
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, server_default=text("uuid7()"))


def worked_out(table: Table) -> frozenset[str]:
    """Return the columns that Postgres works out itself, by an expression or a trigger: nobody else writes them."""
    return frozenset(one.name for one in table.columns if one.server_onupdate is not None)


db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False})


class WrongTenant(RuntimeError):
    """A transaction of one tenant was asked for inside a transaction of another."""


def serving_url(url: str) -> str:
    """Return the SQLAlchemy URL of `url` for psycopg, whose connections start in the app's role.

    The role travels in the start-up options, so that RESET ROLE comes back to it and not to the login's own rights.
    """
    parts = urlsplit(driver_url(url))
    query = dict(parse_qsl(parts.query))
    settings = f"-c role={APP_ROLE} -c statement_timeout={STATEMENT_TIMEOUT_MS} -c timezone=UTC"
    query["options"] = f"{query.get('options', '')} {settings}".strip()
    query.setdefault("connect_timeout", "5")
    return urlunsplit(parts._replace(query=urlencode(query)))


def driver_url(url: str) -> str:
    """Return `url` with SQLAlchemy's name for psycopg 3 as its scheme."""
    scheme, separator, rest = url.partition("://")
    if scheme not in ("postgres", "postgresql", "postgresql+psycopg") or not separator:
        raise ValueError("DATABASE_URL must start with postgresql://")
    return f"postgresql+psycopg://{rest}"


# A connection that was idle for longer may have been dropped on its way without either end being told.
IDLE_SECONDS = 10.0
_IDLE_SINCE = "fairway.idle_since"


@event.listens_for(Pool, "checkin")
def _note_idle(_connection: object, entry: ConnectionPoolEntry) -> None:
    entry.info[_IDLE_SINCE] = time.monotonic()


@event.listens_for(Pool, "checkout")
def _check_alive(connection: "psycopg.Connection[Any]", entry: ConnectionPoolEntry, _proxy: object) -> None:
    """Replace pooled connections that broke, asking the server only where there is a reason to doubt.

    A server that ended has closed the socket, which then has something to read. Asking it each time (pool_pre_ping)
    took a third of what an empty transaction takes.
    """
    idle_since = entry.info.get(_IDLE_SINCE)
    if idle_since is None or connection.closed:
        return
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if time.monotonic() - idle_since < IDLE_SECONDS and not waiting.poll(0):
        return
    try:
        connection.autocommit = True
        connection.execute("SELECT 1")
        connection.autocommit = False
    except psycopg.Error:
        raise InvalidatePoolError from None


_TENANT = "fairway.tenant"
_HOOKS = "fairway.after_commit"


@contextmanager
def transaction(tenant_id: UUID | None) -> Iterator[Session]:
    """Open the transaction of one tenant (None: of nobody, which sees no tenant's rows), or join the open one.

    Only the outermost call commits; then the `after_commit` hooks run. An exception rolls everything back; objects
    that were read before it keep what they hold, as they do after a commit.
    """
    session = db.session()
    if _TENANT in session.info:
        if session.info[_TENANT] != tenant_id:
            raise WrongTenant(f"inside a transaction of {session.info[_TENANT]}, asked for {tenant_id}")
        yield session
        return
    session.info[_TENANT] = tenant_id
    session.info[_HOOKS] = []
    try:
        _name_tenant(session, tenant_id)
        yield session
        session.commit()
    except BaseException:
        # A rollback would empty them, and reading them again later happens in nobody's transaction and finds nothing.
        session.expunge_all()
        session.rollback()
        session.info.pop(_HOOKS)
        raise
    finally:
        del session.info[_TENANT]
    for hook in session.info.pop(_HOOKS):
        hook()


class _Undone(Exception):
    """Ends a transaction of which nothing is to stay."""


@contextmanager
def undone(tenant_id: UUID) -> Iterator[Session]:
    """Open the transaction of one tenant in which everything can be done and of which nothing stays.

    No hook of `after_commit` runs. It can't be opened inside another one: what that one did would be undone as well.
    """
    if _TENANT in db.session().info:
        raise WrongTenant("inside a transaction, asked for one that is undone")
    with suppress(_Undone), transaction(tenant_id) as session:
        yield session
        raise _Undone


def _name_tenant(session: Session, tenant_id: UUID | None) -> None:
    """Begin the transaction by naming its tenant.

    Past SQLAlchemy, and as a plain command: every transaction does it, and so it takes half the time.
    """
    connection = session.connection()
    named = f"SET LOCAL fairway.tenant_id = '{UUID(int=tenant_id.int) if tenant_id else ''}'"
    driver = connection.connection.driver_connection
    try:
        assert isinstance(driver, psycopg.Connection)
        driver.execute(named, prepare=False)
    except psycopg.Error:
        # As SQLAlchemy tells of it, and so that it drops a connection that is broken.
        connection.exec_driver_sql(named)


_ONCE = "fairway.once"


def once(read: Callable[P, Result]) -> Callable[P, Result]:
    """Let a function that reads, by arguments that can be hashed, be asked once for all within `asking_once`."""

    @functools.wraps(read)
    def reading(*args: P.args, **more: P.kwargs) -> Result:
        known = db.session().info.get(_ONCE)
        if known is None:
            return read(*args, **more)
        asked = (read, args, tuple(sorted(more.items())))
        if asked not in known:
            known[asked] = read(*args, **more)
        return known[asked]  # type: ignore[no-any-return]

    return reading


@contextmanager
def asking_once(tenant_id: UUID) -> Iterator[Session]:
    """Open a transaction, or join the open one, in which what is marked `once` is asked once: for views that only show.

    Nothing that such functions read may be written in it, and nobody may change what they returned.
    """
    with transaction(tenant_id) as session:
        outer = session.info.get(_ONCE)
        session.info[_ONCE] = {} if outer is None else outer
        try:
            yield session
        finally:
            if outer is None:
                del session.info[_ONCE]


@contextmanager
def beside(tenant_id: UUID) -> Iterator[Connection]:
    """Open a transaction of the tenant on another connection: what it does stays, whatever becomes of the open one.

    It must not wait for what that one has locked: Postgres would not see the circle. What it did may be lost when
    Postgres crashes.
    """
    with db.engine.engine.begin() as connection:
        named = f"SET LOCAL fairway.tenant_id = '{UUID(int=tenant_id.int)}'"
        connection.exec_driver_sql(f"{named}; SET LOCAL synchronous_commit = off")
        yield connection


_SETTINGS = {
    **{f"enable_{way}": "off" for way in ("seqscan", "bitmapscan", "material", "hashjoin", "mergejoin")},
    # Rows that are read and left aside are taken to be dear: there may be many more than is known.
    "cpu_tuple_cost": "1",
    # Nor are these plans worth being compiled, dear as they are made to look.
    "jit": "off",
}
_BY_INDEX = "; ".join(f"SET LOCAL {name} = {value}" for name, value in _SETTINGS.items())
_OF_NOW = f"{_BY_INDEX}; SET LOCAL plan_cache_mode = force_custom_plan"
_AS_BEFORE = "; ".join(f"SET LOCAL {name} = DEFAULT" for name in (*_SETTINGS, "plan_cache_mode"))

# Of an empty table an index in the asked order looks no cheaper than sorting what another one finds.
_IN_ORDER = f"{_BY_INDEX}; SET LOCAL enable_sort = off"


def look_up_by_index(session: Session, *, in_order: bool = False) -> None:
    """Let the open transaction find rows by their indexes, one after the other, whatever the statistics say.

    For statements that touch some hundred rows of large tables, row by row: where statistics are old, or of an empty
    table, the planner reads all of a tenant's rows for each batch, or compares every row with every other.
    `in_order`: only what is first in the order of an index is wanted. Not for a list of ids in order, for which
    Postgres 16 would read all there are.
    """
    session.connection().exec_driver_sql(_IN_ORDER if in_order else _BY_INDEX)


@contextmanager
def looking_up_by_index(session: Session) -> Iterator[None]:
    """Let a block do what `look_up_by_index` does, in a transaction that has more to do than that, with plans of now.

    For joins with a list of ids: a plan that was made and kept while a table was as good as empty goes through all that
    is in it by now, for each list. Not for inserts, of whose rows each foreign key would be planned anew (12 µs a row).
    An error leaves the settings: the transaction, or its savepoint, is over by it.
    """
    session.connection().exec_driver_sql(_OF_NOW)
    yield
    session.connection().exec_driver_sql(_AS_BEFORE)


def after_commit(hook: Callable[[], None]) -> None:
    """Run `hook` once the open transaction has committed; outside one it is an error to ask."""
    db.session().info[_HOOKS].append(hook)


DEADLOCK = "40P01"
MAX_ATTEMPTS = 5


class Overtaken(Exception):
    """Somebody has changed what an act had read, before it was done; it has to begin again."""


def again_after_deadlock(act: Callable[P, Result]) -> Callable[P, Result]:
    """Let a service function begin again, up to five times in all, when it lost a deadlock or raised Overtaken.

    Nothing of it was kept. Inside an open transaction the error is passed on, since only who opened that one can begin
    again.
    """

    @functools.wraps(act)
    def trying(*args: P.args, **more: P.kwargs) -> Result:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                return act(*args, **more)
            except (OperationalError, Overtaken) as error:
                lost = isinstance(error, Overtaken) or getattr(error.orig, "sqlstate", None) == DEADLOCK
                if not lost or attempt == MAX_ATTEMPTS or _TENANT in db.session().info:
                    raise
                why = error if isinstance(error, Overtaken) else "deadlock"
                log.info("%s.%s begins again: %s", act.__module__, act.__qualname__, why)
        raise AssertionError("the last attempt returns or raises")

    return trying


@contextmanager
def dispatching() -> Iterator[Session]:
    """Open a read-only transaction that sees, of all tenants, only the columns that say what work is due."""
    session = db.session()
    if _TENANT in session.info:
        raise WrongTenant("the dispatcher looks across tenants; it cannot run inside a tenant's transaction")
    try:
        session.execute(text(f"SET LOCAL ROLE {DISPATCH_ROLE}"))
        yield session
    finally:
        session.rollback()
