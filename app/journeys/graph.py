"""The graph of a journey, as a value: read, change and check it. Nothing here touches the database.

Steps are joined by exits: most kinds have one, called "next"; a CONDITION has "yes" and "no"; an END none. Which exits
a step has is its kind's business (`app.journeys.step_type`), so `read` is told. In JSON the target of exit "next" is
`next` and of any other exit `next_<exit>`; a target of null means that the journey completes there.

How graphs are changed is in `app.journeys.editing`, where their steps are drawn in `app.journeys.layout`.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any

from app.infra.errors import Conflict, Invalid
from app.infra.figures import figure
from app.infra.words import is_visible

TRIGGER = "TRIGGER"
NEXT = "next"
MAX_STEPS = 500
MAX_NAME = 200
MAX_NOTES = 100
MAX_NOTE = 2000
FARTHEST = 20_000
COLOURS = ("yellow", "green", "blue", "pink")
LARGEST = 2**63
MAX_KEY = 64
KEY = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_KEY}}}", re.ASCII)

ExitsOf = Callable[[str, Mapping[str, Any]], tuple[str, ...]]
LeadsTo = Callable[["Step"], tuple[str, ...]]


class CannotEdit(Conflict):
    """The step can't be put, moved or taken away there; the message says why."""


class BadGraph(Invalid):
    """What was sent is no graph at all; `errors` is keyed `steps[2].key`."""

    title = "Check the steps"


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `exits` are its ways out in the order the kind names them, each with the key it leads to or None."""

    key: str
    type: str
    name: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    exits: Mapping[str, str | None] = field(default_factory=dict)

    def to(self, exit: str, target: str | None) -> "Step":
        """Return the step with one exit leading elsewhere."""
        return replace(self, exits={**self.exits, exit: target})


@dataclass(frozen=True, slots=True)
class Edge:
    """A way from one step to the next; `target` None means that the journey completes there."""

    source: str
    exit: str
    target: str | None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that stands in the way of activation: on one field of one step, on the step, or on the whole."""

    step_key: str | None
    field: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Note:
    """A note stuck on the canvas, `x` to the right of the middle of a step and `y` below its top, in pixels.

    Where there is no such step (any more), it hangs at the TRIGGER.
    """

    id: str
    text: str
    colour: str
    step: str
    x: int
    y: int


@dataclass(frozen=True)
class Graph:
    """The steps of a journey by key, in the order they were given; the TRIGGER stands first.

    Notes are for those who edit: two graphs of the same steps are the same journey, whatever is noted beside them.
    A graph never changes, so what is found out about its shape is kept with it.
    """

    steps: Mapping[str, Step] = field(default_factory=dict)
    notes: tuple[Note, ...] = field(default=(), compare=False)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps.values())

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def trigger(self) -> Step | None:
        """Return the TRIGGER step, if there is one."""
        return next((step for step in self if step.type == TRIGGER), None)

    def step(self, key: str) -> Step:
        """Return the step of that key, or raise CannotEdit."""
        found = self.steps.get(key)
        if found is None:
            raise CannotEdit(f"There is no step “{key}” in this journey any more. Reload to see its present state.")
        return found

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Every way out of every step, open ends included."""
        return tuple(Edge(step.key, exit, target) for step in self for exit, target in step.exits.items())

    @cached_property
    def back_edges(self) -> tuple[Edge, ...]:
        """The edges that close a circle, found from the TRIGGER first and then from the other steps."""
        return tuple(_back_edges(self))

    @cached_property
    def ranks(self) -> Mapping[str, int]:
        """How far below the TRIGGER each step lies on its longest way, ways that close a circle left out.

        Steps nobody reaches start at 0 of their own.
        """
        return _ranks(self)

    @cached_property
    def _into(self) -> Mapping[str, list[Edge]]:
        found: dict[str, list[Edge]] = {}
        for edge in self.edges:
            if edge.target is not None:
                found.setdefault(edge.target, []).append(edge)
        return found

    @cached_property
    def _next(self) -> Mapping[str, tuple[str, ...]]:
        """The steps each step's exits lead to, as far as they are there."""
        there = self.steps
        return {
            step.key: tuple(target for target in step.exits.values() if target is not None and target in there)
            for step in self
        }

    def into(self, key: str) -> Sequence[Edge]:
        """Return the edges that lead to a step."""
        return self._into.get(key, ())

    def reached_from(self, *keys: str | None, leads_to: "LeadsTo | None" = None, but: str | None = None) -> set[str]:
        """Return the keys of the steps on any way from `keys`, those included; dangling targets are left out.

        With `leads_to`, ways that the settings of steps name count too.
        """
        following = self._next
        found: set[str] = set()
        ahead = [key for key in keys if key is not None and key in following]
        while ahead:
            key = ahead.pop()
            if key not in found and key != but:
                found.add(key)
                ahead += following[key]
                if leads_to:
                    ahead += [named for named in leads_to(self.steps[key]) if named in following]
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the stored form; `read` gives the same graph back."""
        notes = {"notes": [asdict(note) for note in self.notes]} if self.notes else {}
        return {"steps": [step_json(step) for step in self], **notes}

    def with_steps(self, *steps: Step) -> "Graph":
        """Return the graph with these steps added, or put in the place of those with the same keys."""
        return replace(self, steps={**self.steps, **{step.key: step for step in steps}})

    def without(self, keys: set[str]) -> "Graph":
        """Return the graph without these steps; ways that led to them become open ends."""
        return replace(
            self,
            steps={
                step.key: replace(
                    step, exits={exit: None if target in keys else target for exit, target in step.exits.items()}
                )
                for step in self
                if step.key not in keys
            },
        )


def step_json(step: Step) -> dict[str, Any]:
    """Return a step as the API shows it; `next`, `next_yes` and `next_no` are always there."""
    return {
        "key": step.key,
        "type": step.type,
        "name": step.name,
        "config": dict(step.config),
        "next": None,
        "next_yes": None,
        "next_no": None,
        **{json_name(exit): target for exit, target in step.exits.items()},
    }


def step_mark(step: Step) -> str:
    """Return a mark of a step as it is stored: another one once anything of it has changed."""
    told = json.dumps(step_json(step), sort_keys=True, default=str)
    return blake2b(told.encode(errors="replace"), digest_size=9).hexdigest()


def json_name(exit: str) -> str:
    """Return the name of an exit's target in JSON."""
    return NEXT if exit == NEXT else f"next_{exit}"


def given_ways(step: Mapping[str, Any]) -> dict[str, str]:
    """Return the ways on that a step's JSON names with the key of a step, whether the step has such exits or not."""
    names = {name: name.removeprefix("next_") for name in step if name == NEXT or name.startswith("next_")}
    return {exit: to for name, exit in names.items() if isinstance(to := step[name], str)}


def read(data: Any, exits_of: ExitsOf) -> Graph:
    """Return the graph of its JSON form `{"steps": […]}`, or raise BadGraph with what is wrong with which step.

    Only what can't be kept is refused: keys that are no keys or stand twice, kinds that don't exist, values of the
    wrong shape. Everything else that stands in the way of activation is for `problems` to tell. `exits_of` returns
    the exits of a kind with a config, and raises LookupError for a kind that does not exist.
    """
    errors: dict[str, str] = {}
    given = data.get("steps") if isinstance(data, Mapping) else None
    if not isinstance(given, list):
        raise BadGraph({"steps": "Give a list of steps."})
    if len(given) > MAX_STEPS:
        raise BadGraph({"steps": f"A journey has at most {MAX_STEPS} steps."})
    steps: dict[str, Step] = {}
    for index, one in enumerate(given):
        step = _read_step(one, f"steps[{index}]", exits_of, errors)
        if step is None:
            continue
        if step.key in steps:
            errors[f"steps[{index}].key"] = f"Two steps have the key “{step.key}”."
        steps[step.key] = step
    notes = _read_notes(data.get("notes"), errors)
    if errors:
        raise BadGraph(errors)
    # The TRIGGER comes first, wherever it was in the list.
    return Graph(dict(sorted(steps.items(), key=lambda item: item[1].type != TRIGGER)), notes)


def stored(data: Mapping[str, Any], exits_of: ExitsOf) -> Graph:
    """Return the graph whose `to_json` this is: what `read` refuses can't be in it."""
    steps = {}
    for one in data["steps"]:
        config = one["config"]
        exits = {exit: one.get(json_name(exit)) for exit in exits_of(one["type"], config)}
        steps[one["key"]] = Step(one["key"], one["type"], one["name"], config, exits)
    return Graph(steps, tuple(Note(**one) for one in data.get("notes", ())))


def _read_notes(data: Any, errors: dict[str, str]) -> tuple[Note, ...]:
    given = [] if data is None else data
    if not isinstance(given, list) or len(given) > MAX_NOTES:
        errors["notes"] = f"Give a list of at most {MAX_NOTES} notes."
        return ()
    notes: dict[str, Note] = {}
    for index, one in enumerate(given):
        try:
            note = Note(**one)
        except TypeError:
            errors[f"notes[{index}]"] = "A note is an object with an id, a text, a colour, a step, x and y."
            continue
        if wrong := wrong_with(note):
            errors[f"notes[{index}]"] = wrong
        notes[str(note.id)] = note
    return tuple(notes.values())


def wrong_with(note: Note) -> str | None:
    """Return what is wrong with a note, or None."""
    texts = (note.id, note.text, note.colour, note.step)
    if not all(isinstance(one, str) and storable(one) for one in texts) or not KEY.fullmatch(note.id):
        return "A note needs an id of letters and digits, a text, a colour and the key of a step."
    if len(note.step) > MAX_KEY:
        return f"The key of a step has at most {MAX_KEY} characters."
    if len(note.text) > MAX_NOTE:
        return f"Write at most {figure(MAX_NOTE)} characters."
    if note.colour not in COLOURS:
        return f"Choose one of the colours {', '.join(COLOURS)}."
    if not all(isinstance(at, int) and abs(at) <= FARTHEST for at in (note.x, note.y)):
        return "A note stands too far away."
    return None


def _read_step(data: Any, path: str, exits_of: ExitsOf, errors: dict[str, str]) -> Step | None:
    if not isinstance(data, Mapping):
        errors[path] = "A step is an object with a key, a type and a config."
        return None
    key, kind, name = data.get("key"), data.get("type"), data.get("name")
    config = data.get("config")
    if not isinstance(key, str) or not KEY.fullmatch(key):
        errors[f"{path}.key"] = "Give a key of 1 to 64 letters, digits, “_” or “-”."
    if name is not None and (not isinstance(name, str) or len(name) > MAX_NAME):
        errors[f"{path}.name"] = f"Give a name of at most {MAX_NAME} characters."
    if config is not None and not isinstance(config, Mapping):
        errors[f"{path}.config"] = "Give the settings as an object."
    if not storable([name, config]):
        errors[f"{path}.config"] = "The settings hold a character or number that can't be stored."
    try:
        exits = exits_of(str(kind), config if isinstance(config, Mapping) else {})
    except LookupError as unknown:
        errors[f"{path}.type"] = str(unknown)
        return None
    targets: dict[str, str | None] = {}
    for exit in exits:
        target = data.get(json_name(exit))
        if target is not None and (not isinstance(target, str) or not KEY.fullmatch(target)):
            errors[f"{path}.{json_name(exit)}"] = "Give the key of a step, or null where the journey completes."
            target = None
        targets[exit] = target
    if any(at == path or at.startswith(f"{path}.") for at in errors):
        return None
    return Step(str(key), str(kind), name if name and is_visible(name) else None, dict(config or {}), targets)


def storable(value: Any) -> bool:
    """Return whether the value can be kept as JSON and read again: no NUL, lone surrogates, endless nesting, NaN.

    Nor any number of more than 64 bits: Postgres gives even 1e30 back as a whole number, which no writer takes.
    """
    ahead: list[tuple[Any, int]] = [(value, 0)]
    while ahead:
        one, depth = ahead.pop()
        if isinstance(one, str):
            if "\0" in one or not (one.isascii() or _encodable(one)):
                return False
        elif isinstance(one, int | float):
            if not -LARGEST < one < LARGEST:
                return False
        elif isinstance(one, Mapping | list | tuple):
            if depth > 40:
                return False
            inner = [*one, *one.values()] if isinstance(one, Mapping) else one
            ahead += [(each, depth + 1) for each in inner]
    return True


def _encodable(words: str) -> bool:
    try:
        words.encode()
    except UnicodeEncodeError:
        return False
    return True


def problems(graph: Graph, leads_to: LeadsTo | None = None) -> list[Problem]:
    """Return what is wrong with the shape of the graph: its start, dangling ways, loops, steps nobody reaches.

    `leads_to` tells which steps a step's settings name, that people come to beside those its exits lead to.
    """
    triggers = [step for step in graph if step.type == TRIGGER]
    if not triggers:
        return [Problem(None, None, "Add a trigger: it says who enters the journey, and when.")]
    found = [Problem(step.key, None, "A journey has one trigger; remove this one.") for step in triggers[1:]]
    if len(graph) == 1:
        found.append(Problem(None, None, "Add at least one step after the trigger."))
    found += [
        Problem(edge.source, json_name(edge.exit), f"This leads to “{edge.target}”, which is not in the journey.")
        for edge in graph.edges
        if edge.target is not None and edge.target not in graph.steps
    ]
    found += [
        Problem(edge.source, json_name(edge.exit), "Nothing can lead back to the trigger.")
        for edge in graph.into(triggers[0].key)
    ]
    reached = graph.reached_from(triggers[0].key, leads_to=leads_to)
    found += [
        Problem(step.key, None, "Nobody can reach this step; connect it or remove it.")
        for step in graph
        if step.key not in reached and step.type != TRIGGER
    ]
    found += [
        Problem(edge.source, json_name(edge.exit), "This leads back to an earlier step; journeys can't run in circles.")
        for edge in graph.back_edges
        if edge.target != triggers[0].key
    ]
    return found


def _back_edges(graph: Graph) -> list[Edge]:
    closing: list[Edge] = []
    state: dict[str, int] = {}
    for start in graph.steps:
        if start in state:
            continue
        state[start] = 1
        path = [(start, iter(list(graph.steps[start].exits.items())))]
        while path:
            key, ways = path[-1]
            for exit, target in ways:
                if target is None or target not in graph.steps:
                    continue
                if state.get(target) == 1:
                    closing.append(Edge(key, exit, target))
                elif target not in state:
                    state[target] = 1
                    path.append((target, iter(list(graph.steps[target].exits.items()))))
                    break
            else:
                state[key] = 2
                path.pop()
    return closing


def _ranks(graph: Graph) -> dict[str, int]:
    closing = {(edge.source, edge.exit) for edge in graph.back_edges}
    ahead = [
        edge
        for edge in graph.edges
        if edge.target is not None and edge.target in graph.steps and (edge.source, edge.exit) not in closing
    ]
    rank = dict.fromkeys(graph.steps, 0)
    missing = dict.fromkeys(graph.steps, 0)
    after: dict[str, list[str]] = {key: [] for key in graph.steps}
    for edge in ahead:
        assert edge.target is not None
        missing[edge.target] += 1
        after[edge.source].append(edge.target)
    ready = [key for key, count in missing.items() if not count]
    while ready:
        key = ready.pop()
        for target in after[key]:
            rank[target] = max(rank[target], rank[key] + 1)
            missing[target] -= 1
            if not missing[target]:
                ready.append(target)
    return rank
