"""What a worker does for a tenant's campaigns, a step in a transaction: begin what is due, put people into runs, look
whether a run is over, skip what was called off. A worker that dies in between costs time; another one goes on."""

import logging
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.accounts.queries import tenant_info
from app.campaigns import approval, best_time, experiment, lifecycle, readiness, schedule, winner
from app.campaigns.models import ALL, ONCE, ONE_TIME, Campaign, CampaignRun
from app.campaigns.reach import first_that_reaches
from app.campaigns.split import is_held_out
from app.campaigns.states import Status
from app.infra import clock
from app.infra.db import transaction
from app.infra.figures import written_for
from app.infra.queue import Work, wake
from app.messaging import policy, runs, tally
from app.segments import service as segments
from app.segments.models import DYNAMIC, MANUAL, Segment, SegmentMember

log = logging.getLogger(__name__)

BATCH = 5_000
FIRST_BATCH = 1_000
"""Fewer at first: their messages go out while all others are put in."""
LOOK_AGAIN = timedelta(seconds=2)
LOOK_SELDOM = timedelta(seconds=15)
QUICK_FOR = timedelta(minutes=5)
STUMBLED = timedelta(minutes=1)


# Whoever has a run in hand looks at its segment themselves.
_WAIT_FOR_SEGMENT = text("""
    UPDATE campaign_run SET look_at = :now
    WHERE tenant_id = :tenant_id AND id IN (
        SELECT id FROM campaign_run
        WHERE tenant_id = :tenant_id AND look_at > :now AND status = 'preparing' AND refresh_asked_at IS NOT NULL
        FOR UPDATE SKIP LOCKED)
""")


class CannotGoOn(Exception):
    """A run can't be prepared; the text says why, for people."""


def run_step(*, tenant_id: UUID, now: datetime | None = None) -> int:
    """Do one step of one campaign that has something due; return 1, or 0 where none has, or others are at it."""
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        return _begin_one(session, tenant_id, moment) or _look_at_one(session, tenant_id, moment)


def segments_told(*, tenant_id: UUID, now: datetime) -> None:
    """Let runs that wait for their segment to be told look again at once: called when some were."""
    with transaction(tenant_id) as session:
        if session.execute(_WAIT_FOR_SEGMENT, {"tenant_id": tenant_id, "now": now}).rowcount:  # type: ignore[attr-defined]
            wake(Work.RUN_CAMPAIGNS, tenant_id)


def _begin_one(session: Session, tenant_id: UUID, now: datetime) -> int:
    campaign = session.scalar(
        select(Campaign)
        .where(Campaign.tenant_id == tenant_id, Campaign.due_at <= now)
        .order_by(Campaign.due_at, Campaign.id)
        .limit(1)
        .with_for_update(key_share=True, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    if campaign is None:
        return 0
    assert campaign.due_at is not None
    assert campaign.next_occurrence is not None
    local = campaign.next_occurrence
    once = campaign.type == ONE_TIME
    run = lifecycle.begin(
        session,
        campaign,
        occurrence=ONCE if once else date.fromisoformat(local[:10]).isoformat(),
        local=local if campaign.schedule["mode"] == schedule.RECIPIENT_ZONE else None,
        due_at=campaign.due_at,
        now=now,
    )
    if run is not None and not once and now - run.due_at > schedule.TOO_LATE:
        _fail(session, campaign, run, "Nobody was there to send it when it was due, and then it was too late.", now)
    return 1


def _look_at_one(session: Session, tenant_id: UUID, now: datetime) -> int:
    found = session.execute(
        select(CampaignRun.id, CampaignRun.campaign_id)
        .where(CampaignRun.tenant_id == tenant_id, CampaignRun.look_at <= now)
        .order_by(CampaignRun.look_at, CampaignRun.id)
        .limit(20)
    ).all()
    for run_id, campaign_id in found:
        # The campaign before its runs, as whoever pauses it takes them.
        campaign = session.scalar(
            select(Campaign)
            .where(Campaign.tenant_id == tenant_id, Campaign.id == campaign_id)
            .with_for_update(key_share=True, skip_locked=True)
            .execution_options(populate_existing=True)
        )
        if campaign is None:
            continue
        run = session.get(CampaignRun, (tenant_id, run_id), populate_existing=True)
        if run is None or run.look_at is None or run.look_at > now:
            continue
        _look(session, campaign, run, now)
        return 1
    return 0


def _look(session: Session, campaign: Campaign, run: CampaignRun, now: datetime) -> None:
    """Take a run one step on. One that stumbles is tried again in a minute, and is in no other's way."""
    step = {Status.PREPARING: _prepare, Status.SENDING: _watch, Status.CANCELLED: _call_off, Status.FAILED: _call_off}[
        Status(run.status)
    ]
    try:
        with session.begin_nested():
            step(session, campaign, run, now)
            session.flush()
    except OperationalError:
        # The database's own trouble is no fault of the run.
        raise
    except CannotGoOn as why:
        session.refresh(run)
        _fail(session, campaign, run, str(why), now)
    except Exception as error:
        log.exception("Campaign run %s stumbled", run.id)
        session.refresh(run)
        run.error = f"Something went wrong ({type(error).__name__}). It is tried again in a minute."
        run.look_at = now + STUMBLED


def _fail(session: Session, campaign: Campaign, run: CampaignRun, why: str, now: datetime) -> None:
    run.status, run.error, run.finished_at = Status.FAILED, why, now
    # Whoever is in it already is skipped, as after calling it off.
    run.look_at = now if run.people else None
    runs.close(tenant_id=run.tenant_id, run_id=run.id)
    lifecycle.settle(session, campaign)


def _prepare(session: Session, campaign: Campaign, run: CampaignRun, now: datetime) -> None:
    """Put the next people of the segment into the run; once there are none left, let it go."""
    if not _is_fresh(session, run, now):
        run.look_at = now + timedelta(seconds=1)
        return
    if _is_kept_back(session, campaign, run, now):
        return
    members = select(SegmentMember.customer_id).where(
        SegmentMember.tenant_id == run.tenant_id, SegmentMember.segment_id == run.segment_id
    )
    if run.cursor is not None:
        members = members.where(SegmentMember.customer_id > run.cursor)
    limit = BATCH if run.cursor is not None else min(FIRST_BATCH, BATCH)
    people = list(session.scalars(members.order_by(SegmentMember.customer_id).limit(limit)))
    if people:
        _put(session, campaign, run, people, now)
        run.cursor = people[-1]
        run.people += len(people)
    run.error = None
    if len(people) == limit:
        run.look_at = now
        if _goes_ahead(session, campaign, run):
            run.started_at = run.started_at or now
            runs.fill(tenant_id=run.tenant_id, run_id=run.id)
        return
    run.status, run.prepared_at, run.started_at = Status.SENDING, now, run.started_at or now
    run.look_at = now + LOOK_AGAIN
    run.decide_at = winner.due(run, now)
    lifecycle.open_run(session, campaign, run, now)
    lifecycle.settle(session, campaign)


def _goes_ahead(session: Session, campaign: Campaign, run: CampaignRun) -> bool:
    """Return whether messages of a run may go out while others are still put in.

    Not where it goes by all of them how many go out at a time, what they get, or whether somebody has to say yes.
    """
    paced = campaign.throttle_per_hour is not None or campaign.spread_minutes is not None
    return not paced and run.experiment is None and policy.approval_above(session, run.tenant_id) is None


def _is_kept_back(session: Session, campaign: Campaign, run: CampaignRun, now: datetime) -> bool:
    """Pause a run and ask for a second person's yes where it lacks one; return whether it does."""
    found = approval.in_the_way_of(session, campaign, run)
    if found is None:
        return False
    with written_for(tenant_info(tenant_id=run.tenant_id).locale):
        run.error = f"It was kept back. {found.reason}"
        lifecycle.keep_back(session, campaign, now, run)
        approval.ask_again(session, campaign, found, now)
        approval.tell_whose_it_is(campaign, found, now, kept_back=True)
    return True


def _is_fresh(session: Session, run: CampaignRun, now: datetime) -> bool:
    """Return whether it is known who is in the run's segment at this time, after having asked for it to be told.

    A list is what it is. Who is in a segment that waits to be asked is what its owner last asked for.
    """
    segment = session.get(Segment, (run.tenant_id, run.segment_id), populate_existing=True)
    if segment is None:
        raise CannotGoOn("The segment was deleted.")
    if segment.archived_at is not None:
        raise CannotGoOn("The segment is in the archive.")
    if segment.type == DYNAMIC and (segment.refresh_frequency != MANUAL or segment.refreshed_at is None):
        if run.refresh_asked_at is None:
            segments.ask_refresh(tenant_id=run.tenant_id, segment_id=segment.id, actor="system", now=now)
            run.refresh_asked_at = now
            return False
        if segment.refreshed_at is None or segment.refreshed_at < run.refresh_asked_at:
            rests = segment.refreshing_since is None and (segment.refresh_due_at or now) > now
            if segment.refresh_error and rests:
                raise CannotGoOn(f"Who is in the segment could not be told: {segment.refresh_error}")
            return False
    return segment.refreshing_since is None


def _put(session: Session, campaign: Campaign, run: CampaignRun, people: Sequence[UUID], now: datetime) -> None:
    contents = readiness.contents_of(run.content)
    if campaign.channel_mode == ALL or len(contents) == 1:
        reached: Mapping[str, Sequence[UUID]] = {one.channel: people for one in contents}
    else:
        reached = first_that_reaches(session, run.tenant_id, contents, people)
    moments = readiness.moments(session, campaign, run, people)
    own_moments = _own_moments(session, campaign, run, people)
    tried = experiment.of(run.experiment)
    by_key = {one.key: one for one in tried.variants} if tried else {}
    for variant, chosen in _parts(campaign, run, tried, people).items():
        of_variant = readiness.contents_of(run.content, variant) or contents
        due_at, local = readiness.times(campaign, moments, run.due_at, by_key.get(variant or ""))
        for content in of_variant:
            run.audience += runs.put(
                tenant_id=run.tenant_id,
                run_id=run.id,
                campaign_id=run.campaign_id,
                content=content,
                customers=[one for one in reached.get(content.channel, ()) if one in chosen],
                variant=variant,
                waits=tried is not None and variant is None,
                due_at=due_at,
                moments=local,
                own_moments=own_moments,
                expires_hours=campaign.expires_hours,
                one_copy=campaign.one_copy,
                now=now,
            )


def _parts(
    campaign: Campaign, run: CampaignRun, tried: experiment.Experiment | None, people: Sequence[UUID]
) -> dict[str | None, set[UUID]]:
    """Return by variant who of these people gets it: those held out, those of each variant, and (None) all others."""
    percent = campaign.holdout_percent or 0
    parts: dict[str | None, set[UUID]] = {}
    for one in people:
        if is_held_out(run.id, one, percent):
            variant: str | None = runs.HELD_OUT
        else:
            variant = tried.of(run.id, one, percent) if tried else None
        parts.setdefault(variant, set()).add(one)
    return parts


def _own_moments(
    session: Session, campaign: Campaign, run: CampaignRun, people: Sequence[UUID]
) -> dict[UUID, datetime]:
    """Return when each of these people gets it, where that is their best hour; none where it is another time."""
    if campaign.schedule.get("mode") != schedule.BEST_TIME:
        return {}
    known = best_time.habits_of(session, campaign, run)
    chosen = best_time.choose(session, campaign, people, known, begins=run.due_at, now=run.created_at)
    return {who: one.at for who, one in chosen.items()}


def _watch(session: Session, campaign: Campaign, run: CampaignRun, now: datetime) -> None:
    """Look whether a run is over: when nothing of it waits or is in the air."""
    tally.fold(tenant_id=run.tenant_id, run_ids=[run.id])
    if _is_kept_back(session, campaign, run, now):
        return
    if winner.step(session, campaign, run, now):
        run.look_at = now
        return
    if runs.is_left(tenant_id=run.tenant_id, run_id=run.id):
        assert run.started_at is not None
        run.look_at = now + (LOOK_AGAIN if now - run.started_at < QUICK_FOR else LOOK_SELDOM)
        return
    runs.close(tenant_id=run.tenant_id, run_id=run.id)
    run.status, run.finished_at, run.look_at = Status.COMPLETED, now, None
    lifecycle.settle(session, campaign)


def _call_off(_session: Session, _campaign: Campaign, run: CampaignRun, now: datetime) -> None:
    """Skip the next of those that have not gone out; what is in the air is waited for, it may come back to wait."""
    done = runs.call_off(tenant_id=run.tenant_id, run_id=run.id, limit=BATCH)
    if done == BATCH:
        run.look_at = now
    elif runs.is_left(tenant_id=run.tenant_id, run_id=run.id):
        run.look_at = now + timedelta(seconds=1)
    else:
        run.look_at = None
