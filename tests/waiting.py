"""For races that a test lays out itself: who has to wait for whom."""

import time

import psycopg


def until_somebody_waits(url: str) -> None:
    """Return as soon as somebody waits for a lock in this database."""
    deadline = time.monotonic() + 30
    waits = """
        SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')
    """
    with psycopg.connect(url, autocommit=True) as other:
        while other.execute(waits).fetchone() != (True,):
            assert time.monotonic() < deadline
            time.sleep(0.01)
