"""Where lines, bars and circles are drawn."""

import math
import re
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.web import charts
from app.web.charts import HIGH, WIDE

DAYS = [f"{day} Nov" for day in range(1, 31)]


def heights(path: str) -> list[float]:
    return [float(y) for y in re.findall(r"[ML][\d.]+ (-?[\d.]+)", path)]


@given(st.lists(st.integers(0, 10**9) | st.none(), min_size=1, max_size=30))
def test_a_line_stays_in_its_box_and_rises_with_its_values(values: list[int | None]) -> None:
    chart = charts.line(DAYS[: len(values)], values, DAYS[: len(values)])
    known = [one for one in values if one is not None]
    found = heights(chart.line)
    assert len(found) == len(known)
    assert all(0 <= one <= HIGH for one in found)
    for (one, y), (other, z) in product(zip(known, found, strict=True), repeat=2):
        assert one <= other or y <= z
    assert len(chart.columns) == len(values)
    assert math.isclose(chart.columns[-1].x + chart.columns[-1].width, WIDE, abs_tol=0.1)


def test_a_day_nobody_counted_breaks_the_line() -> None:
    assert charts.line(DAYS[:5], [1, 2, None, 4, 5], DAYS[:5]).line.count("M") == 2
    assert charts.line(DAYS[:2], [None, None], DAYS[:2]).line == ""


def test_a_day_alone_is_seen() -> None:
    assert charts.line(DAYS[:1], [4], DAYS[:1]).line == "M480 0 h40"
    assert charts.line(DAYS[:1], [4], DAYS[:1]).area == "M480 0 h40 V240 H480 Z"
    # As wide as its day at most.
    assert re.findall(r"h[\d.]+", charts.line(DAYS, [1, None] * 15, DAYS).line)[0] == "h33.34"


@pytest.mark.parametrize(
    "values, scale",
    [
        ([0], ["4", "3", "2", "1", "0"]),
        ([0, 3], ["3", "2", "1", "0"]),
        ([0, 9_000], ["10,000", "7,500", "5,000", "2,500", "0"]),
        ([0, 3_600_000], ["4 m", "3 m", "2 m", "1 m", "0"]),
        # An area is as high as what it stands for, wherever its values lie.
        ([900, 1000], ["1,000", "750", "500", "250", "0"]),
        ([8000, 8000], ["8,000", "6,000", "4,000", "2,000", "0"]),
    ],
)
def test_a_scale_has_round_numbers_from_zero(values: list[int], scale: list[str]) -> None:
    assert charts.line(DAYS[: len(values)], values, DAYS[: len(values)]).scale == scale


def test_a_scale_is_written_as_the_region_does() -> None:
    assert charts.line(DAYS[:1], [2_000], DAYS[:1], "en_ZA").scale[0] == "2\u00a0000"
    assert charts.up_and_down(DAYS[:1], [5_000_000], [0], DAYS[:1], "de_DE").scale == ["6 m", "0", "6 m"]
    assert charts.line(DAYS[:1], [9_000_000], DAYS[:1], "de_DE").scale[1:3] == ["7,5 m", "5 m"]


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), min_size=1, max_size=30))
def test_bars_have_one_scale_up_and_down(moves: list[tuple[int, int]]) -> None:
    days = DAYS[: len(moves)]
    chart = charts.up_and_down(days, [up for up, _ in moves], [down for _, down in moves], days)
    for column, (up, down) in zip(chart.columns, moves, strict=True):
        assert 0 <= column.up <= chart.middle
        assert 0 <= column.down <= HIGH - chart.middle
        assert up != down or column.up == column.down


counts = st.integers(0, 10**6)


@given(st.tuples(counts, counts, counts))
def test_two_circles_share_what_the_sets_share(sizes: tuple[int, int, int]) -> None:
    only, both, other = sizes
    found = charts.circles({(True, False): only, (True, True): both, (False, True): other})
    assert [one.number for one in found.circles] == [1] * bool(only + both) + [2] * bool(both + other)
    for circle in found.circles:
        assert circle.x - circle.radius >= 0
        assert circle.x + circle.radius <= found.width
        assert circle.y + circle.radius <= found.height
    if len(found.circles) < 2:
        return
    one, two = found.circles
    apart = math.hypot(one.x - two.x, one.y - two.y)
    if both == 0:
        assert apart > one.radius + two.radius
    elif only == 0 or other == 0:
        assert apart <= abs(one.radius - two.radius) + 0.1


@given(st.lists(st.just(0) | counts, min_size=7, max_size=7))
def test_three_circles_are_drawn_but_for_those_of_nobody(sizes: list[int]) -> None:
    keys = [key for key in product((True, False), repeat=3) if any(key)]
    parts = dict(zip(keys, sizes, strict=True))
    found = charts.circles(parts)
    people = [sum(count for key, count in parts.items() if key[place]) for place in range(3)]
    assert [one.number for one in found.circles] == [place + 1 for place, many in enumerate(people) if many]
    drawn = {one.number - 1: one for one in found.circles}
    for key, (x, y) in found.parts.items():
        inside = [place for place, one in drawn.items() if math.hypot(x - one.x, y - one.y) < one.radius]
        assert inside == [place for place, is_in in enumerate(key) if is_in]


def test_a_part_too_narrow_for_its_number_has_it_below() -> None:
    parts = {(True, False): 1000, (True, True): 3, (False, True): 1000}
    found = charts.circles(parts)
    assert (True, True) not in found.parts
    x, y, _, below = found.aside[True, True]
    assert all(math.hypot(x - one.x, y - one.y) < one.radius for one in found.circles)
    assert max(one.y + one.radius for one in found.circles) < below < found.height


@settings(max_examples=25)
@given(st.lists(st.just(0) | counts, min_size=7, max_size=7))
def test_every_part_that_has_people_has_its_number_once(sizes: list[int]) -> None:
    keys = [key for key in product((True, False), repeat=3) if any(key)]
    parts = dict(zip(keys, sizes, strict=True))
    found = charts.circles(parts)
    told = [*(key for key in found.parts if parts[key]), *found.aside, *found.undrawn]
    assert sorted(told) == sorted(key for key, many in parts.items() if many)
    places = sorted(x for _, _, x, _ in found.aside.values())
    assert all(right - left >= charts.ASIDE_WIDE for left, right in pairwise(places))
    assert not places or places[-1] <= found.width
