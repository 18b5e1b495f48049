"""The builder: the canvas of one journey, each edit of it, and the panels beside it."""

from collections.abc import Callable, Collection
from functools import partial
from secrets import token_hex
from typing import Any
from uuid import UUID

from flask import Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.journeys import presenters
from app.blueprints.journeys.base import blueprint, seen_revision
from app.blueprints.journeys.board import OVERVIEW, Board
from app.infra.db import asking_once
from app.journeys import service
from app.journeys.drafts import DraftChanged, WrongStatus
from app.journeys.editing import can_insert
from app.journeys.graph import COLOURS, KEY, BadGraph, CannotEdit, Note
from app.journeys.kinds import palette
from app.journeys.models import Journey
from app.web.guards import current, requires
from app.web.htmx import is_htmx, page, toast


@blueprint.get("/<uuid:journey_id>")
@requires("journeys.view")
def builder(journey_id: UUID) -> Response:
    """Show the canvas, with an overview of the journey beside it."""
    # On a phone the overview stays away until it is asked for.
    with asking_once(current().tenant_id):
        return Board(journey_id).show({"panel": OVERVIEW, "sheet": "show" in request.args})


@blueprint.get("/<uuid:journey_id>/steps/<key>")
@requires("journeys.view")
def step(journey_id: UUID, key: str) -> Response:
    """Show the settings of one step beside the canvas."""
    with asking_once(current().tenant_id):
        board = Board(journey_id)
        return board.show(board.step_panel(key), selected=key)


@blueprint.post("/<uuid:journey_id>/canvas")
@requires("journeys.view")
def canvas(journey_id: UUID) -> Response:
    """Return what has changed on the canvas and the bar, for a page that shows other branches or an older state."""
    key, seen = request.form.get("open", ""), request.form.get("panel")
    with asking_once(current().tenant_id):
        board = Board(journey_id)
        here = key in board.graph.steps
        context = board.context(selected=key if here else None)
        other = here and seen and seen != board.panel_mark(key)
        panel = board.step_panel(key) if other else {"panel": OVERVIEW if key and not here else None}
    response = retargeted(page("journeys/edit.html", **context, **panel))
    if not key or here:
        return response
    response.headers["HX-Replace-Url"] = url_for("journeys.builder", journey_id=journey_id)
    return toast(response, "The step you had open was deleted, so its settings are closed.", "warning")


@blueprint.get("/<uuid:journey_id>/add")
@requires("journeys.edit")
def add_step(journey_id: UUID) -> Response:
    """Show which steps can be put at a place (where no script opens the menu there)."""
    board = Board(journey_id)
    after, way = request.args.get("after", ""), request.args.get("exit", "next")
    fitting = [name for name, kind in palette() if can_insert(board.graph, after, way, kind.exits({}))]
    place = presenters.place_words(board.step(after), way, board.titles[after]) if after in board.graph.steps else ""
    return board.show({"panel": "journeys/_add.html", "after": after, "exit": way, "fitting": fitting, "place": place})


@blueprint.post("/<uuid:journey_id>/steps")
@requires("journeys.edit")
def insert_step(journey_id: UUID) -> Response | Answer:
    """Put a new step at a place and open its settings."""
    form = request.form
    made: list[str] = []

    def insert() -> Journey:
        journey, key = service.insert_step(
            **on_journey(journey_id),
            type=form.get("type", ""),
            after=form.get("after", ""),
            exit=form.get("exit", "next"),
        )
        made.append(key)
        return journey

    return _edited(journey_id, insert, open=made, fresh=made)


@blueprint.post("/<uuid:journey_id>/move")
@requires("journeys.edit")
def move_steps(journey_id: UUID) -> Response | Answer:
    """Put steps at another place; one with branches takes them along."""
    keys, after, way = _keys(), request.form.get("after", ""), request.form.get("exit", "")
    act = partial(service.move_steps, keys=keys, after=after, exit=way)
    return _edited(journey_id, lambda: act(**on_journey(journey_id)), open=keys if len(keys) == 1 else None)


@blueprint.post("/<uuid:journey_id>/remove")
@requires("journeys.edit")
def remove_steps(journey_id: UUID) -> Response | Answer:
    """Take steps away; a toast offers to bring them back."""
    keys, keep, cut = _keys(), request.form.get("keep") or None, "cut" in request.form

    def remove() -> Journey:
        if len(keys) == 1 and not cut:
            return service.delete_step(**on_journey(journey_id), key=keys[0], keep=keep)
        return service.remove_steps(**on_journey(journey_id), keys=keys, cut=cut)

    def told(journey: Journey) -> tuple[str, str | None]:
        what = "Step" if len(keys) == 1 else f"{len(keys)} steps"
        undo_url = url_for("journeys.undo", journey_id=journey_id, revision=journey.draft_revision)
        return f"{what} {'cut: paste puts them elsewhere' if cut else 'deleted'}.", undo_url

    return _edited(journey_id, remove, told=told)


@blueprint.post("/<uuid:journey_id>/paste")
@requires("journeys.edit")
def paste_steps(journey_id: UUID) -> Response | Answer:
    """Put the steps of a clipboard's text at a place, and have them chosen."""
    form = request.form
    made: list[str] = []

    def paste() -> Journey:
        journey, keys = service.paste_steps(
            **on_journey(journey_id),
            clip=form.get("clip", ""),
            after=form.get("after", ""),
            exit=form.get("exit", ""),
            copy="copy" in form,
        )
        made.extend(keys)
        return journey

    return _edited(journey_id, paste, fresh=made)


def _keys() -> list[str]:
    """Return the keys of the steps an act is about."""
    return list(dict.fromkeys(request.form.get("key", "").split()))


@blueprint.post("/<uuid:journey_id>/connect")
@requires("journeys.edit")
def connect_step(journey_id: UUID) -> Response | Answer:
    """Let an exit lead on to another step, so that branches meet; or to none."""
    source, way, target = (request.form.get(name, "") for name in ("source", "exit", "target"))
    act = partial(service.connect_steps, source=source, exit=way, target=target or None)
    return _edited(journey_id, lambda: act(**on_journey(journey_id)))


@blueprint.post("/<uuid:journey_id>/notes")
@requires("journeys.edit")
def put_note(journey_id: UUID) -> Response | Answer:
    """Stick a note on the canvas, or change one."""
    form = request.form
    note = Note(
        id=form.get("id") or f"n{token_hex(6)}",
        text=form.get("text", ""),
        colour=form.get("colour", COLOURS[0]),
        step=form.get("step", ""),
        x=form.get("x", 0, int),
        y=form.get("y", 0, int),
    )
    # Whatever others did meanwhile: what was written is not lost.
    on = {**on_journey(journey_id), "draft_revision": None}
    return _edited(journey_id, lambda: service.put_note(**on, note=note, sitting=sitting()))


@blueprint.post("/<uuid:journey_id>/notes/remove")
@requires("journeys.edit")
def remove_note(journey_id: UUID) -> Response | Answer:
    """Take a note away."""
    return _edited(
        journey_id, lambda: service.remove_note(**on_journey(journey_id), note_id=request.form.get("id", ""))
    )


@blueprint.post("/<uuid:journey_id>/undo")
@requires("journeys.edit")
def undo(journey_id: UUID) -> Response | Answer:
    """Take the last edit back."""
    return _edited(journey_id, lambda: service.undo(**on_journey(journey_id)))


@blueprint.post("/<uuid:journey_id>/redo")
@requires("journeys.edit")
def redo(journey_id: UUID) -> Response | Answer:
    """Bring the edit undone last again."""
    return _edited(journey_id, lambda: service.redo(**on_journey(journey_id)))


def sitting() -> str | None:
    """Return what tells that what is saved was written in one go, if the page says so."""
    given = request.form.get("sitting", "")
    return given if KEY.fullmatch(given) else None


def on_journey(journey_id: UUID) -> dict[str, Any]:
    """Return whose journey is edited, by whom, and on which revision (none given: whatever it is now)."""
    actor = current()
    return {
        "tenant_id": actor.tenant_id,
        "journey_id": journey_id,
        "actor": actor.ref,
        "draft_revision": seen_revision(),
    }


Told = Callable[[Journey], tuple[str, str | None]]


def _edited(
    journey_id: UUID,
    act: Callable[[], Journey],
    *,
    open: list[str] | None = None,
    fresh: list[str] | None = None,
    told: Told | None = None,
) -> Response | Answer:
    """Do one edit and answer with the canvas as it then is; what can't be done is told in a toast."""
    message: tuple[str, str, str | None] | None = None
    journey: Journey | None = None
    try:
        journey = act()
        if told is not None:
            text, undo_url = told(journey)
            message = (text, "info", undo_url)
    except DraftChanged:
        message = (
            "Somebody else changed this journey. Here is how it is now; your last change was not made.",
            "warning",
            None,
        )
    except (CannotEdit, WrongStatus, BadGraph) as refused:
        message = (refused.message, "warning", None)
    # What the edit is about, else what the reader has open.
    key = open[-1] if open else request.form.get("open") or None
    if not is_htmx():
        if message:
            flash(message[0], message[1])
        if key:
            return redirect(url_for("journeys.step", journey_id=journey_id, key=key))
        return redirect(url_for("journeys.builder", journey_id=journey_id))
    with asking_once(current().tenant_id):
        response = changed(Board(journey_id, journey=journey), open=key, fresh=fresh or ())
    if journey is None:
        response.headers["X-Edit-Refused"] = "1"  # what was pressed after it is not done either
    return toast(response, message[0], message[1], message[2]) if message else response


def changed(board: Board, *, open: str | None, fresh: Collection[str] = ()) -> Response:
    """Return what has changed for the page that asks: of the canvas, of the bar, and the panel where it has."""
    here = open is not None and open in board.graph.steps
    context = board.context(selected=open, fresh=fresh)
    panel: dict[str, Any] = {"panel": OVERVIEW}
    if here and open:
        same = request.form.get("panel") == board.panel_mark(open)
        panel = {"panel": None} if same else board.step_panel(open)
    response = retargeted(page("journeys/edit.html", **context, **panel))
    there = url_for("journeys.step", journey_id=board.journey.id, key=open) if here else None
    # A reload shows what is open now.
    response.headers["HX-Replace-Url"] = there or url_for("journeys.builder", journey_id=board.journey.id)
    return response


def retargeted(response: Response) -> Response:
    """Send the answer to the canvas, whichever form asked."""
    response.headers["HX-Retarget"] = "#canvas"
    response.headers["HX-Reswap"] = "outerMorph"
    return response
