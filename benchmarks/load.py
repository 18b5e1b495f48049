"""An HTTP client that costs next to nothing: bytes made beforehand, bare sockets, answers counted and not read."""

import multiprocessing
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from typing import Any

PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Run:
    """When the first request left and the last answer came, on the machine's monotonic clock; seconds between."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """Return how long it took."""
        return self.ended - self.began


def post(port: int, requests: Sequence[bytes], *, connections: int, processes: int = 1) -> Run:
    """Send the requests over so many keep-alive connections, each waiting for its answer before the next.

    Any answer but 200 and 202 raises.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    answers = context.SimpleQueue()
    workers = [
        context.Process(
            target=_work, args=(port, requests[at::processes], connections // processes, barrier, answers), daemon=True
        )
        for at in range(processes)
    ]
    for worker in workers:
        worker.start()
    ends: list[Any] = [answers.get() for _ in workers]
    for worker in workers:
        worker.join()
    for end in ends:
        if isinstance(end, str):
            raise RuntimeError(end)
    return Run(min(began for began, _ in ends), max(ended for _, ended in ends))


def _work(port: int, requests: Sequence[bytes], connections: int, barrier: Barrier, answers: Any) -> None:
    try:
        answers.put(_exchange(port, requests, connections, barrier))
    except Exception as error:
        answers.put(f"{type(error).__name__}: {error}")
        raise


def _exchange(port: int, requests: Sequence[bytes], connections: int, barrier: Barrier) -> tuple[float, float]:
    left = iter(requests)
    selector = selectors.DefaultSelector()
    sockets = []
    for _ in range(connections):
        one = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets.append(one)
    barrier.wait()
    began = time.monotonic()
    busy = 0
    for one in sockets:
        request = next(left, None)
        if request is not None:
            one.sendall(request)
            selector.register(one, selectors.EVENT_READ)
            busy += 1
    while busy:
        for key, _ in selector.select(PATIENCE):
            ready = key.fileobj
            assert isinstance(ready, socket.socket)
            _read(ready)
            request = next(left, None)
            if request is None:
                selector.unregister(ready)
                busy -= 1
            else:
                ready.sendall(request)
    return began, time.monotonic()


def _read(connection: socket.socket) -> None:
    """Take one whole answer off the connection."""
    received = connection.recv(1 << 16)
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += _more(connection)
    if received[9:12] not in (b"200", b"202"):
        raise RuntimeError(f"answered {received[:500]!r}")
    head = received[:end].lower()
    at = head.index(b"content-length:") + 15
    length = int(head[at : head.find(b"\r", at) if b"\r" in head[at:] else len(head)])
    left = end + 4 + length - len(received)
    while left > 0:
        left -= len(_more(connection))


def _more(connection: socket.socket) -> bytes:
    more = connection.recv(1 << 16)
    if not more:
        raise RuntimeError("the server closed the connection")
    return more
