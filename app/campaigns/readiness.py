"""What a campaign needs before it can be sent, and what of it is pinned when it is."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.campaigns import schedule
from app.campaigns.models import TEMPLATES, Campaign
from app.content import checks, link_checks
from app.content import queries as templates
from app.content.checks import Finding, Missing, Severity
from app.content.models import Template
from app.content.preview import preview
from app.infra.arrays import array
from app.infra.errors import Invalid
from app.messaging import accounts
from app.messaging.runs import Content
from app.segments.models import Segment, SegmentMember

_HOLD = text("""
    SELECT archived_at FROM segment WHERE tenant_id = :tenant_id AND id = :id FOR SHARE
""")
_HOLD_TEMPLATE = text("SELECT FROM template WHERE tenant_id = :tenant_id AND id = :id FOR SHARE")
_ZONES = text("""
    SELECT DISTINCT customer.timezone FROM segment_member AS member
    JOIN customer ON customer.tenant_id = :tenant_id AND customer.id = member.customer_id
    WHERE member.tenant_id = :tenant_id AND member.segment_id = :segment_id AND customer.timezone IS NOT NULL
        AND (:everybody OR member.customer_id = ANY(CAST(:people AS uuid[])))
""")
_LAST_DAY = text("""
    SELECT max(occurrence) FROM campaign_run WHERE tenant_id = :tenant_id AND campaign_id = :id AND occurrence <> 'once'
""")
MOST_ZONES = 1000


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
            found[column] = "Choose what is sent."
        elif template.archived_at is not None:
            found[column] = "The template is in the archive. Choose another one."
        elif wrong := _unreadable(tenant_id, template.id):
            found[column] = f"The template can't be sent as it is: {wrong}"
    return found | schedule.missing(campaign.schedule, type_=campaign.type)


def _unreadable(tenant_id: UUID, template_id: UUID) -> str | None:
    """Return why no letter can be made of a template, if that is so: one to somebody made up is tried."""
    source = templates.source(tenant_id=tenant_id, template_id=template_id)
    _, problems = preview(tenant_id=tenant_id, tenant_name="", source=source)
    return " ".join(problems.values()) or None


def unfinished(campaign: Campaign) -> dict[str, list[Finding]]:
    """Return what is to be mended in what a campaign says, by channel: letters that could be sent as they are."""
    found: dict[str, list[Finding]] = {}
    for channel in campaign.channels:
        template_id, tenant_id = getattr(campaign, TEMPLATES[channel]), campaign.tenant_id
        if template_id is None:
            continue
        source = templates.source(tenant_id=tenant_id, template_id=template_id)
        letter, _ = preview(tenant_id=tenant_id, tenant_name="", source=source)
        looked_at = checks.of_message(channel, letter, source) if letter else []
        looked_at += link_checks.tried(tenant_id=tenant_id, source=source).findings if letter else ()
        if problems := [one for one in looked_at if one.severity is Severity.PROBLEM]:
            found[channel] = problems
    return found


def without_value(campaign: Campaign) -> list[Missing]:
    """Return the merge tags of what a campaign says that have no default and no value for some of its segment."""
    if campaign.segment_id is None:
        return []
    members = select(SegmentMember.customer_id).where(
        SegmentMember.tenant_id == campaign.tenant_id, SegmentMember.segment_id == campaign.segment_id
    )
    chosen = {getattr(campaign, TEMPLATES[channel]) for channel in campaign.channels} - {None}
    found: dict[str, Missing] = {}
    for template_id in chosen:
        source = templates.source(tenant_id=campaign.tenant_id, template_id=template_id)
        missing = checks.missing_values(tenant_id=campaign.tenant_id, source=source, people=members)
        found |= {one.tag: one for one in missing}
    return sorted(found.values(), key=lambda one: (-one.people, one.tag))


def require(session: Session, campaign: Campaign) -> None:
    """Raise NotReady unless a campaign can be sent.

    Its segment and its templates are nobody's to archive until the transaction ends.
    """
    if campaign.segment_id is not None:
        session.execute(_HOLD, {"tenant_id": campaign.tenant_id, "id": campaign.segment_id})
    for column in TEMPLATES.values():
        if getattr(campaign, column) is not None:
            session.execute(_HOLD_TEMPLATE, {"tenant_id": campaign.tenant_id, "id": getattr(campaign, column)})
    if found := lacks(session, campaign):
        raise NotReady(found)


def pinned(session: Session, campaign: Campaign) -> list[Content]:
    """Return what a campaign says on each of its channels now, in their order."""
    chosen = {channel: getattr(campaign, TEMPLATES[channel]) for channel in campaign.channels}
    wanted = select(Template.id, Template.version, Template.topic_id).where(
        Template.tenant_id == campaign.tenant_id, Template.id.in_(list(chosen.values()))
    )
    rows = {row.id: row for row in session.execute(wanted)}
    return [
        Content(channel, template_id, rows[template_id].version, campaign.topic_id or rows[template_id].topic_id)
        for channel, template_id in chosen.items()
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

    Recipients are the members of its segment, or these `people` of them.
    """
    own = ZoneInfo(campaign.timezone)
    if campaign.schedule.get("mode") != schedule.RECIPIENT_ZONE:
        return [own]
    values = {"everybody": people is None, "people": array(people or ())}
    names = session.scalars(_ZONES, {"tenant_id": campaign.tenant_id, "segment_id": campaign.segment_id, **values})
    return [own, *(zone for name in names if (zone := _zone(name)) is not None)][:MOST_ZONES]


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
