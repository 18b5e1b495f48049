"""Making a segment and changing it: one form, its conditions with the sentence and the count beside them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from flask import Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints import conditions
from app.blueprints.conditions import Posted
from app.blueprints.segments import presenters
from app.blueprints.segments.base import Shown, blueprint
from app.blueprints.segments.forms import NewSegmentForm, SegmentForm
from app.infra.errors import UserError
from app.road import SEGMENT_USERS
from app.segments import definition, service
from app.segments.models import DYNAMIC, STATIC
from app.segments.usage import InUse
from app.web.guards import can, current, requires
from app.web.htmx import page

CRITERIA = "criteria"


@blueprint.get("/new")
@requires("segments.edit")
def new() -> Response:
    """Show the form of a new segment."""
    asked = conditions.of_customers(current().tenant_id)
    return _new_page(NewSegmentForm(), conditions.draw(None, CRITERIA, asked))


@blueprint.post("/new")
@requires("segments.edit")
def create() -> Response | Answer:
    """Make a segment and show it."""
    actor, form = current(), NewSegmentForm(request.form)
    asked = conditions.of_customers(actor.tenant_id)
    posted = conditions.read(request.form, CRITERIA, asked)
    if posted.acted:
        return _new_page(form, conditions.draw(posted, CRITERIA, asked))
    kind = form["type"].data or DYNAMIC
    try:
        made = service.create(
            tenant_id=actor.tenant_id,
            actor=actor.ref,
            actor_name=actor.name,
            type=kind,
            criteria=posted.tree if kind == DYNAMIC else None,
            **form.values(),
        )
    except UserError as error:
        return _new_page(form, _refused(form, error, posted, asked), status=422)
    flash("The segment is made.", "success")
    # A list is empty until somebody puts people on it.
    there = "segments.people" if kind == STATIC and can("customers.view") else "segments.show"
    return redirect(url_for(there, segment_id=made.id))


def _new_page(form: NewSegmentForm, builder: conditions.Builder, status: int = 200) -> Response:
    words = presenters.Words(current().tenant_id)
    form.offer(words.clubs)
    return page("segments/new.html", status=status, form=form, builder=builder)


def _refused(form: SegmentForm, error: UserError, posted: Posted, asked: conditions.Asked) -> conditions.Builder:
    """Put what is wrong beside the fields of the form, and return the conditions with what is wrong beside them."""
    told = _of_criteria(error.errors)
    others = {name: message for name, message in error.errors.items() if name in form}
    if not told and not others:
        raise error
    for name, message in others.items():
        form[name].errors = [message]
    return conditions.draw(posted, CRITERIA, asked, checked=bool(told), errors=told)


def _of_criteria(errors: Mapping[str, str]) -> dict[str, str]:
    """Return what is said of the conditions, by path in the tree."""
    return {
        path.removeprefix(CRITERIA).removeprefix("."): message
        for path, message in errors.items()
        if path == CRITERIA or path.startswith(f"{CRITERIA}.")
    }


@blueprint.get("/<uuid:segment_id>/edit")
@requires("segments.edit")
def edit(segment_id: UUID) -> Response:
    """Show the form of a segment."""
    shown = Shown(segment_id)
    asked = conditions.of_customers(shown.tenant_id)
    segment = shown.segment
    # Who means everybody may go on to.
    empty = segment.ready_made is not None or not (segment.criteria or {}).get("rules")
    builder = conditions.draw(segment.criteria, CRITERIA, asked, allow_empty=empty)
    return _edit_page(shown, SegmentForm(obj=segment), builder)


@blueprint.post("/<uuid:segment_id>/edit")
@requires("segments.edit")
def save(segment_id: UUID) -> Response | Answer:
    """Change a segment; who is in it follows in a moment."""
    actor, form, shown = current(), SegmentForm(request.form), Shown(segment_id)
    asked = conditions.of_customers(actor.tenant_id)
    posted = conditions.read(request.form, CRITERIA, asked)
    if posted.acted:
        return _edit_page(shown, form, conditions.draw(posted, CRITERIA, asked))
    try:
        changes: dict[str, Any] = form.values()
        if shown.segment.type == DYNAMIC:
            changes[CRITERIA] = posted.tree
        else:
            del changes["refresh_frequency"]
        service.change(
            tenant_id=actor.tenant_id,
            segment_id=segment_id,
            actor=actor.ref,
            actor_name=actor.name,
            changes=changes,
            users=SEGMENT_USERS,
            tells=bool(form["tells"].data),
            seen=form.seen,
        )
    except service.ChangedMeanwhile:
        builder = conditions.draw(posted, CRITERIA, asked)
        newest = Shown(segment_id)
        # Another save is meant to come after theirs.
        form["updated_at"].data = newest.segment.updated_at
        theirs = _differing(newest, {**form.values(), CRITERIA: posted.tree})
        return _edit_page(newest, form, builder, theirs=theirs, status=409)
    except InUse as refused:
        return _edit_page(shown, form, conditions.draw(posted, CRITERIA, asked), refused=refused, status=409)
    except UserError as error:
        return _edit_page(shown, form, _refused(form, error, posted, asked), status=422)
    flash("The segment is saved.", "success")
    return redirect(url_for("segments.show", segment_id=segment_id))


def _differing(newest: Shown, typed: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what stands on a segment where something else was typed, as (label, words)."""
    mine = _in_words(newest, typed)
    theirs = _in_words(newest, definition.settings_of(newest.segment))
    return [(label, words) for label, words in theirs.items() if words != mine[label]]


def _in_words(shown: Shown, said: Mapping[str, Any]) -> dict[str, str]:
    told = {
        "Name": " ".join(said["name"].split()),
        "Description": said["description"].strip() or "None",
        "Club": shown.words.clubs.get(said["club_id"]) or "All clubs",
    }
    if shown.segment.type == DYNAMIC:
        told["Conditions"] = shown.words.criteria(said[CRITERIA], shown.segment.club_id)
        told["Look at everybody"] = presenters.FREQUENCY_LABELS[said["refresh_frequency"]]
    return told


def _edit_page(
    shown: Shown,
    form: SegmentForm,
    builder: conditions.Builder,
    *,
    refused: InUse | None = None,
    theirs: Sequence[tuple[str, str]] | None = None,
    status: int = 200,
) -> Response:
    form.offer(shown.words.clubs)
    return page(
        "segments/edit.html",
        status=status,
        segment=shown.segment,
        is_dynamic=shown.segment.type == DYNAMIC,
        form=form,
        builder=builder,
        uses=shown.uses,
        refused=refused,
        theirs=theirs,
    )
