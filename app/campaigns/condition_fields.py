"""What conditions call the campaigns that the payloads of messages name."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import func, select

from app.campaigns.models import Campaign
from app.conditions import named
from app.infra.db import transaction

NAMED = ("campaign_id",)
"""The fields whose values `names` knows."""


def names(*, tenant_id: UUID) -> dict[str, list[tuple[str, str]]]:
    """Return what people call the campaigns."""
    wanted = (
        select(Campaign.id, Campaign.name)
        .where(Campaign.tenant_id == tenant_id)
        .order_by(func.lower(Campaign.name), Campaign.id)
    )
    with transaction(tenant_id) as session:
        return {"campaign_id": [(str(row.id), row.name) for row in session.execute(wanted)]}


def _no_campaigns(tenant_id: UUID, ids: Collection[str]) -> dict[str, str]:
    wanted = select(Campaign.id).where(Campaign.tenant_id == tenant_id, Campaign.id.in_([UUID(one) for one in ids]))
    with transaction(tenant_id) as session:
        return named.missing("campaign", ids, [str(one) for one in session.scalars(wanted)])


named.register(_no_campaigns, "campaign_id")
