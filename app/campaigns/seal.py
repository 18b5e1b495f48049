"""What a second person's yes to a campaign is to: whom it goes to, what it says and how often, each as a digest.

When it is sent and how quickly, what it is for and what it is called may change without asking again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.campaigns import readiness
from app.campaigns.models import Campaign
from app.campaigns.service import SETTINGS
from app.content import queries as templates
from app.content import snippet_queries, snippets
from app.infra.arrays import array
from app.segments import dependencies
from app.segments.models import Segment

_WHOM, WHAT, _OFTEN = "whom", "what", "often"
PARTS = {_WHOM: "whom it goes to", WHAT: "what it says", _OFTEN: "how often it is sent"}
"""What there is to change, in words."""
_OF_NO_MATTER = frozenset(
    (
        "name",
        "description",
        "campaign_type",
        "type",
        "segment_id",
        "timezone",
        "schedule",
        "throttle_per_hour",
        "spread_minutes",
        "expires_hours",
        "goal",
        "cost",
        "cost_currency",
        "holdout_percent",
    )
)
_SNIPPETS = text("""
    SELECT key, club_id, revision FROM snippet WHERE tenant_id = :tenant_id AND key = ANY(CAST(:keys AS text[]))
    ORDER BY key, id
""")


def seal(session: Session, campaign: Campaign, content: Sequence[Mapping[str, Any]] | None = None) -> dict[str, str]:
    """Return what a yes to a campaign is to, in three parts: whom, what and how often. What is sent says `content`."""
    segment = segment_of(session, campaign)
    pinned = content if content is not None else readiness.pinned(session, campaign)
    settings = {name: getattr(campaign, name) for name in SETTINGS if name not in _OF_NO_MATTER}
    said = {name: value for name, value in settings.items() if value is not None}
    often = [campaign.type, campaign.schedule.get("rrule")]
    return {
        _WHOM: _digest([campaign.segment_id, segment and segment.version, *_named_by(session, segment)]),
        WHAT: _digest([said, pinned, _snippets_of(session, campaign.tenant_id, pinned)]),
        _OFTEN: _digest(often),
    }


def _digest(of_what: Any) -> str:
    return hashlib.sha256(orjson.dumps(of_what, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()


def _named_by(session: Session, segment: Segment | None) -> list[list[Any]]:
    """Return the segments that a segment's conditions name, one through another, each with its version."""
    if segment is None:
        return []
    ids = dependencies.meant(session, segment.tenant_id, [segment.id])[segment.id] - {segment.id}
    wanted = select(Segment.id, Segment.version).where(Segment.tenant_id == segment.tenant_id, Segment.id.in_(ids))
    return [list(row) for row in session.execute(wanted.order_by(Segment.id))] if ids else []


def _snippets_of(session: Session, tenant_id: UUID, pinned: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Return the snippets that what is sent names, those they name among them, with how often each was changed."""
    keys: set[str] = set()
    for one in pinned:
        source = templates.source(
            tenant_id=tenant_id, template_id=UUID(str(one["template_id"])), version=one["template_version"]
        )
        keys |= snippets.named_in(one.get("subject") or source.subject, source.html, source.text, source.preheader)
    if not keys:
        return []
    named = snippet_queries.names(tenant_id=tenant_id)
    new = set(keys)
    while new := {two for one in new for two in named.get(one, ())} - keys:
        keys |= new
    return [list(row) for row in session.execute(_SNIPPETS, {"tenant_id": tenant_id, "keys": array(sorted(keys))})]


def segment_of(session: Session, campaign: Campaign) -> Segment | None:
    """Return the segment of a campaign as it is now."""
    if campaign.segment_id is None:
        return None
    return session.get(Segment, (campaign.tenant_id, campaign.segment_id), populate_existing=True)
