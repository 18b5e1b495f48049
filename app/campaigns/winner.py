"""Which variant of an A/B test everybody else gets: chosen by the rule when it is time, or by somebody before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from app.accounts import audit
from app.campaigns import experiment, readiness
from app.campaigns.experiment import BY_HAND, Experiment, Outcome, Variant
from app.campaigns.models import Campaign, CampaignRun
from app.campaigns.queries import NoSuchRun
from app.campaigns.service import locked
from app.campaigns.states import OVER, Status
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Conflict, Invalid
from app.infra.queue import Work, wake
from app.messaging import runs, tally

BATCH = 5_000
RULE = "rule"
"""Who chose, where nobody did."""


class AlreadyDecided(Conflict):
    """The winner of a run is chosen once."""

    def __init__(self) -> None:
        super().__init__("The winner of this run has been chosen already, and is on its way to everybody else.")


class NothingToDecide(Conflict):
    """The run has no variants that anybody waits for, or is over."""

    def __init__(self) -> None:
        super().__init__("Nobody waits for a winner in this run.")


@dataclass(frozen=True, slots=True)
class Trial:
    """An experiment in one run, and how it stands."""

    run: CampaignRun
    experiment: Experiment
    outcome: Outcome

    @property
    def open(self) -> bool:
        """Return whether its winner is still to be chosen."""
        return bool(self.experiment.rest) and self.run.winner is None and self.run.status not in OVER

    @property
    def winner(self) -> Variant | None:
        """Return the variant that was chosen."""
        return next((one for one in self.experiment.variants if one.key == self.run.winner), None)

    @property
    def by_rule(self) -> bool:
        """Return whether nobody chose it."""
        return self.run.winner_by == RULE


def choose(
    *,
    tenant_id: UUID,
    campaign_id: UUID,
    run_id: UUID,
    variant: str,
    actor: str,
    actor_name: str = "",
    now: datetime | None = None,
) -> CampaignRun:
    """Let everybody who waits in a run get this variant, and return the run; while it is paused, once it goes on.

    Raises NoSuchCampaign, NoSuchRun, Invalid for no such variant, AlreadyDecided or NothingToDecide.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        locked(session, tenant_id, campaign_id)
        run = session.get(CampaignRun, (tenant_id, run_id), populate_existing=True)
        if run is None or run.campaign_id != campaign_id:
            raise NoSuchRun
        tried = experiment.of(run.experiment)
        if run.winner is not None:
            raise AlreadyDecided
        if tried is None or not tried.rest or run.status in OVER:
            raise NothingToDecide
        if variant not in {one.key for one in tried.variants}:
            raise Invalid({"variant": "There is no such variant."})
        _put(run, variant, actor, moment)
        run.winner_by_name = actor_name
        session.flush()
        wake(Work.RUN_CAMPAIGNS, tenant_id)
        audit.record(session, actor, "campaign.choose_winner", "campaign", campaign_id, {"variant": variant})
        return run


def _put(run: CampaignRun, variant: str, by: str, now: datetime) -> None:
    run.winner, run.winner_at, run.winner_by = variant, now, by
    if run.status == Status.SENDING:
        run.look_at = now


def trials(*, tenant_id: UUID, runs_of: Sequence[CampaignRun]) -> list[Trial]:
    """Return how the experiments of these runs stand now, in their order; runs without one are left out."""
    tried = {run.id: found for run in runs_of if (found := experiment.of(run.experiment)) is not None}
    counts = tally.counts(tenant_id=tenant_id, run_ids=list(tried)) if tried else []
    return [
        Trial(run, tried[run.id], experiment.outcome(tried[run.id], [one for one in counts if one.run_id == run.id]))
        for run in runs_of
        if run.id in tried
    ]


def due(run: CampaignRun, now: datetime) -> datetime | None:
    """Return when the rule chooses a run's winner if the last of the variants goes out now, None where none does."""
    tried = experiment.of(run.experiment)
    if tried is None or not tried.rest or tried.rule == BY_HAND:
        return None
    return now + timedelta(minutes=tried.after_minutes)


def step(session: Session, campaign: Campaign, run: CampaignRun, now: datetime) -> bool:
    """Choose the winner of a locked campaign's run if it is time, and let the next who wait for it go.

    Return whether there may be more of them at once.
    """
    tried = experiment.of(run.experiment)
    if tried is None or not tried.rest:
        return False
    if run.winner is None:
        if run.decide_at is None:
            return False
        found = experiment.outcome(tried, tally.counts(tenant_id=run.tenant_id, run_ids=[run.id]))
        if found.unsettled:
            # Whoever gets theirs in the morning, or late by the pace, has as much time as all others.
            run.decide_at = due(run, now)
            return False
        if now < run.decide_at:
            return False
        _put(run, found.best.variant.key, RULE, now)
        session.flush()
    assert run.winner is not None
    chosen = next(one for one in tried.variants if one.key == run.winner)
    moments = {zone: max(at, now) for zone, at in readiness.moments(session, campaign, run).items()}
    due_at, moments = readiness.times(campaign, moments, now, chosen)
    done = 0
    for content in readiness.contents_of(run.content, run.winner):
        done += runs.let_go(
            tenant_id=run.tenant_id,
            run_id=run.id,
            content=content,
            variant=experiment.to_rest(run.winner),
            due_at=due_at,
            moments=moments,
            expires_hours=campaign.expires_hours,
            now=now,
            limit=BATCH,
        )
    return done > 0
