"""Changing a graph: every function returns a new graph and leaves its argument as it was.

What can't be done raises CannotEdit, with a message for the person who tried.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.infra.words import is_visible
from app.journeys.graph import (
    KEY,
    MAX_NAME,
    MAX_STEPS,
    NEXT,
    TRIGGER,
    BadGraph,
    CannotEdit,
    Graph,
    Step,
    storable,
)

MAX_DIGITS = 9


def new_key(graph: Graph, type: str, given: Mapping[str, int] | None = None) -> str:
    """Return a key no step has: the kind's name, and a number above those of the graph and `given` before, by kind."""
    stem = type.lower()
    number = 1 + max(sum(step.type == type for step in graph), given_keys(graph, (type,), given or {}).get(type, 0))
    while f"{stem}_{number}" in graph.steps:
        number += 1
    return f"{stem}_{number}"


def given_keys(graph: Graph, types: Iterable[str], before: Mapping[str, int]) -> dict[str, int]:
    """Return the highest number a key has had by kind: those of `before`, raised by the keys of the graph."""
    stems = {type.lower(): type for type in types}
    found = dict(before)
    for key in graph.steps:
        stem, _, number = key.rpartition("_")
        if stem in stems and number.isascii() and number.isdigit() and len(number) <= MAX_DIGITS:
            found[stems[stem]] = max(found.get(stems[stem], 0), int(number))
    return found


def can_insert(graph: Graph, after: str, exit: str, exits: Sequence[str]) -> bool:
    """Return whether a step with these exits may be put on that exit: one without exits only where nothing follows."""
    step = graph.steps.get(after)
    return step is not None and exit in step.exits and (bool(exits) or step.exits[exit] is None)


def insert(graph: Graph, step: Step, after: str, exit: str = NEXT) -> Graph:
    """Return the graph with `step` put on an exit of step `after`; what followed there follows the new first exit."""
    if step.type == TRIGGER:
        raise CannotEdit("A journey has one trigger; change the one it has.")
    if not KEY.fullmatch(step.key):
        raise BadGraph({"key": "Give a key of 1 to 64 letters, digits, “_” or “-”."})
    if step.key in graph.steps:
        raise CannotEdit(f"A step with the key “{step.key}” is there already.")
    if len(graph) >= MAX_STEPS:
        raise CannotEdit(f"A journey has at most {MAX_STEPS} steps.")
    before = graph.step(after)
    if exit not in before.exits:
        raise CannotEdit(_no_exit(before, exit))
    following = before.exits[exit]
    if following is not None and not step.exits:
        raise CannotEdit("Nothing can follow an end. Put it where a path stops, or delete what follows first.")
    exits = dict.fromkeys(step.exits)
    if exits:
        exits[next(iter(exits))] = following
    return graph.with_steps(before.to(exit, step.key), replace(step, exits=exits))


def _no_exit(step: Step, exit: str) -> str:
    if not step.exits:
        return "Nothing can follow an end."
    return f"Step “{step.key}” has no way out called “{exit}”; it has: {', '.join(step.exits)}."


def delete(graph: Graph, key: str, keep: str | None = None) -> Graph:
    """Return the graph without a step. What followed it moves up; where it had branches, the one called `keep`.

    By default the first branch is kept. Steps that only the dropped branches led to go too. `keep=""` keeps none:
    all that only this step led to goes with it.
    """
    step = graph.step(key)
    if step.type == TRIGGER:
        raise CannotEdit("The trigger can't be removed; change what it waits for instead.")
    keep = next(iter(step.exits), "") if keep is None else keep
    if keep and keep not in step.exits:
        raise CannotEdit(_no_exit(step, keep))
    following = step.exits.get(keep)
    start = graph.trigger
    before = graph.reached_from(start.key if start else None)
    changed = _bypass(graph, key, following).without({key})
    still = changed.reached_from(start.key if start else None)
    return changed.without((before & set(changed.steps)) - still)


def _bypass(graph: Graph, key: str, following: str | None) -> Graph:
    """Return the graph in which whatever led to `key` leads to `following`."""
    target = None if following == key else following
    return graph.with_steps(
        *(
            replace(step, exits={exit: target if to == key else to for exit, to in step.exits.items()})
            for step in graph
            if key in step.exits.values()
        )
    )


def moves_with(graph: Graph, key: str, rank: Mapping[str, int] | None = None) -> set[str]:
    """Return the step, and with branches all that only they lead to; `rank` is `graph.ranks` where that is known."""
    if len(graph.steps[key].exits) < 2:
        return {key}
    start = graph.trigger
    around = graph.reached_from(start.key if start else None, but=key)
    block = graph.reached_from(key) - around
    meeting = _meeting(graph, key, block, rank or graph.ranks)
    return block - graph.reached_from(meeting) if meeting else block


def _meeting(graph: Graph, key: str, block: set[str], rank: Mapping[str, int]) -> str | None:
    """Return the first step on which all branches of `key` come together, if they do before the journey ends."""
    # Nothing leads back into a block but its head, so what is outside leads to nothing in it.
    part = Graph({one: graph.steps[one] for one in block})
    branches = [part.reached_from(target) for target in graph.steps[key].exits.values()]
    common = set.intersection(*branches) if branches else set()
    for candidate in sorted(common, key=lambda one: (rank[one], one)):
        inside = block - part.reached_from(candidate)
        leaving = {to for one in inside for to in graph.steps[one].exits.values() if to and to not in inside}
        if leaving == {candidate}:
            return candidate
    return None


def configure(
    graph: Graph,
    key: str,
    *,
    exits: Sequence[str],
    config: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Graph:
    """Return the graph with a step's settings and name replaced (None: left as they are; name "" takes it away).

    `exits` are those the kind has with these settings: ways that stay keep their target.
    """
    step = graph.step(key)
    if config is not None:
        if not storable(config):
            raise BadGraph({"config": "The settings hold a character or number that can't be stored."})
        step = replace(step, config=dict(config), exits={exit: step.exits.get(exit) for exit in exits})
    if name is not None:
        if len(name) > MAX_NAME or not storable(name):
            raise BadGraph({"name": f"Give a name of at most {MAX_NAME} characters."})
        step = replace(step, name=name.strip() if is_visible(name) else None)
    return graph.with_steps(step)


def connect(graph: Graph, source: str, exit: str, target: str | None) -> Graph:
    """Return the graph with an exit leading to another step (or nowhere), so that branches can meet.

    Steps only the old way led to stay, unconnected. Refused where it would close a circle.
    """
    step = graph.step(source)
    if exit not in step.exits:
        raise CannotEdit(_no_exit(step, exit))
    if target is not None and (graph.step(target).type == TRIGGER or source in graph.reached_from(target)):
        raise CannotEdit("That would lead back to an earlier step; journeys can't run in circles.")
    return graph.with_steps(step.to(exit, target))
