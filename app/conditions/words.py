"""The tree in plain English: one sentence, or a few words for one rule."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal

from app.conditions.behaviour import Aggregate, Behaviour
from app.conditions.fields import Field
from app.conditions.language import Group, Node, Not, Rule, Tree, enabled
from app.conditions.operators import FROM_NOW, WORDS, YEARLY, Arity, Operator, arity
from app.conditions.periods import Period
from app.conditions.values import Scalar, plain

Names = Mapping[str, Mapping[str, str]]

# Not strftime: its month names follow the machine's locale.
_MONTHS = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)
_MAX_TEXT = 60
_MAX_LISTED = 8


def explain(tree: Tree, *, names: Names | None = None, zone: tzinfo = UTC) -> str:
    """Return the conditions as one sentence without a full stop; "No conditions" for the empty tree.

    `names` gives labels of values a field's own choices don't know, by field name and value (the names of clubs
    by id). Instants are told in `zone`.
    """
    asked = enabled(tree)
    return _node(asked, names or {}, zone) if asked.items else "No conditions"


def explain_rule(rule: Rule, *, names: Names | None = None, zone: tzinfo = UTC) -> str:
    """Return one rule in words: "Membership tier is any of Gold, Platinum"."""
    if rule.did:
        return _did(rule, rule.did, names or {}, zone)
    if isinstance(rule.value, Period):
        return _from_now(rule, rule.value)
    verb = f"{rule.field.label} {WORDS[rule.field.type if rule.value is None else rule.type][rule.operator]}"
    known = names or {}
    if not isinstance(rule.value, tuple):
        return verb if rule.value is None else f"{verb} {_scalar(rule.field, rule.value, known, zone)}"
    told = [_scalar(rule.field, one, known, zone) for one in rule.value]
    if arity(rule.operator) is Arity.PAIR:
        return f"{verb} {told[0]} and {told[1]}"
    listed = ", ".join(told[:_MAX_LISTED])
    return f"{verb} {listed}" + (f" and {len(told) - _MAX_LISTED} more" if len(told) > _MAX_LISTED else "")


def _from_now(rule: Rule, period: Period) -> str:
    if rule.operator not in YEARLY:
        return f"{rule.field.label} {WORDS[rule.type][rule.operator].replace('…', str(period))}"
    if period.amount == 0:
        return f"{rule.field.yearly} is today"
    return f"{rule.field.yearly} {'is in the next' if FROM_NOW[rule.operator] > 0 else 'was in the last'} {period}"


def _node(node: Node, names: Names, zone: tzinfo) -> str:
    match node:
        case Rule():
            return explain_rule(node, names=names, zone=zone)
        case Not():
            return f"not ({_node(node.item, names, zone)})"
        case Group():
            joined = f" {node.combinator.value.lower()} "
            return joined.join(_member(item, names, zone) for item in node.items)


def _member(item: Node, names: Names, zone: tzinfo) -> str:
    told = _node(item, names, zone)
    return f"({told})" if isinstance(item, Group) and len(item.items) > 1 else told


def _scalar(field: Field, value: Scalar, names: Names, zone: tzinfo) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return plain(value)
        case datetime():
            local = value.astimezone(zone)
            return f"{_day(local)}, {local:%H:%M} {local.tzname()}"
        case date():
            return _day(value)
        case _:
            text = str(value)
            choice = field.choice(text)
            told = names.get(field.name, {}).get(text) or (choice.label if choice else text)
            return told if len(told) <= _MAX_TEXT else told[:_MAX_TEXT] + "…"


def _day(value: date) -> str:
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def _did(rule: Rule, did: Behaviour, names: Names, zone: tzinfo) -> str:
    """Return a rule on what somebody did: "Round played at least 3 times in the last 90 days (where Holes is 18)"."""
    told = f" in the last {did.within}" if did.within else ""
    where = enabled(did.where) if did.where else None
    told += f" (where {_node(where, names, zone)})" if where and where.items else ""
    if did.aggregate is Aggregate.COUNT:
        return f"{did.known.label_of(did.event)} {_often(rule)}{told}"
    of = f"{_OF[did.aggregate]} {f'{did.measured.label} of ' if did.measured else ''}{did.known.label_of(did.event)}"
    field = Field(rule.field.name, f"{of}{told}", "", rule.type, from_payload=True)
    return explain_rule(Rule(field, rule.operator, rule.value, rule.type), names=names, zone=zone)


def _often(rule: Rule) -> str:
    if isinstance(rule.value, tuple):
        told = [plain(one) for one in rule.value if isinstance(one, Decimal)]
        if rule.operator is Operator.BETWEEN:
            return f"{told[0]} to {told[1]} times"
        return f"{'never ' if rule.operator is Operator.NOT_IN else ''}{' or '.join(told)} times"
    if not isinstance(rule.value, Decimal):
        return WORDS[rule.type][rule.operator]
    if rule.value == 0 and rule.operator is Operator.EQ:
        return "never"
    return f"{_HOW_OFTEN[rule.operator]} {plain(rule.value)} {'time' if rule.value == 1 else 'times'}"


_OF = {
    Aggregate.SUM: "The sum of",
    Aggregate.MIN: "The least",
    Aggregate.MAX: "The greatest",
    Aggregate.FIRST: "The first",
    Aggregate.LAST: "The last",
}
_HOW_OFTEN = {
    Operator.EQ: "exactly",
    Operator.NEQ: "not exactly",
    Operator.GT: "more than",
    Operator.GTE: "at least",
    Operator.LT: "fewer than",
    Operator.LTE: "at most",
}
