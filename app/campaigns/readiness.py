"""What a campaign needs before it can be sent, and what of it is pinned when it is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.campaigns import experiment, schedule
from app.campaigns.models import TEMPLATES, Campaign, CampaignRun
from app.content import checks, link_checks
from app.content import queries as templates
from app.content.checks import Finding, Missing, Severity
from app.content.kind import kind_of
from app.content.letters import LetterSource
from app.content.models import Template
from app.content.preview import preview
from app.infra import clock
from app.infra.arrays import array
from app.infra.errors import Invalid
from app.messaging import accounts, sending_domains
from app.messaging.channel import EMAIL
from app.messaging.runs import Chosen, Content
from app.segments.models import Segment, SegmentMember

_HOLD = text("""
    SELECT archived_at FROM segment WHERE tenant_id = :tenant_id AND id = :id FOR SHARE
""")
_HOLD_TEMPLATE = text("SELECT FROM template WHERE tenant_id = :tenant_id AND id = :id FOR SHARE")
_ZONES = text("""
    SELECT DISTINCT coalesce(customer.timezone, club.timezone) AS zone FROM segment_member AS member
    JOIN customer ON customer.tenant_id = :tenant_id AND customer.id = member.customer_id
    LEFT JOIN club ON club.tenant_id = :tenant_id AND club.id = customer.club_id
    WHERE member.tenant_id = :tenant_id AND member.segment_id = :segment_id
        AND coalesce(customer.timezone, club.timezone) IS NOT NULL
        AND (:everybody OR member.customer_id = ANY(CAST(:people AS uuid[])))
""")
_LAST_DAY = text("""
    SELECT max(occurrence) FROM campaign_run WHERE tenant_id = :tenant_id AND campaign_id = :id AND occurrence <> 'once'
""")
MOST_ZONES = 1000


@dataclass(frozen=True, slots=True)
class Wording:
    """What a campaign sends on a channel: a template, whose `subject` may be a variant's own."""

    channel: str
    template_id: UUID
    subject: str | None = None

    def source(self, tenant_id: UUID) -> LetterSource:
        """Return it as it was written."""
        return templates.source(tenant_id=tenant_id, template_id=self.template_id).called(self.subject)


class NotReady(Invalid):
    """The campaign lacks something that is needed to send it; `errors` says what, by setting."""

    title = "The campaign is not ready"


def lacks(session: Session, campaign: Campaign) -> dict[str, str]:
    """Return what a campaign lacks, by setting; nothing where it can be sent."""
    found: dict[str, str] = {}
    segment_id, tenant_id = campaign.segment_id, campaign.tenant_id
    segment = session.get(Segment, (tenant_id, segment_id), populate_existing=True) if segment_id else None
    if segment is None:
        found["segment_id"] = "Choose whom it goes to."
    elif segment.archived_at is not None:
        found["segment_id"] = "The segment is in the archive. Choose another one."
    for channel in campaign.channels:
        column = TEMPLATES[channel]
        if nobody := accounts.missing(tenant_id=tenant_id, channel_name=channel):
            found["channels"] = nobody
        template_id = getattr(campaign, column)
        template = session.get(Template, (tenant_id, template_id), populate_existing=True) if template_id else None
        if template is None:
            found[column] = _to_choose(channel, several=len(campaign.channels) > 1, tried=bool(campaign.experiment))
        elif template.archived_at is not None:
            found[column] = "The template is in the archive. Choose another one."
        elif wrong := _unreadable(tenant_id, templates.source(tenant_id=tenant_id, template_id=template.id)):
            found[column] = f"The template can't be sent as it is: {wrong}"
    if EMAIL in campaign.channels and campaign.sender_id and (wrong := _wrong_sender(tenant_id, campaign.sender_id)):
        found["sender_id"] = wrong
    found |= _lacks_of_variants(session, campaign, found)
    return found | schedule.missing(campaign.schedule, type_=campaign.type)


def _to_choose(channel: str, *, several: bool, tried: bool) -> str:
    what = f"Choose {kind_of(channel).noun} to send" if several else "Choose what is sent"
    return f"{what}; each variant may then say something else." if tried else f"{what}."


def _lacks_of_variants(session: Session, campaign: Campaign, known: Mapping[str, str]) -> dict[str, str]:
    """Return what the variants of an experiment lack, beside what is `known` to be lacking of the campaign's own."""
    tried = experiment.of(campaign.experiment)
    if tried is None:
        return {}
    found: dict[str, str] = {}
    if tried.rule == experiment.CONVERSIONS and campaign.goal is None:
        found["goal"] = "The winner is chosen by conversions, and there is no goal. Choose one, or another rule."
    if campaign.schedule.get("mode") == schedule.BEST_TIME and (
        tried.rest or any(one.local_time for one in tried.variants)
    ):
        found["schedule.mode"] = (
            "Each recipient’s best hour does not go with variants that are tried first, or at hours of their own."
            " Choose another time, or shares that come to 100 percent."
        )
    said: dict[tuple[object, ...], experiment.Variant] = {}
    topics: set[UUID | None] = set()
    for place, variant in enumerate(tried.variants):
        at = f"experiment.variants[{place}].templates"
        chosen = chosen_by(campaign, variant)
        subject = own_subject(campaign, variant)
        if subject and (wrong := _unreadable(campaign.tenant_id, LetterSource(subject, None, None))):
            found[f"experiment.variants[{place}].subject"] = f"The subject of {variant.name} can't be sent: {wrong}"
        for channel, template_id in chosen.items():
            template = session.get(Template, (campaign.tenant_id, template_id), populate_existing=True)
            if template is None or template.channel != channel or template.archived_at is not None:
                if TEMPLATES[channel] not in known:
                    found[at] = f"The template of {variant.name} is not there, or in the archive. Choose another one."
                continue
            topics.add(template.topic_id)
            if channel == EMAIL:
                subject = subject or template.subject
            if channel in variant.templates:
                source = templates.source(tenant_id=campaign.tenant_id, template_id=template.id)
                if wrong := _unreadable(campaign.tenant_id, source):
                    found[at] = f"The template of {variant.name} can't be sent as it is: {wrong}"
        sender = (variant.sender_id or campaign.sender_id) if EMAIL in campaign.channels else None
        if sender and variant.sender_id and (wrong := _wrong_sender(campaign.tenant_id, sender)):
            found[f"experiment.variants[{place}].sender_id"] = wrong
        same = said.setdefault((*chosen.values(), subject, sender, variant.local_time), variant)
        if same is not variant:
            words = f"{same.name} and {variant.name} are the same."
            found.setdefault(at, f"{words} Choose another template, subject, sender or time for one of them.")
    if len(topics) > 1 and campaign.topic_id is None:
        found["topic_id"] = "The variants' templates have different topics. Choose the topic of the campaign."
    return found


def _wrong_sender(tenant_id: UUID, sender_id: UUID) -> str | None:
    """Return why letters can't be from a sender, if that is so."""
    found = next((one for one in sending_domains.senders(tenant_id=tenant_id) if one["id"] == sender_id), None)
    if found is None:
        return "The sender is not there any more. Choose another one."
    if not found["proven"]:
        return f"Letters can't be from {found['address']} yet: an owner or admin has to prove its domain first."
    return None


def chosen_by(campaign: Campaign, variant: experiment.Variant | None) -> dict[str, UUID | None]:
    """Return by channel the template that a variant of a campaign, or the campaign itself, is made of."""
    own = {channel: getattr(campaign, TEMPLATES[channel]) for channel in campaign.channels}
    return own if variant is None else {one: variant.templates.get(one, its) for one, its in own.items()}


def own_subject(campaign: Campaign, variant: experiment.Variant | None) -> str | None:
    """Return the subject that a variant of a campaign gives its letters, if it does and there are letters."""
    return variant.subject if variant and EMAIL in campaign.channels else None


def _unreadable(tenant_id: UUID, source: LetterSource) -> str | None:
    """Return why no letter can be made of what was written, if that is so: one to somebody made up is tried."""
    _, problems = preview(tenant_id=tenant_id, tenant_name="", source=source)
    return " ".join(problems.values()) or None


def says(campaign: Campaign) -> list[Wording]:
    """Return what a campaign sends, or its variants if it has some."""
    tried = experiment.of(campaign.experiment)
    found: dict[Wording, None] = {}
    for variant in tried.variants if tried else (None,):
        for channel, template_id in chosen_by(campaign, variant).items():
            subject = own_subject(campaign, variant) if channel == EMAIL else None
            if template_id is not None:
                found[Wording(channel, template_id, subject)] = None
    return list(found)


def unfinished(campaign: Campaign) -> dict[Wording, list[Finding]]:
    """Return what is to be mended in what a campaign says, by letter: those that could be sent as they are."""
    tenant_id = campaign.tenant_id
    found: dict[Wording, list[Finding]] = {}
    for said, source in _each_part_once(campaign):
        letter, _ = preview(tenant_id=tenant_id, tenant_name="", source=source)
        looked_at = checks.of_message(said.channel, letter, source) if letter else []
        looked_at += link_checks.tried(tenant_id=tenant_id, source=source).findings if letter else ()
        if problems := [one for one in looked_at if one.severity is Severity.PROBLEM]:
            found[said] = problems
    return found


def _each_part_once(campaign: Campaign) -> Iterator[tuple[Wording, LetterSource]]:
    """Yield what a campaign says, as it was written, so that nothing is told of twice.

    Where one template goes out under several subjects, from the second on it is the subject alone.
    """
    seen: set[UUID] = set()
    for said in says(campaign):
        source = said.source(campaign.tenant_id)
        yield said, LetterSource(source.subject, None, None, bare=True) if said.template_id in seen else source
        seen.add(said.template_id)


def without_value(campaign: Campaign) -> list[Missing]:
    """Return the merge tags of what a campaign says that have no default and no value for some of its segment."""
    if campaign.segment_id is None:
        return []
    members = select(SegmentMember.customer_id).where(
        SegmentMember.tenant_id == campaign.tenant_id, SegmentMember.segment_id == campaign.segment_id
    )
    found: dict[str, Missing] = {}
    for _, source in _each_part_once(campaign):
        missing = checks.missing_values(tenant_id=campaign.tenant_id, source=source, people=members)
        found |= {one.tag: one for one in missing}
    return sorted(found.values(), key=lambda one: (-one.people, one.tag))


def unfilled(campaign: Campaign) -> dict[Wording, list[Finding]]:
    """Return the merge tags of what a campaign says that nothing fills in, by letter."""
    found: dict[Wording, list[Finding]] = {}
    for said, source in _each_part_once(campaign):
        if names := checks.unfilled(tenant_id=campaign.tenant_id, source=source, in_campaign=True):
            found[said] = names
    return found


def require(session: Session, campaign: Campaign) -> None:
    """Raise NotReady unless a campaign can be sent.

    Its segment and its templates are nobody's to archive until the transaction ends.
    """
    if campaign.segment_id is not None:
        session.execute(_HOLD, {"tenant_id": campaign.tenant_id, "id": campaign.segment_id})
    for column in TEMPLATES.values():
        if getattr(campaign, column) is not None:
            session.execute(_HOLD_TEMPLATE, {"tenant_id": campaign.tenant_id, "id": getattr(campaign, column)})
    tried = experiment.of(campaign.experiment)
    for template_id in sorted(
        {one for variant in (tried.variants if tried else ()) for one in variant.templates.values()}
    ):
        session.execute(_HOLD_TEMPLATE, {"tenant_id": campaign.tenant_id, "id": template_id})
    if found := lacks(session, campaign):
        raise NotReady(found)


def pinned(session: Session, campaign: Campaign) -> list[dict[str, Any]]:
    """Return what a campaign says on each of its channels now, in their order, as a run keeps it; then its variants."""
    found = [to_json(one) for one in _contents(session, campaign, chosen_by(campaign, None))]
    tried = experiment.of(campaign.experiment)
    for variant in tried.variants if tried else ():
        contents = _contents(session, campaign, chosen_by(campaign, variant))
        subject = own_subject(campaign, variant)
        for one in contents:
            its = {"subject": subject} if subject and one.channel == EMAIL else {}
            found.append({**to_json(one), "variant": variant.key, **its})
    return found


def chosen_for_letters(campaign: Campaign) -> dict[str, Chosen]:
    """Return what was chosen for the letters of a campaign's variants ('' for none), and for who gets the winner."""
    tried = experiment.of(campaign.experiment)
    chosen = {"": Chosen(campaign.sender_id)}
    for one in tried.variants if tried else ():
        its = Chosen(one.sender_id or campaign.sender_id, own_subject(campaign, one))
        chosen |= {one.key: its, experiment.to_rest(one.key): its}
    return chosen


def contents_of(kept: Sequence[dict[str, Any]], variant: str | None = None) -> list[Content]:
    """Return what a run says on each channel to those of a variant, or to those of none."""
    return [from_json(one) for one in kept if one.get("variant") == variant]


def subject_in(kept: Sequence[Mapping[str, Any]], variant: str) -> str | None:
    """Return the subject that a variant gave its letters in a run, if it did, of what the run keeps of what it says."""
    return next((one["subject"] for one in kept if one.get("variant") == variant and "subject" in one), None)


def _contents(session: Session, campaign: Campaign, chosen: Mapping[str, UUID | None]) -> list[Content]:
    wanted = select(Template.id, Template.version, Template.topic_id).where(
        Template.tenant_id == campaign.tenant_id, Template.id.in_(list(chosen.values()))
    )
    rows = {row.id: row for row in session.execute(wanted)}
    return [
        Content(channel, template_id, rows[template_id].version, campaign.topic_id or rows[template_id].topic_id)
        for channel, template_id in chosen.items()
        if template_id is not None
    ]


def to_json(content: Content) -> dict[str, Any]:
    """Return pinned content as a run keeps it."""
    return {
        "channel": content.channel,
        "template_id": str(content.template_id),
        "template_version": content.template_version,
        "topic_id": content.topic_id and str(content.topic_id),
    }


def from_json(kept: dict[str, Any]) -> Content:
    """Return pinned content as a run kept it."""
    topic_id = kept["topic_id"] and UUID(kept["topic_id"])
    return Content(kept["channel"], UUID(kept["template_id"]), kept["template_version"], topic_id)


def last_day(session: Session, campaign: Campaign) -> date | None:
    """Return the local date of a recurring campaign's latest run: the next one is on a later date."""
    found = session.scalar(_LAST_DAY, {"tenant_id": campaign.tenant_id, "id": campaign.id})
    return date.fromisoformat(found) if found else None


def zones_of(session: Session, campaign: Campaign, people: Sequence[UUID] | None = None) -> list[ZoneInfo]:
    """Return the zones whose clocks a campaign goes by: its own first, then those of its recipients if it asks them.

    Recipients are the members of its segment, or these `people` of them; who has no zone has that of their club.
    """
    own = ZoneInfo(campaign.timezone)
    if campaign.schedule.get("mode") != schedule.RECIPIENT_ZONE:
        return [own]
    values = {"everybody": people is None, "people": array(people or ())}
    names = session.scalars(_ZONES, {"tenant_id": campaign.tenant_id, "segment_id": campaign.segment_id, **values})
    return [own, *(zone for name in names if (zone := _zone(name)) is not None)][:MOST_ZONES]


def moments(
    session: Session, campaign: Campaign, run: CampaignRun, people: Sequence[UUID] | None = None
) -> dict[str, datetime]:
    """Return by zone of these people, or of all recipients, when it is a run's time there; none where all have one."""
    if run.local_at is None:
        return {}
    local = datetime.fromisoformat(run.local_at)
    return {zone.key: clock.instant(local, zone) for zone in zones_of(session, campaign, people)}


def times(
    campaign: Campaign, moments: Mapping[str, datetime], due_at: datetime, variant: experiment.Variant | None
) -> tuple[datetime, dict[str, datetime]]:
    """Return when it is time for a variant of a campaign, or for the campaign: for all, and by zone where that counts.

    `moments` and `due_at` say when it is for the campaign, or when the variant may go out at the earliest.
    """
    due_at = moments.get(campaign.timezone, due_at)
    if variant is None:
        return due_at, dict(moments)
    by_zone = {name: variant.at(moment, ZoneInfo(name)) for name, moment in moments.items()}
    return variant.at(due_at, ZoneInfo(campaign.timezone)), by_zone


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
