"""How values are read and compared. Nothing here raises on a value: what can't be read is None, unknown.

Text compares without regard to case by a rule of our own, `fold`, because no two of Python, ICU and the C
library agree on what lower case is: ASCII letters, and those letters of the Latin, Greek, Cyrillic and Armenian
scripts whose lower case is one letter, become lower case; everything else stands for itself. The SQL reader
uses the very same table.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from uuid import UUID

from app.conditions.fields import FieldType
from app.conditions.periods import Period

Scalar = str | Decimal | bool | date | datetime | UUID | Period
Value = Scalar | tuple[Scalar, ...] | None

_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?"
    r"([Zz]|[+-](0[0-9]|1[0-5]):?[0-5][0-9])?",
    re.ASCII,
)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_HUGE_BITS = 256
# Blanks around a value don't count. Not all that Unicode calls white space: SQL reads payloads too, and knows these.
_BLANKS = " \t\n\r\f\v"


def _letters() -> tuple[str, str]:
    pairs = []
    for code in (*range(0xA0, 0x590), *range(0x1E00, 0x2000)):
        letter = chr(code)
        lower = next((way for way in (letter.casefold(), letter.lower()) if len(way) == 1), letter)
        # A letter that would become ASCII stays as it is, so that a search for ASCII text can do without the table.
        if lower != letter and not lower.isascii():
            pairs.append((letter, lower))
    return "".join(upper for upper, _ in pairs), "".join(lower for _, lower in pairs)


UPPER, LOWER = _letters()
_FOLD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ" + UPPER, "abcdefghijklmnopqrstuvwxyz" + LOWER)


def fold(text: str) -> str:
    """Return the text as it is compared."""
    return text.translate(_FOLD)


def plain(value: Decimal) -> str:
    """Return the number the plain way: no exponent, no zeros at the end."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def number(value: object) -> Decimal | None:
    """Return the value as a number: a JSON number, or text such as "108.32"; truth values are no numbers."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value) if value.bit_length() <= _HUGE_BITS else None
    if isinstance(value, float):
        return Decimal(repr(value)) if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip(_BLANKS)):
        return Decimal(value.strip(_BLANKS))
    return None


def text(value: object) -> str | None:
    """Return the value as text; the empty text is unknown, as a field left blank is."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        known = number(value)
        return None if known is None else plain(known)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    return None


def currency(value: object) -> str | None:
    """Return what a payload says of the currency, as codes are compared: None where it says nothing."""
    if value is None:
        return None
    if not isinstance(value, str):
        return ""
    return fold(value.strip(_BLANKS)) or None


def boolean(value: object) -> bool | None:
    """Return the value as a truth value: true or false, or either word as text."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip(_BLANKS).lower())
    return value if isinstance(value, bool) else None


def moment(value: object) -> datetime | None:
    """Return the value as an instant in UTC. A time without an offset says no instant, nor does a day."""
    if isinstance(value, str) and _MOMENT.fullmatch(value.strip(_BLANKS)):
        value = _iso(value)
    if not isinstance(value, datetime) or value.tzinfo is None:
        return None
    return _at(value, UTC)


def day(value: object, zone: tzinfo = UTC) -> date | None:
    """Return the value as a day: an instant is the day it falls on in the zone, a local time the day it names."""
    if isinstance(value, str):
        stripped = value.strip(_BLANKS)
        if _DAY.fullmatch(stripped):
            try:
                return date.fromisoformat(stripped)
            except ValueError:
                return None
        value = _iso(stripped) if _MOMENT.fullmatch(stripped) else None
    if isinstance(value, datetime):
        local = _at(value, zone) if value.tzinfo is not None else value
        return None if local is None else local.date()
    return value if isinstance(value, date) else None


def identifier(value: object) -> UUID | None:
    """Return the value as a UUID."""
    if isinstance(value, str) and _ID.fullmatch(value.strip(_BLANKS)):
        return UUID(value.strip(_BLANKS))
    return value if isinstance(value, UUID) else None


def elements(value: object) -> tuple[str | None, ...] | None:
    """Return the value as a list of texts, None where an element is no text; anything but a list is unknown."""
    if isinstance(value, list | tuple | set | frozenset):
        return tuple(text(one) for one in value)
    return None


def given(value: object) -> object | None:
    """Return the value, or None where nothing was said: null, empty text, an empty list or object."""
    if isinstance(value, str | list | tuple | set | frozenset | Mapping) and not value:
        return None
    return value


def read(type: FieldType, value: object, zone: tzinfo) -> object | None:
    """Return the value as one of that type, or None when it is missing or can't be one."""
    match type:
        case FieldType.TEXT | FieldType.CHOICE:
            return text(value)
        case FieldType.NUMBER:
            return number(value)
        case FieldType.BOOLEAN:
            return boolean(value)
        case FieldType.DATE:
            return day(value, zone)
        case FieldType.DATETIME:
            return moment(value)
        case FieldType.ID:
            return identifier(value)
        case FieldType.LIST:
            return elements(value)
        case FieldType.ANY:
            return given(value)


def span(value: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the instants a day begins and ends at in the zone (the end is the next day's beginning), in UTC."""
    start = datetime.combine(value, time(), zone)
    end = datetime.combine(value + timedelta(days=1), time(), zone)
    return start.astimezone(UTC), end.astimezone(UTC)


def _iso(value: str) -> datetime | None:
    try:
        return datetime.fromisoformat(value.strip(_BLANKS).upper())
    except ValueError:
        return None


def _at(value: datetime, zone: tzinfo) -> datetime | None:
    try:
        return value.astimezone(zone)
    except (OverflowError, ValueError):
        # The first and last day of the calendar have no neighbour to fall on.
        return None
