"""The step of a campaign's way that says what it is for."""

from typing import Any
from uuid import UUID

from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints import conditions
from app.blueprints.campaigns.base import blueprint
from app.blueprints.campaigns.forms import GoalForm
from app.blueprints.campaigns.wizard import changeable, step_page
from app.campaigns import queries, service
from app.campaigns.models import Campaign
from app.events import catalogue
from app.infra.errors import Conflict, Invalid
from app.web.guards import current, requires

CONDITIONS = "conditions"


@blueprint.get("/<uuid:campaign_id>/goal")
@requires("campaigns.edit")
def goal(campaign_id: UUID) -> Response:
    """Show what a campaign is for."""
    campaign = changeable(campaign_id)
    form = GoalForm.of(campaign)
    kept = campaign.goal["conditions"] if campaign.goal else None
    return _show(campaign, form, kept)


@blueprint.post("/<uuid:campaign_id>/goal")
@requires("campaigns.edit")
def save_goal(campaign_id: UUID) -> Response | Answer:
    """Save what a campaign is for; another event, or a button of the conditions, shows the form anew."""
    actor, form = current(), GoalForm(request.form)
    campaign = changeable(campaign_id)
    posted = conditions.read(request.form, CONDITIONS, _asked(form))
    if request.form.get("act") == "event":
        return _show(campaign, form, None)
    if posted.acted:
        return _show(campaign, form, posted)
    try:
        changes = form.values(posted.tree)
        service.change(
            tenant_id=actor.tenant_id, campaign_id=campaign_id, actor=actor.ref, changes=changes, version=form.seen
        )
    except Conflict as refused:
        now = queries.one(tenant_id=actor.tenant_id, campaign_id=campaign_id)
        return _show(now, form, posted, status=409, refused=refused.message)
    except Invalid as wrong:
        return _show(campaign, form, posted, status=422, errors=_put(form, wrong))
    return redirect(url_for("campaigns.review", campaign_id=campaign_id))


def _put(form: GoalForm, wrong: Invalid) -> dict[str, str]:
    """Put what is wrong beside the fields, and return what is wrong with the conditions, by path in the tree."""
    told: dict[str, str] = {}
    for path, message in wrong.errors.items():
        name = path.removeprefix("goal.")
        if name.partition(".")[0] == CONDITIONS:
            told[name.removeprefix(CONDITIONS).removeprefix(".")] = message
        elif name in form:
            form[name].errors = [message]
        else:
            raise wrong
    return told


def _asked(form: GoalForm) -> conditions.Asked:
    return conditions.of_event(current().tenant_id, (form["event_type"].data or "")[:100])


def _show(
    campaign: Campaign,
    form: GoalForm,
    stored: Any,
    *,
    status: int = 200,
    errors: dict[str, str] | None = None,
    **more: Any,
) -> Response:
    form.offer(sorted(((one.name, one.label) for one in catalogue.known()), key=lambda one: one[1].casefold()))
    builder = conditions.draw(
        stored, CONDITIONS, _asked(form), checked=bool(errors), errors=errors or None, allow_empty=True
    )
    return step_page("goal", campaign, form, status=status, block="asked", builder=builder, **more)
