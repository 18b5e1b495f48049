"""What somebody did, in SQL: of one person, looked up in the surrounding query, or of everybody at once.

Of everybody, the rows of one event are read once, in the order of an index or of the table, and gathered by person;
the database joins what is found by hashing. Who did nothing has no row among them, so what the rule says of nothing
decides whether those are sought for whom it holds, or those for whom it does not.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Integer,
    Numeric,
    Select,
    func,
    literal,
    literal_column,
    not_,
    null,
    select,
)

from app.conditions import payload_sql
from app.conditions.behaviour import Aggregate, Behaviour, Doings
from app.conditions.fields import FieldType
from app.conditions.moments import Someday, told
from app.conditions.operators import Operator
from app.conditions.periods import Present

_Answer = ColumnElement[bool]
_ONCE_OR_MORE = frozenset(((Operator.GT, 0), (Operator.GTE, 1)))
_NEVER = frozenset(((Operator.EQ, 0), (Operator.LT, 1), (Operator.LTE, 0)))


def _number(did: Behaviour, doings: Doings, present: Present | Someday) -> ColumnElement[Any]:
    if did.measured is None:
        return null()
    if amounts := doings.amounts_of(did.measured):
        return amounts.number
    return payload_sql.read(FieldType.NUMBER, payload_sql.value_at(doings.payload, did.measured.name), present.zone)


def amount(
    did: Behaviour,
    doings: Doings,
    present: Present | Someday,
    *,
    of: _Answer | None = None,
    number: ColumnElement[Any] | None = None,
) -> ColumnElement[Any]:
    """Return what the behaviour comes to over the rows of `doings`, or those `of` them: an aggregate.

    `number` is what is measured, where it was read already.
    """
    number = _number(did, doings, present) if number is None else number
    moment = DateTime(timezone=True)

    def over(aggregate: Any) -> ColumnElement[Any]:
        found: ColumnElement[Any] = aggregate if of is None else aggregate.filter(of)
        return found

    match did.aggregate:
        case Aggregate.COUNT:
            return over(func.count(type_=Integer()))
        case Aggregate.SUM:
            return func.coalesce(over(func.sum(number, type_=Numeric())), 0, type_=Numeric())
        case Aggregate.MIN:
            return over(func.min(number, type_=Numeric()))
        case Aggregate.MAX:
            return over(func.max(number, type_=Numeric()))
        case Aggregate.FIRST:
            return over(func.min(doings.occurred_at, type_=moment))
        case _:
            return over(func.max(doings.occurred_at, type_=moment))


def chosen(did: Behaviour, doings: Doings, present: Present | Someday, where: _Answer | None) -> list[_Answer]:
    """Return which rows the behaviour is told from, whoever's they are; `where` is its own, over their payloads."""
    moment, within = DateTime(timezone=True), did.within
    found = [doings.type == did.event, doings.occurred_at <= told(present, "now", lambda one: one.now, moment)]
    if within:
        begin = told(present, ("moment", within, -1), lambda one: one.moment(within, -1), moment)
        found.append(doings.occurred_at >= begin)
    if where is not None:
        found.append(where.is_(True))
    return found


def of_one(did: Behaviour, doings: Doings, present: Present | Someday, where: _Answer | None) -> ColumnElement[Any]:
    """Return what the behaviour comes to for the person of the surrounding query."""
    return (
        select(amount(did, doings, present))
        .select_from(doings.table)
        .where(doings.theirs, *chosen(did, doings, present, where))
        .correlate(doings.person)
        .scalar_subquery()
    )


def of_everybody(
    did: Behaviour,
    doings: Doings,
    present: Present,
    where: _Answer | None,
    fits: Callable[[ColumnElement[Any]], _Answer],
    *,
    nobody: bool | None,
    sought: bool,
) -> _Answer:
    """Return whether the person of the surrounding query is among those of whom the rule holds, all told at once.

    `fits` is the rule, asked of an amount; `nobody` what it says of somebody who did nothing. Where that is unknown,
    two answers have to be told apart in one: for those who are `sought` the answer is true exactly where the rule
    holds, else false exactly where it is known not to hold.
    """
    rows = select(doings.key.label("key")).select_from(doings.table)
    rows = rows.where(*doings.counted, *chosen(did, doings, present, where))
    if did.measured and not doings.amounts_of(did.measured):
        # By itself: a sum would look into each payload as often as the expression of its number does.
        read = rows.add_columns(_number(did, doings, present).label("number")).offset(literal_column("0")).subquery()
        rows = select(read.c.key.label("key")).group_by(read.c.key)
        held = fits(amount(did, doings, present, number=read.c.number))
    else:
        rows = rows.group_by(doings.key)
        held = fits(amount(did, doings, present))
    if nobody is None:
        answer = _among(doings, rows.having(held if sought else not_(held)))
        return answer if sought else not_(answer)
    return not_(_among(doings, rows.having(held.is_not(True)))) if nobody else _among(doings, rows.having(held))


def at_all(
    did: Behaviour, doings: Doings, present: Present, where: _Answer | None, asked: tuple[Operator, Any]
) -> _Answer | None:
    """Return the answer to whether it was done at all or never, for which nothing need be counted; None if it must."""
    if did.aggregate is not Aggregate.COUNT or asked not in _ONCE_OR_MORE | _NEVER:
        return None
    rows = [*doings.counted, *chosen(did, doings, present, where)]
    found = (
        select(literal(1)).select_from(doings.table).where(doings.key == doings.whose, *rows).correlate(doings.person)
    )
    return not_(found.exists()) if asked in _NEVER else found.exists()


def _among(doings: Doings, people: Select[Any]) -> _Answer:
    """Return whether the person is among those whose rows, taken together, fit: EXISTS, to be joined or hashed."""
    found = people.subquery()
    return select(literal(1)).select_from(found).where(found.c.key == doings.whose).correlate(doings.person).exists()
