"""Keyset pages: the cursor is the sort key of the last row shown, so page 10,000 costs what page 1 does."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson

from app.infra.errors import UserError

R = TypeVar("R")
T = TypeVar("T")
DEFAULT_LIMIT = 50
MAX_LIMIT = 1000


class BadCursor(UserError):
    """The cursor was not made by this endpoint."""

    def __init__(self) -> None:
        super().__init__("This cursor is not one we gave out; start again without it.", "cursor")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows and the cursor of the next page; `next_cursor` is None on the last one."""

    items: list[T]
    next_cursor: str | None = None


def encode_cursor(*values: Any) -> str:
    """Return `values` (strings, numbers, UUIDs, datetimes) as one URL-safe word."""
    return base64.urlsafe_b64encode(orjson.dumps(values)).rstrip(b"=").decode()


def decode_cursor(text: str, size: int) -> list[Any]:
    """Return the `size` values of a cursor as JSON has them (UUIDs and datetimes as text), or raise BadCursor."""
    try:
        values = orjson.loads(base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)))
    except (ValueError, UnicodeEncodeError, binascii.Error):
        raise BadCursor from None
    if not isinstance(values, list) or len(values) != size or any("\x00" in str(value) for value in values):
        raise BadCursor
    return values


def id_of(value: Any) -> UUID:
    """Return the id that a cursor's value is, or raise BadCursor."""
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise BadCursor from None


def moment_of(value: Any) -> datetime:
    """Return the moment that a cursor's value is, or raise BadCursor."""
    try:
        return datetime.fromisoformat(value)
    except (ValueError, TypeError):
        raise BadCursor from None


def id_cursor(cursor: str | None) -> UUID | None:
    """Return the id that the cursor of a list by id ends with, or None without a cursor; raises BadCursor."""
    return id_of(decode_cursor(cursor, 1)[0]) if cursor else None


def cut(rows: Sequence[R], limit: int, key: Callable[[R], tuple[Any, ...]], show: Callable[[R], T]) -> Page[T]:
    """Return a page out of up to `limit` + 1 rows: the extra row only tells that there is more."""
    kept = rows[:limit]
    more = len(rows) > limit
    return Page([show(row) for row in kept], encode_cursor(*key(kept[-1])) if more else None)
