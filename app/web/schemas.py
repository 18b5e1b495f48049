"""What the API's models of all rooms share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.infra.paging import DEFAULT_LIMIT, MAX_LIMIT

Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""Any text without NUL, a character that Postgres has in no text."""
Words = Annotated[Text, Field(max_length=320)]
"""Such a text as names, addresses and ids are."""


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
