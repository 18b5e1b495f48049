"""Keeps processes running: starts them, starts them again when they die, stops them all."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from app.infra import processes

KEPT_LOGS = 3
LONGEST_PAUSE = 10.0
STEADY_AFTER = 30.0
POLL = 0.1


class StartError(RuntimeError):
    """Fairway cannot start; the message is for the person at the screen and says what to do."""


@dataclass
class Service:
    """One process to keep running.

    `before` makes it fit for each start, given how often it failed in a row, and may take seconds;
    `options` go to `subprocess.Popen`.
    """

    name: str
    command: Callable[[], list[str]]
    options: dict[str, Any]
    log: Path
    before: Callable[[int], None] | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started: float = field(default=0.0, init=False)
    failures: int = field(default=0, init=False)
    due: float = field(default=0.0, init=False)

    def start(self) -> None:
        """Start the process in a group of its own, its output going to its log."""
        if self.before is not None:
            self.before(self.failures)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self.options,
            )
        self.started = time.monotonic()

    def log_end(self, lines: int = 12) -> str:
        """Return the last lines of the log, indented."""
        end = self.log.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join(f"    {line}" for line in end)


def rotate(log: Path) -> None:
    """Put the log of the last run aside as .1, the one before as .2, and forget the oldest."""
    for number in range(KEPT_LOGS - 1, 0, -1):
        with suppress(FileNotFoundError):
            log.with_name(f"{log.name}.{number}").replace(log.with_name(f"{log.name}.{number + 1}"))
    with suppress(FileNotFoundError):
        log.replace(log.with_name(f"{log.name}.1"))


class Supervisor:
    """The processes of one run. `say` shows a line on the screen."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.services: list[Service] = []

    def add(self, service: Service) -> None:
        """Start `service` and keep it running from now on."""
        self.services.append(service)
        rotate(service.log)
        service.start()

    def wait(self, service: Service, is_ready: Callable[[], bool], seconds: float = 180.0) -> None:
        """Wait until `is_ready`; raise StartError with the end of the log if a process dies or time is up."""
        deadline = time.monotonic() + seconds
        while not is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise StartError(
                    f"{service.name} did not answer within {seconds:.0f} seconds. "
                    f"The end of its log, {service.log}:\n{service.log_end()}"
                )
            time.sleep(POLL)

    def check(self) -> None:
        """Raise StartError if a process has ended."""
        for service in self.services:
            if service.process is not None and service.process.poll() is not None:
                raise StartError(
                    f"{service.name} {_how_it_ended(service.process.returncode)}. "
                    f"The end of its log, {service.log}:\n{service.log_end()}"
                )

    def keep(self, goes_on: Callable[[], bool]) -> None:
        """Start again whatever dies, for as long as `goes_on`; pause longer each time it dies young."""
        while goes_on():
            now = time.monotonic()
            for service in self.services:
                if service.process is None:
                    if now >= service.due:
                        self._start_again(service)
                elif service.process.poll() is not None:
                    self._note_death(service, now)
            time.sleep(POLL)

    def _note_death(self, service: Service, now: float) -> None:
        assert service.process is not None
        if now - service.started > STEADY_AFTER:
            service.failures = 0
        pause = min(0.2 * 2**service.failures, LONGEST_PAUSE)
        if service.failures < 5:
            self.say(f"{service.name} {_how_it_ended(service.process.returncode)}; starting it again ({service.log}).")
        elif service.failures == 5:
            self.say(f"{service.name} keeps ending; trying on every {LONGEST_PAUSE:.0f} seconds ({service.log}).")
        _kill_group(service.process.pid)
        service.failures += 1
        service.due = now + pause
        service.process = None

    def _start_again(self, service: Service) -> None:
        try:
            service.start()
        except (OSError, RuntimeError) as error:
            self.say(f"{service.name} could not be started: {error}")
            service.failures += 1
            service.due = time.monotonic() + LONGEST_PAUSE

    def stop(self, names: set[str], grace: float) -> None:
        """Ask the services called `names` to end, all at once; kill what is left after `grace` seconds."""
        running = []
        for service in self.services:
            if service.name in names and service.process is not None and service.process.poll() is None:
                with suppress(psutil.NoSuchProcess):
                    running.append(psutil.Process(service.process.pid))
        processes.stop(running, signal.SIGTERM, grace)
        for process in running:
            _kill_group(process.pid)


def _how_it_ended(code: int) -> str:
    if code < 0:
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"


def _kill_group(group: int) -> None:
    """Kill what a dead process left of its group: its own children, still holding its port or its queue."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
