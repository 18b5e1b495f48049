"""An SMTP server that writes down whom it took each letter for and when, and takes no more than so many a second.

A process of its own: what it wrote down counts, whatever the product's tables say. A letter is written down before it
is answered, so that one whose sender dies in between was taken all the same.
"""

import asyncio
import contextlib
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST_LETTER = 4_000_000


@dataclass
class Kept:
    """A running server and what it wrote down."""

    port: int
    log: Path

    @property
    def url(self) -> str:
        """Return its address for SMTP_URL."""
        return f"smtp://127.0.0.1:{self.port}"

    def taken(self) -> int:
        """Return how many letters it took."""
        return self.log.read_bytes().count(b"\n")

    def readers(self) -> Counter[str]:
        """Return how many letters it took for each address."""
        return Counter(address for address, _ in self._lines())

    def moments(self) -> dict[str, float]:
        """Return when it took the first letter for each address, in seconds of the epoch."""
        return {address: float(at) for address, at in reversed(list(self._lines()))}

    def _lines(self) -> Iterator[list[str]]:
        return (line.split() for line in self.log.read_text().splitlines())


class _Server:
    def __init__(self, log: int, most: float | None) -> None:
        self.log = log
        self.gap = 1 / most if most else 0.0
        self.free_at = 0.0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take all letters of one client."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 kept.example\r\n")
        address = b""
        while line := await reader.readline():
            verb = line[:4].upper()
            answer = b"250 OK\r\n"
            if verb == b"EHLO":
                answer = b"250-kept.example\r\n250-8BITMIME\r\n250 PIPELINING\r\n"
            elif verb == b"RCPT":
                address = line.partition(b"<")[2].partition(b">")[0]
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                os.write(self.log, b"%s %.3f\n" % (address, time.time()))
                await self._its_turn()
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                return
            writer.write(answer)

    async def _its_turn(self) -> None:
        if self.gap:
            now = asyncio.get_running_loop().time()
            self.free_at = max(self.free_at, now) + self.gap
            await asyncio.sleep(self.free_at - now)


def _serve(ready: Any, log: str, most: float | None) -> None:
    async def main() -> None:
        talk = _Server(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), most).talk
        server = await asyncio.start_server(talk, "127.0.0.1", 0, limit=LONGEST_LETTER)
        ready.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())


@contextlib.contextmanager
def keeping(log: Path, most: float | None = None) -> Iterator[Kept]:
    """Yield such a server, which ends with the block; `most` letters a second, any number if None."""
    context = multiprocessing.get_context("spawn")
    ready = context.SimpleQueue()
    process = context.Process(target=_serve, args=(ready, str(log), most), daemon=True)
    process.start()
    try:
        yield Kept(ready.get(), log)
    finally:
        process.terminate()
        process.join()
