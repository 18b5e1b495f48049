"""The list of journeys, a journey's settings, and what its status allows: activate, pause, resume, archive."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from flask import Response, current_app, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.journeys import picture as picture_of
from app.blueprints.journeys import presenters
from app.blueprints.journeys.base import blueprint, seen_revision
from app.blueprints.journeys.board import Board, event_types, known
from app.blueprints.journeys.forms import NewJourneyForm
from app.infra.errors import UserError
from app.journeys import checks, files, lifecycle, queries, service, whereabouts
from app.journeys.drafts import DraftChanged, WrongStatus
from app.journeys.kinds import words_of
from app.journeys.models import Journey
from app.web.downloads import PERMISSION, attachment, download, stem
from app.web.guards import current, requires
from app.web.htmx import page
from app.web.lists import asked_choice
from app.web.shell import organisation


@blueprint.get("")
@requires("journeys.view")
def index() -> Response:
    """List the journeys, by status and part of the name."""
    tenant_id = current().tenant_id
    filters = _filters()
    found = queries.journeys(tenant_id=tenant_id, cursor=request.args.get("cursor"), **filters)
    around = known(tenant_id)
    triggers = {one.id: queries.draft(one).trigger for one in found.items}
    return page(
        "journeys/index.html",
        block="results",
        page=found,
        words={key: words_of(step, around) if step else "" for key, step in triggers.items()},
        active=whereabouts.active_counts(tenant_id=tenant_id, journey_ids=[one.id for one in found.items]),
        clubs=around.clubs,
        filtered=any(filters.values()),
        status_tones=presenters.STATUS_TONES,
        status_labels=presenters.STATUS_LABELS,
    )


def _filters() -> dict[str, Any]:
    return {"status": asked_choice("status", queries.STATUSES), "q": request.args.get("q") or None}


@blueprint.post("/export")
@requires(PERMISSION)
def export_list() -> Response:
    """Give out the journeys the list shows."""
    tenant_id, filters = current().tenant_id, _filters()
    clubs = known(tenant_id).clubs
    columns = ("name", "description", "status", "trigger_type", "timezone", "created_at", "id")

    def rows(found: list[Journey]) -> list[list[Any]]:
        active = whereabouts.active_counts(tenant_id=tenant_id, journey_ids=[one.id for one in found])
        return [
            [
                *(getattr(one, name) for name in columns),
                clubs.get(one.club_id) if one.club_id else None,
                active.get(one.id, 0),
            ]
            for one in found
        ]

    return download(
        "journeys",
        seen_by="journeys.view",
        header=[*columns, "club", "active"],
        pages=lambda cursor, limit: queries.journeys(tenant_id=tenant_id, cursor=cursor, limit=limit, **filters),
        rows=rows,
        filters=filters,
    )


@blueprint.get("/new")
@requires("journeys.edit")
def new() -> Response:
    """Show the form of a new journey."""
    return _new_page(NewJourneyForm())


@blueprint.post("/new")
@requires("journeys.edit")
def create() -> Response | Answer:
    """Make a journey and go on in the builder."""
    actor, form = current(), NewJourneyForm(request.form)
    try:
        journey = service.create(
            tenant_id=actor.tenant_id,
            actor=actor.ref,
            trigger_type=form["trigger_type"].data or "MANUAL",
            **form.values(),
        )
    except UserError as error:
        form.refuse(error)
        return _new_page(form, status=422)
    return redirect(url_for("journeys.builder", journey_id=journey.id))


def _new_page(form: NewJourneyForm, status: int = 200) -> Response:
    tenant_id = current().tenant_id
    around = replace(known(tenant_id), event_types=event_types(tenant_id))
    form.offer(around, organisation().timezone)
    form.offer_events(around)
    return page("journeys/new.html", status=status, form=form)


@blueprint.get("/import")
@requires("journeys.edit")
def import_form() -> Response:
    """Show the form for a journey's file."""
    return page("journeys/import.html", errors={}, name="")


@blueprint.post("/import")
@requires("journeys.edit")
def import_file() -> Response | Answer:
    """Make a journey of a file and go on in the builder."""
    actor, name = current(), request.form.get("name", "")
    sent = request.files.get("file")
    file = sent.read(files.LARGEST + 1).decode("utf-8-sig", "replace") if sent else ""
    try:
        journey, missing = files.bring(tenant_id=actor.tenant_id, actor=actor.ref, file=file, name=name)
    except UserError as refused:
        return page("journeys/import.html", status=422, errors=refused.errors, name=name)
    if missing:
        told = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        flash(f"Imported. Not here yet: {told}. The steps that need it are marked.", "warning")
    else:
        flash("Imported.", "success")
    return redirect(url_for("journeys.builder", journey_id=journey.id))


@blueprint.get("/<uuid:journey_id>/file")
@requires("journeys.edit")
def file(journey_id: UUID) -> Response:
    """Give the draft out as a file that can be imported, here or by another organisation."""
    board = Board(journey_id)
    data = files.written(board.journey, board.graph, board.known)
    text = current_app.json.dumps(data, indent=2, ensure_ascii=False)
    return _attached(text, "application/json", board.journey.name, "json")


@blueprint.get("/<uuid:journey_id>/picture")
@requires("journeys.view")
def picture(journey_id: UUID) -> Response:
    """Give the canvas out as an SVG, folded as the reader has it."""
    board = Board(journey_id)
    drawn = picture_of.svg(board.context()["canvas"], board.journey.name)
    return _attached(drawn, "image/svg+xml", board.journey.name, "svg")


def _attached(text: str, type: str, name: str, ending: str) -> Response:
    return Response(text, mimetype=type, headers=attachment(f"{stem(name, 'journey')}.{ending}"))


@blueprint.get("/<uuid:journey_id>/activate")
@requires("journeys.run")
def refused_activation(journey_id: UUID) -> Response | Answer:
    """Show which checks stand in the way of activating by now; where none do, the builder.

    Whoever was refused and loads that page anew, or looked at the checks and went back, asks for this.
    """
    board = Board(journey_id)
    if board.journey.status == "DRAFT" and not board.problems:
        found, _ = checks.run(tenant_id=board.tenant_id, journey_id=journey_id)
        if failed := [one for one in found if not one.passed]:
            return board.show({"panel": "journeys/_activate.html", "failed": failed, "form": request.form})
        if found:
            flash("All checks pass by now. Activate the journey when you are ready.", "success")
    return redirect(url_for("journeys.builder", journey_id=journey_id))


@blueprint.post("/<uuid:journey_id>/activate")
@requires("journeys.run")
def activate(journey_id: UUID) -> Response | Answer:
    """Publish the draft and let people in; say beside the canvas which checks stand in the way."""
    form = request.form
    anyway = form.get("reason") if form.get("anyway") else None
    act = partial(lifecycle.activate, anyway=anyway, draft_revision=seen_revision())
    try:
        return _acted(journey_id, act, "The journey is active: people enter from now on.", warn_of_silence)
    except checks.ChecksFailed as refused:
        panel = {"panel": "journeys/_activate.html", "failed": refused.failed, "form": form}
        return Board(journey_id).show(panel, status=422)


@blueprint.post("/<uuid:journey_id>/pause")
@requires("journeys.run")
def pause(journey_id: UUID) -> Answer:
    """Let nobody in and nobody on."""
    return _acted(journey_id, lifecycle.pause, "The journey is paused: nobody enters, and nobody goes on.")


@blueprint.post("/<uuid:journey_id>/resume")
@requires("journeys.run")
def resume(journey_id: UUID) -> Answer:
    """Go on where everybody stands."""
    if request.form.get("move_waits"):
        later = partial(lifecycle.resume, move_waits=True)
        return _acted(journey_id, later, "The journey goes on: waits end later by as long as it was paused.")
    return _acted(journey_id, lifecycle.resume, "The journey goes on: waits that ended meanwhile end now.")


@blueprint.post("/<uuid:journey_id>/archive")
@requires("journeys.run")
def archive(journey_id: UUID) -> Answer:
    """Switch the journey off for good."""
    return _acted(journey_id, lifecycle.archive, "The journey is archived.")


def _acted(
    journey_id: UUID,
    act: Callable[..., Journey],
    done: str,
    then: Callable[[UUID, UUID], None] = lambda _tenant_id, _journey_id: None,
) -> Answer:
    actor = current()
    try:
        act(tenant_id=actor.tenant_id, journey_id=journey_id, actor=actor.ref)
    except (lifecycle.NotReady, WrongStatus, DraftChanged) as refused:
        flash(refused.message, "warning")
    else:
        flash(done, "success")
        then(actor.tenant_id, journey_id)
    return redirect(url_for("journeys.builder", journey_id=journey_id))


def warn_of_silence(tenant_id: UUID, journey_id: UUID) -> None:
    """Tell of steps from which nothing goes out, though their settings are right."""
    live = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
    for words in queries.draft_warnings(tenant_id=tenant_id, journey=live):
        flash(f"Nothing goes out from some steps yet: {words}", "warning")
