"""LIST: several values."""

import re
from typing import Any

from sqlalchemy import ARRAY, Text, func
from sqlalchemy.sql.elements import SQLColumnExpression

from app.conditions import FieldType
from app.customers.field_kind import Control, CustomFieldInfo, FieldKind, Manner, registry
from app.infra.words import is_printable

MAX_VALUES = 50
MAX_LENGTH = 100


class ListKind(FieldKind):
    """Several values, each once, in the order given; of the field's choices where it has some."""

    label = "List"
    condition_type = FieldType.LIST
    takes_choices = True

    def read(self, value: Any, about: CustomFieldInfo) -> list[str] | None:
        """Return the values; typed ones are separated by commas."""
        given = value.split(",") if isinstance(value, str) else value
        if not isinstance(given, list | tuple) or len(given) > MAX_VALUES:
            raise ValueError(f"Give a list of at most {MAX_VALUES} values, separated by commas.")
        found: list[str] = []
        for one in given:
            text = " ".join(one.split()) if isinstance(one, str) else None
            if text is None or len(text) > MAX_LENGTH or not is_printable(text) or "," in text:
                raise ValueError(f"Each value is a text of at most {MAX_LENGTH} characters without commas.")
            if text:
                found.append(self._known(text, about))
        return list(dict.fromkeys(found)) or None

    def _known(self, text: str, about: CustomFieldInfo) -> str:
        if not about.choices:
            return text
        for one in about.choices:
            if one.casefold() == text.casefold():
                return one
        raise ValueError(f"Choose among: {', '.join(about.choices)}.")

    def merge_tag(self, about: CustomFieldInfo) -> str:
        """Return what writes the value out."""
        return f'{{{{ customer.custom.{about.key} | join: ", " }}}}'

    def parse(self, text: str, about: CustomFieldInfo, manner: Manner) -> list[str] | None:  # noqa: ARG002
        """Return the values, which a file may separate by semicolons or bars too."""
        return self.read(re.sub("[;|]", ",", text), about)

    def show(self, value: Any, about: CustomFieldInfo, locale: str) -> str:  # noqa: ARG002
        """Return the values, separated by commas."""
        return ", ".join(map(str, value))

    def column(self, custom: Any, key: str) -> SQLColumnExpression[Any]:
        """Return the values."""
        # A function of our own: a subquery could be correlated with the wrong statement.
        found: SQLColumnExpression[Any] = func.jsonb_texts(custom.op("->")(key), type_=ARRAY(Text()))
        return found

    def control(self, value: Any, about: CustomFieldInfo) -> Control:
        """Return a field for values separated by commas."""
        known = f" Known values: {', '.join(about.choices)}." if about.choices else ""
        text = value if isinstance(value, str) else ", ".join(value or ())
        return Control("input", text, help=f"Separate values by commas.{known}")


registry.register("LIST")(ListKind())
