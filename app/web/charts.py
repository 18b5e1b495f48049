"""Numbers as pictures the server draws: where a line, bars and overlapping circles go.

The macros of components/charts.html draw them. Positions are in a box WIDE by HIGH (the circles' in one of their own)
that is stretched to the page; words stand beside the box, so that they are never stretched with it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from babel import Locale
from babel.numbers import format_decimal

WIDE, HIGH = 1000, 240
DATES_SHOWN = 4
_STEPS = (1, 2, 2.5, 5, 10)
ALONE = 20
"""How far to either side a day reaches that has no other beside it, at most."""
ROOM = 7
"""How far from all edges of its part a number stands; where there is no such place it stands aside."""
ASIDE_WIDE, ASIDE_HIGH = 56, 22


@dataclass(frozen=True, slots=True)
class Column:
    """One place from left to right: its left edge and width, what is read out on it, and its bars if it has any."""

    x: float
    width: float
    told: str
    up: float = 0
    down: float = 0


@dataclass(frozen=True, slots=True)
class Chart:
    """A line, or bars up and down. `scale` are the numbers beside it from the top down, `dates` those below it.

    Without any value `line` is empty. `middle` is where bars begin.
    """

    line: str
    area: str
    columns: list[Column]
    scale: list[str]
    dates: list[str]
    middle: float = HIGH


def line(days: Sequence[str], values: Sequence[int | None], told: Sequence[str], locale: Locale | str = "en") -> Chart:
    """Return a line through a value a day, and the area from zero up to it; it has gaps where there is none.

    `days` are their names as they stand below it, `told` is what is said of each; the `locale` writes the scale.
    """
    step, count = _scale(max((one for one in values if one is not None), default=0))
    wide = WIDE / max(len(days), 1)
    dots = [
        None if one is None else (_places((place + 0.5) * wide), _places(HIGH * (1 - one / (step * count))))
        for place, one in enumerate(values)
    ]
    drawn = [one for one in _unbroken(dots) if one]
    alone = _places(min(wide / 2, ALONE))
    return Chart(
        line=" ".join(_path(one, alone) for one in drawn),
        area=" ".join(f"{_path(one, alone)} V{HIGH} H{_begin(one, alone):g} Z" for one in drawn),
        columns=[Column(_places(place * wide), _places(wide), one) for place, one in enumerate(told)],
        scale=[_short(step * number, locale) for number in range(count, -1, -1)],
        dates=_some(days),
    )


def up_and_down(
    days: Sequence[str],
    ups: Sequence[int],
    downs: Sequence[int],
    told: Sequence[str],
    locale: Locale | str = "en",
) -> Chart:
    """Return bars for two counts a day, one up and one down from a middle line, on the same scale."""
    step, count = _scale(max([*ups, *downs], default=0))
    most = step * count
    wide, half = WIDE / max(len(days), 1), HIGH / 2
    return Chart(
        line="",
        area="",
        columns=[
            Column(_places(place * wide), _places(wide), said, _places(half * up / most), _places(half * down / most))
            for place, (up, down, said) in enumerate(zip(ups, downs, told, strict=True))
        ],
        scale=[_short(most, locale), "0", _short(most, locale)],
        dates=_some(days),
        middle=half,
    )


def _places(value: float) -> float:
    return round(value, 2)


def _unbroken(dots: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    pieces: list[list[tuple[float, float]]] = [[]]
    for one in dots:
        if one is None:
            pieces.append([])
        else:
            pieces[-1].append(one)
    return pieces


def _path(dots: Sequence[tuple[float, float]], alone: float) -> str:
    # A day alone, which nobody would see, reaches to either side.
    first, *rest = dots
    more = " ".join(f"L{x:g} {y:g}" for x, y in rest) or f"h{2 * alone:g}"
    return f"M{_begin(dots, alone):g} {first[1]:g} {more}"


def _begin(dots: Sequence[tuple[float, float]], alone: float) -> float:
    return dots[0][0] if len(dots) > 1 else _places(dots[0][0] - alone)


def _scale(high: int) -> tuple[int, int]:
    """Return (step, number of steps) of a scale in round numbers, from 0 to where all has room."""
    reach = max(high, 4)
    power = 10 ** math.floor(math.log10(reach / 4))
    step = max(1, math.ceil(next(one * power for one in _STEPS if one * power * 4 >= reach)))
    return step, max(1, math.ceil(high / step), 1 if high else 4 // step)


def _short(value: float, locale: Locale | str) -> str:
    """Return a number as it stands beside a chart: "950", "12,500", "1.2 m"."""
    if value >= 1_000_000:
        return f"{format_decimal(value / 1_000_000, locale=locale, decimal_quantization=False)} m"
    return str(format_decimal(int(value), locale=locale))


def _some(days: Sequence[str]) -> list[str]:
    if len(days) <= DATES_SHOWN:
        return list(days)
    return [days[round(place * (len(days) - 1) / (DATES_SHOWN - 1))] for place in range(DATES_SHOWN)]


@dataclass(frozen=True, slots=True)
class Circle:
    """A set drawn as a circle, `number` its place among them from 1; where its name, a letter, stands."""

    number: int
    x: float
    y: float
    radius: float
    name_x: float
    name_y: float


@dataclass(frozen=True, slots=True)
class Circles:
    """Two or three sets; one of nobody has no circle. `parts` says where the number of each part stands, by which sets
    it lies in. Of one too small to write in `aside` says where it is, and where below its number stands; `undrawn` are
    those that have people, and no place in the drawing at all."""

    circles: list[Circle]
    parts: dict[tuple[bool, ...], tuple[float, float]]
    width: int
    height: int
    aside: dict[tuple[bool, ...], tuple[float, float, float, float]] = field(default_factory=dict)
    undrawn: list[tuple[bool, ...]] = field(default_factory=list)


def circles(parts: Mapping[tuple[bool, ...], int]) -> Circles:
    """Return sets of which `parts` says how many are in each part, (True, False): in the first and not the second.

    Areas are in proportion; of three sets each two overlap as they should, and all three as comes of it.
    """
    sets = len(next(iter(parts), ()))
    sizes = [sum(count for key, count in parts.items() if key[one]) for one in range(sets)]
    most = max([*sizes, 1])
    # What is nearly nothing is drawn all the same, as large as can be seen.
    radii = [max(math.sqrt(size / most), 0.22) * 90 for size in sizes]
    shared = {
        (one, other): sum(count for key, count in parts.items() if key[one] and key[other])
        for one in range(sets)
        for other in range(one + 1, sets)
    }
    apart = {
        pair: _apart(radii[pair[0]], radii[pair[1]], count / max(min(sizes[pair[0]], sizes[pair[1]]), 1))
        for pair, count in shared.items()
    }
    framed = _framed(_centres(apart, sets), radii, [place for place, size in enumerate(sizes) if size])
    return _with_aside(framed, parts)


def _apart(one: float, other: float, share: float) -> float:
    """Return how far apart the middles of two circles are that share so much of the smaller one's area."""
    low, high = abs(one - other), one + other
    if share <= 0:
        return high + 6
    if share >= 1:
        return max(low - 3, 0)
    wanted = share * math.pi * min(one, other) ** 2
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _lens(one, other, middle) > wanted else (low, middle)
    return (low + high) / 2


def _lens(one: float, other: float, apart: float) -> float:
    """Return the area two circles share whose middles are so far apart."""
    first = (apart**2 + one**2 - other**2) / (2 * apart * one)
    second = (apart**2 + other**2 - one**2) / (2 * apart * other)
    kite = (-apart + one + other) * (apart + one - other) * (apart - one + other) * (apart + one + other)
    return (
        one**2 * math.acos(max(-1, min(1, first)))
        + other**2 * math.acos(max(-1, min(1, second)))
        - math.sqrt(max(kite, 0)) / 2
    )


def _centres(apart: Mapping[tuple[int, int], float], sets: int) -> list[tuple[float, float]]:
    across = apart.get((0, 1), 0)
    found = [(0.0, 0.0), (across, 0.0)]
    if sets == 3:
        left, right = apart[0, 2], apart[1, 2]
        # Where no triangle has these sides, the third stands on the line between, as near to it as they let it.
        x = (left**2 - right**2 + across**2) / (2 * across) if across else left
        x = max(-left, min(left, x))
        found.append((x, math.sqrt(max(left**2 - x**2, 0))))
    return found[:sets]


def _framed(centres: Sequence[tuple[float, float]], radii: Sequence[float], drawn: Sequence[int]) -> Circles:
    if not drawn:
        return Circles([], {}, 0, 0)
    margin = 24
    placed = [(*centres[place], radii[place]) for place in drawn]
    left = min(x - radius for x, _, radius in placed) - margin
    top = min(y - radius for _, y, radius in placed) - margin
    moved = [(x - left, y - top, radius) for x, y, radius in placed]
    width = math.ceil(max(x + radius for x, _, radius in moved)) + margin
    height = math.ceil(max(y + radius for _, y, radius in moved)) + margin
    middle = sum(x for x, _, _ in moved) / len(moved), sum(y for _, y, _ in moved) / len(moved)
    return Circles(
        circles=[
            Circle(place + 1, _places(x), _places(y), _places(radius), *_name_of(x, y, radius, middle))
            for place, (x, y, radius) in zip(drawn, moved, strict=True)
        ],
        parts=_keyed(_labels(moved, width, height), drawn, len(radii)),
        width=width,
        height=height,
    )


def _keyed(
    labels: Mapping[tuple[bool, ...], tuple[float, float]], drawn: Sequence[int], sets: int
) -> dict[tuple[bool, ...], tuple[float, float]]:
    """Return labels of parts of the drawn sets as parts of all of them."""
    return {
        tuple(key[drawn.index(place)] if place in drawn else False for place in range(sets)): where
        for key, where in labels.items()
    }


def _name_of(x: float, y: float, radius: float, middle: tuple[float, float]) -> tuple[float, float]:
    """Return where a circle's name stands: outside it, away from the others."""
    away = math.hypot(x - middle[0], y - middle[1])
    right, down = ((x - middle[0]) / away, (y - middle[1]) / away) if away > 1 else (0, -1)
    return _places(x + right * (radius + 12)), _places(y + down * (radius + 12))


def _with_aside(circles: Circles, parts: Mapping[tuple[bool, ...], int]) -> Circles:
    """Return the circles with the numbers of parts too narrow for them below, each at the end of a line to its part."""
    missing = [key for key, many in parts.items() if many and key not in circles.parts]
    if not missing:
        return circles
    drawn = [(one.x, one.y, one.radius) for one in circles.circles]
    places = _labels(drawn, circles.width, circles.height, 1, 0)
    slivers = _keyed(places, [one.number - 1 for one in circles.circles], len(missing[0]))
    narrow = [(slivers[key], key) for key in missing if key in slivers]
    undrawn = [key for key in missing if key not in slivers]
    if not narrow:
        return replace(circles, undrawn=undrawn)
    # The one farther to the left stands farther to the left, so that no lines cross.
    aside: dict[tuple[bool, ...], tuple[float, float, float, float]] = {}
    x = 0.0
    for where, key in sorted(narrow):
        x = max(where[0], x + ASIDE_WIDE if aside else ASIDE_WIDE / 2)
        aside[key] = (*where, x, circles.height + 4.0)
    width = max(circles.width, math.ceil(x + ASIDE_WIDE / 2))
    return replace(circles, aside=aside, undrawn=undrawn, width=width, height=circles.height + ASIDE_HIGH)


def _labels(
    circles: Sequence[tuple[float, float, float]], width: int, height: int, step: int = 3, least: float = ROOM
) -> dict[tuple[bool, ...], tuple[float, float]]:
    """Return for each part the place in it that is farthest from all edges, if it is `least` away from them."""
    best: dict[tuple[bool, ...], tuple[float, float, float]] = {}
    for x in range(0, width, step):
        for y in range(0, height, step):
            edges = [radius - math.hypot(x - cx, y - cy) for cx, cy, radius in circles]
            key = tuple(edge > 0 for edge in edges)
            room = min(map(abs, edges))
            if any(key) and room > best.get(key, (least,))[0]:
                best[key] = (room, x, y)
    return {key: (x, y) for key, (_, x, y) in best.items()}
