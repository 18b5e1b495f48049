"""What somebody did, as rules ask of it: how often, how much, when first and last; and what it comes to in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_

from app.conditions.fields import Catalogue, FieldType

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause

    from app.conditions.fields import Field
    from app.conditions.language import Group
    from app.conditions.periods import Period

ANY_CURRENCY = "any"
"""In the place of a currency's code: amounts of all currencies are added up as they are."""

DID = "did"
"""The fact under which the Python reader finds what somebody did: mappings of `type`, `occurred_at` and `payload`."""


class Aggregate(StrEnum):
    """What is asked of the events: of a number in their payloads, or of their times."""

    COUNT = "count"
    SUM = "sum"
    MIN = "min"
    MAX = "max"
    FIRST = "first"
    LAST = "last"


MEASURES = frozenset((Aggregate.SUM, Aggregate.MIN, Aggregate.MAX))
"""Those of a number in the payloads."""
TIMES = frozenset((Aggregate.FIRST, Aggregate.LAST))


@dataclass(frozen=True, slots=True)
class Amounts:
    """Columns that hold what payloads say under `key`, as numbers, and under `currency_key` beside these.

    Both are null where a payload has no number there. `currency` is as `payload_sql.currency_at` reads it.
    """

    key: str
    number: ColumnElement[Any]
    currency_key: str
    currency: ColumnElement[Any]


@dataclass(frozen=True, slots=True)
class Doings:
    """One query's table of what was done: its columns, and which of it the person of the surrounding query did.

    `key` names who did it, as `whose` names the person of the surrounding query, whose table is `person`. `counted`
    says which rows count at all. `beside` is what else a row has in common with its person (the tenant): it finds one
    person's rows sooner, and is left out where everybody's are read, since nobody but the tenant's is to be seen.
    `amounts` are columns of their own that some numbers stand in: an index that holds them spares reading the payloads.
    """

    table: FromClause
    type: ColumnElement[str]
    occurred_at: ColumnElement[Any]
    payload: ColumnElement[Any]
    key: ColumnElement[Any]
    whose: ColumnElement[Any]
    person: FromClause
    counted: tuple[ColumnElement[bool], ...] = ()
    beside: tuple[ColumnElement[bool], ...] = ()
    amounts: Amounts | None = None

    def amounts_of(self, measured: Field | None) -> Amounts | None:
        """Return the columns in which a number of the payloads stands, None where it does not."""
        return self.amounts if self.amounts and measured and measured.name == self.amounts.key else None

    @property
    def theirs(self) -> ColumnElement[bool]:
        """Return which rows are those of the person of the surrounding query."""
        return and_(*self.beside, self.key == self.whose, *self.counted)


@dataclass(frozen=True, slots=True)
class Behaviours:
    """What a catalogue knows of events: the fields of a type's payload, what it is called, and where they stand.

    `done_of` is what somebody has done then ("played a round"), empty where the name has to do.
    """

    fields_of: Callable[[str], Catalogue]
    label_of: Callable[[str], str]
    doings: Callable[[], Doings]
    done_of: Callable[[str], str] = lambda _: ""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """An aggregate over the events of one type `within` a period up to now (None: ever) `where` the payload fits.

    `measured` is the number in the payload of which a sum, a least or a greatest is taken. `currency` is the code of
    the currency in which amounts count, ANY_CURRENCY for all, empty for that of whoever asks (`money.counted`).
    """

    event: str
    aggregate: Aggregate
    measured: Field | None
    within: Period | None
    where: Group | None
    known: Behaviours = field(compare=False, repr=False)
    currency: str = ""

    @property
    def type(self) -> FieldType:
        """Return the type of what it comes to."""
        return FieldType.DATETIME if self.aggregate in TIMES else FieldType.NUMBER


def aggregated(aggregate: Aggregate, found: Iterable[Mapping[str, Any]], numbers: Iterable[Decimal | None]) -> Any:
    """Return what the aggregate over events comes to; None where there is nothing to be the first, last or least.

    `numbers` are what was measured of the same events, None where a payload does not tell.
    """
    match aggregate:
        case Aggregate.COUNT:
            return sum(1 for _ in found)
        case Aggregate.FIRST:
            return min((one["occurred_at"] for one in found), default=None)
        case Aggregate.LAST:
            return max((one["occurred_at"] for one in found), default=None)
    told = [one for one in numbers if one is not None]
    match aggregate:
        case Aggregate.SUM:
            return sum(told, Decimal())
        case Aggregate.MIN:
            return min(told, default=None)
        case _:
            return max(told, default=None)
