"""The drawing of how many went where: no step is left out, bands are as wide as what they say, nothing leads up."""

import re

from hypothesis import given
from hypothesis import strategies as st

from app.web.sankey import BAR, WIDE, Band, Node, Sankey, Stay, sankey

KEYS = "abcdefgh"


def node(key: str, value: int, *stays: Stay) -> Node:
    return Node(key, key.upper(), str(value), value, f"{key}: {value}", f"/{key}", stays)


def band(source: str, target: str, value: int) -> Band:
    return Band(source, target, value, f"{value} from {source} to {target}", f"/{source}{target}")


def numbers(path: str) -> list[float]:
    return [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", path)]


def widths(drawn: Sankey) -> dict[str, float]:
    return {bar.node.key: bar.width for bar in drawn.bars}


def test_what_forks_and_meets_again_is_drawn_in_proportion() -> None:
    nodes = [node("a", 100), node("b", 60), node("c", 30), node("d", 90, Stay("completed", 90))]
    bands = [band("a", "b", 60), band("a", "c", 30), band("b", "d", 60), band("c", "d", 30)]
    drawn = sankey([*nodes[:1], *nodes[1:]], bands, {key: place for place, key in enumerate("abcd")})
    wide = widths(drawn)
    assert wide["a"] / wide["b"] == 100 / 60
    assert wide["b"] == 2 * wide["c"]
    tops = {bar.node.key: bar.y for bar in drawn.bars}
    assert tops["a"] < tops["b"] == tops["c"] < tops["d"]
    [last] = [bar for bar in drawn.bars if bar.node.key == "d"]
    assert last.parts == [("completed", last.x, last.width)]
    assert drawn.height == tops["d"] + BAR + tops["a"]
    assert len(drawn.bands) == 4
    assert drawn.back == []


def test_what_leads_up_is_not_drawn() -> None:
    nodes = [node(key, 10) for key in "abc"]
    bands = [band("a", "b", 10), band("b", "c", 10), band("c", "a", 4), band("b", "b", 1)]
    drawn = sankey(nodes, bands, {"a": 0, "b": 1, "c": 2})
    assert {(one.source, one.target) for one in drawn.back} == {("c", "a"), ("b", "b")}


def test_a_long_band_goes_past_the_steps_between() -> None:
    nodes = [node("a", 10), node("b", 6), node("c", 6), node("d", 10)]
    drawn = sankey(nodes, [band("a", "b", 6), band("b", "c", 6), band("c", "d", 6), band("a", "d", 4)], {})
    [path] = [path for one, path in drawn.bands if (one.source, one.target) == ("a", "d")]
    xs = numbers(path)[::2]
    for bar in drawn.bars:
        if bar.node.key in "bc":
            assert max(xs) <= bar.x or min(xs) >= bar.x + bar.width or bar.width == 0 or not _inside(bar, path)


def _inside(bar: object, path: str) -> bool:
    found = numbers(path)
    y = bar.y + BAR / 2  # type: ignore[attr-defined]
    return (
        any(abs(one - y) < BAR / 2 for one in found[1::2])
        and any(
            bar.x < one < bar.x + bar.width  # type: ignore[attr-defined]
            for one, at in zip(found[::2], found[1::2], strict=True)
            if bar.y < at < bar.y + BAR  # type: ignore[attr-defined]
        )
    )


bands_of = st.lists(st.builds(band, st.sampled_from(KEYS), st.sampled_from(KEYS), st.integers(1, 10_000)), max_size=20)


@given(bands_of, st.permutations(KEYS), st.integers(0, 8))
def test_any_flow_is_drawn_inside_its_box(bands: list[Band], order: list[str], ranked: int) -> None:
    nodes = [node(key, sum(one.value for one in bands if one.target == key)) for key in KEYS]
    drawn = sankey(nodes, bands, {key: place for place, key in enumerate(order[:ranked])})
    assert {bar.node.key for bar in drawn.bars} == set(KEYS)
    assert sorted(map(repr, [*(one for one, _ in drawn.bands), *drawn.back])) == sorted(map(repr, bands))
    tops = {bar.node.key: bar.y for bar in drawn.bars}
    for one, path in drawn.bands:
        assert tops[one.source] < tops[one.target]
        assert all(-1 <= x <= WIDE + 3 for x in numbers(path)[::2])
    for bar in drawn.bars:
        assert bar.x >= 0
        assert bar.x + max(bar.width, bar.room) <= WIDE + 3
        assert bar.y + BAR <= drawn.height
