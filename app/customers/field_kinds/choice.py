"""CHOICE: one of the field's values."""

from typing import Any

from sqlalchemy import Text
from sqlalchemy.sql.elements import SQLColumnExpression

from app.conditions import FieldType
from app.customers.field_kind import Control, CustomFieldInfo, FieldKind, registry


class ChoiceKind(FieldKind):
    """One value of a list, kept in the list's spelling. A value taken off the list stays with those who have it."""

    label = "Choice"
    # As text: a rule must still find those whose value was taken off the list. The choices are offered.
    condition_type = FieldType.TEXT
    takes_choices = True
    needs_choices = True

    def read(self, value: Any, about: CustomFieldInfo) -> str | None:
        """Return the choice."""
        text = " ".join(value.split()) if isinstance(value, str) else None
        if text == "":
            return None
        found = next((one for one in about.choices if text is not None and one.casefold() == text.casefold()), None)
        if found is None:
            raise ValueError(f"Choose one of: {', '.join(about.choices)}.")
        return found

    def show(self, value: Any, about: CustomFieldInfo, locale: str) -> str:  # noqa: ARG002
        """Return the choice."""
        return str(value)

    def column(self, custom: Any, key: str) -> SQLColumnExpression[Any]:
        """Return the choice."""
        found: SQLColumnExpression[Any] = custom.op("->>", return_type=Text())(key)
        return found

    def control(self, value: Any, about: CustomFieldInfo) -> Control:
        """Return a list to choose from; what stands there and is no choice any more is still in it."""
        known = about.choices if value is None or value in about.choices else (*about.choices, str(value))
        return Control("select", value or "", options=(("", "Not known"), *((one, one) for one in known)))


registry.register("CHOICE")(ChoiceKind())
