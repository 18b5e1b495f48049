"""The acts of the form for conditions: what each does to the tree, by the key of a row."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.blueprints.conditions.acts import act
from app.blueprints.conditions.draft import closed, opened


def rule(name: str) -> dict[str, Any]:
    return {"field": name, "operator": "isNull"}


A, B, C, D = map(rule, "abcd")
BLANK = {"field": "", "operator": "eq", "value": ""}


def both(*rules: Any) -> dict[str, Any]:
    return {"combinator": "AND", "rules": list(rules)}


def either(*rules: Any) -> dict[str, Any]:
    return {"combinator": "OR", "rules": list(rules)}


DID = {"event": "round", "operator": "gte", "value": 1}

# Keys number the nodes from the top: the root is 1.
CASES: list[tuple[dict[str, Any], str, dict[str, Any], tuple[str, str] | None]] = [
    (both(A), "add:1", both(A, BLANK), ("3", "field")),
    (both(A), "group:1", both(A, either(BLANK)), ("4", "field")),
    (either(A), "group:1", either(A, both(BLANK)), ("4", "field")),
    (both(A, B), "remove:2", both(B), ("3", "menu")),
    (both(A, B), "remove:3", both(A), ("2", "menu")),
    (both(A), "remove:2", both(), ("1", "add")),
    (both(A), "remove:1", both(A), None),
    (both(A, either(B)), "remove:4", both(A), ("2", "menu")),
    (both(either(B, C)), "remove:2", both(), ("1", "add")),
    (both(A, B), "duplicate:2", both(A, A, B), ("4", "menu")),
    (both(either(A, B)), "duplicate:2", both(either(A, B), either(A, B)), ("5", "menu")),
    (both(A), "disable:2", both({**A, "disabled": True}), ("2", "menu")),
    (both({"not": {**A, "disabled": True}}), "disable:2", both({"not": A}), ("2", "menu")),
    (both(A), "negate:2", both({"not": A}), ("2", "menu")),
    (both({**either(A), "disabled": True}), "negate:2", both({"not": either(A), "disabled": True}), ("2", "menu")),
    (both({"not": {"not": A}}), "negate:2", both({"not": A}), ("2", "menu")),
    (both(A, B), "or:1", either(A, B), ("1", "or")),
    (either(A, B), "and:1", both(A, B), ("1", "and")),
    (both(A, B, C), "up:4", both(A, C, B), ("4", "menu")),
    (both(A, B, C), "down:2", both(B, A, C), ("2", "menu")),
    (both(A, B), "up:2", both(A, B), None),
    (both(A, B), "down:3", both(A, B), None),
    (both(A, either(B, C)), "up:4", both(A, B, either(C)), ("4", "menu")),
    (both(either(B, C), A), "down:4", both(either(B), C, A), ("4", "menu")),
    (both(either(B), A), "out:3", both(B, A), ("3", "menu")),
    (both(A), "out:2", both(A), None),
    (both(A, B), "wrap:3", both(A, either(B)), ("3", "menu")),
    (both(either(A), B), "into:4", both(either(A, B)), ("4", "menu")),
    (both(A, either(B)), "into:2", both(either(A, B)), ("2", "menu")),
    (both(A), "into:2", both(either(A)), ("2", "menu")),
    (both(DID), "where:2", both({**DID, "where": both(BLANK)}), ("4", "field")),
    (both(A), "where:2", both(A), None),
    (both({**DID, "where": both(A)}), "remove:4", both(DID), ("2", "menu")),
    (both({**DID, "where": both(A)}), "remove:3", both(DID), ("2", "menu")),
    (both({**DID, "where": both(A)}), "out:4", both({**DID, "where": both(A)}), None),
    (both(A, B, C), "move:2:1:3", both(B, C, A), ("2", "menu")),
    (both(A, B, C), "move:4:1:0", both(C, A, B), ("4", "menu")),
    (both(A, either(B)), "move:2:3:1", both(either(B, A)), ("2", "menu")),
    (both(A, either(B)), "move:4:1:0", both(B, A), ("4", "menu")),
    (both(A, either(B)), "move:3:3:0", both(A, either(B)), None),
    (both(either(A, either(B))), "move:2:4:0", both(either(A, either(B))), None),
    (both(A, {**DID, "where": both(B)}), "move:2:4:0", both(A, {**DID, "where": both(B)}), None),
    (both(A), "move:2:1:99", both(A), ("2", "menu")),
    (both(A), "redraw", both(A), None),
    (both(A), "add:9", both(A), None),
    (both(A), "add:2", both(A), None),
    (both(A), "nonsense:1", both(A), None),
    (both(A), "move:2", both(A), None),
]


@pytest.mark.parametrize(
    ("before", "given", "after", "focus"), CASES, ids=lambda one: one if isinstance(one, str) else ""
)
def test_an_act(before: dict[str, Any], given: str, after: dict[str, Any], focus: tuple[str, str] | None) -> None:
    root = opened(before)
    assert act(root, given) == focus
    assert closed(root) == after


nodes = st.recursive(
    st.sampled_from([A, B, {**DID, "where": both(C, D)}]),
    lambda some: st.builds(
        lambda group, rules: group(*rules), st.sampled_from([both, either]), st.lists(some, max_size=3)
    ),
    max_leaves=6,
)
verbs = st.sampled_from("add group remove duplicate disable negate up down out wrap into where and or".split())  # noqa: SIM905
keys = st.integers(1, 14)
moves = st.builds(lambda key, group, place: f"move:{key}:{group}:{place}", keys, keys, st.integers(0, 4))


@given(data=nodes, done=st.lists(st.builds(lambda verb, key: f"{verb}:{key}", verbs, keys) | moves, max_size=8))
def test_no_act_loses_a_rule_or_a_key(data: Any, done: list[str]) -> None:
    root = opened(data)
    for one in done:
        before = [node.data.get("field") for node in root.walk() if not node.is_group]
        act(root, one)
        after = [node.data.get("field") for node in root.walk() if not node.is_group]
        if one.partition(":")[0] in ("disable", "negate", "up", "down", "out", "wrap", "into", "move", "and", "or"):
            assert sorted(map(str, before)) == sorted(map(str, after))
        found = [node.key for node in root.walk()]
        assert len(set(found)) == len(found)
        assert min(found) > 0
