"""Real PostgreSQL and Redis for every test: a database per run, a savepoint per test (or a database, if it commits)."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg
import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from psycopg import sql
from sqlalchemy import create_engine

if TYPE_CHECKING:
    from app.accounts.models import Tenant

ROOT = Path(__file__).parent.parent
# The same examples each time, however slow the machine: a run fails for what was changed, or not at all. Of "nightly"
# each run draws new ones, by the thousand.
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@contextmanager
def _servers() -> Iterator[tuple[str, str]]:
    """Yield (PostgreSQL URL of a login that may create databases, Redis URL): those given, else embedded ones."""
    from app.infra.embedded import servers_for_tests

    given = os.environ.get("FAIRWAY_TEST_DATABASE_URL"), os.environ.get("FAIRWAY_TEST_REDIS_URL")
    home = Path(os.environ.get("FAIRWAY_TEST_HOME", ROOT / "var" / "test"))
    with ExitStack() as stack:
        made = ("", "") if all(given) else stack.enter_context(servers_for_tests(home))
        yield given[0] or made[0], given[1] or made[1]


class Databases:
    """Makes databases as copies of one that is migrated; that one is kept as long as the migrations are the same."""

    def __init__(self, server: str) -> None:
        self.server = server
        files = sorted((ROOT / "migrations").rglob("*.py"))
        marks = hashlib.sha256(b"".join(one.read_bytes() for one in files)).hexdigest()[:12]
        self.template = f"fairway_template_{marks}"

    def url(self, name: str) -> str:
        """Return the URL of database `name` on the same server."""
        head, _, tail = self.server.partition("?")
        return f"{head.rpartition('/')[0]}/{name}" + (f"?{tail}" if tail else "")

    def _run(self, *statements: sql.Composed) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def exists(self, name: str) -> bool:
        """Return whether the server has database `name`."""
        with psycopg.connect(self.server) as connection:
            return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None

    def make(self, name: str, template: str | None = None) -> str:
        """Create database `name` (from `template`, which nobody may be connected to) and return its URL."""
        if template:
            made = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        else:
            made = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        self._run(made)
        return self.url(name)

    def drop(self, name: str) -> None:
        """Drop database `name`, whoever is still connected.

        Not by `WITH (FORCE)`: that is refused to all but a superuser while autovacuum happens to be in the database.
        A plain DROP sends autovacuum away and waits up to 5 s for those who leave.
        """
        self._run(
            sql.SQL(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {} AND usename = current_user"
            ).format(sql.Literal(name)),
            sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)),
        )

    def rename(self, old: str, new: str) -> None:
        """Give database `old` its final name, so that a half-made template is never taken for a whole one."""
        self._run(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new)))


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    with _servers() as (server, redis_url):
        yield _databases(server, redis_url)


def _databases(server: str, redis_url: str) -> Databases:
    os.environ.update(
        FAIRWAY_ENV="test",
        REDIS_URL=redis_url,
        SECRET_KEY="a secret of forty characters for tests only",
        ENCRYPTION_KEYS="tests-only",
        PUBLIC_URL="http://localhost",
        SMTP_URL="smtp://127.0.0.1:1",
        MAIL_FROM="no-reply@fairway.example",
        IN_HAND_DIR=str(ROOT / "var" / "test" / "in-hand"),
    )
    found = Databases(server)
    if not found.exists(found.template):
        _migrate(found)
    return found


def _migrate(found: Databases) -> None:
    from flask_migrate import upgrade

    half = f"{found.template}_{os.getpid()}"
    os.environ["DATABASE_URL"] = found.make(half)
    from app.factory import create_app
    from app.infra.config import load, read
    from app.infra.db import db

    load.cache_clear()
    app = create_app(read(dict(os.environ)))
    with app.app_context():
        upgrade(directory=str(ROOT / "migrations"))
        db.engine.dispose()
    load.cache_clear()
    try:
        found.rename(half, found.template)
    except psycopg.errors.DuplicateDatabase:
        found.drop(half)


class FreshClient(FlaskClient):
    """Forgets `g` before each request: the test's own app context outlives them, and with it who was signed in."""

    def open(self, *args: Any, **more: Any) -> Any:
        if g:
            g.__dict__.clear()
        return super().open(*args, **more)


@pytest.fixture(scope="session")
def app(databases: Databases) -> Iterator[Flask]:
    from app.infra.config import load
    from app.infra.db import db

    name = f"fairway_test_{os.getpid()}"
    databases.drop(name)
    os.environ["DATABASE_URL"] = databases.make(name, databases.template)
    load.cache_clear()
    from app.factory import create_app

    app = create_app(load())
    app.test_client_class = FreshClient
    yield app
    with app.app_context():
        db.engine.dispose()
    databases.drop(name)


@pytest.fixture(autouse=True)
def session_tx(app: Flask, request: pytest.FixtureRequest) -> Iterator[None]:
    """Run the test in a transaction that is rolled back: commit() inside it only releases a savepoint."""
    if request.node.get_closest_marker("committed"):
        yield from _own_database(app, request)
        return
    from app.infra.db import db

    engines = db._app_engines[app]
    with app.app_context():
        engine = engines[None]
        connection = engine.connect()
        outer = connection.begin()
        engines[None] = connection  # type: ignore[assignment] # whoever asks it for a connection gets this one
        db.session.session_factory.configure(join_transaction_mode="create_savepoint")
        try:
            yield
        finally:
            db.session.remove()
            engines[None] = engine
            outer.rollback()
            connection.close()


def _own_database(app: Flask, request: pytest.FixtureRequest) -> Iterator[None]:
    from app.infra.db import db, serving_url

    databases = request.getfixturevalue("databases")
    name = f"fairway_test_{os.getpid()}_{uuid4().hex[:8]}"
    url = databases.make(name, databases.template)
    engines = db._app_engines[app]
    before, os.environ["DATABASE_URL"] = os.environ["DATABASE_URL"], url
    with app.app_context():
        engine, engines[None] = engines[None], create_engine(serving_url(url), pool_size=20)
        try:
            yield
        finally:
            db.session.remove()
            engines[None].dispose()
            engines[None] = engine
            os.environ["DATABASE_URL"] = before
            databases.drop(name)


@pytest.fixture
def real_db(session_tx: None) -> str:
    """The URL of this test's own database; the test carries the mark `committed`."""
    return os.environ["DATABASE_URL"]


@pytest.fixture(autouse=True)
def clean_redis(app: Flask) -> None:
    """Start every test with an empty Redis."""
    from app.infra import queue

    queue.redis().flushdb()


def make_tenant(name: str = "Cape Links", country: str = "ZA") -> "Tenant":
    """Create a tenant with one club and return its Tenant row."""
    from app.accounts.models import Club, Tenant
    from app.infra.db import transaction
    from app.infra.ids import new_id
    from app.messaging.models import SendingPolicy

    tenant = Tenant(id=new_id(), name=name, country=country)
    with transaction(tenant.id) as session:
        session.add(tenant)
        session.flush()
        session.add(
            Club(
                tenant_id=tenant.id,
                name=f"{name} Golf Club",
                country=country,
                timezone="Africa/Johannesburg",
                locale="en_ZA",
                currency="ZAR",
            )
        )
        # No quiet hours: what a test sends goes out at whatever hour it runs.
        session.add(SendingPolicy(tenant_id=tenant.id))
        session.flush()
        # On its own: a rollback in the test must not make the fixture ask the database for it again.
        session.expunge(tenant)
    return tenant


@pytest.fixture
def tenant(session_tx: None) -> "object":
    return make_tenant()


@pytest.fixture
def other_tenant(session_tx: None) -> "object":
    return make_tenant("Other Greens")


@pytest.fixture
def client(app: Flask) -> "object":
    from tests.page_client import PageClient

    return PageClient(app)


@pytest.fixture
def sign_in(client: "object", tenant: "object") -> Callable[..., UUID]:
    """Return a function that signs `client` in as a fresh user of a role (of `tenant` unless another is given)."""

    def signed_in(role: str = "owner", of: "object | None" = None) -> UUID:
        return client.sign_in(role, (of or tenant).id)  # type: ignore[attr-defined, no-any-return]

    return signed_in


@pytest.fixture
def api(app: Flask, tenant: "object") -> "object":
    """A JSON client with an owner's access token."""
    from tests.page_client import ApiClient

    return ApiClient(app, tenant.id, "owner")  # type: ignore[attr-defined]
