"""The pictures of letters: the list, where they are sent in and described, and the public address they are shown by."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, jsonify, redirect, request, url_for
from markupsafe import escape
from werkzeug.wrappers import Response as Answer

from app.blueprints.content.base import blueprint
from app.content import images, pictures
from app.content.image_links import image_url, read
from app.content.images import ImageLine
from app.infra.errors import Invalid, UserError
from app.web.guards import current, public, requires
from app.web.htmx import page
from app.web.uploads import takes_bytes, uploaded

shown = Blueprint("shown_images", __name__)

# What a form says beside its file.
MOST_BYTES = pictures.MOST_BYTES + 64 * 1024
A_YEAR = 365 * 24 * 3600


@shown.get("/i/<token>")
@public
def image(token: str) -> Response:
    """Answer with a picture. It never changes, so whoever has it need not ask again for a year."""
    content_type, data = images.shown(read(token))
    response = Response(data, content_type=content_type)
    response.headers["Cache-Control"] = f"public, max-age={A_YEAR}, immutable"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@blueprint.get("/images")
@requires("templates.view")
def list_images() -> Response:
    """List the pictures, the newest first."""
    return _list()


@blueprint.post("/images")
@requires("templates.edit")
@takes_bytes(MOST_BYTES)
def upload_image() -> Response | Answer:
    """Keep a picture."""
    actor = current()
    try:
        file = uploaded()
        made = images.add(
            tenant_id=actor.tenant_id,
            file=file.stream,
            name=file.filename or "",
            alt=request.form.get("alt", ""),
            actor=actor.ref,
        )
    except Invalid as problem:
        return _list(status=422, errors=problem.errors, alt=request.form.get("alt", ""))
    flash(f"“{made.name}” is here, {made.width} by {made.height}.", "success")
    return redirect(url_for("content.list_images"))


@blueprint.post("/images/drawn")
@requires("templates.edit")
@takes_bytes(MOST_BYTES)
def upload_drawn() -> tuple[Response, int] | Response:
    """Keep a picture that was dropped into the editor, and answer as the editor asks for it."""
    actor = current()
    try:
        file = uploaded()
        made = images.add(tenant_id=actor.tenant_id, file=file.stream, name=file.filename or "", actor=actor.ref)
    except UserError as problem:
        return jsonify({"error": "; ".join(problem.errors.values()) or str(problem)}), problem.status
    return jsonify({"data": [asset(made)]})


@blueprint.post("/images/<uuid:image_id>")
@requires("templates.edit")
def describe_image(image_id: UUID) -> Answer:
    """Change the words for a picture."""
    images.describe(tenant_id=current().tenant_id, image_id=image_id, alt=request.form.get("alt", ""))
    flash("The words are saved. Letters that show the picture already keep theirs.", "success")
    return redirect(url_for("content.list_images"))


@blueprint.post("/images/<uuid:image_id>/delete")
@requires("templates.edit")
def delete_image(image_id: UUID) -> Answer:
    """Delete a picture that no template or snippet shows."""
    actor = current()
    try:
        images.remove(tenant_id=actor.tenant_id, image_id=image_id, actor=actor.ref)
        flash("The picture is deleted.", "success")
    except images.InUse as refused:
        flash(str(refused), "danger")
    return redirect(url_for("content.list_images"))


SHOWN_WIDTH = 600
"""So many pixels is a letter wide."""


def asset(one: ImageLine) -> dict[str, Any]:
    """Return a picture as the editors know it; `mjml` and `html` are what is written to have it in a letter."""
    src = image_url(current().tenant_id, one.id)
    width = min(one.width, SHOWN_WIDTH)
    about = f'src="{escape(src)}" alt="{escape(one.alt)}"'
    return {
        "src": src,
        "mjml": f'<mj-image {about} width="{width}px" />',
        "html": f'<img {about} width="{width}" style="max-width:100%;height:auto">',
        "name": one.name,
        "alt": one.alt,
        "width": one.width,
        "height": one.height,
    }


def assets() -> list[dict[str, Any]]:
    """Return the newest pictures for the editors to choose from."""
    return [asset(one) for one in images.page(tenant_id=current().tenant_id, limit=images.OFFERED).items]


def _list(status: int = 200, errors: dict[str, str] | None = None, alt: str = "") -> Response:
    tenant_id, q = current().tenant_id, request.args.get("q", "").strip() or None
    found = images.page(tenant_id=tenant_id, q=q, cursor=request.args.get("cursor"))
    ids = [one.id for one in found.items]
    return page(
        "content/images.html",
        status=status,
        block="results",
        page=found,
        q=q,
        errors=errors or {},
        alt=alt,
        most=pictures.MOST_BYTES // 1024 // 1024,
        urls={one: image_url(tenant_id, one) for one in ids},
        doubles={one.id: image_url(tenant_id, one.id, double=True) for one in found.items if one.has_double},
        used=images.uses(tenant_id=tenant_id, image_ids=ids),
    )
