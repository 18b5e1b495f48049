"""Publishing a draft beside people: what changes for whom, where people of removed steps go on, the next version."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.journeys import leaving
from app.journeys.changes import Change, Touched, changes, goes_on_at, leading_to, naming, title, touched
from app.journeys.drafts import copy_trigger
from app.journeys.engine import timed
from app.journeys.graph import TRIGGER, Graph, Step
from app.journeys.kinds import read_graph
from app.journeys.models import Journey, JourneyVersion
from app.journeys.queries import StepCounts, draft, step_counts
from app.journeys.setting_changes import kept, setting_changes
from app.journeys.step_type import Known, step_types

MAX_NOTE = 500
# More people than were shown, by so many and by such a share: then whoever publishes is asked again.
DRIFT, DRIFT_SHARE = 10, 0.2

Placements = Mapping[str, str | None]
"""Where people of removed steps go on, by the key of the removed step; None: they leave."""


class PlacesNeeded(Invalid):
    """People stand at removed steps and nobody said where they go on; `errors` is keyed `placements.<key>`."""

    title = "Say where people go on"


@dataclass(frozen=True, slots=True)
class Removed:
    """A removed step with the people who stand there, and where they go on unless something else is chosen."""

    key: str
    title: str
    people: int
    default: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A wait that is set otherwise, and how many people wait there."""

    key: str
    sentence: str
    people: int


@dataclass(frozen=True, slots=True)
class Review:
    """What publishing the draft would mean. `places` are the steps people can be put at, by key.

    Settings of the journey that changed since the live version touch nobody by being published: they hold already.
    """

    changes: list[tuple[Change, Touched | None]]
    removed: list[Removed]
    waits: list[Waiting]
    places: dict[str, str]


def review(*, tenant_id: UUID, journey: Journey, known: Known) -> Review:
    """Return what publishing the draft would change, and for whom; nothing before the first publication."""
    after = draft(journey)
    with transaction(tenant_id) as session:
        live = _version(session, journey)
    before = read_graph(live.graph) if live else Graph()
    known = naming(known, before, after)
    places = _places(after, known)
    if live is None:
        return Review([], [], [], places)
    counts = step_counts(tenant_id=tenant_id, journey_id=journey.id)
    active = {key: count.active for key, count in counts.items()}
    told = changes(before, after, known)
    return Review(
        changes=[
            *((one, touched(one, before, after, active)) for one in told),
            *((one, None) for one in setting_changes(live.settings, kept(journey), known)),
        ],
        removed=[
            Removed(key, title(before.steps[key], known) if key in before.steps else f"“{key}”", people, to)
            for key, people, to in _unplaced(before, after, counts, live.placements)
        ],
        waits=[
            Waiting(one.step_key, one.sentence, active[one.step_key])
            for one in told
            if one.step_key in _rebasing(before, after) and one.what == "settings" and active.get(one.step_key)
        ],
        places=places,
    )


def _places(graph: Graph, known: Known) -> dict[str, str]:
    """Return the steps people can be put at, by key; those that are called alike with what they come after."""
    names = {step.key: title(step, known) for step in graph if step.type != TRIGGER}
    often = Counter(names.values())
    above = {edge.target: graph.steps[edge.source] for edge in graph.edges}
    return {
        key: f"{name} after {title(above[key], known)}" if often[name] > 1 and key in above else name
        for key, name in names.items()
    }


def _version(session: Session, journey: Journey) -> JourneyVersion | None:
    """Return the version people follow."""
    return session.scalar(
        select(JourneyVersion).where(
            JourneyVersion.tenant_id == journey.tenant_id,
            JourneyVersion.journey_id == journey.id,
            JourneyVersion.number == journey.published_version,
        )
    )


def _unplaced(
    before: Graph, after: Graph, counts: Mapping[str, StepCounts], placed: Placements
) -> Iterator[tuple[str, int, str | None]]:
    """Yield (key, people, where they go on by default) of steps the draft lacks, where an earlier version says nothing.

    Those of the live version first, in its order.
    """
    for key in dict.fromkeys([*before.steps, *sorted(counts)]):
        people = counts[key].active if key in counts else 0
        if people and key not in after.steps and (key in before.steps or key not in placed):
            yield key, people, goes_on_at(before, after, key)


def _set_otherwise(before: Graph, after: Graph) -> Iterator[tuple[Step, Step]]:
    """Yield (before, after) of the steps that are of the same kind and have other settings."""
    for step in after:
        old = before.steps.get(step.key)
        if old is not None and step.type == old.type and step.config != old.config:
            yield old, step


def _rebasing(before: Graph, after: Graph) -> list[str]:
    """Return the waits that are set otherwise."""
    return [step.key for _, step in _set_otherwise(before, after) if step_types().get(step.type).rebases]


def _waiting_otherwise(before: Graph, after: Graph) -> list[str]:
    """Return the steps where people who are parked have to wait for something else."""
    return [
        step.key
        for old, step in _set_otherwise(before, after)
        if step_types().get(step.type).waits_otherwise(old.config, step.config)
    ]


def write(
    session: Session,
    journey: Journey,
    graph: Graph,
    actor: str,
    now: datetime,
    *,
    placements: Placements | None = None,
    seen: Mapping[str, int] | None = None,
    rebase_waits: bool = False,
    note: str | None = None,
) -> None:
    """Write a graph as the next version, unless it is the live one; the journey is locked (see `lock_settling`).

    `placements` None: people of removed steps leave when they are next due. Else every removed step where people stand
    must be named, or PlacesNeeded is raised; `seen` is how many that were when somebody chose.
    """
    live = _version(session, journey)
    before = read_graph(live.graph) if live else None
    if before == graph:
        return
    number = (journey.published_version or 0) + 1
    version = JourneyVersion(
        tenant_id=journey.tenant_id,
        journey_id=journey.id,
        number=number,
        graph=graph.to_json(),
        settings=kept(journey),
        note=(note or "").strip()[:MAX_NOTE] or None,
        created_by=actor,
    )
    if live is not None and before is not None:
        given = _given(journey, before, graph, live.placements, placements, seen or {})
        version.placements = _composed(live.placements, given, graph)
        again = [*_comes_again(before, graph, version.placements), *_put_back(session, journey, before, graph)]
        version.once = {key: at for key, at in live.once.items() if key in graph.steps} | dict.fromkeys(again, number)
        waits = _rebasing(before, graph)
        anew = waits if rebase_waits else []
        look = [key for key in _waiting_otherwise(before, graph) if key not in anew]
        _to_settle(session, journey, graph, removed=list(given), rebase=anew, look=look)
    journey.published_version = number
    session.add(version)
    began_by = (journey.trigger_type, journey.trigger_config)
    copy_trigger(journey, graph)
    journey.watches = leaving.watched(journey, graph)
    if began_by != (journey.trigger_type, journey.trigger_config):
        timed.plan(journey, now)
    detail: dict[str, Any] = {"version": number}
    audit.record(session, actor, "journey.publish", "journey", journey.id, detail | _placing(version, placements))


def _placing(version: JourneyVersion, placements: Placements | None) -> dict[str, Any]:
    return {"placements": version.placements} if placements is not None else {}


def _given(
    journey: Journey,
    before: Graph,
    after: Graph,
    placed: Placements,
    placements: Placements | None,
    seen: Mapping[str, int],
) -> dict[str, str | None]:
    """Return where people of each removed step go on, or raise PlacesNeeded; nothing where nothing was said."""
    if placements is None:
        return {}
    wrong: dict[str, str] = {}
    counts = step_counts(tenant_id=journey.tenant_id, journey_id=journey.id)
    for key, to in placements.items():
        if key in after.steps:
            wrong[f"placements.{key}"] = "This step is not removed."
        elif key not in before.steps and key not in counts:
            wrong[f"placements.{key}"] = "There was no such step."
        elif to is not None and (to not in after.steps or after.steps[to].type == TRIGGER):
            wrong[f"placements.{key}"] = "Choose a step of the version you publish, or none: then people leave."
    for key, people, _ in _unplaced(before, after, counts, placed):
        if key not in placements:
            wrong[f"placements.{key}"] = f"{_standing(people)} at this step. Say where they go on, or that they leave."
        elif key in seen and people > seen[key] + max(DRIFT, seen[key] * DRIFT_SHARE):
            wrong[f"placements.{key}"] = (
                f"There are {people} people here; there were {seen[key]} when you chose. Look again."
            )
    if wrong:
        raise PlacesNeeded(wrong)
    # Somebody may be on the way to a step where nobody stands.
    unsaid = (key for key in before.steps if key not in after.steps)
    return {key: goes_on_at(before, after, key) for key in unsaid} | dict(placements)


def _standing(people: int) -> str:
    return "1 person stands" if people == 1 else f"{people} people stand"


def _composed(earlier: Placements, given: Placements, after: Graph) -> dict[str, str | None]:
    """Return all places: those of earlier versions too, for whoever still stands at what was removed then."""
    kept = {key: to if to in after.steps else given.get(to or "") for key, to in earlier.items()}
    return {key: to for key, to in {**kept, **given}.items() if key not in after.steps}


def _comes_again(before: Graph, after: Graph, placed: Placements) -> list[str]:
    """Return the steps of `after` that reach out and to which people may come again who took them."""
    found = []
    for step in after:
        if step.key in before.steps and step_types().get(step.type).reaches_out:
            past = before.reached_from(step.key) - {step.key}
            stand = {key if key in after.steps else placed.get(key) for key in past}
            if stand & leading_to(after, step.key):
                found.append(step.key)
    return found


_HAD = text("""
    SELECT DISTINCT step ->> 'key' AS key, step ->> 'type' AS type
    FROM journey_version v CROSS JOIN LATERAL jsonb_array_elements(v.graph -> 'steps') AS step
    WHERE v.tenant_id = :tenant_id AND v.journey_id = :journey_id AND step ->> 'key' = ANY(:keys)
""")


def _put_back(session: Session, journey: Journey, before: Graph, after: Graph) -> list[str]:
    """Return the steps of `after` that reach out and that `before` does not have, but an earlier version did."""
    back = {
        step.key: step.type
        for step in after
        if step_types().get(step.type).reaches_out
        and (step.key not in before.steps or before.steps[step.key].type != step.type)
    }
    where = {"tenant_id": journey.tenant_id, "journey_id": journey.id, "keys": list(back)}
    had = session.execute(_HAD, where) if back else ()
    return [row.key for row in had if back[row.key] == row.type]


_LOCK = text("SELECT 1 FROM journey_settling WHERE tenant_id = :tenant_id AND journey_id = :journey_id FOR UPDATE")
_SETTLED = text("""
    DELETE FROM journey_settling
    WHERE tenant_id = :tenant_id AND journey_id = :journey_id AND rebase <> (step_key = ANY(:keys))
""")
_SETTLE = text("""
    INSERT INTO journey_settling AS held (tenant_id, journey_id, step_key, rebase, look)
    SELECT :tenant_id, :journey_id, key, :rebase, :look FROM unnest(CAST(:keys AS text[])) AS key
    ON CONFLICT (tenant_id, journey_id, step_key) DO UPDATE
    SET rebase = excluded.rebase, look = excluded.look AND held.look, after = NULL
""")


def lock_settling(session: Session, tenant_id: UUID, journey_id: UUID) -> None:
    """Wait until the engine is through with a batch of an earlier publication; call it before the journey is locked."""
    session.execute(_LOCK, {"tenant_id": tenant_id, "journey_id": journey_id})


def _to_settle(
    session: Session,
    journey: Journey,
    after: Graph,
    *,
    removed: Sequence[str],
    rebase: Sequence[str],
    look: Sequence[str],
) -> None:
    """Tell the engine whose people it has to look at, beside what is left of earlier publications."""
    where = {"tenant_id": journey.tenant_id, "journey_id": journey.id}
    session.execute(_SETTLED, {**where, "keys": list(after.steps)})
    for keys, waits, again in ((removed, False, False), (rebase, True, False), (look, True, True)):
        if keys:
            session.execute(_SETTLE, {**where, "keys": list(keys), "rebase": waits, "look": again})
