"""TEXT: a few words."""

from typing import Any

from sqlalchemy import Text
from sqlalchemy.sql.elements import SQLColumnExpression

from app.conditions import FieldType
from app.customers.field_kind import CustomFieldInfo, FieldKind, registry
from app.infra.words import is_printable

MAX_LENGTH = 500


class TextKind(FieldKind):
    """Words as they were typed, their white space tidied."""

    label = "Text"
    condition_type = FieldType.TEXT

    def read(self, value: Any, about: CustomFieldInfo) -> str | None:  # noqa: ARG002
        """Return the words."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise ValueError("Give a text.")
        tidy = " ".join(value.split())
        if len(tidy) > MAX_LENGTH or not is_printable(tidy):
            raise ValueError(f"Give a text of at most {MAX_LENGTH} printable characters.")
        return tidy or None

    def show(self, value: Any, about: CustomFieldInfo, locale: str) -> str:  # noqa: ARG002
        """Return the words."""
        return str(value)

    def column(self, custom: Any, key: str) -> SQLColumnExpression[Any]:
        """Return the text."""
        found: SQLColumnExpression[Any] = custom.op("->>", return_type=Text())(key)
        return found


registry.register("TEXT")(TextKind())
