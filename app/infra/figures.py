"""Numbers as people read them: words are English everywhere, figures are written as the organisation's region does.

What answers a request goes by who is asking, which the pages' floor tells here (`ask`); what a worker writes says
itself for whose eyes it is (`written_for`). Nobody known, they are written as English does.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from functools import cache

from babel.numbers import format_decimal, get_decimal_symbol, get_group_symbol

_NOBODYS = "en"
_written_for: ContextVar[str | None] = ContextVar("written_for", default=None)
_asking: list[Callable[[], str | None]] = []


def ask(whose: Callable[[], str | None]) -> None:
    """Let `whose` say from now on for which locale a request is answered; None where none is."""
    _asking[:] = [whose]


@contextmanager
def written_for(locale: str | None) -> Iterator[None]:
    """Write figures inside as this locale does, whoever is asking."""
    before = _written_for.set(locale)
    try:
        yield
    finally:
        _written_for.reset(before)


def figure(value: int) -> str:
    """Return a whole number: "1,000", where the region writes it so "1.000"."""
    # What most numbers are is written alike everywhere.
    return str(value) if 0 <= value < 1000 else str(format_decimal(value, locale=_locale()))


def amount(value: Decimal, places: int = 2) -> str:
    """Return a number with so many digits after its point: "1,436.62", where the region writes it so "1.436,62"."""
    # By hand: there is one in most lines of a timeline, and the library takes thirty times as long.
    return f"{value:,.{places}f}".translate(_signs(_locale()))


def commas() -> bool:
    """Return whether people here write 1.000,50: a point stands between thousands, and a comma before the fraction."""
    return _signs(_locale())[ord(",")] == "."


def _locale() -> str:
    return _written_for.get() or next((found for one in _asking if (found := one())), _NOBODYS)


@cache
def _signs(locale: str) -> dict[int, str]:
    return str.maketrans({",": get_group_symbol(locale), ".": get_decimal_symbol(locale)})
