"""A second person's yes on pages: how it stands, asking for it, approving and declining."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from app.accounts.permissions import permissions_of
from app.accounts.queries import active_users
from app.blueprints.campaigns.base import blueprint
from app.campaigns import approval, queries, whose
from app.campaigns.approval import PERMISSION, Standing, State
from app.campaigns.models import Campaign, CampaignApproval
from app.campaigns.states import LEGAL, Act, Status
from app.infra.errors import Conflict, Forbidden, Invalid
from app.web.guards import can, current, requires

LABELS = {
    State.NOT_NEEDED.value: "No approval needed",
    State.MISSING.value: "Needs approval",
    State.WAITING.value: "Waits for approval",
    State.APPROVED.value: "Approved",
    State.DECLINED.value: "Declined",
    State.OUTDATED.value: "Waits for approval again",
}
TONES = {
    State.NOT_NEEDED.value: "neutral",
    State.MISSING.value: "warning",
    State.WAITING.value: "info",
    State.APPROVED.value: "success",
    State.DECLINED.value: "danger",
    State.OUTDATED.value: "warning",
}
WORDS: dict[str, Any] = {"approval_labels": LABELS, "approval_tones": TONES}


@dataclass(frozen=True, slots=True)
class Approval:
    """What a page shows of a yes: how it stands, what this user may do about it, and `who` else may give it."""

    standing: Standing
    words: str
    history: list[CampaignApproval]
    may_ask: bool
    may_decide: bool
    own: bool
    who: str
    review: str | None


def shown(campaign: Campaign) -> Approval | None:
    """Return what a campaign's pages show of a second person's yes; None where none is needed, nor was."""
    tenant_id, me = current().tenant_id, current().ref
    standing = approval.of(tenant_id=tenant_id, campaign=campaign)
    asked = approval.history(tenant_id=tenant_id, campaign_id=campaign.id)
    open_ = campaign.archived_at is None and campaign.status in LEGAL[Act.APPROVE]
    if not asked and (standing.state is State.NOT_NEEDED or not open_):
        return None
    latest = standing.latest
    waits = open_ and latest is not None and latest.decision is None
    mine = latest is not None and not approval.may_decide(campaign, latest, me)
    again = standing.state in (State.MISSING, State.DECLINED, State.OUTDATED)
    may_decide = waits and can(PERMISSION) and not mine
    of_fairway = waits and latest is not None and latest.asked_by == whose.SYSTEM
    return Approval(
        standing=standing,
        words=standing.words,
        history=asked,
        may_ask=open_ and (again or (of_fairway and not may_decide)) and can("campaigns.run"),
        may_decide=may_decide and standing.state is State.WAITING,
        own=waits and mine and can(PERMISSION),
        who=_who(campaign, latest) if waits else "",
        review=url_for("campaigns.review", campaign_id=campaign.id)
        if campaign.status in LEGAL[Act.CHANGE] and can("campaigns.edit")
        else None,
    )


def _who(campaign: Campaign, asked: CampaignApproval | None) -> str:
    names = [
        one.name
        for one in active_users(tenant_id=current().tenant_id)
        if PERMISSION in permissions_of(one.role)
        and (asked is None or approval.may_decide(campaign, asked, f"user:{one.id}"))
    ]
    return " or ".join(filter(None, (", ".join(names[:-1][:4]), names[-1] if names else "")))


def _do(campaign_id: UUID, done: str, act: Callable[..., Any], **more: Any) -> Response:
    actor = current()
    who = {"tenant_id": actor.tenant_id, "actor": actor.ref, "actor_name": actor.name}
    try:
        act(**who, campaign_id=campaign_id, note=request.form.get("note", ""), **more)
    except (Conflict, Invalid, Forbidden) as refused:
        flash(" ".join(refused.told.values()), "warning")
    else:
        flash(done, "success")
    return redirect(url_for("campaigns.show", campaign_id=campaign_id))


@blueprint.post("/<uuid:campaign_id>/ask-approval")
@requires("campaigns.run")
def ask_approval(campaign_id: UUID) -> Response:
    """Ask for a second person's yes."""
    return _do(campaign_id, "It is asked for. Those who may approve it get a mail, and see it on Home.", approval.ask)


@blueprint.post("/<uuid:campaign_id>/approve")
@requires(PERMISSION)
def approve(campaign_id: UUID) -> Response:
    """Say yes to a campaign."""
    campaign = queries.one(tenant_id=current().tenant_id, campaign_id=campaign_id)
    done = "You approved it. Who asked is told by mail."
    if campaign.status == Status.PAUSED:
        done += " It is paused: Resume lets it go on."
    return _do(campaign_id, done, approval.decide, approve=True)


@blueprint.post("/<uuid:campaign_id>/decline")
@requires(PERMISSION)
def decline(campaign_id: UUID) -> Response:
    """Say no to a campaign."""
    return _do(campaign_id, "You declined it. Who asked is told by mail.", approval.decide, approve=False)
