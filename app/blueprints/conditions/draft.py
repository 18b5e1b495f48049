"""Conditions while somebody edits them: a tree of nodes with keys, unfinished rules among them.

What is stored is the language's JSON (`closed`); the keys live as long as the form, so that a button, the keyboard's
place and a drag mean the same row whatever has moved meanwhile.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

NOT, OFF = "not", "off"
"""What stands around a node: a negation, or that it is disabled."""


@dataclass(slots=True, eq=False)
class Node:
    """A rule, or a group where `items` is a list.

    `data` is a rule as JSON without its `where`, which is a group of its own. `marks` are NOT and OFF, outside in.
    `naming` says that the field or event is being named by hand, though nothing may be typed yet; `reads` as what the
    value of an undeclared key is read, though there may be none yet.
    """

    data: dict[str, Any] = field(default_factory=dict)
    items: "list[Node] | None" = None
    combinator: str = "AND"
    where: "Node | None" = None
    marks: list[str] = field(default_factory=list)
    key: int = 0
    naming: bool = False
    reads: str = ""

    @property
    def is_group(self) -> bool:
        """Return whether it holds other nodes."""
        return self.items is not None

    @property
    def members(self) -> "list[Node]":
        """Return a group's nodes; a rule has none."""
        return self.items if self.items is not None else []

    def walk(self) -> "Iterator[Node]":
        """Yield it and all below it, conditions on events' payloads too."""
        yield self
        for one in self.members:
            yield from one.walk()
        if self.where is not None:
            yield from self.where.walk()


def blank() -> Node:
    """Return a rule about which nothing is said yet."""
    return Node({"field": "", "operator": "eq", "value": ""})


def group(items: list[Node] | None = None, combinator: str = "AND") -> Node:
    """Return a group."""
    return Node(items=items or [], combinator=combinator)


def opened(data: object) -> Node:
    """Return conditions in JSON (a group, a rule, a negation, a list of these, nothing) as the group to edit.

    Finished or not: what is no condition at all becomes a blank rule.
    """
    root = _root(data)
    for number, node in enumerate(root.walk(), start=1):
        node.key = number
    return root


def _root(data: object) -> Node:
    if isinstance(data, list):
        return group([_node(one) for one in data])
    if not data:
        return group()
    node = _node(data)
    return node if node.is_group and NOT not in node.marks else group([node])


def _node(data: object) -> Node:
    marks: list[str] = []
    while isinstance(data, Mapping):
        if data.get("disabled") and marks[-1:] != [OFF]:
            marks.append(OFF)
        if "not" not in data:
            break
        marks.append(NOT)
        data = data["not"]
    if not isinstance(data, Mapping):
        return blank()
    if "rules" in data or "combinator" in data:
        given = data.get("rules")
        found = group([_node(one) for one in given] if isinstance(given, list) else [], combinator(data))
    else:
        found = Node({key: value for key, value in data.items() if key not in ("disabled", "where")})
        if "event" in data and data.get("where"):
            found.where = _root(data["where"])
    found.marks = marks
    return found


def combinator(data: Mapping[str, Any]) -> str:
    """Return AND or OR; AND where neither is said."""
    return "OR" if str(data.get("combinator", "")).upper() == "OR" else "AND"


def closed(node: Node) -> dict[str, Any]:
    """Return a node in the language's JSON."""
    if node.items is None:
        found = dict(node.data)
        if node.where is not None:
            found["where"] = closed(node.where)
    else:
        found = {"combinator": node.combinator, "rules": [closed(one) for one in node.items]}
    for mark in reversed(node.marks):
        found = {"not": found} if mark == NOT else {**found, "disabled": True}
    return found


def numbered(root: Node) -> Node:
    """Return the root with keys for the nodes that have none yet, or one that stands twice."""
    used: set[int] = set()
    following = max((node.key for node in root.walk()), default=0)
    for node in root.walk():
        if node.key < 1 or node.key in used:
            following += 1
            node.key = following
        used.add(node.key)
    return root
