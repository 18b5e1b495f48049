"""Reading, checking and changing graphs."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.journeys import editing, parts
from app.journeys.graph import BadGraph, CannotEdit, Graph, problems
from app.journeys.kinds import check_graph, exit_labels, new_step, read_graph
from app.journeys.layout import lay_out
from app.journeys.step_type import Known
from tests.journeys.helpers import asks, step, wait


def graph(*steps: dict[str, Any]) -> Graph:
    return read_graph(
        {"steps": [step("t", "TRIGGER", steps[0]["key"] if steps else None, {"event_type": "x"}), *steps]}
    )


def line() -> Graph:
    return graph(wait("a", "b", "1 day"), wait("b", "c", "1 day"), step("c", "END"))


def fork() -> Graph:
    """t → c; yes: a → j, no: b → j; j → end"""
    return graph(
        asks("c", "a", "b"), wait("a", "j", "1 day"), wait("b", "j", "1 day"), wait("j", "e", "1 day"), step("e", "END")
    )


def ways(found: Graph) -> dict[str, dict[str, str | None]]:
    return {one.key: dict(one.exits) for one in found}


def test_a_graph_survives_its_json() -> None:
    assert read_graph(fork().to_json()) == fork()
    shown = fork().to_json()["steps"][1]
    assert shown == {
        "key": "c", "type": "CONDITION", "name": None, "config": {"rules": [], "combinator": "AND"},
        "next": None, "next_yes": "a", "next_no": "b",
    }  # fmt: skip


def test_the_trigger_comes_first_wherever_it_was() -> None:
    found = read_graph({"steps": [step("e", "END"), step("t", "TRIGGER", "e")]})
    assert list(found.steps) == ["t", "e"]


@pytest.mark.parametrize(
    ("steps", "at"),
    [
        ("nonsense", "steps"),
        ([1], "steps[0]"),
        ([step("a b", "END")], "steps[0].key"),
        ([step("", "END")], "steps[0].key"),
        ([step("é", "END")], "steps[0].key"),
        ([step("x" * 65, "END")], "steps[0].key"),
        ([step("a", "END"), step("a", "END")], "steps[1].key"),
        ([step("a", "SPLAT")], "steps[0].type"),
        ([{"key": "a", "type": "END", "config": []}], "steps[0].config"),
        ([step("a", "WAIT", None, {"duration": "a\0b"})], "steps[0].config"),
        ([step("a", "WAIT", None, {"duration": "\ud800"})], "steps[0].config"),
        ([step("a", "WAIT", None, {"x": float("nan")})], "steps[0].config"),
        ([step("a", "WAIT", "no key")], "steps[0].next"),
        ([{"key": "a", "type": "END", "name": "x" * 201}], "steps[0].name"),
        ([step(f"s{one}", "END") for one in range(501)], "steps"),
    ],
)
def test_what_is_no_graph_is_refused_beside_the_step(steps: Any, at: str) -> None:
    with pytest.raises(BadGraph) as refused:
        read_graph({"steps": steps})
    assert at in refused.value.errors


def test_deep_settings_are_refused_without_recursion() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(BadGraph):
        read_graph({"steps": [step("a", "WAIT", None, deep)]})


@pytest.mark.parametrize("number", [1e30, -1e300, 2**64, float("nan"), float("inf")])
def test_numbers_that_could_not_be_read_again_are_refused(number: float) -> None:
    config = {"rules": [{"field": "handicap_index", "operator": "gt", "value": number}]}
    with pytest.raises(BadGraph):
        read_graph({"steps": [step("a", "CONDITION", None, config)]})
    unasked = read_graph({"steps": [step("a", "CONDITION", None, {})]})
    with pytest.raises(BadGraph):
        editing.configure(unasked, "a", exits=("yes", "no"), config=config)


def messages(found: Graph) -> list[tuple[str | None, str | None]]:
    return [(one.step_key, one.field) for one in problems(found)]


def test_problems_of_shape() -> None:
    assert messages(line()) == []
    assert messages(read_graph({"steps": []})) == [(None, None)]
    assert messages(graph()) == [(None, None)]
    assert messages(read_graph({"steps": [step("e", "END")]})) == [(None, None)]
    assert ("a", "next") in messages(graph(wait("a", "gone", "1 day")))
    assert ("lost", None) in messages(graph(step("e", "END"), wait("lost", "e", "1 day")))
    twice = read_graph({"steps": [step("t", "TRIGGER", "e"), step("t2", "TRIGGER", "e"), step("e", "END")]})
    assert ("t2", None) in messages(twice)
    assert messages(graph(wait("a", "b", "1 day"), wait("b", "a", "1 day"))) == [("b", "next")]
    assert ("a", "next") in messages(graph(wait("a", "t", "1 day")))
    assert ("a", "next") in messages(graph(wait("a", "a", "1 day")))


def test_settings_are_checked_beside_their_field() -> None:
    found = graph(wait("w", "s", "tomorrow"), step("s", "SEND", "c", {"channel": "EMAIL"}), asks("c", "u", None),
                  step("u", "UPDATE", None, {"updates": [{"field": "tenant_id", "value": "x"}]}))  # fmt: skip
    at = {(one.step_key, one.field) for one in check_graph(found, Known())}
    assert at == {("w", "duration"), ("s", "template_id"), ("c", "rules"), ("u", "updates[0].field")}


def test_insert_takes_the_chain_along() -> None:
    found = editing.insert(line(), new_step(line(), "WAIT", key="n"), "a")
    assert ways(found)["a"] == {"next": "n"}
    assert ways(found)["n"] == {"next": "b"}
    condition = editing.insert(line(), new_step(line(), "CONDITION", key="n"), "t")
    assert ways(condition)["n"] == {"yes": "a", "no": None}
    assert messages(condition) == []


def test_an_end_goes_only_where_a_path_stops() -> None:
    opened = editing.insert(line(), new_step(line(), "CONDITION", key="n"), "t")
    ended = editing.insert(opened, new_step(opened, "END", key="n2"), "n", "no")
    assert ways(ended)["n"] == {"yes": "a", "no": "n2"}
    assert not editing.can_insert(opened, "n", "yes", ())
    with pytest.raises(CannotEdit):
        editing.insert(line(), new_step(line(), "END", key="n"), "a")
    with pytest.raises(CannotEdit):
        editing.insert(line(), new_step(line(), "WAIT", key="n"), "c")


@pytest.mark.parametrize(
    "act",
    [
        lambda g: editing.insert(g, new_step(g, "WAIT", key="a"), "t"),
        lambda g: editing.insert(g, new_step(g, "TRIGGER", key="n"), "t"),
        lambda g: editing.insert(g, new_step(g, "WAIT", key="n"), "gone"),
        lambda g: editing.insert(g, new_step(g, "WAIT", key="n"), "a", "yes"),
        lambda g: editing.delete(g, "t"),
        lambda g: editing.delete(g, "gone"),
        lambda g: editing.delete(g, "a", "maybe"),
        lambda g: parts.move(g, ["t"], "a"),
        lambda g: parts.move(g, ["a"], "a"),
        lambda g: parts.move(g, ["c"], "a"),
        lambda g: editing.connect(g, "b", "next", "a"),
        lambda g: editing.connect(g, "b", "next", "t"),
    ],
)
def test_what_can_not_be_edited_says_so(act: Callable[[Graph], Graph]) -> None:
    with pytest.raises(CannotEdit):
        act(line())


def test_delete_closes_the_gap() -> None:
    assert ways(editing.delete(line(), "a")) == {"t": {"next": "b"}, "b": {"next": "c"}, "c": {}}
    assert ways(editing.delete(line(), "c")) == {"t": {"next": "a"}, "a": {"next": "b"}, "b": {"next": None}}


def test_delete_a_condition_keeps_one_branch() -> None:
    assert set(editing.delete(fork(), "c").steps) == {"t", "a", "j", "e"}
    assert set(editing.delete(fork(), "c", "no").steps) == {"t", "b", "j", "e"}
    assert set(editing.delete(fork(), "c", "").steps) == {"t"}


def test_move_one_step() -> None:
    assert ways(parts.move(line(), ["a"], "b")) == {
        "t": {"next": "b"}, "a": {"next": "c"}, "b": {"next": "a"}, "c": {}
    }  # fmt: skip
    assert parts.move(line(), ["a"], "t") == line()


def test_move_a_condition_with_its_branches() -> None:
    found = parts.move(fork(), ["c"], "j")
    assert ways(found)["t"] == {"next": "j"}
    assert ways(found)["j"] == {"next": "c"}
    assert ways(found)["a"] == ways(found)["b"] == {"next": "e"}
    assert messages(found) == []
    with pytest.raises(CannotEdit):
        parts.move(fork(), ["c"], "a")


def test_settings_and_names() -> None:
    found = editing.configure(line(), "a", exits=("next",), config={"duration": "2 days"}, name=" Rest ")
    assert (found.step("a").config, found.step("a").name) == ({"duration": "2 days"}, "Rest")
    for nothing in ("", " \u200b "):
        assert editing.configure(found, "a", exits=("next",), name=nothing).step("a").name is None
    with pytest.raises(BadGraph):
        editing.configure(line(), "a", exits=("next",), config={"duration": "\0"})


def test_branches_can_meet() -> None:
    found = editing.connect(fork(), "b", "next", "e")
    assert ways(found)["b"] == {"next": "e"}


KINDS = ("WAIT", "CONDITION", "UPDATE", "SEND", "END")


@st.composite
def edited(draw: st.DrawFn) -> Graph:
    """A graph made by random edits, as people make them."""
    found = graph(step("e", "END"))
    for number in range(draw(st.integers(0, 14))):
        places = [(one.key, exit) for one in found for exit in one.exits]
        after, exit = draw(st.sampled_from(places))
        others = [one.key for one in found if one.type != "TRIGGER"]
        act = draw(st.sampled_from(["insert", "insert", "insert", "delete", "move", "connect"]))
        try:
            if act == "insert":
                new = new_step(found, draw(st.sampled_from(KINDS)), key=f"s{number}")
                found = editing.insert(found, new, after, exit)
            elif act == "delete" and others:
                found = editing.delete(found, draw(st.sampled_from(others)), draw(st.sampled_from([None, ""])))
            elif act == "move" and others:
                found = parts.move(found, [draw(st.sampled_from(others))], after, exit)
            elif others:
                target = draw(st.sampled_from(others))
                changed = editing.connect(found, after, exit, target)
                lost = set(changed.steps) - changed.reached_from("t")
                found = changed.without(lost)
        except CannotEdit:
            pass
    return found


@settings(max_examples=150, deadline=None)
@given(edited(), st.randoms(use_true_random=False))
def test_every_graph_that_edits_can_make_walks_to_an_end(found: Graph, chance: Any) -> None:
    if len(found) > 1:
        assert messages(found) == []
    key: str | None = "t"
    for _ in range(len(found) + 1):
        if key is None:
            break
        exits = list(found.steps[key].exits.values())
        key = chance.choice(exits) if exits else None
    assert key is None
    order = found.ranks
    assert all(order[edge.source] < order[edge.target] for edge in found.edges if edge.target)
    assert read_graph(found.to_json()) == found


@settings(max_examples=150, deadline=None)
@given(edited())
def test_no_two_things_on_the_canvas_stand_on_each_other(found: Graph) -> None:
    picture = lay_out(found)
    assert picture == lay_out(read_graph(found.to_json()))
    assert set(picture.places) == set(found.steps)
    spots = [(one.x, one.y) for one in (*picture.places.values(), *picture.ends)]
    for index, (x, y) in enumerate(spots):
        assert x >= 0.5
        assert y >= 0
        assert all(other_y != y or abs(other_x - x) >= 1 for other_x, other_y in spots[index + 1 :])
        assert x + 0.5 <= picture.width
        assert y + 0.5 <= picture.height
    for edge in found.edges:
        if edge.target:
            assert picture.places[edge.target].y > picture.places[edge.source].y
    assert {(drop.after, drop.exit) for drop in picture.drops} == {(edge.source, edge.exit) for edge in found.edges}


def test_layout_of_branches_that_meet() -> None:
    picture = lay_out(fork())
    at = {key: (place.x, place.y) for key, place in picture.places.items()}
    assert at == {"t": (1, 0), "c": (1, 1), "a": (0.5, 2), "b": (1.5, 2), "j": (1, 3), "e": (1, 4)}
    assert [drop.exit for drop in picture.drops if drop.after == "c"] == ["yes", "no"]
    assert exit_labels(fork().steps["c"]) == {"yes": "Yes", "no": "No"}
    assert picture.ends == []


def test_layout_bears_any_draft() -> None:
    loop = graph(wait("a", "b", "1 day"), wait("b", "a", "1 day"), wait("x", "gone", "1 day"))
    assert set(lay_out(loop).places) == {"t", "a", "b", "x"}
    assert lay_out(read_graph({"steps": []})).width == 0
