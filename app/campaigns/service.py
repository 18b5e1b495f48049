"""Acts on what a campaign says of itself: make, change, copy, put away, delete. Sending it is in `lifecycle`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.core import get_global
from sqlalchemy import delete as delete_rows
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import audit
from app.accounts.models import Club, Tenant
from app.campaigns import experiment, goal, schedule
from app.campaigns.models import (
    CAMPAIGN_TYPES,
    CHANNEL_MODES,
    ONE_TIME,
    TEMPLATES,
    TYPES,
    Campaign,
    CampaignRun,
)
from app.campaigns.queries import NoSuchCampaign, goes_out
from app.campaigns.readiness import last_day, require, zones_of
from app.campaigns.states import Act, Status, check
from app.content import service as templates
from app.content.models import Template
from app.customers.models import Topic
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Conflict, Invalid, IsArchived
from app.infra.figures import figure
from app.infra.ids import new_id
from app.infra.words import is_visible
from app.messaging.channel import EMAIL, installed
from app.messaging.models import MailSender
from app.segments.models import Segment

MAX_NAME = 200
PASSED = "This time has passed. Choose a later one, or send it now."
MAX_TEXT = 2000
MOST_PER_HOUR = 10_000_000
MOST_SPREAD = 7 * 24 * 60
MOST_COST = 10**11
MOST_HELD_OUT = 50
MOST_EXPIRES = 31 * 24
_LIMITS = (("throttle_per_hour", MOST_PER_HOUR), ("spread_minutes", MOST_SPREAD), ("expires_hours", MOST_EXPIRES))
SETTINGS = (
    "name",
    "description",
    "type",
    "campaign_type",
    "segment_id",
    "channels",
    "channel_mode",
    *TEMPLATES.values(),
    "topic_id",
    "sender_id",
    "timezone",
    "schedule",
    "throttle_per_hour",
    "spread_minutes",
    "goal",
    "cost",
    "cost_currency",
    "holdout_percent",
    "one_copy",
    "expires_hours",
    "experiment",
)


class ChangedMeanwhile(Conflict):
    """Somebody else changed the campaign since it was read."""

    def __init__(self) -> None:
        super().__init__("Somebody else has changed this campaign meanwhile. Look at what it is now, and change that.")


class HasRun(Conflict):
    """What was sent once is not forgotten."""

    def __init__(self) -> None:
        super().__init__("A campaign that was sent can't be deleted. Put it into the archive.")


def create(
    *,
    tenant_id: UUID,
    actor: str,
    given: Mapping[str, Any],
    actor_name: str = "",
    campaign_id: UUID | None = None,
    now: datetime | None = None,
) -> Campaign:
    """Make a campaign, a draft, and return it. Raises Invalid with a message for each of the settings that is wrong.

    `given` are settings by the keys of SETTINGS; of these only the name has to be there. `campaign_id` makes it one,
    however often it is asked for: one that is there under that id is changed to what is given.
    """
    if campaign_id is None or not _is_there(tenant_id, campaign_id):
        try:
            return _create(tenant_id, actor, given, actor_name, campaign_id or new_id(), now)
        except IntegrityError:
            # Somebody else asked at the same moment, and was first.
            if campaign_id is None or not _is_there(tenant_id, campaign_id):
                raise
    return change(tenant_id=tenant_id, campaign_id=campaign_id, actor=actor, changes=given, now=now)


def _is_there(tenant_id: UUID, campaign_id: UUID) -> bool:
    with transaction(tenant_id) as session:
        wanted = select(Campaign.id).where(Campaign.tenant_id == tenant_id, Campaign.id == campaign_id)
        return session.scalar(wanted) is not None


def _create(
    tenant_id: UUID, actor: str, given: Mapping[str, Any], actor_name: str, campaign_id: UUID, now: datetime | None
) -> Campaign:
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        campaign = Campaign(
            tenant_id=tenant_id,
            id=campaign_id,
            name="",
            type=ONE_TIME,
            channels=[EMAIL],
            timezone="",
            schedule={},
            status=Status.DRAFT,
            version=1,
            created_by=actor,
            created_by_name=actor_name,
            created_at=moment,
            updated_at=moment,
        )
        put_settings(session, campaign, {"name": "", "schedule": {}, **given}, moment)
        session.add(campaign)
        session.flush()
        audit.record(session, actor, "campaign.create", "campaign", campaign.id, {"name": campaign.name})
        session.refresh(campaign)
        return campaign


def change(
    *,
    tenant_id: UUID,
    campaign_id: UUID,
    actor: str,
    changes: Mapping[str, Any],
    version: int | None = None,
    now: datetime | None = None,
) -> Campaign:
    """Change settings of a campaign that is not under way and return it, with its next version.

    One that is scheduled stays so, by what it says now. With `version` it raises ChangedMeanwhile where that is not
    the campaign's; further Invalid, NoSuchCampaign, IsArchived, WrongStatus.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        campaign = locked(session, tenant_id, campaign_id, act=Act.CHANGE)
        if version is not None and version != campaign.version:
            raise ChangedMeanwhile
        put_settings(session, campaign, changes, moment)
        if "schedule" in changes:
            _must_come(session, campaign, moment)
        campaign.version += 1
        campaign.updated_at = moment
        if campaign.status == Status.SCHEDULED:
            plan(session, campaign, moment)
        session.flush()
        audit.record(session, actor, "campaign.change", "campaign", campaign_id, {"changed": sorted(changes)})
        return campaign


def duplicate(
    *, tenant_id: UUID, campaign_id: UUID, actor: str, actor_name: str = "", now: datetime | None = None
) -> Campaign:
    """Make a draft like this campaign and return it. A time that has passed is left out."""
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        one = locked(session, tenant_id, campaign_id)
        given = {name: getattr(one, name) for name in SETTINGS}
        if one.type == ONE_TIME and (start := one.schedule.get("start_at")):
            begun = clock.instant(datetime.fromisoformat(start), ZoneInfo(one.timezone)) <= moment
            given["schedule"] = {"mode": one.schedule["mode"]} if begun else one.schedule
        given["name"] = f"Copy of {one.name}"[:MAX_NAME]
        return create(tenant_id=tenant_id, actor=actor, actor_name=actor_name, given=given, now=moment)


def archive(*, tenant_id: UUID, campaign_id: UUID, actor: str, now: datetime | None = None) -> Campaign:
    """Put a campaign that is not under way into the archive and return it; there already is no error."""
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        campaign = locked(session, tenant_id, campaign_id)
        if campaign.archived_at is None:
            check(Act.ARCHIVE, campaign.status)
            campaign.archived_at = campaign.updated_at = moment
            session.flush()
            audit.record(session, actor, "campaign.archive", "campaign", campaign_id, {"name": campaign.name})
        return campaign


def unarchive(*, tenant_id: UUID, campaign_id: UUID, actor: str, now: datetime | None = None) -> Campaign:
    """Take a campaign out of the archive and return it."""
    with transaction(tenant_id) as session:
        campaign = locked(session, tenant_id, campaign_id)
        if campaign.archived_at is not None:
            campaign.archived_at, campaign.updated_at = None, now or clock.now()
            session.flush()
            audit.record(session, actor, "campaign.unarchive", "campaign", campaign_id, {"name": campaign.name})
        return campaign


def delete(*, tenant_id: UUID, campaign_id: UUID, actor: str) -> None:
    """Delete a draft that was never sent. Raises NoSuchCampaign, WrongStatus or HasRun."""
    with transaction(tenant_id) as session:
        campaign = locked(session, tenant_id, campaign_id)
        check(Act.DELETE, campaign.status)
        ran = select(CampaignRun.id).where(CampaignRun.tenant_id == tenant_id, CampaignRun.campaign_id == campaign_id)
        if session.scalar(ran.limit(1)) is not None:
            raise HasRun
        audit.record(session, actor, "campaign.delete", "campaign", campaign_id, {"name": campaign.name})
        session.expunge(campaign)
        session.execute(delete_rows(Campaign).where(Campaign.tenant_id == tenant_id, Campaign.id == campaign_id))


def locked(session: Session, tenant_id: UUID, campaign_id: UUID, *, act: Act | None = None) -> Campaign:
    """Return a campaign, nobody else's to change until the transaction ends; raise NoSuchCampaign.

    With `act` it is one in use with which that may be done, else IsArchived or WrongStatus is raised.
    """
    campaign = session.scalar(
        select(Campaign)
        .where(Campaign.tenant_id == tenant_id, Campaign.id == campaign_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if campaign is None:
        raise NoSuchCampaign
    if act is not None:
        if campaign.archived_at is not None:
            raise IsArchived("campaign")
        check(act, campaign.status, goes_out=act is Act.PAUSE and goes_out(session, campaign))
    return campaign


def plan(session: Session, campaign: Campaign, now: datetime) -> None:
    """Put a campaign on its clock: `due_at` and `next_occurrence`. Raises Invalid where it is not ready, or too late.

    Nobody archives its segment before the transaction ends.
    """
    require(session, campaign)
    if schedule.starts_now(campaign.schedule, type_=campaign.type):
        here = now.astimezone(ZoneInfo(campaign.timezone)).replace(tzinfo=None)
        campaign.due_at, campaign.next_occurrence = now, here.isoformat(timespec="minutes")
        return
    zones, after = zones_of(session, campaign), last_day(session, campaign)
    found = schedule.coming(campaign.schedule, type_=campaign.type, zones=zones, now=now, after=after, limit=1)
    if not found:
        if campaign.type == ONE_TIME:
            raise Invalid({"schedule.start_at": PASSED})
        raise Invalid({"schedule.rrule": "No day is left on which it would be sent. Choose others."})
    campaign.next_occurrence, campaign.due_at = found[0][0].isoformat(timespec="minutes"), found[0][1]


def _must_come(session: Session, campaign: Campaign, now: datetime) -> None:
    """Raise Invalid where the one time a campaign is to be sent at has passed for everybody."""
    if campaign.type != ONE_TIME or not campaign.schedule.get("start_at") or campaign.schedule["mode"] == schedule.NOW:
        return
    with session.no_autoflush:
        zones = zones_of(session, campaign)
    if not schedule.coming(campaign.schedule, type_=campaign.type, zones=zones, now=now, limit=1):
        session.expunge(campaign)
        raise Invalid({"schedule.start_at": PASSED})


def put_settings(session: Session, campaign: Campaign, given: Mapping[str, Any], now: datetime) -> None:
    """Put settings onto a campaign, or raise Invalid with a message for each that is wrong."""
    errors: dict[str, str] = {name: "There is no such setting." for name in given if name not in SETTINGS}
    _apply_words(campaign, given, errors)
    _apply_kinds(campaign, given, errors)
    with session.no_autoflush:
        _apply_rows(session, campaign, given, errors)
        _apply_zone(session, campaign, given, errors)
    _apply_pace(campaign, given, errors)
    with session.no_autoflush:
        _apply_goal(session, campaign, given, errors)
    if not errors and ("schedule" in given or "type" in given):
        wanted = given.get("schedule", campaign.schedule) or {}
        try:
            campaign.schedule = schedule.read(wanted, type_=campaign.type, zone=ZoneInfo(campaign.timezone), now=now)
        except Invalid as wrong:
            errors |= wrong.errors
    if errors:
        # What was put on it so far must not be written by anybody's flush.
        if campaign in session:
            session.expunge(campaign)
        raise Invalid(errors)


def _apply_words(campaign: Campaign, given: Mapping[str, Any], errors: dict[str, str]) -> None:
    if "name" in given:
        campaign.name = " ".join(str(given["name"] or "").split())
        if not is_visible(campaign.name) or len(campaign.name) > MAX_NAME:
            errors["name"] = f"Give a name of 1 to {MAX_NAME} characters."
    if "description" in given:
        campaign.description = str(given["description"] or "").strip()
        if len(campaign.description) > MAX_TEXT:
            errors["description"] = f"Give at most {MAX_TEXT} characters."


def _apply_kinds(campaign: Campaign, given: Mapping[str, Any], errors: dict[str, str]) -> None:
    for name, allowed in (("type", TYPES), ("campaign_type", CAMPAIGN_TYPES), ("channel_mode", CHANNEL_MODES)):
        if name not in given or (name == "campaign_type" and not given[name]):
            continue
        if given[name] not in allowed:
            errors[name] = f"Choose one of {', '.join(allowed)}."
        else:
            setattr(campaign, name, given[name])
    if "campaign_type" in given and not given["campaign_type"]:
        campaign.campaign_type = None
    if "channels" in given:
        channels = list(dict.fromkeys(given["channels"] or ()))
        if not channels:
            errors["channels"] = "Choose a channel."
        elif unknown := [one for one in channels if one not in installed()]:
            errors["channels"] = f"There is no channel {', '.join(map(str, unknown))} yet."
        campaign.channels = channels


def _apply_rows(session: Session, campaign: Campaign, given: Mapping[str, Any], errors: dict[str, str]) -> None:
    tenant_id = campaign.tenant_id
    if "segment_id" in given:
        campaign.segment_id = given["segment_id"]
        segment = session.get(Segment, (tenant_id, campaign.segment_id)) if campaign.segment_id else None
        if campaign.segment_id and (segment is None or segment.archived_at is not None):
            errors["segment_id"] = "This segment does not exist or is in the archive. Choose another one."
    for channel, column in TEMPLATES.items():
        if column not in given:
            continue
        setattr(campaign, column, given[column])
        template = session.get(Template, (tenant_id, given[column])) if given[column] else None
        if given[column] and (template is None or template.channel != channel or template.archived_at is not None):
            errors[column] = "This template does not exist or is for another channel. Choose another one."
    if "experiment" in given:
        _apply_experiment(session, campaign, given["experiment"], errors)
    if "sender_id" in given:
        campaign.sender_id = given["sender_id"]
        if campaign.sender_id and session.get(MailSender, (tenant_id, campaign.sender_id)) is None:
            errors["sender_id"] = "There is no such sender. Choose another one."
    if "topic_id" in given:
        campaign.topic_id = given["topic_id"]
        topic = session.get(Topic, (tenant_id, campaign.topic_id)) if campaign.topic_id else None
        if campaign.topic_id and (topic is None or topic.archived_at is not None):
            errors["topic_id"] = "This topic does not exist or was archived. Choose another one."


def _apply_experiment(session: Session, campaign: Campaign, given: Any, errors: dict[str, str]) -> None:
    try:
        campaign.experiment = experiment.read(given)
    except Invalid as wrong:
        errors |= wrong.errors
        return
    tried = experiment.of(campaign.experiment)
    for place, variant in enumerate(tried.variants if tried else ()):
        if variant.sender_id and session.get(MailSender, (campaign.tenant_id, variant.sender_id)) is None:
            errors[f"experiment.variants[{place}].sender_id"] = "There is no such sender. Choose another one."
        if variant.subject and (why := _wrong_subject(campaign.tenant_id, variant.subject)):
            errors[f"experiment.variants[{place}].subject"] = why
        for channel, template_id in variant.templates.items():
            template = session.get(Template, (campaign.tenant_id, template_id))
            if template is None or template.channel != channel or template.archived_at is not None:
                errors[f"experiment.variants[{place}].templates"] = (
                    "This template does not exist or is for another channel. Choose another one."
                )


def _wrong_subject(tenant_id: UUID, subject: str) -> str | None:
    """Return why no template could have this subject, if that is so."""
    content = {"editor": "plain", "subject": subject, "text": "Hello"}
    return templates.faults(tenant_id=tenant_id, channel=EMAIL, content=content).get("subject")


def _apply_zone(session: Session, campaign: Campaign, given: Mapping[str, Any], errors: dict[str, str]) -> None:
    """Put the time zone on it: the one that is given, else that of the segment's club, else the organisation's."""
    if given.get("timezone"):
        try:
            campaign.timezone = ZoneInfo(given["timezone"]).key
        except (KeyError, ValueError, OSError, TypeError):
            errors["timezone"] = "Choose a time zone such as Africa/Johannesburg."
    elif "timezone" in given or not campaign.timezone:
        segment = session.get(Segment, (campaign.tenant_id, campaign.segment_id)) if campaign.segment_id else None
        club = session.get(Club, (campaign.tenant_id, segment.club_id)) if segment and segment.club_id else None
        tenant = session.get(Tenant, campaign.tenant_id)
        campaign.timezone = club.timezone if club else tenant.timezone if tenant else "UTC"


def _apply_pace(campaign: Campaign, given: Mapping[str, Any], errors: dict[str, str]) -> None:
    for name, most in _LIMITS:
        if name in given:
            setattr(campaign, name, given[name])
            if given[name] is not None and not 1 <= given[name] <= most:
                errors[name] = f"Give a number from 1 to {figure(most)}."
    if "one_copy" in given:
        campaign.one_copy = bool(given["one_copy"])


def _apply_goal(session: Session, campaign: Campaign, given: Mapping[str, Any], errors: dict[str, str]) -> None:
    if "goal" in given:
        try:
            campaign.goal = goal.read(given["goal"], tenant_id=campaign.tenant_id)
        except Invalid as wrong:
            errors |= wrong.errors
    if "holdout_percent" in given:
        campaign.holdout_percent = given["holdout_percent"]
        if campaign.holdout_percent is not None and not 1 <= campaign.holdout_percent <= MOST_HELD_OUT:
            errors["holdout_percent"] = f"Give a number from 1 to {MOST_HELD_OUT}, or nothing."
    if campaign.holdout_percent is not None and campaign.goal is None and {"goal", "holdout_percent"} & given.keys():
        errors.setdefault("holdout_percent", "Choose a goal: what is measured is how many reach it.")
    if "cost" in given:
        campaign.cost = given["cost"]
        if given["cost"] is not None and not 0 <= given["cost"] < MOST_COST:
            errors["cost"] = "Give an amount of money."
    if "cost" in given or "cost_currency" in given:
        campaign.cost_currency = given.get("cost_currency") or campaign.cost_currency or _currency(session, campaign)
        if campaign.cost is None:
            campaign.cost_currency = None
        elif campaign.cost_currency not in get_global("all_currencies"):
            errors["cost_currency"] = "Give a currency by its three letters, such as ZAR."


def _currency(session: Session, campaign: Campaign) -> str:
    """Return the currency of the segment's club, else the organisation's."""
    segment = session.get(Segment, (campaign.tenant_id, campaign.segment_id)) if campaign.segment_id else None
    club = session.get(Club, (campaign.tenant_id, segment.club_id)) if segment and segment.club_id else None
    tenant = session.get(Tenant, campaign.tenant_id)
    return club.currency if club else tenant.currency if tenant else "EUR"
