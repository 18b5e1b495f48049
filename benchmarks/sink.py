"""An SMTP server that takes every letter and keeps none: a process of its own that parses as little as it can."""

import asyncio
import contextlib
import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

END = b"\r\n.\r\n"


@dataclass
class Sink:
    """A running sink; `taken` counts the letters it said 250 to and `size` their bytes."""

    port: int
    taken: Any
    size: Any

    @property
    def url(self) -> str:
        """Return its address for SMTP_URL."""
        return f"smtp://127.0.0.1:{self.port}"


class _Conversation(asyncio.Protocol):
    """One client: lines are answered by their verb, a letter when its final dot has come."""

    def __init__(self, taken: Any, size: Any) -> None:
        self._taken = taken
        self._size = size
        self._received = b""
        self._in_letter = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink.example\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer whatever has come whole, with one write."""
        received = self._received + data if self._received else data
        answers = []
        while received:
            if self._in_letter:
                # A letter may be empty: its dot then follows DATA at once.
                end = -2 if received.startswith(b".\r\n") else received.find(END)
                if end == -1:
                    break
                received = received[end + 5 :]
                self._in_letter = False
                self._taken.value += 1
                self._size.value += end + 2
                answers.append(b"250 taken\r\n")
                continue
            line, found, rest = received.partition(b"\r\n")
            if not found:
                break
            received = rest
            answers.append(self._answer(line[:4].upper()))
        self._received = received
        if answers:
            self._transport.write(b"".join(answers))

    def _answer(self, verb: bytes) -> bytes:
        if verb == b"DATA":
            self._in_letter = True
            return b"354 go on\r\n"
        if verb == b"EHLO":
            return b"250-sink.example\r\n250-8BITMIME\r\n250 PIPELINING\r\n"
        return b"221 bye\r\n" if verb == b"QUIT" else b"250 OK\r\n"


def _serve(ready: Any, taken: Any, size: Any) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: _Conversation(taken, size), "127.0.0.1", 0)
        ready.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())


@contextlib.contextmanager
def serving() -> Iterator[Sink]:
    """Yield a sink in a process of its own, which ends with the block."""
    context = multiprocessing.get_context("spawn")
    ready = context.SimpleQueue()
    taken, size = context.Value("q", 0, lock=False), context.Value("q", 0, lock=False)
    process = context.Process(target=_serve, args=(ready, taken, size), daemon=True)
    process.start()
    try:
        yield Sink(ready.get(), taken, size)
    finally:
        process.terminate()
        process.join()
