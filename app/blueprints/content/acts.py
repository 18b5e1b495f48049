"""What is done with a template as a whole: copy, archive and back."""

from uuid import UUID

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from app.blueprints.content.base import blueprint
from app.content import service
from app.infra.errors import Invalid
from app.road import TEMPLATE_USERS
from app.web.guards import current, requires


@blueprint.post("/<uuid:template_id>/copy")
@requires("templates.edit")
def copy(template_id: UUID) -> Response:
    """Make another template that says the same, and show it in the editor."""
    actor = current()
    made = service.copy(tenant_id=actor.tenant_id, template_id=template_id, actor=actor.ref, actor_name=actor.name)
    flash(f"“{made.name}” is a template of its own now.", "success")
    return redirect(url_for("content.edit", template_id=made.id))


@blueprint.post("/<uuid:template_id>/archive")
@requires("templates.edit")
def archive(template_id: UUID) -> Response:
    """Put a template away; the page it leads to offers to undo it."""
    actor = current()
    try:
        service.archive(tenant_id=actor.tenant_id, template_id=template_id, users=TEMPLATE_USERS, actor=actor.ref)
    except service.InUse as refused:
        flash(refused.message, "warning")
        return redirect(url_for("content.show", template_id=template_id, _anchor="used-in"))
    if request.form.get("back") == "list":
        return redirect(url_for("content.index", archived=template_id))
    return redirect(url_for("content.show", template_id=template_id))


@blueprint.post("/<uuid:template_id>/unarchive")
@requires("templates.edit")
def unarchive(template_id: UUID) -> Response:
    """Take a template out of the archive."""
    actor = current()
    try:
        service.unarchive(tenant_id=actor.tenant_id, template_id=template_id, actor=actor.ref)
    except Invalid as refused:
        flash(refused.errors["name"], "warning")
        return redirect(url_for("content.show", template_id=template_id))
    flash("The template is in use again.", "success")
    if request.form.get("back") == "list":
        return redirect(url_for("content.index"))
    return redirect(url_for("content.show", template_id=template_id))
