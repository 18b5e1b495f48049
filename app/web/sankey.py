"""How many went from where to where, as a picture the server draws: steps as bars, with bands between them downwards.

The macro of components/charts.html draws it. Places from left to right are in a box WIDE wide that is stretched to the
page, those from the top down are pixels; words stand over it, so that they are never stretched with it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

WIDE = 1000
BAR, PITCH, TOP = 38, 92, 2
GAP = 16
LEAST = 150
"""The room a bar's words get at least, where there is any."""
_SWEEPS = 6


@dataclass(frozen=True, slots=True)
class Band:
    """So many go from one step to another; `told` is what is read out of it, `url` what it opens."""

    source: str
    target: str
    value: int
    told: str
    url: str


@dataclass(frozen=True, slots=True)
class Stay:
    """So many of a step end or are there; `kind` says which colour they have."""

    kind: str
    value: int


@dataclass(frozen=True, slots=True)
class Node:
    """A step, and how many came to it; of these `stays` go nowhere."""

    key: str
    label: str
    note: str
    value: int
    told: str
    url: str
    stays: Sequence[Stay] = ()


@dataclass(frozen=True, slots=True)
class Bar:
    """A step as it is drawn: its words have `room` to the right of `x`. `parts` are (kind, x, width)."""

    node: Node
    x: float
    y: float
    width: float
    room: float
    parts: list[tuple[str, float, float]]


@dataclass(frozen=True, slots=True)
class Sankey:
    """The whole drawing, `height` pixels high. `back` are bands that lead up again, which are not drawn."""

    bars: list[Bar]
    bands: list[tuple[Band, str]]
    back: list[Band]
    height: int


@dataclass(slots=True)
class _Slot:
    """A place in a layer: a step, or a band on its way past one."""

    key: str
    value: int
    passing: bool
    x: float = 0
    width: float = 0
    room: float = 0


def sankey(nodes: Sequence[Node], bands: Sequence[Band], rank: Mapping[str, int]) -> Sankey:
    """Return the drawing; `rank` is the order of the steps one has, for which bands lead up."""
    known = {node.key: node for node in nodes}
    ahead = [band for band in bands if band.source in known and band.target in known]
    down, back = _down(ahead, rank)
    layer = _layers(known, down)
    slots, hops = _slots(known, down, layer)
    rows = _ordered(slots, hops)
    unit = _place(rows)
    places = {slot.key: (slot, number) for number, row in enumerate(rows) for slot in row}
    return Sankey(
        bars=[_bar(known[slot.key], slot, number, unit) for slot, number in places.values() if not slot.passing],
        bands=_drawn(down, hops, places, unit),
        back=back,
        height=(len(rows) - 1) * PITCH + BAR + 2 * TOP if rows else 0,
    )


def _down(bands: Iterable[Band], rank: Mapping[str, int]) -> tuple[list[Band], list[Band]]:
    """Return the bands that lead down and those that lead up, so that those down make no circle."""
    down: list[Band] = []
    back: list[Band] = []
    after: dict[str, set[str]] = defaultdict(set)

    def unranked(band: Band) -> bool:
        return band.source not in rank or band.target not in rank

    for band in sorted(bands, key=lambda one: (unranked(one), -one.value)):
        up = not unranked(band) and rank[band.source] >= rank[band.target]
        if up or band.source == band.target or _leads(after, band.target, band.source):
            back.append(band)
        else:
            after[band.source].add(band.target)
            down.append(band)
    return down, back


def _leads(after: Mapping[str, set[str]], start: str, end: str) -> bool:
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        key = ahead.pop()
        if key == end:
            return True
        if key not in seen:
            seen.add(key)
            ahead += after.get(key, ())
    return False


def _layers(known: Mapping[str, Node], down: Sequence[Band]) -> dict[str, int]:
    """Return how far below the top each step stands: below all that lead to it."""
    into: dict[str, set[str]] = defaultdict(set)
    for band in down:
        into[band.target].add(band.source)
    found: dict[str, int] = {}
    left = list(known)
    while left:
        ready = [key for key in left if into[key] <= found.keys()]
        for key in ready:
            found[key] = 1 + max((found[one] for one in into[key]), default=-1)
        left = [key for key in left if key not in found]
    return found


def _slots(
    known: Mapping[str, Node], down: Sequence[Band], layer: Mapping[str, int]
) -> tuple[list[list[_Slot]], dict[int, list[str]]]:
    """Return the rows of the drawing, and by band the keys of all it passes from its first step to its last."""
    rows: list[list[_Slot]] = [[] for _ in range(1 + max(layer.values(), default=-1))]
    out: dict[str, int] = defaultdict(int)
    for band in down:
        out[band.source] += band.value
    for key, node in known.items():
        stays = sum(stay.value for stay in node.stays)
        rows[layer[key]].append(_Slot(key, max(node.value, out[key] + stays), passing=False))
    hops: dict[int, list[str]] = {}
    for place, band in enumerate(down):
        between = range(layer[band.source] + 1, layer[band.target])
        names = [f"{place}/{number}" for number in between]
        for number, name in zip(between, names, strict=True):
            rows[number].append(_Slot(name, band.value, passing=True))
        hops[place] = [band.source, *names, band.target]
    return rows, hops


def _ordered(rows: list[list[_Slot]], hops: Mapping[int, list[str]]) -> list[list[_Slot]]:
    """Return the rows with what belongs together one above the other, so that few bands cross."""
    beside: dict[str, list[str]] = defaultdict(list)
    for keys in hops.values():
        for one, other in pairwise(keys):
            beside[one].append(other)
            beside[other].append(one)
    for sweep in range(_SWEEPS):
        order = list(range(1, len(rows))) if sweep % 2 == 0 else list(range(len(rows) - 2, -1, -1))
        for number in order:
            near = rows[number - 1 if sweep % 2 == 0 else number + 1]
            at = {slot.key: (place + 0.5) / len(near) for place, slot in enumerate(near)}

            def middle(slot: _Slot, at: Mapping[str, float] = at, row: list[_Slot] = rows[number]) -> float:
                found = [at[key] for key in beside[slot.key] if key in at]
                return sum(found) / len(found) if found else (row.index(slot) + 0.5) / len(row)

            where = {slot.key: middle(slot) for slot in rows[number]}
            rows[number] = sorted(rows[number], key=lambda slot: where[slot.key])
    return rows


def _place(rows: Sequence[Sequence[_Slot]]) -> float:
    """Put the slots beside each other and return how wide one person is."""
    low, high = 0.0, WIDE / max([1, *(slot.value for row in rows for slot in row)])
    for _ in range(40):
        unit = (low + high) / 2
        if all(_wide(row, unit) <= WIDE for row in rows):
            low = unit
        else:
            high = unit
    for row in rows:
        x = (WIDE - _wide(row, low)) / 2
        for slot in row:
            slot.x, slot.width, slot.room = x, slot.value * low, _room(slot, row, low)
            x += slot.room + GAP
    return low


def _wide(row: Sequence[_Slot], unit: float) -> float:
    return sum(_room(slot, row, unit) for slot in row) + GAP * (len(row) - 1)


def _room(slot: _Slot, row: Sequence[_Slot], unit: float) -> float:
    steps = sum(not one.passing for one in row)
    least = 0 if slot.passing else min(LEAST, (WIDE * 0.8 - GAP * len(row)) / max(steps, 1))
    return max(slot.value * unit, least)


def _bar(node: Node, slot: _Slot, row: int, unit: float) -> Bar:
    """Return a step's bar: from the left those who went on, then those who stayed."""
    width = max(slot.width, 2)
    stays = sum(stay.value for stay in node.stays) * unit
    parts = [("on", slot.x, max(width - stays, 0))] if width - stays > 0 else []
    x = slot.x + max(width - stays, 0)
    for stay in node.stays:
        parts.append((stay.kind, round(x, 2), round(stay.value * unit, 2)))
        x += stay.value * unit
    shown = [(kind, round(at, 2), round(wide, 2)) for kind, at, wide in parts if wide > 0]
    return Bar(node, round(slot.x, 2), TOP + row * PITCH, round(width, 2), round(slot.room, 2), shown)


def _drawn(
    down: Sequence[Band], hops: Mapping[int, list[str]], places: Mapping[str, tuple[_Slot, int]], unit: float
) -> list[tuple[Band, str]]:
    leave = _shares(down, hops, places, unit, arriving=False)
    arrive = _shares(down, hops, places, unit, arriving=True)
    found = []
    for place, band in enumerate(down):
        wide = max(band.value * unit, 1)
        stops: list[tuple[float, float, float]] = []
        for key in hops[place]:
            slot, row = places[key]
            y = TOP + row * PITCH
            first, last = key == band.source, key == band.target
            x = leave[place] if first else arrive[place] if last else slot.x
            stops.append((x, y + BAR if first else y, y if last else y + BAR))
        found.append((band, _ribbon(stops, wide)))
    return found


def _shares(
    down: Sequence[Band],
    hops: Mapping[int, list[str]],
    places: Mapping[str, tuple[_Slot, int]],
    unit: float,
    *,
    arriving: bool,
) -> dict[int, float]:
    """Return by band where it begins at its first step, or ends at its last: side by side, in the order they go."""
    at: dict[str, list[int]] = defaultdict(list)
    for place, band in enumerate(down):
        at[band.target if arriving else band.source].append(place)
    found: dict[int, float] = {}
    for key, some in at.items():
        x = places[key][0].x
        for place in sorted(some, key=lambda one: places[hops[one][-2 if arriving else 1]][0].x):
            found[place] = x
            x += down[place].value * unit
    return found


def _ribbon(stops: Sequence[tuple[float, float, float]], wide: float) -> str:
    """Return the outline of a band through (x, its top, its bottom) of all it passes: down its left side, up its
    right."""
    left = _side([(x, top, bottom) for x, top, bottom in stops])
    right = _side([(x + wide, bottom, top) for x, top, bottom in reversed(stops)])
    return f"M{left} L{right} Z"


def _side(stops: Sequence[tuple[float, float, float]]) -> str:
    x, _, y = stops[0]
    parts = [f"{x:.5g} {y:g}"]
    for next_x, enter, leave in stops[1:]:
        middle = (y + enter) / 2
        parts.append(f"C{x:.5g} {middle:g} {next_x:.5g} {middle:g} {next_x:.5g} {enter:g}")
        if enter != leave:
            parts.append(f"L{next_x:.5g} {leave:g}")
        x, y = next_x, leave
    return " ".join(parts)
