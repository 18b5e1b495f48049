"""MONEY: an amount in the field's currency."""

from typing import Any

from babel.numbers import format_currency
from sqlalchemy.sql.elements import SQLColumnExpression

from app.conditions import FieldType
from app.customers.field_kind import Control, CustomFieldInfo, FieldKind, registry
from app.customers.numbers import number_column, read_number


class MoneyKind(FieldKind):
    """An amount to the hundredth. The currency is the field's, for all customers: amounts can be compared."""

    label = "Money"
    condition_type = FieldType.NUMBER
    has_currency = True

    def read(self, value: Any, about: CustomFieldInfo) -> int | float | None:  # noqa: ARG002
        """Return the amount."""
        return read_number(value, places=2)

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
