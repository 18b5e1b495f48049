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
SURELY_SHORT = 900
"""Values with so many letters together make none of our headers too long."""
SEVEN_BIT = "7bit"
QUOTED = "quoted-printable"
BASE64 = "base64"

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

    how: str
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
    values = [value for _, value in mail.headers]
    said = "".join((mail.message_id, mail.date, *values))
    # One look at all of them tells nearly always that nothing is wrong with any.
    if not (said.isascii() and said.isprintable() and len(said) <= SURELY_SHORT):
        _check_values((("Message-ID", f"<{mail.message_id}>"), ("Date", mail.date), *mail.headers))
    head = _opening(tuple([name for name, _ in mail.headers])) % (
        mail.message_id,
        mail.date,
        mailbox(mail.from_name, mail.from_address),
        _cleaned(mail.to_address),
        _text_header("Subject", mail.subject),
        *values,
    )
    text = encoded(mail.text)
    if mail.html is None:
        return (head + _part("plain", text)).encode("ascii") + text.body
    html = mail.html if isinstance(mail.html, Encoded) else encoded(mail.html)
    mark = f"--=_{mail.boundary.hex}"
    head += f'Content-Type: multipart/alternative; boundary="{mark[2:]}"\r\n\r\n{mark}\r\n{_part("plain", text)}'
    between = f"\r\n{mark}\r\n{_part('html', html)}"
    end = f"\r\n{mark}--\r\n"
    return b"".join((head.encode("ascii"), text.body, between.encode("ascii"), html.body, end.encode("ascii")))


@lru_cache(maxsize=100)
def _opening(names: tuple[str, ...]) -> str:
    """Return the head of letters with further headers of these names, with a place for each value."""
    for name in names:
        if not _TOKEN.match(name):
            raise HeaderProblem(f"no header can be called {name!r}")
    others = "".join(f"{name.replace('%', '%%')}: %s\r\n" for name in names)
    return f"Message-ID: <%s>\r\nDate: %s\r\nFrom: %s\r\nTo: %s\r\n%s\r\nMIME-Version: 1.0\r\n{others}"


def _cleaned(address: str) -> str:
    cleaned = clean_address(address)
    if cleaned is None:
        raise HeaderProblem("this is not an address mail can go to")
    return cleaned


@lru_cache(maxsize=4096)
def mailbox(name: str, address: str) -> str:
    """Return `name <address>` for a header, or the bare address when there is no name."""
    cleaned = _cleaned(address)
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


def _check_values(headers: Sequence[tuple[str, str]]) -> None:
    """Raise HeaderProblem where the value of a header can't stand there."""
    for name, value in headers:
        if not _PLAIN_HEADER.match(value):
            raise HeaderProblem(f"the header {name!r} has a line break, control character or non-ASCII letter in it")
        if len(name) + 2 + len(value) > MAX_BODY_LINE:
            raise HeaderProblem(f"the header {name!r} is too long")


def _text_header(name: str, value: str) -> str:
    is_short = len(name) + 2 + len(value) <= MAX_HEADER_LINE
    if is_short and value.isascii() and value.isprintable() and "=?" not in value:
        return f"{name}: {value}"
    if _CONTROL.search(value):
        raise HeaderProblem(f"{name} has a line break or control character in it")
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


def _part(kind: str, part: Encoded) -> str:
    """Return the headers of one part, and the empty line behind them."""
    return f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: {part.how}\r\n\r\n"


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
        return Encoded(BASE64, base64.encodebytes(body).replace(b"\n", b"\r\n"))
    return Encoded(QUOTED, binascii.b2a_qp(body, istext=True))


def _has_long_line(text: str) -> bool:
    return len(text) > MAX_BODY_LINE and max(map(len, text.split("\n"))) > MAX_BODY_LINE
