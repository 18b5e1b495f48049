"""Events over HTTP: in batches until their activities exist, and one by one until they are accepted."""

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from app.cli.run import ROOT, Settings, procfile
from benchmarks import load, people
from benchmarks.figures import Figure
from benchmarks.stack import Stack, free_port

PEOPLE = 2_000
BATCH = 100
CLIENTS = 4
CONNECTIONS = 8
TABLES = ("activity", "inbound_event", "customer", "contact_point", "external_id", "consent_change")

_ROWS = """
    CREATE TEMP TABLE same AS
    SELECT tenant_id, uuid7() AS id, customer_id, type, category, title, occurred_at, source, object_type, object_id,
        club_id, payload
    FROM activity WHERE id IN (SELECT id FROM inbound_event WHERE event_id LIKE %s) ORDER BY id
"""
_COLUMNS = (
    "tenant_id, id, customer_id, type, category, title, occurred_at, source, object_type, object_id, club_id, payload"
)
_RAW = f"INSERT INTO activity ({_COLUMNS}) SELECT {_COLUMNS} FROM same"


def batches(stack: Stack, count: int, rounds: int) -> Figure:
    """Measure `count` events in batches against one INSERT … SELECT of the activities they made."""
    figure = Figure(
        "events-batch",
        f"{count:,} events in batches of {BATCH} by {CLIENTS} clients, until their activities exist",
        "one INSERT … SELECT of the same activities",
        floor=0.15,
    )
    with stack.database() as connection:
        people.make_clubs(connection)
        send(stack, connection, people.joining(PEOPLE))
        for at in range(1, rounds + 1):
            # A twentieth of each round's people are new: nobody has told of them yet.
            name = f"batch-{at}"
            found = people.events(count, people=PEOPLE, first_person=at * PEOPLE // 20, batch_name=name)
            figure.product.append(count / send(stack, connection, found))
            connection.execute(_ROWS, [f"{name}-%"])
            stack.tidy(*TABLES)
            began = time.monotonic()
            made = connection.execute(_RAW).rowcount
            figure.raw.append(made / (time.monotonic() - began))
            if made != count:
                raise RuntimeError(f"{count} events made {made} activities")
            connection.execute("DELETE FROM activity WHERE id IN (SELECT id FROM same)")
            connection.execute("DROP TABLE same")
            stack.tidy(*TABLES)
    return figure


def send(stack: Stack, connection: psycopg.Connection[Any], found: list[dict[str, Any]]) -> float:
    """Post events in batches, and return how long it took until all were applied."""
    requests = [stack.request(body) for body in people.bodies(found, BATCH)]
    run = load.post(stack.port, requests, connections=CLIENTS)
    return wait_until_applied(connection) - run.began


def wait_until_applied(connection: psycopg.Connection[Any]) -> float:
    """Wait until no event is left to apply and return when that was."""
    while True:
        row = connection.execute("SELECT EXISTS (SELECT FROM inbound_event WHERE status = 'received')").fetchone()
        if row == (False,):
            return time.monotonic()
        # Asking costs the database a third of a millisecond.
        time.sleep(0.02)


def singles(stack: Stack, count: int, rounds: int) -> Figure:
    """Measure events posted one by one against the same server's empty POST."""
    figure = Figure(
        "events-single",
        f"{count:,} events one by one over {CONNECTIONS} connections, until accepted",
        "the same server's empty POST, []",
        floor=0.4,
    )
    drains: list[float] = []
    figure.limits["applied after the last answer"] = (drains, 1.0, "s")
    noop: list[float] = []
    figure.beside["a Flask view that does nothing"] = noop
    empty = [stack.request(b"[]")] * count
    with noop_served(stack) as port, stack.database() as connection:
        for at in range(rounds + 1):
            found = people.events(count, people=PEOPLE, first_person=0, batch_name=f"single-{at}")
            requests = [stack.request(body) for body in people.bodies(found, 1)]
            run = load.post(stack.port, requests, connections=CONNECTIONS, processes=2)
            drained = wait_until_applied(connection) - run.ended
            raw = load.post(stack.port, empty, connections=CONNECTIONS, processes=2)
            least = load.post(port, empty, connections=CONNECTIONS, processes=2)
            if at:  # The first round warms up.
                figure.product.append(count / run.seconds)
                drains.append(drained)
                figure.raw.append(count / raw.seconds)
                noop.append(count / least.seconds)
            stack.tidy(*TABLES)
    return figure


@contextmanager
def noop_served(stack: Stack) -> Iterator[int]:
    """Yield the port of a Flask view that does nothing, under the product's web server."""
    port = free_port()
    server = _serve_noop(stack, port)
    try:
        yield port
    finally:
        server.terminate()
        server.wait()


def _serve_noop(stack: Stack, port: int) -> "subprocess.Popen[bytes]":
    command = procfile()["web"].replace("wsgi:app", "benchmarks.noop:app")
    server = subprocess.Popen(
        ["sh", "-c", f"exec {command}"],
        cwd=ROOT,
        env=Settings(stack.home, port).environment() | {"PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1)
        except urllib.error.HTTPError:
            return server
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("The Flask view that does nothing did not start")
