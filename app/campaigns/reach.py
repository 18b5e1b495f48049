"""Whom a campaign would reach: the gate's own verdict, told of a segment by the database."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Text, and_, case, func, literal, select
from sqlalchemy.orm import Session

from app.accounts.models import Club
from app.campaigns import readiness, schedule
from app.campaigns.models import ALL, Campaign
from app.customers.models import Customer, Topic
from app.infra import clock
from app.infra.db import transaction
from app.messaging import limit_fields, limits, policy
from app.messaging.condition_fields import can_get, why_not
from app.messaging.runs import Content
from app.messaging.states import Reason
from app.segments.models import SegmentMember


@dataclass(frozen=True, slots=True)
class Reach:
    """How many people a campaign means, how many messages that makes, how many of them would go out on each channel,
    and how many would be skipped for which reason."""

    people: int
    messages: int
    sent: Mapping[str, int]
    skipped: Mapping[str, int]
    holdout_percent: int = 0
    asleep: Mapping[datetime, int] = field(default_factory=dict)
    """How many of those that would go out wait for the end of their reader's quiet hours, by when that is."""

    @property
    def total_sent(self) -> int:
        """Return how many messages the gate would let out."""
        return sum(self.sent.values())

    @property
    def held_out(self) -> int:
        """Return about how many of them are left out by chance: who it is, only the run settles."""
        return round(self.total_sent * self.holdout_percent / 100)

    @property
    def waiting(self) -> int:
        """Return how many of those that people would get wait for the end of quiet hours."""
        asleep = sum(self.asleep.values())
        return asleep - round(asleep * self.holdout_percent / 100)

    @property
    def received(self) -> int:
        """Return how many messages people would get, about so many where some are left out by chance."""
        return self.total_sent - self.held_out


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


def at_domains(*, tenant_id: UUID, campaign: Campaign, domains: Collection[str]) -> dict[str, int]:
    """Return how many of a campaign's people have their e-mail address at each of these domains."""
    at = func.lower(func.split_part(Customer.email, "@", 2))
    asked = (
        select(at, func.count())
        .join(SegmentMember, and_(SegmentMember.tenant_id == tenant_id, SegmentMember.customer_id == Customer.id))
        .where(Customer.tenant_id == tenant_id, SegmentMember.segment_id == campaign.segment_id, at.in_(domains))
        .group_by(at)
    )
    with transaction(tenant_id) as session:
        return {str(domain): int(number) for domain, number in session.execute(asked)}


def of(*, tenant_id: UUID, campaign: Campaign, now: datetime | None = None) -> Reach:
    """Return whom a campaign would reach if it were sent now: everybody in its segment is asked.

    Who is asleep counts as reached where it goes out in their morning.
    """
    return planned(tenant_id=tenant_id, campaign=campaign, now=now)[0]


def planned(*, tenant_id: UUID, campaign: Campaign, now: datetime | None = None) -> tuple[Reach, Reach]:
    """Return whom a campaign would reach if it were sent now, and if it begins at the next of its times.

    The second is told by what is known now, but for quiet hours: those are of the time it begins. What goes at each
    reader's best hour has no one time, so nobody is told to wait.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        contents = readiness.contents_of(readiness.pinned(session, campaign))
        if not contents or campaign.segment_id is None:
            return Reach(0, 0, {}, {}), Reach(0, 0, {}, {})
        rows, messages = _told(session, tenant_id, campaign, contents, moment)
        facts = limits.facts_of_night(session, tenant_id, moment)
        coming = _coming(session, campaign, moment)

    def reach(at: Callable[[str | None], datetime] | None) -> Reach:
        awake, asleep = _nights(rows, facts, campaign, at)
        return replace(_summed(awake, messages), holdout_percent=campaign.holdout_percent or 0, asleep=asleep)

    best = campaign.schedule.get("mode") == schedule.BEST_TIME
    return reach(None if best else lambda _zone: moment), reach(None if best else coming)


def _coming(session: Session, campaign: Campaign, now: datetime) -> Callable[[str | None], datetime]:
    """Return what tells when a campaign's next time is for a reader of a zone (None: of no known one)."""
    zones, after = readiness.zones_of(session, campaign), readiness.last_day(session, campaign)
    ready = not schedule.missing(campaign.schedule, type_=campaign.type)
    found = (
        schedule.coming(campaign.schedule, type_=campaign.type, zones=zones, now=now, after=after, limit=1)
        if ready
        else []
    )
    if not found:
        return lambda _zone: now
    local, begins = found[0]
    if campaign.schedule.get("mode") != schedule.RECIPIENT_ZONE:
        return lambda _zone: begins
    known = {zone.key: max(clock.instant(local, zone), now) for zone in zones}
    return lambda zone: known.get(zone or "", known[campaign.timezone])


def _told(
    session: Session, tenant_id: UUID, campaign: Campaign, contents: Sequence[Content], now: datetime
) -> tuple[Sequence[Sequence[Any]], int]:
    """Return the verdicts on each person's messages, their zone and club, with how many people have these; and how
    many messages a person's are."""
    members = (
        select(SegmentMember.customer_id)
        .where(SegmentMember.tenant_id == tenant_id, SegmentMember.segment_id == campaign.segment_id)
        .correlate(None)
    )
    verdicts = _verdicts(session, tenant_id, campaign, contents, now)
    of_club = select(Club.timezone).where(Club.tenant_id == tenant_id, Club.id == Customer.club_id)
    asked = select(
        Customer.id,
        func.coalesce(Customer.timezone, of_club.scalar_subquery()).label("zone"),
        Customer.club_id,
        *(one.label(f"v{place}") for place, one in enumerate(verdicts)),
    )
    if campaign.one_copy:
        asked = asked.add_columns(
            limit_fields.rank().label("rank"),
            *(limit_fields.shared_address(one.channel).label(f"at_{one.channel}") for one in contents),
        )
    asked = asked.where(Customer.tenant_id == tenant_id, Customer.id.in_(members))
    told = asked.cte("told").prefix_with("MATERIALIZED")
    settled: list[ColumnElement[Any]] = [told.c[f"v{place}"] for place in range(len(verdicts))]
    by = [*settled, told.c.zone, told.c.club_id]
    if campaign.one_copy:
        copies = [_one_copy(told, one, contents).label(one.name) for one in settled]
        by = list(select(*copies, told.c.zone, told.c.club_id).subquery().c)
    return session.execute(select(*by, func.count()).group_by(*by)).all(), len(verdicts)


def _one_copy(told: CTE, verdict: ColumnElement[str], contents: Sequence[Content]) -> ColumnElement[str]:
    """Return a verdict by which of those it lets out at one address one goes."""
    cases = []
    for one in contents:
        goes, address = literal(f"{one.channel}:", Text()), told.c[f"at_{one.channel}"]
        place = func.row_number().over(partition_by=(verdict, address), order_by=(told.c.rank, told.c.id))
        cases.append(
            (
                and_(verdict == goes, address.is_not(None), place > 1),
                literal(f"{one.channel}:{Reason.HOUSEHOLD_COPY}", Text()),
            )
        )
    return case(*cases, else_=verdict)


def _verdicts(
    session: Session, tenant_id: UUID, campaign: Campaign, contents: Sequence[Content], now: datetime
) -> list[ColumnElement[str]]:
    """Return for each message a person would get: `CHANNEL:` if it went out, else `CHANNEL:reason`."""
    said = policy.of(session, tenant_id)
    told, beside = [], list[tuple[str, ColumnElement[bool]]]()
    for one in contents:
        reason = why_not(one.channel, _topic(session, tenant_id, one))
        if said.caps_of(one.channel):
            full = limit_fields.capped(one.channel, said, now, beside)
            reason = func.coalesce(reason, case((full, literal(str(Reason.FREQUENCY_CAP), Text()))), type_=Text())
        told.append(literal(f"{one.channel}:", Text()) + func.coalesce(reason, ""))
        if campaign.channel_mode == ALL:
            beside.append((one.channel, reason.is_(None)))
    if campaign.channel_mode == ALL or len(contents) == 1:
        return told
    chosen = _first(session, tenant_id, contents)
    return [case(*((chosen == one.channel, verdict) for one, verdict in zip(contents, told, strict=True)))]


def _first(session: Session, tenant_id: UUID, contents: Sequence[Content]) -> ColumnElement[str]:
    names = [literal(one.channel, Text()) for one in contents]
    reached = [can_get(one.channel, _topic(session, tenant_id, one)) for one in contents]
    return case(*zip(reached, names, strict=True), else_=names[0])


def _topic(session: Session, tenant_id: UUID, content: Content) -> Topic | None:
    return session.get(Topic, (tenant_id, content.topic_id)) if content.topic_id else None


def _nights(
    rows: Sequence[Sequence[Any]],
    facts: limits.Facts,
    campaign: Campaign,
    at: Callable[[str | None], datetime] | None,
) -> tuple[Sequence[Sequence[Any]], dict[datetime, int]]:
    """Return the verdicts with what the night outlasts skipped, and how many messages wait, by when they go out."""
    if at is None:
        return rows, {}
    told: list[list[Any]] = []
    asleep: dict[datetime, int] = {}
    at_moments: dict[datetime, limits.Facts] = {}
    for *verdicts, zone, club_id, number in rows:
        moment = at(zone)
        over = moment + timedelta(hours=campaign.expires_hours) if campaign.expires_hours else None
        facts_then = at_moments.setdefault(moment, replace(facts, now=moment, nights={}))
        for place, one in enumerate(verdicts):
            channel, _, reason = one.partition(":")
            until = None if reason else limits.quiet_until(channel, zone, club_id, facts_then)
            if until is not None and over is not None and until >= over:
                verdicts[place] = f"{channel}:{Reason.EXPIRED}"
            elif until is not None:
                asleep[until] = asleep.get(until, 0) + number
        told.append([*verdicts, zone, club_id, number])
    return told, asleep


def _summed(rows: Sequence[Sequence[object]], messages: int) -> Reach:
    people, sent, skipped = 0, dict[str, int](), dict[str, int]()
    for *verdicts, _zone, _club_id, number in rows:
        assert isinstance(number, int)
        people += number
        for one in verdicts:
            channel, _, reason = str(one).partition(":")
            counted, key = (skipped, reason) if reason else (sent, channel)
            counted[key] = counted.get(key, 0) + number
    return Reach(people, people * messages, sent, dict(sorted(skipped.items(), key=lambda one: -one[1])))
