"""What the API's models of all rooms share."""

import re
from datetime import date, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from app.infra.paging import DEFAULT_LIMIT, MAX_LIMIT

Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""Any text without NUL, a character that Postgres has in no text."""
Words = Annotated[Text, Field(max_length=320)]
"""Such a text as names, addresses and ids are."""
_NUMBER = re.compile(r"[+-]?[0-9._]+([eE][+-]?[0-9]+)?")


def _no_number(words: str) -> BeforeValidator:
    """Refuse numbers, which pydantic would read as seconds since 1970."""

    def written(value: object) -> object:
        if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value.strip())):
            raise ValueError(words)
        return value

    return BeforeValidator(written)


Moment = Annotated[AwareDatetime, _no_number("Write a moment as 2026-11-22T09:00:00Z.")]
LocalMoment = Annotated[datetime, _no_number("Write a date and time as 2026-11-22T09:00.")]
"""With an offset or without one."""
Day = Annotated[date, _no_number("Write a day as 2026-11-22.")]


class Body(BaseModel):
    """A body; unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid")


class Shown(BaseModel):
    """An answer, read off a room's dataclass or row."""

    model_config = ConfigDict(from_attributes=True)


class PageQuery(Body):
    """Which page of a list."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: Annotated[str, Field(max_length=500)] | None = None
