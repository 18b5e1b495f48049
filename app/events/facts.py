"""What a payload says, under every name that conditions may ask it by."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from app.conditions.values import number
from app.events import catalogue

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
MOST_MONEY = Decimal(10) ** 11
"""No event of a club is worth as much: such a number is a mistake."""


def facts(type: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a payload with what it says under every name the catalogue knows for it, and camelCase in snake_case.

    So a condition on `membership_tier` also holds for the system that writes `membershipTier`, and for `tier`.
    """
    found = dict(payload)
    for change in catalogue.get(type).changes:
        value = change.value(payload)
        if value is not None:
            for name in (change.field, *change.names):
                found.setdefault(name, value)
    for name, value in payload.items():
        found.setdefault(_HUMP.sub("_", name).lower(), value)
    return found


def worth(type: str, payload: Mapping[str, Any]) -> tuple[Decimal | None, str | None]:
    """Return what was paid by an event, and the currency it names; None for what it does not say.

    Of a type the catalogue knows it is the number that counts as spent there, of others their `amount` or `value`.
    """
    said = facts(type, payload)
    names: tuple[str, ...] = ("amount", "value")
    if catalogue.is_known(type):
        spent = catalogue.SPENT.summed
        names = tuple(one.name for one in catalogue.get(type).fields if one.phrases.summed == spent)
    amount = next((found for name in names if (found := number(said.get(name))) is not None), None)
    if amount is None or abs(amount) >= MOST_MONEY:
        return None, None
    currency = said.get("currency")
    known = isinstance(currency, str) and len(currency) == 3 and currency.isascii() and currency.isalpha()
    return round(amount, 2), currency.upper() if known and isinstance(currency, str) else None
