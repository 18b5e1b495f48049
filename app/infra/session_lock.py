"""A lock that one connection to the database has until it is closed."""

import time

import psycopg

PAUSE = 0.2  # seconds between two looks


def take(connection: psycopg.Connection, key: int) -> None:
    """Wait until no other connection has the lock `key` and take it; the connection must commit by itself.

    It is asked for again and again. A statement that waited inside Postgres would hold a snapshot all the while, and an
    index that the lock's holder builds concurrently waits for that: neither would ever go on, and since the index is
    built by another connection than the one that has the lock, Postgres sees no deadlock.
    """
    while connection.execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone() != (True,):
        time.sleep(PAUSE)
