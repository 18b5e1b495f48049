"""Long columns of values as array literals, for statements that take thousands of rows through `unnest`.

psycopg writes lists element by element in Python, quoting with regular expressions: a batch of 2,000 people spent
most of its time there. Pass what `array` returns where the statement says `CAST(:name AS uuid[])`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, ColumnElement, Uuid, cast, literal
from sqlalchemy.types import NullType


def array(values: Iterable[UUID | str | int | datetime | None]) -> str:
    """Return the values as the text of a Postgres array; None becomes NULL."""
    listed = list(values)
    raw = orjson.dumps(listed)
    # Quotes and backslashes are escaped alike in both; what else JSON escapes, a line's end say, is not.
    if b"\\" in raw and b"\\" in raw.replace(b"\\\\", b"").replace(b'\\"', b""):
        return "{" + ",".join(_escaped(value) for value in listed) + "}"
    # A list in JSON is an array to Postgres but for its brackets, and for what JSON escapes in texts.
    return f"{{{raw[1:-1].decode()}}}"


def uuids(ids: Iterable[UUID]) -> ColumnElement[Sequence[UUID]]:
    """Return ids as an array for a statement that SQLAlchemy builds.

    The text has no type before the cast: one that is sent as a text is read anew for every row it is compared with,
    where Postgres chooses a plan that filters.
    """
    return cast(literal(array(ids), NullType()), ARRAY(Uuid()))


def _escaped(value: UUID | str | int | datetime | None) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return orjson.dumps(value).decode()
