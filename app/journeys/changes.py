"""What is different between two graphs of a journey, in sentences, and whom each difference touches.

Nothing here touches the database: how many people stand at each step is given.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from app.infra.words import INNER
from app.journeys.editing import moves_with
from app.journeys.graph import TRIGGER, Edge, Graph, Step
from app.journeys.kinds import exit_labels, leads_to, title_of, words_of
from app.journeys.step_type import Known, step_types

What = Literal["trigger", "added", "removed", "moved", "connected", "settings", "renamed", "journey"]
Where = str | None

MOST_WORDS = 80


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: what it is, the step it is about, the sentence, and the other steps that the sentence names.

    A setting of the journey ("journey") is about no step.
    """

    what: What
    step_key: str
    sentence: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Touched:
    """Whom a change touches: people who stand at the step, on a way that leads to it, or on a way that leads from it.

    `again` of those past it come to it once more by the new ways.
    """

    here: int = 0
    before: int = 0
    past: int = 0
    again: int = 0


@dataclass(frozen=True, slots=True)
class _Turn:
    """An exit that leads elsewhere; both sides are read past steps that only one of the graphs has."""

    source: str
    exit: str
    was: frozenset[Where]
    now: frozenset[Where]


def changes(before: Graph, after: Graph, known: Known) -> list[Change]:
    """Return the differences, from the top of the journey down; none for graphs whose steps are the same."""
    told = _Tale(before, after, known)
    found = [*told.removed(), *told.added(), *told.of_steps(), *told.of_ways()]
    old, new = before.ranks, after.ranks
    return sorted(found, key=lambda one: (one.what != "trigger", new.get(one.step_key, old.get(one.step_key, 0))))


def touched(change: Change, before: Graph, after: Graph, active: Mapping[str, int]) -> Touched:
    """Return whom a change touches; `active` is how many stand at each step now."""
    if change.what == "trigger":
        return Touched()
    key = change.step_key
    leading = leading_to(after if key in after.steps else before, key, jumps=True)
    if key in after.steps:
        gone = (one for one in before.steps if one not in after.steps)
        leading |= {one for one in gone if goes_on_at(before, after, one) in leading}
    leading -= {key}
    behind = before.reached_from(key) - {key}
    return Touched(
        here=active.get(key, 0),
        before=sum(active.get(one, 0) for one in leading - behind),
        past=sum(active.get(one, 0) for one in behind),
        again=sum(active.get(one, 0) for one in behind & leading) if change.what == "moved" else 0,
    )


def leading_to(graph: Graph, key: str, *, jumps: bool = False) -> set[str]:
    """Return the steps from which a way leads to this one, itself included; with `jumps`, those of settings too."""
    into: dict[Where, list[str]] = defaultdict(list)
    for edge in graph.edges:
        into[edge.target].append(edge.source)
    for step in graph if jumps else ():
        for target in leads_to(step):
            into[target].append(step.key)
    found: set[str] = set()
    ahead = [key]
    while ahead:
        one = ahead.pop()
        if one not in found:
            found.add(one)
            ahead += into[one]
    return found


def goes_on_at(before: Graph, after: Graph, key: str) -> Where:
    """Return where in `after` people who stand at a removed step go on: what followed it, by its first exits.

    None where nothing of that is left.
    """
    seen: set[str] = set()
    at: Where = key
    while at is not None and at not in after.steps and at not in seen and at in before.steps:
        seen.add(at)
        at = next(iter(before.steps[at].exits.values()), None)
    return at if at in after.steps else None


def naming(known: Known, *graphs: Graph) -> Known:
    """Return `known` with what the steps of these graphs are called, of the later ones first."""
    names = {step.key: title_of(step, known) for graph in graphs for step in graph}
    return replace(known, steps={**known.steps, **names})


def title(step: Step, known: Known) -> str:
    """Return what sentences call a step: its title, else its settings in words."""
    kind = step_types().get(step.type)
    if (called := title_of(step, known)) != kind.label or step.name:
        return f"“{called if step.name else called.translate(INNER)}”"
    words = words_of(step, known).translate(INNER)
    if kind.ends or words == "Not set up yet":
        return f"“{kind.label}”"
    words = words if len(words) <= MOST_WORDS else words[:MOST_WORDS].rstrip() + "…"
    return f"“{kind.label}: {words}”" if len(step.exits) > 1 or step.type == TRIGGER else f"“{words}”"


class _Tale:
    """Two graphs on their way to sentences."""

    def __init__(self, before: Graph, after: Graph, known: Known) -> None:
        self.before, self.after, self.known = before, after, naming(known, before, after)
        self.both = dict.fromkeys(key for key in after.steps if key in before.steps)

    def removed(self) -> Iterator[Change]:
        """Yield the steps that are gone, with what they came after."""
        for step in self.before:
            if step.key not in self.both:
                where, names = self._after(self.before, step.key)
                yield Change("removed", step.key, f"{self._title(self.before, step.key)}{where} is removed.", names)

    def added(self) -> Iterator[Change]:
        """Yield the steps that have come, with what they stand between."""
        for step in self.after:
            if step.key not in self.both:
                where, names = self._between(step.key)
                yield Change("added", step.key, f"{self._title(self.after, step.key)} is added{where}.", names)

    def of_steps(self) -> Iterator[Change]:
        """Yield what is set or called otherwise."""
        for key in self.both:
            old, new = self.before.steps[key], self.after.steps[key]
            if old.type != new.type or old.config != new.config:
                what: What = "trigger" if new.type == TRIGGER else "settings"
                yield Change(what, key, self._set_otherwise(old, new))
            if old.name != new.name:
                was, now = (one.name or step_types().get(one.type).label for one in (old, new))
                yield Change("renamed", key, f"“{was}” is called “{now}”.")

    def _set_otherwise(self, old: Step, new: Step) -> str:
        was, now = words_of(old, self.known), words_of(new, self.known)
        name = f"{title(new, self.known)}: "
        if old.type != new.type:
            return f"{name}{step_types().get(old.type).label} ({was}) → {step_types().get(new.type).label} ({now})."
        fields = _fields(old, new)
        if was == now:
            return f"{name}{_listed(fields)} changed ({now})."
        more = f" Changed: {_listed(fields)}." if len(fields) > 1 else ""
        return f"{name if new.name or new.type == TRIGGER else ''}{was} → {now}.{more}"

    def of_ways(self) -> Iterator[Change]:
        """Yield the steps that stand elsewhere, and the ways that lead elsewhere but for that."""
        turns = list(self._turns())
        for key in self._moved(turns):
            where, names = self._between(key)
            yield Change("moved", key, f"{self._title(self.after, key)} is moved: it comes{where}.", names)
        for turn in turns:
            was, now = self._goals(self.before, turn.was), self._goals(self.after, turn.now)
            names = tuple(key for key in (*turn.now, *turn.was) if key)
            way = self._way(self.after, Edge(turn.source, turn.exit, None))
            yield Change("connected", turn.source, f"After {way}, people go on with {now} rather than {was}.", names)

    def _turns(self) -> Iterator[_Turn]:
        for key in self.both:
            old, new = self.before.steps[key], self.after.steps[key]
            for exit, target in new.exits.items():
                was, now = self._onward(self.before, old.exits.get(exit)), self._onward(self.after, target)
                if not was & now:
                    yield _Turn(key, exit, was, now)

    def _onward(self, graph: Graph, target: Where) -> frozenset[Where]:
        """Return the steps of both graphs that a way may come to next; None: the journey completes."""
        found: set[Where] = set()
        seen: set[str] = set()
        ahead = [target]
        while ahead:
            key = ahead.pop()
            step = graph.steps.get(key) if key is not None else None
            if key in self.both:
                found.add(key)
            elif step is None or not step.exits:
                found.add(None)
            elif step.key not in seen:
                seen.add(step.key)
                ahead += step.exits.values()
        return frozenset(found)

    def _moved(self, turns: list[_Turn]) -> list[str]:
        """Return the steps whose moving explains most turns, and take those turns out of the list."""
        found: list[str] = []
        while True:
            lost = {key for turn in turns for key in turn.was if key}
            gained = {key for turn in turns for key in turn.now if key}
            explained = {key: self._explained(key, turns) for key in sorted(lost & gained)}
            if not explained:
                return found
            most = max(explained, key=lambda key: len(explained[key]))
            found.append(most)
            turns[:] = [turn for turn in turns if turn not in explained[most]]

    def _explained(self, key: str, turns: Sequence[_Turn]) -> list[_Turn]:
        block = moves_with(self.before, key) | moves_with(self.after, key)
        return [turn for turn in turns if key in turn.was | turn.now or turn.source in block]

    def _between(self, key: str) -> tuple[str, tuple[str, ...]]:
        """Return " after “A”, before “B”" of the later graph, and the steps it names."""
        where, names = self._after(self.after, key)
        following = list(dict.fromkeys(to for to in self.after.steps[key].exits.values() if to in self.after.steps))
        if following:
            before = _listed([self._title(self.after, to) for to in following if to])
            return f"{where}, before {before}", (*names, *(to for to in following if to))
        return where, names

    def _after(self, graph: Graph, key: str) -> tuple[str, tuple[str, ...]]:
        into = graph.into(key)
        if not into:
            return "", ()
        return f" after {_listed([self._way(graph, edge) for edge in into])}", tuple(edge.source for edge in into)

    def _way(self, graph: Graph, edge: Edge) -> str:
        step = graph.steps[edge.source]
        name = self._title(graph, edge.source)
        return f"{name} ({exit_labels(step).get(edge.exit, edge.exit)})" if len(step.exits) > 1 else name

    def _goals(self, graph: Graph, keys: frozenset[Where]) -> str:
        named = [self._title(graph, key) for key in sorted(key for key in keys if key)]
        return _listed([*named, "nothing (the journey is completed)"] if None in keys else named, "or")

    def _title(self, graph: Graph, key: str) -> str:
        return title(graph.steps[key], self.known)


def _fields(old: Step, new: Step) -> list[str]:
    """Return what the form calls the settings that differ."""
    schema = step_types().get(new.type).Config.model_json_schema().get("properties", {})
    names = [name for name in {**schema, **old.config, **new.config} if old.config.get(name) != new.config.get(name)]
    return [str(schema.get(name, {}).get("title") or name.replace("_", " ").capitalize()) for name in names]


def _listed(words: Sequence[str], join: str = "and") -> str:
    return f"{', '.join(words[:-1])} {join} {words[-1]}" if len(words) > 1 else "".join(words)
