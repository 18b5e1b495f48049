"""The way out to an URL that somebody typed: a webhook's receiver, a feed, a picture.

Such an URL must not make Fairway knock on doors inside its own network. So it is https, its name is resolved once, all
addresses found must lie outside, and the connection goes to one of these very addresses: a name that answers otherwise
the second time gains nothing. No redirect is followed, no proxy of the environment is asked, and time and size of the
answer have an end. Whoever runs Fairway may vouch for receivers inside (OUTBOUND_TRUSTED).
"""

import http.client
import io
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

from app.infra import networks
from app.infra.config import load
from app.infra.errors import UserError

TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_URL = 2000
DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
# Names that mean a place inside wherever they are asked for.
_INSIDE = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "home.arpa")


class RefusedUrl(UserError):
    """The URL leads where Fairway does not go; the message says why and what to write instead."""

    status = 422
    title = "Check the input"

    def __init__(self, message: str) -> None:
        super().__init__(message, "url")


class Unreachable(UserError):
    """Nobody answered at the URL, or not in a way that can be understood; the message says what went wrong.

    `sent` tells whether the request may have arrived all the same.
    """

    status = 502
    title = "No answer"

    def __init__(self, message: str, *, sent: bool = False) -> None:
        super().__init__(message)
        self.sent = sent


class NoSuchHost(Unreachable):
    """There is no host of that name."""


@dataclass(frozen=True, slots=True)
class Target:
    """An URL that was taken apart and may be asked: `path` with its query, `trusted` if the operator vouches for it."""

    scheme: str
    host: str
    port: int
    path: str
    trusted: bool

    @property
    def authority(self) -> str:
        """Return the host as the Host header has it, with its port where that is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: headers by their names in lower case; of the body what was asked for, `whole` if that is all."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = True

    @property
    def ok(self) -> bool:
        """Return whether the receiver took it (2xx). A redirect is not followed and is no success."""
        return 200 <= self.status < 300

    def retry_after(self, now: datetime, longest: timedelta) -> timedelta | None:
        """Return how long it asks to be left alone (Retry-After, in seconds or as a date), if it does."""
        told = self.headers.get("retry-after", "").strip()
        try:
            wait = timedelta(seconds=int(told)) if told.isdigit() else parsedate_to_datetime(told) - now
        except (ValueError, TypeError, OverflowError):
            return None
        return min(max(wait, timedelta(seconds=1)), longest)


def check_url(url: str, *, plain: bool = False) -> Target:
    """Return the URL taken apart, or raise RefusedUrl; no name is resolved yet, so a form can ask this at once.

    `plain`: http:// is let through too, for asking after what everybody may see; nobody inside is vouched for then.
    """
    if not url:
        raise RefusedUrl("Write an address that starts with https://.")
    if len(url) > MAX_URL:
        raise RefusedUrl(f"This address is longer than {MAX_URL} characters.")
    if any(ord(sign) < 33 or ord(sign) == 127 or sign in '\\<>"^`{|}' or sign.isspace() for sign in url):
        raise RefusedUrl("This address holds a space or another character that no address has.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise RefusedUrl("This is not an address. Write it like https://hooks.example.com/fairway.") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.netloc:
        raise RefusedUrl("The address must start with https://.")
    if "@" in parts.netloc:
        raise RefusedUrl("The address must not hold a user name or a password.")
    if port == 0:
        raise RefusedUrl("There is no port 0.")
    host = _host(parts)
    target = Target(
        scheme=parts.scheme,
        host=host,
        port=port or DEFAULT_PORTS[parts.scheme],
        path=_path(parts),
        trusted=not plain and _origin(parts.scheme, host, port) in _trusted(),
    )
    if not target.trusted:
        _check_outside(target, plain)
    return target


def request(
    method: str,
    url: str,
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT_SECONDS,
    max_bytes: int = MAX_ANSWER_BYTES,
    plain: bool = False,
) -> Answer:
    """Send one request and return the answer, whatever its status; raise RefusedUrl or Unreachable.

    `timeout` is for all of it, in seconds: resolving, connecting, sending, reading. Of the answer's body up to
    `max_bytes` are read and the connection is closed; nothing is unpacked. `plain` is as for `check_url`. Call it
    outside of any transaction.
    """
    target = check_url(url, plain=plain)
    deadline = time.monotonic() + timeout
    connection = _connect(target, _addresses(target, deadline), deadline)
    try:
        return _talk(connection, target, method, body, headers or {}, max_bytes)
    except TimeoutError:
        raise Unreachable(f"{target.host} took longer than {timeout:g} seconds to answer.", sent=True) from None
    except (OSError, http.client.HTTPException) as error:
        reason = f"{target.host} broke off or answered something that is not HTTP: {_kind(error)}."
        raise Unreachable(reason, sent=True) from None
    finally:
        connection.end()


def _host(parts: SplitResult) -> str:
    """Return the host in lower case and ASCII, or raise RefusedUrl where it is no plain name and no plain address."""
    given = parts.hostname or ""
    try:
        # What is typed with full-width digits or dots means the plain ones to a resolver.
        host = given if given.isascii() else given.encode("idna").decode("ascii").lower()
        address = networks.literal(host)
        if parts.netloc.startswith("[") and address is None:
            raise ValueError(host)
    except ValueError:
        raise RefusedUrl("This host is not written as a name or a plain address. Write its full name.") from None
    if address is not None:
        return str(address)
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise RefusedUrl("This host is not a name. Write it like hooks.example.com.")
    return host


def _path(parts: SplitResult) -> str:
    """Return path and query as they are sent: what is no ASCII is percent-encoded, the rest stays as it was given."""
    safe = "/%:@!$&'()*+,;=~-._?[]"
    path = quote(parts.path or "/", safe=safe)
    return f"{path}?{quote(parts.query, safe=safe)}" if parts.query else path


def _check_outside(target: Target, plain: bool) -> None:
    if target.scheme != "https" and not plain:
        raise RefusedUrl("The address must start with https://: what is sent to it is about people.")
    ports = load().outbound_ports
    if target.port not in ports:
        raise RefusedUrl(f"Port {target.port} is not allowed; use {_either(ports)}.")
    address = networks.literal(target.host)
    if address is not None:
        if inside := networks.why_inside(address):
            raise RefusedUrl(f"This address is {inside}. Write one that can be reached from everywhere.")
    elif "." not in target.host or any(f".{target.host}".endswith(f".{name}") for name in _INSIDE):
        raise RefusedUrl(f"“{target.host}” is a name inside some network. Write one that is known everywhere.")


def _either(ports: tuple[int, ...]) -> str:
    words = [str(port) for port in ports]
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _trusted() -> set[tuple[str, str, int]]:
    """Return the origins the operator vouches for."""
    parts = map(urlsplit, load().outbound_trusted)
    return {_origin(one.scheme, one.hostname or "", one.port) for one in parts}


def _origin(scheme: str, host: str, port: int | None) -> tuple[str, str, int]:
    return scheme, host, port or DEFAULT_PORTS[scheme]


def _addresses(target: Target, deadline: float) -> list[str]:
    """Return where the target's name leads, all of it outside; raise RefusedUrl or Unreachable."""
    if networks.literal(target.host):
        found = [target.host]
    else:
        found = resolve(target.host, target.port, max(0.0, deadline - time.monotonic()))
    if not found:
        raise NoSuchHost(f"There is no host called {target.host}.")
    for one in found:
        address = ip_address(one.partition("%")[0])
        if networks.hands_out_secrets(address) or "%" in one:
            raise RefusedUrl(f"{target.host} leads to a local network or a cloud's metadata service.")
        # One address inside among others outside is how a name is made to lead inside the next time.
        if not target.trusted and (inside := networks.why_inside(address)):
            raise RefusedUrl(f"{target.host} leads to {inside}. Write an address that can be reached from everywhere.")
    return found


def resolve(host: str, port: int, timeout: float) -> list[str]:
    """Return the addresses of a host, each once, in the order in which to try them; none if there is no such host.

    Raises Unreachable if the answer takes too long, or whoever knows could not be asked. The system's resolver can't be
    told how long it may take, so it is left behind in a thread of its own.
    """
    answers: SimpleQueue[list[str] | None] = SimpleQueue()

    def ask() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                answers.put(None)
                return
            rows = []
        except (OSError, UnicodeError):
            rows = []
        answers.put(list(dict.fromkeys(str(row[4][0]) for row in rows)))

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        found = answers.get(timeout=timeout)
    except Empty:
        raise Unreachable(f"The name {host} could not be resolved in time.") from None
    if found is None:
        raise Unreachable(f"Nobody could be asked where {host} is: names are not resolved at the moment.")
    return found


def _connect(target: Target, addresses: list[str], deadline: float) -> "_Bounded":
    """Return a connection to the first of the addresses that takes one, encrypted and its certificate checked."""
    problem: OSError | None = None
    for at, address in enumerate(addresses):
        # One that does not answer leaves time for the others.
        left = (deadline - time.monotonic()) / (len(addresses) - at)
        if left <= 0:
            break
        try:
            plain = socket.create_connection((address, target.port), timeout=left)
        except OSError as error:
            problem = error
            continue
        try:
            return _Bounded(_encrypted(plain, target, deadline), deadline)
        except ssl.SSLCertVerificationError as error:
            plain.close()
            raise Unreachable(f"{target.host} has no valid certificate: {error.verify_message}.") from None
        except OSError as error:
            plain.close()
            problem = error
    if problem is None or isinstance(problem, TimeoutError):
        raise Unreachable(f"{target.host} could not be reached in time.")
    raise Unreachable(f"{target.host} could not be reached: {_kind(problem)}.")


def _encrypted(plain: socket.socket, target: Target, deadline: float) -> socket.socket:
    if target.scheme != "https":
        return plain
    plain.settimeout(max(0.001, deadline - time.monotonic()))
    return _certificates().wrap_socket(plain, server_hostname=target.host)


@cache
def _certificates() -> ssl.SSLContext:
    """Return the system's authorities, which take a while to read."""
    return ssl.create_default_context()


def _talk(
    connection: "_Bounded", target: Target, method: str, body: bytes, headers: Mapping[str, str], max_bytes: int
) -> Answer:
    client = http.client.HTTPConnection(target.host, target.port)
    # The socket stands already: http.client neither resolves nor connects nor asks a proxy.
    client.sock = connection
    client.putrequest(method, target.path, skip_host=True, skip_accept_encoding=True)
    sent = {"Host": target.authority, "Accept-Encoding": "identity", "Connection": "close", "User-Agent": "Fairway"}
    for name, value in (sent | dict(headers)).items():
        client.putheader(name, value)
    if body or method in ("POST", "PUT", "PATCH"):
        client.putheader("Content-Length", str(len(body)))
    client.endheaders(body or None)
    with client.getresponse() as response:
        told = {name.lower(): value for name, value in response.getheaders()}
        read = response.read(max_bytes + 1)
        return Answer(response.status, told, read[:max_bytes], len(read) <= max_bytes)


def _kind(error: Exception) -> str:
    """Return what went wrong, without anything that the other side wrote."""
    if isinstance(error, ssl.SSLError):
        return "no encrypted connection could be made"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return type(error).__name__


class _Bounded:
    """A socket that gives each of its acts what is left of the whole time, so that a drip of bytes has an end too.

    It has of a socket what http.client uses.
    """

    def __init__(self, inner: socket.socket, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def _hurry(self) -> socket.socket:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._inner.settimeout(left)
        return self._inner

    def sendall(self, data: bytes) -> None:
        """Send all of `data`."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._hurry().send(rest) :]

    def recv_into(self, buffer: Any) -> int:
        """Read what there is, at least one byte, or nothing at the end."""
        return self._hurry().recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return what http.client reads the answer from."""
        assert mode == "rb"
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Do nothing: http.client closes before the answer is read."""

    def end(self) -> None:
        """Close the connection."""
        self._inner.close()


class _Reader(io.RawIOBase):
    def __init__(self, source: _Bounded) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._source.recv_into(buffer)
