"""What is done with a campaign: start, pause, resume, cancel, copy, archive and back, delete."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from app.blueprints.campaigns.base import blueprint
from app.campaigns import lifecycle, queries, readiness, service, winner
from app.campaigns.states import LEGAL, Act, Status
from app.infra.errors import Conflict, Invalid
from app.infra.ids import as_id
from app.web.guards import current, requires


def _do(act: Callable[..., Any], campaign_id: UUID, done: str) -> Response:
    """Do one act and show the campaign: with what was done, or why it can't be."""
    actor = current()
    try:
        act(tenant_id=actor.tenant_id, campaign_id=campaign_id, actor=actor.ref)
    except (Conflict, Invalid) as refused:
        flash(" ".join(refused.told.values()), "warning")
    else:
        flash(done, "success")
    return _to(campaign_id)


def _send(act: Act, do: Callable[..., Any], campaign_id: UUID, done: str) -> Response:
    """Send a campaign now or later; what is to be mended in it goes only if somebody said that it shall."""
    campaign = queries.one(tenant_id=current().tenant_id, campaign_id=campaign_id)
    legal = campaign.archived_at is None and campaign.status in LEGAL[act] and campaign.status in LEGAL[Act.CHANGE]
    if legal and "anyway" not in request.form and readiness.unfinished(campaign):
        flash("What it says is not finished. Mend it, or tick that it is sent all the same.", "warning")
        return redirect(url_for("campaigns.review", campaign_id=campaign_id))
    return _do(do, campaign_id, done)


def _to(campaign_id: UUID) -> Response:
    return redirect(url_for("campaigns.show", campaign_id=campaign_id))


@blueprint.post("/<uuid:campaign_id>/start")
@requires("campaigns.run")
def start(campaign_id: UUID) -> Response:
    """Send a campaign now."""
    return _send(Act.START, lifecycle.start, campaign_id, "It is on its way.")


@blueprint.post("/<uuid:campaign_id>/schedule")
@requires("campaigns.run")
def schedule(campaign_id: UUID) -> Response:
    """Let a campaign begin by its schedule."""
    return _send(Act.SCHEDULE, lifecycle.schedule_, campaign_id, "The campaign is scheduled.")


@blueprint.post("/<uuid:campaign_id>/unschedule")
@requires("campaigns.run")
def unschedule(campaign_id: UUID) -> Response:
    """Make a scheduled campaign a draft again."""
    return _do(lifecycle.unschedule, campaign_id, "The campaign is a draft again.")


@blueprint.post("/<uuid:campaign_id>/pause")
@requires("campaigns.run")
def pause(campaign_id: UUID) -> Response:
    """Let nothing more go out."""
    return _do(lifecycle.pause, campaign_id, "The campaign is paused.")


@blueprint.post("/<uuid:campaign_id>/resume")
@requires("campaigns.run")
def resume(campaign_id: UUID) -> Response:
    """Let a paused campaign go on."""
    return _do(lifecycle.resume, campaign_id, "The campaign goes on.")


@blueprint.post("/<uuid:campaign_id>/cancel")
@requires("campaigns.run")
def cancel(campaign_id: UUID) -> Response:
    """Call a campaign off for good."""
    return _do(lifecycle.cancel, campaign_id, "The campaign is cancelled.")


@blueprint.post("/<uuid:campaign_id>/winner")
@requires("campaigns.run")
def choose_winner(campaign_id: UUID) -> Response:
    """Let everybody who waits for the winner of a run get a variant."""
    actor, run_id = current(), as_id(request.form.get("run"))
    if run_id is None:
        raise queries.NoSuchRun
    try:
        run = winner.choose(
            tenant_id=actor.tenant_id,
            campaign_id=campaign_id,
            run_id=run_id,
            variant=request.form.get("variant", ""),
            actor=actor.ref,
            actor_name=actor.name,
        )
    except (Conflict, Invalid) as refused:
        flash(" ".join(refused.told.values()), "warning")
    else:
        paused = run.status == Status.PAUSED
        flash(f"The winner is chosen; the others get it {'once the campaign goes on' if paused else 'now'}.", "success")
    return _to(campaign_id)


@blueprint.post("/<uuid:campaign_id>/duplicate")
@requires("campaigns.edit")
def duplicate(campaign_id: UUID) -> Response:
    """Make a draft like it, and show that."""
    actor = current()
    made = service.duplicate(tenant_id=actor.tenant_id, campaign_id=campaign_id, actor=actor.ref, actor_name=actor.name)
    flash(f"“{made.name}” is a draft of its own.", "success")
    return _to(made.id)


@blueprint.post("/<uuid:campaign_id>/archive")
@requires("campaigns.edit")
def archive(campaign_id: UUID) -> Response:
    """Put a campaign away; the list it leads to offers to undo it."""
    actor = current()
    try:
        service.archive(tenant_id=actor.tenant_id, campaign_id=campaign_id, actor=actor.ref)
    except Conflict as refused:
        flash(refused.message, "warning")
        return _to(campaign_id)
    return redirect(url_for("campaigns.index", archived=campaign_id))


@blueprint.post("/<uuid:campaign_id>/unarchive")
@requires("campaigns.edit")
def unarchive(campaign_id: UUID) -> Response:
    """Take a campaign out of the archive."""
    actor = current()
    service.unarchive(tenant_id=actor.tenant_id, campaign_id=campaign_id, actor=actor.ref)
    flash("The campaign is out of the archive.", "success")
    return redirect(url_for("campaigns.index")) if request.form.get("back") == "list" else _to(campaign_id)


@blueprint.post("/<uuid:campaign_id>/delete")
@requires("campaigns.edit")
def delete(campaign_id: UUID) -> Response:
    """Delete a draft for good."""
    actor = current()
    try:
        service.delete(tenant_id=actor.tenant_id, campaign_id=campaign_id, actor=actor.ref)
    except Conflict as refused:
        flash(refused.message, "warning")
        return _to(campaign_id)
    flash("The draft is deleted.", "success")
    return redirect(url_for("campaigns.index"))
