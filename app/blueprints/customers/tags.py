"""Settings → Tags: how many have each, their colours and names, merging two, deleting with undo."""

from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from app.customers import tags
from app.infra.errors import NotFound, UserError
from app.infra.ids import as_id
from app.infra.paging import MAX_LIMIT
from app.journeys import tagging
from app.road import TAG_FOLLOWERS
from app.web import forms
from app.web.downloads import PERMISSION, download
from app.web.guards import can, current, requires
from app.web.htmx import page

blueprint = Blueprint("tags", __name__, url_prefix="/settings/tags")


class TagForm(forms.Form):
    """A tag's name and colour."""

    name = StringField("Name", render_kw={"maxlength": 60, "autocomplete": "off"})
    colour = RadioField(
        "Colour",
        choices=[SelectChoice(one, one.capitalize()) for one in tags.COLOURS],
        default=tags.COLOURS[0],
        validate_choice=False,
    )


class MergeForm(forms.Form):
    """Which tag takes another one's place."""

    into_id = SelectField("Into", validate_choice=False)


@blueprint.get("")
@requires("tags.manage")
def index() -> Response:
    """List the tags with how many have them."""
    return _list(TagForm())


@blueprint.post("/export")
@requires(PERMISSION)
def export() -> Response:
    """Give out the tags the list shows."""
    tenant_id, q = current().tenant_id, request.args.get("q", "").strip() or None
    columns = ("name", "colour", "customers", "counted_at", "created_at")
    return download(
        "tags",
        seen_by="tags.manage",
        header=columns,
        pages=lambda cursor, limit: tags.listed(tenant_id=tenant_id, q=q, cursor=cursor, limit=limit),
        rows=lambda found: [[getattr(one, name) for name in columns] for one in found],
        filters={"q": q},
    )


@blueprint.post("")
@requires("tags.manage")
def add() -> Response:
    """Make a tag before anybody has it."""
    actor, form = current(), TagForm(request.form)
    try:
        made = tags.add(
            tenant_id=actor.tenant_id,
            name=form.name.data or "",
            colour=form.colour.data or tags.COLOURS[0],
            actor=actor.ref,
        )
    except UserError as error:
        form.refuse(error)
        return _list(form, status=422)
    flash(f"The tag “{made.name}” is ready to be given to customers.", "success")
    return redirect(url_for("tags.index"))


@blueprint.post("/count")
@requires("tags.manage")
def count() -> Response:
    """Count who has which tag and show the list again: the page asks for it once it is there."""
    tags.count(tenant_id=current().tenant_id, again_after=tags.COUNT_AGAIN)
    return _list(TagForm())


@blueprint.get("/<uuid:tag_id>")
@requires("tags.manage")
def show(tag_id: UUID) -> Response:
    """Show one tag: its name, colour, where it is named, and what can be done with it."""
    found = tags.tag(tenant_id=current().tenant_id, tag_id=tag_id)
    return _one(found, TagForm(obj=found), MergeForm())


@blueprint.post("/<uuid:tag_id>")
@requires("tags.manage")
def change(tag_id: UUID) -> Response:
    """Rename or colour a tag, for all who have it."""
    actor, form = current(), TagForm(request.form)
    found = tags.tag(tenant_id=actor.tenant_id, tag_id=tag_id)
    try:
        tags.change(
            tenant_id=actor.tenant_id,
            tag_id=tag_id,
            name=form.name.data or "",
            colour=form.colour.data or found.colour,
            actor=actor.ref,
            followers=TAG_FOLLOWERS,
        )
    except UserError as error:
        form.refuse(error)
        return _one(found, form, MergeForm(), status=422)
    flash("The tag is saved, for everybody who has it.", "success")
    return redirect(url_for("tags.index"))


@blueprint.post("/<uuid:tag_id>/merge")
@requires("tags.manage")
def merge(tag_id: UUID) -> Response:
    """Let all who have a tag have another one instead."""
    actor, form = current(), MergeForm(request.form)
    found = tags.tag(tenant_id=actor.tenant_id, tag_id=tag_id)
    into_id = as_id(form.into_id.data)
    try:
        if into_id is None:
            raise NotFound("Choose the tag that stays.", "into_id")
        kept = tags.merge(
            tenant_id=actor.tenant_id, tag_id=tag_id, into_id=into_id, actor=actor.ref, followers=TAG_FOLLOWERS
        )
    except UserError as error:
        form.refuse(error)
        return _one(found, TagForm(obj=found), form, status=422)
    flash(f"“{found.name}” is now “{kept.name}” everywhere.", "success")
    return redirect(url_for("tags.index"))


@blueprint.post("/<uuid:tag_id>/delete")
@requires("tags.manage")
def delete(tag_id: UUID) -> Response:
    """Take a tag from all who have it; the list offers to undo it."""
    actor = current()
    name = tags.delete(tenant_id=actor.tenant_id, tag_id=tag_id, actor=actor.ref)
    flash(f"The tag “{name}” is deleted. You can restore it below for 30 days.", "info")
    return redirect(url_for("tags.index"))


@blueprint.post("/<uuid:tag_id>/restore")
@requires("tags.manage")
def restore(tag_id: UUID) -> Response:
    """Give a deleted tag back to those it was taken from."""
    actor = current()
    back = tags.restore(tenant_id=actor.tenant_id, tag_id=tag_id, actor=actor.ref)
    flash(f"The tag “{back.name}” is back.", "success")
    return redirect(url_for("tags.index"))


def _list(form: TagForm, status: int = 200) -> Response:
    tenant_id = current().tenant_id
    q = request.args.get("q", "").strip() or None
    return page(
        "customers/tags.html",
        block="results",
        status=status,
        page=tags.listed(tenant_id=tenant_id, q=q, cursor=request.args.get("cursor")),
        deleted=tags.deleted(tenant_id=tenant_id),
        form=form,
        q=q,
        first=not request.args.get("cursor"),
        counting=request.method == "GET" and not request.args,
    )


def _one(found: tags.TagLine, form: TagForm, merging: MergeForm, status: int = 200) -> Response:
    tenant_id = current().tenant_id
    others = tags.listed(tenant_id=tenant_id, limit=MAX_LIMIT).items
    merging.into_id.choices = [
        SelectChoice("", "Choose a tag"),
        *(SelectChoice(str(one.id), one.name) for one in others if one.id != found.id),
    ]
    return page(
        "customers/tag.html",
        status=status,
        tag=found,
        form=form,
        merging=merging,
        journeys=tagging.naming(tenant_id=tenant_id, tag=found.name) if can("journeys.view") else [],
    )
