"""The tree in plain English: one sentence, or a few words for one rule, or for what a rule saw."""

from dataclasses import replace
from datetime import UTC, tzinfo
from typing import Any

from app.conditions import money
from app.conditions.behaviour import Behaviour
from app.conditions.deeds import deed, seen_deed
from app.conditions.language import Group, Node, Not, Rule, Tree, enabled
from app.conditions.rule_words import of_value, said_of
from app.conditions.telling import LOCALE, Names, Telling, begun


def explain(
    tree: Tree, *, names: Names | None = None, zone: tzinfo = UTC, locale: str = LOCALE, currency: str = ""
) -> str:
    """Return the conditions as one sentence without a full stop; "No conditions" for the empty tree.

    `names` gives labels of values a field's own choices don't know, by field name and value (the names of clubs
    by id). Instants are told in `zone`, numbers and days as the `locale` writes them, amounts in the club's or tenant's
    `currency` (its code) where a field or rule has none of its own; those of one event in the one it is asked to be in.
    """
    asked = enabled(tree)
    telling = Telling(names or {}, zone, locale, currency, money.pinned(asked))
    return begun(_node(asked, telling)) if asked.items else "No conditions"


def explain_rule(
    rule: Rule,
    *,
    no: bool = False,
    names: Names | None = None,
    zone: tzinfo = UTC,
    locale: str = LOCALE,
    currency: str = "",
) -> str:
    """Return one rule in words, or with `no` its contrary: "Membership tier is Gold or Platinum"."""
    return begun(_node(Not(rule) if no else rule, Telling(names or {}, zone, locale, currency)))


def explain_seen(
    rule: Rule,
    value: Any,
    *,
    names: Names | None = None,
    zone: tzinfo = UTC,
    locale: str = LOCALE,
    currency: str = "",
) -> str:
    """Return what a rule saw of somebody (`Seen.value`, as the database gave it) in words: "Silver", "3 times"."""
    telling = Telling(names or {}, zone, locale, currency)
    if rule.did:
        return seen_deed(rule, rule.did, value, _paid(rule.did, telling))
    if isinstance(value, bool) and (said := said_of(rule.field)):
        # Beside "declined e-mail" a bare yes would say the contrary of what was seen.
        return said[not value]
    return telling.seen(rule.field, rule.type, value)


def _node(node: Node, telling: Telling) -> str:
    core, no = _core(node)
    if isinstance(core, Rule):
        if core.did is None:
            return of_value(core, telling, no=no)
        telling = _paid(core.did, telling)
        where = enabled(core.did.where) if core.did.where else None
        told = _node(where, telling) if where and where.items else ""
        return deed(core, core.did, f" {_where(told)}" if told else "", telling, no=no)
    told = _joined(core, telling)
    return f"not ({told})" if no else told


def _paid(did: Behaviour, telling: Telling) -> Telling:
    """Return how the amounts of a behaviour are told: in the currency in which they count."""
    return replace(telling, paid_in=money.told_in(did, telling.currency))


def _where(told: str) -> str:
    return f"(where {told})" if _joins(told) else f"where {told}"


def _core(node: Node) -> tuple[Group | Rule, bool]:
    """Return the rule, or group of several, that a node comes to, and whether its contrary is meant."""
    no = False
    while True:
        match node:
            case Not():
                node, no = node.item, not no
            case Group(items=(only,)):
                node = only
            case _:
                return node, no


def _joined(group: Group, telling: Telling) -> str:
    word = group.combinator.value.lower()
    parts = [_member(item, telling) for item in _members(group)]
    plain = len(parts) == 2 and not any(map(_joins, parts))
    return (f" {word} " if plain else f", {word} ").join(parts)


def _joins(told: str) -> bool:
    """Return whether a word within could be taken for the one that joins what is told with the next."""
    return any(f" {word} " in told for word in ("and", "or", "nor"))


def _members(group: Group) -> list[Node]:
    """Return the members, and in the place of groups joined by the same word, theirs."""
    found: list[Node] = []
    for item in group.items:
        core, no = _core(item)
        if isinstance(core, Group) and not no and core.combinator is group.combinator:
            found += _members(core)
        else:
            found.append(item)
    return found


def _member(item: Node, telling: Telling) -> str:
    core, no = _core(item)
    told = _node(item, telling)
    # The contrary of a group has brackets of its own.
    return f"({told})" if isinstance(core, Group) and not no else told
