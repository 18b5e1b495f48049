"""The pages of exports and erasures."""

from io import BytesIO
from uuid import UUID

from flask import Blueprint, redirect, request, send_file, url_for
from werkzeug.wrappers import Response

from app.blueprints.privacy import presenters
from app.privacy import queries, service
from app.privacy.models import Kind
from app.web.guards import can, current, requires
from app.web.htmx import page

blueprint = Blueprint("privacy", __name__, url_prefix="/privacy")


@blueprint.get("")
@requires("customers.export")
def index() -> Response:
    """List exports and erasures, the newest first."""
    tenant_id = current().tenant_id
    found = queries.requests(tenant_id=tenant_id, cursor=request.args.get("cursor"))
    return page(
        "privacy/index.html",
        block="results",
        lines=presenters.lines(tenant_id, found.items),
        next_cursor=found.next_cursor,
        tones=presenters.TONES,
        labels=presenters.LABELS,
    )


@blueprint.get("/<uuid:request_id>")
@requires("customers.export")
def show(request_id: UUID) -> Response:
    """Show how far an export or erasure is, and what it came to."""
    tenant_id = current().tenant_id
    found = queries.request(tenant_id=tenant_id, request_id=request_id)
    (line,) = presenters.lines(tenant_id, [found])
    return page(
        "privacy/show.html",
        block="progress",
        line=line,
        asked=found,
        is_erasure=found.kind == Kind.ERASE,
        done=presenters.is_done(found),
        doing=queries.doing(found),
        counted={what: queries.counted(found, what) for what in ("rows", "deleted", "blanked", "redacted")},
        may_download=line.has_file and (not found.with_private or can("notes.view_private")),
        tones=presenters.TONES,
        labels=presenters.LABELS,
        days=presenters.DAYS_KEPT,
    )


@blueprint.get("/<uuid:request_id>/file")
@requires("customers.export")
def download(request_id: UUID) -> Response:
    """Hand out the file of an export."""
    return file_of(request_id)


@blueprint.post("/<uuid:request_id>/retry")
@requires("customers.erase")
def retry(request_id: UUID) -> Response:
    """Go on with what failed."""
    actor = current()
    service.retry(tenant_id=actor.tenant_id, request_id=request_id, actor=actor.ref)
    return redirect(url_for("privacy.show", request_id=request_id))


def file_of(request_id: UUID) -> Response:
    """Return an export's file as an answer that nobody keeps on the way."""
    actor = current()
    found = service.file(
        tenant_id=actor.tenant_id,
        request_id=request_id,
        actor=actor.ref,
        sees_private=actor.may("notes.view_private"),
    )
    answer = send_file(BytesIO(found.data), "application/zip", as_attachment=True, download_name=found.name)
    answer.headers["Cache-Control"] = "no-store"
    return answer
