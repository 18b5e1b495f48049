"""The builder: the canvas of one journey, each edit of it, and the panels beside it."""

from collections.abc import Callable, Collection
from functools import partial
from secrets import token_hex
from typing import Any
from uuid import UUID

from flask import Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.journeys import losing, presenters, step_form
from app.blueprints.journeys.base import blueprint, seen_revision
from app.blueprints.journeys.board import OVERVIEW, Board
from app.infra.db import asking_once
from app.infra.errors import UserError
from app.journeys import calls, service
from app.journeys.drafts import DraftChanged, WrongStatus
from app.journeys.editing import can_insert
from app.journeys.graph import COLOURS, KEY, BadGraph, CannotEdit, Note
from app.journeys.models import Journey
from app.journeys.narrowing import Dropping, Fate, WaysLost
from app.journeys.step_type import palette
from app.web.guards import current, requires
from app.web.htmx import is_htmx, page, toast

FATES: dict[str, Fate] = {"save:move": "move", "save:delete": "delete", "save:loosen": "loosen"}
"""What buttons say of steps whose way other settings take away."""


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
        context = board.context(selected=key or None)
        other = seen and key in board.graph.steps and seen != board.panel_mark(key)
        panel = board.step_panel(key) if other else {"panel": None}
    return _retargeted(page("journeys/edit.html", **context, **panel))


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
            **_on(journey_id), type=form.get("type", ""), after=form.get("after", ""), exit=form.get("exit", "next")
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
    return _edited(journey_id, lambda: act(**_on(journey_id)), open=keys if len(keys) == 1 else None)


@blueprint.post("/<uuid:journey_id>/remove")
@requires("journeys.edit")
def remove_steps(journey_id: UUID) -> Response | Answer:
    """Take steps away; a toast offers to bring them back."""
    keys, keep, cut = _keys(), request.form.get("keep") or None, "cut" in request.form

    def remove() -> Journey:
        if len(keys) == 1 and not cut:
            return service.delete_step(**_on(journey_id), key=keys[0], keep=keep)
        return service.remove_steps(**_on(journey_id), keys=keys, cut=cut)

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
            **_on(journey_id),
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
    return _edited(journey_id, lambda: act(**_on(journey_id)))


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
    on = {**_on(journey_id), "draft_revision": None}
    return _edited(journey_id, lambda: service.put_note(**on, note=note, sitting=_sitting()))


@blueprint.post("/<uuid:journey_id>/notes/remove")
@requires("journeys.edit")
def remove_note(journey_id: UUID) -> Response | Answer:
    """Take a note away."""
    return _edited(journey_id, lambda: service.remove_note(**_on(journey_id), note_id=request.form.get("id", "")))


@blueprint.post("/<uuid:journey_id>/undo")
@requires("journeys.edit")
def undo(journey_id: UUID) -> Response | Answer:
    """Take the last edit back."""
    return _edited(journey_id, lambda: service.undo(**_on(journey_id)))


@blueprint.post("/<uuid:journey_id>/redo")
@requires("journeys.edit")
def redo(journey_id: UUID) -> Response | Answer:
    """Bring the edit undone last again."""
    return _edited(journey_id, lambda: service.redo(**_on(journey_id)))


@blueprint.post("/<uuid:journey_id>/steps/<key>")
@requires("journeys.edit")
def save_step(journey_id: UUID, key: str) -> Response | Answer:
    """Save the settings of a step; other buttons of the form (add a row …) only draw it anew."""
    with asking_once(current().tenant_id):
        board = Board(journey_id)
        kind = board.step(key).type
        config, name = step_form.read(kind, request.form, board.sources()), request.form.get("name", "")
    act = request.form.get("act", "save")
    if act.startswith("secret:"):
        plain, config[act.removeprefix("secret:")] = calls.new_secret(board.tenant_id)
        return _redrawn(board, key, config, name, fresh_secret=plain)
    if act != "save" and act not in FATES:
        return _redrawn(board, key, step_form.rearranged(kind, config, act), name)
    looked = step_form.only_looked_at(kind, request.form, config, board.step(key).config)
    on, was = _on(journey_id), request.form.get("was")
    if was:
        on["draft_revision"] = None  # what others did to other steps is no matter
    fate = FATES.get(act)
    try:
        journey = service.configure_step(
            **on,
            key=key,
            config=None if looked else config,
            name=name,
            was=was,
            # What decides over other steps is an entry of the history by itself.
            sitting=None if fate else _sitting(),
            dropping=Dropping(fate, frozenset(request.form.get("losing", "").split())),
        )
    except (DraftChanged, WrongStatus, BadGraph, WaysLost) as refused:
        return _refused(Board(journey_id, board.known), key, config, name, refused)
    if not is_htmx():
        if looked:
            panel = Board(journey_id, board.known).step_panel(key, config=config, name=name, changed=True)
            return board.show({**panel, "refused": "Fill in what you chose, and save again."}, selected=key)
        return redirect(url_for("journeys.step", journey_id=journey_id, key=key))
    with asking_once(board.tenant_id):
        now = Board(journey_id, board.known, journey)
        if not fate:
            return _saved(now, key, looked=looked)
        undo_url = url_for("journeys.undo", journey_id=journey_id, revision=journey.draft_revision)
        return toast(_changed(now, open=key), "Changed.", "info", undo_url)


def _saved(board: Board, key: str, *, looked: bool) -> Response:
    """Return what saving changed; the form itself only where it wants to be drawn, and says what is wrong otherwise.

    `looked`: it shows settings that were only looked at, and stays.
    """
    open, told = request.form.get("open", key), None if looked else request.form.get("told")
    if open != key:  # said again by a page that shows another step by now
        return _retargeted(page("journeys/edit.html", **board.context(selected=open or None), panel=None))
    panel = board.step_panel(key, form_too=told is not None)
    context = board.context(selected=key)
    panel |= {"panel": None, "form_too": told not in (None, panel["told_mark"]), "only_looked": looked}
    return _retargeted(page("journeys/saved.html", **context, **panel))


def _redrawn(board: Board, key: str, config: dict[str, Any], name: str, fresh_secret: str | None = None) -> Response:
    panel = board.step_panel(key, config=config, name=name, form=request.form, changed=True)
    panel["was"] = request.form.get("was", panel["was"])
    panel["fresh_secret"] = fresh_secret
    if not is_htmx():
        return board.show(panel, selected=key)
    return page("journeys/_step_form.html", **board.around(), **panel)


def _refused(board: Board, key: str, config: dict[str, Any], name: str, why: UserError) -> Response:
    """Return the form as it was typed beside the journey as it now is, with why it was not saved."""
    conflict = isinstance(why, DraftChanged)
    panel = board.step_panel(key, config=config, name=name, changed=True, conflict=conflict)
    if isinstance(why, WaysLost):
        panel |= {"loses": losing.loses(board.step(key), config, why), "was": request.form.get("was", panel["was"])}
    elif not conflict:
        panel["refused"] = "; ".join(why.errors.values()) or why.message
        panel["was"] = request.form.get("was", panel["was"])
    if not is_htmx():
        return board.show(panel, selected=key, status=409)
    return _retargeted(page("journeys/edit.html", status=422, **board.context(selected=key), **panel))


def _sitting() -> str | None:
    """Return what tells that what is saved was written in one go, if the page says so."""
    given = request.form.get("sitting", "")
    return given if KEY.fullmatch(given) else None


def _on(journey_id: UUID) -> dict[str, Any]:
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
        response = _changed(Board(journey_id, journey=journey), open=key, fresh=fresh or ())
    return toast(response, message[0], message[1], message[2]) if message else response


def _changed(board: Board, *, open: str | None, fresh: Collection[str] = ()) -> Response:
    """Return what has changed for the page that asks: of the canvas, of the bar, and the panel where it has."""
    here = open is not None and open in board.graph.steps
    context = board.context(selected=open, fresh=fresh)
    panel: dict[str, Any] = {"panel": OVERVIEW}
    if here and open:
        same = request.form.get("panel") == board.panel_mark(open)
        panel = {"panel": None} if same else board.step_panel(open)
    response = _retargeted(page("journeys/edit.html", **context, **panel))
    there = url_for("journeys.step", journey_id=board.journey.id, key=open) if here else None
    # A reload shows what is open now.
    response.headers["HX-Replace-Url"] = there or url_for("journeys.builder", journey_id=board.journey.id)
    return response


def _retargeted(response: Response) -> Response:
    """Send the answer to the canvas, whichever form asked."""
    response.headers["HX-Retarget"] = "#canvas"
    response.headers["HX-Reswap"] = "outerMorph"
    return response
