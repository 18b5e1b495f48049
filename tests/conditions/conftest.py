"""The people both readers are asked about, in a table of the test's own transaction."""

import pytest
from sqlalchemy import Connection

from app.infra.db import db
from tests.conditions.people import metadata


@pytest.fixture
def connection(session_tx: None) -> Connection:
    connection = db.session.connection()
    metadata.create_all(connection)
    return connection
