"""How the latest walks went from step to step, and how many of them came how far."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra.errors import Invalid
from app.journeys import latest
from app.journeys.graph import NEXT, TRIGGER, Graph
from app.journeys.latest import GOAL, Who
from app.journeys.models import Journey
from app.journeys.queries import StepCounts

MOST_STAGES = 12
SEND = "SEND"

# Who stands before a step, or left there, has come to it; the log has it once it was taken.
_LINKS = f"""
    WITH walk AS MATERIALIZED ({latest.walk()}),
    step AS (
        SELECT s.step_key AS source, coalesce(s.exit, '{NEXT}') AS exit,
            coalesce(lead(s.step_key) OVER (PARTITION BY walk.id ORDER BY s.step_number),
                CASE WHEN walk.current_step_key <> s.step_key THEN walk.current_step_key END) AS target
        FROM walk JOIN journey_enrollment_step s ON s.tenant_id = :tenant_id AND s.enrollment_id = walk.id
    )
    SELECT source, exit, target, count(*) AS people FROM step WHERE target IS NOT NULL
    GROUP BY source, exit, target ORDER BY people DESC, source, exit, target
"""  # noqa: S608 - of parts written here
_ENDS = f"""
    WITH walk AS MATERIALIZED ({latest.walk()})
    SELECT current_step_key AS key, status, count(*) AS people FROM walk GROUP BY current_step_key, status
"""  # noqa: S608 - of parts written here
_STAGES = f"""
    WITH walk AS MATERIALIZED ({latest.walk()}),
    taken AS (
        SELECT walk.id, 1 << (array_position(CAST(:steps AS text[]), s.step_key) - 1) AS bit
        FROM walk JOIN journey_enrollment_step s ON s.tenant_id = :tenant_id AND s.enrollment_id = walk.id
        WHERE s.step_key = ANY(CAST(:logged AS text[])) AND s.status = 'COMPLETED'
        UNION ALL
        SELECT walk.id, 1 << (array_position(CAST(:steps AS text[]), m.step_key) - 1) AS bit
        FROM walk JOIN message m ON m.tenant_id = :tenant_id AND m.customer_id = walk.customer_id
            AND m.enrollment_id = walk.id
        WHERE m.step_key = ANY(CAST(:sends AS text[])) AND {latest.SENT}
        UNION ALL
        SELECT walk.id, 1 << (array_position(CAST(:steps AS text[]), '{GOAL}') - 1) AS bit
        FROM walk WHERE walk.converted_at IS NOT NULL AND '{GOAL}' = ANY(CAST(:steps AS text[]))
    ), came AS (SELECT id, bit_or(bit) AS bits FROM taken GROUP BY id)
    SELECT coalesce(came.bits, 0) AS bits, walk.status = 'ACTIVE' AS inside, count(*) AS people
    FROM walk LEFT JOIN came ON came.id = walk.id GROUP BY 1, 2
"""  # noqa: S608 - of parts written here


@dataclass(frozen=True, slots=True)
class Link:
    """So many times somebody went from one step, by one of its ways, to another."""

    source: str
    exit: str
    target: str
    people: int


@dataclass(frozen=True, slots=True)
class Flow:
    """All the ways people went; `ends` says by step how many are where their walk is or ended, by status."""

    links: Sequence[Link]
    ends: Mapping[str, Mapping[str, int]]

    def came(self, key: str, start: str | None) -> int:
        """Return how often somebody came to a step; `start` is where walks begin."""
        if key == start:
            return sum(sum(one.values()) for one in self.ends.values())
        return sum(link.people for link in self.links if link.target == key)


@dataclass(frozen=True, slots=True)
class Stage:
    """Those of the stage before who came to a step (GOAL: reached the goal), and how many of the others still may.

    `key` "" is the first: everybody.
    """

    key: str
    people: int
    lost: int
    inside: int


def flow(session: Session, journey: Journey, who: Who) -> Flow:
    """Return how the latest walks went."""
    asked = latest.values(journey, who)
    links = [Link(row.source, row.exit, row.target, row.people) for row in session.execute(text(_LINKS), asked)]
    ends: dict[str, dict[str, int]] = {}
    for row in session.execute(text(_ENDS), asked):
        ends.setdefault(row.key or "", {})[row.status] = row.people
    return Flow(links, ends)


def funnel(session: Session, journey: Journey, who: Who, steps: Sequence[str], graph: Graph) -> list[Stage]:
    """Return how many of the latest walks came to each of these steps, having come to all before it.

    A SEND counts once its message went out.
    """
    if len(steps) > MOST_STAGES:
        raise Invalid({"steps": f"Choose at most {MOST_STAGES} steps."})
    sends = [key for key in steps if key in graph.steps and graph.steps[key].type == SEND]
    asked = {
        "steps": latest.keys(steps),
        "sends": latest.keys(sends),
        "logged": latest.keys([key for key in steps if key not in sends and key != GOAL]),
    }
    people: Counter[int] = Counter()
    inside: Counter[int] = Counter()
    for row in session.execute(text(_STAGES), latest.values(journey, who) | asked):
        people[row.bits] += row.people
        inside[row.bits] += row.people if row.inside else 0
    found = [Stage("", people.total(), 0, 0)]
    for place, key in enumerate(steps):
        before, all_ = (1 << place) - 1, (1 << place + 1) - 1
        came = sum(count for bits, count in people.items() if bits & all_ == all_)
        still = sum(count for bits, count in inside.items() if bits & before == before and bits & all_ != all_)
        found.append(Stage(key, came, found[-1].people - came, still))
    return found


def usual_steps(graph: Graph, counts: Mapping[str, StepCounts], has_goal: bool) -> list[str]:
    """Return the stages of a funnel nobody chose: the messages on the way most people went that has any, and the goal.

    Where no message is sent at all, they are the steps on the way most people went.
    """
    sending = _before_sends(graph)
    way: list[str] = []
    at = graph.trigger.key if graph.trigger else None
    while at is not None and at not in way:
        way.append(at)
        passed = counts.get(at, StepCounts())
        ahead = [
            (target in sending, passed.left_by(exit), -place, target)
            for place, (exit, target) in enumerate(graph.steps[at].exits.items())
            if target in graph.steps
        ]
        at = max(ahead)[3] if ahead else None
    found = [key for key in way if graph.steps[key].type == SEND] or [key for key in way if key in can_be_staged(graph)]
    return [*found[: MOST_STAGES - 1], *([GOAL] if has_goal else [])]


def _before_sends(graph: Graph) -> set[str]:
    """Return the steps that send a message, or after which one is sent on some way."""
    found = {step.key for step in graph if step.type == SEND}
    before: dict[str, list[str]] = {}
    for step in graph:
        for target in step.exits.values():
            if target is not None:
                before.setdefault(target, []).append(step.key)
    ahead = list(found)
    while ahead:
        fresh = [key for key in before.get(ahead.pop(), ()) if key not in found]
        found.update(fresh)
        ahead += fresh
    return found


def can_be_staged(graph: Graph) -> list[str]:
    """Return the steps a funnel can be made of."""
    return [step.key for step in graph if step.type != TRIGGER]
