"""Several steps at once: taken out, moved, copied into another graph."""

import json
from typing import Any

import pytest

from app.journeys import clips, parts
from app.journeys.graph import BadGraph, CannotEdit, Graph, problems
from app.journeys.kinds import read_graph
from tests.journeys.helpers import asks, step, wait


def graph(*steps: dict[str, Any]) -> Graph:
    return read_graph({"steps": [step("t", "TRIGGER", steps[0]["key"], {"event_type": "MANUAL"}), *steps]})


def ways(found: Graph) -> dict[str, dict[str, str | None]]:
    return {one.key: dict(one.exits) for one in found}


def line() -> Graph:
    return graph(*(wait(key, to, "1 day") for key, to in (("a", "b"), ("b", "c"), ("c", "d"), ("d", None))))


def fork() -> Graph:
    """t → c; yes → a → b, no → d; both meet at j → e."""
    steps = [asks("c", "a", "d"), wait("a", "b", "1 day"), wait("b", "j", "1 day"), wait("d", "j", "1 day")]
    return graph(*steps, wait("j", "e", "1 day"), step("e", "END"))


def test_steps_that_stand_apart_go_at_once() -> None:
    assert ways(parts.take_out(line(), ["a", "c"])) == {"t": {"next": "b"}, "b": {"next": "d"}, "d": {"next": None}}


def test_what_follows_taken_branches_moves_up() -> None:
    assert ways(parts.take_out(fork(), ["c", "a", "b", "d"])) == {"t": {"next": "j"}, "j": {"next": "e"}, "e": {}}
    assert set(parts.take_out(fork(), ["c", "a"]).steps) == {"t", "b", "j", "e"}


def test_a_branch_moves_as_one_and_goes_on_with_what_follows() -> None:
    found = parts.move(fork(), ["a", "b"], "j")
    assert ways(found)["c"] == {"yes": "j", "no": "d"}
    assert (ways(found)["j"], ways(found)["b"]) == ({"next": "a"}, {"next": "e"})
    assert problems(found) == []


def test_steps_that_stand_apart_are_put_one_after_the_other() -> None:
    assert ways(parts.move(line(), ["a", "c"], "d")) == {
        "t": {"next": "b"}, "b": {"next": "d"}, "d": {"next": "a"}, "a": {"next": "c"}, "c": {"next": None},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "after", "exit"),
    [(["c", "a"], "j", "next"), (["b", "d", "j"], "c", "yes"), (["e", "a"], "t", "next"), ([], "t", "next")],
)
def test_what_would_lose_steps_or_run_in_circles_is_refused(keys: list[str], after: str, exit: str) -> None:
    with pytest.raises(CannotEdit):
        parts.move(fork(), keys, after, exit)


def test_a_copy_has_keys_of_its_own() -> None:
    taken = parts.renamed(parts.part_of(fork(), ["c", "a", "b", "d"]), line())
    found = parts.put(line(), taken, "b")
    assert len(found) == len(line()) + 4
    head = found.steps[str(found.steps["b"].exits["next"])]
    assert head.type == "CONDITION"
    assert [ways(found)[key]["next"] for key in taken.steps if found.steps[key].type == "WAIT"].count("c") == 2
    assert problems(found) == []


@pytest.mark.parametrize(
    ("type", "config", "name"),
    [("JUMP", {}, "to"), ("SPLIT", {"variants": [{"key": "a", "name": "A"}], "learn": "step"}, "learn_step")],
)
def test_a_step_named_outside_of_the_clip_is_no_step_of_another_journey(
    type: str, config: dict[str, Any], name: str
) -> None:
    named = [step("x", type, None, {**config, name: "b"}), step("y", type, None, {**config, name: "x"})]
    part = parts.part_of(read_graph({"steps": named}), ["x", "y"])
    keys = list((pasted := parts.renamed(part, line())).steps)
    assert [one.config[name] for one in pasted] == ["-b", keys[0]]
    kept = parts.renamed(part, line(), keep=True)
    assert [one.config[name] for one in kept] == ["b", "x"]


def test_a_text_of_steps_is_read_and_anything_else_refused() -> None:
    text = json.dumps({"journey": None, "steps": [step("t", "TRIGGER", "s"), step("s", "SEND", None, {"x": 1})]})
    assert set(clips.read(text).part.steps) == {"s"}
    for wrong in ("", "hello", "[]", '{"steps": []}', '{"steps": [{"key": "a", "type": "NONE"}]}', "[" * 99999):
        with pytest.raises(BadGraph, match="no steps of a journey"):
            clips.read(wrong)
