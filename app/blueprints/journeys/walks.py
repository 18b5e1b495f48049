"""The way one person took, marked on the drawing of the version they walk under."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from app.blueprints.journeys import presenters
from app.blueprints.journeys.board import known
from app.blueprints.journeys.presenters import Canvas
from app.infra.errors import NotFound
from app.journeys import queries
from app.journeys.graph import NEXT, Graph
from app.journeys.models import Journey
from app.journeys.queries import EnrollmentPath, StepTaken

# What a step is for this person, by the status of their last time there; and its word on the card.
FATES = {"COMPLETED": "passed", "SKIPPED": "skipped", "FAILED": "failed", "IN_PROGRESS": "here"}
WORDS = {"passed": "Passed", "skipped": "Skipped", "failed": "Failed", "here": "Here now", "off": "Not taken"}


@dataclass(frozen=True, slots=True)
class Walk:
    """A drawing with a way on it: `marks` by step ("passed", "skipped", "failed", "here", "off": not taken, nor ahead).

    `turns` are the places of a step in the way, counted from 1; `lines` the edges that were gone; `version` is the one
    drawn (None: the draft), and `others` are older ones under which steps were taken too.
    """

    canvas: Canvas
    marks: Mapping[str, str]
    turns: Mapping[str, Sequence[int]]
    lines: frozenset[str]
    version: int | None
    others: Sequence[int]


def drawn(walk: EnrollmentPath, journey: Journey) -> Walk:
    """Return the drawing of a person's way."""
    version = max((one.version for one in walk.steps), default=journey.published_version)
    graph = _graph(journey, version)
    turns: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(walk.steps, start=1):
        turns[one.step_key].append(place)
    canvas = presenters.draw(graph, known=known(journey.tenant_id, journey.id), problems=[])
    return Walk(
        canvas=canvas,
        marks=_marks(walk, graph),
        turns=turns,
        lines=frozenset(f"edge-{key}-{exit}" for key, exit in _gone(walk.steps, graph)),
        version=version,
        others=sorted({one.version for one in walk.steps} - {version or 0}),
    )


def _graph(journey: Journey, version: int | None) -> Graph:
    if version is None:
        return queries.draft(journey)
    try:
        return queries.version_graph(tenant_id=journey.tenant_id, journey_id=journey.id, number=version)
    except NotFound:
        return queries.draft(journey)


def _marks(walk: EnrollmentPath, graph: Graph) -> dict[str, str]:
    line = walk.line
    found = {one.step_key: FATES.get(one.status, "passed") for one in walk.steps}
    standing = line.current_step_key if line.status == "ACTIVE" else None
    if standing:
        found[standing] = "here"
    ahead = _below(graph, standing) if standing else frozenset[str]()
    return {key: found.get(key, "" if key in ahead else "off") for key in graph.steps}


def _below(graph: Graph, key: str) -> frozenset[str]:
    """Return the steps that may still come after one."""
    seen: set[str] = set()
    todo = [key]
    while todo:
        at = todo.pop()
        if at in graph.steps and at not in seen:
            seen.add(at)
            todo += [target for target in graph.steps[at].exits.values() if target]
    return frozenset(seen)


def _gone(steps: Sequence[StepTaken], graph: Graph) -> set[tuple[str, str]]:
    """Return the edges of a graph that were gone: those by which a step was left to the one that was taken next."""
    found = set()
    for one, after in zip_longest(steps, steps[1:]):
        if one.status not in ("COMPLETED", "SKIPPED") or one.step_key not in graph.steps:
            continue
        way = one.exit or NEXT
        target = graph.steps[one.step_key].exits.get(way, "")
        if target is None or (after is not None and target == after.step_key):
            found.add((one.step_key, way))
    return found
