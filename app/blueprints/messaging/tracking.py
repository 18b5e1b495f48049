"""The pixel and the links of letters. A token that was changed is a 404 and never leads anywhere."""

import base64

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as Answer

from app.messaging import phone, short_links
from app.messaging.tokens import TrackedLink, read_click, read_open
from app.messaging.tracking import Kind, Visit, record
from app.web.guards import public

blueprint = Blueprint("tracking", __name__, url_prefix="/t")
short = Blueprint("short_links", __name__, url_prefix="/s")

PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


@blueprint.get("/o/<token>")
@public
def opened(token: str) -> Response:
    """Answer with the pixel and note the open."""
    _note(Kind.OPENED, read_open(token))
    return Response(PIXEL, mimetype="image/gif", headers={"Cache-Control": "no-store, private"})


@blueprint.get("/c/<token>")
@public
def clicked(token: str) -> Answer:
    """Note the click and lead to the address that was signed."""
    link = read_click(token)
    _note(Kind.CLICKED, link)
    return _lead_to(link)


@short.get("/<code>")
@public
def followed(code: str) -> Answer:
    """Note the click on a short link and lead to what it stands for; our own pages are no clicks."""
    link = short_links.read(code)
    if not phone.is_own(link.url):
        _note(Kind.CLICKED, link)
    return _lead_to(link)


def _lead_to(link: TrackedLink) -> Answer:
    answer = redirect(link.url)
    answer.headers["Cache-Control"] = "no-store, private"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    return answer


def _note(kind: Kind, link: TrackedLink) -> None:
    headers = request.headers
    purpose = f"{headers.get('Purpose', '')} {headers.get('Sec-Purpose', '')} {headers.get('X-Moz', '')}"
    visit = Visit(request.method, headers.get("User-Agent", ""), prefetch="prefetch" in purpose.lower())
    record(kind=kind, link=link, visit=visit)
