"""Pages for whoever builds Fairway; not served in production."""

from datetime import timedelta

from flask import Blueprint, Response

from app.infra import clock
from app.web.guards import public
from app.web.htmx import page

components = Blueprint("dev", __name__, url_prefix="/dev")


@components.get("/components")
@public
def catalogue() -> Response:
    """Show every macro of the kit."""
    return page("dev/components.html", now=clock.now() - timedelta(minutes=3))


BLUEPRINTS: tuple[Blueprint, ...] = ()
DEVELOPMENT_BLUEPRINTS = (components,)
