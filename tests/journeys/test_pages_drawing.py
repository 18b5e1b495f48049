"""Where things stand on the canvas, and that the style sheet agrees."""

import re
from pathlib import Path
from typing import Any

import pytest

from app.accounts.models import Tenant
from app.blueprints.journeys import presenters, step_form
from app.blueprints.journeys.board import sources
from app.journeys import parts
from app.journeys.graph import Graph, Step
from app.journeys.kinds import check_graph, exits_of, read_graph
from app.journeys.step_type import Known, step_types

CSS = (Path(__file__).parents[2] / "app" / "static" / "css" / "canvas.css").read_text()


def test_sizes_are_those_of_the_style_sheet() -> None:
    sizes = {name: int(value) for name, value in re.findall(r"--(half|pitch|pad|card-w|card-h): (\d+)px;", CSS)}
    assert sizes == {
        "half": presenters.HALF,
        "pitch": presenters.PITCH,
        "pad": presenters.PAD,
        "card-w": presenters.CARD_WIDTH,
        "card-h": presenters.CARD_HEIGHT,
    }


def test_a_cell_is_told_by_its_digits() -> None:
    assert presenters.cell(0.5, 0) == "at"
    assert presenters.cell(1.5, 3) == "at x2 y3"
    assert presenters.cell(53, 120) == "at x100 x5 y100 y20"
    for name in ("x900", "y900", "x10", "y9"):
        assert f".{name} {{" in CSS


def test_a_branch_that_meets_again_is_drawn_below_both() -> None:
    graph = read_graph(
        {
            "steps": [
                {"key": "t", "type": "TRIGGER", "config": {"event_type": "MANUAL"}, "next": "c"},
                {"key": "c", "type": "CONDITION", "config": {}, "next_yes": "w", "next_no": "e"},
                {"key": "w", "type": "WAIT", "config": {"duration": "1 day"}, "next": "e"},
                {"key": "e", "type": "END", "config": {}},
            ]
        }
    )
    canvas = presenters.draw(graph, known=Known(), problems=[])
    assert [card.key for card in canvas.cards] == ["t", "c", "w", "e"]
    assert canvas.cards[1].down == "w e"
    assert len(canvas.paths) == 4
    assert all(path.tip for path in canvas.paths)
    points = [float(one) for path in canvas.paths for one in re.findall(r"[\d.]+", path.d)]
    assert max(points) <= max(canvas.width, canvas.height)


def test_corners_are_rounded_no_further_than_there_is_room() -> None:
    assert presenters.rounded([(0, 0), (0, 10), (0, 10), (4, 10)]) == "M0 0L0 8Q0 10 2 10L4 10"


FORK = {
    "steps": [
        {"key": "t", "type": "TRIGGER", "config": {"event_type": "MANUAL"}, "next": "c"},
        {"key": "c", "type": "CONDITION", "config": {}, "next_yes": "w", "next_no": "x"},
        {"key": "w", "type": "WAIT", "config": {"duration": "1 day"}, "next": "e"},
        {"key": "x", "type": "WAIT", "config": {}, "next": "e"},
        {"key": "e", "type": "END", "config": {}},
    ]
}


def test_rows_are_read_branch_by_branch_and_what_they_share_last() -> None:
    rows = presenters.draw(read_graph(FORK), known=Known(), problems=[]).rows
    names = [row.card.key if row.card else f"{row.slot.after}.{row.slot.exit}" for row in rows if row.card or row.slot]
    assert list(zip(names, [row.depth for row in rows], strict=True)) == [
        ("t", 0), ("t.next", 0), ("c", 0),
        ("c.yes", 1), ("w", 1), ("w.next", 1),
        ("c.no", 1), ("x", 1), ("x.next", 1),
        ("e", 0),
    ]  # fmt: skip


def test_folded_branches_hide_their_steps_but_neither_what_is_open_nor_what_is_missing() -> None:
    graph = read_graph(FORK)
    problems = check_graph(graph, Known())
    canvas = presenters.draw(graph, known=Known(), problems=problems, folded=["c", "gone"])
    assert [card.key for card in canvas.cards] == ["t", "c", "e"]
    folded = canvas.cards[1]
    assert (folded.hidden, folded.down) == (2, "e")
    assert "Something is missing in the branches folded away." in folded.problems
    assert not [row for row in canvas.rows if row.slot and row.slot.after == "c"]
    shown = presenters.draw(graph, known=Known(), problems=problems, folded=["c"], showing=["x"])
    assert len(shown.cards) == 5


def test_a_note_hangs_at_its_step_and_else_at_the_trigger() -> None:
    notes = [
        {"id": "a", "text": "x", "colour": "blue", "step": "e", "x": 150, "y": 10},
        {"id": "b", "text": "y", "colour": "pink", "step": "gone", "x": -9999, "y": 0},
    ]
    graph = read_graph({**FORK, "notes": notes})
    assert graph.to_json()["notes"] == notes
    canvas = presenters.draw(graph, known=Known(), problems=[])
    stuck = {row.card.key: [one.note.id for one in row.notes] for row in canvas.rows if row.card and row.notes}
    assert stuck == {"t": ["b"], "e": ["a"]}
    assert all(one.left >= 8 and one.top >= 8 for row in canvas.rows for one in row.notes)


KINDS = [name for name, _ in step_types()]
ODD: list[Any] = [None, [], {}, "x", 5, ["x"], [{}], [5], {"x": []}]


@pytest.mark.parametrize("type", KINDS)
def test_settings_of_any_shape_are_drawn_asked_for_and_pasted(tenant: Tenant, type: str) -> None:
    around = Known()
    asked = sources(tenant.id, around)
    kind = step_types().get(type)
    for name in kind.Config.model_json_schema().get("properties", {}):
        for odd in ODD:
            config = {**kind.defaults(), name: odd}
            graph = Graph({"k": Step("k", type, None, config, dict.fromkeys(exits_of(type, config)))})
            presenters.draw(graph, known=around, problems=check_graph(graph, around))
            step_form.controls(graph.steps["k"], config, check_graph(graph, around), asked)
            parts.renamed(graph, graph)


def test_a_weight_of_endless_digits_is_drawn(tenant: Tenant) -> None:
    around = Known()
    config = {"variants": [{"key": "a", "name": "A", "weight": 10**400}], "holdout_percent": 10**400}
    graph = Graph({"k": Step("k", "SPLIT", None, config, {"a": None})})
    step_form.controls(graph.steps["k"], config, [], sources(tenant.id, around))
