"""Runs migrations as the owner of the tables: one at a time, never waiting long for a lock that serves people."""

from typing import Any, cast

import psycopg
from alembic import context
from sqlalchemy import create_engine, pool, text

from app.infra import session_lock
from app.infra.config import load
from app.infra.db import Base, driver_url

LOCK_TIMEOUT = "4s"
# Two starts at once must not migrate twice: the second waits here, then finds nothing to do.
ADVISORY_LOCK = 7_315_001


def include(_object: Any, name: str | None, kind: str, _reflected: bool, _compare: Any) -> bool:
    """Return whether autogenerate looks at this object."""
    return not (kind == "table" and name == "alembic_version")


def run_offline() -> None:
    """Print the SQL of the migrations instead of running it."""
    context.configure(url=driver_url(load().database_url), target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    """Run each migration in a transaction of its own."""
    engine = create_engine(driver_url(load().database_url), poolclass=pool.NullPool)
    with engine.connect() as guard, engine.connect() as connection:
        guard.execution_options(isolation_level="AUTOCOMMIT")
        session_lock.take(cast("psycopg.Connection", guard.connection.driver_connection), ADVISORY_LOCK)
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_object=include,
            transaction_per_migration=True,
            compare_server_default=False,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
