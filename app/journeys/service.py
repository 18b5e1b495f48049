"""Acts on journeys: make one, change its settings, edit its draft. What makes it run is in `app.journeys.lifecycle`.

Edits of a draft take the `draft_revision` they were made on and return the journey with the next one; if somebody
else has changed the draft since, they raise DraftChanged and change nothing. None for it means "whatever it is now".
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import audit
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Conflict
from app.journeys import clips, drafts, editing, narrowing, parts, segments, uses
from app.journeys.graph import (
    MAX_NOTES,
    NEXT,
    TRIGGER,
    BadGraph,
    CannotEdit,
    Graph,
    Note,
    Step,
    given_ways,
    step_mark,
    wrong_with,
)
from app.journeys.kinds import exits_of, new_step, read_graph
from app.journeys.models import Journey, JourneyDraftEdit
from app.journeys.queries import version_graph
from app.journeys.settings import MAX_NAME, apply_settings, held_by, zone_of
from app.journeys.step_type import MANUAL, step_types


class NameTaken(Conflict):
    """Another journey has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is already a journey called “{name}”. Choose another name.", "name")


def create(
    *,
    tenant_id: UUID,
    actor: str,
    name: str,
    description: str | None = None,
    club_id: UUID | None = None,
    trigger_type: str = MANUAL,
    trigger_config: Mapping[str, Any] | None = None,
    timezone: str | None = None,
    **more: Any,
) -> Journey:
    """Make a journey in DRAFT whose graph is one TRIGGER step, and return it.

    Without `timezone` it is the club's, else the tenant's; `more` are other settings. Raises Invalid or NameTaken.
    """
    asked = trigger_config or {}
    config: dict[str, Any] = {"event_type": trigger_type, "conditions": list(asked.get("conditions") or [])}
    config |= {name: asked[name] for name in ("date", "schedule") if asked.get(name)}
    config |= {name: str(asked[name]) for name in drafts.NAMED if asked.get(name)}
    start = Graph().with_steps(Step("trigger", TRIGGER, None, config, dict.fromkeys(exits_of(TRIGGER, config))))
    with transaction(tenant_id) as session:
        given = {
            "name": name,
            "description": description,
            "club_id": club_id,
            **more,
            "timezone": timezone or zone_of(session, tenant_id, club_id),
        }
        journey = Journey(
            tenant_id=tenant_id, created_by=actor, draft=read_graph(start.to_json()).to_json(), draft_revision=1
        )
        apply_settings(session, journey, given)
        _hold_named(session, journey)
        drafts.copy_trigger(journey, start)
        session.add(journey)
        _flush_named(session, journey)
        session.add(
            JourneyDraftEdit(
                tenant_id=tenant_id, journey_id=journey.id, position=1, graph=journey.draft, label="Created the journey"
            )
        )
        session.flush()
        session.refresh(journey)
        audit.record(session, actor, "journey.create", "journey", journey.id, {"name": journey.name})
        return journey


def free_name(session: Session, tenant_id: UUID, name: str) -> str:
    """Return the name, or with a number after it where others have it."""
    name = name[: MAX_NAME - 6]
    found = select(Journey.name).where(Journey.tenant_id == tenant_id, Journey.name.startswith(name, autoescape=True))
    taken, number = set(session.scalars(found)), 1
    while (free := name if number == 1 else f"{name} ({number})") in taken:
        number += 1
    return free


def update_settings(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    actor: str,
    changes: Mapping[str, Any],
    seen: Mapping[str, Any] | None = None,
) -> Journey:
    """Change settings (keys of `settings.SETTINGS`) and return the journey; they count at once, also while active.

    With `seen`, the settings that the changes were made on, raises DraftChanged if they are others by now.
    """
    with transaction(tenant_id) as session:
        journey = drafts.locked(session, tenant_id, journey_id)
        before = held_by(journey)
        if seen is not None and before != seen:
            raise drafts.DraftChanged
        zone = journey.timezone
        apply_settings(session, journey, changes)
        _hold_named(session, journey)
        if journey.timezone != zone and journey.next_run_at:
            # The engine looks, finds nobody and works out the next moment by the zone's clocks.
            journey.next_run_at = min(journey.next_run_at, clock.now())
        _flush_named(session, journey)
        changed = sorted(name for name, value in held_by(journey).items() if value != before[name])
        audit.record(session, actor, "journey.update", "journey", journey_id, {"changed": changed})
        return journey


def put_steps(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    actor: str,
    steps: Sequence[Mapping[str, Any]],
    draft_revision: int | None = None,
    lost_steps: narrowing.Fate | Literal["ask"] = "loosen",
) -> Journey:
    """Replace the draft's graph whole and return the journey; keys are the caller's, and tell which step is the same.

    A TRIGGER without an `event_type` takes the journey's; without any TRIGGER, the journey's own is put before the
    first step. `lost_steps` says what becomes of steps on ways that their steps don't have (any more): with “ask”
    `narrowing.WaysLeftOut` tells of them. Raises BadGraph for what can't be kept; what is merely unfinished is kept.
    """

    def change(journey: Journey, graph: Graph) -> Graph:
        given = _with_trigger(journey, read_graph({"steps": list(steps)}))
        if lost_steps != "loosen":
            named = {str(one["key"]): given_ways(one) for one in steps}
            given = narrowing.whole(graph, given, named, None if lost_steps == "ask" else lost_steps)
        return replace(given, notes=graph.notes)

    return drafts.edit(tenant_id, journey_id, actor, draft_revision, "Replaced all steps", change)


def put_graph(*, tenant_id: UUID, journey_id: UUID, actor: str, graph: Graph) -> Journey:
    """Replace the draft by a graph from a file, notes and all, and return the journey."""
    return drafts.edit(
        tenant_id, journey_id, actor, None, "Imported the steps", lambda journey, _: _with_trigger(journey, graph)
    )


def insert_step(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    actor: str,
    type: str,
    after: str,
    exit: str = NEXT,
    key: str | None = None,
    name: str | None = None,
    config: Mapping[str, Any] | None = None,
    draft_revision: int | None = None,
) -> tuple[Journey, str]:
    """Put a new step on an exit of step `after`; return the journey and the new step's key.

    Without `config` the kind's defaults are taken, without `key` a free one. Raises CannotEdit or BadGraph.
    """
    made: list[str] = []

    def change(journey: Journey, graph: Graph) -> Graph:
        step = new_step(graph, type, key=key, given=journey.key_numbers)
        made.append(step.key)
        # With the ways it has with its settings, so that what follows hangs on one of those.
        exits = exits_of(type, config if config is not None else step.config)
        changed = editing.insert(graph, replace(step, exits=dict.fromkeys(exits)), after, exit)
        return editing.configure(changed, step.key, exits=exits, config=config, name=name)

    journey = drafts.edit(tenant_id, journey_id, actor, draft_revision, f"Added “{_label(type)}”", change)
    return journey, made[-1]


def delete_step(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    actor: str,
    key: str,
    keep: str | None = None,
    draft_revision: int | None = None,
) -> Journey:
    """Take a step away and return the journey; of a step with branches the one called `keep` stays (the first)."""
    return drafts.edit(
        tenant_id,
        journey_id,
        actor,
        draft_revision,
        lambda graph: f"Removed “{_title(graph.step(key))}”",
        lambda _, graph: editing.delete(graph, key, keep),
    )


def remove_steps(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    actor: str,
    keys: Collection[str],
    cut: bool = False,
    draft_revision: int | None = None,
) -> Journey:
    """Take several steps away at once and return the journey; `cut` when they, and no others, are on the clipboard."""

    def change(_: Journey, graph: Graph) -> Graph:
        changed = parts.take_out(graph, keys)
        if cut and len(changed) + len(set(keys)) < len(graph):
            raise CannotEdit("Branches that you did not choose would be lost. Choose them too, or delete instead.")
        return changed

    def label(graph: Graph) -> str:
        return parts.told("Cut" if cut else "Removed", [_title(step) for step in parts.part_of(graph, keys)])

    return drafts.edit(tenant_id, journey_id, actor, draft_revision, label, change)


def move_steps(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    actor: str,
    keys: Collection[str],
    after: str,
    exit: str = NEXT,
    draft_revision: int | None = None,
) -> Journey:
    """Put steps on another step's exit and return the journey; one step with branches takes them along."""
    return drafts.edit(
        tenant_id,
        journey_id,
        actor,
        draft_revision,
        lambda graph: parts.told("Moved", [_title(step) for step in parts.part_of(graph, keys)]),
        lambda _, graph: parts.move(graph, keys, after, exit),
    )


def paste_steps(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    actor: str,
    clip: str,
    after: str,
    exit: str = NEXT,
    copy: bool = False,
    draft_revision: int | None = None,
) -> tuple[Journey, list[str]]:
    """Put the steps of a clipboard's text on an exit; return the journey and the keys they have in it.

    Steps taken out of this journey keep their keys and secrets: they are the same steps. Settings that name what is
    not there are kept, for the checks to flag. `copy` says that the steps were duplicated here. Raises CannotEdit or
    BadGraph.
    """
    made: list[str] = []
    taken = clips.read(clip)

    def change(journey: Journey, graph: Graph) -> Graph:
        own = taken.journey_id == journey_id
        part = clips.with_secrets(journey, taken.part) if own else taken.part
        part = parts.renamed(part, graph, keep=own, given=journey.key_numbers)
        made[:] = part.steps
        return parts.put(graph, part, after, exit)

    verb = "Duplicated" if copy else "Pasted"
    label = parts.told(verb, [_title(step) for step in taken.part])
    return drafts.edit(tenant_id, journey_id, actor, draft_revision, label, change), made


def configure_step(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    actor: str,
    key: str,
    config: Mapping[str, Any] | None = None,
    name: str | None = None,
    draft_revision: int | None = None,
    was: str | None = None,
    sitting: str | None = None,
    dropping: narrowing.Dropping | None = None,
) -> Journey:
    """Replace a step's settings, its name or both, and return the journey; unfinished settings are kept too.

    `dropping` says what becomes of steps whose way the settings take away: `narrowing.WaysLost` asks for it. Without
    it they stay, connected to nothing.

    `was` is the mark (`graph.step_mark`) of the step the change was made on, where others may have changed the rest
    meanwhile. What is saved one after the other in one `sitting` is one entry of the history, and in nobody's way.
    """

    def change(journey: Journey, graph: Graph) -> Graph:
        step = graph.step(key)
        if was is not None and was != step_mark(step) and not (sitting and drafts.is_newest(journey, sitting)):
            raise drafts.DraftChanged
        exits = exits_of(step.type, step.config if config is None else config)
        return narrowing.configured(graph, key, exits=exits, config=config, name=name, dropping=dropping)

    def label(graph: Graph) -> str:
        return f"Changed “{_title(graph.step(key))}”"

    return drafts.edit(tenant_id, journey_id, actor, draft_revision, label, change, sitting=sitting, step_key=key)


def connect_steps(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    actor: str,
    source: str,
    exit: str,
    target: str | None,
    draft_revision: int | None = None,
) -> Journey:
    """Let an exit lead to another step, or nowhere, and return the journey."""
    return drafts.edit(
        tenant_id,
        journey_id,
        actor,
        draft_revision,
        lambda graph: f"Connected “{_title(graph.step(source))}”",
        lambda _, graph: editing.connect(graph, source, exit, target),
    )


def put_note(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    actor: str,
    note: Note,
    draft_revision: int | None = None,
    sitting: str | None = None,
) -> Journey:
    """Stick a note on the canvas, or put it in the place of the one with its id, and return the journey.

    What is written one after the other in one `sitting` is one entry of the history.
    """
    if wrong := wrong_with(note):
        raise BadGraph({"note": wrong}, wrong)

    def label(graph: Graph) -> str:
        old = next((one for one in graph.notes if one.id == note.id), None)
        moved = old is not None and (old.text, old.colour) == (note.text, note.colour)
        return "Added a note" if old is None else "Moved a note" if moved else "Changed a note"

    def change(_: Journey, graph: Graph) -> Graph:
        notes = {**{one.id: one for one in graph.notes}, note.id: note}
        if len(notes) > MAX_NOTES:
            raise CannotEdit(f"A journey has at most {MAX_NOTES} notes.")
        return replace(graph, notes=tuple(notes.values()))

    return drafts.edit(tenant_id, journey_id, actor, draft_revision, label, change, sitting=sitting)


def remove_note(
    *, tenant_id: UUID, journey_id: UUID, actor: str, note_id: str, draft_revision: int | None = None
) -> Journey:
    """Take a note away and return the journey."""

    def change(_: Journey, graph: Graph) -> Graph:
        return replace(graph, notes=tuple(one for one in graph.notes if one.id != note_id))

    return drafts.edit(tenant_id, journey_id, actor, draft_revision, "Removed a note", change)


def restore_version(
    *, tenant_id: UUID, journey_id: UUID, actor: str, number: int, draft_revision: int | None = None
) -> Journey:
    """Make a published version the draft, as one edit that can be undone, and return the journey."""
    graph = version_graph(tenant_id=tenant_id, journey_id=journey_id, number=number)
    return drafts.edit(tenant_id, journey_id, actor, draft_revision, f"Restored version {number}", lambda _, __: graph)


def undo(*, tenant_id: UUID, journey_id: UUID, actor: str, draft_revision: int | None = None) -> Journey:
    """Take the draft one edit back and return the journey; with nothing to undo it stays as it is."""
    return drafts.travel(tenant_id, journey_id, actor, draft_revision, -1)


def redo(*, tenant_id: UUID, journey_id: UUID, actor: str, draft_revision: int | None = None) -> Journey:
    """Bring the edit undone last again and return the journey; with nothing to redo it stays as it is."""
    return drafts.travel(tenant_id, journey_id, actor, draft_revision, 1)


def _with_trigger(journey: Journey, graph: Graph) -> Graph:
    own = {"event_type": journey.trigger_type, **journey.trigger_config}
    if graph.trigger is None:
        key = "trigger" if "trigger" not in graph.steps else editing.new_key(graph, TRIGGER, journey.key_numbers)
        first = next(iter(graph.steps), None)
        return replace(graph, steps={key: Step(key, TRIGGER, None, own, {NEXT: first}), **graph.steps})
    if not graph.trigger.config.get("event_type"):
        config = {**own, **graph.trigger.config, "event_type": journey.trigger_type}
        return editing.configure(graph, graph.trigger.key, exits=exits_of(TRIGGER, config), config=config)
    return graph


def _hold_named(session: Session, journey: Journey) -> None:
    """Let nobody archive or delete a segment that the settings name until this transaction ends."""
    with session.no_autoflush:
        for settings in (journey.exit_conditions, journey.goal):
            segments.hold(session, journey.tenant_id, uses.as_graph(settings))


def _flush_named(session: Session, journey: Journey) -> None:
    name = journey.name
    try:
        with session.begin_nested():
            session.flush()
    except IntegrityError as error:
        if "uq_journey_name" not in str(error.orig):
            raise
        raise NameTaken(name) from None


def _label(type: str) -> str:
    return step_types().get(type).label if type in step_types() else type


def _title(step: Step) -> str:
    return step.name or _label(step.type)
