"""A payload's values in SQL, read by functions of the database that do what `values` does.

Migrations 0030, 0037, 0050 and 0055 made them; a test holds both to one reading of any JSON.
"""

from collections.abc import Callable
from datetime import UTC, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Boolean, ColumnElement, Date, DateTime, Numeric, Text, Uuid, case, cast, func, literal
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.conditions.fields import FieldType

_Sql = ColumnElement[Any]


def value_at(payload: _Sql, name: str) -> _Sql:
    """Return what stands in the payload under a name, as jsonb: under the whole of it, else along its dots."""
    key = literal(name, Text())
    found: _Sql = payload.op("->", return_type=JSONB())(key)
    head, dot, rest = name.partition(".")
    if not dot:
        return found
    inner = value_at(payload.op("->", return_type=JSONB())(literal(head, Text())), rest)
    there = func.coalesce(payload.op("?", return_type=Boolean())(key), False, type_=Boolean())
    # A text or a list may hold the name without having it as a key.
    is_object = func.jsonb_typeof(payload, type_=Text()) == "object"
    return case((is_object & there, found), (is_object, inner))


def read(type: FieldType, value: _Sql, zone: tzinfo) -> _Sql:
    """Return a jsonb value in a type, null where it can't be read in it."""
    if type is FieldType.DATE:
        return func.payload_day(value, _name(zone), type_=Date())
    return _READ[type](value)


def number(value: Decimal) -> _Sql:
    """Return a number as jsonb, to be compared with what stands in a payload."""
    return cast(literal(format(value, "f"), Text()), JSONB())


def currency_at(payload: _Sql, key: str) -> _Sql:
    """Return what the payload says under the key of the currency, in small letters: null where it says nothing."""
    return func.payload_currency(payload, literal(key, Text()), type_=Text())


def elements(value: _Sql) -> _Sql:
    """Return the elements of a list as rows of one column; of anything else none."""
    listed = case((func.jsonb_typeof(value, type_=Text()) == "array", value))
    return func.jsonb_array_elements(listed, type_=JSONB()).column_valued("element")


def _name(zone: tzinfo) -> str:
    if zone is UTC:
        return "UTC"
    if isinstance(zone, ZoneInfo) and zone.key:
        return zone.key
    raise TypeError(f"{zone!r} is no zone that Postgres knows by its name")


_READ: dict[FieldType, Callable[[_Sql], _Sql]] = {
    FieldType.TEXT: lambda value: func.payload_text(value, type_=Text()),
    FieldType.CHOICE: lambda value: func.payload_text(value, type_=Text()),
    FieldType.NUMBER: lambda value: func.payload_number(value, type_=Numeric()),
    FieldType.BOOLEAN: lambda value: func.payload_boolean(value, type_=Boolean()),
    FieldType.DATETIME: lambda value: func.payload_moment(value, type_=DateTime(timezone=True)),
    FieldType.ID: lambda value: func.payload_id(value, type_=Uuid()),
    FieldType.LIST: lambda value: func.payload_list(value, type_=ARRAY(Text())),
    FieldType.ANY: lambda value: func.payload_given(value, type_=JSONB()),
}
