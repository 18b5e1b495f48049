"""`make run`, killed and started again; and what it says when it cannot start."""

import http.client
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg

from app.infra import processes
from app.infra.embedded import Postgres, Redis
from tests.starting.conftest import ROOT, Start, until


def running(home: Path, word: str) -> list[psutil.Process]:
    """Return the supervised processes whose command line has `word` in it."""
    found = processes.carrying("FAIRWAY_SUPERVISED", str(home))
    return [process for process in found if word in process.cmdline()]


def status(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    finally:
        connection.close()


def test_it_survives_kills_and_stops_whole(start: Callable[..., Start], home: Path, port: int) -> None:
    first = start().ready()
    assert f"http://localhost:{port}" in first.text()
    assert status(port) == 200
    with psycopg.connect(Postgres(home).url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    secrets = home / "secrets.env"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    keys = secrets.read_text()

    first.kill()
    again = start().ready()

    assert secrets.read_text() == keys
    with psycopg.connect(Postgres(home).url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert len(running(home, "worker")) == 2
    assert len(running(home, "scheduler")) == 1

    killed = [running(home, "worker")[0], running(home, "scheduler")[0]]
    killed += processes.working_in("redis-server", Redis(home).folder)
    killed += [
        process for process in processes.working_in("postgres", Postgres(home).data) if "-D" in process.cmdline()
    ]
    assert len(killed) == 4
    for process in killed:
        process.kill()
    until(lambda: len(running(home, "worker")) == 2 and len(running(home, "scheduler")) == 1)
    until(lambda: Redis(home).is_ready() and Postgres(home).is_ready())
    until(lambda: status(port) == 200)

    second = subprocess.run(
        [sys.executable, "-m", "app.cli.run"],
        cwd=ROOT,
        env=os.environ | {"FAIRWAY_HOME": str(home), "PORT": str(port)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert "already running" in second.stderr

    again.process.send_signal(signal.SIGTERM)
    assert "Fairway is stopped." in again.end()
    assert again.process.returncode == 0
    assert not processes.carrying("FAIRWAY_SUPERVISED", str(home))
    assert not processes.working_in("postgres", Postgres(home).data)
    assert not processes.working_in("redis-server", Redis(home).folder)


def test_a_taken_port_is_one_sentence(start: Callable[..., Start], home: Path, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        run = start()
        screen = run.end().strip()
    assert run.process.returncode == 1
    assert len(screen.splitlines()) == 1
    assert f"port {port} is taken" in screen
    assert f"PORT={port + 1} make run" in screen
    assert not (home / "postgres").exists()


def test_a_port_that_is_none_is_one_sentence(start: Callable[..., Start]) -> None:
    run = start(PORT="eighty")
    assert run.end().strip() == "Fairway did not start: PORT is 'eighty'; set it to a number from 1 to 65535."
    assert run.process.returncode == 1


def test_an_unwritable_folder_is_one_sentence(start: Callable[..., Start], home: Path) -> None:
    home.parent.joinpath("file").write_text("not a folder")
    run = start(FAIRWAY_HOME=str(home.parent / "file" / "var"))
    screen = run.end().strip()
    assert run.process.returncode == 1
    assert len(screen.splitlines()) == 1
    assert f"cannot write to {home.parent / 'file'}" in screen
    assert "FAIRWAY_HOME" in screen


def test_servers_that_are_given_are_used_and_none_is_started(start: Callable[..., Start], home: Path) -> None:
    run = start(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", REDIS_URL="redis://127.0.0.1:1")
    screen = run.end()
    assert run.process.returncode == 1
    assert "the database that DATABASE_URL names cannot be reached" in screen
    assert not (home / "postgres").exists()
    assert not (home / "redis").exists()


def test_an_old_python_is_one_sentence(home: Path) -> None:
    home.mkdir()
    for name in ("python3", "python"):
        old = home / name
        # A Python that answers as 3.9 does: it knows its version, and fails the question for 3.11.
        old.write_text('#!/bin/sh\ncase "$2" in *exit*) exit 1;; *) echo 3.9;; esac\n')
        old.chmod(0o755)
    environment = {"PATH": str(home)}
    found = subprocess.run(
        ["/bin/sh", str(ROOT / "scripts" / "find-python")], env=environment, capture_output=True, text=True, check=False
    )
    assert found.returncode == 1
    assert found.stderr.strip().startswith("Fairway needs Python 3.11 or newer; this machine has 3.9.")
