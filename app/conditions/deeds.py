"""What somebody did, in words: "has played a round at least 3 times in the last 90 days"."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from app.conditions import money
from app.conditions.behaviour import ANY_CURRENCY, TIMES, Aggregate, Behaviour
from app.conditions.language import Rule
from app.conditions.operators import FROM_NOW, Operator
from app.conditions.periods import Period
from app.conditions.rule_words import ago, amount, asked, contrary, from_now, happens
from app.conditions.telling import Telling, inside, span


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
    ever = happens(rule, no=no)
    if ever is not None:
        return _happened(did, where, ever=ever)
    operator, not_ = contrary(rule.operator, no)
    if operator is Operator.IS_NULL:
        often = f"{'a known' if not_ else 'an unknown'} number of times"
    else:
        often = _times(amount(rule, lambda one: telling.number(rule.field, one), no=no), rule.value)
    return f"has {_done(did)} {often}{_mixed(did)}{_lately(did)}{where}"


def _timed(rule: Rule, did: Behaviour, where: str, telling: Telling, no: bool) -> str:
    """Return a rule on the first or last time: "last played a round more than 60 days ago"."""
    operator, not_ = contrary(rule.operator, no)
    if operator is Operator.IS_NULL:
        return _happened(did, where, ever=not_)
    period = rule.value
    if isinstance(period, Period):
        told = ago(rule, period, no=not_) if FROM_NOW[operator] < 0 else from_now(rule, period, no=not_)
    else:
        told = asked(rule, telling, no=no)
    told = told.removeprefix("was ").removeprefix("is ")
    if operator is Operator.EQ:
        told = f"not on {told.removeprefix('not ')}" if not_ else f"on {told}"
    which = f"{_mixed(did)}{_lately(did)}{where}".strip()
    return f"{_latest(did)} {f'({which}) ' if which else ''}{told}"


def _measured(rule: Rule, did: Behaviour, where: str, telling: Telling, no: bool) -> str:
    """Return a rule on a number of the payloads: "has spent more than R20,000 (payment received, ever)"."""
    number = did.measured or rule.field
    if did.aggregate is Aggregate.SUM and number.phrases.summed and rule.value is not None:
        told = amount(rule, lambda one: telling.number(number, one), "less than", no=no)
        # A name with brackets of its own stands in them without.
        name = inside(did.known.label_of(did.event)).replace(" (", ", ").replace(")", "")
        ever = "" if did.within else ", ever"
        return f"has {number.phrases.summed} {told}{_mixed(did)} ({name}{ever}){_lately(did)}{where}"
    told = asked(replace(rule, field=number), telling, no=no)
    when = _lately(did) or " ever"
    return f"{_OF[did.aggregate].format(inside(number.label))} {_called(did)}{_mixed(did)}{when}{where} {told}"


def _times(told: str, value: Any) -> str:
    return f"{told.removesuffix('1')}once" if value == 1 else f"{told} times"


def _happened(did: Behaviour, where: str, *, ever: bool) -> str:
    when, where = _lately(did), f"{_mixed(did)}{where}"
    if ever:
        return f"has {_done(did)} at least once{when}{where}"
    return f"has {'not' if when else 'never'} {_done(did)}{when}{where}"


def _mixed(did: Behaviour) -> str:
    """Return of which currency what was done is, where no amount tells it."""
    if did.currency == ANY_CURRENCY:
        return " in any currency"
    return f" in {did.currency}" if did.currency and not money.of_amounts(did) else ""


def _lately(did: Behaviour) -> str:
    return f" in the last {span(did.within)}" if did.within else ""


def _done(did: Behaviour) -> str:
    return did.known.done_of(did.event) or f"had {_called(did)}"


def _latest(did: Behaviour) -> str:
    """Return what somebody did first or last, in the past: "last played a round", "was last sent a quote"."""
    verb, _, rest = _done(did).partition(" ")
    if verb == "been":
        return f"was {did.aggregate.value} {rest}"
    return f"{did.aggregate.value} {_PAST.get(verb, verb)} {rest}".strip()


def _called(did: Behaviour) -> str:
    return f"“{did.known.label_of(did.event)}”"


_OF = {
    Aggregate.SUM: "the total {} of all",
    Aggregate.MIN: "the smallest {} of any",
    Aggregate.MAX: "the largest {} of any",
}
# "Has written", but "last wrote"; most verbs have one form for both.
_PAST = {"become": "became", "written": "wrote"}
