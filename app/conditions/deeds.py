"""What somebody did, in words: "has played a round at least 3 times in the last 90 days"."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from app.conditions.behaviour import TIMES, Aggregate, Behaviour
from app.conditions.language import Rule
from app.conditions.operators import Operator
from app.conditions.periods import Period
from app.conditions.rule_words import OPPOSITE, asked, contrary, from_now
from app.conditions.telling import Telling, inside, listing, span


def deed(rule: Rule, did: Behaviour, where: str, telling: Telling, *, no: bool) -> str:
    """Return a rule on what somebody did, or with `no` its contrary; `where` is what its payload is asked, in words."""
    if did.aggregate is Aggregate.COUNT:
        return _counted(rule, did, where, telling, no)
    if did.aggregate in TIMES:
        return _timed(rule, did, where, telling, no)
    return _measured(rule, did, where, telling, no)


def seen_deed(rule: Rule, did: Behaviour, value: Any, telling: Telling) -> str:
    """Return what it came to for somebody: "3 times", "never", an amount, a moment."""
    if did.aggregate is Aggregate.COUNT:
        return _times(telling.number(rule.field, Decimal(value)), value) if value else "never"
    if value is None:
        return "never" if did.aggregate in TIMES else "unknown"
    return telling.value(did.measured or rule.field, value)


def _counted(rule: Rule, did: Behaviour, where: str, telling: Telling, no: bool) -> str:
    operator, not_ = contrary(rule.operator, no)
    operator, not_ = (OPPOSITE[operator], False) if not_ and operator in OPPOSITE else (operator, not_)
    if (operator, rule.value) in _NEVER:
        return _happened(did, where, ever=not_)
    if (operator, rule.value) in _ONCE:
        return _happened(did, where, ever=True)
    if operator is Operator.IS_NULL:
        often = f"{'a known' if not_ else 'an unknown'} number of times"
    else:
        often = _times(_amount(rule, no, lambda one: telling.number(rule.field, one), "fewer than"), rule.value)
    return f"has {_done(did)} {often}{_lately(did)}{where}"


def _timed(rule: Rule, did: Behaviour, where: str, telling: Telling, no: bool) -> str:
    """Return a rule on the first or last time: "last played a round more than 60 days ago"."""
    operator, not_ = contrary(rule.operator, no)
    if operator is Operator.IS_NULL:
        return _happened(did, where, ever=not_)
    period = rule.value
    if isinstance(period, Period):
        # What was done lies behind, so each of these two is what the other is not.
        if not_ and operator in _BEHIND:
            rule, not_ = replace(rule, operator=_BEHIND[operator]), False
        told = from_now(rule, period, no=not_)
    else:
        told = asked(rule, telling, no=no)
    told = told.removeprefix("was ").removeprefix("is ")
    if operator is Operator.EQ:
        told = f"not on {told.removeprefix('not ')}" if not_ else f"on {told}"
    which = f"{_lately(did)}{where}".strip()
    return f"{did.aggregate.value} {_done(did)} {f'({which}) ' if which else ''}{told}"


def _measured(rule: Rule, did: Behaviour, where: str, telling: Telling, no: bool) -> str:
    """Return a rule on a number of the payloads: "has spent more than R20,000 (payment received, ever)"."""
    number = did.measured or rule.field
    if did.aggregate is Aggregate.SUM and number.phrases.summed and rule.value is not None:
        amount = _amount(rule, no, lambda one: telling.number(number, one), "less than")
        name = inside(did.known.label_of(did.event))
        return f"has {number.phrases.summed} {amount} ({name}{'' if did.within else ', ever'}){_lately(did)}{where}"
    told = asked(replace(rule, field=number), telling, no=no)
    when = _lately(did) or " ever"
    return f"{_OF[did.aggregate]} {inside(number.label)} of {_called(did)}{when}{where} {told}"


def _amount(rule: Rule, no: bool, number: Callable[[Decimal], str], less: str) -> str:
    operator, no = contrary(rule.operator, no)
    given = rule.value if isinstance(rule.value, tuple) else (rule.value,)
    told = [number(one) for one in given if isinstance(one, Decimal)]
    if operator is Operator.BETWEEN:
        return f"{'not ' if no else ''}between {told[0]} and {told[1]}"
    if operator in (Operator.EQ, Operator.IN):
        return f"{'not ' if no else ''}exactly {listing(told, 'or')}"
    operator = OPPOSITE[operator] if no else operator
    words = {Operator.GT: "more than", Operator.GTE: "at least", Operator.LT: less, Operator.LTE: "at most"}
    return f"{words[operator]} {told[0]}"


def _times(told: str, value: Any) -> str:
    return f"{told.removesuffix('1')}once" if value == 1 else f"{told} times"


def _happened(did: Behaviour, where: str, *, ever: bool) -> str:
    when = _lately(did)
    if ever:
        return f"has {_done(did)} at least once{when}{where}"
    return f"has {'not' if when else 'never'} {_done(did)}{when}{where}"


def _lately(did: Behaviour) -> str:
    return f" in the last {span(did.within)}" if did.within else ""


def _done(did: Behaviour) -> str:
    return did.known.done_of(did.event) or f"had {_called(did)}"


def _called(did: Behaviour) -> str:
    return f"“{did.known.label_of(did.event)}”"


_NEVER = {(Operator.EQ, Decimal(0)), (Operator.LT, Decimal(1)), (Operator.LTE, Decimal(0))}
_ONCE = {(Operator.GT, Decimal(0)), (Operator.GTE, Decimal(1))}
_BEHIND = {Operator.LONGER_AGO: Operator.WITHIN_LAST, Operator.WITHIN_LAST: Operator.LONGER_AGO}
_OF = {Aggregate.SUM: "the total", Aggregate.MIN: "the smallest", Aggregate.MAX: "the largest"}
