"""What the API's models of all rooms share."""

import re
from datetime import date, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from app.infra.paging import DEFAULT_LIMIT, MAX_LIMIT

Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""Any text without NUL, a character that Postgres has in no text."""
Words = Annotated[Text, Field(max_length=320)]
"""Such a text as names, addresses and ids are."""
T = TypeVar("T", date, datetime)
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


def _tree_or_rules(given: object) -> object:
    if not isinstance(given, dict | list):
        raise ValueError("Give a tree of conditions, or a list of rules.")
    return given


Conditions = Annotated[dict[str, Any] | list[Any], BeforeValidator(_tree_or_rules)]
"""A tree of conditions, or a list of rules that all must hold."""


def _not_before(until: T, given: ValidationInfo) -> T:
    since = given.data.get("since")
    if since is not None and until < since:
        raise ValueError("Lies before `since`.")
    return until


NOT_BEFORE_SINCE = AfterValidator(_not_before)
"""Of an `until`: it does not lie before the `since` that the model names above it."""


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
