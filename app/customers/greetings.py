"""What several people are called together: the greeting of one letter for all, and the name of their household.

Both are worked out of the people's names whenever they are shown, so that no old name lives on in them.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

HEAD, MEMBER, CHILD = "head", "member", "child"
ROLES = {HEAD: "Head of household", MEMBER: "Member", CHILD: "Child"}
MAX_GREETED = 4
"""So many are greeted by name; of more, the grown-ups, and of more of those, the family as one."""
MAX_LAST_NAMES = 3
NOBODY_NAMED = "Hello"
_ORDER = {role: place for place, role in enumerate(ROLES)}


class Named(Protocol):
    """A person as greetings see them; `role` in the household is None for who is in none."""

    @property
    def title(self) -> str | None: ...
    @property
    def first_name(self) -> str | None: ...
    @property
    def last_name(self) -> str | None: ...
    @property
    def role(self) -> str | None: ...


def rank(role: str | None) -> int:
    """Return the place of a role: the head comes first, children last."""
    return _ORDER.get(role or MEMBER, _ORDER[MEMBER])


def greeting(people: Sequence[Named]) -> str:
    """Return how a letter to all of them begins, "Dear Anna and Ben": the head first, children last."""
    ordered = sorted(people, key=lambda one: rank(one.role))
    names = [name for one in ordered if (name := _called(one))]
    if len(names) > MAX_GREETED:
        names = [name for one in ordered if one.role != CHILD and (name := _called(one))]
    if len(names) > MAX_GREETED:
        last_names = _last_names(ordered)
        return f"Dear {last_names[0]} family" if len(last_names) == 1 else "Dear all"
    return f"Dear {listed(names)}" if names else NOBODY_NAMED


def household_name(people: Sequence[Named]) -> str:
    """Return what a household is called after its people: "Botha household", "Botha and Smith household"."""
    ordered = sorted(people, key=lambda one: rank(one.role))
    names = _last_names(ordered) or list(dict.fromkeys(one.first_name for one in ordered if one.first_name))
    if len(names) > MAX_LAST_NAMES:
        names = [*names[: MAX_LAST_NAMES - 1], "others"]
    return f"{listed(names)} household" if names else "Unnamed household"


def listed(names: Iterable[str]) -> str:
    """Return names as a sentence has them: "Anna", "Anna and Ben", "Anna, Ben and Mia"."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _called(person: Named) -> str | None:
    if person.first_name:
        return person.first_name
    return " ".join(filter(None, (person.title, person.last_name))) if person.last_name else None


def _last_names(people: Iterable[Named]) -> list[str]:
    found: dict[str, str] = {}
    for one in people:
        if one.last_name:
            found.setdefault(one.last_name.casefold(), one.last_name)
    return list(found.values())
