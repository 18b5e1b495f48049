"""Why somebody got, gets or did not get a campaign: a trace in order, of what was recorded.

Of a run the messages tell. Before there is one the gate's verdict of now is told, and said to be one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.campaigns import queries, readiness
from app.campaigns.models import Campaign, CampaignRun
from app.campaigns.states import OVER, Status
from app.customers.models import Customer, Topic
from app.customers.queries import NoSuchCustomer
from app.infra.db import transaction
from app.messaging.channel import EMAIL, channel, installed
from app.messaging.condition_fields import why_not
from app.messaging.feedback import BOUNCE_WORDS
from app.messaging.states import reason_in_words
from app.segments.models import SegmentMember, SegmentPastMember

_MESSAGES = text("""
    SELECT id, channel, status, reason, to_address, instead_of, due_at, created_at, sent_at, response, subject,
        first_open_at, first_click_at, bounced_at, bounce_kind, complained_at, replied_at, unsubscribed_at
    FROM message WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND run_id = :run_id
    ORDER BY created_at, channel
""")
_CHANGES = {
    "queued": "It goes out when it is its turn.",
    "held": "It is looked at again by itself.",
    "sending": "It is being handed over just now.",
    "unknown": "Nobody can tell whether it arrived; it is not sent again.",
}
_MENDS = {
    "no_address": "An address on their page.",
    "invalid_address": "A correct address on their page.",
    "suppressed": "Taking the address off the suppression list.",
    "opted_out": "A yes of their own to the channel.",
    "topic_opted_out": "A yes of their own to the topic.",
    "stopped": "Their own word that they want news again.",
    "no_opt_in": "A yes of their own to the channel.",
    "no_topic_opt_in": "A yes of their own to the topic.",
    "unconfirmed": "Their confirming by the link we sent.",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at: whether it `holds` (None: it is not known yet), in words, when, and what would
    change it. `message_id` is the message it is about."""

    what: str
    holds: bool | None
    words: str
    at: datetime | None = None
    could_change: str | None = None
    message_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """The steps of one run, in order; without a run they are those of now."""

    run_id: UUID | None
    occurrence: str | None
    steps: list[Step]


def of(*, tenant_id: UUID, campaign_id: UUID, customer_id: UUID) -> list[Trace]:
    """Return why a customer got a campaign or not, run by run, the latest first (of many the latest twenty).

    Where a run is still to come, the first trace tells how it stands with them now. Whoever was merged is followed to
    the profile they went into. Raises NoSuchCampaign or NoSuchCustomer.
    """
    with transaction(tenant_id) as session:
        campaign = queries.one(tenant_id=tenant_id, campaign_id=campaign_id)
        person = session.get(Customer, (tenant_id, customer_id))
        if person is None:
            raise NoSuchCustomer
        who = person.merged_into_id or person.id
        wanted = select(CampaignRun).where(CampaignRun.tenant_id == tenant_id, CampaignRun.campaign_id == campaign_id)
        found = session.scalars(wanted.order_by(CampaignRun.id.desc()).limit(20)).all()
        told = [Trace(run.id, run.occurrence, _of_run(session, run, who)) for run in found]
        if campaign.status not in OVER and (campaign.due_at is not None or not found):
            told.insert(0, Trace(None, None, _of_now(session, campaign, who)))
        return told


def _of_run(session: Session, run: CampaignRun, who: UUID) -> list[Step]:
    values = {"tenant_id": run.tenant_id, "customer_id": who, "run_id": run.id}
    messages = [dict(row) for row in session.execute(_MESSAGES, values).mappings()]
    if messages:
        first = messages[0]
        steps = [Step("Audience", True, "They were in the segment when it was asked.", first["created_at"])]
        for one in messages:
            steps += _of_message(one)
        return steps
    if run.status == Status.PREPARING:
        return [Step("Audience", None, "It is being told who is in the segment; they may still come in.")]
    words = "They were not in the segment when it was asked."
    if past := _was_member(session, run, who):
        words = past
    return [Step("Audience", False, words, run.prepared_at, "A later run, once they are in the segment.")]


def _was_member(session: Session, run: CampaignRun, who: UUID) -> str | None:
    since = session.scalar(
        select(SegmentMember.entered_at).where(
            SegmentMember.tenant_id == run.tenant_id,
            SegmentMember.segment_id == run.segment_id,
            SegmentMember.customer_id == who,
        )
    )
    if since is not None:
        return f"They came into the segment only on {since:%-d %B %Y}."
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
    return f"They had left the segment on {left:%-d %B %Y}." if left is not None else None


def _of_message(one: Mapping[str, Any]) -> list[Step]:
    about = {"message_id": one["id"]}
    status, reason = one["status"], one["reason"]
    if status == "sent":
        where = f"Sent to {one['to_address']}."
        if one["instead_of"]:
            where = f"Sent to {one['to_address']}, because mail can’t reach them at {one['instead_of']}."
        steps = [
            Step("Gate", True, f"Consent, suppression and address allowed it on {one['channel']}.", **about),
            Step("Sent", True, where, one["sent_at"], **about),
        ]
        if one["bounced_at"]:
            bounce = BOUNCE_WORDS.get(one["bounce_kind"], "Came back")
            steps.append(Step("Came back", False, f"{bounce}.", one["bounced_at"], **about))
        if one["first_open_at"]:
            steps.append(Step("Opened", True, "They opened it.", one["first_open_at"], **about))
        if one["first_click_at"]:
            steps.append(Step("Clicked", True, "They followed a link in it.", one["first_click_at"], **about))
        if one["replied_at"]:
            steps.append(Step("Replied", True, "They replied to it.", one["replied_at"], **about))
        if one["unsubscribed_at"]:
            steps.append(Step("Unsubscribed", True, "They unsubscribed by it.", one["unsubscribed_at"], **about))
        if one["complained_at"]:
            steps.append(Step("Complained", True, "They marked it as spam.", one["complained_at"], **about))
        return steps
    words = reason_in_words(reason, _told(one["channel"])) or _CHANGES.get(status, "")
    if status in ("queued", "held", "sending"):
        return [Step("Gate", None, words, one["due_at"], _CHANGES[status], **about)]
    if status == "skipped":
        return [Step("Gate", False, words, None, _MENDS.get(reason), **about)]
    happened = None if status == "unknown" else False
    return [
        Step("Gate", True, f"Consent, suppression and address allowed it on {one['channel']}.", **about),
        Step("Sent", happened, words, None, _CHANGES.get(status), **about),
    ]


def _told(name: str) -> str | None:
    """Return what a reason calls a channel, nothing where it is e-mail."""
    return None if name == EMAIL or name not in installed() else channel(name).label


def _of_now(session: Session, campaign: Campaign, who: UUID) -> list[Step]:
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
    if readiness.lacks(session, campaign):
        return [*steps, Step("Gate", None, "The campaign is not ready to be sent.")]
    for content in readiness.pinned(session, campaign):
        topic = session.get(Topic, (tenant_id, content.topic_id)) if content.topic_id else None
        asked = select(why_not(content.channel, topic)).where(Customer.tenant_id == tenant_id, Customer.id == who)
        reason = session.scalar(asked)
        words = (
            reason_in_words(reason, _told(content.channel))
            if reason
            else f"On {content.channel} it would go out if it were sent now."
        )
        steps.append(Step("Gate", reason is None, words, None, _MENDS.get(reason or "")))
    return steps
