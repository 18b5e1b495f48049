"""Saving the settings of a step, as they are typed and beside others: what is refused comes back in its form."""

from functools import partial
from typing import Any
from uuid import UUID

from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.journeys import clashes, losing, step_form
from app.blueprints.journeys.base import blueprint
from app.blueprints.journeys.board import Board
from app.blueprints.journeys.builder import changed, on_journey, retargeted, sitting
from app.infra.db import asking_once, transaction
from app.infra.errors import UserError
from app.journeys import calls, service
from app.journeys.drafts import DraftChanged, WrongStatus
from app.journeys.graph import BadGraph, step_mark
from app.journeys.narrowing import Dropping, Fate, WaysLost
from app.web.guards import current, requires
from app.web.htmx import is_htmx, page, toast

FATES: dict[str, Fate] = {"save:move": "move", "save:delete": "delete", "save:loosen": "loosen"}
"""What buttons say of steps whose way other settings take away."""


@blueprint.post("/<uuid:journey_id>/steps/<key>")
@requires("journeys.edit")
def save_step(journey_id: UUID, key: str) -> Response | Answer:
    """Save the settings of a step; other buttons of the form (add a row …) only draw it anew."""
    with asking_once(current().tenant_id):
        board = Board(journey_id)
    if key not in board.graph.steps:
        return _gone(board, key)
    with asking_once(board.tenant_id):
        kind = board.step(key).type
        config, name = step_form.read(kind, request.form, board.sources()), request.form.get("name", "")
    act = request.form.get("act", "save")
    if act.startswith("secret:"):
        plain, config[act.removeprefix("secret:")] = calls.new_secret(board.tenant_id)
        return _redrawn(board, key, config, name, fresh_secret=plain)
    if act.partition(":")[0] in (clashes.MINE, clashes.THEIRS):
        return _merged(board, key, clashes.decided(board, key, config, name, act))
    if act != "save" and act not in FATES:
        return _redrawn(board, key, step_form.rearranged(kind, config, act), name)
    return _saved_beside_others(board, key, config, name)


def _saved_beside_others(board: Board, key: str, config: dict[str, Any], name: str) -> Response | Answer:
    """Save a step, and answer; what others changed of it meanwhile is asked about, or joined with what was typed."""
    looked = step_form.only_looked_at(board.step(key).type, request.form, config, board.step(key).config)
    on, was = on_journey(board.journey.id), request.form.get("was")
    if was:
        on["draft_revision"] = None  # what others did to other steps is no matter
    fate = FATES.get(request.form.get("act", "save"))
    save = partial(
        service.configure_step,
        key=key,
        config=None if looked else config,
        name=name,
        # What decides over other steps is an entry of the history by itself.
        sitting=None if fate else sitting(),
        dropping=Dropping(fate, frozenset(request.form.get("losing", "").split())),
    )
    try:
        try:
            journey = save(**on, was=was)
        except DraftChanged:
            board = Board(board.journey.id, board.known)
            if key not in board.graph.steps:
                return _gone(board, key)
            clash = clashes.of_step(board, key, dict(board.step(key).config) if looked else config, name)
            if clash.undecided:
                return _refused(board, key, config, name, clash=clash)
            if clash.taken:
                return _merged(board, key, clash)
            # Its settings are as they were: only the ways on from it are others.
            journey = save(**{**on, "draft_revision": None}, was=step_mark(board.step(key)))
    except (DraftChanged, WrongStatus, BadGraph, WaysLost) as refused:
        return _refused(Board(board.journey.id, board.known), key, config, name, why=refused)
    if not is_htmx():
        if looked:
            panel = Board(board.journey.id, board.known).step_panel(key, config=config, name=name, changed=True)
            return board.show({**panel, "refused": "Fill in what you chose, and save again."}, selected=key)
        return redirect(url_for("journeys.step", journey_id=board.journey.id, key=key))
    with asking_once(board.tenant_id):
        now = Board(board.journey.id, board.known, journey)
        if not fate:
            return _saved(now, key, looked=looked)
        undo_url = url_for("journeys.undo", journey_id=board.journey.id, revision=journey.draft_revision)
        return toast(changed(now, open=key), "Changed.", "info", undo_url)


def _saved(board: Board, key: str, *, looked: bool) -> Response:
    """Return what saving changed; the form itself only where it wants to be drawn, and says what is wrong otherwise.

    `looked`: it shows settings that were only looked at, and stays.
    """
    open, told = request.form.get("open", key), None if looked else request.form.get("told")
    if open != key:  # said again by a page that shows another step by now
        return retargeted(page("journeys/edit.html", **board.context(selected=open or None), panel=None))
    panel = board.step_panel(key, form_too=told is not None)
    context = board.context(selected=key)
    panel |= {"panel": None, "form_too": told not in (None, panel["told_mark"]), "only_looked": looked}
    return retargeted(page("journeys/saved.html", **context, **panel))


def _redrawn(board: Board, key: str, config: dict[str, Any], name: str, fresh_secret: str | None = None) -> Response:
    panel = board.step_panel(key, config=config, name=name, form=request.form, changed=True) | _made_on()
    panel["fresh_secret"] = fresh_secret
    if not is_htmx():
        return board.show(panel, selected=key)
    return page("journeys/_step_form.html", **board.around(), **panel)


def _made_on() -> dict[str, Any]:
    """Return what the posted form says it was made on."""
    return {name: request.form[name] for name in ("was", "base") if name in request.form}


def _merged(board: Board, key: str, clash: clashes.Clash) -> Response:
    """Return the form with what two people changed put together; the page saves it once nothing is left to decide."""
    undecided = bool(clash.undecided)
    panel = board.step_panel(key, config=clash.config, name=clash.name, changed=True, conflict=undecided)
    panel["clash"] = clash
    if not is_htmx():
        return board.show(panel, selected=key, status=409)
    if request.form.get("act", "save") != "save":
        return page("journeys/_step_form.html", **board.around(), **panel)
    return retargeted(page("journeys/merged.html", **board.context(selected=key), **{**panel, "panel": None}))


def _refused(
    board: Board,
    key: str,
    config: dict[str, Any],
    name: str,
    *,
    why: UserError | None = None,
    clash: clashes.Clash | None = None,
) -> Response:
    """Return the form as it was typed beside the journey as it now is, with why it was not saved."""
    panel = board.step_panel(key, config=config, name=name, changed=True, conflict=clash is not None) | _made_on()
    panel["clash"] = clash
    if isinstance(why, WaysLost):
        panel["loses"] = losing.loses(board.step(key), config, why)
    elif why is not None:
        panel["refused"] = "; ".join(why.errors.values()) or why.message
    if not is_htmx():
        return board.show(panel, selected=key, status=409)
    return retargeted(page("journeys/edit.html", status=422, **board.context(selected=key), **panel))


def _gone(board: Board, key: str) -> Response | Answer:
    """Return what was typed into a step that was removed meanwhile; asked to, bring it back with that."""
    left = clashes.gone(board, key)
    if "bring_back" in request.form and left.undoes:
        on: dict[str, Any] = {"tenant_id": board.tenant_id, "journey_id": board.journey.id, "actor": current().ref}
        # Both or nothing: where what was typed can't be saved, the step stays away and the page has it still.
        with transaction(board.tenant_id):
            service.undo(**on, draft_revision=board.journey.draft_revision)
            back = Board(board.journey.id)
            config = step_form.read(back.step(key).type, request.form, back.sources())
            service.configure_step(**on, key=key, config=config, name=request.form.get("name", ""))
        return changed(Board(board.journey.id), open=key)
    panel: dict[str, Any] = {"panel": "journeys/_gone.html", "gone": left, "step_key": key}
    if not is_htmx():
        return board.show(panel, status=404)
    response = retargeted(page("journeys/edit.html", status=422, **board.context(), **panel))
    response.headers["HX-Replace-Url"] = url_for("journeys.builder", journey_id=board.journey.id)
    return response
