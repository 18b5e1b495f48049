"""Starts of the whole of Fairway, in folders of their own; no fixture of the app's own database applies."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.infra import processes
from app.infra.embedded import Postgres, Redis

ROOT = Path(__file__).parents[2]
GIVEN = ("DATABASE_URL", "REDIS_URL", "SMTP_URL", "PUBLIC_URL", "SECRET_KEY", "ENCRYPTION_KEYS", "FAIRWAY_ENV", "HOST")


@pytest.fixture(autouse=True)
def session_tx() -> None:
    """No transaction round these tests: they start databases themselves."""


@pytest.fixture(autouse=True)
def clean_redis() -> None:
    """These tests have a Redis of their own."""


class Start:
    """One `make run` (without make), its screen, and ways to end it."""

    def __init__(self, home: Path, port: int, **environment: str) -> None:
        self.home = home
        self.port = port
        clean = {name: value for name, value in os.environ.items() if name not in GIVEN}
        settings = {"FAIRWAY_HOME": str(home), "PORT": str(port), "FAIRWAY_DEMO": "0"}
        self.screen = home.with_name(f"{home.name}.screen")
        with self.screen.open("ab") as screen:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli.run"],
                cwd=ROOT,
                env=clean | settings | environment,
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def text(self) -> str:
        return self.screen.read_text()

    def ready(self) -> "Start":
        """Wait for the screen to say so."""
        until(lambda: "Fairway is ready" in self.text() or self.process.poll() is not None)
        assert self.process.poll() is None, self.text()
        return self

    def end(self) -> str:
        """Wait for the end of the start and return the screen."""
        self.process.wait(timeout=300)
        return self.text()

    def kill(self) -> None:
        """Kill the supervisor alone, as the kernel would."""
        self.process.kill()
        self.process.wait()
        self.screen.unlink()


def until(holds: Callable[[], object], seconds: float = 300.0) -> None:
    """Wait until `holds()`; how long it takes is not asserted, only that it comes to pass."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


@pytest.fixture
def home() -> Iterator[Path]:
    """A data folder that PostgreSQL's account may enter; whatever runs in it is stopped afterwards."""
    top = Path(tempfile.mkdtemp(prefix="fairway-start-"))
    top.chmod(0o755)
    yield top / "var"
    processes.stop(processes.carrying("FAIRWAY_SUPERVISED", str(top / "var")), signal.SIGKILL)
    if (top / "var").is_dir():
        Redis(top / "var").stop()
        Postgres(top / "var").stop()
    shutil.rmtree(top)


@pytest.fixture
def port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def start(home: Path, port: int) -> Iterator[Callable[..., Start]]:
    """Return a function that starts Fairway in `home` on `port`, with further environment variables."""
    started: list[Start] = []

    def begin(**environment: str) -> Start:
        started.append(Start(home, port, **environment))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()
