"""A picture of a hundred steps stays readable and calm: no lines across, and a step more pushes nothing aside."""

import random
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

import pytest

from app.journeys import editing
from app.journeys.graph import Graph
from app.journeys.kinds import read_graph
from app.journeys.layout import Layout, lay_out
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


def lines(graph: Graph, picture: Layout) -> list[tuple[str, list[Point]]]:
    """Return the step each line comes from and its corners: down, across, down, and across to its target."""
    columns = {(drop.after, drop.exit): drop.x for drop in picture.drops}
    found = []
    for edge in graph.edges:
        source, column = picture.places[edge.source], columns[edge.source, edge.exit]
        target = picture.places.get(edge.target or "")
        x, y = (target.x, target.y) if target else (column, source.y + 1)
        turns = [(source.x, source.y + 0.5), (column, source.y + 0.5), (column, y - 0.5), (x, y - 0.5)]
        found.append((edge.source, [(source.x, source.y), *turns, (x, y)]))
    return found


def tangled(graph: Graph, picture: Layout) -> list[Any]:
    """Return lines that cross, and steps that a line of others goes through."""
    drawn = lines(graph, picture)
    found: list[Any] = [
        (source, other)
        for (source, one), (other, beside) in combinations(drawn, 2)
        for piece in pairwise(one)
        for across in pairwise(beside)
        if crosses(piece, across)
    ]
    for source, corners in drawn:
        for (x, top), (end, bottom) in pairwise(corners):
            found += [
                (source, place.key)
                for place in picture.places.values()
                if x == end and abs(x - place.x) < 0.5 and top < place.y < bottom
            ]
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_hundred_steps_stay_calm(seed: int) -> None:
    graph = hundred(random.Random(seed))
    assert len(graph) >= 100
    before = lay_out(graph)
    assert tangled(graph, before) == []
    waits = next(one for one in graph if one.type == "WAIT")
    for edge in graph.edges:
        more = editing.insert(graph, replace(waits, key="more", exits={"next": None}), edge.source, edge.exit)
        after = lay_out(more)
        assert {key: place.x for key, place in after.places.items() if key != "more"} == {
            key: place.x for key, place in before.places.items()
        }
        assert all(after.places[key].y - place.y in (0, 1) for key, place in before.places.items())
