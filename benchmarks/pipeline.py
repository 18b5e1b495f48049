"""A bare SMTP client: letters made beforehand, one round trip each, answers counted and not read."""

import multiprocessing
import selectors
import socket
import time
from multiprocessing.synchronize import Barrier
from typing import Any

ENVELOPE = b"MAIL FROM:<from@example.com>\r\nRCPT TO:<to@example.com>\r\nDATA\r\n"
# To a final dot and the three commands behind it; the first line is the letter's 250.
ANSWERS = 4


def send(port: int, count: int, size: int, *, connections: int, processes: int) -> float:
    """Send `count` letters of `size` bytes over so many connections and return the seconds it took."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    answers = context.SimpleQueue()
    args = (port, count // processes, size, connections // processes, barrier, answers)
    workers = [context.Process(target=_work, args=args, daemon=True) for _ in range(processes)]
    for worker in workers:
        worker.start()
    ends: list[tuple[float, float]] = [answers.get() for _ in workers]
    for worker in workers:
        worker.join()
    return max(ended for _, ended in ends) - min(began for began, _ in ends)


def _work(port: int, count: int, size: int, connections: int, barrier: Barrier, answers: Any) -> None:
    letter = (b"x" * 70 + b"\r\n") * (size // 72)
    whole = letter + b".\r\n" + ENVELOPE
    selector = selectors.DefaultSelector()
    awaited: dict[socket.socket, int] = {}
    for _ in range(connections):
        one = socket.create_connection(("127.0.0.1", port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.recv(1 << 16)
        one.sendall(b"EHLO bench.example\r\n")
        one.recv(1 << 16)
        selector.register(one, selectors.EVENT_READ)
        awaited[one] = ANSWERS - 1
    barrier.wait()
    began = time.monotonic()
    for one in awaited:
        one.sendall(ENVELOPE)
    begun = accepted = 0
    while accepted < count:
        for key, _ in selector.select():
            ready = key.fileobj
            assert isinstance(ready, socket.socket)
            received = ready.recv(1 << 16)
            if awaited[ready] == ANSWERS and received.startswith(b"250 taken"):
                accepted += 1
            awaited[ready] -= received.count(b"\n")
            if awaited[ready] == 0 and begun < count:
                ready.sendall(whole)
                begun += 1
                awaited[ready] = ANSWERS
    answers.put((began, time.monotonic()))
