"""What became of the latest walks: by way, week and version, who reached the goal, how soon and with what.

And what a journey changed: those who went on beside those whom a SPLIT left out by chance.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra.statistics import Interval, difference, wilson
from app.journeys import latest
from app.journeys.graph import NEXT, Graph
from app.journeys.kinds import way_label
from app.journeys.latest import Who
from app.journeys.models import Journey
from app.journeys.step_type import step_types

HOLDOUT = "holdout"
SENT = "*sent"
"""No exit is called so."""
HOUR = 3600
BUCKETS = tuple(HOUR * hours for hours in (1, 6, 24, 72, 168, 336, 720, 2160))
"""Where the bars of a histogram end, in seconds; the last has no end."""
_BARS = ", ".join(
    f"count(*) FILTER (WHERE width_bucket(took, ARRAY[{', '.join(map(str, BUCKETS))}]) = {place}) AS bar_{place}"
    for place in range(len(BUCKETS) + 1)
)

_SLICES = f"""
    WITH walk AS MATERIALIZED ({latest.walk()}),
    letter AS MATERIALIZED (
        SELECT walk.id, bool_or({latest.DID["sent"]}) AS sent, bool_or(m.first_click_at IS NOT NULL) AS clicked
        FROM walk JOIN message m ON m.tenant_id = :tenant_id AND m.customer_id = walk.customer_id
            AND m.enrollment_id = walk.id
        GROUP BY walk.id
    ), went AS MATERIALIZED (
        SELECT DISTINCT walk.id, s.step_key, coalesce(s.exit, '{NEXT}') AS exit
        FROM walk JOIN journey_enrollment_step s ON s.tenant_id = :tenant_id AND s.enrollment_id = walk.id
        WHERE s.step_key = ANY(CAST(:forks AS text[])) AND s.status = 'COMPLETED'
    ), kept AS (
        SELECT DISTINCT id, step_key FROM went WHERE step_key = ANY(CAST(:splits AS text[])) AND exit <> '{HOLDOUT}'
    ), slice AS (
        SELECT id, 'all' AS kind, '' AS name, '' AS part FROM walk
        UNION ALL SELECT id, 'version', CAST(entered_version AS text), '' FROM walk
        UNION ALL SELECT id, 'week', CAST(entered_week AS text), '' FROM walk
        UNION ALL SELECT id, 'way', step_key, exit FROM went
        UNION ALL SELECT id, 'kept', step_key, '' FROM kept
        UNION ALL SELECT kept.id, 'sent', step_key, '' FROM kept JOIN letter ON letter.id = kept.id AND letter.sent
    ), told AS (
        SELECT slice.kind, slice.name, slice.part, walk.status, walk.converted_at, walk.converted_currency AS currency,
            walk.converted_amount AS amount, coalesce(letter.clicked, false) AS clicked,
            CAST(extract(epoch FROM walk.converted_at - walk.enrolled_at) AS float8) AS took
        FROM slice JOIN walk ON walk.id = slice.id LEFT JOIN letter ON letter.id = slice.id
    )
    SELECT kind, name, part, currency, grouping(currency) = 1 AS whole, count(*) AS people,
        count(converted_at) AS converted, count(*) FILTER (WHERE clicked) AS clicked,
        count(*) FILTER (WHERE status = 'COMPLETED') AS completed, sum(amount) AS amount,
        percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY took) AS quartiles, {_BARS}
    FROM told GROUP BY GROUPING SETS ((kind, name, part), (kind, name, part, currency))
"""  # noqa: S608 - of parts written here


@dataclass(frozen=True, slots=True)
class Times:
    """How soon those who reached the goal did: a quarter, half and three quarters of them by then.

    `bars` are how many did by each of BUCKETS, and after the last.
    """

    quarter: timedelta
    half: timedelta
    three_quarters: timedelta
    bars: Sequence[int]


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the walks, and what became of them."""

    people: int = 0
    converted: int = 0
    clicked: int = 0
    completed: int = 0
    revenue: Mapping[str, Decimal] = field(default_factory=dict)
    times: Times | None = None

    @property
    def share(self) -> Interval:
        """Return the share that reached the goal."""
        return wilson(self.converted, self.people)


@dataclass(frozen=True, slots=True)
class Way:
    """One way out of a step, and what became of those who went it."""

    exit: str
    label: str
    part: Part


@dataclass(frozen=True, slots=True)
class Beside:
    """Some of those who were not left out, beside those who were: `lift` is by how much more of them reached the goal.

    `key` is the exit of an arm, "" for all of them, or SENT for those a message went to.
    """

    key: str
    label: str
    part: Part
    lift: Interval


@dataclass(frozen=True, slots=True)
class Lift:
    """What a SPLIT that leaves people out tells of the journey: all the others first, then each arm, then who was sent
    a message."""

    step: str
    held_out: Part
    beside: Sequence[Beside]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of the latest walks. `cut`: there are more, which nothing is said of.

    `forks` are the ways of each step that has several, by its key.
    """

    together: Part
    cut: bool
    versions: Mapping[int, Part]
    weeks: Mapping[date, Part]
    forks: Mapping[str, Sequence[Way]]
    lifts: Sequence[Lift]


def outcomes(session: Session, journey: Journey, who: Who, graph: Graph, gone: Sequence[str]) -> Outcomes:
    """Return what became of the latest walks; `gone` are steps with named ways that the live graph does not have."""
    forks = [step.key for step in graph if len(step.exits) > 1 or _leaves_out(graph, step.key)]
    splits = [step.key for step in graph if step.type == "SPLIT"]
    asked = {"forks": latest.keys([*forks, *gone]), "splits": latest.keys(splits)}
    rows = session.execute(text(_SLICES), latest.values(journey, who) | asked).all()
    parts = dict(_parts(rows))
    together = parts.get(("all", "", ""), Part())
    ways: dict[str, list[Way]] = defaultdict(list)
    for key in (*forks, *gone):
        step = graph.steps.get(key)
        went = {part: one for (kind, name, part), one in parts.items() if kind == "way" and name == key}
        order = [*(step.exits if step else ()), *sorted(went)]
        for exit in dict.fromkeys(order):
            if exit in went:
                ways[key].append(Way(exit, way_label(step, exit) if step else exit, went[exit]))
    return Outcomes(
        together=together,
        cut=together.people >= latest.MOST and _has_more(session, journey, who),
        versions={int(name): one for (kind, name, _), one in parts.items() if kind == "version"},
        weeks={date.fromisoformat(name): one for (kind, name, _), one in parts.items() if kind == "week"},
        forks=dict(ways),
        lifts=[lift for key in splits if (lift := _lift(key, ways.get(key, ()), parts)) is not None],
    )


def _has_more(session: Session, journey: Journey, who: Who) -> bool:
    found = text(f"SELECT count(*) FROM ({latest.walk()}) AS walk")  # noqa: S608 - of parts written here
    return int(session.scalar(found, latest.values(journey, who, latest.MOST + 1)) or 0) > latest.MOST


def _leaves_out(graph: Graph, key: str) -> bool:
    step = graph.steps[key]
    return HOLDOUT in step_types().get(step.type).exit_labels(step.config)


def _parts(rows: Sequence[Any]) -> Iterator[tuple[tuple[str, str, str], Part]]:
    revenue: dict[tuple[str, str, str], dict[str, Decimal]] = defaultdict(dict)
    for row in sorted((row for row in rows if not row.whole and row.currency), key=lambda row: row.currency):
        revenue[row.kind, row.name, row.part][row.currency] = row.amount
    for row in rows:
        # Whose cohort is not known is in none.
        if row.whole and row.name is not None:
            key = (row.kind, row.name, row.part)
            yield key, Part(row.people, row.converted, row.clicked, row.completed, revenue[key], _times(row))


def _times(row: Any) -> Times | None:
    if not row.converted:
        return None
    quarter, half, rest = (timedelta(seconds=one) for one in row.quartiles)
    return Times(quarter, half, rest, [getattr(row, f"bar_{place}") for place in range(len(BUCKETS) + 1)])


def _lift(key: str, ways: Sequence[Way], parts: Mapping[tuple[str, str, str], Part]) -> Lift | None:
    held = next((way.part for way in ways if way.exit == HOLDOUT), None)
    kept = parts.get(("kept", key, ""))
    if held is None or kept is None:
        return None
    sent = parts.get(("sent", key, ""))
    arms = [way for way in ways if way.exit != HOLDOUT]
    others = [("", "Not left out", kept)]
    others += [(way.exit, way.label, way.part) for way in arms] if len(arms) > 1 else []
    others += [(SENT, "Of these, sent a message", sent)] if sent else []
    return Lift(
        key,
        held,
        [
            Beside(exit, label, part, difference(part.converted, part.people, held.converted, held.people))
            for exit, label, part in others
        ],
    )
