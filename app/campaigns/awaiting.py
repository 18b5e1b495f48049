"""How the yes to many campaigns stands at once: for their list and calendar, and on Home for whose they are."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from app.accounts.models import ApiKey
from app.accounts.queries import tenant_info
from app.campaigns import approval
from app.campaigns.approval import Standing, State
from app.campaigns.models import Campaign, CampaignApproval
from app.campaigns.states import LEGAL, Act, Status
from app.infra import clock
from app.infra.db import transaction
from app.infra.figures import written_for
from app.messaging import policy
from app.segments.models import Segment

TOLD_FOR = timedelta(days=7)
"""What was answered of a campaign that is not scheduled is told for so long."""
WARNED_AHEAD = timedelta(hours=24)
"""Whoever made a campaign hears by mail so long before it begins that it lacks its yes."""
_MOST = 100


@dataclass(frozen=True, slots=True)
class Mine:
    """A campaign of somebody's that needs a yes, and how that stands."""

    campaign: Campaign
    standing: Standing


def standings(*, tenant_id: UUID, campaigns: Iterable[Campaign]) -> dict[UUID, Standing]:
    """Return by id how the yes stands to those of these campaigns that need one and may still be sent."""
    with transaction(tenant_id) as session:
        return _standings(session, tenant_id, campaigns)


def _standings(session: Session, tenant_id: UUID, campaigns: Iterable[Campaign]) -> dict[UUID, Standing]:
    still = {one.id: one for one in campaigns if one.archived_at is None and one.status in LEGAL[Act.APPROVE]}
    above = policy.approval_above(session, tenant_id) if still else None
    if above is None:
        return {}
    wanted = {one.segment_id for one in still.values() if one.segment_id}
    many = set(
        session.scalars(
            select(Segment.id).where(
                Segment.tenant_id == tenant_id, Segment.id.in_(wanted), Segment.member_count > above
            )
        )
    )
    return {one.id: approval.standing(session, one) for one in still.values() if one.segment_id in many}


def of_mine(*, tenant_id: UUID, actor: str, now: datetime | None = None, limit: int = 20) -> list[Mine]:
    """Return the campaigns somebody made, or asked a yes to, of which there is something to tell: first those that lack
    one, then those that wait for an answer, then what was answered; of each what is sent soonest first.

    What a key of theirs made is theirs. One that is scheduled is told of until it has its yes.
    """
    kind, _, user_id = actor.partition(":")
    if kind != "user":
        return []
    since = (now or clock.now()) - TOLD_FOR
    with transaction(tenant_id) as session:
        keys = session.scalars(
            select(ApiKey.id).where(ApiKey.tenant_id == tenant_id, ApiKey.created_by == UUID(user_id))
        )
        who = [actor, *(f"key:{one}" for one in keys)]
        asked = select(CampaignApproval.campaign_id).where(
            CampaignApproval.tenant_id == tenant_id, CampaignApproval.asked_by.in_(who)
        )
        wanted = (
            select(Campaign)
            .where(
                Campaign.tenant_id == tenant_id,
                Campaign.archived_at.is_(None),
                Campaign.status.in_(LEGAL[Act.APPROVE]),
                Campaign.created_by.in_(who) | Campaign.id.in_(asked),
                # How it stands takes some statements of each: not of those of which there is nothing to tell.
                (Campaign.status == Status.SCHEDULED) | exists().where(*_lately(tenant_id, since)),
            )
            .order_by(Campaign.due_at.nulls_last(), Campaign.id.desc())
            .limit(_MOST)
        )
        campaigns = list(session.scalars(wanted.execution_options(populate_existing=True)))
        found = _standings(session, tenant_id, campaigns)
    told = [Mine(one, found[one.id]) for one in campaigns if one.id in found and _tells(one, found[one.id], since)]
    return sorted(told, key=lambda one: (not one.standing.lacking, one.standing.state is State.APPROVED))[:limit]


def _lately(tenant_id: UUID, since: datetime) -> list[ColumnElement[bool]]:
    """Return what holds of an asking of the campaign that waits for its answer, or had it since then."""
    one = CampaignApproval
    answered = func.coalesce(one.decided_at, one.asked_at)
    return [one.tenant_id == tenant_id, one.campaign_id == Campaign.id, one.decision.is_(None) | (answered > since)]


def _tells(campaign: Campaign, standing: Standing, since: datetime) -> bool:
    if campaign.status == Status.SCHEDULED:
        return standing.in_the_way
    latest = standing.latest
    if latest is None:
        return False
    return standing.state is State.WAITING or (latest.decided_at or latest.asked_at) > since


def warn(*, tenant_id: UUID, now: datetime | None = None) -> None:
    """Mail those whose campaigns begin soon and lack the yes they need, once of each asking."""
    moment = now or clock.now()
    wanted = (
        select(Campaign)
        .where(
            Campaign.tenant_id == tenant_id,
            Campaign.status == Status.SCHEDULED,
            Campaign.due_at.between(moment, moment + WARNED_AHEAD),
        )
        .order_by(Campaign.due_at)
        .limit(_MOST)
    )
    with transaction(tenant_id) as session:
        soon = {one.id: one for one in session.scalars(wanted.execution_options(populate_existing=True))}
        lacking = {id_: found for id_, found in _standings(session, tenant_id, soon.values()).items() if found.lacking}
        with written_for(tenant_info(tenant_id=tenant_id).locale):
            for campaign_id, found in lacking.items():
                approval.tell_whose_it_is(soon[campaign_id], found, moment, kept_back=False)
