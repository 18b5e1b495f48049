"""The operators: their names, what they take, which types they fit, and their words."""

import re
from dataclasses import dataclass
from enum import StrEnum

from app.conditions.fields import Field, FieldType

_MAX_NAME = 100
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_GAPS = re.compile(r"[ _-]+")


class Operator(StrEnum):
    """What a rule asks of a field's value. The values are the names stored in JSON."""

    EQ = "eq"
    NEQ = "neq"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    BETWEEN = "between"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    IN = "in"
    NOT_IN = "not_in"
    WITHIN_LAST = "within_last"
    WITHIN_NEXT = "within_next"
    LONGER_AGO = "longer_ago"
    FURTHER_AHEAD = "further_ahead"
    ANNIVERSARY_LAST = "anniversary_last"
    ANNIVERSARY_NEXT = "anniversary_next"
    IS_NULL = "isNull"
    IS_NOT_NULL = "isNotNull"


class Arity(StrEnum):
    """How many values an operator takes."""

    NONE = "none"
    ONE = "one"
    PAIR = "pair"
    MANY = "many"
    PERIOD = "period"
    """One, and it is a stretch of time: "30 days"."""


@dataclass(frozen=True, slots=True)
class OperatorInfo:
    """One line of the builder's list of operators."""

    name: str
    label: str
    arity: Arity


ALIASES = {
    "equals": Operator.EQ,
    "is": Operator.EQ,
    "exactly": Operator.EQ,
    "=": Operator.EQ,
    "==": Operator.EQ,
    "ne": Operator.NEQ,
    "not_equals": Operator.NEQ,
    "is_not": Operator.NEQ,
    "!=": Operator.NEQ,
    "<>": Operator.NEQ,
    "greater_than": Operator.GT,
    "more_than": Operator.GT,
    "after": Operator.GT,
    ">": Operator.GT,
    "greater_than_or_equal": Operator.GTE,
    "at_least": Operator.GTE,
    "on_or_after": Operator.GTE,
    ">=": Operator.GTE,
    "less_than": Operator.LT,
    "fewer_than": Operator.LT,
    "before": Operator.LT,
    "<": Operator.LT,
    "less_than_or_equal": Operator.LTE,
    "at_most": Operator.LTE,
    "on_or_before": Operator.LTE,
    "<=": Operator.LTE,
    "includes": Operator.CONTAINS,
    "not_includes": Operator.NOT_CONTAINS,
    "begins_with": Operator.STARTS_WITH,
    "any_of": Operator.IN,
    "none_of": Operator.NOT_IN,
    "nin": Operator.NOT_IN,
    "within": Operator.WITHIN_LAST,
    "in_the_last": Operator.WITHIN_LAST,
    "in_the_next": Operator.WITHIN_NEXT,
    "is_null": Operator.IS_NULL,
    "is_empty": Operator.IS_NULL,
    "is_not_null": Operator.IS_NOT_NULL,
    "is_not_empty": Operator.IS_NOT_NULL,
}
"""Other names of operators. Each name may be written as notEquals, "not equals" and NOT_EQUALS too."""

# Each is the exact contrary of another, unknown staying unknown. Both readers take them from here.
CONTRARY = {
    Operator.NEQ: Operator.EQ,
    Operator.NOT_CONTAINS: Operator.CONTAINS,
    Operator.NOT_IN: Operator.IN,
    Operator.IS_NOT_NULL: Operator.IS_NULL,
}

# An undeclared key that turns out to hold a list is asked as a list, where the operator makes sense of one: what
# is asked of each element instead.
OF_LISTS = {Operator.CONTAINS: Operator.EQ, Operator.IN: Operator.IN}

# Which way from now an operator looks.
FROM_NOW = {
    Operator.WITHIN_LAST: -1,
    Operator.LONGER_AGO: -1,
    Operator.ANNIVERSARY_LAST: -1,
    Operator.WITHIN_NEXT: 1,
    Operator.FURTHER_AHEAD: 1,
    Operator.ANNIVERSARY_NEXT: 1,
}
YEARLY = frozenset((Operator.ANNIVERSARY_LAST, Operator.ANNIVERSARY_NEXT))

_ARITY = {
    Operator.BETWEEN: Arity.PAIR,
    Operator.IN: Arity.MANY,
    Operator.NOT_IN: Arity.MANY,
    **dict.fromkeys(FROM_NOW, Arity.PERIOD),
    Operator.IS_NULL: Arity.NONE,
    Operator.IS_NOT_NULL: Arity.NONE,
}

_KNOWN = {Operator.IS_NULL: "is unknown", Operator.IS_NOT_NULL: "is known"}
_SAME = {Operator.EQ: "is", Operator.NEQ: "is not"}
_AMONG = {Operator.IN: "is any of", Operator.NOT_IN: "is none of"}
_WITHIN = {
    Operator.CONTAINS: "contains",
    Operator.NOT_CONTAINS: "does not contain",
    Operator.STARTS_WITH: "starts with",
    Operator.ENDS_WITH: "ends with",
}
_MEASURED = {
    Operator.GT: "is more than",
    Operator.GTE: "is at least",
    Operator.LT: "is less than",
    Operator.LTE: "is at most",
    Operator.BETWEEN: "is between",
}
_DATED = {
    Operator.GT: "is after",
    Operator.GTE: "is on or after",
    Operator.LT: "is before",
    Operator.LTE: "is on or before",
    Operator.BETWEEN: "is between",
}

# Told from now; "…" stands where the period goes.
_FROM_NOW = {
    Operator.WITHIN_LAST: "is in the last …",
    Operator.WITHIN_NEXT: "is in the next …",
    Operator.LONGER_AGO: "is more than … ago",
    Operator.FURTHER_AHEAD: "is more than … from now",
}
_YEARLY = {
    Operator.ANNIVERSARY_NEXT: "has its anniversary in the next …",
    Operator.ANNIVERSARY_LAST: "had its anniversary in the last …",
}

# The operators of each type, in the order the builder offers them, with their words.
WORDS: dict[FieldType, dict[Operator, str]] = {
    FieldType.TEXT: {**_SAME, **_AMONG, **_WITHIN, **_KNOWN},
    FieldType.CHOICE: {**_SAME, **_AMONG, **_KNOWN},
    FieldType.NUMBER: {**_SAME, **_MEASURED, **_AMONG, **_KNOWN},
    FieldType.BOOLEAN: {**_SAME, **_KNOWN},
    FieldType.DATE: {**_SAME, **_DATED, **_FROM_NOW, **_YEARLY, **_KNOWN},
    FieldType.DATETIME: {**_SAME, **_DATED, **_FROM_NOW, **_KNOWN},
    FieldType.LIST: {
        Operator.CONTAINS: "include",
        Operator.NOT_CONTAINS: "do not include",
        Operator.IN: "include any of",
        Operator.NOT_IN: "include none of",
        Operator.IS_NULL: "are empty",
        Operator.IS_NOT_NULL: "are not empty",
    },
    FieldType.ID: {**_SAME, **_AMONG, **_KNOWN},
    FieldType.ANY: {**_SAME, **_AMONG, **_WITHIN, **_MEASURED, **_FROM_NOW, **_YEARLY, **_KNOWN},
}


def find_operator(name: str) -> Operator | None:
    """Return the operator of that name or alias, or None."""
    if len(name) > _MAX_NAME:
        return None
    return _NAMES.get(plain_name(name))


def plain_name(name: str) -> str:
    """Return a name in the one way of writing it: small letters, words joined by _."""
    return _GAPS.sub("_", _HUMP.sub("_", name.strip())).lower()


def arity(operator: Operator) -> Arity:
    """Return how many values the operator takes."""
    return _ARITY.get(operator, Arity.ONE)


def operators_for(type: FieldType) -> list[OperatorInfo]:
    """Return the operators that fit a field of that type, in the order a form should offer them."""
    return [OperatorInfo(operator.value, label, arity(operator)) for operator, label in WORDS[type].items()]


def operators_of(field: Field) -> list[OperatorInfo]:
    """Return the operators a form should offer for a field, in order: those of its type that are not asked in vain.

    A day of the year that has a name ("Birthday") comes first.
    """
    vain = (_AHEAD if field.past else set()) | (set(_KNOWN) if field.always else set())
    found = [one for one in operators_for(field.type) if one.name not in vain]
    return sorted(found, key=lambda one: one.name not in YEARLY) if field.anniversary else found


def words_of(operator: Operator) -> str:
    """Return what forms call an operator; where that differs by the type of field, the first of them."""
    return next(words[operator] for words in WORDS.values() if operator in words)


_AHEAD = {Operator.WITHIN_NEXT, Operator.FURTHER_AHEAD}
_NAMES = {plain_name(one.value): one for one in Operator} | ALIASES
