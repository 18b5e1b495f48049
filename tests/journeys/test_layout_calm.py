"""A picture of a hundred steps stays readable and calm: no lines across, and a step more pushes nothing aside."""

import random
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

import pytest

from app.journeys import editing
from app.journeys.graph import Graph
from app.journeys.layout import Layout, lay_out
from app.journeys.step_type import read_graph
from tests.journeys.helpers import asks, step, wait

Point = tuple[float, float]


def hundred(rng: random.Random) -> Graph:
    """Return a journey of a good hundred steps: forks in forks, whose branches end or meet again."""
    steps: list[dict[str, Any]] = []

    def chain(count: int, to: str | None, depth: int) -> str | None:
        """Put in so many steps that lead to a step and return the first of them."""
        if not count:
            return to
        key = f"s{len(steps)}_{depth}_{count}"
        if count >= 5 and depth < 6 and rng.random() < 0.4:
            rest = chain(count // 4, to, depth)
            first = chain(count * 3 // 8, rng.choice((rest, None)), depth + 1)
            steps.append(asks(key, first, chain(count * 3 // 8, rest, depth + 1)))
        else:
            steps.append(wait(key, chain(count - 1, to, depth), "1 day"))
        return key

    first = chain(115, None, 0)
    return read_graph({"steps": [step("t", "TRIGGER", first, {"event_type": "MANUAL"}), *steps]})


def crosses(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    """Return whether an upright and a level piece of line cross between their ends."""
    upright, level = (one, other) if one[0][0] == one[1][0] else (other, one)
    if upright[0][0] != upright[1][0] or level[0][1] != level[1][1]:
        return False
    (x, _), (_, y) = upright[0], level[0]
    low, high = sorted(point[1] for point in upright)
    left, right = sorted(point[0] for point in level)
    return left < x < right and low < y < high


def tangled(picture: Layout) -> list[Any]:
    """Return lines that cross, and steps that a line of others goes through."""
    pieces = [(line, piece) for line in picture.lines for piece in pairwise(line.points)]
    found: list[Any] = [
        (one.source, other.source)
        for (one, piece), (other, beside) in combinations(pieces, 2)
        if one is not other and crosses(piece, beside)
    ]
    for line, ((x, top), (end, bottom)) in pieces:
        found += [
            (line.source, place.key)
            for place in picture.places.values()
            if x == end and abs(x - place.x) < 0.5 and top < place.y < bottom
        ]
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_hundred_steps_stay_calm(seed: int) -> None:
    graph = hundred(random.Random(seed))
    assert len(graph) >= 100
    before = lay_out(graph)
    assert tangled(before) == []
    waits = next(one for one in graph if one.type == "WAIT")
    for edge in graph.edges():
        more = editing.insert(graph, replace(waits, key="more", exits={"next": None}), edge.source, edge.exit)
        after = lay_out(more)
        assert {key: place.x for key, place in after.places.items() if key != "more"} == {
            key: place.x for key, place in before.places.items()
        }
        assert all(after.places[key].y - place.y in (0, 1) for key, place in before.places.items())
