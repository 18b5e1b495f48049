"""What is different between two graphs, in sentences."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.journeys import editing, parts
from app.journeys.changes import Touched, changes, goes_on_at, touched
from app.journeys.graph import CannotEdit, Graph
from app.journeys.kinds import exits_of, new_step
from app.journeys.step_type import Known
from tests.journeys.helpers import asks, step, tag, wait
from tests.journeys.test_graph import KINDS, edited, fork, graph


def told(before: Graph, after: Graph) -> list[tuple[str, str]]:
    return [(one.what, one.sentence) for one in changes(before, after, Known())]


def line(*keys: str) -> Graph:
    """t → a tag for each key"""
    pairs = zip(keys, [*keys[1:], None], strict=True)
    return graph(*(tag(key, following, key) for key, following in pairs))


def test_the_same_steps_are_no_change() -> None:
    assert told(fork(), fork()) == []


def test_a_wait_of_another_length() -> None:
    before, after = graph(wait("a", None, "3 days")), graph(wait("a", None, "5 days"))
    assert told(before, after) == [("settings", "Wait 3 days → Wait 5 days.")]


def test_what_the_card_does_not_say_is_named_by_its_field() -> None:
    config = {"channel": "EMAIL", "template_id": "0198c0de-0000-7000-8000-000000000001"}
    before = graph(step("a", "SEND", None, config))
    after = graph(step("a", "SEND", None, {**config, "one_copy": True}))
    [(what, sentence)] = told(before, after)
    assert what == "settings"
    assert "One copy an address changed" in sentence


def test_a_step_between_two_and_one_taken_away() -> None:
    short, long = line("a", "c"), line("a", "b", "c")
    assert told(short, long) == [("added", "“Add tag ‘b’” is added after “Add tag ‘a’”, before “Add tag ‘c’”.")]
    assert told(long, short) == [("removed", "“Add tag ‘b’” after “Add tag ‘a’” is removed.")]


def test_a_step_moved_down_is_one_change() -> None:
    [(what, sentence)] = told(line("a", "b", "c", "d"), line("b", "c", "a", "d"))
    assert (what, sentence) == ("moved", "“Add tag ‘a’” is moved: it comes after “Add tag ‘c’”, before “Add tag ‘d’”.")


def test_a_way_that_leads_elsewhere() -> None:
    after = editing.connect(fork(), "b", "next", "e")
    assert told(fork(), after) == [
        ("connected", "After “Wait 1 day”, people go on with “End” rather than “Wait 1 day”.")
    ]


def test_another_name_and_another_trigger() -> None:
    before = graph(wait("a", None, "1 day"))
    named = editing.configure(before, "a", exits=("next",), name="Breathe")
    assert told(before, named) == [("renamed", "“Wait” is called “Breathe”.")]
    other = editing.configure(before, "t", exits=("next",), config={"event_type": "MANUAL"})
    [(what, sentence)] = told(before, other)
    assert what == "trigger"
    assert sentence.endswith("→ When somebody is enrolled by hand.")


def test_whom_a_change_touches() -> None:
    before, after = line("a", "b", "c", "d"), line("b", "c", "a", "d")
    active = {"a": 1, "b": 2, "c": 4, "d": 8}
    [moved] = changes(before, after, Known())
    assert touched(moved, before, after, active) == Touched(here=1, before=0, past=14, again=6)
    [gone] = changes(before, line("a", "b", "d"), Known())
    assert touched(gone, before, line("a", "b", "d"), active) == Touched(here=4, before=3, past=8)


def test_where_people_of_a_removed_step_go_on() -> None:
    assert goes_on_at(line("a", "b", "c"), line("a", "c"), "b") == "c"
    assert goes_on_at(line("a", "b", "c"), line("a"), "b") is None
    split = graph(asks("c", "y", "n"), tag("y", None, "y"), tag("n", None, "n"))
    assert goes_on_at(split, editing.delete(split, "c"), "c") == "y"


@settings(max_examples=50, deadline=None)
@given(edited())
def test_nothing_edited_is_no_change(found: Graph) -> None:
    assert changes(found, found, Known()) == []


@settings(max_examples=150, deadline=None)
@given(edited(), st.data())
def test_every_single_edit_is_told_and_names_its_step(found: Graph, data: st.DataObject) -> None:
    places = [(one.key, exit) for one in found for exit in one.exits]
    after, exit = data.draw(st.sampled_from(places))
    key = data.draw(st.sampled_from(list(found.steps)))
    act = data.draw(st.sampled_from(["insert", "delete", "move", "connect", "configure", "rename"]))
    try:
        key, edited_ = _edit(found, act, key, after, exit, data)
    except CannotEdit:
        return
    told = changes(found, edited_, Known())
    assert bool(told) == (edited_ != found)
    if told:
        assert any(key == one.step_key or key in one.names for one in told), told


def _edit(found: Graph, act: str, key: str, after: str, exit: str, data: Any) -> tuple[str, Graph]:
    """Do one edit and return the step it is about."""
    match act:
        case "insert":
            new = new_step(found, data.draw(st.sampled_from(KINDS)), key="fresh")
            return "fresh", editing.insert(found, new, after, exit)
        case "delete":
            keep = data.draw(st.sampled_from([None, "", *found.steps[key].exits]))
            return key, editing.delete(found, key, keep)
        case "move":
            return key, parts.move(found, [key], after, exit)
        case "connect":
            return after, editing.connect(found, after, exit, data.draw(st.sampled_from([None, key])))
        case "configure":
            config = {"event_type": "y"} if key == "t" else {"x": 1}
            return key, editing.configure(found, key, exits=exits_of(found.steps[key].type, config), config=config)
        case _:
            return key, editing.configure(found, key, exits=tuple(found.steps[key].exits), name="Another name")
