"""A rule on a field in words, or its contrary: no rule needs a "not" before the whole of it."""

from app.conditions.fields import FieldType
from app.conditions.language import Rule
from app.conditions.operators import CONTRARY, FROM_NOW, YEARLY, Operator
from app.conditions.periods import Period
from app.conditions.telling import Telling, inside, span


def of_value(rule: Rule, telling: Telling, *, no: bool) -> str:
    """Return the rule, or with `no` its contrary, as it stands within a sentence."""
    field, phrases = rule.field, rule.field.phrases
    if isinstance(rule.value, Period):
        label = field.yearly if rule.operator in YEARLY else field.label
        return f"{inside(label)} {from_now(rule, rule.value, no=no)}"
    if rule.type is FieldType.LIST:
        return _of_list(rule, telling, no)
    if isinstance(rule.value, bool) and (said := (phrases.yes, phrases.no) if phrases.yes else _said(field.label)):
        return said[rule.value is contrary(rule.operator, no)[1]]
    return f"{inside(field.label)} {asked(rule, telling, no=no)}"


def asked(rule: Rule, telling: Telling, *, no: bool) -> str:
    """Return what is asked of a value, without whose: "is more than 3", of a day "is after 4 October 2026"."""
    operator, no = contrary(rule.operator, no)
    if operator is Operator.IS_NULL:
        return "is known" if no else "is unknown"
    if isinstance(rule.value, bool):
        return "is yes" if rule.value is not no else "is no"
    if isinstance(rule.value, tuple):
        return _several(rule, rule.value, operator, telling, no)
    if no and operator in OPPOSITE:
        operator, no = OPPOSITE[operator], False
    dated = rule.type in (FieldType.DATE, FieldType.DATETIME)
    verb = (_DATED if dated and operator in _DATED else _VERBS)[operator][no]
    return f"{verb} {telling.value(rule.field, rule.value, quoted=operator in _QUOTED)}"


def from_now(rule: Rule, period: Period, *, no: bool) -> str:
    """Return where a period puts a day or an instant: "was in the last 30 days", "is more than 2 weeks from now"."""
    back = FROM_NOW[rule.operator] < 0
    if period.amount == 0 and rule.type is FieldType.DATE:
        return f"{'is not' if no else 'is'} {_TODAY[rule.operator]}"
    verb = ("was" if back else "is") + (" not" if no else "")
    match rule.operator:
        case Operator.LONGER_AGO:
            return f"{verb} more than {period} ago"
        case Operator.FURTHER_AHEAD:
            return f"{verb} more than {period} from now"
        case _:
            return f"{verb} in the {'last' if back else 'next'} {span(period)}"


def _said(label: str) -> tuple[str, str] | None:
    """Return what the label of a truth value says, and its contrary, where it says something: "Can be mailed"."""
    for verb, no in _SAYING.items():
        if label.startswith(verb):
            return inside(label), no + label.removeprefix(verb)
    head, verb, rest = label.partition(" is ")
    return (inside(label), f"{inside(head)} is not {rest}") if verb else None


def _several(rule: Rule, values: tuple[object, ...], operator: Operator, telling: Telling, no: bool) -> str:
    verb = "is not" if no else "is"
    if operator is Operator.BETWEEN:
        low, high = (telling.value(rule.field, one) for one in values)
        return f"{verb} between {low} and {high}"
    if no and len(values) == 2:
        return f"is neither {telling.listed(rule.field, values, 'nor')}"
    return f"{verb} {telling.listed(rule.field, values)}"


def _of_list(rule: Rule, telling: Telling, no: bool) -> str:
    operator, no = contrary(rule.operator, no)
    phrases, label = rule.field.phrases, inside(rule.field.label)
    if operator is Operator.IS_NULL:
        told = phrases.some if no else phrases.none
        return told or f"{label} {'are not empty' if no else 'are empty'}"
    verb = (phrases.has_not if no else phrases.has) or f"{label} {'do not include' if no else 'include'}"
    values = rule.value if isinstance(rule.value, tuple) else (rule.value,)
    return f"{verb} {telling.listed(rule.field, values)}"


def contrary(operator: Operator, no: bool) -> tuple[Operator, bool]:
    """Return the operator of which another is the contrary, and whether its contrary is meant."""
    other = CONTRARY.get(operator)
    return (other, not no) if other else (operator, no)


_SAYING = {"Can ": "can't ", "Is ": "is not ", "Has ": "does not have "}
# What is said of a thing, and of its contrary.
_VERBS = {
    Operator.EQ: ("is", "is not"),
    Operator.GT: ("is more than", ""),
    Operator.GTE: ("is at least", ""),
    Operator.LT: ("is less than", ""),
    Operator.LTE: ("is at most", ""),
    Operator.CONTAINS: ("contains", "does not contain"),
    Operator.STARTS_WITH: ("starts with", "does not start with"),
    Operator.ENDS_WITH: ("ends with", "does not end with"),
}
_DATED = {
    Operator.GT: ("is after", ""),
    Operator.GTE: ("is on or after", ""),
    Operator.LT: ("is before", ""),
    Operator.LTE: ("is on or before", ""),
}
OPPOSITE = {
    Operator.GT: Operator.LTE,
    Operator.GTE: Operator.LT,
    Operator.LT: Operator.GTE,
    Operator.LTE: Operator.GT,
}
_QUOTED = frozenset((Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH))
_TODAY = {
    Operator.WITHIN_LAST: "today",
    Operator.WITHIN_NEXT: "today",
    Operator.ANNIVERSARY_LAST: "today",
    Operator.ANNIVERSARY_NEXT: "today",
    Operator.LONGER_AGO: "before today",
    Operator.FURTHER_AHEAD: "after today",
}
