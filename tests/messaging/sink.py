"""A real SMTP peer for tests: it keeps every letter it accepted, and misbehaves on demand."""

import asyncio
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

Answer = str | None


@dataclass
class Letter:
    """One accepted letter: its envelope and its bytes as they were sent, dots unstuffed."""

    sender: str
    recipient: str
    body: bytes

    @property
    def mail(self) -> EmailMessage:
        message = message_from_bytes(self.body, policy=policy.SMTP)
        assert isinstance(message, EmailMessage)
        return message

    @property
    def message_id(self) -> str:
        return self.mail["Message-ID"]


@dataclass
class Sink:
    """An SMTP server on a port of its own.

    `on_recipient(address, nth)` and `on_letter(address, nth)` give the answer to RCPT and to the final dot the nth
    time (from 1) the address comes by: None means yes, "drop" closes the connection, "drop-early" closes it once the
    first bytes of a letter came, anything else is sent as it is. A letter dropped after its dot counts as accepted.
    """

    on_recipient: Callable[[str, int], Answer] = lambda _address, _nth: None
    on_letter: Callable[[str, int], Answer] = lambda _address, _nth: None
    pipelining: bool = True
    letters: list[Letter] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    finished: Counter[str] = field(default_factory=Counter)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def to(self, address: str) -> list[Letter]:
        return [letter for letter in self.letters if letter.recipient == address]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender = recipient = ""
        early = False
        writer.write(b"220 sink.example\r\n")
        while line := (await reader.readline()).decode("ascii").rstrip("\r\n"):
            verb = line[:4].upper()
            answer = "250 OK"
            if verb == "EHLO":
                answer = "250-sink.example\r\n250-8BITMIME\r\n250 " + ("PIPELINING" if self.pipelining else "HELP")
            elif verb == "MAIL":
                sender, recipient = line[11:-1], ""
            elif verb == "RCPT":
                address = line[9:-1]
                self.seen[address] += 1
                refusal = self.on_recipient(address, self.seen[address])
                if refusal == "drop":
                    return
                early = refusal == "drop-early"
                if refusal and not early:
                    answer = refusal
                else:
                    recipient = address
            elif verb == "DATA":
                if not recipient:
                    answer = "503 no recipient"
                else:
                    writer.write(b"354 go on\r\n")
                    await writer.drain()
                    if early:
                        await reader.readexactly(1000)
                        # Unread bytes make the close a reset, as when a machine fails in the middle.
                        linger = struct.pack("ii", 1, 0)
                        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                        writer.transport.abort()
                        return
                    body = (await reader.readuntil(b"\r\n.\r\n"))[:-3].replace(b"\r\n..", b"\r\n.")
                    body = body[1:] if body.startswith(b"..") else body
                    self.finished[recipient] += 1
                    answer = self.on_letter(recipient, self.finished[recipient]) or "250 taken"
                    if answer[0] == "2" or answer == "drop":
                        self.letters.append(Letter(sender, recipient, body))
                    if answer == "drop":
                        return
            elif verb == "QUIT":
                writer.write(b"221 bye\r\n")
                return
            writer.write(f"{answer}\r\n".encode("ascii"))
            if answer.startswith("421"):
                return


@contextmanager
def running(sink: Sink) -> Iterator[Sink]:
    """Serve `sink` in a thread for as long as the block lasts."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    async def main() -> None:
        server = await asyncio.start_server(sink.serve, "127.0.0.1", 0, limit=30_000_000)
        sink.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await stop.wait()
        conversations = asyncio.all_tasks() - {asyncio.current_task()}
        for one in conversations:
            one.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    ready.wait()
    try:
        yield sink
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
