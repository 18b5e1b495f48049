"""YES_NO: a question with two answers, or none yet."""

from typing import Any

from sqlalchemy import Boolean, Text, case, cast, func
from sqlalchemy.sql.elements import SQLColumnExpression

from app.conditions import FieldType
from app.customers.field_kind import Control, CustomFieldInfo, FieldKind, Manner, registry

_WORDS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_LETTERS = {
    **dict.fromkeys(("y", "t", "j", "ja", "x", "on"), True),
    **dict.fromkeys(("n", "f", "nee", "off"), False),
}


class YesNoKind(FieldKind):
    """Yes or no; what nobody asked is neither."""

    label = "Yes or no"
    condition_type = FieldType.BOOLEAN

    def read(self, value: Any, about: CustomFieldInfo) -> bool | None:  # noqa: ARG002
        """Return the answer."""
        if isinstance(value, bool):
            return value
        text = value.strip().lower() if isinstance(value, str) else None
        if text == "":
            return None
        if text not in _WORDS:
            raise ValueError("Say yes or no.")
        return _WORDS[text]

    def merge_tag(self, about: CustomFieldInfo) -> str:
        """Return what says the one thing or the other."""
        return f"{{% if customer.custom.{about.key} %}}yes{{% else %}}no{{% endif %}}"

    def parse(self, text: str, about: CustomFieldInfo, manner: Manner) -> bool | None:  # noqa: ARG002
        """Return the answer, in the letters exports write it with too."""
        return self.read(_LETTERS.get(text.strip().casefold(), text), about)

    def show(self, value: Any, about: CustomFieldInfo, locale: str) -> str:  # noqa: ARG002
        """Return the answer as a word."""
        return "Yes" if value else "No"

    def column(self, custom: Any, key: str) -> SQLColumnExpression[Any]:
        """Return the answer."""
        kept = custom.op("->")(key)
        text = custom.op("->>", return_type=Text())(key)
        return case((func.jsonb_typeof(kept, type_=Text()) == "boolean", cast(text, Boolean())))

    def control(self, value: Any, about: CustomFieldInfo) -> Control:  # noqa: ARG002
        """Return a choice of yes, no and nothing."""
        text = {True: "yes", False: "no"}.get(value, "")
        return Control("select", text, options=(("", "Not known"), ("yes", "Yes"), ("no", "No")))


registry.register("YES_NO")(YesNoKind())
