"""How single things are told: numbers and days as the region writes them, values by their names, several as a list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal

from app.conditions.fields import TENANTS, Field, FieldType
from app.conditions.periods import Period

Names = Mapping[str, Mapping[str, str]]

LOCALE = "en_GB"
_MAX_TEXT = 60
_MAX_LISTED = 8
# A text with one of these could be taken for a part of the sentence.
_AMBIGUOUS = (", ", " and ", " or ", "(", ")", "“", "”")


@dataclass(frozen=True, slots=True)
class Telling:
    """Where and to whom conditions are told: labels of values, the zone, the region's locale, the tenant's currency.

    `paid_in` is the currency of amounts in what somebody did, empty where they may be in several.
    The words are English; a locale of another language writes the numbers, and English the names of months.
    """

    names: Names = field(default_factory=dict)
    zone: tzinfo = UTC
    locale: str = LOCALE
    currency: str = ""
    paid_in: str = ""

    def value(self, about: Field, value: Any, *, quoted: bool = False) -> str:
        """Return one value of a field; text that could be misread, or is to be `quoted`, stands in quotes."""
        match value:
            case bool():
                return "yes" if value else "no"
            case Decimal() | int():
                return self.number(about, Decimal(value))
            case datetime():
                local = value.astimezone(self.zone)
                return f"{self.day(local)}, {local:%H:%M} {local.tzname()}"
            case date():
                return self.day(value)
        text = str(value)
        choice = about.choice(text)
        known = self.names.get(about.name, {}).get(text) or (choice.label if choice else "")
        told = known or text
        short = told if len(told) <= _MAX_TEXT else told[:_MAX_TEXT] + "…"
        unsure = not known and (told != told.strip() or any(sign in told for sign in _AMBIGUOUS))
        return f"“{short}”" if quoted or unsure else short

    def number(self, about: Field, value: Decimal) -> str:
        """Return a number, an amount of money with its currency, where that is known."""
        currency = about.phrases.money
        if currency == TENANTS:
            currency = self.paid_in if about.currency_in else self.currency
        if not currency:
            return str(format_decimal(value, locale=self.locale, decimal_quantization=False))
        pattern = Locale.parse(self.locale).currency_formats["standard"].pattern
        whole = value == value.to_integral_value()
        return str(
            format_currency(
                value, currency, pattern.replace(".00", "") if whole else pattern, self.locale, currency_digits=False
            )
        )

    def day(self, value: date) -> str:
        """Return a day: "4 October 2026", where months come first "October 4, 2026"."""
        english = self.locale if self.locale.startswith("en_") else LOCALE
        pattern = "MMMM d, y" if english == "en_US" else "d MMMM y"
        return str(format_date(value, pattern, locale=english))

    def listed(self, about: Field, values: Sequence[Any], word: str = "or") -> str:
        """Return values as "a, b or c"; of very many the first few."""
        told = [self.value(about, one) for one in values[:_MAX_LISTED]]
        if len(values) > _MAX_LISTED:
            told.append(f"{len(values) - _MAX_LISTED} more")
        return listing(told, word)

    def seen(self, about: Field, type: FieldType, value: Any) -> str:
        """Return a value that somebody was found to have: "unknown", "none", or the value in words."""
        if isinstance(value, list | tuple | set | frozenset):
            kept = sorted((one for one in value if one is not None), key=str)
            return self.listed(about, kept, "and") if kept else "none"
        if value is None or value == "":
            return "none" if type is FieldType.LIST else "unknown"
        return self.value(about, value)


def listing(told: Sequence[str], word: str) -> str:
    """Return "a, b or c"."""
    return f"{', '.join(told[:-1])} {word} {told[-1]}" if len(told) > 1 else "".join(told)


def span(period: Period) -> str:
    """Return a period as it follows "the last": "30 days", and of one the unit alone."""
    return period.unit.removesuffix("s") if period.amount == 1 else str(period)


def inside(label: str) -> str:
    """Return a label as it stands within a sentence: "membership tier", but "SMS"."""
    second = label[1:2]
    return label[:1].lower() + label[1:] if second.islower() or label.startswith("E-") else label


def begun(sentence: str) -> str:
    """Return the sentence with a capital in front."""
    at = 1 if sentence.startswith("(") else 0
    first, second = sentence[at : at + 1], sentence[at + 1 : at + 2]
    # A name that is written iPhone stays so.
    return sentence if second.isupper() else sentence[:at] + first.upper() + sentence[at + 1 :]
