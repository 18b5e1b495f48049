"""How a rule's value is asked for: which control fits a field and an operator, what stands in it, how it is read.

`templates/conditions/value/<name>.html` draws a control. The form says which one was drawn, so that what was typed is
read as what it was even where the operator next to it has changed since.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from decimal import Decimal
from typing import Any

from app.blueprints.conditions.asked import Names
from app.conditions import PERIODS, Arity, Field, FieldType, values
from app.infra import figures

# What a day can be told from now in.
DAYS = tuple(one for one in PERIODS if one not in ("minutes", "hours"))
# As what a value of an undeclared key is read.
TEXT, NUMBER, BOOLEAN = "text", "number", "boolean"
AS = ((TEXT, "text"), (NUMBER, "a number"), (BOOLEAN, "yes or no"))
# The operators that ask an undeclared key for the very value, so that its type counts.
EXACT = ("eq", "neq", "in", "not_in")
_BY_TYPE = {
    FieldType.NUMBER: "number",
    FieldType.BOOLEAN: "boolean",
    FieldType.DATE: "date",
    FieldType.DATETIME: "moment",
}

# Thousands apart, as pages write them ("R20 000") or as people do ("20,000"), and a comma before a fraction ("69,2").
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:([\s,'\u2019])\d{3})(?:\1\d{3})*(?:\.\d+)?")
_COMMA = re.compile(r"[+-]?\d+,\d{1,2}")
# As people write numbers where a point stands between thousands; and as machines write a fraction.
_DOTTED = re.compile(r"[+-]?(?:\d{1,3}(?:[\s.]\d{3})+|\d+)(?:,\d+)?")
_FRACTION = re.compile(r"[+-]?\d+\.\d+")

Texts = Mapping[str, Sequence[str]]
"""What one row's inputs hold, by the last part of their names."""


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant as it is typed: its day and time in the zone. `told` is the instant itself, which knows the rest."""

    day: str
    time: str
    told: str


# A truth value is asked for by one choice: its operator and its value, or the operator alone.
TRUTHS = {"eq:true": "yes", "eq:false": "no", "isNull": "unknown", "isNotNull": "known"}


def truth_of(operator: str, value: object) -> str:
    """Return what a rule on a truth value asks, as TRUTHS has it; yes where it is not told yet."""
    if operator in ("isNull", "isNotNull"):
        return operator
    return f"{'neq' if operator == 'neq' else 'eq'}:{'false' if values.boolean(value) is False else 'true'}"


def truths(field: Field, chosen: str) -> list[tuple[str, str]]:
    """Return what can be chosen of a truth value, with words; what is chosen keeps its own way of saying it."""
    same = {"neq:true": "eq:false", "neq:false": "eq:true"}.get(chosen, chosen)
    offered = {one: words for one, words in TRUTHS.items() if ":" in one or one == chosen or not field.always}
    return [(chosen if one == same else one, words) for one, words in offered.items()]


def is_closed(field: Field) -> bool:
    """Return whether a value is one of those that can be chosen, and never typed."""
    return field.type in (FieldType.CHOICE, FieldType.ID) or field.related is not None


def control_of(field: Field, operator: str, arity: Arity, value: object, names: Names) -> str:
    """Return the name of the control for a rule; where nothing is known to choose from, it is typed."""
    if arity is Arity.NONE:
        return "none"
    if arity is Arity.PERIOD:
        return "period"
    if field.type is FieldType.BOOLEAN:
        return "none"
    known = names.get(field.name, [])
    # What is kept is not what people call it: it is chosen by that name, where the very value is asked.
    called = operator in EXACT and any(value != label for value, label in known)
    chosen = (is_closed(field) and bool(field.choices or known)) or (called and arity is Arity.ONE)
    single = "choice" if chosen else _BY_TYPE.get(field.type, "text")
    if field.type is FieldType.ANY and operator in EXACT[:2] and isinstance(value, bool):
        single = "boolean"
    return {Arity.PAIR: f"{single}_pair", Arity.MANY: f"{single}_many"}.get(arity, single)


def options(field: Field, names: Names, chosen: Sequence[str], *, many: bool) -> list[tuple[str, str]]:
    """Return what can be chosen, with labels, known or not; of several, those that are chosen first, in their order."""
    known = dict([(one.value, one.label) for one in field.choices] or names.get(field.name, []))
    taken = {one: known.get(one, one) for one in chosen if one}
    return list({**taken, **known}.items() if many else {**known, **taken}.items())


def units(field: Field) -> list[tuple[str, str]]:
    """Return the units a period can be told in."""
    return [(one, one) for one in (DAYS if field.type is FieldType.DATE else PERIODS)]


def texts(value: object) -> list[str]:
    """Return a rule's value, or values, as they stand in inputs."""
    given = value if isinstance(value, list | tuple) else [] if value is None else [value]
    return [_text(one) for one in given]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # Plain digits: 1e+16 is no way to write a number.
        return format(Decimal(repr(value)), "f")
    return value if isinstance(value, str) else str(value)


def period(value: object) -> tuple[str, str]:
    """Return the number and the unit of a period ("30 days", or in two parts), whatever stands for the number."""
    told = f"{value.get('amount', '')} {value.get('unit', '')}" if isinstance(value, Mapping) else str(value or "")
    amount, _, unit = told.strip().rpartition(" ") if " " in told else ("", "", "")
    unit = f"{unit.lower().removesuffix('s')}s"
    return amount.strip(), unit if unit in PERIODS else "days"


def moment(value: str, zone: tzinfo) -> Moment:
    """Return a day, or an instant as the zone's clock tells it, for its two inputs."""
    try:
        if len(value) == len("2026-10-04"):
            return Moment(date.fromisoformat(value).isoformat(), "", value)
        at = datetime.fromisoformat(value).astimezone(zone)
    except (ValueError, OverflowError):
        return Moment("", "", "")
    exact = "auto" if at.second or at.microsecond else "minutes"
    return Moment(at.date().isoformat(), at.time().isoformat(exact), value)


def _read_plain(given: Texts, _: tzinfo) -> list[Any]:
    return list(given.get("value", ()))


def _read_text(given: Texts, _: tzinfo) -> list[Any]:
    # A browser sends the end of a line as two characters.
    return [one.replace("\r\n", "\n") for one in given.get("value", ())]


def _read_trimmed(given: Texts, _: tzinfo) -> list[Any]:
    return [one.strip() for one in given.get("value", ())]


def _read_numbers(given: Texts, zone: tzinfo) -> list[Any]:
    return [_plain(one) for one in _read_trimmed(given, zone)]


def _plain(number: str) -> str:
    """Return a number that people write their way as machines do; what is none as it is."""
    if figures.commas():
        return re.sub(r"[\s.]", "", number).replace(",", ".") if _DOTTED.fullmatch(number) else number
    if _GROUPED.fullmatch(number):
        return re.sub(r"[\s,'\u2019]", "", number)
    return number.replace(",", ".") if _COMMA.fullmatch(number) else number


def written(number: str) -> str:
    """Return a number that machines write as people here type it; what is none as it is."""
    return number.replace(".", ",") if figures.commas() and _FRACTION.fullmatch(number) else number


def _read_listed(given: Texts, _: tzinfo) -> list[Any]:
    return [part.strip() for one in given.get("value", ()) for part in one.split(",") if part.strip()]


def _read_many(given: Texts, zone: tzinfo) -> list[Any]:
    more = [part.strip() for one in given.get("more", ()) for part in one.split(",")]
    return [one for one in [*_read_text(given, zone), *more] if one]


def _read_period(given: Texts, _: tzinfo) -> list[Any]:
    amount, unit = first(given, "value").strip(), first(given, "unit")
    return [f"{amount} {unit if unit in PERIODS else 'days'}"]


def _read_moments(given: Texts, zone: tzinfo) -> list[Any]:
    days, times, told = (list(given.get(name, ())) for name in ("value", "time", "told"))
    rows = [(day.strip(), _at(times, place).strip(), _at(told, place)) for place, day in enumerate(days)]
    return [_moment(day, clock, before, zone) for day, clock, before in rows]


def _moment(day: str, clock: str, before: str, zone: tzinfo) -> str:
    """Return what was typed as a day or an instant; what was there before, where the inputs still say the same."""
    was = moment(before, zone)
    if before and (was.day, was.time) == (day, clock):
        return before
    if not clock:
        return day
    try:
        return datetime.combine(date.fromisoformat(day), time.fromisoformat(clock), zone).isoformat()
    except ValueError:
        return day


def _at(some: Sequence[str], place: int) -> str:
    return some[place] if place < len(some) else ""


def first(given: Texts, name: str) -> str:
    """Return what the first input of a name holds."""
    return next(iter(given.get(name, ())), "")


READERS: dict[str, Callable[[Texts, tzinfo], list[Any]]] = {
    "none": lambda _given, _zone: [],
    "text": _read_text,
    "text_pair": _read_text,
    "text_many": _read_many,
    "choice": _read_plain,
    "choice_many": _read_plain,
    "number": _read_numbers,
    "number_pair": _read_numbers,
    "number_many": _read_listed,
    "boolean": _read_trimmed,
    "date": _read_trimmed,
    "date_pair": _read_trimmed,
    "moment": _read_moments,
    "moment_pair": _read_moments,
    "period": _read_period,
}
