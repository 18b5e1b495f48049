"""For races that a test lays out itself: who has to wait for whom, and when who was killed is gone."""

import time

import psycopg

_CLIENTS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def until_somebody_waits(url: str) -> None:
    """Return as soon as somebody waits for a lock in this database."""
    _until(url, f"SELECT EXISTS (SELECT {_CLIENTS} AND wait_event_type = 'Lock')")


def until_nothing_is_open(url: str) -> None:
    """Return once no transaction is open in this database: who was killed holds locks until Postgres hears of it."""
    _until(url, f"SELECT NOT EXISTS (SELECT {_CLIENTS} AND backend_type = 'client backend' AND xact_start IS NOT NULL)")


def until_all_begun_is_over(url: str) -> None:
    """Return once each transaction that is open in this database now is over, whatever has begun since.

    The owner asks: to the role of the app Postgres tells nothing of when others' transactions began.
    """
    with psycopg.connect(url, autocommit=True) as owner:
        moment = owner.execute("SELECT clock_timestamp()").fetchone()
    _until(url, f"SELECT NOT EXISTS (SELECT {_CLIENTS} AND xact_start < %s)", moment)


def _until(url: str, holds: str, values: tuple[object, ...] | None = None) -> None:
    deadline = time.monotonic() + 30
    with psycopg.connect(url, autocommit=True) as other:
        while other.execute(holds, values).fetchone() != (True,):
            assert time.monotonic() < deadline
            time.sleep(0.01)
