"""A second person's yes: what a campaign to many people needs before it is scheduled or sent.

An organisation says from how many people on (Settings → Limits). A yes is to what the campaign says, to whom, and how
often: `seal` keeps that, and the yes holds for one in LEEWAY more people than there were when it was asked for. Who
made the campaign, and who asks, can't give it; nor, where Fairway asks, who made or changed since somebody last asked
what is sent or to whom: nobody else has seen that. What a key of theirs did counts as theirs. It is looked at when the
campaign is scheduled or started, again until everybody is in a run, and for as long as a one-off sends: whom it goes to
is settled by then, but the snippets in it may be changed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.accounts import audit
from app.accounts.permissions import permissions_of
from app.accounts.queries import UserInfo, active_users, tenant_info
from app.campaigns import readiness
from app.campaigns.models import ONE_TIME, Campaign, CampaignApproval, CampaignRun
from app.campaigns.seal import PARTS, WHAT, seal, segment_of
from app.campaigns.service import locked
from app.campaigns.states import ACTIVE, LEGAL, Act, Status
from app.campaigns.whose import SYSTEM, people_behind, whose
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Conflict, Forbidden, Invalid
from app.infra.figures import figure, written_for
from app.infra.ids import new_id
from app.infra.words import listed
from app.messaging import outbox, policy

PERMISSION = "campaigns.approve"
LEEWAY = 10
"""A yes holds for a tenth more people: a segment that is kept up to date is never quite what it was."""
MAX_NOTE = 2000
APPROVED, DECLINED, SUPERSEDED = "approved", "declined", "superseded"


class State(StrEnum):
    """How the yes to a campaign stands."""

    NOT_NEEDED = "not_needed"
    MISSING = "missing"
    WAITING = "waiting"
    APPROVED = "approved"
    DECLINED = "declined"
    OUTDATED = "outdated"


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands: `people` are those in the segment now, more than `above` need a yes; `latest` is the last asking.

    `changed` says in words what is not any more what was asked for.
    """

    state: State
    people: int
    above: int | None
    latest: CampaignApproval | None
    changed: tuple[str, ...] = ()
    can_change: bool = True

    @property
    def in_the_way(self) -> bool:
        """Return whether the campaign can't be sent for want of a yes."""
        return self.state not in (State.NOT_NEEDED, State.APPROVED)

    @property
    def lacking(self) -> bool:
        """Return whether somebody has to do something so that there is a yes: to ask for it, or to ask again."""
        return self.state in (State.MISSING, State.DECLINED, State.OUTDATED)

    @property
    def words(self) -> str:
        """Return how it stands and what to do, in sentences."""
        return " ".join(filter(None, self._told()))

    @property
    def reason(self) -> str:
        """Return how it stands, in sentences, for those who have nothing to do about it yet."""
        return self._told()[0]

    def _told(self) -> tuple[str, str]:
        """Return how it stands, and what to do about it, in sentences."""
        one = self.latest
        if self.state is State.NOT_NEEDED:
            return "It needs no second person’s yes.", ""
        above = figure(self.above or 0)
        rule = f"Its segment has {_of_people(self.people)}; above {above} a second person’s yes is needed."
        if self.state is State.MISSING or one is None:
            return rule, "Ask for it."
        if self.state is State.WAITING:
            return f"{rule} {one.asked_by_name} asked for it; it waits for an answer.", ""
        if self.state is State.DECLINED:
            why = f": “{one.answer}”" if one.answer else "."
            step = "Change it, and ask again." if self.can_change else "Cancel it, or ask again."
            return f"{one.decided_by_name} declined it{why}", step
        if self.state is State.OUTDATED:
            was = "was approved" if one.decision == APPROVED else "was asked for"
            changed = [f"{words} has changed" for words in self.changed]
            if self.people > one.up_to:
                changed.append(f"its segment has grown from {figure(one.people)} to {figure(self.people)} people")
            return f"Since it {was}, {listed(changed)}.", "Ask again."
        up_to = _of_people(one.up_to)
        return f"{one.decided_by_name} approved it for a segment of up to {up_to}.", ""


def _of_people(many: int) -> str:
    return f"{figure(many)} {'person' if many == 1 else 'people'}"


class NotApproved(Conflict):
    """The campaign goes to so many people that somebody else has to say yes first, and nobody has."""

    title = "A second person has to approve it"

    def __init__(self, standing: Standing) -> None:
        super().__init__(standing.words)


class NothingToApprove(Conflict):
    """What was asked or answered does not fit how the yes stands."""


class NotTheirOwn(Forbidden):
    """Nobody approves what is their own."""

    def __init__(self) -> None:
        super().__init__(
            "It is a second person’s yes: whoever made the campaign, changed it or asked for it can’t give it."
        )


def of(*, tenant_id: UUID, campaign: Campaign) -> Standing:
    """Return how the yes to a campaign stands now."""
    with transaction(tenant_id) as session:
        return standing(session, campaign)


def standing(session: Session, campaign: Campaign, content: Sequence[Mapping[str, Any]] | None = None) -> Standing:
    """Return how the yes to a campaign stands, or to a run of it that says `content`."""
    above = policy.approval_above(session, campaign.tenant_id)
    people, latest = _people(session, campaign), _latest(session, campaign)
    if above is None or people <= above:
        return Standing(State.NOT_NEEDED, people, above, latest)
    if latest is None:
        return Standing(State.MISSING, people, above, None)
    if latest.decision == DECLINED:
        return Standing(State.DECLINED, people, above, latest, can_change=campaign.status in LEGAL[Act.CHANGE])
    now = seal(session, campaign, _under_way(session, campaign) if content is None else content)
    changed = tuple(words for part, words in PARTS.items() if latest.seal.get(part) != now[part])
    if changed or people > latest.up_to:
        return Standing(State.OUTDATED, people, above, latest, changed)
    return Standing(State.APPROVED if latest.decision == APPROVED else State.WAITING, people, above, latest)


def require(session: Session, campaign: Campaign) -> None:
    """Raise NotApproved where a campaign needs a second person's yes and has none."""
    found = standing(session, campaign)
    if found.in_the_way:
        raise NotApproved(found)


def in_the_way_of(session: Session, campaign: Campaign, run: CampaignRun) -> Standing | None:
    """Return how the yes stands where a run may not go on for want of it, else None.

    Until everybody is in it, that is asked of all a yes is to; from then on only of what it says, and of a one-off that
    somebody was asked about.
    """
    if run.prepared_at is None:
        found = standing(session, campaign, run.content)
        return found if found.in_the_way else None
    above = policy.approval_above(session, campaign.tenant_id)
    if campaign.type != ONE_TIME or above is None or run.people <= above:
        return None
    latest = _latest(session, campaign)
    if latest is None:
        return None
    people = _people(session, campaign)
    if latest.decision == DECLINED:
        return Standing(State.DECLINED, people, above, latest, can_change=campaign.status in LEGAL[Act.CHANGE])
    if latest.seal.get(WHAT) != seal(session, campaign, run.content)[WHAT]:
        return Standing(State.OUTDATED, people, above, latest, (PARTS[WHAT],))
    return None if latest.decision == APPROVED else Standing(State.WAITING, people, above, latest)


def _people(session: Session, campaign: Campaign) -> int:
    """Return how many are in a campaign's segment now."""
    segment = segment_of(session, campaign)
    return segment.member_count if segment else 0


def is_untouched(run: CampaignRun) -> bool:
    """Return whether nobody was put into a run yet: it may still say something else."""
    return run.prepared_at is None and run.cursor is None


def _under_way(session: Session, campaign: Campaign) -> Sequence[Mapping[str, Any]] | None:
    """Return what a one-off says that people are in already, whatever its templates say by now; None before that."""
    if campaign.type != ONE_TIME:
        return None
    run = session.scalar(
        select(CampaignRun)
        .where(
            CampaignRun.tenant_id == campaign.tenant_id,
            CampaignRun.campaign_id == campaign.id,
            CampaignRun.status.in_((*ACTIVE, Status.PAUSED)),
        )
        .order_by(CampaignRun.id.desc())
        .limit(1)
    )
    return None if run is None or is_untouched(run) else run.content


def history(*, tenant_id: UUID, campaign_id: UUID, limit: int = 20) -> list[CampaignApproval]:
    """Return what was asked and answered of a campaign, the latest first."""
    wanted = (
        select(CampaignApproval)
        .where(CampaignApproval.tenant_id == tenant_id, CampaignApproval.campaign_id == campaign_id)
        .order_by(CampaignApproval.id.desc())
        .limit(limit)
    )
    with transaction(tenant_id) as session:
        return list(session.scalars(wanted.execution_options(populate_existing=True)))


def waiting_for(*, tenant_id: UUID, actor: str, limit: int = 20) -> list[tuple[Campaign, CampaignApproval]]:
    """Return the campaigns that wait for a yes this person may give, the longest waiting first."""
    wanted = (
        select(Campaign, CampaignApproval)
        .join(
            CampaignApproval,
            (CampaignApproval.tenant_id == Campaign.tenant_id) & (CampaignApproval.campaign_id == Campaign.id),
        )
        .where(
            Campaign.tenant_id == tenant_id,
            CampaignApproval.tenant_id == tenant_id,
            CampaignApproval.decision.is_(None),
            Campaign.archived_at.is_(None),
            Campaign.status.in_(LEGAL[Act.APPROVE]),
        )
        .order_by(CampaignApproval.id)
        .limit(10 * limit)
    )
    with transaction(tenant_id) as session:
        found = [(row[0], row[1]) for row in session.execute(wanted)]
        theirs = whose(session, tenant_id, found)
    return [(campaign, asked) for campaign, asked in found if actor not in theirs[asked.id]][:limit]


def may_decide(campaign: Campaign, asked: CampaignApproval, actor: str) -> bool:
    """Return whether an asking is somebody's to answer: neither campaign nor asking nor what changed is their own."""
    with transaction(campaign.tenant_id) as session:
        return actor not in whose(session, campaign.tenant_id, [(campaign, asked)])[asked.id]


def ask(
    *, tenant_id: UUID, campaign_id: UUID, actor: str, actor_name: str, note: str = "", now: datetime | None = None
) -> CampaignApproval:
    """Ask for a second person's yes to a campaign, tell by mail those who may give it, and return what was asked.

    Where Fairway asked, a person may ask in its place: they have seen what it says then.

    Raises NotReady, NothingToApprove, NoSuchCampaign, IsArchived, WrongStatus, Invalid.
    """
    moment, said = now or clock.now(), _note(note)
    with transaction(tenant_id) as session:
        campaign = locked(session, tenant_id, campaign_id, act=Act.ASK)
        readiness.require(session, campaign)
        found = standing(session, campaign)
        if found.state is State.NOT_NEEDED:
            raise NothingToApprove(f"Its segment has {_of_people(found.people)}: no second person’s yes is needed.")
        if found.latest and found.state is State.WAITING and found.latest.asked_by != SYSTEM:
            raise NothingToApprove("It is asked for already, and waits for an answer.")
        if found.state is State.APPROVED:
            raise NothingToApprove("It is approved already.")
        asked, told = _ask(session, campaign, found.people, actor, actor_name, said, moment)
        if not told:
            raise NothingToApprove(
                "Nobody else may approve it: whoever does must be neither who made it nor who asks. An owner or admin"
                " can give somebody else their role, or change in Settings → Limits above how many people it is needed."
            )
        audit.record(session, actor, "campaign.ask_approval", "campaign", campaign_id, {"people": found.people})
        return asked


def ask_again(session: Session, campaign: Campaign, found: Standing, now: datetime) -> None:
    """Ask in Fairway's own name for a yes to a campaign that is kept back for want of it; it may be asked already."""
    if found.state in (State.MISSING, State.OUTDATED):
        _ask(session, campaign, found.people, SYSTEM, "Fairway", found.reason, now)


def decide(
    *,
    tenant_id: UUID,
    campaign_id: UUID,
    actor: str,
    actor_name: str,
    approve: bool,
    note: str = "",
    now: datetime | None = None,
) -> CampaignApproval:
    """Say yes or no to a campaign that waits for it, tell who asked, and return the answer.

    Raises NotTheirOwn, NothingToApprove, NoSuchCampaign, IsArchived, WrongStatus, Invalid.
    """
    moment, said = now or clock.now(), _note(note)
    with transaction(tenant_id) as session:
        campaign = locked(session, tenant_id, campaign_id, act=Act.APPROVE)
        found = standing(session, campaign)
        latest = found.latest
        if latest is None or latest.decision is not None:
            raise NothingToApprove("Nobody waits for an answer: it was not asked for, or it is answered already.")
        if not may_decide(campaign, latest, actor):
            raise NotTheirOwn
        if approve and found.state is State.OUTDATED:
            raise NothingToApprove(found.words)
        latest.decision = APPROVED if approve else DECLINED
        latest.decided_by, latest.decided_by_name, latest.decided_at, latest.answer = actor, actor_name, moment, said
        session.flush()
        _tell_who_asked(campaign, latest, moment)
        act = "campaign.approve" if approve else "campaign.decline"
        audit.record(session, actor, act, "campaign", campaign_id, {"people": latest.people, "up_to": latest.up_to})
        return latest


def tell_whose_it_is(campaign: Campaign, found: Standing, now: datetime, *, kept_back: bool) -> None:
    """Mail who made a campaign, and who asked for a yes to it, that it lacks one: before its time, or at it.

    They are told once of one asking and occurrence, and once more when the campaign is kept back.
    """
    latest = found.latest
    refs = {campaign.created_by, latest.asked_by if latest else SYSTEM}
    with transaction(campaign.tenant_id) as session:
        people = people_behind(session, campaign.tenant_id, refs)
    told = {people.get(one, one) for one in refs}
    begins = campaign.due_at.astimezone(ZoneInfo(campaign.timezone)) if campaign.due_at else None
    context = {
        "campaign": campaign.name,
        "campaign_id": str(campaign.id),
        "words": found.reason,
        "kept_back": kept_back,
        "declined": found.state is State.DECLINED,
        "begins": f"{begins:%A, %-d %B %Y, %H:%M} ({campaign.timezone})" if begins else "",
    }
    about = (campaign.id, latest.id if latest else "", campaign.next_occurrence or "", "kept" if kept_back else "ahead")
    for one in active_users(tenant_id=campaign.tenant_id):
        if f"user:{one.id}" in told:
            _mail(campaign.tenant_id, "campaign_unapproved", one, ":".join(map(str, about)), context, now)


def _latest(session: Session, campaign: Campaign) -> CampaignApproval | None:
    wanted = (
        select(CampaignApproval)
        .where(CampaignApproval.tenant_id == campaign.tenant_id, CampaignApproval.campaign_id == campaign.id)
        .order_by(CampaignApproval.id.desc())
        .limit(1)
    )
    return session.scalar(wanted.execution_options(populate_existing=True))


def _note(given: str) -> str:
    said = given.replace("\r\n", "\n").strip()
    if len(said) > MAX_NOTE:
        raise Invalid({"note": f"Give at most {figure(MAX_NOTE)} characters."})
    return said


def _ask(
    session: Session, campaign: Campaign, people: int, actor: str, name: str, note: str, now: datetime
) -> tuple[CampaignApproval, Collection[UserInfo]]:
    """Put an asking in the place of the one before it; return it, and who was told."""
    session.execute(
        update(CampaignApproval)
        .where(
            CampaignApproval.tenant_id == campaign.tenant_id,
            CampaignApproval.campaign_id == campaign.id,
            CampaignApproval.decision.is_(None),
        )
        .values(decision=SUPERSEDED)
    )
    asked = CampaignApproval(
        tenant_id=campaign.tenant_id,
        id=new_id(),
        campaign_id=campaign.id,
        asked_by=actor,
        asked_by_name=name,
        asked_at=now,
        note=note,
        people=people,
        up_to=people + people // LEEWAY,
        seal=seal(session, campaign, _under_way(session, campaign)),
    )
    session.add(asked)
    session.flush()
    told = [
        one
        for one in active_users(tenant_id=campaign.tenant_id)
        if PERMISSION in permissions_of(one.role) and may_decide(campaign, asked, f"user:{one.id}")
    ]
    with written_for(tenant_info(tenant_id=campaign.tenant_id).locale):
        many = figure(people)
    for one in told:
        context = {"campaign": campaign.name, "campaign_id": str(campaign.id), "people": many, "by": name}
        _mail(campaign.tenant_id, "campaign_approval", one, str(asked.id), context | {"note": note}, now)
    return asked, told


def _tell_who_asked(campaign: Campaign, answer: CampaignApproval, now: datetime) -> None:
    """Mail the answer to who asked; where that was Fairway, to who made the campaign."""
    who = campaign.created_by if answer.asked_by == SYSTEM else answer.asked_by
    for one in active_users(tenant_id=campaign.tenant_id):
        if f"user:{one.id}" == who:
            context = {
                "campaign": campaign.name,
                "campaign_id": str(campaign.id),
                "by": answer.decided_by_name,
                "approved": answer.decision == APPROVED,
                "status": campaign.status,
                "note": answer.answer,
            }
            _mail(campaign.tenant_id, "campaign_answer", one, str(answer.id), context, now)


def _mail(tenant_id: UUID, letter: str, to: UserInfo, about: str, context: Mapping[str, Any], now: datetime) -> None:
    outbox.put_one(
        tenant_id=tenant_id,
        to_address=to.email,
        dedupe_key=f"{letter}:{about}:{to.id}",
        builtin=letter,
        user_id=to.id,
        context=context,
        now=now,
    )
