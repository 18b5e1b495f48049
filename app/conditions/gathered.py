"""What many trees ask of what a few people did, told in one pass over their rows instead of a look for each.

Each behaviour is a column of one grouped query: an aggregate over the rows it is told from. Two hundred segments that
look at a few thousand people read what these did once.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Integer, Numeric, Subquery, and_, func, literal, literal_column, select
from sqlalchemy.types import TypeEngine

from app.conditions import done_sql
from app.conditions.behaviour import TIMES, Aggregate, Behaviour, Behaviours, Doings
from app.conditions.periods import Present

NAME = "done"
MOST = 1_000
"""A query has at most 1,664 columns; what is asked beyond this is looked up person by person."""


@dataclass(slots=True)
class Gathered:
    """The behaviours that trees ask of, as `compile_sql` meets them; `table` is what the statement is joined with."""

    _known: Behaviours | None = None
    _doings: Doings | None = None
    _columns: dict[tuple[Behaviour, Present], str] = field(default_factory=dict)
    _amounts: list[ColumnElement[Any]] = field(default_factory=list)

    def amount(
        self, did: Behaviour, present: Present, where: Callable[[Doings], ColumnElement[bool] | None]
    ) -> ColumnElement[Any] | None:
        """Return what a behaviour comes to for each person, None if it can't be told here; `where` is its own."""
        if self._doings is None:
            self._known, self._doings = did.known, did.known.doings()
        if did.known is not self._known or len(self._amounts) >= MOST:
            return None
        name = self._columns.get((did, present))
        if name is None:
            name = self._columns[did, present] = f"b{len(self._amounts)}"
            rows = and_(*done_sql.chosen(did, self._doings, present, where(self._doings)))
            self._amounts.append(done_sql.amount(did, self._doings, present, of=rows).label(name))
        held = literal_column(f"{NAME}.{name}", _type(did.aggregate))
        if did.aggregate in (Aggregate.COUNT, Aggregate.SUM):
            return func.coalesce(held, literal(0, held.type), type_=held.type)
        return held

    def table(
        self, of: Callable[[ColumnElement[Any]], ColumnElement[bool]]
    ) -> tuple[Subquery, ColumnElement[bool]] | None:
        """Return what those did whose key is `of` the people asked about, and how the statement is joined with it.

        Nothing if nobody asked. It is to be joined from the left: who did nothing has no row.
        """
        if self._doings is None:
            return None
        doings, behaviours = self._doings, [did for did, _ in self._columns]
        rows = [of(doings.key), *doings.counted, doings.type.in_(sorted({one.event for one in behaviours}))]
        begins = [one.moment(did.within, -1) if did.within else None for did, one in self._columns]
        told = [begin for begin in begins if begin is not None]
        if len(told) == len(begins):
            rows.append(doings.occurred_at >= literal(min(told), DateTime(timezone=True)))
        found = select(doings.key.label("key"), *self._amounts).where(*rows).group_by(doings.key).subquery(NAME)
        return found, found.c.key == doings.whose


def _type(aggregate: Aggregate) -> TypeEngine[Any]:
    if aggregate is Aggregate.COUNT:
        return Integer()
    return DateTime(timezone=True) if aggregate in TIMES else Numeric()
