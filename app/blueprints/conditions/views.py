"""The form for conditions while it is edited: drawn again after each act; told in words, and whom it means."""

from flask import Response, request

from app.blueprints.conditions.asked import asked_of
from app.blueprints.conditions.base import blueprint
from app.blueprints.conditions.counting import count
from app.blueprints.conditions.drawing import draw
from app.blueprints.conditions.form import read
from app.infra.errors import Invalid
from app.infra.ids import as_id
from app.web.guards import current, requires
from app.web.htmx import page

_NAME = 40


@blueprint.post("/draw")
@requires("segments.edit")
def drawn() -> Response:
    """Draw the form again, after what the button that was pressed does."""
    name = _root()
    asked = asked_of(current().tenant_id, request.form.get(f"{name}.of", ""))
    posted = read(request.form, name, asked)
    builder = draw(posted, name, asked, allow_empty=True, club_id=as_id(request.form.get(f"{name}.club")))
    return page("conditions/drawn.html", builder=builder)


@blueprint.post("/preview")
@requires("segments.edit")
def previewed() -> Response:
    """Tell whom the form's conditions mean: the sentence, how many, ten of them; or what is missing still."""
    name, tenant_id = _root(), current().tenant_id
    asked = asked_of(tenant_id, request.form.get(f"{name}.of", ""))
    counted = count(read(request.form, name, asked), asked, tenant_id=tenant_id)
    return page("conditions/preview.html", counted=counted)


def _root() -> str:
    """Return what the names of the form's inputs begin with."""
    name = request.args.get("name", "")
    if not name.isidentifier() or len(name) > _NAME:
        raise Invalid({"name": "There is no such form."})
    return name
