"""Where the steps of a graph stand on the canvas: top to bottom, branches side by side, meeting branches below both.

Pure and deterministic: the same graph always gives the same picture. One unit is the pitch of the grid: steps stand at
least one unit apart in a row, and rows are one unit apart; x grows to the right, y downwards, the TRIGGER is at y 0.
"""

import itertools
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from app.journeys.editing import moves_with
from app.journeys.graph import NEXT, Graph

# A slot is what hangs below a step: the step of that key, or the open end or passing line of (step, exit).
_Slot = str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the middle of a step is."""

    key: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Drop:
    """Where a step may be put: on exit `exit` of step `after`; `open` when nothing follows there."""

    after: str
    exit: str
    x: float
    y: float
    open: bool


@dataclass(frozen=True, slots=True)
class End:
    """A marker that the journey completes here, below an open exit."""

    after: str
    exit: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole picture. Steps nobody reaches stand to the right of the others."""

    places: dict[str, Place]
    drops: list[Drop]
    ends: list[End]
    width: float
    height: float


@dataclass(slots=True)
class _Block:
    """A step and what only it leads to: `heads` side by side below it, `joins` where they meet again."""

    heads: list[_Slot] = field(default_factory=list)
    joins: list[str] = field(default_factory=list)


def lay_out(graph: Graph) -> Layout:
    """Return where everything stands."""
    if not len(graph):
        return Layout({}, [], [], 0, 0)
    rank = graph.ranks
    closing = {(edge.source, edge.exit) for edge in graph.back_edges}
    blocks, roots = _blocks(graph, rank, closing)
    widths: dict[_Slot, float] = {}
    x: dict[_Slot, float] = {}
    left = 0.0
    for root in roots:
        _spread(root, left, blocks, widths, x)
        left += widths[root]
    _push_apart(graph, rank, x)
    places = {key: Place(key, x[key], float(rank[key])) for key in graph.steps}
    drops, ends = [], []
    for edge in graph.edges:
        source = places[edge.source]
        column = x.get((edge.source, edge.exit), source.x)
        target = places.get(edge.target) if edge.target is not None else None
        if target is not None and (edge.source, edge.exit) not in x and len(graph.steps[edge.source].exits) > 1:
            column = target.x
        drops.append(Drop(edge.source, edge.exit, column, source.y + 0.5, target is None))
        if target is None:
            ends.append(End(edge.source, edge.exit, column, source.y + 1))
    bottoms = [place.y for place in places.values()] + [end.y for end in ends]
    rights = [place.x for place in places.values()] + [end.x for end in ends]
    return Layout(places, drops, ends, max(rights) + 0.5, max(bottoms) + 0.5)


def _blocks(
    graph: Graph, rank: Mapping[str, int], closing: set[tuple[str, str]]
) -> tuple[dict[str, _Block], list[str]]:
    """Return what hangs below each step, by its nearest common ancestor, and the steps that hang below none."""
    order = sorted(graph.steps, key=lambda key: rank[key])
    parents: dict[str, list[str]] = defaultdict(list)
    ways: dict[str, int] = defaultdict(int)
    for edge in graph.edges:
        if edge.target in graph.steps and (edge.source, edge.exit) not in closing:
            assert edge.target is not None
            parents[edge.target].append(edge.source)
            ways[edge.target] += 1
    above: dict[str, str | None] = {}
    depth: dict[str, int] = {}
    for key in order:
        common: str | None = None
        for index, parent in enumerate(parents[key]):
            common = parent if not index else _common(common, parent, above, depth)
        above[key] = common
        depth[key] = depth[common] + 1 if common is not None else 0
    blocks = {key: _Block() for key in graph.steps}
    for edge in graph.edges:
        target, slot = edge.target, (edge.source, edge.exit)
        if target in graph.steps and slot not in closing and target is not None and ways[target] == 1:
            blocks[edge.source].heads.append(target)
        elif target is None or target not in graph.steps or len(graph.steps[edge.source].exits) > 1:
            blocks[edge.source].heads.append(slot)
    for key in order:
        owner = above[key]
        if ways[key] > 1 and owner is not None:
            blocks[owner].joins.append(key)
    starts = [key for key in graph.steps if above[key] is None]
    return blocks, starts


def fold(graph: Graph, keys: Collection[str], *, showing: Collection[str] = ()) -> tuple[Graph, dict[str, set[str]]]:
    """Return the graph with the branches of some steps folded away, and by step which steps that hides.

    A folded step goes on where its branches meet. What would hide one of the steps in `showing` is not folded.
    """
    hidden: dict[str, set[str]] = {}
    rank = graph.ranks
    for key in sorted({key for key in keys if key in graph.steps}, key=lambda key: rank[key]):
        block = moves_with(graph, key) - {key} if key in graph.steps else set()
        if not block or not block.isdisjoint(showing):
            continue
        targets = [to for inner in (*block, key) for to in graph.steps[inner].exits.values()]
        onward = next((to for to in targets if to and to not in block), None)
        step = graph.steps[key]
        graph = graph.without(block).with_steps(replace(step, exits={NEXT: onward}))
        hidden[key] = block
    return graph, hidden


def reading_order(graph: Graph) -> list[tuple[str, str | None, int]]:
    """Return the steps (exit None) and each step's ways out as a list is read, with how deep each is in branches.

    A way out comes after its step and is followed by what only it leads to; where branches meet comes after them all.
    """
    blocks, roots = _blocks(graph, graph.ranks, {(edge.source, edge.exit) for edge in graph.back_edges})
    found: list[tuple[str, str | None, int]] = []
    ahead: list[tuple[str, str | None, int]] = [(root, None, 0) for root in reversed(roots)]
    while ahead:
        key, exit, depth = ahead.pop()
        found.append((key, exit, depth))
        if exit is not None:
            target = graph.steps[key].exits[exit]
            if target in blocks[key].heads and isinstance(target, str):
                ahead.append((target, None, depth))
            continue
        inner = depth + (len(graph.steps[key].exits) > 1)
        ahead += [(join, None, depth) for join in reversed(blocks[key].joins)]
        ahead += [(key, way, inner) for way in reversed(list(graph.steps[key].exits))]
    return found


def _common(one: str | None, other: str | None, above: dict[str, str | None], depth: dict[str, int]) -> str | None:
    while one != other:
        if one is None or other is None:
            return None
        if depth[one] >= depth[other]:
            one = above[one]
        else:
            other = above[other]
    return one


def _spread(
    root: str, left: float, blocks: dict[str, _Block], widths: dict[_Slot, float], x: dict[_Slot, float]
) -> None:
    """Give every slot below `root` its width and the x of its middle; the block of `root` begins at `left`."""
    below: list[str] = []
    ahead: list[str] = [root]
    while ahead:
        key = ahead.pop()
        below.append(key)
        ahead += [slot for slot in (*blocks[key].heads, *blocks[key].joins) if isinstance(slot, str)]
    for key in reversed(below):
        block = blocks[key]
        heads = sum(widths.get(slot, 1.0) for slot in block.heads)
        joins = sum(widths[slot] for slot in block.joins)
        widths[key] = max(1.0, heads, joins)
    starts = {root: left}
    for key in below:
        block, start = blocks[key], starts[key]
        x[key] = start + widths[key] / 2
        for row in (block.heads, block.joins):
            at = start + (widths[key] - sum(widths.get(slot, 1.0) for slot in row)) / 2
            for slot in row:
                if isinstance(slot, str):
                    starts[slot] = at
                else:
                    x[slot] = at + 0.5
                at += widths.get(slot, 1.0)


def _push_apart(graph: Graph, rank: Mapping[str, int], x: dict[_Slot, float]) -> None:
    """Move steps of one row that stand on each other (a meeting point beside a longer branch) to the right."""
    rows: dict[int, list[_Slot]] = defaultdict(list)
    for key in graph.steps:
        rows[rank[key]].append(key)
    for slot in x:
        if isinstance(slot, tuple) and graph.steps[slot[0]].exits.get(slot[1]) is None:
            rows[rank[slot[0]] + 1].append(slot)
    for row in rows.values():
        row.sort(key=lambda slot: x[slot])
        for before, slot in itertools.pairwise(row):
            x[slot] = max(x[slot], x[before] + 1.0)
