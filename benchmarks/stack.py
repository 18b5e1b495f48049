"""The product itself, started as `make run` starts it in a folder of its own, and the ways in that benchmarks need."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import psycopg

from app.cli.run import MARK, ROOT, Settings
from app.infra import processes
from app.infra.embedded import Postgres

SCOPES = [
    "events.write",
    "events.view",
    "customers.edit",
    "customers.view",
    "journeys.view",
    "journeys.edit",
    "journeys.run",
    "segments.edit",
    "campaigns.view",
    "campaigns.edit",
    "campaigns.run",
    "templates.edit",
]
START_SECONDS = 180
FOLLOWING = (
    ("customer", "customer_inserted"),
    ("customer", "segment_customers_made"),
    ("journey_enrollment", "segment_journey_enrollment_insert"),
)
"""The triggers by which something follows from each row that is put in."""
OWNER = {
    "organisation": "Benchmark Golf",
    "name": "Bench Owner",
    "email": "owner@example.com",
    "password": "a long enough password 42",
}


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stack:
    """A running Fairway with one organisation, an API key of it, and its database."""

    def __init__(self, home: Path, smtp_url: str, workers: int = 2) -> None:
        self.home = home
        self.port = free_port()
        self.key = ""
        # The embedded servers are measured, whatever else this machine runs.
        for name in ("DATABASE_URL", "REDIS_URL"):
            os.environ.pop(name, None)
        os.environ.update(FAIRWAY_HOME=str(home), PORT=str(self.port), FAIRWAY_DEMO="0", SMTP_URL=smtp_url)
        os.environ["FAIRWAY_WORKERS"] = str(workers)
        self._log = (home / "run.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.cli.run", "--end-with-parent"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait(self) -> None:
        """Wait until it serves, and make an organisation and a key."""
        deadline = time.monotonic() + START_SECONDS
        while b"Fairway is ready" not in (self.home / "run.log").read_bytes():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("Fairway did not start:\n" + (self.home / "run.log").read_text())
            time.sleep(0.2)
        made = self.call("POST", "/auth/register", OWNER)
        self.tenant_id = UUID(made["tenant_id"])
        key = {"name": "benchmark", "scopes": SCOPES}
        self.key = self.call("POST", "/api-keys", key, made["access_token"])["key"]

    def stop(self) -> None:
        """Stop everything that was started."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
        self._log.close()

    def call(self, method: str, path: str, body: Any, credential: str | None = None) -> Any:
        """Return the JSON answer of one API call."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        credential = credential or self.key
        if credential:
            request.add_header("Authorization", f"Bearer {credential}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def request(self, body: bytes) -> bytes:
        """Return the bytes of an authenticated POST of events."""
        return (
            f"POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def database(self) -> psycopg.Connection[Any]:
        """Return a connection as the app has it: its role, its row-level security, the organisation named."""
        return psycopg.connect(
            Postgres(self.home).url,
            autocommit=True,
            options=self.options,
        )

    @property
    def options(self) -> str:
        """Return what a connection is opened with to be the app's: its role, and the organisation."""
        return f"-c role=fairway_app -c fairway.tenant_id={self.tenant_id} -c timezone=UTC"

    @property
    def superuser_url(self) -> str:
        """Return the URL of the database for one who may make tables in it."""
        return Postgres(self.home).url

    def processor_seconds(self) -> dict[str, float]:
        """Return what the workers, and Postgres with all its backends, have had of the processors so far."""
        found = {"workers": 0.0, "Postgres": 0.0}
        mine = [("workers", one) for one in processes.carrying(MARK, str(self.home)) if "worker" in one.cmdline()]
        mine += [("Postgres", one) for one in processes.working_in("postgres", Postgres(self.home).data)]
        for name, one in mine:
            with contextlib.suppress(psutil.Error):
                found[name] += _seconds(one)
        return found

    @contextlib.contextmanager
    def filling(self) -> Iterator[None]:
        """Let people and walks be put in by the million, without the rows of words and the notes for segments of each.

        Nobody of them is found by a search then.
        """
        with psycopg.connect(self.superuser_url, autocommit=True) as owner:
            for table, name in FOLLOWING:
                owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER {name}")
            try:
                yield
            finally:
                for table, name in FOLLOWING:
                    owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER {name}")

    def tidy(self, *tables: str) -> None:
        """Vacuum and analyse, so that no round pays for the rows the one before it left."""
        with psycopg.connect(Postgres(self.home).url, autocommit=True) as connection:
            for table in tables:
                connection.execute(f"VACUUM (ANALYZE) {table}")

    def enter_app(self) -> None:
        """Make this process one of the stack's, for what has no API in bulk: the app's context, open until the end."""
        os.environ.update(Settings(self.home, self.port).environment())
        from app.factory import create_app

        create_app().app_context().push()


def _seconds(process: psutil.Process) -> float:
    spent = process.cpu_times()
    # Backends that have ended are in the sum of the one they came from.
    return float(spent.user + spent.system + spent.children_user + spent.children_system)


@contextlib.contextmanager
def running(smtp_url: str, workers: int = 2) -> Iterator[Stack]:
    """Yield a stack in a temporary folder; stop it and remove the folder at the end."""
    home = Path(tempfile.mkdtemp(prefix="fairway-bench-"))
    stack = Stack(home, smtp_url, workers)
    try:
        stack.wait()
        yield stack
    finally:
        stack.stop()
        shutil.rmtree(home, ignore_errors=True)
