"""A receiver of pushed segments: a real HTTP server that keeps what it is told and answers as it is asked to."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from app.infra import config


@dataclass
class Told:
    """One request."""

    headers: dict[str, str]
    body: bytes
    method: str = "POST"
    path: str = "/"

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def signed_by(self, secret: str) -> bool:
        """Return whether one of the signatures is this secret's, as Standard Webhooks has it."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        made = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return f"v1,{made}" in self.headers["webhook-signature"].split(" ")


class Receiver:
    """`answers` are (status, headers, body) to give, one after the other; after them 200. `on_told` comes before."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.on_told: Callable[[Told], None] = lambda _: None
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.told.append(Told(headers, body, self.command, self.path))
                receiver.on_told(receiver.told[-1])
                status, headers, answer = receiver.answers.pop(0) if receiver.answers else (200, {}, b"{}")
                self.send_response(status)
                for name, value in (headers | {"Content-Length": str(len(answer))}).items():
                    self.send_header(name, value)
                try:
                    self.end_headers()
                    self.wfile.write(answer)
                except ConnectionError:
                    # Whoever asked is gone.
                    self.close_connection = True

            do_GET = do_PUT = do_POST  # noqa: N815 - as the server looks for them

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        self.url = f"{self.origin}/segments"

    def answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"{}") -> None:
        """Give this answer next."""
        self.answers.append((status, headers or {}, body))

    def bodies(self) -> list[Any]:
        return [one.json for one in self.told]


@contextmanager
def serving() -> Iterator[Receiver]:
    """Yield a receiver."""
    receiver = Receiver()
    thread = Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join()


@contextmanager
def receiving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Yield a receiver that Fairway may reach."""
    with serving() as receiver:
        monkeypatch.setenv("OUTBOUND_TRUSTED", receiver.origin)
        config.load.cache_clear()
        try:
            yield receiver
        finally:
            monkeypatch.undo()
            config.load.cache_clear()
