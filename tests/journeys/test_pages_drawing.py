"""Where things stand on the canvas, and that the style sheet agrees."""

import re
from pathlib import Path

from app.blueprints.journeys import presenters
from app.journeys.step_type import Known, read_graph

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
