"""Why somebody got, gets or did not get a campaign: a trace in order, of what was recorded.

Of a run the messages tell, and of one that waits the gate too. Before there is one the gate tells how it stands now
(app.messaging.explain).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.campaigns import approval, best_time, experiment, queries, readiness, schedule
from app.campaigns.models import Campaign, CampaignRun
from app.campaigns.states import OVER, Status
from app.campaigns.winner import RULE
from app.customers.models import Customer, Topic
from app.customers.queries import NoSuchCustomer
from app.infra import clock
from app.infra.db import transaction
from app.messaging import explain, limit_fields
from app.messaging.channel import EMAIL
from app.messaging.condition_fields import can_get
from app.messaging.explain import Looked as Step
from app.messaging.runs import HELD_OUT, Content
from app.segments.models import SegmentMember, SegmentPastMember

_MESSAGES = text(f"""
    SELECT {explain.STORY}, variant FROM message
    WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND run_id = :run_id ORDER BY created_at, channel
""")  # noqa: S608 - the columns are ours
_WAITING = ("queued", "held")


@dataclass(frozen=True, slots=True)
class Trace:
    """The steps of one run, in order; without a run they are those of now."""

    run_id: UUID | None
    occurrence: str | None
    steps: list[Step]


def of(*, tenant_id: UUID, campaign_id: UUID, customer_id: UUID, now: datetime | None = None) -> list[Trace]:
    """Return why a customer got a campaign or not, run by run, the latest first (of many the latest twenty).

    Where a run is still to come, the first trace tells how it stands with them now. Whoever was merged is followed to
    the profile they went into. Raises NoSuchCampaign or NoSuchCustomer.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        campaign = queries.one(tenant_id=tenant_id, campaign_id=campaign_id)
        person = session.get(Customer, (tenant_id, customer_id))
        if person is None:
            raise NoSuchCustomer
        who = person.merged_into_id or person.id
        wanted = select(CampaignRun).where(CampaignRun.tenant_id == tenant_id, CampaignRun.campaign_id == campaign_id)
        found = session.scalars(wanted.order_by(CampaignRun.id.desc()).limit(20)).all()
        told = [Trace(run.id, run.occurrence, _of_run(session, campaign, run, who, moment)) for run in found]
        if campaign.status not in OVER and (campaign.due_at is not None or not found):
            told.insert(0, Trace(None, None, _of_now(session, campaign, who, moment)))
        return told


def _of_run(session: Session, campaign: Campaign, run: CampaignRun, who: UUID, now: datetime) -> list[Step]:
    values = {"tenant_id": run.tenant_id, "customer_id": who, "run_id": run.id}
    messages = [dict(row) for row in session.execute(_MESSAGES, values).mappings()]
    if messages:
        first = messages[0]
        steps = [Step("Audience", True, "They were in the segment when it was asked.", first["created_at"])]
        steps += _best_hour(session, campaign, run, who)
        steps += _variant_of(run, first["variant"])
        if run.status == Status.PAUSED and any(one["status"] in _WAITING for one in messages):
            steps.append(_paused(run))
        for one in messages:
            told = explain.story(one)
            if one["status"] in _WAITING:
                looked = explain.of_message(tenant_id=run.tenant_id, message_id=one["id"], now=now)
                # What keeps it back now need not be told twice.
                again = {step.what for step in looked if not step.holds}
                told = [step for step in told if step.what not in again]
                told += [replace(step, message_id=one["id"]) for step in looked]
            steps += told
        return steps
    if run.status == Status.PREPARING:
        return [Step("Audience", None, "It is being told who is in the segment; they may still come in.")]
    if run.prepared_at is None and run.status == Status.PAUSED:
        return [_paused(run), Step("Audience", None, "Who is in the segment is asked once it goes on.")]
    if run.prepared_at is None:
        ended = "called off" if run.status == Status.CANCELLED else "ended"
        return [Step("Campaign", False, f"It was {ended} before it had come to them. {run.error or ''}".rstrip())]
    words = _was_member(session, campaign, run, who) or "They were not in the segment when it was asked."
    return [Step("Audience", False, words, run.prepared_at, "A later run, once they are in the segment.")]


def _paused(run: CampaignRun) -> Step:
    words = f"It is paused. {run.error or ''}".rstrip()
    return Step("Campaign", None, words, run.paused_at, "Somebody’s resuming it.")


def _best_hour(session: Session, campaign: Campaign, run: CampaignRun, who: UUID) -> list[Step]:
    """Return why it goes at their hour, by what was known when the run began; none where that is not how it goes."""
    if campaign.schedule.get("mode") != schedule.BEST_TIME:
        return []
    chosen = best_time.of_one(session, campaign, who, begins=run.due_at, now=run.created_at)
    if chosen is None:
        return []
    return [Step("Best hour", True, best_time.in_words(chosen), chosen.at)]


def _variant_of(run: CampaignRun, variant: str | None) -> list[Step]:
    """Return which variant of an A/B test somebody gets, and why."""
    tried = experiment.of(run.experiment)
    if tried is None or variant == HELD_OUT:
        return []
    names = {one.key: one.name for one in tried.variants}
    if variant in names:
        return [Step("Variant", True, f"Chance gave them {names[variant]}.")]
    if run.winner is not None:
        by = "by the rule" if run.winner_by == RULE else f"by {run.winner_by_name or 'somebody'}"
        return [Step("Variant", True, f"They waited for the winner: {names[run.winner]}, chosen {by}.", run.winner_at)]
    words = "Chance let them wait for the winner, which is not chosen yet."
    return [Step("Variant", None, words, run.decide_at, "Somebody's choosing, or the rule's.")]


def _was_member(session: Session, campaign: Campaign, run: CampaignRun, who: UUID) -> str | None:
    zone = ZoneInfo(campaign.timezone)
    since = session.scalar(
        select(SegmentMember.entered_at).where(
            SegmentMember.tenant_id == run.tenant_id,
            SegmentMember.segment_id == run.segment_id,
            SegmentMember.customer_id == who,
        )
    )
    if since is not None:
        return f"They came into the segment only on {since.astimezone(zone):%-d %B %Y}."
    left = session.scalar(
        select(SegmentPastMember.left_at)
        .where(
            SegmentPastMember.tenant_id == run.tenant_id,
            SegmentPastMember.segment_id == run.segment_id,
            SegmentPastMember.customer_id == who,
        )
        .order_by(SegmentPastMember.left_at.desc())
        .limit(1)
    )
    return f"They had left the segment on {left.astimezone(zone):%-d %B %Y}." if left is not None else None


def _of_now(session: Session, campaign: Campaign, who: UUID, now: datetime) -> list[Step]:
    tenant_id = campaign.tenant_id
    if campaign.segment_id is None:
        return [Step("Audience", None, "The campaign does not say yet whom it goes to.")]
    since = session.scalar(
        select(SegmentMember.entered_at).where(
            SegmentMember.tenant_id == tenant_id,
            SegmentMember.segment_id == campaign.segment_id,
            SegmentMember.customer_id == who,
        )
    )
    if since is None:
        return [Step("Audience", False, "They are not in the segment now.", None, "Their coming into the segment.")]
    steps = [Step("Audience", True, "They are in the segment now.", since)]
    if campaign.holdout_percent:
        words = f"{campaign.holdout_percent}% of all are left out when it is sent, to measure what it changes."
        steps.append(Step("Chance", None, f"{words} They may be among them."))
    if campaign.experiment is not None:
        steps.append(Step("Variant", True, "Chance tells then which one they get, or that they wait for the winner."))
    if readiness.lacks(session, campaign):
        return [*steps, Step("Gate", None, "The campaign is not ready to be sent.")]
    if (yes := approval.standing(session, campaign)).in_the_way:
        steps.append(Step("A second person’s yes", None, yes.words, None, "Somebody’s approving it."))
    if campaign.schedule.get("mode") == schedule.BEST_TIME:
        begins = max(campaign.due_at or now, now)
        chosen = best_time.of_one(session, campaign, who, begins=begins, now=now)
        steps += [Step("Best hour", True, best_time.in_words(chosen), chosen.at)] if chosen else []
    for content in readiness.contents_of(readiness.pinned(session, campaign)):
        steps += _meant(session, campaign, content, who, now)
    return steps


def _meant(session: Session, campaign: Campaign, content: Content, who: UUID, now: datetime) -> list[Step]:
    """Return what the gate would see now of what a campaign says on one channel."""
    told = explain.of_intended(tenant_id=campaign.tenant_id, customer_id=who, content=content, of_run=True, now=now)
    if campaign.one_copy:
        first = _first_at_address(session, campaign, content, who)
        words = "Somebody else at their address comes first." if first else "Nobody else at their address comes first."
        could = "If theirs is skipped, this one goes." if first else None
        copy = [replace(step, holds=not first, words=words, could_change=could) for step in told]
        told = [mine if step.what == explain.COPY else step for step, mine in zip(told, copy, strict=True)]
    on = explain.channel_label(content.channel)
    goes = all(step.holds for step in told)
    waits = not goes and all(step.holds is not False for step in told)
    words = f"On {on} it would go out if it were sent now." if goes else f"On {on} it would not go out."
    if waits:
        words = f"On {on} it would wait if it were sent now, and go out later."
    return [*told, Step("Gate", True if goes else None if waits else False, words)]


def _first_at_address(session: Session, campaign: Campaign, content: Content, who: UUID) -> bool:
    """Return whether somebody of the segment at the same address would get it before them."""
    topic = session.get(Topic, (campaign.tenant_id, content.topic_id)) if content.topic_id else None
    members = select(SegmentMember.customer_id).where(
        SegmentMember.tenant_id == campaign.tenant_id, SegmentMember.segment_id == campaign.segment_id
    )
    address = limit_fields.shared_address(content.channel)
    mine = session.scalar(select(address).where(Customer.tenant_id == campaign.tenant_id, Customer.id == who))
    if mine is None:
        return False
    column = Customer.email if content.channel == EMAIL else Customer.phone
    sharing = (
        select(Customer.id)
        .where(
            Customer.tenant_id == campaign.tenant_id,
            Customer.id.in_(members.correlate(None)),
            column == mine,
            can_get(content.channel, topic),
        )
        .order_by(limit_fields.rank(), Customer.id)
        .limit(1)
    )
    first = session.scalar(sharing)
    return first is not None and first != who
