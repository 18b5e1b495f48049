"""Things that conditions name (segments, journeys, clubs …): whether they are there, asked when conditions are saved.

Each room says so of its own, by the fields whose values name them. `parse` doesn't ask: conditions that were saved
stand for what they name, whatever became of it.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from uuid import UUID

from app.conditions.fields import FieldType
from app.conditions.language import Group, Node, Not, Rule, Tree, step

Wrong = Callable[[UUID, Collection[str]], Mapping[str, str]]
"""Returns, of these values of a field in a tenant, what is wrong with those that name nothing that may be named."""

_things: dict[str, Wrong] = {}


def register(wrong: Wrong, *fields: str) -> None:
    """Let the values of these fields be asked for: of ids, also of keys of payloads that are declared to be ids."""
    for one in fields:
        if one in _things:
            raise ValueError(f"whether what {one} names is there is said already")
        _things[one] = wrong


def missing(what: str, asked: Collection[str], there: Collection[str]) -> dict[str, str]:
    """Return what `Wrong` does where all that can be wrong is that something is not there."""
    return {one: f"There is no such {what}: {one}." for one in sorted(set(asked) - set(there))}


def unknown(tree: Tree, tenant_id: UUID) -> dict[str, str]:
    """Return by path of the rule, disabled ones too, what is wrong with what it names; nothing where all is there."""
    places: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path, rule in _everywhere(tree, ""):
        if rule.field.name in _things and _names(rule):
            for value in rule.value if isinstance(rule.value, tuple) else (rule.value,):
                if value is not None:
                    places[rule.field.name][str(value)].append(path)
    found: dict[str, str] = {}
    for field, values in places.items():
        for value, said in _things[field](tenant_id, values.keys()).items():
            for path in values[value]:
                found.setdefault(path, said)
    return found


def _names(rule: Rule) -> bool:
    """Return whether the values name things: not so those of a payload's key that nobody declared."""
    return rule.did is None and (rule.type is FieldType.ID or rule.field.related is not None)


def _everywhere(node: Node, path: str) -> Iterator[tuple[str, Rule]]:
    match node:
        case Group():
            for index, item in enumerate(node.items):
                yield from _everywhere(item, step(path, f"rules[{index}]"))
        case Not():
            yield from _everywhere(node.item, step(path, "not"))
        case Rule():
            yield path, node
            if node.did and node.did.where:
                yield from _everywhere(node.did.where, step(path, "where"))
