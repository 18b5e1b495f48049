"""Whose a campaign is that waits for a second person's yes: their own yes would be none."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import orjson
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.accounts.models import ApiKey
from app.campaigns import experiment, readiness
from app.campaigns.models import Campaign, CampaignApproval
from app.infra.arrays import array
from app.segments import dependencies

SYSTEM = "system"
"""Who asks where Fairway does."""

# Who changed what is sent, or to whom, between the last asking by a person and this one of Fairway's. Ids are made in
# the order of time.
_CHANGED_BY = text("""
    SELECT DISTINCT asking.id AS asking_id, changed.actor
    FROM unnest(CAST(:campaigns AS uuid[]), CAST(:askings AS uuid[])) WITH ORDINALITY AS asking(campaign_id, id, place)
    CROSS JOIN LATERAL (
        SELECT coalesce((
            SELECT id FROM campaign_approval
            WHERE tenant_id = :tenant_id AND campaign_id = asking.campaign_id AND asked_by <> :system
                AND id < asking.id
            ORDER BY id DESC LIMIT 1
        ), asking.campaign_id) AS id
    ) AS since
    JOIN audit_entry AS changed ON changed.tenant_id = :tenant_id AND changed.id > since.id AND changed.id < asking.id
        AND (changed.object_type IN ('campaign', 'template', 'segment')
                AND CAST(:read AS jsonb) -> CAST(asking.place - 1 AS integer) ? changed.object_id
            AND changed.action = ANY(ARRAY['campaign.change',
                'template.create', 'template.copy', 'template.change', 'template.restore',
                'segment.create', 'segment.copy', 'segment.snapshot', 'segment.change',
                'segment.add_people', 'segment.remove_people'])
            OR changed.object_type = 'snippet')
""")


def whose(
    session: Session, tenant_id: UUID, askings: Sequence[tuple[Campaign, CampaignApproval]]
) -> dict[UUID, set[str]]:
    """Return by asking the people it is no second person's yes of, in four statements however many there are."""
    own = {asked.id: {campaign.created_by, asked.asked_by} for campaign, asked in askings}
    by_fairway = [(campaign, asked) for campaign, asked in askings if asked.asked_by == SYSTEM]
    if by_fairway:
        chosen = {campaign.segment_id for campaign, _ in by_fairway if campaign.segment_id is not None}
        meant = dependencies.meant(session, tenant_id, chosen)
        values = {
            "tenant_id": tenant_id,
            "system": SYSTEM,
            "campaigns": array(campaign.id for campaign, _ in by_fairway),
            "askings": array(asked.id for _, asked in by_fairway),
            "read": orjson.dumps([_read_by(campaign, meant) for campaign, _ in by_fairway]).decode(),
        }
        for row in session.execute(_CHANGED_BY, values):
            own[row.asking_id].add(row.actor)
    people = people_behind(session, tenant_id, {one for refs in own.values() for one in refs})
    return {asking_id: {people.get(one, one) for one in refs} for asking_id, refs in own.items()}


def _read_by(campaign: Campaign, meant: Mapping[UUID, Collection[UUID]]) -> list[str]:
    """Return the ids of what a campaign sends, and of whom to: its segment with those that it names."""
    tried = experiment.of(campaign.experiment)
    chosen = [readiness.chosen_by(campaign, one) for one in (None, *(tried.variants if tried else ()))]
    ids = {template_id for one in chosen for template_id in one.values() if template_id is not None}
    whom = meant[campaign.segment_id] if campaign.segment_id else ()
    return [str(one) for one in (campaign.id, *whom, *ids)]


def people_behind(session: Session, tenant_id: UUID, refs: Collection[str]) -> dict[str, str]:
    """Return who is behind those of these actors that are keys: the user who made each."""
    keys = [UUID(ref.partition(":")[2]) for ref in refs if ref.startswith("key:")]
    if not keys:
        return {}
    wanted = select(ApiKey.id, ApiKey.created_by).where(
        ApiKey.tenant_id == tenant_id, ApiKey.id.in_(keys), ApiKey.created_by.is_not(None)
    )
    return {f"key:{row.id}": f"user:{row.created_by}" for row in session.execute(wanted)}
