"""Several steps at once: taken out, put elsewhere, copied. Graphs in, new graphs out; what can't be is CannotEdit.

A part is a graph of some steps. Ways of it that lead to none of its own steps say where its paths left; put somewhere
else, they go on with what follows there.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from app.journeys.editing import moves_with, new_key
from app.journeys.graph import MAX_KEY, MAX_STEPS, NEXT, TRIGGER, CannotEdit, Graph, Step
from app.journeys.step_type import step_types

Ends = list[tuple[str, str]]


def part_of(graph: Graph, keys: Collection[str]) -> Graph:
    """Return the part of those steps, from top to bottom; the TRIGGER can't be in it."""
    if any(graph.step(key).type == TRIGGER for key in keys):
        raise CannotEdit("The trigger stays at the top.")
    if not keys:
        raise CannotEdit("Choose the steps first.")
    rank = graph.ranks
    chosen = [key for key in graph.steps if key in set(keys)]
    return Graph({key: graph.steps[key] for key in sorted(chosen, key=lambda key: rank[key])})


def take_out(graph: Graph, keys: Collection[str]) -> Graph:
    """Return the graph without those steps. What followed them moves up: of branches the first that goes on.

    Steps that nobody reaches any more then go too.
    """
    part = part_of(graph, keys)
    onward: dict[str, str | None] = {}
    for step in reversed(list(part)):
        ways = (onward.get(to) if to in part.steps else to for to in step.exits.values() if to)
        onward[step.key] = next((to for to in ways if to), None)
    start = graph.trigger.key if graph.trigger else None
    before = graph.reached_from(start)
    changed = graph.with_steps(
        *(
            replace(step, exits={exit: onward.get(to, to) if to else None for exit, to in step.exits.items()})
            for step in graph
            if any(to in onward for to in step.exits.values())
        )
    ).without(set(part.steps))
    return changed.without((before & set(changed.steps)) - changed.reached_from(start))


def put(graph: Graph, part: Graph, after: str, exit: str = NEXT) -> Graph:
    """Return the graph with a part put on an exit of step `after`; what followed there follows the part.

    Steps of the part that hang together by nothing are put one after the other. If all paths of a part left for one
    step, they all go on with what follows; else its first open end does.
    """
    place = graph.step(after)
    if exit not in place.exits:
        raise CannotEdit("Nothing can follow there.")
    if len(graph) + len(part) > MAX_STEPS:
        raise CannotEdit(f"A journey has at most {MAX_STEPS} steps.")
    following = place.exits[exit]
    closed = Graph({step.key: _only(step, part) for step in part})
    changed = graph.with_steps(*closed)
    ends: Ends = [(after, exit)]
    heads = [key for key in part.steps if not part.into(key)]
    seen: set[str] = set()
    for head in heads:
        changed = _lead(changed, ends, head)
        ends = _ends(part, head, part.reached_from(head) - seen)
        seen |= part.reached_from(head)
        if not ends and (head != heads[-1] or following is not None):
            raise CannotEdit("Every path of what you put there ends, so nothing could follow it.")
    changed = _lead(changed, ends, following)
    if len(seen) < len(part) or len(changed.back_edges) > len(graph.back_edges):
        raise CannotEdit("These steps hang together in several places; take them one after the other.")
    return changed


def move(graph: Graph, keys: Collection[str], after: str, exit: str = NEXT) -> Graph:
    """Return the graph with those steps on another step's exit; what followed them moves up into their old place.

    One step with branches takes them along: all that only it leads to.
    """
    keys = moves_with(graph, next(iter(keys))) if len(keys) == 1 and graph.step(next(iter(keys))) else set(keys)
    part = part_of(graph, keys)
    place = graph.step(after)
    if exit not in place.exits:
        raise CannotEdit("Nothing can follow there.")
    if after in keys:
        raise CannotEdit("Steps can't be moved into their own branches.")
    heads = [key for key in part.steps if not part.into(key)]
    if len(heads) == 1 and place.exits[exit] == heads[0] and len(graph.into(heads[0])) == 1:
        return graph
    outside = {edge.target for edge in part.edges if edge.target is not None and edge.target not in part.steps}
    lifted = take_out(graph, keys)
    if (len(heads) == 1 and len(outside) > 1) or len(lifted) < len(graph) - len(part):
        raise CannotEdit("The branches of these steps go on in several places; move those steps along, or first.")
    changed = put(lifted, part, after, exit)
    return replace(changed, steps={key: changed.steps[key] for key in graph.steps})


def renamed(part: Graph, graph: Graph, *, keep: bool = False, given: Mapping[str, int] | None = None) -> Graph:
    """Return the part with keys that are free in `graph` and none of those `given` before (see `new_key`).

    With `keep`, of a part of that graph, free ones stay.
    """
    names: dict[str, str] = {}
    taken = graph
    for step in part:
        key = step.key if keep and step.key not in taken.steps else new_key(taken, step.type, given)
        names[step.key] = key
        taken = taken.with_steps(replace(step, key=key))
    return Graph({names[step.key]: _called(step, names, keep=keep) for step in part})


def _called(step: Step, names: Mapping[str, str], *, keep: bool) -> Step:
    def away(to: str) -> str:
        # What left the part must not lead to a step that happens to have that key.
        return names.get(to) or f"-{to}"[:MAX_KEY]

    exits = {exit: away(to) if to else None for exit, to in step.exits.items()}
    config = step_types().get(step.type).retargeted(step.config, (lambda to: names.get(to, to)) if keep else away)
    return replace(step, key=names[step.key], config=dict(config), exits=exits)


def _only(step: Step, part: Graph) -> Step:
    """Return the step with its ways out of the part open."""
    return replace(step, exits={exit: to if to in part.steps else None for exit, to in step.exits.items()})


def _lead(graph: Graph, ends: Ends, target: str | None) -> Graph:
    for key, exit in ends:
        graph = graph.with_steps(graph.steps[key].to(exit, target))
    return graph


def _ends(part: Graph, head: str, block: Collection[str]) -> Ends:
    """Return the ways by which people leave a block for what follows it."""
    leaving = [edge for edge in part.edges if edge.source in block and edge.target and edge.target not in part.steps]
    if len({edge.target for edge in leaving}) == 1:
        return [(edge.source, edge.exit) for edge in leaving]
    if leaving:
        return [(leaving[0].source, leaving[0].exit)]
    return _open_end(part, head, block)


def _open_end(part: Graph, head: str, block: Collection[str]) -> Ends:
    """Return the first open end on the way down the first exits of a block."""
    ahead, seen = [head], set()
    while ahead:
        step = part.steps[ahead.pop(0)]
        if step.key in seen or step.key not in block:
            continue
        seen.add(step.key)
        for exit, target in step.exits.items():
            if target is None:
                return [(step.key, exit)]
        ahead = [to for to in step.exits.values() if to in part.steps and to is not None] + ahead
    return []


def told(verb: str, names: Iterable[str]) -> str:
    """Return an act on steps in words, for the history: “Pasted 3 steps”, “Removed “Wait””."""
    each = list(names)
    return f"{verb} “{each[0]}”" if len(each) == 1 else f"{verb} {len(each)} steps"
