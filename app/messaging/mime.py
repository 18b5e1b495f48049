"""Letters on the wire, built by hand: the standard library takes half a millisecond for each.

What goes into a header is encoded or refused, so no value can end a header and begin another. The tests read every
letter back with the standard library's parser.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

MAX_HEADER_LINE = 76
MAX_BODY_LINE = 990
MAX_ADDRESS = 254
SEVEN_BIT = b"7bit"
QUOTED = b"quoted-printable"

_PLAIN_HEADER = re.compile(r"[ -~]*\Z")
_ATOM_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*\Z")
_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\Z"
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_DOT_FIRST = re.compile(rb"\n\.")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class HeaderProblem(ValueError):
    """A value cannot stand in a header: it has a line break or control character, or is no address."""


@dataclass(slots=True)
class Encoded:
    """The body of a part as it travels: `how` names its Content-Transfer-Encoding; lines end, the last too, in CRLF."""

    how: bytes
    body: bytes


@dataclass(slots=True)
class Mail:
    """One letter for one reader. `headers` are further ones, in order; their values are plain ASCII.

    `html` may be encoded already.
    """

    message_id: str
    date: str
    from_name: str
    from_address: str
    to_address: str
    subject: str
    text: str
    html: "str | Encoded | None"
    boundary: UUID
    headers: Sequence[tuple[str, str]] = ()


@lru_cache(maxsize=4096)
def clean_address(address: str) -> str | None:
    """Return `address` as it is written on an envelope (its domain in IDNA form), or None when mail can't go there."""
    local, separator, domain = address.strip().rpartition("@")
    if not separator:
        return None
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    cleaned = f"{local}@{domain}"
    return cleaned if len(cleaned) <= MAX_ADDRESS and len(local) <= 64 and _ADDRESS.match(cleaned) else None


def build(mail: Mail) -> bytes:
    """Return the letter as RFC 5322 bytes with CRLF line ends, or raise HeaderProblem."""
    name, date, *others = _all_plain((("Message-ID", f"<{mail.message_id}>"), ("Date", mail.date), *mail.headers))
    head = [
        name,
        date,
        f"From: {mailbox(mail.from_name, mail.from_address)}",
        f"To: {mailbox('', mail.to_address)}",
        _text_header("Subject", mail.subject),
        "MIME-Version: 1.0",
        *others,
    ]
    text = _part(b"plain", encoded(mail.text))
    if mail.html is None:
        return f"{_lines(head)}\r\n".encode("ascii") + text
    boundary = f"=_{mail.boundary.hex}"
    head.append(f'Content-Type: multipart/alternative; boundary="{boundary}"')
    mark = b"--" + boundary.encode("ascii")
    html = mail.html if isinstance(mail.html, Encoded) else encoded(mail.html)
    opening = _lines(head).encode("ascii")
    return b"%b\r\n\r\n%b\r\n%b\r\n%b\r\n%b\r\n%b--\r\n" % (opening, mark, text, mark, _part(b"html", html), mark)


@lru_cache(maxsize=4096)
def mailbox(name: str, address: str) -> str:
    """Return `name <address>` for a header, or the bare address when there is no name."""
    cleaned = clean_address(address)
    if cleaned is None:
        raise HeaderProblem("this is not an address mail can go to")
    if not name:
        return cleaned
    if _CONTROL.search(name):
        raise HeaderProblem("a name has a line break or control character in it")
    if len(name) > MAX_HEADER_LINE or not _PLAIN_HEADER.match(name) or "=?" in name:
        return f"{_encoded_words(name, 'From: ')} <{cleaned}>"
    if _ATOM_PHRASE.match(name):
        return f"{name} <{cleaned}>"
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{cleaned}>'


def stuff_dots(body: bytes) -> bytes:
    """Return `body` as it is sent after DATA: leading dots doubled, ended by CRLF, without the final dot."""
    # Found by a pattern in a third of the time that looking for the bytes takes.
    if _DOT_FIRST.search(body):
        body = body.replace(b"\r\n.", b"\r\n..")
    if body.startswith(b"."):
        body = b"." + body
    return body if body.endswith(b"\r\n") else body + b"\r\n"


def _all_plain(headers: Sequence[tuple[str, str]]) -> list[str]:
    """Return these headers as lines, or raise HeaderProblem."""
    lines = [f"{name}: {value}" for name, value in headers]
    whole = "".join(lines)
    # One look at all of them tells nearly always that nothing is wrong with any.
    if whole.isascii() and whole.isprintable() and max(map(len, lines), default=0) <= MAX_BODY_LINE:
        _check_names(tuple([name for name, _ in headers]))
        return lines
    for (name, value), line in zip(headers, lines, strict=True):
        if not _PLAIN_HEADER.match(value):
            raise HeaderProblem(f"the header {name!r} has a line break, control character or non-ASCII letter in it")
        if len(line) > MAX_BODY_LINE:
            raise HeaderProblem(f"the header {name!r} is too long")
    raise HeaderProblem("a header has a name that none can have")


@lru_cache(maxsize=100)
def _check_names(names: tuple[str, ...]) -> None:
    for name in names:
        if not _TOKEN.match(name):
            raise HeaderProblem(f"no header can be called {name!r}")


def _text_header(name: str, value: str) -> str:
    if _CONTROL.search(value):
        raise HeaderProblem(f"{name} has a line break or control character in it")
    if len(name) + 2 + len(value) <= MAX_HEADER_LINE and _PLAIN_HEADER.match(value) and "=?" not in value:
        return f"{name}: {value}"
    return f"{name}: {_encoded_words(value, f'{name}: ')}"


def _encoded_words(text: str, prefix: str) -> str:
    """Return `text` as RFC 2047 words of at most 75 characters, each on a line of its own, split between letters."""
    words: list[str] = []
    room = (MAX_HEADER_LINE - len(prefix) - 12) // 4 * 3
    chunk = b""
    for letter in text:
        piece = letter.encode("utf-8", "replace")
        if len(chunk) + len(piece) > room:
            words.append(f"=?utf-8?B?{base64.b64encode(chunk).decode('ascii')}?=")
            chunk, room = b"", 45
        chunk += piece
    words.append(f"=?utf-8?B?{base64.b64encode(chunk).decode('ascii')}?=")
    return "\r\n ".join(words)


def _lines(head: Sequence[str]) -> str:
    return "\r\n".join(head)


def _part(kind: bytes, part: Encoded) -> bytes:
    """Return the headers and the body of one part, ending in CRLF."""
    return b"Content-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % (
        kind,
        part.how,
        part.body,
    )


def encoded(text: str) -> Encoded:
    """Return `text` encoded for its way: as it is, if it can be."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.endswith("\n"):
        text += "\n"
    body = text.replace("\n", "\r\n").encode("utf-8", "replace")
    if text.isascii() and b"\0" not in body and not _has_long_line(text):
        return Encoded(SEVEN_BIT, body)
    if len(body) - len(text) > len(text) // 3:
        return Encoded(b"base64", base64.encodebytes(body).replace(b"\n", b"\r\n"))
    return Encoded(QUOTED, binascii.b2a_qp(body, istext=True))


def _has_long_line(text: str) -> bool:
    return len(text) > MAX_BODY_LINE and max(map(len, text.split("\n"))) > MAX_BODY_LINE
