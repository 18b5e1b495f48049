"""The blueprint all pages of journeys hang on, and what they all read."""

from flask import Blueprint, request

from app.infra.errors import Invalid

blueprint = Blueprint("journeys", __name__, url_prefix="/journeys")


def seen_revision() -> int | None:
    """Return the revision of the draft that the page shows, None if it names none; raise Invalid for what is none."""
    given = request.form.get("revision") or request.args.get("revision")
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        told = "This page does not say which state of the journey it shows. Reload it and try again."
        raise Invalid({"revision": told}, told)
    return int(given)
