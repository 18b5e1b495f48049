"""The SQL reader: the same tree as one boolean expression over the fields' columns. Values are bound, always.

The expression is three-valued: in a WHERE clause NULL means no; in a SELECT list say `expression.is_(True)`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Double,
    Enum,
    Float,
    Integer,
    Numeric,
    String,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    collate,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    true,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.elements import Grouping, SQLColumnExpression
from sqlalchemy.types import TypeEngine

from app.conditions import done_sql, money, payload_sql, values
from app.conditions.behaviour import DID, Aggregate, Behaviour, Doings
from app.conditions.errors import NotEvaluable
from app.conditions.evaluate import evaluate
from app.conditions.fields import Field, FieldType, Related
from app.conditions.gathered import Gathered
from app.conditions.language import Combinator, Group, Node, Not, Rule, Tree, enabled, walk
from app.conditions.moments import Later, Someday, told
from app.conditions.operators import CONTRARY, FROM_NOW, OF_LISTS, YEARLY, Operator
from app.conditions.periods import Period, Present
from app.conditions.values import LOWER, UPPER, fold, span

_Sql = ColumnElement[Any]
_ELEMENT = Field("element", "Element", "", FieldType.TEXT, from_payload=True)
_Answer = ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class _Scene:
    """When and where a tree is asked, and of what: the payload of an event, or (None) the fields' own columns.

    `whole`: of everybody at once. `sought`: those are wanted of whom a rule holds, not (within a NOT) the others.
    `gathered`: what people did is told beside the statement, of all its trees at once. `few`: it is planned for numbers
    that few people reach.
    """

    present: Present | Someday
    payload: Any = None
    whole: bool = False
    sought: bool = True
    gathered: Gathered | None = None
    few: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """A rule of a tree, at its path: whether it holds, and the value it saw (`explain_seen` tells it), as SQL.

    The value is None where nothing is known; of a list kept in other rows it is the list of its texts, None for none.
    """

    path: str
    rule: Rule
    answer: ColumnElement[bool]
    value: ColumnElement[Any]


def compile_sql(
    tree: Tree,
    *,
    zone: tzinfo = UTC,
    now: datetime | None = None,
    currency: str = "",
    whole: bool = False,
    few: bool = False,
    gathered: Gathered | None = None,
    later: Later | None = None,
) -> ColumnElement[bool]:
    """Return the tree as a boolean SQL expression, for any statement that selects from the fields' tables.

    `zone` is where a day begins and ends, `now` (this moment) what periods are told from, `currency` the code of the
    one amounts are in where a rule names none. `whole` is for the WHERE of a statement that asks it of everybody: what
    they did is read once, not looked up for each, and the expression is true of the same people, but may be false where
    else it is unknown; with `few` the database expects few to have done as much as a rule asks for, and looks these up
    instead of reading everybody, which is slower where they are many. `gathered` is for a statement that asks many
    trees of a few people: it is joined with `gathered.table(…)` once all are compiled. With `later` now is left open:
    the statement may be kept and asked with `later.values(now)` each time, unless it is `whole`. Raises NotEvaluable
    for a field without a column, and TypeError for one whose column does not hold what its type says.
    """
    present = Someday(zone, later, currency) if later else Present.of(zone, now, currency)
    return _node(enabled(tree), _Scene(present, whole=whole, gathered=gathered, few=few))


def compile_rules(
    tree: Tree, *, zone: tzinfo = UTC, now: datetime | None = None, currency: str = ""
) -> list[tuple[Rule, ColumnElement[bool]]]:
    """Return each rule that is asked with its own expression, in the order of the tree, to record which were met."""
    scene = _Scene(Present.of(zone, now, currency))
    return [(rule, _rule(rule, scene)) for _, rule in walk(tree)]


def compile_seen(tree: Tree, *, zone: tzinfo = UTC, now: datetime | None = None, currency: str = "") -> list[Seen]:
    """Return for each rule that is asked its path, its answer and the value it is asked of, to say why."""
    scene = _Scene(Present.of(zone, now, currency))
    return [Seen(path, rule, _rule(rule, scene), _seen(rule, scene)) for path, rule in walk(tree)]


def _seen(rule: Rule, scene: _Scene) -> _Sql:
    if rule.did:
        return _done(rule.did, scene)
    if rule.field.inside:
        return payload_sql.read(rule.type, _inside(rule.field, rule.field.inside()), scene.present.zone)
    if rule.field.related is None:
        return column_of(rule.field)
    related = rule.field.related()
    theirs = [related.person_key == related.person, *([] if related.where is None else [related.where])]
    values = func.array_agg(cast(related.value, Text()).distinct(), type_=postgresql.ARRAY(Text()))
    return select(values).select_from(related.table).where(*theirs).correlate(related.person.table).scalar_subquery()


def _node(node: Node, scene: _Scene) -> _Answer:
    match node:
        case Rule():
            return _rule(node, scene)
        case Not():
            return _not(_node(node.item, replace(scene, sought=not scene.sought)))
        case Group(items=()):
            return true()
        case Group(combinator=Combinator.OR):
            return or_(*(_node(item, scene) for item in node.items))
        case Group():
            return and_(*(_node(item, scene) for item in node.items))


def _rule(rule: Rule, scene: _Scene) -> _Answer:
    if rule.did and scene.whole:
        return _ask_everybody(rule, rule.did, scene)
    if scene.gathered is not None and _elsewhere(rule):
        by_now = scene.present if isinstance(rule.value, Period) else None
        return scene.gathered.answer((rule, by_now), lambda: _rule(rule, replace(scene, gathered=None)))
    contrary = CONTRARY.get(rule.operator)
    operator = contrary or rule.operator
    if rule.did:
        answer = _ask(rule, operator, _done(rule.did, scene), scene.present)
    elif rule.field.related:
        answer = _ask_related(rule.field.related(), operator, rule.value)
    elif scene.payload is not None:
        answer = _ask_value(rule, operator, payload_sql.value_at(scene.payload, rule.field.name), scene)
    elif rule.field.inside:
        answer = _ask_value(rule, operator, _inside(rule.field, rule.field.inside()), scene)
    else:
        answer = _ask(rule, operator, column_of(rule.field), scene.present)
        if scene.whole and scene.sought and not contrary:
            answer = _sooner(rule, column_of(rule.field), answer)
    return _not(answer) if contrary else answer


def _inside(field: Field, document: _Sql) -> _Sql:
    """Return the value of a field that stands in a document, as jsonb."""
    return payload_sql.value_at(document, field.name.partition(".")[2])


def _elsewhere(rule: Rule) -> bool:
    """Return whether a rule on no behaviour is answered from other rows than the person's own."""
    return rule.did is None and not isinstance(rule.field.column, SQLColumnExpression)


def _sooner(rule: Rule, column: _Sql, answer: _Answer) -> _Answer:
    """Return an answer that is true of the same rows, and spares most of them the folding of letters.

    What stands there as it is asked for needs none; what is of another length, or has the letters nowhere, can't fit.
    That holds for ASCII, which folding keeps in its place; false may stand where the answer is unknown.
    """
    given = [one for one in _each(rule.value) if isinstance(one, str)]
    if not given or not all(one.isascii() for one in given):
        return answer
    spelled: _Sql = literal(given, postgresql.ARRAY(Text()))
    if rule.type in (FieldType.TEXT, FieldType.CHOICE) and rule.operator in (Operator.EQ, Operator.IN):
        lengths = literal(sorted({len(one) for one in given}), postgresql.ARRAY(Integer()))
        alike = func.octet_length(column, type_=Integer()) == any_(lengths)
        return or_(column == any_(spelled), and_(alike, answer))
    if rule.type is FieldType.LIST:
        # An array's text escapes these two.
        if not any(sign in one for one in given for sign in '"\\'):
            lowered = folded(cast(column, Text()), given)
            answer = and_(or_(*(func.strpos(lowered, fold(one), type_=Integer()) > 0 for one in given)), answer)
        held = cast(column, postgresql.ARRAY(Text()))
        return and_(func.cardinality(column, type_=Integer()) > 0, or_(held.overlap(spelled), answer))
    return answer


def _not(answer: _Answer) -> _Answer:
    # In brackets of its own: SQLAlchemy writes the contrary of a function or a CASE without, and NOT f(x) IS TRUE is
    # NOT (f(x) IS TRUE), which makes a yes of unknown.
    return Grouping(not_(answer))


def _done(did: Behaviour, scene: _Scene) -> _Sql:
    """Return what a behaviour comes to for the person of the surrounding query."""
    if scene.gathered is not None:
        found = scene.gathered.amount(did, scene.present, lambda doings: _where(did, doings, scene))
        if found is not None:
            return found
    doings = did.known.doings()
    return done_sql.of_one(did, doings, scene.present, _where(did, doings, scene))


def _where(did: Behaviour, doings: Doings, scene: _Scene) -> _Answer | None:
    """Return which rows count by what a behaviour asks of their payloads, and by the currency they are in."""
    asked = enabled(did.where) if did.where else None
    fits = _node(asked, _Scene(scene.present, doings.payload)) if asked else None
    counted = money.counted(did, scene.present.currency)
    if counted is None:
        return fits
    amounts = doings.amounts_of(did.measured)
    aside = amounts is not None and amounts.currency_key == counted.key
    said = amounts.currency if amounts and aside else payload_sql.currency_at(doings.payload, counted.key)
    same: _Answer = said == literal(counted.code.lower(), Text())
    same = or_(same, said.is_(None)) if counted.silent else same
    return same if fits is None else and_(fits, same)


def _ask_everybody(rule: Rule, did: Behaviour, scene: _Scene) -> _Answer:
    """Ask a rule on what was done of everybody at once."""
    contrary = CONTRARY.get(rule.operator)
    doings, present = did.known.doings(), scene.present
    if isinstance(present, Someday):
        raise TypeError("what is asked of everybody depends on now: it can't be kept")
    asked = (did, doings, present, _where(did, doings, scene))
    quick = done_sql.at_all(*asked, (rule.operator, rule.value))
    if quick is not None:
        return quick

    def fits(amount: _Sql) -> _Answer:
        answer = _ask(rule, contrary or rule.operator, amount, present)
        if scene.few and rule.operator in (Operator.GT, Operator.GTE) and rule.type is FieldType.NUMBER:
            # No number is above this. Of an open range of what is not known yet Postgres expects a third of all
            # groups to fit, of a closed one a two-hundredth.
            answer = and_(answer, amount <= _bound(FieldType.NUMBER, Decimal("NaN")))
        return _not(answer) if contrary else answer

    nobody = evaluate(Group(Combinator.AND, (rule,)), {DID: ()}, zone=present.zone, now=present.now)
    return done_sql.of_everybody(*asked, fits, nobody=nobody, sought=scene.sought)


def _ask_related(related: Related, operator: Operator, value: Any) -> _Answer:
    """Ask whether there are such rows. By EXISTS: IN can't be hashed where the rows don't fit, and is slow then."""
    theirs = related.person_key == related.person
    found = select(literal(1)).select_from(related.table).where(theirs).correlate(related.person.table)
    if related.where is not None:
        found = found.where(related.where)
    held, column = related.value.type, related.value
    known: _Answer
    bound: TypeEngine[Any]
    if isinstance(held, Uuid):
        known, bound = column.is_not(None), Uuid()
    elif isinstance(held, String):
        column = cast(column, Text()) if isinstance(held, Enum) else column
        # A blank is no value, as it is none to the other reader.
        known, bound = column != literal("", Text()), Text()
    else:
        raise TypeError(f"{related.value} holds {held!r}: ids or texts can be asked for")
    if operator is Operator.IS_NULL:
        return not_(found.where(known).exists())
    several = [literal(UUID(one) if isinstance(held, Uuid) else one, bound) for one in _each(value)]
    return found.where(column.in_(several)).exists()


def _ask_value(rule: Rule, operator: Operator, value: _Sql, scene: _Scene) -> _Answer:
    """Ask of a value of a payload what `evaluate` does: a number is any way of writing it, a list each of its own."""
    answer = _ask(rule, operator, payload_sql.read(rule.type, value, scene.present.zone), scene.present)
    if rule.type is FieldType.NUMBER and operator in (Operator.EQ, Operator.IN):
        # The same answer sooner: a JSON number need not be read to be compared with one.
        alike = value.in_([payload_sql.number(one) for one in _each(rule.value)])
        answer = or_(alike, and_(func.jsonb_typeof(value, type_=Text()) != "number", answer))
    if rule.type is FieldType.TEXT and operator in (Operator.EQ, Operator.IN):
        numbers = [found for one in _each(rule.value) if (found := values.number(one)) is not None]
        number = payload_sql.read(FieldType.NUMBER, value, scene.present.zone)
        same = number.in_(_bound(FieldType.NUMBER, tuple(numbers))) if numbers else false()
        answer = case((func.jsonb_typeof(value, type_=Text()) == "number", same), else_=answer)
    if rule.field.type is FieldType.ANY and operator in OF_LISTS:
        element = payload_sql.elements(value)
        fits = _ask_value(replace(rule, field=_ELEMENT), OF_LISTS[operator], element, scene)
        flat = func.jsonb_typeof(element, type_=Text()) != "array"
        listed = select(literal(1)).where(flat, fits.is_(True)).exists()
        answer = case((func.jsonb_typeof(value, type_=Text()) == "array", listed), else_=answer)
    return answer


def _ask(rule: Rule, operator: Operator, column: _Sql, present: Present | Someday) -> _Answer:
    if isinstance(rule.value, Period):
        return _ask_from_now(operator, column, rule.value, rule.type, present)
    match rule.type:
        case FieldType.TEXT | FieldType.CHOICE:
            return _ask_text(operator, column, rule.value)
        case FieldType.LIST:
            return _ask_list(operator, column, rule.value)
        case FieldType.DATETIME if operator is not Operator.IS_NULL:
            return _ask_moment(operator, column, rule.value, present.zone)
        case _ if operator is Operator.IS_NULL:
            return column.is_(None)
        case FieldType.BOOLEAN if operator is Operator.EQ:
            # Bare, for a database joins the rows that an EXISTS asks of only where nothing is compared with it.
            return column if rule.value else _not(column)
        case _ if rule.did and rule.did.aggregate is Aggregate.COUNT:
            # A count is a whole number: compared with a decimal, each would be made one.
            return _ORDER[operator](column, _whole(rule.value))
        case _:
            return _ORDER[operator](column, _bound(rule.type, rule.value))


def _ask_text(operator: Operator, column: _Sql, value: Any) -> _Answer:
    # A blank is unknown, as it is to the other reader.
    known: _Sql = func.nullif(column, "", type_=Text())
    if operator is Operator.IS_NULL:
        return known.is_(None)
    wanted = [fold(one) for one in _each(value)]
    compared = folded(known, wanted)
    if operator is Operator.IN:
        return compared.in_([literal(one, Text()) for one in wanted])
    text = literal(wanted[0], Text())
    match operator:
        case Operator.CONTAINS:
            return func.strpos(compared, text, type_=Integer()) > 0
        case Operator.STARTS_WITH:
            return func.starts_with(compared, text, type_=Boolean())
        case Operator.ENDS_WITH:
            return func.right(compared, len(wanted[0]), type_=Text()) == text
        case _:
            return compared == text


def _ask_list(operator: Operator, column: _Sql, value: Any) -> _Answer:
    if operator is Operator.IS_NULL:
        return func.coalesce(func.cardinality(column), 0, type_=Integer()) == 0
    wanted = [fold(one) for one in _each(value)]
    # Folded as one text: letters change, the array's own signs do not. This needs no subquery, which could be
    # correlated with the wrong statement.
    compared = cast(folded(cast(column, Text()), wanted), postgresql.ARRAY(Text()))
    found: _Answer = compared.overlap(literal(wanted, postgresql.ARRAY(Text())))
    return found


def folded(column: ColumnElement[Any], wanted: list[str]) -> ColumnElement[str]:
    """Return the column as `fold` makes it, as far as it matters for what it is compared with.

    Folding never turns another letter into an ASCII one, so the long table is only needed for wanted text that
    is not ASCII. Under the collation "C" lower() knows ASCII alone, on every server.
    """
    lower: ColumnElement[str] = func.lower(collate(column, "C"), type_=Text())
    if all(one.isascii() for one in wanted):
        return lower
    letters = (bindparam(name, table, Text()) for name, table in (("letters_upper", UPPER), ("letters_lower", LOWER)))
    translated: ColumnElement[str] = func.translate(lower, *letters, type_=Text())
    return translated


def _ask_from_now(
    operator: Operator, column: _Sql, period: Period, type: FieldType, present: Present | Someday
) -> _Answer:
    """Compare a day or an instant with a stretch of time before or after now."""
    sign, days = FROM_NOW[operator], type is FieldType.DATE
    if operator in YEARLY:
        return _ask_anniversary(column, period, sign, present)
    now, end = (
        told(present, ("end", at, period, sign, days), partial(_end, at, period, sign, days), _BOUND_AS[type])
        for at in (0, 1)
    )
    answer: _Answer
    match operator:
        case Operator.WITHIN_LAST:
            answer = and_(column >= end, column <= now)
        case Operator.WITHIN_NEXT:
            answer = and_(column >= now, column <= end)
        case Operator.LONGER_AGO:
            answer = column < end
        case _:
            answer = column > end
    return answer


def _end(at: int, period: Period, sign: int, days: bool, present: Present) -> Any:
    return present.ends(period, sign, days=days)[at]


def _ask_anniversary(column: _Sql, period: Period, sign: int, present: Present | Someday) -> _Answer:
    if isinstance(present, Present) and present.anniversaries(period, sign).whole_year:
        return case((column.is_(None), null()), else_=true())
    # One question of one number: the database works it out once a row, and hashes what it is compared with.
    at = cast(_part("month", column) * 100 + _part("day", column), Integer)
    key, numbers = ("anniversary", period, sign), postgresql.ARRAY(Integer())
    return at == any_(told(present, key, lambda one: one.anniversaries(period, sign).numbers, numbers))


def _part(name: str, column: _Sql) -> _Sql:
    return func.date_part(literal(name, Text()), column, type_=Double())


def _ask_moment(operator: Operator, column: Any, value: Any, zone: tzinfo) -> _Answer:
    """Compare an instant; a day in the rule means the whole of that day in the zone."""
    if operator is Operator.BETWEEN:
        low, high = value
        return and_(_ask_moment(Operator.GTE, column, low, zone), _ask_moment(Operator.LTE, column, high, zone))
    if isinstance(value, datetime):
        return _ORDER[operator](column, _bound(FieldType.DATETIME, value))
    start, end = (_bound(FieldType.DATETIME, one) for one in span(value, zone))
    answer: _Answer
    match operator:
        case Operator.LT:
            answer = column < start
        case Operator.LTE:
            answer = column < end
        case Operator.GT:
            answer = column >= end
        case Operator.GTE:
            answer = column >= start
        case _:
            answer = and_(column >= start, column < end)
    return answer


_ORDER: dict[Operator, Callable[[_Sql, Any], _Answer]] = {
    Operator.EQ: lambda column, wanted: column == wanted,
    Operator.LT: lambda column, wanted: column < wanted,
    Operator.LTE: lambda column, wanted: column <= wanted,
    Operator.GT: lambda column, wanted: column > wanted,
    Operator.GTE: lambda column, wanted: column >= wanted,
    Operator.IN: lambda column, wanted: column.in_(wanted),
    Operator.BETWEEN: lambda column, wanted: column.between(*wanted),
}

_BOUND_AS: dict[FieldType, TypeEngine[Any]] = {
    FieldType.NUMBER: Numeric(),
    FieldType.BOOLEAN: Boolean(),
    FieldType.DATE: Date(),
    FieldType.DATETIME: DateTime(timezone=True),
    FieldType.ID: Uuid(),
}


def _bound(type: FieldType, value: Any) -> Any:
    """Return the value bound as its own type, never the column's: 10.5 must not become an integer."""
    if isinstance(value, tuple):
        return [_bound(type, one) for one in value]
    return literal(value, _BOUND_AS[type])


def _each(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _whole(value: Any) -> Any:
    return [_whole(one) for one in value] if isinstance(value, tuple) else literal(int(value), Integer())


def column_of(field: Field) -> _Sql:
    """Return a field in SQL, of the type it declares, or raise NotEvaluable where the database can't answer it."""
    if field.column is None:
        raise NotEvaluable({"": f"{field.label} can be asked of an event only."})
    column: Any = field.column if isinstance(field.column, SQLColumnExpression) else field.column()
    held: TypeEngine[Any] = column.type
    match field.type:
        case FieldType.TEXT | FieldType.CHOICE:
            fits = True
            if not isinstance(held, String) or isinstance(held, Enum):
                column = cast(column, Text())
        case FieldType.NUMBER:
            # A float is not the decimal it looks like, so the two readers could differ.
            fits = isinstance(held, Integer | Numeric) and not isinstance(held, Float)
        case FieldType.BOOLEAN:
            fits = isinstance(held, Boolean)
        case FieldType.DATE:
            fits = isinstance(held, Date)
        case FieldType.DATETIME:
            fits = isinstance(held, DateTime) and held.timezone
        case FieldType.ID:
            fits = isinstance(held, Uuid)
        case _:
            fits = field.type is FieldType.LIST and isinstance(held, ARRAY)
    if not fits:
        raise TypeError(f"field {field.name} is declared {field.type.value}, but its column is {held!r}")
    expression: _Sql = column
    return expression
