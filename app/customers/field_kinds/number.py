"""NUMBER: something measured or counted."""

from typing import Any

from babel.numbers import format_decimal
from sqlalchemy.sql.elements import SQLColumnExpression

from app.conditions import FieldType
from app.customers.field_kind import Control, CustomFieldInfo, FieldKind, Manner, registry
from app.customers.numbers import number_column, read_number


class NumberKind(FieldKind):
    """A number of up to fifteen digits, six of them after the point."""

    label = "Number"
    condition_type = FieldType.NUMBER

    def read(self, value: Any, about: CustomFieldInfo) -> int | float | None:  # noqa: ARG002
        """Return the number."""
        return read_number(value)

    def parse(self, text: str, about: CustomFieldInfo, manner: Manner) -> int | float | None:  # noqa: ARG002
        """Return the number, its comma and point as the region has them."""
        return read_number(text, locale=manner.locale)

    def show(self, value: Any, about: CustomFieldInfo, locale: str) -> str:  # noqa: ARG002
        """Return the number as the region writes it."""
        return str(format_decimal(value, format="#,##0.######", locale=locale))

    def column(self, custom: Any, key: str) -> SQLColumnExpression[Any]:
        """Return the number."""
        return number_column(custom, key)

    def control(self, value: Any, about: CustomFieldInfo) -> Control:  # noqa: ARG002
        """Return a field for digits."""
        return Control("input", "" if value is None else str(value), attrs={"inputmode": "decimal"})


registry.register("NUMBER")(NumberKind())
