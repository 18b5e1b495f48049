"""Short texts for a phone: how many SMS one takes, the way out at its end, and its links made short.

An SMS holds 160 characters of GSM 03.38 or 70 of UCS-2, and a part of a longer one a little less. One character that
the GSM alphabet lacks makes all of it UCS-2.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

GSM, UNICODE = "GSM-7", "UCS-2"
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
"""These take the place of two: an escape comes before each."""
_ROOM = {GSM: (160, 153), UNICODE: (70, 67)}
"""How much one SMS holds alone, and how much as a part of several."""

_URL = re.compile(r"https?://[^\s<>\"']+", re.IGNORECASE)
_AFTER_URL = ".,;:!?)]}"
_STOP = re.compile(r"\bSTOP\b")


@dataclass(frozen=True, slots=True)
class Size:
    """How large a text is: its `length` as its alphabet counts, the `parts` it is sent in, and the room left.

    `odd` are the characters that the GSM alphabet lacks, each once.
    """

    alphabet: str
    length: int
    parts: int
    left: int
    odd: tuple[str, ...] = ()


def size_of(text: str) -> Size:
    """Return how many SMS a text takes."""
    odd = tuple(dict.fromkeys(sign for sign in text if sign not in _BASIC and sign not in _EXTENDED))
    alphabet = UNICODE if odd else GSM
    # What is written outside the Basic Multilingual Plane takes the place of two, and is not torn apart either.
    widths = [2 if (ord(sign) > 0xFFFF if odd else sign in _EXTENDED) else 1 for sign in text]
    alone, each = _ROOM[alphabet]
    length = sum(widths)
    if length <= alone:
        return Size(alphabet, length, 1 if length else 0, alone - length, odd)
    parts, used = 1, 0
    for width in widths:
        if used + width > each:
            parts, used = parts + 1, 0
        used += width
    return Size(alphabet, length, parts, each - used, odd)


def closed(text: str, closing: str) -> str:
    """Return a text with the words that tell the way out at its end, unless it names STOP itself."""
    return text if not closing or _STOP.search(text) else f"{text.rstrip()}\n{closing}"


def links_in(text: str) -> list[str]:
    """Return the http(s) addresses a text names, each once."""
    return list(dict.fromkeys(_bare(found[0]) for found in _URL.finditer(text)))


def shortened(text: str, short: Callable[[str], str]) -> str:
    """Return a text with each address it names as `short` has it, where that is not longer."""

    def instead(found: re.Match[str]) -> str:
        url = _bare(found[0])
        other = short(url)
        return (other if len(other) <= len(url) else url) + found[0][len(url) :]

    return _URL.sub(instead, text)


def _bare(url: str) -> str:
    """Return an address without the signs of the sentence it stands in."""
    return url.rstrip(_AFTER_URL)
