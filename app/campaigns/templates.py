"""Templates as campaigns send them."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ColumnElement, cast, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH
from sqlalchemy.orm import Session

from app.campaigns import experiment
from app.campaigns.models import TEMPLATES, Campaign
from app.campaigns.states import OVER, UNDER_WAY
from app.infra.usage import Use


def using(session: Session, tenant_id: UUID, template_ids: Collection[UUID]) -> dict[UUID, list[Use]]:
    """Return which campaigns send these templates; those that are over, or in the archive, don't count."""
    columns = [getattr(Campaign, name) for name in TEMPLATES.values()]
    wanted = (
        select(Campaign.id, Campaign.name, Campaign.status, Campaign.experiment, *columns)
        .where(
            Campaign.tenant_id == tenant_id,
            or_(*(column.in_(template_ids) for column in columns), _in_variant(template_ids)),
            Campaign.archived_at.is_(None),
            Campaign.status.not_in(OVER),
        )
        .order_by(Campaign.name, Campaign.id)
    )
    found: dict[UUID, list[Use]] = {}
    for row in session.execute(wanted):
        use = Use("campaign", row.id, row.name, "campaigns.show", {"campaign_id": row.id}, row.status in UNDER_WAY)
        tried = experiment.of(row.experiment)
        said = {row[4 + place] for place in range(len(columns))}
        said |= {one for variant in (tried.variants if tried else ()) for one in variant.templates.values()}
        for template_id in said & set(template_ids):
            found.setdefault(template_id, []).append(use)
    return found


def _in_variant(template_ids: Collection[UUID]) -> ColumnElement[bool]:
    """Return whether a campaign's variants name one of these templates."""
    named = func.jsonb_path_query(Campaign.experiment, cast("$.variants[*].templates.*", JSONPATH)).column_valued(
        "named"
    )
    wanted = [cast(str(one), JSONB) for one in template_ids]
    return select(named).where(named.in_(wanted)).exists()
