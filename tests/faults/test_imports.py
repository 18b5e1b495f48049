"""An import, and its undoing, whose process is killed: another one goes on, and every row counts once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.capture.imports import queries, service, work
from app.capture.imports.models import ImportRun
from app.infra import clock
from tests import conftest
from tests.capture.people import query
from tests.capture.test_imports import snapshot

pytestmark = pytest.mark.committed
HEADER = "member_number,first_name,last_name,email,phone,membership_tier,note\n"
PEOPLE, KNOWN, REPEATED, BAD = 8000, 500, 20, 20
ROWS = PEOPLE + REPEATED + BAD


@pytest.fixture(autouse=True)
def session_tx(app: Flask, request: pytest.FixtureRequest) -> Iterator[None]:
    """A database of its own for each test: the killed process commits."""
    yield from conftest._own_database(app, request)


def line(number: int, tier: str) -> str:
    note = "plays early" if number % 10 == 0 else ""
    name = f"First{chr(97 + number % 26)},Last{number}"
    return f"M{number},{name},p{number}@example.com,+2782{number:07},{tier},{note}\n"


def member_file(folder: Path) -> Path:
    """Write a file of everybody, of whom the first are known with another tier; some rows come twice, some are bad."""
    lines = [line(number, "Gold") for number in range(PEOPLE)]
    for number in range(0, PEOPLE, PEOPLE // REPEATED):
        lines.append(line(number, "Gold"))
    for at in range(BAD):
        lines.insert(at * 300, f"TOTAL,{at}\n")
    path = folder / "members.csv"
    path.write_text(HEADER + "".join(lines))
    return path


def flask(*arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "wsgi", "imports", *arguments],
        cwd=conftest.ROOT,
        env=os.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_when(process: "subprocess.Popen[bytes]", reached: Callable[[], bool]) -> None:
    """Kill the process outright in the middle of what it does once `reached` says so."""
    ends = time.monotonic() + 240
    while not reached():
        assert process.poll() is None, "It was through before it could be killed"
        assert time.monotonic() < ends
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL


def newest(tenant: Any) -> ImportRun | None:
    items = queries.runs(tenant_id=tenant.id, limit=1).items
    return items[0] if items else None


def go_on(tenant: Any, run_id: UUID) -> ImportRun:
    while work.run_batch(tenant_id=tenant.id, now=clock.now()):
        pass
    return queries.run(tenant_id=tenant.id, run_id=run_id)


def take_in(tenant: Any, path: Path) -> None:
    with path.open("rb") as file:
        run_id = service.start(
            tenant_id=tenant.id,
            file=file,
            file_name=path.name,
            options=service.Options(preset="fairway-csv"),
            actor="system:test",
        )
    assert go_on(tenant, run_id).status == "COMPLETED"


def test_a_killed_import_and_a_killed_undo_are_gone_on_with_by_others(tenant: Any, tmp_path: Path) -> None:
    known = tmp_path / "known.csv"
    known.write_text(HEADER + "".join(line(number, "Silver") for number in range(KNOWN)))
    take_in(tenant, known)
    before, first = snapshot(tenant), newest(tenant)
    assert first is not None

    path = member_file(tmp_path)
    process = flask("run", str(path), "--preset", "fairway-csv", "--tenant", str(tenant.id))
    kill_when(process, lambda: (run := newest(tenant)) is not None and run.id != first.id and run.rows >= ROWS * 0.4)
    run = newest(tenant)
    assert run is not None
    # What stands there is what whole batches left: counts and customers agree at once.
    assert run.rows == run.created + run.updated + run.unchanged + run.refused < ROWS
    assert len(query(tenant, "SELECT FROM customer")) == KNOWN + run.created

    run = go_on(tenant, run.id)
    assert run.status == "COMPLETED"
    counts = (run.rows, run.created, run.updated, run.unchanged, run.refused)
    assert counts == (ROWS, PEOPLE - KNOWN, KNOWN, REPEATED, BAD)
    assert len(query(tenant, "SELECT FROM customer")) == PEOPLE
    assert len(query(tenant, "SELECT FROM inbound_event")) == PEOPLE + KNOWN
    assert len(query(tenant, "SELECT FROM note")) == PEOPLE // 10
    assert len(query(tenant, "SELECT FROM contact_point")) == 2 * PEOPLE

    process = flask("undo", str(run.id), "--tenant", str(tenant.id))
    kill_when(process, lambda: 0 < queries.progress(queries.run(tenant_id=tenant.id, run_id=run.id)) < 1)
    run = queries.run(tenant_id=tenant.id, run_id=run.id)
    assert run.status == "RUNNING"
    assert go_on(tenant, run.id).status == "UNDONE"
    assert snapshot(tenant) == before
