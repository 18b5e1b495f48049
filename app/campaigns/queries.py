"""Reading campaigns: the list, one of them, its runs, its numbers, what a month holds."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.orm import Session

from app.campaigns import conversions, schedule
from app.campaigns.models import RECURRING, Campaign, CampaignRun
from app.campaigns.readiness import last_day, zones_of
from app.campaigns.states import ACTIVE, Status
from app.infra.db import transaction
from app.infra.errors import NotFound
from app.infra.paging import DEFAULT_LIMIT, Page, cut, decode_cursor, id_cursor, id_of, moment_of
from app.messaging import runs, tally
from app.messaging.states import Reason
from app.messaging.tally import Kind
from app.segments.models import Segment

MOST_IN_MONTH = 500


class NoSuchCampaign(NotFound):
    """There is no campaign with this id."""

    def __init__(self) -> None:
        super().__init__("There is no such campaign.")


class NoSuchRun(NotFound):
    """The campaign was not sent under this id."""

    def __init__(self) -> None:
        super().__init__("The campaign has no such run.")


def goes_out(session: Session, campaign: Campaign) -> bool:
    """Return whether a run of a campaign goes on by itself."""
    wanted = select(CampaignRun.id).where(
        CampaignRun.tenant_id == campaign.tenant_id,
        CampaignRun.campaign_id == campaign.id,
        CampaignRun.status.in_(ACTIVE),
    )
    return session.scalar(wanted.limit(1)) is not None


def still_goes_out(campaign: Campaign) -> bool:
    """Return whether an occurrence goes out though the campaign is paused: a later one was kept back."""
    if campaign.status != Status.PAUSED:
        return False
    with transaction(campaign.tenant_id) as session:
        return goes_out(session, campaign)


def one(*, tenant_id: UUID, campaign_id: UUID) -> Campaign:
    """Return a campaign, archived ones too, or raise NoSuchCampaign."""
    with transaction(tenant_id) as session:
        found = session.get(Campaign, (tenant_id, campaign_id), populate_existing=True)
        if found is None:
            raise NoSuchCampaign
        return found


_SORTS: dict[str, tuple[ColumnElement[Any], Callable[[Any], Any]]] = {
    "name": (func.lower(Campaign.name), str),
    "changed": (Campaign.updated_at.expression, moment_of),
    "created": (Campaign.created_at.expression, moment_of),
}
SORTS = tuple(_SORTS)


def page(
    *,
    tenant_id: UUID,
    q: str | None = None,
    status: str | None = None,
    type: str | None = None,
    campaign_type: str | None = None,
    archived: bool = False,
    sort: str = "-created",
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Campaign]:
    """Return campaigns, archived ones only if asked for; `q` is looked for in name and description.

    `sort` is one of SORTS, the newest first where it is none; with a minus before it the last come first.
    """
    down = sort.startswith("-") or sort not in SORTS
    key, read = _SORTS.get(sort.removeprefix("-"), _SORTS["created"])
    wanted = select(Campaign, key.label("key")).where(Campaign.tenant_id == tenant_id)
    wanted = wanted.where(Campaign.archived_at.is_not(None) if archived else Campaign.archived_at.is_(None))
    if q and q.strip():
        held = Campaign.name.icontains(q.strip(), autoescape=True)
        wanted = wanted.where(held | Campaign.description.icontains(q.strip(), autoescape=True))
    for column, value in ((Campaign.status, status), (Campaign.type, type), (Campaign.campaign_type, campaign_type)):
        if value is not None:
            wanted = wanted.where(column == value)
    after = tuple_(key, Campaign.id)
    if cursor:
        value, last = decode_cursor(cursor, 2)
        place = tuple_(read(value), id_of(last))
        wanted = wanted.where(after < place if down else after > place)
    order = (key.desc(), Campaign.id.desc()) if down else (key, Campaign.id)
    ordered = wanted.order_by(*order).limit(limit + 1)
    with transaction(tenant_id) as session:
        rows = session.execute(ordered.execution_options(populate_existing=True)).all()
    return cut(rows, limit, lambda row: (row.key, row[0].id), lambda row: row[0])


def page_of_runs(
    *, tenant_id: UUID, campaign_id: UUID, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[CampaignRun]:
    """Return the runs of a campaign, the latest first, or raise NoSuchCampaign."""
    one(tenant_id=tenant_id, campaign_id=campaign_id)
    wanted = select(CampaignRun).where(CampaignRun.tenant_id == tenant_id, CampaignRun.campaign_id == campaign_id)
    if cursor:
        wanted = wanted.where(CampaignRun.id < id_cursor(cursor))
    ordered = wanted.order_by(CampaignRun.id.desc()).limit(limit + 1)
    with transaction(tenant_id) as session:
        rows = session.scalars(ordered.execution_options(populate_existing=True)).all()
    return cut(rows, limit, lambda row: (row.id,), lambda row: row)


def run(*, tenant_id: UUID, campaign_id: UUID, run_id: UUID) -> CampaignRun:
    """Return a run of a campaign, or raise NoSuchRun."""
    with transaction(tenant_id) as session:
        found = session.get(CampaignRun, (tenant_id, run_id), populate_existing=True)
        if found is None or found.campaign_id != campaign_id:
            raise NoSuchRun
        return found


def next_dates(*, tenant_id: UUID, campaign: Campaign, now: datetime) -> list[datetime]:
    """Return the next five moments, in UTC, at which a campaign begins to be sent by its schedule."""
    if schedule.missing(campaign.schedule, type_=campaign.type):
        return []
    with transaction(tenant_id) as session:
        zones, after = zones_of(session, campaign), last_day(session, campaign)
    found = schedule.coming(campaign.schedule, type_=campaign.type, zones=zones, now=now, after=after)
    return [moment for _, moment in found]


@dataclass(frozen=True, slots=True)
class Stats:
    """The numbers of a campaign, of all its runs together. `audience` are messages: a person's on each channel is one.

    `adds_up`: audience = queued + sending + sent + skipped + failed + unknown. Of what waits `held` is held, by reason.
    `revenue` is by currency; `roi` what came in for each unit of cost beyond the cost itself.
    """

    status: str
    people: int
    audience: int
    queued: int
    held: Mapping[str, int]
    sending: int
    sent: int
    skipped: Mapping[str, int]
    failed: int
    failed_because: Mapping[str, int]
    unknown: int
    unknown_because: Mapping[str, int]
    delivered: int
    opened: int
    clicked: int
    converted: int
    bounced: int
    soft_bounced: int
    complained: int
    unsubscribed: int
    replied: int
    machine_opened: int
    machine_clicked: int
    revenue: Mapping[str, Decimal]
    cost: Decimal | None
    cost_currency: str | None
    roi: Decimal | None
    adds_up: bool

    @property
    def total_skipped(self) -> int:
        """Return how many were skipped."""
        return sum(self.skipped.values())

    @property
    def done(self) -> int:
        """Return how many are settled."""
        return self.sent + self.total_skipped + self.failed + self.unknown


def stats(*, tenant_id: UUID, campaign_id: UUID, run_id: UUID | None = None) -> Stats:
    """Return the numbers of a campaign, or of one of its runs; raise NoSuchCampaign or NoSuchRun."""
    wanted = select(CampaignRun).where(CampaignRun.tenant_id == tenant_id, CampaignRun.campaign_id == campaign_id)
    if run_id is not None:
        wanted = wanted.where(CampaignRun.id == run_id)
    with transaction(tenant_id) as session:
        campaign = one(tenant_id=tenant_id, campaign_id=campaign_id)
        found = list(session.scalars(wanted.execution_options(populate_existing=True)))
        if run_id is not None and not found:
            raise NoSuchRun
        ids = [run.id for run in found]
        counts = tally.counts(tenant_id=tenant_id, run_ids=ids)
        earned = conversions.together(conversions.revenue(tenant_id=tenant_id, run_ids=ids))
    fates = runs.fates_of(counts)
    did: Counter[str] = Counter()
    for one_count in counts:
        did[one_count.what] += one_count.number
    bounced = did[Kind.BOUNCED]
    audience = sum(run.audience for run in found)
    if any(run.status == Status.PREPARING for run in found):
        # More may have been put in between the two looks.
        audience = max(audience, fates.total)
    return Stats(
        status=campaign.status if run_id is None else found[0].status,
        people=sum(run.people for run in found),
        audience=audience,
        queued=fates.waiting,
        held=fates.held,
        sending=fates.sending,
        sent=fates.sent,
        skipped=fates.skipped,
        failed=sum(fates.failed.values()),
        failed_because=fates.failed,
        unknown=sum(fates.unknown.values()),
        unknown_because=fates.unknown,
        delivered=max(fates.sent - bounced, 0),
        opened=did[Kind.OPENED],
        clicked=did[Kind.CLICKED],
        converted=did[Kind.CONVERTED],
        bounced=bounced,
        soft_bounced=did[Kind.SOFT_BOUNCED],
        complained=did[Kind.COMPLAINED],
        unsubscribed=did[Kind.UNSUBSCRIBED],
        replied=did[Kind.REPLIED],
        machine_opened=did[Kind.MACHINE_OPENED],
        machine_clicked=did[Kind.MACHINE_CLICKED],
        revenue=earned,
        cost=campaign.cost,
        cost_currency=campaign.cost_currency,
        roi=conversions.return_on(campaign.cost, campaign.cost_currency, earned),
        adds_up=fates.total == audience,
    )


def quiet_until(*, tenant_id: UUID, campaign_id: UUID) -> tuple[datetime, datetime] | None:
    """Return until when quiet hours hold messages of a campaign: the first and the last; None if they hold none."""
    wanted = select(CampaignRun.id).where(
        CampaignRun.tenant_id == tenant_id,
        CampaignRun.campaign_id == campaign_id,
        CampaignRun.status.in_((*ACTIVE, Status.PAUSED)),
    )
    with transaction(tenant_id) as session:
        run_ids = list(session.scalars(wanted))
        return runs.held_until(tenant_id=tenant_id, run_ids=run_ids, reason=Reason.QUIET_HOURS)


@dataclass(frozen=True, slots=True)
class Entry:
    """One campaign on one day of a calendar: when it begins there, and whether it may be moved to another day."""

    campaign: Campaign
    at: datetime
    status: str
    movable: bool

    @property
    def day(self) -> date:
        """Return the day it stands on."""
        return self.at.date()


def month(*, tenant_id: UUID, first: date, last: date, zone: ZoneInfo, now: datetime) -> list[Entry]:
    """Return what campaigns do from day `first` to `last` of a zone: what ran, and what is to come, by time."""
    ran = (
        select(Campaign, CampaignRun)
        .join(CampaignRun, (CampaignRun.tenant_id == tenant_id) & (CampaignRun.campaign_id == Campaign.id))
        .where(Campaign.tenant_id == tenant_id)
        .order_by(CampaignRun.due_at.desc())
        .limit(MOST_IN_MONTH)
    )
    begin = datetime.combine(first, datetime.min.time(), zone)
    end = datetime.combine(last, datetime.max.time(), zone)
    ran = ran.where(CampaignRun.due_at.between(begin, end))
    ahead = select(Campaign).where(
        Campaign.tenant_id == tenant_id, Campaign.status != Status.PAUSED, Campaign.due_at.is_not(None)
    )
    found: list[Entry] = []
    with transaction(tenant_id) as session:
        for campaign, run in session.execute(ran):
            found.append(Entry(campaign, run.due_at.astimezone(zone), run.status, movable=False))
        for campaign in session.scalars(ahead.order_by(Campaign.due_at).limit(MOST_IN_MONTH)):
            found += _ahead(session, campaign, begin, end, zone, now)
    return sorted(found, key=lambda entry: (entry.at, entry.campaign.name))


def _ahead(
    session: Session, campaign: Campaign, begin: datetime, end: datetime, zone: ZoneInfo, now: datetime
) -> list[Entry]:
    again = campaign.type == RECURRING
    assert campaign.due_at is not None
    times = [campaign.due_at]
    if again:
        # A month holds no more than a daily one's.
        days = (end - now).days + 2
        coming = schedule.coming(
            campaign.schedule,
            type_=campaign.type,
            zones=zones_of(session, campaign),
            now=now,
            after=last_day(session, campaign),
            limit=max(min(days, 400), 1),
        )
        times = [moment for _, moment in coming]
    return [
        Entry(campaign, moment.astimezone(zone), Status.SCHEDULED, movable=not again)
        for moment in times
        if begin <= moment <= end
    ]


def segment_names(*, tenant_id: UUID, segment_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return what these segments are called; those that are no more are missing."""
    wanted = select(Segment.id, Segment.name).where(Segment.tenant_id == tenant_id, Segment.id.in_(segment_ids))
    with transaction(tenant_id) as session:
        return {row.id: row.name for row in session.execute(wanted)}


def segment_choices(*, tenant_id: UUID) -> list[tuple[UUID, str, int]]:
    """Return (id, name, number of people) of every segment in use by name."""
    wanted = (
        select(Segment.id, Segment.name, Segment.member_count)
        .where(Segment.tenant_id == tenant_id, Segment.archived_at.is_(None))
        .order_by(func.lower(Segment.name), Segment.id)
    )
    with transaction(tenant_id) as session:
        return [(row.id, row.name, row.member_count) for row in session.execute(wanted)]


def numbers(*, tenant_id: UUID, campaign_ids: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
    """Return how many messages each of these campaigns is made of, and how many were sent, of all its runs."""
    wanted = select(CampaignRun.id, CampaignRun.campaign_id, CampaignRun.audience).where(
        CampaignRun.tenant_id == tenant_id, CampaignRun.campaign_id.in_(campaign_ids)
    )
    with transaction(tenant_id) as session:
        rows = session.execute(wanted).all()
        fates = runs.fates(tenant_id=tenant_id, run_ids=[row.id for row in rows])
    found: dict[UUID, tuple[int, int]] = {}
    for row in rows:
        audience, out = found.get(row.campaign_id, (0, 0))
        found[row.campaign_id] = (audience + row.audience, out + fates[row.id].sent)
    return found
