"""Sending a campaign: schedule it, start it, pause and resume it, call it off.

Each act locks the campaign, looks whether it is legal in its state, and settles in one transaction: twenty who start
it at once start it once.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts import audit
from app.campaigns import approval, readiness, schedule
from app.campaigns.models import ONCE, ONE_TIME, RECURRING, Campaign, CampaignRun
from app.campaigns.service import locked, plan, put_settings
from app.campaigns.states import ACTIVE, OVER, Act, Status
from app.infra import clock
from app.infra.db import transaction
from app.infra.ids import new_id
from app.infra.queue import Work, wake
from app.messaging import runs

_Do = Callable[[Session, Campaign, datetime], None]


def schedule_(
    *,
    tenant_id: UUID,
    campaign_id: UUID,
    actor: str,
    when: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> Campaign:
    """Let a campaign begin when its schedule says (or `when`, which becomes its schedule), and return it.

    Raises NotReady or Invalid, NotApproved, NoSuchCampaign, IsArchived, WrongStatus.
    """

    def do(session: Session, campaign: Campaign, moment: datetime) -> None:
        if when is not None:
            put_settings(session, campaign, {"schedule": when}, moment)
            campaign.version += 1
        plan(session, campaign, moment)
        approval.require(session, campaign)
        campaign.status = Status.SCHEDULED

    return _act(Act.SCHEDULE, do, tenant_id, campaign_id, actor, now)


def unschedule(*, tenant_id: UUID, campaign_id: UUID, actor: str, now: datetime | None = None) -> Campaign:
    """Take a campaign off the schedule, so that it is a draft again, and return it."""

    def do(_session: Session, campaign: Campaign, _moment: datetime) -> None:
        campaign.status, campaign.due_at, campaign.next_occurrence = Status.DRAFT, None, None

    return _act(Act.UNSCHEDULE, do, tenant_id, campaign_id, actor, now)


def start(*, tenant_id: UUID, campaign_id: UUID, actor: str, now: datetime | None = None) -> Campaign:
    """Send a campaign now, whatever its schedule says, and return it; a recurring one begins to recur instead.

    One that goes to each recipient at their best hour begins its day now.

    Raises NotReady or Invalid, NotApproved, NoSuchCampaign, IsArchived, WrongStatus.
    """

    def do(session: Session, campaign: Campaign, moment: datetime) -> None:
        if campaign.type == RECURRING:
            plan(session, campaign, moment)
            approval.require(session, campaign)
            campaign.status = Status.SCHEDULED
            return
        # What was planned for later is sent now: that is when it was.
        here = moment.astimezone(ZoneInfo(campaign.timezone)).replace(tzinfo=None)
        mode = schedule.BEST_TIME if campaign.schedule.get("mode") == schedule.BEST_TIME else schedule.NOW
        campaign.schedule = {"mode": mode, "start_at": here.isoformat(timespec="minutes")}
        readiness.require(session, campaign)
        approval.require(session, campaign)
        begin(session, campaign, occurrence=ONCE, local=None, due_at=moment, now=moment)

    return _act(Act.START, do, tenant_id, campaign_id, actor, now)


def pause(*, tenant_id: UUID, campaign_id: UUID, actor: str, now: datetime | None = None) -> Campaign:
    """Let nothing more of a campaign go out than what senders have in hand, begin no occurrence, and return it."""

    return _act(Act.PAUSE, keep_back, tenant_id, campaign_id, actor, now)


def keep_back(session: Session, campaign: Campaign, now: datetime, only: CampaignRun | None = None) -> None:
    """Let nothing more of a locked campaign go out until it is resumed; of `only` one run, if one is given.

    Its other runs then go on, and the campaign waits all the same: it begins no occurrence.
    """
    for run in [only] if only else _runs(session, campaign, *ACTIVE):
        run.status, run.paused_at, run.look_at = Status.PAUSED, now, None
        runs.pause(tenant_id=campaign.tenant_id, run_id=run.id)
    campaign.status, campaign.due_at = Status.PAUSED, None


def resume(*, tenant_id: UUID, campaign_id: UUID, actor: str, now: datetime | None = None) -> Campaign:
    """Let a paused campaign go on where it was, and return it. Occurrences that came meanwhile are left out.

    A run that nobody was put into yet says what the campaign says now. One that lacks a yes stays where it is; raises
    NotApproved where all do.
    """

    def do(session: Session, campaign: Campaign, moment: datetime) -> None:
        paused = _runs(session, campaign, Status.PAUSED)
        lacking = {run.id: found for run in paused if (found := _in_the_way_of(session, campaign, run))}
        if lacking and len(lacking) == len(paused):
            raise approval.NotApproved(lacking[paused[-1].id])
        for run in paused:
            if run.id in lacking:
                continue
            if approval.is_untouched(run):
                run.refresh_asked_at = None
                run.content, run.experiment = readiness.pinned(session, campaign), campaign.experiment
                runs.set_chosen(tenant_id=tenant_id, run_id=run.id, chosen=readiness.chosen_for_letters(campaign))
            run.paused_at, run.look_at, run.error = None, moment, None
            run.status = Status.SENDING if run.prepared_at else Status.PREPARING
            if run.prepared_at:
                open_run(session, campaign, run, moment)
        if campaign.next_occurrence is not None and not lacking:
            _take_up(session, campaign, moment)
        settle(session, campaign)

    return _act(Act.RESUME, do, tenant_id, campaign_id, actor, now)


def _in_the_way_of(session: Session, campaign: Campaign, run: CampaignRun) -> approval.Standing | None:
    """Return how the yes stands where a paused run may not go on for want of it, else None."""
    if not approval.is_untouched(run):
        return approval.in_the_way_of(session, campaign, run)
    found = approval.standing(session, campaign)
    return found if found.in_the_way else None


def cancel(*, tenant_id: UUID, campaign_id: UUID, actor: str, now: datetime | None = None) -> Campaign:
    """Call a campaign off for good and return it: what has not gone out is skipped, as workers get to it."""

    def do(session: Session, campaign: Campaign, moment: datetime) -> None:
        for run in _runs(session, campaign, *ACTIVE, Status.PAUSED):
            run.status, run.finished_at, run.look_at = Status.CANCELLED, moment, moment
            runs.close(tenant_id=tenant_id, run_id=run.id)
        campaign.status, campaign.due_at, campaign.next_occurrence = Status.CANCELLED, None, None

    return _act(Act.CANCEL, do, tenant_id, campaign_id, actor, now)


def _act(act: Act, do: _Do, tenant_id: UUID, campaign_id: UUID, actor: str, now: datetime | None) -> Campaign:
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        campaign = locked(session, tenant_id, campaign_id, act=act)
        do(session, campaign, moment)
        campaign.updated_at = moment
        session.flush()
        wake(Work.RUN_CAMPAIGNS, tenant_id)
        audit.record(session, actor, f"campaign.{act}", "campaign", campaign_id, {"name": campaign.name})
        return campaign


def _runs(session: Session, campaign: Campaign, *statuses: Status) -> list[CampaignRun]:
    wanted = (
        select(CampaignRun)
        .where(
            CampaignRun.tenant_id == campaign.tenant_id,
            CampaignRun.campaign_id == campaign.id,
            CampaignRun.status.in_(statuses),
        )
        .order_by(CampaignRun.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(wanted))


def begin(
    session: Session, campaign: Campaign, *, occurrence: str, local: str | None, due_at: datetime, now: datetime
) -> CampaignRun | None:
    """Begin one run of a locked campaign, with what it says pinned, and return it; None if there is one already.

    A one-off is then under way; of a recurring one the next occurrence is put on the clock.
    """
    known = select(CampaignRun.id).where(
        CampaignRun.tenant_id == campaign.tenant_id,
        CampaignRun.campaign_id == campaign.id,
        CampaignRun.occurrence == occurrence,
    )
    run = None
    if session.scalar(known) is None and campaign.segment_id is not None:
        run = CampaignRun(
            tenant_id=campaign.tenant_id,
            id=new_id(),
            campaign_id=campaign.id,
            occurrence=occurrence,
            local_at=local,
            due_at=due_at,
            status=Status.PREPARING,
            content=readiness.pinned(session, campaign),
            experiment=campaign.experiment,
            segment_id=campaign.segment_id,
            look_at=now,
            created_at=now,
        )
        session.add(run)
        session.flush()
        chosen = readiness.chosen_for_letters(campaign)
        runs.make(tenant_id=campaign.tenant_id, run_id=run.id, chosen=chosen, now=now)
    if campaign.type == ONE_TIME:
        campaign.due_at = campaign.next_occurrence = None
    else:
        # Also one whose time has passed meanwhile, unless that is too long ago.
        _put_next(session, campaign, date.fromisoformat(occurrence), now - schedule.TOO_LATE)
    settle(session, campaign)
    return run


def _put_next(session: Session, campaign: Campaign, after: date, now: datetime) -> None:
    """Put the first occurrence since `now` on a date later than `after` on a recurring campaign's clock, or none."""
    zones = readiness.zones_of(session, campaign)
    found = schedule.coming(campaign.schedule, type_=campaign.type, zones=zones, now=now, after=after, limit=1)
    campaign.next_occurrence = found[0][0].isoformat(timespec="minutes") if found else None
    campaign.due_at = found[0][1] if found else None


def _take_up(session: Session, campaign: Campaign, now: datetime) -> None:
    """Put a campaign that was paused before an occurrence back on its clock."""
    assert campaign.next_occurrence is not None
    local = datetime.fromisoformat(campaign.next_occurrence)
    due_at = schedule.begins(local, readiness.zones_of(session, campaign))
    if due_at > now or campaign.type == ONE_TIME:
        campaign.due_at = max(due_at, now)
    else:
        _put_next(session, campaign, local.date() - timedelta(days=1), now)


def settle(session: Session, campaign: Campaign) -> None:
    """Put the status on a campaign that follows from its runs and its clock."""
    wanted = select(CampaignRun.status).where(
        CampaignRun.tenant_id == campaign.tenant_id, CampaignRun.campaign_id == campaign.id
    )
    session.flush()
    found = list(session.scalars(wanted.order_by(CampaignRun.id.desc()).limit(1000)))
    # One that waits for somebody comes first: they are asked for by the campaign's state.
    for one in (Status.PAUSED, Status.SENDING, Status.PREPARING):
        if one in found:
            campaign.status = one
            return
    if campaign.due_at is not None:
        campaign.status = Status.SCHEDULED
    else:
        campaign.status = next((Status(one) for one in found if one in OVER), Status.COMPLETED)


def open_run(session: Session, campaign: Campaign, run: CampaignRun, now: datetime) -> None:
    """Let the messages of a run that is prepared go out, as quickly as its campaign allows."""
    limits = [one for one in (campaign.throttle_per_hour, _spread(campaign, run)) if one is not None]
    session.flush()
    per_hour = min(limits) if limits else None
    runs.open_(tenant_id=campaign.tenant_id, run_id=run.id, per_hour=per_hour, now=now)


def _spread(campaign: Campaign, run: CampaignRun) -> int | None:
    if campaign.spread_minutes is None or not run.audience:
        return None
    return max(-(-run.audience * 60 // campaign.spread_minutes), 1)
