"""What is said of one table: which of its columns tell of a person, and what becomes of them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy.orm import Session

Emptying = Callable[[Session, UUID, Collection[UUID], datetime], None]


class AtErase(StrEnum):
    """What becomes of a person's rows."""

    DELETE = "delete"
    BLANK = "blank"
    KEEP = "keep"
    SPECIAL = "special"


def columns(names: str) -> tuple[str, ...]:
    """Return the columns named in a text, between blanks."""
    return tuple(names.split())


@dataclass(frozen=True, slots=True)
class Table:
    """One table. `holds` says what, in words for staff; `because` why something of it stays, or how it is treated.

    `drop_found`: other rows that name the person go whole. `empty_found`: these columns of such rows are emptied.
    `by_id`: a row may name them by a customer's id alone. `alone`: a row that is nobody's, and names them in the first
    of these, a column, tells of them alone; the second empties such rows, by id.
    `section` is the table's name in an export, without `left_out`; `order` what its rows are in order of.
    """

    name: str
    holds: str
    at_erase: AtErase
    because: str = ""
    of: tuple[str, ...] = ()
    through: tuple[str, str] | None = None
    own: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    blank: Mapping[str, str] = field(default_factory=dict)
    drop_found: bool = False
    empty_found: Mapping[str, str] = field(default_factory=dict)
    by_id: bool = False
    alone: tuple[str, Emptying] | None = None
    section: str | None = None
    order: str = "id"
    left_out: tuple[str, ...] = ()

    @property
    def columns(self) -> set[str]:
        """Return every column that is accounted for."""
        through = {self.through[0]} if self.through else set()
        listed = (*self.of, *self.own, *self.words, *self.addresses, *self.ids, *self.plain)
        return {"tenant_id", *listed, *self.blank, *through}

    @property
    def searched(self) -> tuple[str, ...]:
        """Return the columns that are looked through for what names the person, in everybody's rows."""
        return (*self.words, *self.addresses, *self.empty_found)

    @property
    def looks_for_ids(self) -> bool:
        """Return whether customers' ids are looked for in those columns too."""
        return self.drop_found or self.by_id

    @property
    def is_of_people(self) -> bool:
        """Return whether rows of the table are one customer's."""
        return bool(self.of or self.through)


def deleted(name: str, holds: str, **more: object) -> Table:
    """Return a table whose rows go with the person."""
    return Table(name, holds, AtErase.DELETE, **more)  # type: ignore[arg-type]


def kept(name: str, holds: str, because: str, **more: object) -> Table:
    """Return a table that stays as it is, but for what names the person in it."""
    return Table(name, holds, AtErase.KEEP, because, **more)  # type: ignore[arg-type]


def special(name: str, holds: str, because: str, **more: object) -> Table:
    """Return a table that is treated in a way of its own."""
    return Table(name, holds, AtErase.SPECIAL, because, **more)  # type: ignore[arg-type]
