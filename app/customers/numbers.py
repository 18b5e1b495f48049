"""Numbers of custom fields: read as people of any region type them, kept so that JSON and SQL say the same."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from babel.numbers import get_group_symbol
from sqlalchemy import Numeric, Text, case, cast, func
from sqlalchemy.sql.elements import SQLColumnExpression

MAX_DIGITS = 15
"""As many as survive being a JSON number."""
MAX_PLACES = 6
_BLANKS = re.compile(r"[\s\u00a0\u202f'’]")
_GROUPED = re.compile(r"[+-]?\d{1,3}([.,]\d{3})+")


def read_number(value: Any, places: int = MAX_PLACES, locale: str | None = None) -> int | float | None:
    """Return a number, None for an empty text; raise ValueError.

    "1 234,50" and "1,234.50" are read alike. One comma or point alone before three digits could be either: as the
    `locale` has it; without one a comma there is refused.
    """
    wrong = ValueError("Write a number, such as 1234.50.")
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise wrong
    text = _BLANKS.sub("", str(value))
    if not text:
        return None
    if isinstance(value, str):
        text = _plain(text, locale)
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise wrong from None
    if not number.is_finite() or abs(number) >= Decimal(10) ** MAX_DIGITS:
        raise ValueError(f"Write a number of at most {MAX_DIGITS} digits.")
    number = number.normalize()
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -places:
        raise ValueError(f"Write at most {places} digits after the point.")
    if len(number.as_tuple().digits) > MAX_DIGITS:
        raise ValueError(f"Write a number of at most {MAX_DIGITS} digits.")
    return int(number) if number == number.to_integral_value() else float(number)


def _plain(text: str, locale: str | None) -> str:
    """Return typed digits with a point before the fraction and nothing between thousands."""
    if "," in text and "." in text:
        last = max(text.rfind(","), text.rfind("."))
        return text[:last].replace(",", "").replace(".", "") + "." + text[last + 1 :]
    for sign in ",.":
        if text.count(sign) > 1:
            if not _GROUPED.fullmatch(text):
                raise ValueError("Write a number, such as 1234.50.")
            return text.replace(sign, "")
    if locale and _GROUPED.fullmatch(text):
        # The mark between thousands goes; another is before the fraction, as programs write that know no region.
        return text.replace(get_group_symbol(locale), "").replace(",", ".")
    if _GROUPED.fullmatch(text) and "," in text:
        raise ValueError(f"Is the comma for thousands or for the fraction? Write {text.replace(',', '')} or a point.")
    return text.replace(",", ".")


def number_column(custom: Any, key: str) -> SQLColumnExpression[Any]:
    """Return the number kept under `key`, exactly as it was written."""
    return case(
        (
            func.jsonb_typeof(custom.op("->")(key), type_=Text()) == "number",
            cast(custom.op("->>", return_type=Text())(key), Numeric()),
        )
    )
