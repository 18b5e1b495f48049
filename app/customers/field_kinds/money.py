"""MONEY: an amount in the field's currency."""

import re
import unicodedata
from functools import cache
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency, get_currency_symbol
from sqlalchemy.sql.elements import SQLColumnExpression

from app.conditions import FieldType
from app.customers.field_kind import Control, CustomFieldInfo, FieldKind, Manner, registry
from app.customers.numbers import number_column, read_number


@cache
def _signs(currency: str, locale: str) -> list[str]:
    """Return what a currency may be written as: its letters, its sign in the region and in its own country."""
    found = {currency, get_currency_symbol(currency, locale)}
    try:
        # The code of a currency begins with that of its country.
        found.add(get_currency_symbol(currency, Locale("en", currency[:2])))
    except UnknownLocaleError:
        found.add(get_currency_symbol(currency, "en"))
    return sorted(found, key=len, reverse=True)


class MoneyKind(FieldKind):
    """An amount to the hundredth. The currency is the field's, for all customers: amounts can be compared."""

    label = "Money"
    condition_type = FieldType.NUMBER
    has_currency = True

    def read(self, value: Any, about: CustomFieldInfo) -> int | float | None:  # noqa: ARG002
        """Return the amount."""
        return read_number(value, places=2)

    def parse(self, text: str, about: CustomFieldInfo, manner: Manner) -> int | float | None:
        """Return the amount, with or without its currency's sign, of which it must be."""
        signs = "|".join(map(re.escape, _signs(about.currency or "XXX", manner.locale)))
        plain = re.sub(rf"^([-+]?)\s*(?:{signs})|(?:{signs})$", r"\1", text.strip(), flags=re.IGNORECASE)
        if any(sign.isalpha() or unicodedata.category(sign) == "Sc" for sign in plain):
            raise ValueError(f"Write an amount in {about.currency}.")
        return read_number(plain, places=2, locale=manner.locale)

    def show(self, value: Any, about: CustomFieldInfo, locale: str) -> str:
        """Return the amount with its currency, as the region writes it."""
        return str(format_currency(value, about.currency or "XXX", locale=locale))

    def column(self, custom: Any, key: str) -> SQLColumnExpression[Any]:
        """Return the amount."""
        return number_column(custom, key)

    def control(self, value: Any, about: CustomFieldInfo) -> Control:
        """Return a field for an amount, with its currency beside it."""
        text = "" if value is None else str(value)
        return Control("input", text, help=f"In {about.currency}.", attrs={"inputmode": "decimal"})


registry.register("MONEY")(MoneyKind())
