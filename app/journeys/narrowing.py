"""Settings that take ways away from a step: which steps are on those ways alone, and what becomes of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from app.infra.errors import Conflict
from app.infra.words import listed
from app.journeys import parts
from app.journeys.editing import configure
from app.journeys.graph import CannotEdit, Graph, Step, json_name

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


class WaysLeftOut(Conflict):
    """Steps given whole hang on ways that their steps don't have; `errors` tells of each as `steps.<key>.<way>`."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("Some steps would be left unconnected. Say what becomes of them with “lost_steps”.")
        self._errors = dict(errors)

    @property
    def errors(self) -> dict[str, str]:
        """Return the steps of each way in words."""
        return self._errors


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


def whole(before: Graph, given: Graph, named: Mapping[str, Mapping[str, str]], fate: Fate | None) -> Graph:
    """Return a graph given whole in the place of `before`, with the steps put that hang on ways its steps don't have.

    Those are ways the steps had before, and ways `named` for them (by key: exit and target) beside their exits. Raises
    WaysLeftOut where no `fate` says what becomes of such steps, or they can't be moved.
    """
    errors: dict[str, str] = {}
    for key in tuple(given.steps):
        if key not in given.steps:
            continue
        step = given.steps[key]
        had = before.steps[key].exits if key in before.steps and before.steps[key].type == step.type else {}
        wider = given.with_steps(_wider(step, had, named.get(key, {}), given))
        ways = lost(wider, key, tuple(step.exits))
        if not ways:
            continue
        dropping = Dropping(fate, frozenset().union(*ways.values()))
        try:
            given = configured(wider, key, exits=tuple(step.exits), config=step.config, name=None, dropping=dropping)
        except WaysLost:
            told = "There is no place to move them to: delete or loosen them." if fate else "The step has no such way."
            for way, steps in ways.items():
                errors[f"steps.{key}.{json_name(way)}"] = (
                    f"It leads to {listed([f'“{one}”' for one in sorted(steps)])}. {told}"
                )
    if errors:
        raise WaysLeftOut(errors)
    return given


def _wider(step: Step, had: Mapping[str, str | None], named: Mapping[str, str], graph: Graph) -> Step:
    """Return a step with the ways it has not any more, or was given beside its own, where they lead to a step."""
    gone = {way: to for way, to in {**had, **named}.items() if way not in step.exits and to in graph.steps}
    ways = dict.fromkeys([*had, *named, *(way for way, to in step.exits.items() if to)])
    return replace(step, exits={way: {**step.exits, **gone}[way] for way in ways if way in step.exits or way in gone})


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
