"""An SMTP client that pipelines: one round trip a letter, over connections that stay open.

What it reports is as much as can be known: a letter whose final dot was handed over and never answered is `unknown`,
whatever broke before that may be tried again (RFC 5321 4.2.5, RFC 2920 3.1).
"""

import base64
import contextlib
import os
import re
import socket
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from urllib.parse import parse_qs, unquote, urlsplit

from app.messaging.channel import Outcome, Result
from app.messaging.in_hand import Mark, unwatched
from app.messaging.providers import provider_of
from app.messaging.width import Width

TIMEOUT_SECONDS = 10.0
IDLE_SECONDS = 30.0
MAX_CONNECTIONS = 4
LETTERS_A_CONNECTION = 5_000
MAX_REPLY_LINE = 4_096
RESPONSE_LENGTH = 500
SLOW_ANSWERS = 3
"""So many times in a batch a provider may ask for less: what else is meant for it is not offered any more."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(slots=True)
class Envelope:
    """A letter ready for the wire: `body` has CRLF line ends and its leading dots doubled, without the final dot.

    `urgent`: it is offered to a provider that asks for less as well. `mark` is told when the server may have it, and
    what the server said.
    """

    sender: str
    recipient: str
    body: bytes
    urgent: bool = False
    mark: Mark = field(default_factory=unwatched)


@dataclass(frozen=True, slots=True)
class Server:
    """Where letters are handed over. `starttls` is never, if_offered or required."""

    host: str
    port: int
    implicit_tls: bool
    starttls: str
    user: str | None
    password: str | None
    hello: str

    @classmethod
    def from_url(cls, url: str, hello: str) -> "Server":
        """Read `smtp://[user:password@]host[:port][?starttls=never|if_offered|required]` or `smtps://…`.

        With a user name the connection must be encrypted, unless the server is on this machine.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("SMTP_URL must look like smtp://host:port or smtps://user:password@host")
        default = "required" if parts.username and parts.hostname not in LOOPBACK else "if_offered"
        starttls = parse_qs(parts.query).get("starttls", [default])[0]
        if starttls not in ("never", "if_offered", "required"):
            raise ValueError("starttls in SMTP_URL must be never, if_offered or required")
        return cls(
            host=parts.hostname,
            port=parts.port or (465 if parts.scheme == "smtps" else 25),
            implicit_tls=parts.scheme == "smtps",
            starttls=starttls,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password or "") if parts.username else None,
            hello=hello,
        )


class Refused(Exception):
    """The server answered, and it was no: `code` below 500 means later."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code


class Gone(Exception):
    """The connection broke or the server fell silent."""


class Closed(Gone):
    """The server closed the connection with its answer to a letter (421), which has its outcome."""


class Waiting(deque[tuple[int, Envelope]]):
    """The letters of a batch that no connection has taken yet, by their numbers."""

    def __init__(self, letters: Iterable[tuple[int, Envelope]]) -> None:
        super().__init__(letters)
        self._slow: Counter[str] = Counter()

    def heed(self, envelope: Envelope, outcome: Outcome, outcomes: list[Outcome | None]) -> None:
        """Take out what can wait of a provider that has asked for less a few times: it need not be asked again."""
        if not outcome.slow:
            return
        provider = _provider(envelope)
        self._slow[provider] += 1
        if self._slow[provider] != SLOW_ANSWERS:
            return
        said = f"It was not offered: {provider} asked for less. {outcome.response}"[:RESPONSE_LENGTH]
        kept = []
        # Other connections take letters out of it meanwhile.
        while (letter := _next(self)) is not None:
            if _provider(letter[1]) == provider and not letter[1].urgent:
                outcomes[letter[0]] = Outcome(Result.RETRY, said, slow=True)
            else:
                kept.append(letter)
        self.extend(kept)


def _provider(envelope: Envelope) -> str:
    return provider_of(envelope.recipient.rpartition("@")[2].lower())


class Connection:
    """One open SMTP connection. Not for several threads at once."""

    def __init__(self, server: Server) -> None:
        """Connect, greet, encrypt and sign in, or raise Gone or Refused."""
        self._server = server
        self._pending = b""
        self._extensions: set[str] = set()
        self._login_words: set[str] = set()
        self._socket: socket.socket
        self._pipelines = False
        self.letters = 0
        self.used_at = time.monotonic()
        try:
            self._open()
        except OSError as error:
            raise Gone(f"no connection to {server.host}:{server.port}: {error}") from None
        try:
            self._greet()
        except (Gone, Refused):
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection without waiting for anybody."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def quit(self) -> None:
        """Say goodbye and close."""
        with contextlib.suppress(OSError, Gone):
            self._socket.sendall(b"QUIT\r\n")
        self.close()

    def deliver(self, queue: "Waiting", outcomes: list[Outcome | None]) -> None:
        """Send letters from `queue` until it is empty, filing each outcome under the letter's number.

        Raise Gone when the connection broke; the letter it broke on has its outcome, unless it may simply be sent
        again, in which case it is put back at the head of the queue.
        """
        current = _next(queue)
        if current is None:
            return
        self._send_envelope(b"", current, queue)
        while current is not None:
            number, _ = current
            try:
                refusal = self._read_envelope_replies()
            except Gone:
                queue.appendleft(current)
                raise
            if refusal is None:
                current = self._hand_over(current, queue, outcomes)
            else:
                outcomes[number] = refusal
                queue.heed(current[1], refusal, outcomes)
                if refusal.code == 421:
                    raise Closed(refusal.response)
                current = _next(queue)
                self._reset(current, queue)
            self.letters += 1
            self.used_at = time.monotonic()

    def _hand_over(
        self,
        current: tuple[int, Envelope],
        queue: "Waiting",
        outcomes: list[Outcome | None],
    ) -> tuple[int, Envelope] | None:
        """Send the accepted letter's body, with the next one's envelope behind it; return that next letter."""
        number, envelope = current
        following = _next(queue) if self._pipelines else None
        letter = envelope.body + b".\r\n"
        sent = 0
        envelope.mark.offered()
        try:
            stream = memoryview(letter + self._commands(following))
            while sent < len(stream):
                sent += self._socket.send(stream[sent:])
        except OSError as error:
            if following is not None:
                queue.appendleft(following)
            if sent < len(letter):
                # The final dot never left, so nobody can have accepted the letter.
                envelope.mark.kept()
                queue.appendleft(current)
            else:
                outcomes[number] = Outcome(Result.UNKNOWN, f"The connection broke after the letter: {error}")
            raise Gone(f"the connection broke: {error}") from None
        try:
            code, text = self._reply()
        except Gone as gone:
            if following is not None:
                queue.appendleft(following)
            outcomes[number] = Outcome(Result.UNKNOWN, f"No answer after the letter was handed over: {gone}")
            raise
        outcomes[number] = outcome = _outcome(code, text)
        queue.heed(envelope, outcome, outcomes)
        if code < 400:
            envelope.mark.taken()
        else:
            envelope.mark.kept()
        if code == 421:
            if following is not None:
                queue.appendleft(following)
            raise Closed(text)
        if following is None and not self._pipelines:
            following = _next(queue)
            self._send_envelope(b"", following, queue)
        return following

    def _commands(self, letter: tuple[int, Envelope] | None) -> bytes:
        if letter is None:
            return b""
        envelope = letter[1]
        return f"MAIL FROM:<{envelope.sender}>\r\nRCPT TO:<{envelope.recipient}>\r\nDATA\r\n".encode("ascii")

    def _send_envelope(self, first: bytes, letter: tuple[int, Envelope] | None, queue: "Waiting") -> None:
        """Send the commands before a letter's body: all at once, or one by one to a server that can't pipeline."""
        commands = first + self._commands(letter)
        if not commands:
            return
        self._early: tuple[tuple[int, str], ...] | None = None
        try:
            if self._pipelines:
                self._socket.sendall(commands)
                return
            answers: list[tuple[int, str]] = []
            for line in commands.splitlines(keepends=True):
                self._socket.sendall(line)
                answers.append(self._reply())
                if answers[-1][0] >= 400 and line != b"RSET\r\n":
                    break
            self._early = tuple(answers[1:] if first else answers)
        except (OSError, Gone) as error:
            if letter is not None:
                queue.appendleft(letter)
            raise Gone(f"the connection broke: {error}") from None

    def _reset(self, letter: tuple[int, Envelope] | None, queue: "Waiting") -> None:
        """Clear what a refused letter left behind, and begin the next one."""
        self._send_envelope(b"RSET\r\n", letter, queue)
        if self._pipelines:
            try:
                self._reply()
            except Gone:
                if letter is not None:
                    queue.appendleft(letter)
                raise

    def _read_envelope_replies(self) -> Outcome | None:
        """Return None when the server wants the body now, else why it does not."""
        early = self._early if not self._pipelines else None
        answers = list(early) if early is not None else self._three_replies()
        for refused_at, (code, text) in enumerate(answers):  # noqa: B007 - they are looked at below
            if code >= 400:
                break
        else:
            return None
        if len(answers) == 3 and answers[2][0] == 354:
            # It refused the reader and wants the letter all the same: end it empty (RFC 2920, 3.1).
            self._send_all(b".\r\n")
            self._reply()
        return _outcome(code, text, refused_recipient=refused_at == 1)

    def _three_replies(self) -> list[tuple[int, str]]:
        """Return what was said to the envelope's commands. After a 421 the server says nothing more (RFC 5321, 3.8)."""
        answers: list[tuple[int, str]] = []
        while len(answers) < 3 and (not answers or answers[-1][0] != 421):
            answers.append(self._reply())
        return answers

    def _open(self) -> None:
        server = self._server
        raw = socket.create_connection((server.host, server.port), timeout=TIMEOUT_SECONDS)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = raw
        if server.implicit_tls:
            self._socket = ssl.create_default_context().wrap_socket(raw, server_hostname=server.host)

    def _greet(self) -> None:
        server = self._server
        self._expect(self._reply())
        self._hello()
        if not server.implicit_tls and server.starttls != "never":
            if "STARTTLS" in self._extensions:
                self._start_tls()
            elif server.starttls == "required":
                raise Gone(f"{server.host} does not offer STARTTLS, which SMTP_URL requires")
        if server.user is not None:
            self._sign_in(server.user, server.password or "")

    def _hello(self) -> None:
        code, text = self._ask(f"EHLO {self._server.hello}")
        if code >= 400:
            self._expect(self._ask(f"HELO {self._server.hello}"))
            self._extensions = self._login_words = set()
            self._pipelines = False
            return
        self._extensions = {line.split(" ")[0].split("=")[0].upper() for line in text.split("\n")[1:]}
        self._pipelines = "PIPELINING" in self._extensions
        self._login_words = {
            word.upper() for line in text.split("\n") if line.upper().startswith("AUTH") for word in line[5:].split()
        }

    def _start_tls(self) -> None:
        self._expect(self._ask("STARTTLS"))
        context = ssl.create_default_context()
        if self._server.starttls == "if_offered":
            # Encryption without proof of who is there still beats none, and nobody asked for the proof.
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        # Whatever was said in the clear behind the answer is not the server's word.
        self._pending = b""
        try:
            self._socket = context.wrap_socket(self._socket, server_hostname=self._server.host)
        except OSError as error:
            raise Gone(f"TLS with {self._server.host} failed: {error}") from None
        self._hello()

    def _sign_in(self, user: str, password: str) -> None:
        if "AUTH" not in self._extensions:
            raise Gone(f"{self._server.host} lets nobody sign in, and SMTP_URL has a user name")
        if "PLAIN" in self._login_words or "LOGIN" not in self._login_words:
            word = base64.b64encode(f"\0{user}\0{password}".encode()).decode("ascii")
            self._expect(self._ask(f"AUTH PLAIN {word}"))
            return
        self._expect(self._ask("AUTH LOGIN"))
        self._expect(self._ask(base64.b64encode(user.encode()).decode("ascii")))
        self._expect(self._ask(base64.b64encode(password.encode()).decode("ascii")))

    def _ask(self, line: str) -> tuple[int, str]:
        self._send_all(f"{line}\r\n".encode("ascii"))
        return self._reply()

    def _expect(self, reply: tuple[int, str]) -> None:
        code, text = reply
        if code >= 400:
            raise Refused(code, text)

    def _send_all(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise Gone(f"the connection broke: {error}") from None

    def _reply(self) -> tuple[int, str]:
        """Return the code and text (lines joined by a line feed) of one reply, or raise Gone."""
        lines: list[str] = []
        while True:
            line, found, rest = self._pending.partition(b"\n")
            if not found:
                if len(self._pending) > MAX_REPLY_LINE:
                    raise Gone("the server's answer has no end")
                try:
                    received = self._socket.recv(4_096)
                except OSError as error:
                    raise Gone(str(error) or type(error).__name__) from None
                if not received:
                    raise Gone("the server closed the connection")
                self._pending += received
                continue
            self._pending = rest
            code, words, goes_on = _read(line)
            if len(lines) > 100 or code is None:
                raise Gone("the server's answer is not SMTP")
            if goes_on:
                lines.append(words)
            elif lines:
                return code, "\n".join([*lines, words])
            else:
                return code, words


# Most answers to a batch are the same few.
@lru_cache(maxsize=100)
def _read(line: bytes) -> tuple[int | None, str, bool]:
    """Return the code of a line of an answer, if it has one, its words, and whether more lines follow."""
    code = line[:3]
    words = line[4:].rstrip(b"\r").decode("utf-8", "replace")
    return int(code) if code.isdigit() else None, words, line[3:4] == b"-"


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

    def _work(self, queue: "Waiting", outcomes: list[Outcome | None]) -> None:
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
                if breaks > 2 and queue:
                    # One letter may be what breaks it: let that one wait and go on with the others.
                    with contextlib.suppress(IndexError):
                        number, _ = queue.popleft()
                        outcomes[number] = Outcome(Result.RETRY, f"The connection broke: {gone}"[:RESPONSE_LENGTH])
                continue
            except BaseException:
                connection.close()
                raise
            self._give_back(connection)

    def _give_up(self, queue: "Waiting", outcomes: list[Outcome | None], error: Exception) -> None:
        response = f"The mail server can't be reached: {error}"[:RESPONSE_LENGTH]
        with contextlib.suppress(IndexError):
            while True:
                number, _ = queue.popleft()
                outcomes[number] = Outcome(Result.RETRY, response, no_connection=True)

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


_NO_SUCH_MAILBOX = re.compile(r"\b5\.1\.(?:1|2|3|6|10)\b")
_ENHANCED = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")
_GREYLISTED = re.compile(r"gr[ea]y-?\s?list", re.IGNORECASE)
_TOO_MUCH = re.compile(
    r"too (?:many|much|fast)|\brate\b|throttl|slow(?:ed)? down|temporarily deferred|limit (?:exceeded|reached)",
    re.IGNORECASE,
)
_NO_SUCH_WORDS = re.compile(r"no such|unknown|does not exist|doesn't exist", re.IGNORECASE)


def _next(queue: "Waiting") -> tuple[int, Envelope] | None:
    try:
        return queue.popleft()
    except IndexError:
        return None


def _outcome(code: int, text: str, *, refused_recipient: bool = False) -> Outcome:
    response = (f"{code} {text}".replace("\n", " ") if "\n" in text else f"{code} {text}")[:RESPONSE_LENGTH]
    result = Result.SENT if code < 400 else Result.RETRY if code < 500 else Result.FAILED
    dead = result is Result.FAILED and refused_recipient and _means_no_such_mailbox(code, response)
    slow = result is Result.RETRY and _asks_for_less(code, response)
    return Outcome(result, response, code, refused_recipient, dead_address=dead, slow=slow)


def _asks_for_less(code: int, response: str) -> bool:
    """Return whether a temporary no is to how much we send, or to all of it, and not to one letter or mailbox.

    Greylisting is not: who is new to it is told to come back once, and what was told so before goes through.
    """
    if _GREYLISTED.search(response):
        return False
    status = _ENHANCED.search(response)
    if status is None:
        return code == 421 or bool(_TOO_MUCH.search(response))
    # Addresses, mailboxes and what is in the letter; what the server itself is about (4.3) is told by its words.
    if status[0].startswith(("4.1.", "4.2.", "4.6.")):
        return False
    return status[0].startswith("4.7.") or bool(_TOO_MUCH.search(response))


def _means_no_such_mailbox(code: int, response: str) -> bool:
    """Return whether a refusal says the address does not exist; policy and full mailboxes say other things."""
    if _ENHANCED.search(response):
        return bool(_NO_SUCH_MAILBOX.search(response))
    return code == 550 and bool(_NO_SUCH_WORDS.search(response))
