"""What many trees ask of a few people, told once instead of for each tree.

Each behaviour is a column of one grouped query: an aggregate over the rows it is told from. Two hundred segments that
look at a few thousand people read what these did once. So is each answer that is found in other rows, such as whether
somebody can be mailed: it is asked once for all trees that ask the same.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    CTE,
    Boolean,
    ColumnElement,
    DateTime,
    Integer,
    Label,
    Numeric,
    Select,
    Subquery,
    and_,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.types import TypeEngine

from app.conditions import done_sql
from app.conditions.behaviour import TIMES, Aggregate, Behaviour, Behaviours, Doings
from app.conditions.moments import Someday, told
from app.conditions.periods import Present

NAME = "done"
ANSWERS = "answers"
MOST = 1_000
"""A query has at most 1,664 columns; what is asked beyond this is looked up person by person."""


@dataclass(slots=True)
class Gathered:
    """What trees ask of, as `compile_sql` meets it; `table` and `answers` are what the statement is joined with."""

    _known: Behaviours | None = None
    _doings: Doings | None = None
    _columns: dict[tuple[Behaviour, Present | Someday], str] = field(default_factory=dict)
    _amounts: list[ColumnElement[Any]] = field(default_factory=list)
    _answers: dict[Hashable, Label[bool]] = field(default_factory=dict)

    def answer(self, key: Hashable, make: Callable[[], ColumnElement[bool]]) -> ColumnElement[bool]:
        """Return the answer that `make` makes for the person of the query; it is the same wherever the key is."""
        known = self._answers
        if key not in known:
            if len(known) >= MOST:
                return make()
            known[key] = make().label(f"a{len(known)}")
        return literal_column(f"{ANSWERS}.{known[key].name}", Boolean())

    def answers(self, people: Select[Any]) -> CTE | None:
        """Return the answers of people, a query of whom they are that selects their `key`; None if nobody asked.

        They are worked out by themselves, else the database would put each into all the places that ask for it.
        """
        if not self._answers:
            return None
        return people.add_columns(*self._answers.values()).cte(ANSWERS).prefix_with("MATERIALIZED")

    def amount(
        self, did: Behaviour, present: Present | Someday, where: Callable[[Doings], ColumnElement[bool] | None]
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
        if all(one.within for one in behaviours):
            rows.append(doings.occurred_at >= self._begin())
        found = select(doings.key.label("key"), *self._amounts).where(*rows).group_by(doings.key).subquery(NAME)
        return found, found.c.key == doings.whose

    def _begin(self) -> ColumnElement[Any]:
        """Return the moment before which nothing counts for anybody."""
        spans = frozenset((one.zone, did.within) for did, one in self._columns if did.within)
        present = next(one for _, one in self._columns)
        return told(
            present,
            ("begin", spans),
            lambda at: min(Present(zone, at.now).moment(within, -1) for zone, within in spans),
            DateTime(timezone=True),
        )


def _type(aggregate: Aggregate) -> TypeEngine[Any]:
    if aggregate is Aggregate.COUNT:
        return Integer()
    return DateTime(timezone=True) if aggregate in TIMES else Numeric()
