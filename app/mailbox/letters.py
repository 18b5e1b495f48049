"""Reads what stands in a mail: the few headers that lists need, quickly, and everything for one reader."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parseaddr

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
MAX_HEADER_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that is neither of the texts; `size` in bytes, decoded."""

    filename: str
    content_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A whole mail for one reader. `headers` stand in the mail's own order, decoded; `html` is as it was sent."""

    headers: list[tuple[str, str]]
    text: str | None
    html: str | None
    source: str
    attachments: list[Attachment]


def read_headers(source: bytes, wanted: Iterable[str]) -> dict[str, str]:
    """Return the first of each wanted header that is there, decoded and on one line; names as in `wanted`."""
    end = _HEAD_END.search(source)
    head = _FOLD.sub(b"", source[: end.start()] if end else source)
    names = {name.lower().encode(): name for name in wanted}
    found: dict[str, str] = {}
    for line in head.splitlines():
        name, colon, value = line.partition(b":")
        known = names.get(name.strip().lower()) if colon else None
        if known and known not in found:
            found[known] = _decoded(value.strip().decode("utf-8", "replace"))
    return found


def address(header: str) -> str:
    """Return the bare address in a From or To header, or the header itself where it has none."""
    return parseaddr(header)[1] or header


def read(source: bytes) -> Letter:
    """Return the mail taken apart. Broken mails come out as far as they can be read; none raises."""
    # The lenient policy: the modern one raises on headers that break the rules.
    message = message_from_bytes(source, policy=policy.compat32)
    html: str | None = None
    text: str | None = None
    attachments: list[Attachment] = []
    for part in message.walk():
        if part.is_multipart():
            continue
        kind = part.get_content_type()
        is_body = part.get_content_disposition() != "attachment"
        if is_body and kind == "text/html" and html is None:
            html = _content(part)
        elif is_body and kind == "text/plain" and text is None:
            text = _content(part)
        else:
            attachments.append(Attachment(_decoded(part.get_filename() or "unnamed"), kind, len(_bytes(part))))
    headers = [(_clean(name), _decoded(value)) for name, value in message.raw_items()]
    return Letter(headers, text, html, source.decode("utf-8", "replace"), attachments)


def _bytes(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _content(part: Message) -> str:
    body = _bytes(part)
    try:
        return body.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, UnicodeError):
        return body.decode("utf-8", "replace")


def _decoded(value: str) -> str:
    value = re.sub(r"\r?\n(?=[ \t])", "", value)
    # The parser keeps bytes beyond ASCII as lone surrogates; mails that have them mean UTF-8.
    value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if "=?" in value:
        try:
            value = str(make_header(decode_header(value)))
        except (HeaderParseError, LookupError, ValueError):
            return _clean(value)
    return _clean(value)


def _clean(value: str) -> str:
    """Return `value` without what Postgres cannot hold, and not without end."""
    return _NOT_STORABLE.sub("\ufffd", value)[:MAX_HEADER_LENGTH]
