"""A mail that somebody sent us, read as far as is safe: anybody may send anything, of any size and depth."""

import email
import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser

from app.content.html_text import text_of

# What tells of a bounce, a complaint or a reply stands at the beginning; behind it come copies and pictures.
MOST_BYTES = 256 * 1024
MOST_LINES = 8_000
# Reading a mail takes as long as it has parts in parts; these are about as many as any honest one names.
MOST_NESTED = 40
MOST_PARTS = 60
MOST_TEXT = 16_000
MOST_HEADER = 2_000

_NESTING = re.compile(rb"boundary|message/", re.IGNORECASE)
_SOFT_BREAK = re.compile(rb"=\r?\n|\r?\n[ \t]+")
_FOLD = re.compile(r"[\r\n]+[ \t]*")


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail taken apart; one that is nested too deep has headers and text only. `source` is its beginning."""

    source: bytes
    message: Message

    def header(self, name: str) -> str:
        """Return the first header of that name on one line, decoded; an empty text where there is none."""
        return next(iter(self.headers(name)), "")

    def headers(self, *names: str) -> list[str]:
        """Return all headers of these names, decoded, each on one line."""
        return [_decoded(str(value)) for name in names for value in self.message.get_all(name) or ()]

    @property
    def kind(self) -> str:
        """Return the content type, and of a report which: `multipart/report; delivery-status`."""
        kind = self.message.get_content_type()
        if kind != "multipart/report":
            return kind
        return f"{kind}; {_parameter(self.message, 'report-type').lower()}"

    def parts(self) -> Iterator[Message]:
        """Yield the parts in order, at most MOST_PARTS; of a mail that is passed on, the part and nothing in it."""
        waiting, seen = [self.message], 0
        while waiting and seen < MOST_PARTS:
            part = waiting.pop(0)
            seen += 1
            inner = part.get_payload()
            if part.get_content_maintype() == "multipart" and isinstance(inner, list):
                waiting[:0] = [one for one in inner if isinstance(one, Message)]
            else:
                yield part

    def unfolded(self) -> str:
        """Return its beginning as text, whose lines were joined again where a mail system broke them."""
        return _SOFT_BREAK.sub(b"", self.source).decode("ascii", "replace")

    def text(self) -> str:
        """Return the first text its writer wrote, as plain text; an empty one where there is none."""
        html = ""
        for part in self.parts():
            if part.get_content_maintype() != "text" or part.get_content_disposition() == "attachment":
                continue
            words = content(part)
            if part.get_content_subtype() != "html":
                if words.strip():
                    return words
            elif not html:
                html = words
        return text_of(html)[:MOST_TEXT] if html else ""


def read(source: bytes) -> Mail:
    """Return a mail taken apart, as far as it can be."""
    source = b"\n".join(source[:MOST_BYTES].split(b"\n", MOST_LINES)[:MOST_LINES])
    if sum(1 for _ in _NESTING.finditer(source)) > MOST_NESTED:
        message = BytesHeaderParser(policy=email.policy.compat32).parsebytes(source)
        # Nobody is to look for parts in it again.
        del message["Content-Type"]
        return Mail(source, message)
    return Mail(source, email.message_from_bytes(source, policy=email.policy.compat32))


def content(part: Message) -> str:
    """Return the text of a part, cut at MOST_TEXT; whatever it says its letters are, some come out."""
    try:
        payload = part.get_payload(decode=True)
        charset = part.get_content_charset("utf-8")
    except (LookupError, UnicodeError, ValueError):
        payload, charset = str(part.get_payload()).encode("utf-8", "replace"), "utf-8"
    body = payload[: 4 * MOST_TEXT] if isinstance(payload, bytes) else b""
    try:
        words = body.decode(charset, "replace")
    except (LookupError, UnicodeError, ValueError):
        words = body.decode("utf-8", "replace")
    return words.replace("\x00", "")[:MOST_TEXT]


def _parameter(message: Message, name: str) -> str:
    try:
        found = message.get_param(name, "")
    except (LookupError, UnicodeError, ValueError):
        return ""
    return found if isinstance(found, str) else ""


def _decoded(value: str) -> str:
    value = _FOLD.sub(" ", value[: 2 * MOST_HEADER])
    # The parser keeps bytes beyond ASCII as halves of surrogate pairs; mails that have them mean UTF-8.
    value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if "=?" in value:
        try:
            value = str(make_header(decode_header(value)))
        except (HeaderParseError, LookupError, UnicodeError, ValueError):
            return value[:MOST_HEADER]
    return value[:MOST_HEADER]
