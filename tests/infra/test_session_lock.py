"""One connection has a session's lock; who waits for it stands in nobody's way."""

import threading
import time

import psycopg
import pytest

from app.infra import session_lock

KEY = 42
ASKED = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND query LIKE '%%advisory_lock%%')"


@pytest.mark.committed
def test_an_index_is_built_concurrently_while_somebody_waits_for_the_lock(real_db: str) -> None:
    url = "postgresql://" + real_db.partition("://")[2]
    got = threading.Event()
    second = psycopg.connect(url, autocommit=True)

    def wait() -> None:
        session_lock.take(second, KEY)
        got.set()

    with psycopg.connect(url, autocommit=True) as first, psycopg.connect(url, autocommit=True) as builder:
        session_lock.take(first, KEY)
        waiting = threading.Thread(target=wait)
        waiting.start()
        while builder.execute(ASKED, [second.info.backend_pid]).fetchone() != (True,):
            time.sleep(0.01)
        # The whole of the wait, were there one that holds a snapshot: the index would wait for it until this ends.
        builder.execute("SET statement_timeout = '20s'")
        builder.execute("CREATE TABLE wide AS SELECT 1 AS one")
        builder.execute("CREATE INDEX CONCURRENTLY ix_wide ON wide (one)")
        builder.execute("DROP TABLE wide")
        assert not got.is_set()
    waiting.join(20)
    second.close()
    assert got.is_set()
