"""The page on which readers choose what they receive, and the one that confirms a yes. Looking changes nothing."""

from flask import Blueprint, Response, current_app, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.events.presenters import CHANNEL_LABELS
from app.infra.errors import Invalid
from app.infra.ids import as_id
from app.messaging import devices, double_opt_in
from app.messaging.preferences import Choice, preferences, save
from app.messaging.tokens import read_confirm, read_preferences
from app.web.guards import public
from app.web.htmx import page
from app.web.security import csrf

blueprint = Blueprint("preferences", __name__, url_prefix="/p")
# The token in the address is all the proof there is: readers have no cookie and no CSRF token.
csrf.exempt(blueprint)


@blueprint.get("/<token>")
@public
def show(token: str) -> Response:
    """Show what the reader receives, and what else there is."""
    return page(
        "messaging/preferences.html",
        token=token,
        known=preferences(link=read_preferences(token)),
        saved=request.args.get("saved"),
        channel_labels=CHANNEL_LABELS,
    )


@blueprint.post("/<token>")
@public
def act(token: str) -> Answer:
    """Let the reader's choice hold."""
    save(
        link=read_preferences(token),
        chosen={choice for value in request.form.getlist("choice") if (choice := _choice(value))},
        stop=request.form.get("stop") == "1",
        ip=request.remote_addr,
        user_agent=request.user_agent.string,
    )
    return redirect(url_for("preferences.show", token=token, saved=1), code=303)


@blueprint.post("/<token>/device")
@public
def device(token: str) -> Answer:
    """Let the reader's device get notifications."""
    try:
        devices.add(
            link=read_preferences(token),
            given=request.form.get("subscription", ""),
            ip=request.remote_addr,
            user_agent=request.user_agent.string,
        )
    except Invalid as refused:
        return Answer(refused.errors["subscription"], status=422, mimetype="text/plain")
    return Answer(status=204)


@blueprint.get("/worker.js")
@public
def worker() -> Response:
    """Answer with the worker of devices: only a script from here may work for these pages."""
    with current_app.open_resource("static/js/push-worker.js") as script:
        return Response(script.read(), mimetype="text/javascript")


@blueprint.get("/confirm/<token>")
@public
def confirmation(token: str) -> Response:
    """Show what there is to confirm, with a button."""
    return page(
        "messaging/confirm.html",
        token=token,
        waiting=double_opt_in.waiting(link=read_confirm(token)),
        confirmed=request.args.get("confirmed"),
    )


@blueprint.post("/confirm/<token>")
@public
def confirm(token: str) -> Answer:
    """Make what waits for the reader's word a yes."""
    done = double_opt_in.confirm(link=read_confirm(token), ip=request.remote_addr, user_agent=request.user_agent.string)
    return redirect(url_for("preferences.confirmation", token=token, confirmed=1 if done else None), code=303)


def _choice(value: str) -> Choice | None:
    """Return the channel and topic a box stands for: `EMAIL`, or `EMAIL:<topic's id>`."""
    channel, mark, topic = value.partition(":")
    topic_id = as_id(topic) if mark else None
    return None if mark and topic_id is None else (channel, topic_id)
