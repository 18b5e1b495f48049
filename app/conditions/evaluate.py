"""The Python reader: asks a tree of one mapping of facts, in SQL's three-valued logic."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any

from app.conditions import money, values
from app.conditions.behaviour import DID, Behaviour, aggregated
from app.conditions.errors import NotEvaluable
from app.conditions.fields import FieldType
from app.conditions.language import Combinator, Group, Node, Not, Rule, Tree, enabled, walk
from app.conditions.operators import CONTRARY, FROM_NOW, OF_LISTS, YEARLY, Operator
from app.conditions.periods import Period, Present
from app.conditions.values import fold, span


def evaluate(
    tree: Tree, facts: Mapping[str, Any], *, zone: tzinfo = UTC, now: datetime | None = None, currency: str = ""
) -> bool | None:
    """Return whether the facts meet the conditions; None when that can't be known.

    `facts` are values by field name; a dotted name also leads into nested mappings; under behaviour.DID stands what
    they did. `zone` is where a day begins and ends, `now` (this moment) what periods are told from, `currency` the code
    of the one amounts are in where a rule names none. Never raises on a value; raises NotEvaluable for a field that can
    only be answered in SQL.
    """
    return _node(enabled(tree), facts, Present.of(zone, now, currency))


def matches(
    tree: Tree, facts: Mapping[str, Any], *, zone: tzinfo = UTC, now: datetime | None = None, currency: str = ""
) -> bool:
    """Return whether the facts surely meet the conditions: unknown means no, as in a WHERE clause."""
    return evaluate(tree, facts, zone=zone, now=now, currency=currency) is True


def evaluate_rules(
    tree: Tree, facts: Mapping[str, Any], *, zone: tzinfo = UTC, now: datetime | None = None, currency: str = ""
) -> list[tuple[Rule, bool | None]]:
    """Return the own answer of each rule that is asked, in the order of the tree, to say why the whole came out so."""
    present = Present.of(zone, now, currency)
    return [(rule, _rule(rule, facts, present)) for _, rule in walk(tree)]


def _node(node: Node, facts: Mapping[str, Any], present: Present) -> bool | None:
    match node:
        case Rule():
            return _rule(node, facts, present)
        case Not():
            return _not(_node(node.item, facts, present))
        case Group(combinator=Combinator.OR, items=items) if items:
            return _not(_all(_not(_node(item, facts, present)) for item in items))
        case Group():
            return _all(_node(item, facts, present) for item in node.items)


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _all(answers: Iterable[bool | None]) -> bool | None:
    unknown = False
    for answer in answers:
        if answer is False:
            return False
        unknown = unknown or answer is None
    return None if unknown else True


def _rule(rule: Rule, facts: Mapping[str, Any], present: Present) -> bool | None:
    if not rule.field.from_payload:
        raise NotEvaluable({"": f"{rule.field.label} can be asked of the database only."})
    contrary = CONTRARY.get(rule.operator)
    fact = _done(rule.did, facts, present) if rule.did else _fact(facts, rule.field.name)
    answer = _ask(rule, contrary or rule.operator, fact, present)
    return _not(answer) if contrary else answer


def _done(did: Behaviour, facts: Mapping[str, Any], present: Present) -> Any:
    """Return what the behaviour comes to, of what the facts say was done."""
    begin = present.moment(did.within, -1) if did.within else None
    where = enabled(did.where) if did.where else None
    counted = money.counted(did, present.currency)
    found = [
        one
        for one in facts.get(DID, ())
        if one["type"] == did.event
        and one["occurred_at"] <= present.now
        and (begin is None or one["occurred_at"] >= begin)
        and (where is None or _node(where, one["payload"], present) is True)
        and (counted is None or counted.holds(values.currency(one["payload"].get(counted.key))))
    ]
    name = did.measured.name if did.measured else ""
    return aggregated(did.aggregate, found, [values.number(_fact(one["payload"], name)) for one in found])


def _fact(facts: Mapping[str, Any], name: str) -> object:
    if name in facts:
        return facts[name]
    head, dot, rest = name.partition(".")
    inner = facts.get(head) if dot else None
    return _fact(inner, rest) if isinstance(inner, Mapping) else None


def _ask(rule: Rule, operator: Operator, fact: object, present: Present) -> bool | None:
    known = values.read(rule.type, fact, present.zone)
    if rule.field.related:
        return _any_related(rule, operator, known)
    if operator is Operator.IS_NULL:
        return known is None or known == ()
    if rule.type is FieldType.LIST:
        return None if known is None else _any_element(rule, known)
    if rule.field.type is FieldType.ANY and operator in OF_LISTS and isinstance(fact, list | tuple):
        flat = (element for element in fact if not isinstance(element, list | tuple))
        return any(_ask(rule, OF_LISTS[operator], element, present) is True for element in flat)
    if known is None:
        return None
    if isinstance(rule.value, Period):
        return _ask_from_now(rule.value, operator, known, present)
    match rule.type:
        case FieldType.TEXT | FieldType.CHOICE:
            return _ask_text(rule.value, operator, fact, fold(str(known)))
        case FieldType.DATETIME:
            return _ask_moment(rule.value, operator, known, present.zone)
        case _:
            return _ORDER[operator](known, rule.value)


def _any_element(rule: Rule, known: Any) -> bool:
    wanted = rule.value if isinstance(rule.value, tuple) else (rule.value,)
    folded = {fold(str(one)) for one in wanted}
    return any(element is not None and fold(element) in folded for element in known)


def _any_related(rule: Rule, operator: Operator, known: Any) -> bool:
    """Ask of values kept in other rows: they are compared as they stand, and who has no rows is known to have none."""
    held = {one for one in known or () if one is not None}
    if operator is Operator.IS_NULL:
        return not held
    return not held.isdisjoint(rule.value if isinstance(rule.value, tuple) else (rule.value,))


def _ask_text(value: Any, operator: Operator, fact: object, known: str) -> bool:
    if operator is Operator.IN:
        return any(_same(fact, known, one) for one in value)
    if operator is Operator.EQ:
        return _same(fact, known, value)
    return _TEXT[operator](known, fold(value))


def _same(fact: object, known: str, wanted: str) -> bool:
    """Return whether two texts are the same; a JSON number is the same as any way of writing it (18, "18.0")."""
    if isinstance(fact, int | float | Decimal) and not isinstance(fact, bool):
        return values.number(fact) == values.number(wanted)
    return known == fold(wanted)


def _ask_from_now(period: Period, operator: Operator, known: Any, present: Present) -> bool:
    """Compare a day or an instant with a stretch of time before or after now."""
    sign = FROM_NOW[operator]
    if operator in YEARLY:
        return known in present.anniversaries(period, sign)
    now, end = present.ends(period, sign, days=not isinstance(known, datetime))
    match operator:
        case Operator.WITHIN_LAST:
            return bool(end <= known <= now)
        case Operator.WITHIN_NEXT:
            return bool(now <= known <= end)
        case Operator.LONGER_AGO:
            return bool(known < end)
        case _:
            return bool(known > end)


def _ask_moment(value: Any, operator: Operator, known: Any, zone: tzinfo) -> bool:
    """Compare an instant; a day in the rule means the whole of that day in the zone."""
    if operator is Operator.BETWEEN:
        low, high = value
        return _ask_moment(low, Operator.GTE, known, zone) and _ask_moment(high, Operator.LTE, known, zone)
    if isinstance(value, datetime):
        return _ORDER[operator](known, value)
    start, end = span(value, zone)
    match operator:
        case Operator.LT:
            return bool(known < start)
        case Operator.LTE:
            return bool(known < end)
        case Operator.GT:
            return bool(known >= end)
        case Operator.GTE:
            return bool(known >= start)
        case _:
            return bool(start <= known < end)


_TEXT: dict[Operator, Callable[[str, str], bool]] = {
    Operator.CONTAINS: lambda known, wanted: wanted in known,
    Operator.STARTS_WITH: lambda known, wanted: known.startswith(wanted),
    Operator.ENDS_WITH: lambda known, wanted: known.endswith(wanted),
}

_ORDER: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: lambda known, wanted: bool(known == wanted),
    Operator.LT: lambda known, wanted: bool(known < wanted),
    Operator.LTE: lambda known, wanted: bool(known <= wanted),
    Operator.GT: lambda known, wanted: bool(known > wanted),
    Operator.GTE: lambda known, wanted: bool(known >= wanted),
    Operator.IN: lambda known, wanted: known in wanted,
    Operator.BETWEEN: lambda known, wanted: bool(wanted[0] <= known <= wanted[1]),
}
