"""The tree as the form draws it: rows that read as sentences, in groups. `templates/conditions/` draws these.

A page makes a `Builder` and hands it to the macros of `templates/conditions/builder.html`; nothing else is needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.blueprints.conditions import controls
from app.blueprints.conditions.asked import Asked
from app.blueprints.conditions.counting import Counted, count
from app.blueprints.conditions.draft import NOT, OFF, Node, closed, opened
from app.blueprints.conditions.form import COUNT, DID, LAST, MEASURES, NEVER, OTHER, TIMES, Posted, of_money
from app.conditions import (
    PERIODS,
    Arity,
    Field,
    FieldType,
    OperatorInfo,
    find_operator,
    operators_for,
    operators_of,
)
from app.conditions.behaviour import ANY_CURRENCY
from app.conditions.operators import YEARLY
from app.web.guards import current

HOW_OFTEN = {
    "gte": "at least",
    "eq": "exactly",
    "lte": "at most",
    "gt": "more than",
    "lt": "fewer than",
    "between": "between",
    "neq": "not exactly",
    "in": "one of",
    "not_in": "none of",
    "isNull": "is unknown",
    "isNotNull": "is known",
}
WIDELY_USED = ("EUR", "GBP", "USD")
HOW_MUCH = {
    "sum": "with a total of",
    "min": "with the least",
    "max": "with the greatest",
    "first": "for the first time",
    "last": "for the last time",
}
# A count is never unknown: offered only where somebody has asked it all the same.
_POINTLESS = ("isNull", "isNotNull")
# The last parts of a path that name what is wrong in a rule, not another rule.
_PARTS = ("field", "operator", "value", "event", "aggregate", "within", "combinator", "rules")


Options = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Value:
    """A rule's value as it is asked for: `control` names the partial, `options` are what can be chosen there."""

    control: str = "none"
    texts: list[str] = field(default_factory=list)
    options: list[tuple[str, str]] = field(default_factory=list)
    moments: list[controls.Moment] = field(default_factory=list)
    kinds: list[tuple[str, str]] = field(default_factory=list)
    kind: str = ""
    units: list[tuple[str, str]] = field(default_factory=list)
    amount: str = ""
    unit: str = "days"


@dataclass(frozen=True, slots=True)
class Did:
    """What a rule on what somebody did has beside its event: how often or how much, how long ago, of which payload.

    `currencies` are those amounts may be counted in, none where no amount is asked for.
    """

    how: str
    often: list[tuple[str, str]]
    much: list[tuple[str, str]]
    counts: bool
    measures: bool
    measured: str
    measurable: list[tuple[str, str]]
    measured_other: bool
    span: str
    amount: str
    unit: str
    units: list[tuple[str, str]]
    where: "GroupRow | None"
    currency: str
    currencies: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Row:
    """What rules and groups share: names of inputs begin with `name`, ids of elements with `id`; `at` is the key."""

    name: str
    id: str
    at: int
    marks: list[str]
    error: str | None
    place: "Place"

    @property
    def negations(self) -> list[str]:
        """Return a word for each negation around it."""
        return [mark for mark in self.marks if mark == NOT]

    @property
    def off(self) -> bool:
        """Return whether it is disabled."""
        return OFF in self.marks


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: what of its menu makes sense there."""

    movable: bool = False
    first: bool = False
    last: bool = False
    nested: bool = False
    beside_group: bool = False


@dataclass(frozen=True, slots=True)
class RuleRow(Row):
    """One rule. `picked` is chosen in the list of fields and events; `typed` a name that isn't in it."""

    asked: Asked
    picked: str
    was: str
    other: str | None
    unknown: str | None
    operators: list[tuple[str, str]]
    operator: str
    value: Value
    did: Did | None
    template: str = "rule"

    @property
    def slug(self) -> str:
        """Return what ids of inputs hold that are made anew when another field is asked."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.was) or "new"


@dataclass(frozen=True, slots=True)
class GroupRow(Row):
    """Rows joined by one word."""

    combinator: str
    rows: list[Row]
    template: str = "group"


@dataclass(frozen=True, slots=True)
class Builder:
    """One form for conditions, ready to be drawn.

    `name` is what its inputs' names begin with, `of` what it asks (for the redraw), `focus` the id of what takes the
    keyboard, `club_id` the club whose people are counted (None: the form's own input `club_id`, if it has one),
    `errors` what is wrong, by path in the tree, `counted` whom it means, where that was asked for; `required`: nothing
    asked is nothing to save.
    """

    name: str
    of: str
    group: GroupRow
    tree: dict[str, Any]
    asked: Asked
    errors: Mapping[str, str]
    told: tuple[int, ...] = ()
    focus: str = ""
    club_id: str = ""
    editable: bool = True
    counted: Counted | None = None
    required: bool = False

    @property
    def id(self) -> str:
        """Return the id of its element."""
        return f"{self.name}-builder"

    @property
    def counts(self) -> bool:
        """Return whether it asks of people, so that they can be counted."""
        return self.asked.of_people


def draw(
    conditions: Posted | object,
    name: str,
    asked: Asked,
    *,
    checked: bool = False,
    errors: Mapping[str, str] | None = None,
    allow_empty: bool = False,
    club_id: object = None,
    editable: bool = True,
) -> Builder:
    """Return the form of conditions: as posted, or as JSON (unfinished ones too).

    `checked` says what is wrong beside the rule it concerns: for a form that was refused. While it is edited on, that
    stands there until it is mended. `errors` adds what else is wrong, by path (`rules[1]`; '' is the whole; both may
    begin with the form's name, as services say it).
    """
    posted = conditions if isinstance(conditions, Posted) else None
    root = posted.root if posted else opened(conditions)
    tree = closed(root)
    checked = checked or bool(errors)
    again = frozenset() if posted is None else posted.told
    # What the form finds itself it says in its own words; services speak of the language's names.
    wrong = asked.problems(tree, allow_empty=allow_empty) if checked or again else {}
    wrong |= {path: message for path, message in (errors or {}).items() if path not in wrong}
    drawing = _Drawing(name, wrong, None if checked else again)
    group = drawing.group(root, name, asked, "")
    required = posted.required if posted and posted.required is not None else not allow_empty
    focus = f"{name}-{posted.focus[0]}-{posted.focus[1]}" if posted and posted.focus else ""
    club = "" if club_id is None else str(club_id)
    asks = posted is not None and posted.counts and asked.of_people
    counted = count(posted, asked, tenant_id=current().tenant_id) if posted and asks else None
    return Builder(
        name, asked.of, group, tree, asked, wrong, tuple(drawing.told), focus, club, editable, counted, required
    )


class _Drawing:
    """`only`: the keys of the nodes beside which it is said what is wrong, where not beside all."""

    def __init__(self, name: str, errors: Mapping[str, str], only: frozenset[int] | None) -> None:
        self.name = name
        self.only = only
        self.told: list[int] = []
        self.errors: dict[str, str] = {}
        for path, message in errors.items():
            self.errors.setdefault(_of_rule(path, name), message)

    def group(self, node: Node, name: str, asked: Asked, path: str, place: Place = Place()) -> GroupRow:
        inner, error = self._at(node, path)
        members, nested = node.members, place.movable
        rows: list[Row] = []
        for index, one in enumerate(members):
            beside = members[max(0, index - 1) : index + 2]
            where = Place(
                movable=True,
                first=index == 0,
                last=index == len(members) - 1,
                nested=nested,
                beside_group=any(other.is_group for other in beside if other is not one),
            )
            rows.append(self._row(one, f"{name}.{index}", asked, _join(inner, f"rules[{index}]"), where))
        return GroupRow(name, self._id(node), node.key, node.marks, error, place, node.combinator, rows)

    def _row(self, node: Node, name: str, asked: Asked, path: str, place: Place) -> Row:
        if node.is_group:
            return self.group(node, name, asked, path, place)
        if "event" in node.data and asked.catalogue.behaviours:
            return self._did(node, name, asked, path, place)
        return self._rule(node, name, asked, path, place)

    def _id(self, node: Node) -> str:
        return f"{self.name}-{node.key}"

    def _at(self, node: Node, path: str) -> tuple[str, str | None]:
        """Return the path inside a node's negations, and what is wrong with it or one of them."""
        found = self.errors.get(path)
        for mark in node.marks:
            if mark == NOT:
                path = _join(path, "not")
                found = found or self.errors.get(path)
        if found is None or (self.only is not None and node.key not in self.only):
            return path, None
        self.told.append(node.key)
        return path, found

    def _rule(self, node: Node, name: str, asked: Asked, path: str, place: Place) -> RuleRow:
        _, error = self._at(node, path)
        data = node.data
        called = str(data.get("field") or data.get("event") or "")
        known = asked.catalogue.find(called) if called else None
        typed = node.naming or (known is not None and known.name not in asked.catalogue)
        offered = _offered(known, data.get("operator")) if known else []
        chosen = _chosen(offered, data.get("operator"))
        value = _value(known, chosen, data.get("value"), asked, node.reads) if known and chosen else Value()
        if known is None:
            value = Value("kept", controls.texts(data.get("value")))
        field = known.name if known and not typed else called
        of_truth = known is not None and known.type is FieldType.BOOLEAN and chosen is not None
        truth = controls.truth_of(chosen.name if chosen else "", data.get("value")) if of_truth else ""
        return RuleRow(
            name=name,
            id=self._id(node),
            at=node.key,
            marks=node.marks,
            error=error,
            place=place,
            asked=asked,
            picked=OTHER if typed else field,
            was=field,
            other=called if typed else None,
            unknown=called if known is None and called and not typed else None,
            operators=controls.truths(known, truth)
            if truth and known
            else [(one.name, _words(one, known)) for one in offered],
            operator=truth or (chosen.name if chosen else str(data.get("operator") or "")),
            value=value,
            did=None,
        )

    def _did(self, node: Node, name: str, asked: Asked, path: str, place: Place) -> RuleRow:
        inner, error = self._at(node, path)
        data = node.data
        event = str(data.get("event") or "")
        typed = node.naming or (bool(event) and event not in dict(asked.events))
        payload = asked.payload_of(event)
        how = str(data.get("aggregate") or COUNT)
        how = how if how in HOW_MUCH else COUNT
        kind = FieldType.DATETIME if how in TIMES else FieldType.NUMBER
        given = data.get("operator")
        # A total is always known, and what was done lies behind.
        asks = Field("value", "", "", kind, from_payload=True, past=True, always=how == "sum")
        offered = _offered(asks, given)
        never = how == COUNT and (given == NEVER or (_is(given, "eq") and data.get("value") in (0, "0")))
        chosen = _chosen(offered, given)
        value = Value() if never or chosen is None else _value(asks, chosen, data.get("value"), asked)
        operator = chosen.name if chosen else ""
        where = None if node.where is None else self.group(node.where, f"{name}.where", payload, _join(inner, "where"))
        told = f"{COUNT}:{NEVER if never else operator}" if how == COUNT else how
        return RuleRow(
            name=name,
            id=self._id(node),
            at=node.key,
            marks=node.marks,
            error=error,
            place=place,
            asked=asked,
            picked=f"{DID}{OTHER if typed else event}",
            was=f"{DID}{event}",
            other=event if typed else None,
            unknown=None,
            operators=[] if how == COUNT else [(one.name, _words(one)) for one in offered],
            operator=operator,
            value=value,
            did=_done(data, how, told, payload, where, _currencies(node, asked, payload)),
        )


def _done(
    data: Mapping[str, Any], how: str, told: str, payload: Asked, where: GroupRow | None, currencies: Options
) -> Did:
    measured = str(data.get("field") or "")
    numbers = [(one.name, one.label) for one in payload.catalogue if one.type is FieldType.NUMBER]
    amount, unit = controls.period(data.get("within"))
    often = [(f"{COUNT}:{one}", label) for one, label in HOW_OFTEN.items()]
    return Did(
        how=told,
        often=[
            (f"{COUNT}:{NEVER}", NEVER),
            *((one, label) for one, label in often if not one.endswith(_POINTLESS) or one == told),
        ],
        much=list(HOW_MUCH.items()),
        counts=how == COUNT and told != f"{COUNT}:{NEVER}" and not told.endswith(_POINTLESS),
        measures=how in MEASURES,
        measured=measured,
        measurable=numbers,
        measured_other=how in MEASURES and measured not in dict(numbers),
        span=LAST if data.get("within") is not None else "ever",
        amount=amount,
        unit=unit,
        units=[(one, one) for one in PERIODS],
        where=where,
        currency=str(data.get("currency") or ""),
        currencies=currencies,
    )


def _currencies(node: Node, asked: Asked, payload: Asked) -> Options:
    """Return in which currencies amounts may be counted: what is at home stands first, and needs no saying."""
    if not (node.data.get("currency") or of_money(node.data, node.where, payload)):
        return []
    home, *others = asked.currencies or ("",)
    told = f"in {home}" if not others else f"in the club’s currency, else {home}"
    given = str(node.data.get("currency") or "")
    codes = dict.fromkeys([*((home, *others) if others else ()), *WIDELY_USED, given])
    known = [(one, f"in {one}") for one in codes if one and one != ANY_CURRENCY and (others or one != home)]
    return [("", told if home else "in the club’s currency"), *known, (ANY_CURRENCY, "in any currency")]


def _value(field: Field, operator: OperatorInfo, value: object, asked: Asked, reads: str = "") -> Value:
    """Return a value as it is asked for."""
    control = controls.control_of(field, operator.name, operator.arity, value, asked.names)
    if operator.arity is Arity.PERIOD:
        amount, unit = controls.period(value)
        return Value(control, amount=amount, unit=unit, units=controls.units(field))
    texts = controls.texts(value)
    if control in ("number", "number_pair"):
        texts = [controls.written(one) for one in texts]
    if field.type is FieldType.CHOICE:
        texts = [known.value if (known := field.choice(one)) else one for one in texts]
    kinds = list(controls.AS) if field.type is FieldType.ANY and operator.name in controls.EXACT else []
    return Value(
        control,
        texts,
        options=controls.options(field, asked.names, texts, many=operator.arity is Arity.MANY),
        moments=[controls.moment(one, asked.zone) for one in texts],
        kinds=kinds if operator.arity is Arity.ONE else kinds[:2],
        kind=_kind(value, reads) if kinds else "",
    )


def _kind(value: object, reads: str) -> str:
    """Return as what an undeclared key's value is read: as its type says, else as was chosen before one was typed."""
    one = value[0] if isinstance(value, list) and value else value
    if isinstance(one, bool):
        return controls.BOOLEAN
    return controls.NUMBER if isinstance(one, int | float) or reads == controls.NUMBER else controls.TEXT


def _offered(field: Field, given: object) -> list[OperatorInfo]:
    """Return the operators to choose from, with the one that is chosen already."""
    found = operators_of(field)
    if any(_is(given, one.name) for one in found):
        return found
    return [*found, *(one for one in operators_for(field.type) if _is(given, one.name))]


def _chosen(offered: list[OperatorInfo], given: object) -> OperatorInfo | None:
    return next((one for one in offered if _is(given, one.name)), offered[0] if offered else None)


def _is(given: object, name: str) -> bool:
    known = find_operator(given) if isinstance(given, str) else None
    return known is not None and known.value == name


def _words(operator: OperatorInfo, field: Field | None = None) -> str:
    """Return an operator's words without the place of its period, where that comes last."""
    words = operator.label.removesuffix("…").strip()
    if field and field.anniversary and operator.name in YEARLY:
        day = field.anniversary[:1].lower() + field.anniversary[1:]
        return words.replace("has its anniversary", f"{day} is").replace("had its anniversary", f"{day} was")
    return words


def _join(path: str, last: str) -> str:
    return f"{path}.{last}" if path else last


def _of_rule(path: str, name: str) -> str:
    """Return the path of the rule or group in which something is wrong: `criteria.rules[1].value` is in `rules[1]`."""
    steps = path.split(".")
    if steps[0] == name:
        steps.pop(0)
    while steps and steps[-1] in _PARTS:
        steps.pop()
    return ".".join(steps)
