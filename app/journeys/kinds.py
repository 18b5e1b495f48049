"""What the kinds of steps say of a graph and its steps: read by them, checked, named, and put in words."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import orjson
from pydantic import ValidationError

from app.infra.registry import NotRegistered
from app.journeys import graph as graphs
from app.journeys.editing import new_key
from app.journeys.graph import Graph, Problem, Step
from app.journeys.plainly import plainly
from app.journeys.step_type import SEALED, C, Known, StepConfig, StepType, step_types


def palette() -> list[tuple[str, StepType[Any]]]:
    """Return the kinds that can be put on a canvas, by name, in the order they are offered."""
    order = (
        "SEND",
        "WAIT",
        "CONDITION",
        "SPLIT",
        "UPDATE",
        "WEBHOOK",
        "TASK",
        "NOTIFY",
        "START_JOURNEY",
        "JUMP",
        "GOAL",
        "END",
    )
    offered = [(name, kind) for name, kind in step_types() if kind.placeable]
    return sorted(offered, key=lambda item: (order.index(item[0]) if item[0] in order else len(order), item[0]))


_MOST_SETTINGS = 5000
_settings: dict[tuple[type[StepConfig], bytes], StepConfig] = {}


def settings_of(kind: StepType[C], config: Mapping[str, Any]) -> C:
    """Return settings as their kind reads them, or raise ValidationError; the same settings are read once a process."""
    try:
        told = kind.Config, orjson.dumps(config)
    except TypeError:
        return kind.Config.model_validate(config)
    read = _settings.get(told)
    if read is None:
        read = kind.Config.model_validate(config)
        # Another thread may have cleared them by the next line.
        if len(_settings) >= _MOST_SETTINGS:
            _settings.clear()
        _settings[told] = read
    return cast("C", read)


def exits_of(type: str, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the exits of a kind with these settings; a kind that does not exist raises NotRegistered."""
    return step_types().get(type).exits(config)


def exit_labels(step: Step) -> dict[str, str]:
    """Return what people call each way out of a step, in the order of its exits."""
    labels = step_types().get(step.type).exit_labels(step.config)
    return {exit: labels.get(exit) or exit for exit in step.exits}


def way_label(step: Step, way: str) -> str:
    """Return what people call a way somebody went from a step: an exit, one it had before, or out of the journey."""
    return step_types().get(step.type).exit_labels(step.config).get(way) or way


def leads_to(step: Step) -> tuple[str, ...]:
    """Return the keys of the steps that a step's settings name and people may go on with."""
    return step_types().get(step.type).leads_to(step.config)


def portable(step: Step) -> Step:
    """Return a step as it leaves its journey: a secret is of the step it was made for."""
    return replace(step, config={name: one for name, one in step.config.items() if name != SEALED})


def read_graph(data: Any) -> Graph:
    """Return the graph of a draft or version (`{"steps": […]}`), or raise BadGraph."""
    return graphs.read(data, exits_of)


def stored_graph(data: Mapping[str, Any]) -> Graph:
    """Return the graph that `Graph.to_json` gave this form; nothing is checked again."""
    return graphs.stored(data, exits_of)


def new_step(graph: Graph, type: str, *, key: str | None = None, given: Mapping[str, int] | None = None) -> Step:
    """Return a step of that kind with its default settings and a free key (see `new_key`), not yet in the graph."""
    try:
        kind = step_types().get(type)
    except NotRegistered as unknown:
        raise graphs.BadGraph({"type": str(unknown)}) from None
    config = kind.defaults()
    return Step(key or new_key(graph, type, given), type, None, config, dict.fromkeys(kind.exits(config)))


def runs_through(graph: Graph, start: str, end: str) -> bool:
    """Return whether one can come from a step to another without staying anywhere."""
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        key = ahead.pop()
        if key == end:
            return True
        if key in seen or key not in graph.steps:
            continue
        seen.add(key)
        step = graph.steps[key]
        if not step_types().get(step.type).takes_time(step.config):
            ahead += [target for target in (*step.exits.values(), *leads_to(step)) if target]
    return False


def check_graph(graph: Graph, known: Known) -> list[Problem]:
    """Return all that stands in the way of activation: the shape of the graph first, then each step's settings."""
    found = graphs.problems(graph, leads_to)
    for step in graph:
        found += check_step(step, known, graph)
    return found


def check_step(step: Step, known: Known, graph: Graph) -> list[Problem]:
    """Return what is wrong with one step's settings, beside the field concerned (`rules[0].value`: its first part)."""
    kind = step_types().get(step.type)
    found: list[Problem] = []
    misfits: set[str | int | None] = set()
    try:
        config = settings_of(kind, step.config)
    except ValidationError as error:
        found = [Problem(step.key, _path(one["loc"]), plainly(one)) for one in error.errors(include_url=False)]
        misfits = {next(iter(one["loc"]), None) for one in error.errors(include_url=False)}
        try:
            # What else is wrong is told at the same time, of the settings that fit.
            step = replace(step, config={name: one for name, one in step.config.items() if name not in misfits})
            config = kind.Config.model_validate(step.config)
        except ValidationError:
            return found
    wrong = [*kind.check(config, known), *kind.check_place(step, graph, known)]
    return found + [Problem(step.key, at, said) for at, said in wrong if not at or _root(at) not in misfits]


def _root(path: str) -> str:
    """Return the setting that a path leads into: `paths[0].rules` into `paths`."""
    return path.replace("[", ".").partition(".")[0]


def _path(location: Sequence[int | str]) -> str | None:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path or None


def warnings_of(step: Step, tenant_id: UUID) -> list[str]:
    """Return what would keep a step from doing anything, though its settings are right; nothing of unfinished ones."""
    try:
        kind = step_types().get(step.type)
        return list(kind.warnings(settings_of(kind, step.config), tenant_id))
    except (NotRegistered, ValidationError):
        return []


def title_of(step: Step, known: Known) -> str:
    """Return what a step is called: its own name, else what its kind calls it by its settings."""
    if step.name:
        return step.name
    if step.type not in step_types():
        return step.key
    kind = step_types().get(step.type)
    try:
        return kind.title(settings_of(kind, step.config), known)
    except ValidationError:
        return kind.label


def words_of(step: Step, known: Known) -> str:
    """Return a step's settings in a few words; of settings that are not valid yet, "Not set up yet"."""
    kind = step_types().get(step.type)
    try:
        return kind.words(settings_of(kind, step.config), known)
    except ValidationError:
        return "Not set up yet"
