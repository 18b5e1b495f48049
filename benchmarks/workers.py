"""Workers that can be killed one after the other: a process that has the app loaded forks another one at once.

Started anew as the supervisor does it, a worker needs seconds before it sends: most kills would hit what does nothing.
"""

import contextlib
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, NoReturn

EVERY_SECONDS = 0.7


@dataclass
class Workers:
    """Workers at work. `begin` begins the killing, `over` says that it is over, `end` ends them."""

    begin: Event
    over: Event
    end: Event


def _work(app: Any) -> NoReturn:
    from flask.cli import ScriptInfo

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(BaseException):
        app.cli.main(args=["worker"], obj=ScriptInfo(create_app=lambda: app), standalone_mode=False)
    os._exit(0)


def _keep(environment: dict[str, str], count: int, kills: int, log: str, workers: Workers, ready: Any) -> None:
    os.environ.update(environment)
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)
    from app.factory import create_app

    app = create_app()

    def another() -> int:
        pid = os.fork()
        if pid == 0:
            _work(app)
        return pid

    alive = [another() for _ in range(count)]
    ready.put(True)
    workers.begin.wait()
    draw = random.Random(60)
    for _ in range(kills):
        time.sleep(EVERY_SECONDS)
        struck = draw.randrange(count)
        os.kill(alive[struck], signal.SIGKILL)
        os.waitpid(alive[struck], 0)
        alive[struck] = another()
    workers.over.set()
    workers.end.wait()
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@contextlib.contextmanager
def to_kill(environment: dict[str, str], count: int, kills: int, log: Path) -> Iterator[Workers]:
    """Yield `count` workers, one of which is killed (-9) and replaced every 0.7 s, `kills` times; gone after it."""
    context = multiprocessing.get_context("spawn")
    workers = Workers(context.Event(), context.Event(), context.Event())
    ready = context.SimpleQueue()
    process = context.Process(target=_keep, args=(environment, count, kills, str(log), workers, ready))
    process.start()
    try:
        ready.get()
        yield workers
    finally:
        workers.begin.set()
        workers.end.set()
        process.join()
