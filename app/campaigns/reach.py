"""Whom a campaign would reach: the gate's own verdict, told of a segment by the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Text, case, func, literal, literal_column, select
from sqlalchemy.orm import Session

from app.campaigns import readiness
from app.campaigns.models import ALL, Campaign
from app.customers.models import Customer, Topic
from app.infra.db import transaction
from app.messaging.condition_fields import can_get, why_not
from app.messaging.runs import Content
from app.segments.models import SegmentMember


@dataclass(frozen=True, slots=True)
class Reach:
    """How many people a campaign means, how many messages that makes, how many of them would go out on each channel,
    and how many would be skipped for which reason."""

    people: int
    messages: int
    sent: Mapping[str, int]
    skipped: Mapping[str, int]

    @property
    def total_sent(self) -> int:
        """Return how many messages would go out."""
        return sum(self.sent.values())


def first_that_reaches(
    session: Session, tenant_id: UUID, contents: Sequence[Content], people: Sequence[UUID]
) -> dict[str, list[UUID]]:
    """Return the people by the first channel that reaches them; whom none does stand under the first."""
    asked = select(Customer.id, _first(session, tenant_id, contents).label("channel")).where(
        Customer.tenant_id == tenant_id, Customer.id.in_(people)
    )
    found: dict[str, list[UUID]] = {}
    for row in session.execute(asked):
        found.setdefault(row.channel, []).append(row.id)
    return found


def of(*, tenant_id: UUID, campaign: Campaign) -> Reach:
    """Return whom a campaign would reach if it were sent now: everybody in its segment is asked."""
    with transaction(tenant_id) as session:
        contents = readiness.pinned(session, campaign)
        if not contents or campaign.segment_id is None:
            return Reach(0, 0, {}, {})
        members = (
            select(SegmentMember.customer_id)
            .where(SegmentMember.tenant_id == tenant_id, SegmentMember.segment_id == campaign.segment_id)
            .correlate(None)
        )
        verdicts = _verdicts(session, tenant_id, campaign, contents)
        asked = (
            select(*(one.label(f"v{place}") for place, one in enumerate(verdicts)), func.count().label("people"))
            .where(Customer.tenant_id == tenant_id, Customer.id.in_(members))
            .group_by(*(literal_column(str(place + 1)) for place in range(len(verdicts))))
        )
        rows = session.execute(asked).all()
    return _summed(rows, len(verdicts))


def _verdicts(
    session: Session, tenant_id: UUID, campaign: Campaign, contents: Sequence[Content]
) -> list[ColumnElement[str]]:
    """Return for each message a person would get: `CHANNEL:` if it went out, else `CHANNEL:reason`."""
    told = [
        literal(f"{one.channel}:", Text()) + func.coalesce(why_not(one.channel, _topic(session, tenant_id, one)), "")
        for one in contents
    ]
    if campaign.channel_mode == ALL or len(contents) == 1:
        return told
    chosen = _first(session, tenant_id, contents)
    return [case(*((chosen == one.channel, said) for one, said in zip(contents, told, strict=True)))]


def _first(session: Session, tenant_id: UUID, contents: Sequence[Content]) -> ColumnElement[str]:
    names = [literal(one.channel, Text()) for one in contents]
    reached = [can_get(one.channel, _topic(session, tenant_id, one)) for one in contents]
    return case(*zip(reached, names, strict=True), else_=names[0])


def _topic(session: Session, tenant_id: UUID, content: Content) -> Topic | None:
    return session.get(Topic, (tenant_id, content.topic_id)) if content.topic_id else None


def _summed(rows: Sequence[Sequence[object]], messages: int) -> Reach:
    people, sent, skipped = 0, dict[str, int](), dict[str, int]()
    for *verdicts, number in rows:
        assert isinstance(number, int)
        people += number
        for one in verdicts:
            channel, _, reason = str(one).partition(":")
            counted, key = (skipped, reason) if reason else (sent, channel)
            counted[key] = counted.get(key, 0) + number
    return Reach(people, people * messages, sent, dict(sorted(skipped.items(), key=lambda one: -one[1])))
