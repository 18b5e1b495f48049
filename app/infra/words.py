"""Words as people see them."""

import unicodedata
from collections.abc import Sequence

# Letters and signs by their category that are drawn as nothing: fillers of Hangul, and braille without a dot.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
INNER = str.maketrans("“”", "‘’")
"""What makes the quotes of a text that is quoted itself inner ones."""

# Part of how words are written in several scripts (Persian, Hindi), and of signs put together of several.
_JOINERS = str.maketrans("", "", "\u200c\u200d")


def is_printable(text: str) -> bool:
    """Return whether a text can be shown in a line: nothing in it breaks it, turns its direction or is no character."""
    return text.translate(_JOINERS).isprintable()


def is_visible(text: str) -> bool:
    """Return whether there is anything to be seen: a letter, a figure or a sign, not only spaces, marks of direction,
    joiners and accents without a letter."""
    # Most texts begin with a plain letter or figure.
    if text[:1].isalnum() and text[:1].isascii():
        return True
    return any(unicodedata.category(sign)[0] not in "CZM" and sign not in _BLANK for sign in text)


def listed(words: Sequence[str]) -> str:
    """Return words as one says several: "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
