"""Notices: where colleagues mentioned the signed-in user, and what journeys tell them. Opening one marks it as read."""

from uuid import UUID

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.customers.writing import reader
from app.customers import notices
from app.journeys.steps import notify
from app.web.guards import can, current, requires
from app.web.htmx import page

blueprint = Blueprint("notices", __name__, url_prefix="/notices")
LATEST = 6


@blueprint.get("")
@requires("customers.view")
def index() -> Response:
    """List the notices, the newest first; `latest` asks for the few that the bell shows."""
    me, latest = reader(), "latest" in request.args
    found = notices.notices(
        tenant_id=current().tenant_id,
        user_id=me.user_id,
        sees_private=me.sees_private,
        cursor=request.args.get("cursor"),
        **({"limit": LATEST} if latest else {}),
    )
    return page(
        "customers/notices.html",
        block="latest" if latest else "notices",
        page=found,
        latest=latest,
        unread=any(one.read_at is None for one in found.items),
    )


@blueprint.post("/<uuid:notice_id>/open")
@requires("customers.view")
def open_one(notice_id: UUID) -> Answer:
    """Mark a notice as read and go to its note, to the customer it is about, or to all who came to the step."""
    me, tenant_id = reader(), current().tenant_id
    found = notices.notice(tenant_id=tenant_id, user_id=me.user_id, notice_id=notice_id, sees_private=me.sees_private)
    notices.read(tenant_id=tenant_id, user_id=me.user_id, notice_id=notice_id)
    if found.customer_id is None:
        at = notify.source_of(found.key) if can("journeys.view") else None
        return redirect(url_for("journeys.people", journey_id=at[0], came=at[1]) if at else url_for("notices.index"))
    if found.note_id is None:
        return redirect(url_for("customers.show", customer_id=found.customer_id))
    return redirect(url_for("customers.notes", customer_id=found.customer_id, _anchor=f"note-{found.note_id}"))


@blueprint.post("/read")
@requires("customers.view")
def read_all() -> Answer:
    """Mark all of the user's notices as read."""
    me = reader()
    notices.read(tenant_id=current().tenant_id, user_id=me.user_id)
    flash("All notices are read.", "success")
    return redirect(url_for("notices.index"))
