"""DATE: a day of the calendar."""

import re
from datetime import UTC, date, datetime
from typing import Any

from babel.dates import format_date
from sqlalchemy import Date, Text, case, cast
from sqlalchemy.sql.elements import SQLColumnExpression

from app.conditions import FieldType
from app.customers.field_kind import Control, CustomFieldInfo, FieldKind, Manner, registry

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MIDNIGHT = re.compile(r"[ T]00:00(:00)?(\.0+)?$")


class DateKind(FieldKind):
    """A day, kept as 2026-11-21."""

    label = "Date"
    condition_type = FieldType.DATE

    def read(self, value: Any, about: CustomFieldInfo) -> str | None:  # noqa: ARG002
        """Return the day."""
        text = value.strip() if isinstance(value, str) else value.isoformat() if isinstance(value, date) else None
        if text == "":
            return None
        try:
            if text is None or not _DAY.fullmatch(text) or not 1800 <= date.fromisoformat(text).year <= 2200:
                raise ValueError
        except ValueError:
            raise ValueError("Write the date as 2026-11-21.") from None
        return str(text)

    def merge_tag(self, about: CustomFieldInfo) -> str:
        """Return what writes the value out."""
        return f'{{{{ customer.custom.{about.key} | date: "%-d %B %Y" }}}}'

    def parse(self, text: str, about: CustomFieldInfo, manner: Manner) -> str | None:
        """Return the day, in the first of the file's formats that reads it; a spreadsheet's midnight is no matter."""
        plain = _MIDNIGHT.sub("", text.strip())
        for one in manner.days:
            try:
                plain = datetime.strptime(plain, one).replace(tzinfo=UTC).date().isoformat()
                break
            except ValueError:
                continue
        return self.read(plain, about)

    def show(self, value: Any, about: CustomFieldInfo, locale: str) -> str:  # noqa: ARG002
        """Return the day as the region writes it."""
        return str(format_date(date.fromisoformat(value), "d MMM y", locale=locale))

    def column(self, custom: Any, key: str) -> SQLColumnExpression[Any]:
        """Return the day."""
        text = custom.op("->>", return_type=Text())(key)
        return case((text.op("~")(r"^\d{4}-\d\d-\d\d$"), cast(text, Date())))

    def control(self, value: Any, about: CustomFieldInfo) -> Control:  # noqa: ARG002
        """Return the browser's date field."""
        return Control("input", value or "", type="date")


registry.register("DATE")(DateKind())
