"""How typed words find customers: by the beginning of any name, address, number or id they are known by."""

import re
from typing import Any

from sqlalchemy import ColumnElement, and_, cast, func, literal, or_
from sqlalchemy.dialects.postgresql import REGCONFIG, TSQUERY

from app.customers.models import Customer

MAX_WORDS = 8
MAX_LENGTH = 200
_NUMBER = re.compile(r"[\s+()./-]*(?:\d[\s+()./-]*){5,}")
_WORD = re.compile(r"[\w@.+-]+")
_HAS_LETTER = re.compile(r"\w")


def words_of(text: str) -> list[str]:
    """Return the words to look for; a number written with spaces or dashes is one word, without its plus sign."""
    text = text[:MAX_LENGTH].lower()
    if _NUMBER.fullmatch(text):
        digits = "".join(letter for letter in text if letter.isdecimal())
        return [digits.removeprefix("00")]
    return [word for word in _WORD.findall(text) if _HAS_LETTER.search(word)][:MAX_WORDS]


def matches(text: str) -> ColumnElement[bool] | None:
    """Return the condition that every word of `text` begins something the customer is known by; None without words."""
    tests = [_begins(word) for word in words_of(text)]
    return and_(*tests) if tests else None


def _begins(word: str) -> ColumnElement[bool]:
    # As it stands, which finds the beginning of an address; and as Postgres itself would cut it, which finds ids.
    quoted = "'" + word.replace("\\", "\\\\").replace("'", "''") + "':*"
    whole: ColumnElement[Any] = cast(literal(quoted), TSQUERY)
    parted: ColumnElement[Any] = func.to_tsquery(cast(literal("simple"), REGCONFIG), quoted)
    return or_(Customer.search.op("@@")(whole), Customer.search.op("@@")(parted))
