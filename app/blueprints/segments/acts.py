"""What is done with a segment: refresh, copy, snapshot, archive and back, delete, an earlier definition again."""

from uuid import UUID

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from app.blueprints.segments import presenters
from app.blueprints.segments.base import Shown, blueprint
from app.conditions import InvalidConditions
from app.road import SEGMENT_USERS
from app.segments import service
from app.segments.usage import InUse
from app.web.guards import current, requires


@blueprint.get("/<uuid:segment_id>/settings")
@requires("segments.edit")
def settings(segment_id: UUID) -> Response:
    """Show what can be done with a segment as a whole."""
    shown = Shown(segment_id)
    return shown.page("settings", took=presenters.took(shown.segment.refresh_took_ms), uses=shown.uses)


@blueprint.post("/<uuid:segment_id>/schedule")
@requires("segments.edit")
def schedule(segment_id: UUID) -> Response:
    """Say how often everybody is looked at."""
    actor = current()
    service.change(
        tenant_id=actor.tenant_id,
        segment_id=segment_id,
        actor=actor.ref,
        actor_name=actor.name,
        changes={"refresh_frequency": request.form.get("refresh_frequency", "")},
        users=SEGMENT_USERS,
    )
    flash("The schedule is saved.", "success")
    return redirect(url_for("segments.settings", segment_id=segment_id))


@blueprint.post("/<uuid:segment_id>/refresh")
@requires("segments.edit")
def refresh(segment_id: UUID) -> Response:
    """Look at everybody as soon as a worker is free; the segment's page shows how far it is."""
    actor = current()
    service.ask_refresh(tenant_id=actor.tenant_id, segment_id=segment_id, actor=actor.ref)
    return _to(segment_id)


@blueprint.post("/<uuid:segment_id>/copy")
@requires("segments.edit")
def copy(segment_id: UUID) -> Response:
    """Make another segment like it, and show its form."""
    actor = current()
    made = service.copy(tenant_id=actor.tenant_id, segment_id=segment_id, actor=actor.ref, actor_name=actor.name)
    flash(f"“{made.name}” is a copy of its own now.", "success")
    return redirect(url_for("segments.edit", segment_id=made.id))


@blueprint.post("/<uuid:segment_id>/snapshot")
@requires("segments.edit")
def snapshot(segment_id: UUID) -> Response:
    """Make a static segment of who is in it now."""
    actor = current()
    made = service.snapshot(tenant_id=actor.tenant_id, segment_id=segment_id, actor=actor.ref, actor_name=actor.name)
    flash("The snapshot is taken: who is in it stays in it.", "success")
    return _to(made.id)


@blueprint.post("/<uuid:segment_id>/archive")
@requires("segments.edit")
def archive(segment_id: UUID) -> Response:
    """Put a segment away; the page it leads to offers to undo it."""
    actor = current()
    try:
        service.archive(tenant_id=actor.tenant_id, segment_id=segment_id, actor=actor.ref, users=SEGMENT_USERS)
    except InUse as refused:
        flash(refused.message, "warning")
        return redirect(url_for("segments.show", segment_id=segment_id, _anchor="used-in"))
    if request.form.get("back") == "list":
        return redirect(url_for("segments.index", archived=segment_id))
    return _to(segment_id)


@blueprint.post("/<uuid:segment_id>/unarchive")
@requires("segments.edit")
def unarchive(segment_id: UUID) -> Response:
    """Take a segment out of the archive; who is in it is told anew."""
    actor = current()
    try:
        service.unarchive(tenant_id=actor.tenant_id, segment_id=segment_id, actor=actor.ref)
    except (service.NameTaken, InvalidConditions) as refused:
        flash(refused.message, "warning")
        return _to(segment_id)
    flash("The segment is in use again.", "success")
    return redirect(url_for("segments.index")) if request.form.get("back") == "list" else _to(segment_id)


@blueprint.post("/<uuid:segment_id>/delete")
@requires("segments.edit")
def delete(segment_id: UUID) -> Response:
    """Delete an archived segment for good."""
    actor = current()
    try:
        service.delete(tenant_id=actor.tenant_id, segment_id=segment_id, actor=actor.ref, users=SEGMENT_USERS)
    except InUse as refused:
        flash(refused.message, "warning")
        return redirect(url_for("segments.show", segment_id=segment_id, _anchor="used-in"))
    flash("The segment is deleted.", "success")
    return redirect(url_for("segments.index"))


@blueprint.post("/<uuid:segment_id>/restore/<int(max=2147483647):number>")
@requires("segments.edit")
def restore(segment_id: UUID, number: int) -> Response:
    """Let the segment mean again what it meant under an earlier definition."""
    actor = current()
    try:
        service.restore(
            tenant_id=actor.tenant_id,
            segment_id=segment_id,
            version=number,
            actor=actor.ref,
            actor_name=actor.name,
            users=SEGMENT_USERS,
        )
    except (InUse, InvalidConditions) as refused:
        flash(refused.message, "warning")
    else:
        flash(f"The conditions of version {number} hold again.", "success")
    return redirect(url_for("segments.history", segment_id=segment_id))


def _to(segment_id: UUID) -> Response:
    return redirect(url_for("segments.show", segment_id=segment_id))
