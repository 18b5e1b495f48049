"""Open connections to SMTP servers, kept between batches."""

import os
import threading
import time
from collections.abc import Sequence
from functools import cache

from app.messaging.channel import Outcome, Result
from app.messaging.smtp import Closed, Connection, Envelope, Gone, Refused, Server, Waiting
from app.messaging.smtp_replies import RESPONSE_LENGTH
from app.messaging.width import Width

IDLE_SECONDS = 30.0
MAX_CONNECTIONS = 4
LETTERS_A_CONNECTION = 5_000


class Pool:
    """Open connections to one server, kept between batches; letters of a batch share them."""

    def __init__(self, server: Server, size: int = MAX_CONNECTIONS) -> None:
        self._server = server
        self._size = size
        self._width = Width(size)
        self._idle: list[Connection] = []
        self._lock = threading.Lock()

    def deliver(self, envelopes: Sequence[Envelope]) -> list[Outcome]:
        """Send every letter and return its outcome, in order. No letter is offered twice once it was accepted."""
        queue = Waiting(enumerate(envelopes))
        outcomes: list[Outcome | None] = [None] * len(envelopes)
        began = time.monotonic()
        helpers = [
            threading.Thread(target=self._work, args=(queue, outcomes), daemon=True)
            for _ in range(min(self._width.size, (len(envelopes) + 9) // 10) - 1)
        ]
        for helper in helpers:
            helper.start()
        self._work(queue, outcomes)
        for helper in helpers:
            helper.join()
        self._width.learn(len(envelopes), time.monotonic() - began)
        lost = Outcome(Result.RETRY, "The connection broke before this letter was sent.", no_connection=True)
        return [outcome or lost for outcome in outcomes]

    def close(self) -> None:
        """Close every idle connection."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.quit()

    def forget(self) -> None:
        """Let go of connections that belong to the parent of this process, without a word on their wires."""
        self._lock = threading.Lock()
        for connection in self._idle:
            connection.close()
        self._idle = []

    def _work(self, queue: Waiting, outcomes: list[Outcome | None]) -> None:
        """Drain `queue` over one connection; a broken one is replaced once before the rest is left for later."""
        breaks = 0
        while queue:
            try:
                connection = self._take(fresh=breaks > 0)
            except (Gone, Refused) as error:
                self._give_up(queue, outcomes, error)
                return
            try:
                connection.deliver(queue, outcomes)
            except Closed:
                connection.close()
                continue
            except Gone as gone:
                connection.close()
                breaks += 1
                # One letter may be what breaks it: let that one wait and go on with the others.
                if breaks > 2 and (letter := queue.next()) is not None:
                    outcomes[letter[0]] = Outcome(Result.RETRY, f"The connection broke: {gone}"[:RESPONSE_LENGTH])
                continue
            except BaseException:
                connection.close()
                raise
            self._give_back(connection)

    def _give_up(self, queue: Waiting, outcomes: list[Outcome | None], error: Exception) -> None:
        response = f"The mail server can't be reached: {error}"[:RESPONSE_LENGTH]
        while (letter := queue.next()) is not None:
            outcomes[letter[0]] = Outcome(Result.RETRY, response, no_connection=True)

    def _take(self, *, fresh: bool) -> Connection:
        while not fresh:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                break
            if time.monotonic() - connection.used_at < IDLE_SECONDS:
                return connection
            connection.quit()
        return Connection(self._server)

    def _give_back(self, connection: Connection) -> None:
        with self._lock:
            keep = connection.letters < LETTERS_A_CONNECTION and len(self._idle) < self._size
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.quit()


@cache
def pool(url: str, hello: str) -> Pool:
    """Return this process's pool for a server."""
    made = Pool(Server.from_url(url, hello))
    # Two processes on one connection would read each other's answers.
    os.register_at_fork(after_in_child=made.forget)
    return made
