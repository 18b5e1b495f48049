"""An SMTP client that pipelines: one round trip a letter, over connections that stay open (`smtp_pool.py`).

What it reports is as much as can be known: a letter whose final dot was handed over and never answered is `unknown`,
whatever broke before that may be tried again (RFC 5321 4.2.5, RFC 2920 3.1).
"""

import base64
import contextlib
import socket
import ssl
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from app.messaging.channel import Outcome, Result
from app.messaging.in_hand import Mark, unwatched
from app.messaging.providers import provider_of
from app.messaging.smtp_replies import RESPONSE_LENGTH, outcome_of, read_line

TIMEOUT_SECONDS = 10.0
MAX_REPLY_LINE = 4_096
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

    def next(self) -> tuple[int, Envelope] | None:
        """Take the first one out and return it, if there is one."""
        try:
            return self.popleft()
        except IndexError:
            return None

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
        while (letter := self.next()) is not None:
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

    def deliver(self, queue: Waiting, outcomes: list[Outcome | None]) -> None:
        """Send letters from `queue` until it is empty, filing each outcome under the letter's number.

        Raise Gone when the connection broke; the letter it broke on has its outcome, unless it may simply be sent
        again, in which case it is put back at the head of the queue.
        """
        current = queue.next()
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
                current = queue.next()
                self._reset(current, queue)
            self.letters += 1
            self.used_at = time.monotonic()

    def _hand_over(
        self,
        current: tuple[int, Envelope],
        queue: Waiting,
        outcomes: list[Outcome | None],
    ) -> tuple[int, Envelope] | None:
        """Send the accepted letter's body, with the next one's envelope behind it; return that next letter."""
        number, envelope = current
        following = queue.next() if self._pipelines else None
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
        outcomes[number] = outcome = outcome_of(code, text)
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
            following = queue.next()
            self._send_envelope(b"", following, queue)
        return following

    def _commands(self, letter: tuple[int, Envelope] | None) -> bytes:
        if letter is None:
            return b""
        envelope = letter[1]
        return f"MAIL FROM:<{envelope.sender}>\r\nRCPT TO:<{envelope.recipient}>\r\nDATA\r\n".encode("ascii")

    def _send_envelope(self, first: bytes, letter: tuple[int, Envelope] | None, queue: Waiting) -> None:
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

    def _reset(self, letter: tuple[int, Envelope] | None, queue: Waiting) -> None:
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
        return outcome_of(code, text, refused_recipient=refused_at == 1)

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
            code, words, goes_on = read_line(line)
            if len(lines) > 100 or code is None:
                raise Gone("the server's answer is not SMTP")
            if goes_on:
                lines.append(words)
            elif lines:
                return code, "\n".join([*lines, words])
            else:
                return code, words
