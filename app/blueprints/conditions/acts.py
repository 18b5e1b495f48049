"""What the buttons of the form do to a tree. An act is `verb:key`; a move says where to, `move:key:group:place`.

Keys, not places: a second click that was made before the first was answered still means the row it was made on.
"""

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

from app.blueprints.conditions.draft import NOT, OFF, Node, blank, group, numbered

_ACT = re.compile(r"([a-z]+)(?::(\d{1,6}))?(?::(\d{1,6}):(\d{1,4}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class At:
    """Where a node stands: in which group, at which place there, and in which group of which that one is."""

    node: Node
    group: Node | None = None
    place: int = 0
    above: "At | None" = None


def act(root: Node, given: str) -> tuple[str, str] | None:
    """Do an act to the tree, in place; return which node's part takes the keyboard now, as (key, part).

    None: nothing of the tree has to; unknown acts, and those on a node that is gone, change nothing.
    """
    match = _ACT.fullmatch(given)
    if match is None or match[1] not in _ACTS or match[2] is None:
        return None
    found = _find(At(root), int(match[2]))
    if found is None:
        return None
    if match[1] == "move":
        into = _find(At(root), int(match[3])) if match[3] else None
        focus = _move(found, into, int(match[4])) if into else None
    else:
        focus = _ACTS[match[1]](found)
    numbered(root)
    return None if focus is None else (str(focus[0].key), focus[1])


Focus = tuple[Node, str]


def _find(at: At, key: int) -> At | None:
    if at.node.key == key:
        return at
    for place, one in enumerate(at.node.members):
        if found := _find(At(one, at.node, place, at), key):
            return found
    return _find(At(at.node.where, None, 0, at), key) if at.node.where is not None else None


def _add(at: At) -> Focus | None:
    return _new(at, blank())


def _add_group(at: At) -> Focus | None:
    made = group([blank()], "OR" if at.node.combinator == "AND" else "AND")
    if not at.node.is_group:
        return None
    at.node.members.append(made)
    return made.members[0], "field"


def _new(at: At, node: Node) -> Focus | None:
    if not at.node.is_group:
        return None
    at.node.members.append(node)
    return node, "field"


def _remove(at: At) -> Focus | None:
    if at.group is None:
        # The conditions on an event go with their box; the whole tree stays.
        if at.above is None:
            return None
        at.above.node.where = None
        return at.above.node, "menu"
    members = at.group.members
    del members[at.place]
    if members:
        return members[min(at.place, len(members) - 1)], "menu"
    # A box that is left empty goes too.
    return _remove(at.above) if at.above is not None and at.above.above is not None else (at.group, "add")


def _duplicate(at: At) -> Focus | None:
    if at.group is None:
        return None
    twin = deepcopy(at.node)
    for node in twin.walk():
        node.key = 0
    at.group.members.insert(at.place + 1, twin)
    return twin, "menu"


def _disable(at: At) -> Focus | None:
    if OFF in at.node.marks:
        at.node.marks = [mark for mark in at.node.marks if mark != OFF]
    else:
        at.node.marks.insert(0, OFF)
    return at.node, "menu"


def _negate(at: At) -> Focus | None:
    if at.group is None:
        return None
    if NOT in at.node.marks:
        at.node.marks.remove(NOT)
    else:
        at.node.marks.append(NOT)
    return at.node, "menu"


def _up(at: At) -> Focus | None:
    if at.group is not None and at.place > 0:
        members = at.group.members
        members[at.place - 1], members[at.place] = members[at.place], members[at.place - 1]
        return at.node, "menu"
    return _out(at, after=False)


def _down(at: At) -> Focus | None:
    if at.group is not None and at.place + 1 < len(at.group.members):
        members = at.group.members
        members[at.place + 1], members[at.place] = members[at.place], members[at.place + 1]
        return at.node, "menu"
    return _out(at, after=True)


def _out(at: At, *, after: bool = True) -> Focus | None:
    """Move a node out of its group, before or after it; a group that is left empty goes."""
    if at.group is None or at.above is None or at.above.group is None:
        return None
    around, place = at.above.group.members, at.above.place
    del at.group.members[at.place]
    around.insert(place + after, at.node)
    if not at.group.members:
        around.remove(at.group)
    return at.node, "menu"


def _wrap(at: At) -> Focus | None:
    """Put a node into a new group in its place."""
    if at.group is None:
        return None
    at.group.members[at.place] = group([at.node], "OR" if at.group.combinator == "AND" else "AND")
    return at.node, "menu"


def _into(at: At) -> Focus | None:
    """Move a node into the group beside it, the one above first; where there is none, into one of its own."""
    if at.group is None:
        return None
    members = at.group.members
    above = members[at.place - 1] if at.place else None
    below = members[at.place + 1] if at.place + 1 < len(members) else None
    if above is not None and above.is_group:
        above.members.append(at.node)
    elif below is not None and below.is_group:
        below.members.insert(0, at.node)
    else:
        return _wrap(at)
    del members[at.place]
    return at.node, "menu"


def _where(at: At) -> Focus | None:
    if "event" not in at.node.data:
        return None
    if at.node.where is None:
        at.node.where = group()
    return _new(At(at.node.where), blank())


def _move(at: At, into: At, place: int) -> Focus | None:
    """Move a node to a place of a group that asks of the same things, as the places were before."""
    if at.group is None or not into.node.is_group or _home(at) is not _home(into) or into.node in at.node.walk():
        return None
    target = into.node.members
    del at.group.members[at.place]
    if target is at.group.members and place > at.place:
        place -= 1
    target.insert(min(place, len(target)), at.node)
    if not at.group.members and at.above is not None and at.above.group is not None:
        at.above.group.members.remove(at.group)
    return at.node, "menu"


def _home(at: At) -> Node:
    """Return the topmost group whose rules ask of the same things: the root, or the conditions on one event."""
    while at.group is not None and at.above is not None:
        at = at.above
    return at.node


def _and(at: At) -> Focus | None:
    at.node.combinator = "AND"
    return at.node, "and"


def _or(at: At) -> Focus | None:
    at.node.combinator = "OR"
    return at.node, "or"


_ACTS: dict[str, Callable[[At], Focus | None]] = {
    "add": _add,
    "group": _add_group,
    "and": _and,
    "or": _or,
    "remove": _remove,
    "duplicate": _duplicate,
    "disable": _disable,
    "negate": _negate,
    "up": _up,
    "down": _down,
    "out": _out,
    "wrap": _wrap,
    "into": _into,
    "where": _where,
    "move": lambda _: None,
}
