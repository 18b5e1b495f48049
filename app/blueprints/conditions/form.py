"""From a posted form to the tree that was typed: nothing is checked here, and nothing that was typed is lost.

Inputs are named by their place in the tree: `criteria.0.field`, `criteria.1.2.value`, `criteria.0.where.0.operator`.
`criteria` is the root, whatever a page calls it; each node has its inputs `key` and `marks`, a group `join`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from werkzeug.datastructures import MultiDict

from app.blueprints.conditions import controls
from app.blueprints.conditions.acts import act
from app.blueprints.conditions.asked import Asked
from app.blueprints.conditions.draft import NOT, OFF, Node, blank, closed, group, numbered
from app.conditions import Arity, Field, FieldType, OperatorInfo, operators_for, operators_of
from app.infra.errors import Invalid
from app.infra.ids import as_id

Form = MultiDict[str, str]
MAX_NODES = 500
# How many parts the name of an input may have: nothing that is drawn comes near.
MAX_PARTS = 30
# Chosen to name a field or an event that is not in the list.
OTHER = "…"
# What the choice of an event begins with, among the fields.
DID = "event:"
COUNT, NEVER, MEASURES, TIMES = "count", "never", ("sum", "min", "max"), ("first", "last")
LAST = "last"
"""What is posted as `span` where a rule on what somebody did counts a stretch of time only."""


@dataclass(frozen=True, slots=True)
class Posted:
    """The conditions of a form: the tree as it is edited, and as JSON.

    `acted` says that one of the form's own buttons was pressed: draw the page again and save nothing; `counts`, that it
    was the one that asks how many are meant, of the people of `club_id` if there is one. `focus` is the node and part
    that takes the keyboard; `told` are the keys of nodes beside which it said what is wrong with them. `required`:
    whether at least one condition has to be asked, where the form says.
    """

    root: Node
    acted: bool
    focus: tuple[str, str] | None
    told: frozenset[int]
    counts: bool = False
    club_id: UUID | None = None
    required: bool | None = None

    @property
    def tree(self) -> dict[str, Any]:
        """Return the conditions in the language's JSON, finished or not."""
        return closed(self.root)


@dataclass(slots=True)
class Part:
    """The inputs of one node, and the nodes below it by their place."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    parts: dict[int, "Part"] = field(default_factory=dict)
    where: "Part | None" = None

    def one(self, name: str) -> str:
        """Return what an input holds."""
        return controls.first(self.texts, name)


def read(form: Form, root: str, asked: Asked) -> Posted:
    """Return the conditions posted under `root`, after the act of the button that was pressed, if it is one of theirs.

    Raises Invalid where there is more, or deeper, than any form holds.
    """
    part = _parts(form, root)
    tree = numbered(_group(part, asked))
    verb, _, rest = form.get("act", "").partition(":")
    mine = verb == root
    told = frozenset(map(int, re.findall(r"\d{1,6}", part.one("told"), re.ASCII)))
    club_id = as_id(form.get(f"{root}.club") or form.get("club_id"))
    said = part.one("required")
    required = said == "1" if said else None
    return Posted(tree, mine, act(tree, rest) if mine else None, told, mine and rest == COUNT, club_id, required)


def _parts(form: Form, root: str) -> Part:
    """Return the inputs below `root` as a tree."""
    top, made = Part(), 0
    for name in form:
        if not name.startswith(f"{root}."):
            continue
        *path, last = name[len(root) + 1 :].split(".")
        if len(path) > MAX_PARTS:
            raise Invalid({root: "These conditions are nested too deep."})
        part: Part | None = top
        for step in path:
            if part is None:
                break
            if step == "where":
                part.where = part = part.where or Part()
            elif step.isascii() and step.isdigit() and len(step) <= 4:
                made += int(step) not in part.parts
                part = part.parts.setdefault(int(step), Part())
            else:
                part = None
        if made > MAX_NODES:
            raise Invalid({root: f"Use at most {MAX_NODES} conditions."})
        if part is not None:
            part.texts[last] = form.getlist(name)
    return top


def _group(part: Part, asked: Asked) -> Node:
    found = group([_node(one, asked) for _, one in sorted(part.parts.items())])
    found.combinator = "OR" if part.one("join") == "OR" else "AND"
    return _marked(found, part)


def _marked(node: Node, part: Part) -> Node:
    key = part.one("key")
    node.key = int(key) if key.isascii() and key.isdigit() and len(key) <= 6 else 0
    node.marks = [mark for mark in part.one("marks").split() if mark in (NOT, OFF)][:MAX_PARTS]
    return node


def _node(part: Part, asked: Asked) -> Node:
    if "join" in part.texts:
        return _group(part, asked)
    picked = part.one("field").strip()
    return _marked(_did(part, picked, asked) if picked.startswith(DID) else _rule(part, picked, asked), part)


def _named(part: Part, picked: str, other: str = "other") -> tuple[str, bool]:
    """Return the field or event that was picked, or typed in its place, and whether it is typed."""
    return (part.one(other).strip(), True) if picked == OTHER else (picked, False)


def _rule(part: Part, picked: str, asked: Asked) -> Node:
    name, naming = _named(part, picked)
    field = asked.catalogue.find(name) if name else None
    if field is None:
        return Node({"field": name, **_kept(part)}, naming=naming)
    before = part.one("was")
    # A row that asked nothing yet says so.
    other = "was" in part.texts and before != name
    data = {"field": name, **_compared(part, field, before if other else None, asked)}
    return Node(data, naming=naming, reads=part.one("as"))


def _kept(part: Part) -> dict[str, Any]:
    """Return operator and value of a field nobody knows (any more), as they are."""
    values = part.texts.get("value", [])
    return {"operator": part.one("operator") or "eq", "value": values if len(values) > 1 else "".join(values)}


def _compared(part: Part, field: Field, before: str | None, asked: Asked) -> dict[str, Any]:
    """Return operator and value, of a field in whose place another one stood `before`."""
    offered = {one.name: one for one in operators_for(field.type)}
    was = asked.catalogue.find(before) if before and not before.startswith(DID) else None
    drawn = part.one("drawn")
    fresh = before is not None and not (was and was.type is field.type and not controls.is_closed(field))
    asked_for, _, truth = part.one("operator").partition(":")
    if field.type is FieldType.BOOLEAN and (truth or fresh):
        name, told = ("eq", "true") if fresh else (asked_for, truth)
        return {"operator": "neq" if name == "neq" else "eq", "value": "false" if told == "false" else "true"}
    operator = offered.get(asked_for)
    if operator is None or fresh:
        operator = offered[default_operator(field)]
    values = [] if fresh else _values(part, asked)
    if operator.arity is Arity.NONE:
        return {"operator": operator.name}
    if field.type is FieldType.ANY and operator.name in controls.EXACT:
        values = [_typed(one, part.one("as")) for one in values]
    return {"operator": operator.name, "value": fitting(values, drawn, operator)}


def default_operator(field: Field) -> str:
    """Return the operator a field begins with: several may be chosen where there is something to choose, and of an
    instant it is asked how long ago it was."""
    offered = [one.name for one in operators_of(field)]
    if controls.is_closed(field) and "in" in offered:
        return "in"
    return "within_last" if field.type is FieldType.DATETIME else offered[0]


def _values(part: Part, asked: Asked) -> list[Any]:
    reader = controls.READERS.get(part.one("drawn"))
    return reader(part.texts, asked.zone) if reader else [one.strip() for one in part.texts.get("value", [])]


def fitting(values: list[Any], drawn: str, operator: OperatorInfo) -> Any:
    """Return what was typed into one control as the value of an operator that may want another."""
    if operator.arity is Arity.PERIOD:
        return values[0] if drawn == "period" and values else " days"
    if drawn == "period":
        values = []
    if operator.arity is Arity.ONE:
        return values[0] if values else ""
    return values[:2] if operator.arity is Arity.PAIR else [one for one in values if one != ""]


def _typed(value: str, kind: str) -> Any:
    """Return the value of an undeclared key as what it was said to be; text where it can't be that."""
    if kind == controls.BOOLEAN:
        return value.strip().lower() != "false"
    if kind != controls.NUMBER:
        return value
    try:
        return int(value)
    except ValueError:
        pass
    try:
        number = float(value)
    except ValueError:
        return value
    return number if number - number == 0 else value


def _did(part: Part, picked: str, asked: Asked) -> Node:
    """Return a rule on what somebody did."""
    event, naming = _named(part, picked.removeprefix(DID))
    payload = asked.payload_of(event)
    how, _, operator = part.one("how").partition(":")
    if how not in (COUNT, *MEASURES, *TIMES):
        how, operator = COUNT, "gte"
    data: dict[str, Any] = {"event": event, "aggregate": how}
    kind = FieldType.DATETIME if how in TIMES else FieldType.NUMBER
    if how in MEASURES:
        data["field"] = _measured(part, payload)
    if how != COUNT:
        operator = part.one("operator")
    where = None if part.where is None else _group(part.where, payload)
    currency = part.one("currency").strip()
    if currency and any(one.currency_in for one in payload.catalogue):
        data["currency"] = currency
    if part.one("span") == LAST:
        amount, unit = part.one("amount").strip(), part.one("span_unit")
        data["within"] = f"{amount} {unit or 'days'}"
    if how == COUNT and operator == NEVER:
        data |= {"operator": "eq", "value": 0}
    else:
        data |= _told(part, kind, operator, asked, part.one("drawn"))
        if how == COUNT and not part.one("how"):
            data["value"] = "1"
    return Node(data, where=where, naming=naming)


def of_money(data: Mapping[str, Any], where: Node | None, payload: Asked) -> bool:
    """Return whether a rule on what somebody did measures an amount of money, or compares one in its `where`."""
    names = [data.get("field") if data.get("aggregate") in MEASURES else None]
    names += [one.data.get("field") for one in (where.walk() if where else ())]
    found = [payload.catalogue.find(name) for name in names if isinstance(name, str) and name]
    return any(one is not None and one.currency_in for one in found)


def _measured(part: Part, payload: Asked) -> str:
    """Return the number of the payload that is measured: the first there is, where none was chosen."""
    picked = part.one("measured").strip()
    if picked:
        return _named(part, picked, "measured_other")[0]
    return next((one.name for one in payload.catalogue if one.type is FieldType.NUMBER), "")


def _told(part: Part, kind: FieldType, operator: str, asked: Asked, drawn: str) -> Mapping[str, Any]:
    """Return operator and value of what an aggregate of this type is compared with."""
    offered = {one.name: one for one in operators_for(kind)}
    first = "gte" if kind is FieldType.NUMBER else "within_last"
    found = offered.get(operator) or offered[first]
    if found.arity is Arity.NONE:
        return {"operator": found.name}
    of_moments = drawn.startswith(("moment", "period"))
    values = _values(part, asked) if of_moments == (kind is FieldType.DATETIME) else []
    return {"operator": found.name, "value": fitting(values, drawn, found)}


def fresh() -> Node:
    """Return the tree a form for nothing yet begins with: one rule to fill in."""
    return numbered(group([blank()]))
