"""The tree of conditions: groups, negations and rules; how it is stored, and how to walk it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.conditions.behaviour import Behaviour
from app.conditions.fields import Field, FieldType
from app.conditions.operators import Arity, Operator, arity
from app.conditions.periods import Period
from app.conditions.values import Scalar, Value

ACTIVITY = "activity:"
"""What the name of a dependency on events of one type begins with."""


class Combinator(StrEnum):
    """How a group joins its members."""

    AND = "AND"
    OR = "OR"


@dataclass(frozen=True, slots=True)
class Rule:
    """One question: a field, an operator and the value, read as `type` (the field's, else inferred).

    A rule on what somebody `did` has its event's name and label as field. One that is `disabled` is kept, and asks
    nothing.
    """

    field: Field
    operator: Operator
    value: Value
    type: FieldType
    did: Behaviour | None = None
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary of what it holds; of unknown, unknown."""

    item: Group | Rule | Not
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Members joined by AND or OR. The empty group asks nothing, and holds for everyone."""

    combinator: Combinator
    items: tuple[Group | Rule | Not, ...]
    disabled: bool = False


Node = Group | Rule | Not
Tree = Group


def to_json(tree: Tree) -> dict[str, Any]:
    """Return the tree in its one canonical JSON form; `parse` gives the same tree back from it."""
    node: dict[str, Any] = _json(tree)
    return node


def walk(tree: Tree) -> Iterator[tuple[str, Rule]]:
    """Yield each rule that is asked with its path (`rules[1].rules[0]`, `rules[2].not`), in the order of the tree."""
    yield from _walk(tree, "")


def enabled(tree: Tree) -> Tree:
    """Return the tree without what is disabled, and without the groups and negations that ask nothing then."""
    found = _enabled(tree)
    return found if isinstance(found, Group) else Group(tree.combinator, ())


def asks_nothing(tree: Tree) -> bool:
    """Return whether the tree holds for everyone because there is nothing in it, or nothing that is enabled."""
    return next(walk(tree), None) is None


def dependencies(tree: Tree) -> frozenset[str]:
    """Return the kinds of rows the answer depends on: what the fields read, and `activity:<type>` of what was done."""
    found: set[str] = set()
    for _, rule in walk(tree):
        if rule.did:
            found.add(f"{ACTIVITY}{rule.did.event}")
        else:
            found |= {rule.field.reads} if isinstance(rule.field.reads, str) else rule.field.reads
    return frozenset(found)


def depends_on_time(tree: Tree) -> bool:
    """Return whether the answer can change by the passing of time alone: a rule is told from now, or its field is."""
    return any(_by_time(rule) for _, rule in walk(tree))


def _by_time(rule: Rule) -> bool:
    if isinstance(rule.value, Period) or rule.field.by_time:
        return True
    return rule.did is not None and bool(rule.did.within or (rule.did.where and depends_on_time(rule.did.where)))


def _enabled(node: Node) -> Node | None:
    if node.disabled:
        return None
    match node:
        case Group():
            found = tuple(kept for item in node.items if (kept := _enabled(item)) is not None)
            return replace(node, items=found) if found else None
        case Not():
            item = _enabled(node.item)
            return None if item is None else Not(item)
        case Rule():
            where = node.did.where if node.did else None
            if node.did is None or where is None:
                return node
            asked = enabled(where)
            return replace(node, did=replace(node.did, where=asked if asked.items else None))


def _json(node: Node) -> dict[str, Any]:
    stored = _enabled_json(node)
    return {**stored, "disabled": True} if node.disabled else stored


def _enabled_json(node: Node) -> dict[str, Any]:
    match node:
        case Group():
            return {"combinator": node.combinator.value, "rules": [_json(item) for item in node.items]}
        case Not():
            return {"not": _json(node.item)}
        case Rule():
            stored = _did(node.did) if node.did else {"field": node.field.name}
            stored["operator"] = node.operator.value
            if arity(node.operator) is not Arity.NONE:
                stored["value"] = _value(node.value)
            return stored


def _did(did: Behaviour) -> dict[str, Any]:
    stored: dict[str, Any] = {"event": did.event, "aggregate": did.aggregate.value}
    if did.measured:
        stored["field"] = did.measured.name
    if did.currency:
        stored["currency"] = did.currency
    if did.within:
        stored["within"] = str(did.within)
    if did.where:
        stored["where"] = _json(did.where)
    return stored


def _value(value: Value) -> Any:
    return [_scalar(one) for one in value] if isinstance(value, tuple) else _scalar(value)


def _scalar(value: Scalar | None) -> str | int | float | bool | None:
    match value:
        case Decimal():
            # A rule's number has at most 15 digits, and a float gives every one of those back.
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case UUID() | Period():
            return str(value)
        case _:
            return value


def _walk(node: Node, path: str) -> Iterator[tuple[str, Rule]]:
    if node.disabled:
        return
    match node:
        case Group():
            for index, item in enumerate(node.items):
                yield from _walk(item, step(path, f"rules[{index}]"))
        case Not():
            yield from _walk(node.item, step(path, "not"))
        case Rule():
            yield path, node


def step(path: str, last: str) -> str:
    """Return the path one step further down."""
    return f"{path}.{last}" if path else last
