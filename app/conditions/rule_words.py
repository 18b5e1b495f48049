"""A rule on a field in words, or its contrary: no rule needs a "not" before the whole of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from app.conditions.fields import Field, FieldType
from app.conditions.language import Rule
from app.conditions.operators import CONTRARY, FROM_NOW, YEARLY, Operator
from app.conditions.periods import Period
from app.conditions.telling import Telling, inside, listing, span
from app.conditions.values import Scalar


def of_value(rule: Rule, telling: Telling, *, no: bool) -> str:
    """Return the rule, or with `no` its contrary, as it stands within a sentence."""
    field, phrases = rule.field, rule.field.phrases
    operator, not_ = contrary(rule.operator, no)
    if isinstance(rule.value, Period):
        if phrases.when and rule.operator in _BEHIND and (field.past or not not_):
            return f"{phrases.when} {ago(rule, rule.value, no=not_)}"
        label = field.yearly if rule.operator in YEARLY else field.label
        return f"{inside(label)} {from_now(rule, rule.value, no=no)}"
    if operator is Operator.IS_NULL and (told := phrases.some if not_ else phrases.none):
        return told
    if rule.type is FieldType.LIST:
        return _of_list(rule, telling, no)
    if isinstance(rule.value, bool) and (said := said_of(field)):
        return said[rule.value is not_]
    if operator in (Operator.EQ, Operator.IN):
        if chosen := _of_choices(rule, not_):
            return chosen
        if has := phrases.has_not if not_ else phrases.has:
            return f"{has} {telling.listed(field, _values(rule))}"
    if operator is not Operator.IS_NULL and phrases.counts:
        told = _counted(rule, phrases.counts, telling, no=no)
        return f"does not have {told.removeprefix('not ')}" if told.startswith("not ") else f"has {told}"
    if operator is not Operator.IS_NULL and phrases.when:
        return f"{phrases.when} {_on(rule, telling, no=no)}"
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


def ago(rule: Rule, period: Period, *, no: bool) -> str:
    """Return when something was that lies behind: "in the last 30 days", "more than 2 weeks ago"."""
    # What lies behind was within a period or before it: each of the two is what the other is not.
    rule = replace(rule, operator=_BEHIND[rule.operator]) if no else rule
    return from_now(rule, period, no=False).removeprefix("was ").removeprefix("is ")


def amount(rule: Rule, number: Callable[[Decimal], str], less: str = "fewer than", *, no: bool) -> str:
    """Return how many, or how much, is asked for: "at least 3", "between 1 and 5", "not exactly 2"."""
    operator, no = contrary(rule.operator, no)
    told = [number(one) for one in _values(rule) if isinstance(one, Decimal)]
    if operator is Operator.BETWEEN:
        return f"{'not ' if no else ''}between {told[0]} and {told[1]}"
    if operator in (Operator.EQ, Operator.IN):
        return f"{'not ' if no else ''}exactly {listing(told, 'or')}"
    operator = OPPOSITE[operator] if no else operator
    words = {Operator.GT: "more than", Operator.GTE: "at least", Operator.LT: less, Operator.LTE: "at most"}
    return f"{words[operator]} {told[0]}"


def happens(rule: Rule, *, no: bool) -> bool | None:
    """Return whether a rule on a count asks for any at all (True) or for none (False); None where it asks for more."""
    operator, no = contrary(rule.operator, no)
    operator, no = (OPPOSITE[operator], False) if no and operator in OPPOSITE else (operator, no)
    if (operator, rule.value) in _NONE:
        return no
    return True if (operator, rule.value) in _ANY else None


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


def _counted(rule: Rule, counts: tuple[str, str], telling: Telling, *, no: bool) -> str:
    """Return how many there are of what a number counts: "at least 2 e-mail addresses", "no e-mail address"."""
    one, several = counts
    any_at_all = happens(rule, no=no)
    if any_at_all is not None:
        return f"{'at least one' if any_at_all else 'no'} {one}"
    told = amount(rule, lambda number: telling.number(rule.field, number), no=no)
    return f"{told} {one if rule.value == 1 else several}"


def _on(rule: Rule, telling: Telling, *, no: bool) -> str:
    """Return when something was, by the calendar: "on 4 October 2026", "before 4 October 2026"."""
    operator, no = contrary(rule.operator, no)
    told = [telling.value(rule.field, one) for one in _values(rule)]
    if operator is Operator.BETWEEN:
        return f"before {told[0]} or after {told[1]}" if no else f"between {told[0]} and {told[1]}"
    if operator is Operator.EQ:
        other = "at another time than" if isinstance(rule.value, datetime) else "on another day than"
        return f"{other if no else 'on'} {told[0]}"
    return f"{_DATED[OPPOSITE[operator] if no else operator][0].removeprefix('is ')} {told[0]}"


def _of_choices(rule: Rule, no: bool) -> str | None:
    """Return what a sentence says of who has one of these values, if it says something of each."""
    known = [rule.field.choice(one) if isinstance(one, str) else None for one in _values(rule)]
    told = [one.denied if no else one.said for one in known if one]
    return listing(told, "and" if no else "or") if all(told) and len(told) == len(known) else None


def _values(rule: Rule) -> tuple[Scalar, ...]:
    given = rule.value
    return given if isinstance(given, tuple) else () if given is None else (given,)


def said_of(field: Field) -> tuple[str, str] | None:
    """Return what is said of a truth value that is true, and of one that is false, where yes and no say too little."""
    return (field.phrases.yes, field.phrases.no) if field.phrases.yes else _said(field.label)


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
        return f"{label} {'are not empty' if no else 'are empty'}"
    verb = (phrases.has_not if no else phrases.has) or f"{label} {'do not include' if no else 'include'}"
    return f"{verb} {telling.listed(rule.field, _values(rule))}"


def contrary(operator: Operator, no: bool) -> tuple[Operator, bool]:
    """Return the operator of which another is the contrary, and whether its contrary is meant."""
    other = CONTRARY.get(operator)
    return (other, not no) if other else (operator, no)


_SAYING = {"Can ": "can't ", "Is ": "is not ", "Has ": "does not have ", "Was ": "was not "}
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
_BEHIND = {Operator.LONGER_AGO: Operator.WITHIN_LAST, Operator.WITHIN_LAST: Operator.LONGER_AGO}
_NONE = {(Operator.EQ, Decimal(0)), (Operator.LT, Decimal(1)), (Operator.LTE, Decimal(0))}
_ANY = {(Operator.GT, Decimal(0)), (Operator.GTE, Decimal(1))}
_QUOTED = frozenset((Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH))
_TODAY = {
    Operator.WITHIN_LAST: "today",
    Operator.WITHIN_NEXT: "today",
    Operator.ANNIVERSARY_LAST: "today",
    Operator.ANNIVERSARY_NEXT: "today",
    Operator.LONGER_AGO: "before today",
    Operator.FURTHER_AHEAD: "after today",
}
