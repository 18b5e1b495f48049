"""The page a letter's unsubscribe link leads to. Looking at it changes nothing: scanners look at everything."""

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.messaging.tokens import preferences_token, read_unsubscribe
from app.messaging.unsubscribe import How, standing, unsubscribe
from app.messaging.unsubscribe import undo as take_back
from app.web.guards import public
from app.web.htmx import page
from app.web.security import csrf

blueprint = Blueprint("unsubscribe", __name__, url_prefix="/u")
# The token in the address is all the proof there is: mail programs have no cookie and no CSRF token.
csrf.exempt(blueprint)


@blueprint.get("/<token>")
@public
def show(token: str) -> Response:
    """Show how the reader stands, with a button."""
    link = read_unsubscribe(token)
    return page(
        "messaging/unsubscribe.html",
        token=token,
        standing=standing(link=link),
        preferences_token=preferences_token(link.tenant_id, link.customer_id, link.message_id),
    )


@blueprint.post("/<token>")
@public
def act(token: str) -> Response | Answer:
    """Take the reader off the list: by the page's button, or by a mail program's one click (RFC 8058: no redirect)."""
    one_click = request.form.get("List-Unsubscribe") == "One-Click"
    unsubscribe(
        link=read_unsubscribe(token),
        how=How.ONE_CLICK if one_click else How.PAGE,
        ip=request.remote_addr,
        user_agent=request.user_agent.string,
    )
    if one_click:
        return Response("You are unsubscribed.\n", mimetype="text/plain")
    return redirect(url_for("unsubscribe.show", token=token), code=303)


@blueprint.post("/<token>/undo")
@public
def undo(token: str) -> Answer:
    """Take the reader's unsubscribe back."""
    take_back(link=read_unsubscribe(token), ip=request.remote_addr, user_agent=request.user_agent.string)
    return redirect(url_for("unsubscribe.show", token=token), code=303)
