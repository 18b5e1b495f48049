"""Segments as campaigns name them."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.campaigns.models import Campaign
from app.campaigns.states import OVER, UNDER_WAY
from app.infra.usage import Use


def using(session: Session, tenant_id: UUID, segment_ids: Collection[UUID]) -> dict[UUID, list[Use]]:
    """Return which campaigns go to these segments; those that are over, or in the archive, don't count."""
    wanted = (
        select(Campaign.id, Campaign.name, Campaign.status, Campaign.segment_id)
        .where(
            Campaign.tenant_id == tenant_id,
            Campaign.segment_id.in_(segment_ids),
            Campaign.archived_at.is_(None),
            Campaign.status.not_in(OVER),
        )
        .order_by(Campaign.name, Campaign.id)
    )
    found: dict[UUID, list[Use]] = {}
    for row in session.execute(wanted):
        running = row.status in UNDER_WAY
        use = Use("campaign", row.id, row.name, "campaigns.show", {"campaign_id": row.id}, running)
        found.setdefault(row.segment_id, []).append(use)
    return found
