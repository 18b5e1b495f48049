"""Fairway itself, started as a person starts it, for tests that need real processes."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import psycopg

from app.infra import processes
from app.infra.embedded import Postgres, Redis

ROOT = Path(__file__).parent.parent
PASSWORD = "a-long-password-for-tests"


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def until(what: Callable[[], Any], seconds: float = 120, pause: float = 0.25) -> Any:
    """Return the first true value of `what()`, or fail when `seconds` have passed."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(pause)
    return found


class Stack:
    """All of Fairway's processes under a supervisor, in a folder and on a port of their own."""

    def __init__(self, home: Path, *, smtp_url: str | None = None, demo: bool = False) -> None:
        self.home = home
        self.port = free_port()
        self.base_url = f"http://localhost:{self.port}"
        self.log = home.parent / f"{home.name}.out"
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENCRYPTION_KEYS", "PUBLIC_URL", "SMTP_URL")
            and not name.startswith("FAIRWAY_")
        }
        self.environment = inherited | {
            "FAIRWAY_HOME": str(home),
            "PORT": str(self.port),
            "FAIRWAY_DEMO": "1" if demo else "0",
        }
        if smtp_url:
            self.environment["SMTP_URL"] = smtp_url
        self.supervisor: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start everything and wait until it is ready."""
        with self.log.open("ab") as log:
            self.supervisor = subprocess.Popen(
                [sys.executable, "-m", "app.cli.run"], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        until(self._is_ready, seconds=300)

    def stop(self) -> None:
        """Stop everything, also what was orphaned."""
        if self.supervisor is not None and self.supervisor.poll() is None:
            self.supervisor.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.supervisor.wait(60)
        subprocess.run([sys.executable, "-m", "app.cli.run", "--stop"], cwd=ROOT, env=self.environment, check=True)

    def _is_ready(self) -> bool:
        assert self.supervisor is not None
        assert self.supervisor.poll() is None, self.log.read_text()
        with suppress(OSError, http.client.HTTPException):
            return self.request("GET", "/ready")[0] == 200
        return False

    def request(self, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        """Send one request with a JSON body; return (status, JSON or text)."""
        return self.send(method, path, None if body is None else json.dumps(body).encode(), token, "application/json")

    def send(self, method: str, path: str, body: bytes | None, token: str | None, kind: str) -> tuple[int, Any]:
        """Send one request with a body of a media type; return (status, JSON or text)."""
        connection = http.client.HTTPConnection("localhost", self.port, timeout=60)
        headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        return response.status, json.loads(text) if text[:1] in "[{" else text

    def register(self, organisation: str = "Cape Links") -> "Organisation":
        """Register an organisation and return its owner's hand on the API."""
        return Organisation(self, organisation)

    def processes(self, word: str) -> list[psutil.Process]:
        """Return the supervised processes with `word` in their command line."""
        found = processes.carrying("FAIRWAY_SUPERVISED", str(self.home))
        return [process for process in found if word in process.cmdline()]

    def redis_processes(self) -> list[psutil.Process]:
        """Return the embedded Redis."""
        return list(processes.working_in("redis-server", Redis(self.home).folder))

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """Ask the database as its superuser, whom row-level security does not bind: for counting, never for acting."""
        server = Postgres(self.home).superuser_url
        address = server.replace("/postgres?", "/fairway?", 1)
        with psycopg.connect(address) as connection:
            return connection.execute(query, values).fetchall()


class Organisation:
    """An organisation of a stack, by its owner's access token."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.stack = stack
        self.email = f"owner-{uuid4().hex[:8]}@example.com"
        status, answer = stack.request(
            "POST",
            "/api/v1/auth/register",
            {
                "organisation": f"{name} {uuid4().hex[:4]}",
                "name": "Olive Owner",
                "email": self.email,
                "password": PASSWORD,
            },
        )
        assert status == 201, answer
        self.token: str = answer["access_token"]
        self.tenant_id: str = answer["tenant_id"]

    def call(self, method: str, path: str, body: Any = None, status: int | None = None) -> Any:
        """Call the API below /api/v1, expect success (or `status`), and return the JSON."""
        found, answer = self.stack.request(method, f"/api/v1{path}", body, self.token)
        assert found == status if status else found < 300, (found, answer)
        return answer

    def items(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield all items of a list, page by page."""
        cursor = None
        while True:
            query = f"{'&' if '?' in path else '?'}limit=1000" + (f"&cursor={cursor}" if cursor else "")
            page = self.call("GET", path + query)
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def template(self, name: str, subject: str) -> str:
        """Create an e-mail template and return its id."""
        body = {
            "name": name,
            "channel": "EMAIL",
            "subject": subject,
            "html": '<p>Hello {{ customer.first_name }}</p><p><a href="https://club.example/">The club</a></p>',
            "text": "Hello {{ customer.first_name }}",
        }
        found: str = self.call("POST", "/templates", body)["id"]
        return found
