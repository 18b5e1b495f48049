"""Every kind of work has somebody who does it, in development and in production."""

import inspect
from pathlib import Path

from app.infra.queue import Work
from app.tasks import work as tasks

ROOT = Path(__file__).parents[2]


def test_every_work_has_its_function() -> None:
    for work in Work:
        assert inspect.isfunction(getattr(tasks, work.value))


def test_workers_listen_to_every_queue() -> None:
    from app.cli import worker

    assert "for work in queue.Work" in inspect.getsource(worker)


def test_the_procfile_runs_what_the_supervisor_runs() -> None:
    processes = {line.partition(":")[0] for line in (ROOT / "Procfile").read_text().splitlines() if ":" in line}
    assert {"web", "worker", "scheduler"} <= processes
