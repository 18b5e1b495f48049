"""From JSON to the tree: everything that is wrong is found here, at once, and said beside the rule it is in."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from app.conditions import money, periods, values
from app.conditions.behaviour import ANY_CURRENCY, MEASURES, Aggregate, Behaviour
from app.conditions.errors import InvalidConditions, NotEvaluable
from app.conditions.fields import Catalogue, Field, FieldType, is_name
from app.conditions.language import Combinator, Group, Node, Not, Rule, Tree, asks_nothing, step
from app.conditions.operators import WORDS, YEARLY, Arity, Operator, arity, find_operator, plain_name, words_of
from app.conditions.periods import Period
from app.conditions.values import Scalar, Value
from app.infra.figures import figure

MAX_DEPTH = 10
MAX_RULES = 200
MAX_VALUES = 500
MAX_TEXT = 500
MAX_DIGITS = 15
MAX_TIMES = 1_000_000
"""More often nobody does anything: whoever asks for it has mistyped."""
YEARS = range(1800, 2201)
NEVER = "never"
"""Written in the place of an operator on how often: not once."""
_MAX_PROBLEMS = 20
_MAX_SHOWN = 60


def parse(data: object, catalogue: Catalogue, *, allow_empty: bool = False, spoken: bool = False) -> Tree:
    """Return the tree of the JSON conditions `data`, with fields of `catalogue` and values in their types.

    `data` is a group, a bare rule, a negation, or a list of these (joined by AND). Nothing at all (None, `{}`,
    `[]`, a group without rules) is refused unless `allow_empty`. Messages call operators by their names, or as forms do
    if it is `spoken`.

    Raises InvalidConditions with a message for each path that is wrong, or NotEvaluable if the only trouble is
    that fields can't be answered where the catalogue is for.
    """
    parser = _Parser(catalogue, spoken)
    tree = parser.tree(data, allow_empty)
    if parser.errors or tree is None:
        raise (NotEvaluable if parser.only_unanswerable else InvalidConditions)(parser.errors)
    return tree


class _TooMuch(Exception):
    """Reading on would cost more than it could tell."""


class _Wrong(Exception):
    """A value does not fit; the text says what would, with {} for the operators that do."""

    def __init__(self, text: str, *operators: Operator) -> None:
        super().__init__(text)
        self.operators = operators


class _Parser:
    def __init__(self, catalogue: Catalogue, spoken: bool) -> None:
        self.catalogue = catalogue
        self.spoken = spoken
        self.errors: dict[str, str] = {}
        self.only_unanswerable = True
        self._rules = 0

    def tree(self, data: object, allow_empty: bool) -> Tree | None:
        if isinstance(data, list):
            data = {"rules": data}
        elif data is None or data == {}:
            data = {"rules": []}
        if isinstance(data, dict) and data.get("rules") == []:
            if not allow_empty:
                self._problem("", "Add at least one condition.")
            return Group(Combinator.AND, ())
        try:
            node = self._node(data, "", 1)
        except _TooMuch:
            return None
        tree = node if node is None or isinstance(node, Group) else Group(Combinator.AND, (node,))
        if tree and not allow_empty and not self.errors and asks_nothing(tree):
            self._problem("", "Nothing is asked: all conditions are switched off. Switch on at least one.")
        return tree

    def _problem(self, path: str, message: str, *, unanswerable: bool = False) -> None:
        self.errors.setdefault(path, message)
        self.only_unanswerable = self.only_unanswerable and unanswerable
        if len(self.errors) >= _MAX_PROBLEMS:
            raise _TooMuch

    def _node(self, data: object, path: str, depth: int) -> Node | None:
        if depth > MAX_DEPTH:
            self._problem(path, f"Conditions may be nested at most {MAX_DEPTH} deep.")
            return None
        if not isinstance(data, dict):
            self._problem(path, "A condition is a rule or a group of rules.")
            return None
        disabled = data.get("disabled", False)
        if not isinstance(disabled, bool):
            self._problem(path, "“disabled” is true or false.")
            return None
        node = self._kind(data, path, depth)
        return replace(node, disabled=True) if node and disabled else node

    def _kind(self, data: dict[str, Any], path: str, depth: int) -> Node | None:
        kinds = [key for key in ("not", "rules", "event", "field") if key in data]
        if kinds == ["event", "field"]:
            # The field is the number of the payload that is measured.
            kinds = ["event"]
        if len(kinds) > 1:
            self._problem(path, f"This is both “{kinds[0]}” and “{kinds[1]}”; make it one of them.")
            return None
        if kinds == ["not"]:
            item = self._node(data["not"], step(path, "not"), depth + 1)
            return None if item is None else Not(item)
        if kinds == ["rules"] or "combinator" in data:
            return self._group(data, path, depth)
        return self._did(data, path, depth) if kinds == ["event"] else self._rule(data, path)

    def _group(self, data: dict[str, Any], path: str, depth: int) -> Group | None:
        given = data.get("combinator", "AND")
        combinator = given.upper() if isinstance(given, str) else ""
        if combinator not in Combinator.__members__:
            self._problem(path, "Join the rules of a group by AND or by OR.")
        rules = data.get("rules")
        if not isinstance(rules, list) or not rules:
            self._problem(path, "Add at least one rule to this group, or remove the group.")
            return None
        items = [self._node(item, step(path, f"rules[{index}]"), depth + 1) for index, item in enumerate(rules)]
        found = tuple(item for item in items if item is not None)
        if combinator not in Combinator.__members__ or len(found) < len(items):
            return None
        return Group(Combinator[combinator], found)

    def _count_rule(self) -> None:
        self._rules += 1
        if self._rules > MAX_RULES:
            self._problem("", f"Use at most {MAX_RULES} rules.")
            raise _TooMuch

    def _rule(self, data: dict[str, Any], path: str) -> Rule | None:
        self._count_rule()
        return self._asked(self._field(data.get("field"), path), data, path)

    def _asked(self, field: Field | None, data: dict[str, Any], path: str, did: Behaviour | None = None) -> Rule | None:
        operator = self._operator(data.get("operator"), path)
        if field is None or operator is None:
            return None
        if operator not in WORDS[field.type]:
            offered = ", ".join(map(self._called, WORDS[field.type]))
            self._problem(
                path, f"{field.label} can't be compared with “{self._called(operator)}”. Use one of: {offered}."
            )
            return None
        try:
            type, value = _value(field, operator, data.get("value"))
            if did is not None and did.aggregate is Aggregate.COUNT:
                _check_times(operator, value)
        except _Wrong as wrong:
            said = str(wrong).format(*map(self._called, wrong.operators)) if wrong.operators else str(wrong)
            self._problem(path, f"{field.label}: {said}")
            return None
        return Rule(field, operator, value, type, did)

    def _called(self, operator: Operator) -> str:
        return words_of(operator) if self.spoken else operator.value

    def _did(self, data: dict[str, Any], path: str, depth: int) -> Rule | None:
        """Return a rule on what somebody did."""
        self._count_rule()
        known, name = self.catalogue.behaviours, data["event"]
        if known is None:
            self._problem(path, "What somebody did can't be asked here; ask it of customers.", unanswerable=True)
            return None
        if not isinstance(name, str) or not is_name(name):
            self._problem(path, "Choose what they did.")
            return None
        label = known.label_of(name)
        aggregate = data.get("aggregate") or Aggregate.COUNT
        if aggregate not in list(Aggregate):
            self._problem(path, f"{label}: choose one of {', '.join(Aggregate)}.")
            return None
        of_payload = known.fields_of(name)
        measured = None
        if aggregate in MEASURES:
            measured = of_payload.find(data["field"]) if isinstance(data.get("field"), str) else None
            if measured is None or measured.type not in (FieldType.NUMBER, FieldType.ANY):
                self._problem(path, f"{label}: choose the number to take the {aggregate} of.")
                return None
        within = None
        if data.get("within") is not None and (within := periods.read(data["within"])) is None:
            self._problem(path, f"{label}: say within how long, such as “90 days”.")
            return None
        where = self._where(data.get("where"), of_payload, step(path, "where"), depth)
        did = Behaviour(name, Aggregate(aggregate), measured, within, where, known)
        if data.get("currency") not in (None, ""):
            currency = self._currency(data["currency"], of_payload, label, path)
            if currency is None:
                return None
            did = replace(did, currency=currency)
        if _is_never(data.get("operator")) and did.aggregate is Aggregate.COUNT:
            data = {**data, "operator": Operator.EQ.value, "value": 0}
        return self._asked(Field(name, label, "", did.type, from_payload=True), data, path, did)

    def _currency(self, given: object, of_payload: Catalogue, label: str, path: str) -> str | None:
        """Return in which currency amounts count, as a rule says it."""
        if not money.key_of(of_payload):
            self._problem(path, f"{label}: it has no amounts of money, so leave out “currency”.")
        elif isinstance(given, str) and given.strip().lower() == ANY_CURRENCY:
            return ANY_CURRENCY
        elif isinstance(given, str) and money.is_code(given.strip()):
            return given.strip().upper()
        else:
            self._problem(path, f"{label}: give the currency’s three letters, such as ZAR, or “{ANY_CURRENCY}”.")
        return None

    def _where(self, data: object, of_payload: Catalogue, path: str, depth: int) -> Group | None:
        if data in (None, {}, []) or (isinstance(data, dict) and data.get("rules") == []):
            return None
        outer, self.catalogue = self.catalogue, of_payload
        try:
            node = self._node({"rules": data} if isinstance(data, list) else data, path, depth + 1)
        finally:
            self.catalogue = outer
        return node if node is None or isinstance(node, Group) else Group(Combinator.AND, (node,))

    def _field(self, name: object, path: str) -> Field | None:
        if not isinstance(name, str) or not name:
            self._problem(path, "Choose a field.")
            return None
        field = self.catalogue.find(name)
        if field is None:
            self._problem(path, f"There is no field “{_shown(name)}”.")
        elif self.catalogue.for_payload and not field.from_payload:
            self._problem(path, f"{field.label} can't be asked of an event; ask it in a later step.", unanswerable=True)
        elif not self.catalogue.for_payload and not field.in_sql:
            self._problem(path, f"{field.label} can only be asked of an event.", unanswerable=True)
        else:
            return field
        return None

    def _operator(self, name: object, path: str) -> Operator | None:
        operator = find_operator(name) if isinstance(name, str) else None
        if operator is None:
            shown = f"There is no operator “{_shown(name)}”." if isinstance(name, str) else "Choose an operator."
            self._problem(path, shown)
        return operator


def _check_times(operator: Operator, value: Value) -> None:
    """Raise _Wrong where that is no number of times somebody may have done something."""
    for one in value if isinstance(value, tuple) else (value,):
        if isinstance(one, Decimal) and not (one == one.to_integral_value() and 0 <= one <= MAX_TIMES):
            raise _Wrong(f"give how many times: a whole number from 0 to {figure(MAX_TIMES)}.")
        if one == 0 and operator is Operator.LT:
            raise _Wrong("nobody does anything less than 0 times. For “never”, ask for exactly 0 times.")


def _is_never(operator: object) -> bool:
    return isinstance(operator, str) and len(operator) < _MAX_SHOWN and plain_name(operator) == NEVER


def _shown(name: str) -> str:
    short = name if len(name) <= _MAX_SHOWN else name[:_MAX_SHOWN] + "…"
    return "".join(letter if letter.isprintable() else "�" for letter in short)


def _value(field: Field, operator: Operator, given: object) -> tuple[FieldType, Value]:
    """Return the type the rule compares in, and its value in that type; raise _Wrong."""
    many = arity(operator)
    if many is Arity.NONE:
        return field.type, None
    if many is Arity.PERIOD:
        return _period(field, operator, given)
    if many is Arity.ONE:
        type = _inferred(operator, [given]) if field.type is FieldType.ANY else field.type
        return type, _READ[type](field, given)
    if not isinstance(given, list) or not given:
        raise _Wrong("give two values, from and to." if many is Arity.PAIR else "give a list of values.")
    if len(given) > MAX_VALUES:
        raise _Wrong(f"give at most {MAX_VALUES} values.")
    type = _inferred(operator, given) if field.type is FieldType.ANY else field.type
    found = tuple(_READ[type](field, one) for one in given)
    if many is Arity.MANY:
        return type, tuple(dict.fromkeys(found))
    if len(found) != 2:
        raise _Wrong("give two values, from and to.")
    if _begins(found[0]) > _begins(found[1]):
        raise _Wrong("the first value must not be greater than the second.")
    return type, found


def _begins(value: Any) -> Any:
    """Return what the value is ordered by among its like: days and instants side by side."""
    if not isinstance(value, date):
        return value
    return (value.date() if isinstance(value, datetime) else value).toordinal()


_IN_A_YEAR = {"days": 366, "weeks": 52, "months": 12, "years": 1}
_SAMENESS = {Operator.EQ, Operator.NEQ}
_ORDERING = {Operator.GT, Operator.GTE, Operator.LT, Operator.LTE, Operator.BETWEEN}


def _inferred(operator: Operator, given: list[Any]) -> FieldType:
    """Return the type of a rule on an undeclared key, by its values.

    Text that looks like a number is a number only where it is measured (`gt`, `between` …): as "is" it may be a
    member number with zeros in front. Text that looks like a day or an instant is one wherever that makes sense.
    """
    if all(isinstance(one, bool) for one in given) and operator in _SAMENESS:
        return FieldType.BOOLEAN
    numbers = [isinstance(one, int | float) and not isinstance(one, bool) for one in given]
    if operator in _SAMENESS | _ORDERING:
        if all(numbers) or (operator in _ORDERING and all(values.number(one) is not None for one in given)):
            return FieldType.NUMBER
        if all(_is_day(one) for one in given):
            return FieldType.DATE
        if all(_is_day(one) or values.moment(one) is not None for one in given):
            return FieldType.DATETIME
        if operator in _ORDERING:
            raise _Wrong("give a number, a day (2026-10-04) or an instant (2026-10-04T09:00:00+02:00).")
    elif operator in {Operator.IN, Operator.NOT_IN}:
        if all(numbers):
            return FieldType.NUMBER
        if any(numbers):
            raise _Wrong("give either numbers or texts, not both.")
    return FieldType.TEXT


def _is_day(value: object) -> bool:
    return isinstance(value, str) and len(value.strip()) == len("2026-10-04") and values.day(value) is not None


def _period(field: Field, operator: Operator, given: object) -> tuple[FieldType, Period]:
    found = periods.read(given)
    if found is None:
        raise _Wrong(f"give a number of {', '.join(periods.UNITS[:-1])} or years, such as “30 days”.")
    type = field.type
    if type is FieldType.ANY:
        type = FieldType.DATE if found.whole_days or operator in YEARLY else FieldType.DATETIME
    if type is FieldType.DATE and not found.whole_days:
        raise _Wrong("it is a day; give a number of days, weeks, months or years.")
    if operator in YEARLY and found.amount > _IN_A_YEAR[found.unit]:
        raise _Wrong("a day of the year comes again within a year; give less.")
    return type, found


def _text(_: Field, given: object) -> str:
    if isinstance(given, int | float) and not isinstance(given, bool):
        given = values.text(given)
    if not isinstance(given, str) or not given.strip():
        raise _Wrong("give a text. To ask whether it is missing, use “{}”.", Operator.IS_NULL)
    if len(given) > MAX_TEXT:
        raise _Wrong(f"give a text of at most {MAX_TEXT} characters.")
    if "\0" in given or any("\ud800" <= letter <= "\udfff" for letter in given):
        raise _Wrong("the text holds a character that can't be stored.")
    return given


def _element(field: Field, given: object) -> str:
    return str(_id(field, given)) if field.of_ids else _text(field, given)


def _choice(field: Field, given: object) -> str:
    choice = field.choice(given) if isinstance(given, str) else None
    if choice is None:
        raise _Wrong(f"choose one of: {', '.join(choice.value for choice in field.choices[:20])}.")
    return choice.value


def _number(_: Field, given: object) -> Decimal:
    found = values.number(given)
    if found is None:
        raise _Wrong("give a number, such as 18 or 108.50.")
    digits = len(found.normalize().as_tuple().digits)
    if digits > MAX_DIGITS or not (found == 0 or -MAX_DIGITS <= found.adjusted() < MAX_DIGITS):
        raise _Wrong(f"give a number of at most {MAX_DIGITS} digits.")
    return Decimal(values.plain(found))


def _boolean(_: Field, given: object) -> bool:
    found = values.boolean(given)
    if found is None:
        raise _Wrong("give true or false.")
    return found


def _day(_: Field, given: object) -> date:
    found = values.day(given) if _is_day(given) else None
    if found is None:
        raise _Wrong("give a day, such as 2026-10-04.")
    return _in_range(found)


def _moment(_: Field, given: object) -> date:
    found = values.day(given) if _is_day(given) else values.moment(given)
    if found is None:
        raise _Wrong("give a day (2026-10-04) or an instant with its offset (2026-10-04T09:00:00+02:00).")
    return _in_range(found)


def _in_range(found: date) -> date:
    if found.year not in YEARS:
        raise _Wrong(f"give a year from {YEARS[0]} to {YEARS[-1]}.")
    return found


def _id(_: Field, given: object) -> Scalar:
    found = values.identifier(given)
    if found is None:
        raise _Wrong("give an id, such as 0190f3a1-7b1c-7000-8000-000000000000.")
    return found


_READ: dict[FieldType, Callable[[Field, object], Scalar]] = {
    FieldType.TEXT: _text,
    FieldType.LIST: _element,
    FieldType.CHOICE: _choice,
    FieldType.NUMBER: _number,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _day,
    FieldType.DATETIME: _moment,
    FieldType.ID: _id,
}
