"""Settings that take ways away from a step: which steps are on those ways alone, and what becomes of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from app.infra.errors import Conflict
from app.journeys import parts
from app.journeys.editing import configure
from app.journeys.graph import CannotEdit, Graph

Fate = Literal["move", "delete", "loosen"]


@dataclass(frozen=True, slots=True)
class Dropping:
    """What the editor said of steps that lose their way; `fate` None: they are to be asked. `steps` are those meant."""

    fate: Fate | None = None
    steps: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Moved:
    """A graph in which the steps of lost ways stand on others: `to` names these; those `behind` come below."""

    graph: Graph
    to: tuple[str, ...]
    behind: bool


class WaysLost(Conflict):
    """The settings take ways away that hold steps, and nobody said yet what becomes of those."""

    def __init__(self, ways: Mapping[str, frozenset[str]], moved: Moved | None) -> None:
        super().__init__("This takes away ways that hold steps. Say what becomes of them.")
        self.ways = ways
        self.moved = moved

    @property
    def steps(self) -> frozenset[str]:
        """Return the keys of the steps, whichever way they are on."""
        return frozenset().union(*self.ways.values())


def lost(graph: Graph, key: str, exits: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return the ways a step loses that has these exits from then on, each with the steps nothing else leads to."""
    step = graph.step(key)
    gone = {exit: to for exit, to in step.exits.items() if exit not in exits and to in graph.steps}
    if not gone:
        return {}
    below = graph.reached_from(*gone.values())
    cut = configure(graph, key, exits=exits, config=step.config)
    alone = below - cut.reached_from(key, *(one for one in graph.steps if one not in below))
    found = {exit: frozenset(graph.reached_from(to) & alone) for exit, to in gone.items()}
    return {exit: steps for exit, steps in found.items() if steps}


def configured(
    graph: Graph,
    key: str,
    *,
    exits: Sequence[str],
    config: Mapping[str, Any] | None,
    name: str | None,
    dropping: Dropping | None,
) -> Graph:
    """Return the graph with a step's settings replaced (see `editing.configure`), and steps that lose their way put.

    Without `dropping` they stay, connected to nothing. Raises WaysLost where it says nothing of just those steps.
    """
    changed = configure(graph, key, exits=exits, config=config, name=name)
    ways = lost(graph, key, exits) if dropping and config is not None else {}
    if dropping is None or not ways:
        return changed
    moved = _moved(graph, changed, key, ways)
    asked = WaysLost(ways, moved)
    if dropping.fate is None or dropping.steps != asked.steps or (dropping.fate == "move" and moved is None):
        raise asked
    if dropping.fate == "move" and moved is not None:
        return moved.graph
    return changed.without(set(asked.steps)) if dropping.fate == "delete" else changed


def _moved(before: Graph, changed: Graph, key: str, ways: Mapping[str, frozenset[str]]) -> Moved | None:
    """Return the changed graph with the steps of lost ways on ways gained, the others below; None: it can't be."""
    old, new = before.steps[key], changed.steps[key]
    pairs = _paired(list(old.exits), list(ways), [exit for exit in new.exits if exit not in old.exits])
    for way, exit in pairs.items():
        new = new.to(exit, old.exits[way])
    changed = changed.with_steps(new)
    placed = changed.reached_from(*(old.exits[way] for way in pairs))
    rest = frozenset().union(*(steps for way, steps in ways.items() if way not in pairs)) - placed
    if not rest:
        return Moved(changed, tuple(pairs.values()), behind=False)
    if not new.exits:
        return None
    part = parts.part_of(changed, rest)
    lifted = changed.without(set(rest))
    for after, exit in _places(lifted, key, {edge.target for edge in part.edges}):
        try:
            put = parts.put(lifted, part, after, exit)
        except CannotEdit:
            continue
        return Moved(put, tuple(pairs.values()), behind=True)
    return None


def _paired(before: Sequence[str], ways: Sequence[str], free: list[str]) -> dict[str, str]:
    """Return which way gained takes the steps of which way lost: the last is for those of the last ("no", "else")."""
    found: dict[str, str] = {}
    if free and ways[-1] == before[-1]:
        found[ways[-1]] = free.pop()
    return found | dict(zip((way for way in ways if way not in found), free, strict=False))


def _places(graph: Graph, key: str, left_for: set[str | None]) -> Iterator[tuple[str, str]]:
    """Yield where steps may go on below a step: before what they left for, else at an open end, else right below."""
    edges = [(key, exit, to) for exit, to in graph.steps[key].exits.items()]
    ahead, seen = list(edges), {key}
    below = []
    while ahead:
        edge = ahead.pop(0)
        below.append(edge)
        to = edge[2]
        if to in graph.steps and to is not None and to not in seen:
            seen.add(to)
            ahead = [(to, exit, target) for exit, target in graph.steps[to].exits.items()] + ahead
    yield from ((source, exit) for source, exit, to in below if to is not None and to in left_for)
    yield from ((source, exit) for source, exit, to in below if to is None)
    yield edges[0][:2]
