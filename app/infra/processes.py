"""Find and stop processes of this machine, also those that an earlier run, killed outright, left behind."""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

GONE = (psutil.NoSuchProcess, psutil.ZombieProcess)


def working_in(name: str, folder: Path) -> list[psutil.Process]:
    """Return the processes called `name` whose working folder is `folder`, even if it was deleted under them.

    A process cannot forge where it works and a recycled process id cannot match, as both can with pid files.
    """
    places = {str(folder), f"{folder} (deleted)"}
    return _matching(lambda process: process.name() == name and process.cwd() in places)


def carrying(variable: str, value: str) -> list[psutil.Process]:
    """Return the processes started with `variable` set to `value` in their environment, but not this one."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return _matching(lambda process: process.pid not in own and process.environ().get(variable) == value)


def _matching(wanted: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        # Other people's processes may not be looked into; none of them is ours.
        with suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and wanted(process):
                found.append(process)
    return found


def stop(processes: list[psutil.Process], ask: signal.Signals = signal.SIGTERM, grace: float = 10.0) -> None:
    """Ask the processes to end, wait `grace` seconds at most, then kill those that are left."""
    for process in processes:
        with suppress(*GONE):
            process.send_signal(ask)
    left = _wait(processes, grace)
    for process in left:
        with suppress(*GONE):
            process.kill()
    _wait(left, 5.0)


def _wait(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Return those still running after `seconds`. Dead but unburied ones count as gone: in a container
    nobody may ever bury the children of a killed process."""
    deadline = time.monotonic() + seconds
    while left := [process for process in processes if _runs(process)]:
        if time.monotonic() > deadline:
            break
        processes = left
        time.sleep(0.02)
    return left


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, waiting for who holds it; a lock ends with its process, however that ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
