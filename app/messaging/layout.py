"""The HTML of a letter laid out for the wire once, to be filled in for each of its readers.

What all readers get is encoded when the first of them does: its lines, its links, the place of the pixel. For each
reader only their words and the signed words of their links are put between. Whatever is not certain to come out as
`links.tracked` and `mime.encoded` would have it is left to them; a test holds the two to one letter.
"""

import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from app.content.letters import before_body_end
from app.content.quick import Filled, Stencil
from app.infra.signed import seal
from app.messaging.links import ANCHOR, followed, followed_by, pixel
from app.messaging.mime import MAX_BODY_LINE, QUOTED, SEVEN_BIT, Encoded
from app.messaging.tokens import CLICK, OPEN, click_token, open_token

CACHED = 300
LONGEST_WORD = 300
"""Longer ones might make an attribute longer than what links are looked for in."""
LONGEST_ATTRIBUTE = 1_500
MOST_UNQUOTED = 400

# Characters that stand for the tags while the HTML is looked through, and for the pixel.
_MARKS = range(0xE000, 0xF8FF)
_MARK = re.compile("[\ue000-\uf8fe]")
_ANY_MARK = re.compile("[\ue000-\uf8ff]")
_PIXEL = "\uf8ff"
_LINK = re.compile(r"""<a(?:rea)?\s((?:[^>"']|"[^"]*"|'[^']*')*)(.?)""", re.IGNORECASE | re.DOTALL)
_QUOTED_VALUE = re.compile(r"""("[^"]*"|'[^']*')""")
_SOFT_BREAK = "=\r\n"
MAX_QUOTED_LINE = 76
_QUOTED_ROOM = MAX_QUOTED_LINE - 1
_NEEDS_NO_QUOTING = re.compile(r"[!-<>-~]*").fullmatch


@dataclass(frozen=True, slots=True)
class _Link:
    """The token of a link that leads all readers to one place."""

    url: bytes


@dataclass(frozen=True, slots=True)
class _Href:
    """The value of an `href` with tags in it: its texts, and the numbers of the tags between them."""

    pieces: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class _Pixel:
    """The token of the pixel."""


_NOBODY = UUID(int=0)

Slot = int | _Link | _Href | _Pixel


@dataclass(frozen=True, slots=True)
class Layout:
    """The HTML of a letter, in lines that end in CRLF, with its slots at the odd places.

    `plain` is what lies between them if it can travel as it is, and `quoted` the same in quoted-printable. `lines` are
    those of the plain one that have slots: their length without, and the places of their slots; `longest` is that of
    the longest.
    """

    slots: tuple[Slot, ...]
    plain: tuple[str, ...] | None
    lines: tuple[tuple[int, slice], ...]
    longest: int
    quoted: tuple[str, ...]


def encoded_html(filled: Filled, tenant_id: UUID, message_id: UUID, *, tracked: bool) -> Encoded | None:
    """Return the HTML of a reader's letter as it travels, or None where it has to be made the long way.

    `tracked`: its links go by way of us, and the pixel is at its end.
    """
    words = filled.words
    whole = "".join(words)
    # Line breaks and controls are not printable.
    if (whole and not whole.isprintable()) or max(map(len, words), default=0) > LONGEST_WORD:
        return None
    layout = layout_of(filled.stencil, tracked)
    if layout is None:
        return None
    ids = tenant_id.bytes + message_id.bytes
    inserted: list[str] = []
    for slot in layout.slots:
        kind = type(slot)
        if kind is int:
            inserted.append(words[slot])  # type: ignore[index] # asking again takes time
        elif kind is _Link:
            inserted.append(seal(CLICK, ids + slot.url))  # type: ignore[union-attr]
        elif kind is _Pixel:
            inserted.append(seal(OPEN, ids))
        else:
            inserted.append(_href(slot, words, tenant_id, message_id))  # type: ignore[arg-type]
    if layout.plain is not None and whole.isascii() and _fit(layout, inserted):
        return Encoded(SEVEN_BIT, "".join(_between(layout.plain, inserted)).encode("ascii"))
    # Of most letters nothing needs quoting, and one look at all of it tells.
    quoted = map(_in_lines if _NEEDS_NO_QUOTING("".join(inserted)) else _quoted, inserted)
    return Encoded(QUOTED, _SOFT_BREAK.join(_between(layout.quoted, quoted)).encode("ascii"))


def _between(texts: tuple[str, ...], inserted: Iterable[str]) -> list[str]:
    pieces = [""] * (len(texts) * 2 - 1)
    pieces[::2] = texts
    pieces[1::2] = inserted
    return pieces


def _fit(layout: Layout, inserted: list[str]) -> bool:
    # Nearly always they would if all of them stood in one line.
    return layout.longest + sum(map(len, inserted)) <= MAX_BODY_LINE or all(
        length + sum(map(len, inserted[places])) <= MAX_BODY_LINE for length, places in layout.lines
    )


def _href(slot: _Href, words: list[str], tenant_id: UUID, message_id: UUID) -> str:
    href = "".join([piece if type(piece) is str else words[piece] for piece in slot.pieces])  # type: ignore[index]
    url = followed(href)
    return href if url is None else followed_by(url, tenant_id, message_id)


def _in_lines(text: str) -> str:
    """Return text that needs no quoting in lines that are not too long."""
    if len(text) <= _QUOTED_ROOM:
        return text
    # As long as a signed link is, and in a third of the time.
    if len(text) <= 2 * _QUOTED_ROOM:
        return f"{text[:_QUOTED_ROOM]}=\r\n{text[_QUOTED_ROOM:]}"
    return _SOFT_BREAK.join([text[at : at + _QUOTED_ROOM] for at in range(0, len(text), _QUOTED_ROOM)])


def _quoted(text: str) -> str:
    """Return text in quoted-printable, in lines that are not too long."""
    if _NEEDS_NO_QUOTING(text):
        return _in_lines(text)
    found = binascii.b2a_qp(text.encode("utf-8", "replace"), istext=True).decode("ascii")
    return found.replace("\r\n", "\n").replace("\n", "\r\n") if "\n" in found else found


@lru_cache(maxsize=CACHED)
def layout_of(stencil: Stencil, tracked: bool) -> Layout | None:
    """Return a stencil laid out, or None where a reader's words could change what its markup is."""
    masked = _masked(stencil)
    if masked is None:
        return None
    if not tracked:
        pieces: list[str | Slot] = [*_unmasked(masked)]
    elif not _is_firm(masked):
        return None
    else:
        picture = pixel(_NOBODY, _NOBODY).replace(open_token(_NOBODY, _NOBODY), _PIXEL)
        pieces = _with_links(before_body_end(masked, picture))
    texts: list[str] = [""]
    slots: list[Slot] = []
    for piece in pieces:
        if isinstance(piece, str):
            texts[-1] += piece
        else:
            slots.append(piece)
            texts.append("")
    if not texts[-1].endswith("\r\n"):
        texts[-1] += "\r\n"
    whole = "".join(texts)
    if len(whole.encode("utf-8", "replace")) - len(whole) > len(whole) // 3:
        # Quoted, each of its letters would be nine bytes.
        return None
    fits = whole.isascii() and "\0" not in whole and max(map(len, whole.split("\r\n"))) <= MAX_BODY_LINE
    lines = _lines_with_slots(texts)
    longest = max((length for length, _ in lines), default=0)
    return Layout(tuple(slots), tuple(texts) if fits else None, lines, longest, tuple(map(_quoted, texts)))


def _lines_with_slots(texts: list[str]) -> tuple[tuple[int, slice], ...]:
    found: list[tuple[int, slice]] = []
    begun, length = 0, 0
    for number, text in enumerate(texts):
        first, _, rest = text.partition("\r\n")
        length += len(first)
        if len(text) > len(first):
            if number > begun:
                found.append((length, slice(begun, number)))
            begun, length = number, len(rest.rpartition("\r\n")[2])
    return tuple(found)


def _masked(stencil: Stencil) -> str | None:
    """Return the HTML with a mark for each tag, its lines ended by CRLF; None where marks can't be told from words."""
    numbers = iter(_MARKS)
    masked: list[str] = []
    for part in stencil.parts:
        if isinstance(part, str):
            # Half a line end may become a whole one with what follows.
            if _ANY_MARK.search(part) or part.endswith("\r"):
                return None
            masked.append(part.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n"))
        elif (number := next(numbers, None)) is None:
            return None
        else:
            masked.append(chr(number))
    return "".join(masked)


def _is_firm(masked: str) -> bool:
    """Return whether links stay what they are, whatever words stand in the marks: those have no quotes or brackets."""
    for found in _LINK.finditer(masked):
        if found[2] != ">":
            return False
        unquoted = _QUOTED_VALUE.sub("", found[1])
        longest = max(map(len, _QUOTED_VALUE.findall(found[1])), default=0)
        if _MARK.search(unquoted) or longest > LONGEST_ATTRIBUTE or len(unquoted) > MOST_UNQUOTED:
            return False
    return True


def _with_links(masked: str) -> list[str | Slot]:
    pieces: list[str | Slot] = []
    at = 0
    for found in ANCHOR.finditer(masked):
        href = found[2]
        if _MARK.search(href):
            put: list[str | Slot] = [_Href(tuple(one for one in _unmasked(href) if not isinstance(one, _Pixel)))]
        elif (url := followed(href)) is not None:
            before, after = followed_by(url, _NOBODY, _NOBODY).split(click_token(_NOBODY, _NOBODY, url))
            put = [before, _Link(url.encode("utf-8", "replace")), after]
        else:
            continue
        pieces += [*_unmasked(masked[at : found.start(2)]), *put]
        at = found.end(2)
    return [*pieces, *_unmasked(masked[at:])]


def _unmasked(masked: str) -> "list[str | int | _Pixel]":
    pieces: list[str | int | _Pixel] = []
    at = 0
    for found in _ANY_MARK.finditer(masked):
        pieces.append(masked[at : found.start()])
        pieces.append(_Pixel() if found[0] == _PIXEL else ord(found[0]) - _MARKS.start)
        at = found.end()
    return [*pieces, masked[at:]]
