"""What the steps of a journey are called, where all that is known is their graph."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.conditions import profile
from app.content.models import Template as TemplateRow
from app.customers import custom_fields
from app.events import catalogue
from app.infra.db import transaction
from app.infra.ids import as_id
from app.journeys.graph import Graph, Step
from app.journeys.kinds import title_of
from app.journeys.models import Journey
from app.journeys.step_type import Known, Template

_LAST_SEEN = text("""
    SELECT DISTINCT ON (key) step.value AS step, step.value ->> 'key' AS key
    FROM journey_version v CROSS JOIN LATERAL jsonb_array_elements(v.graph -> 'steps') AS step(value)
    WHERE v.tenant_id = :tenant_id AND v.journey_id = :journey_id AND step.value ->> 'key' = ANY(:keys)
    ORDER BY key, v.number DESC
""")


def last_seen(session: Session, tenant_id: UUID, journey_id: UUID, keys: Sequence[str]) -> Graph:
    """Return steps that are gone as the last version had them that did, joined to nothing."""
    asked = {"tenant_id": tenant_id, "journey_id": journey_id, "keys": list(keys)}
    rows = session.execute(_LAST_SEEN, asked).all() if keys else []
    steps = [Step(row.key, row.step["type"], row.step.get("name"), row.step.get("config") or {}) for row in rows]
    return Graph({step.key: step for step in steps})


def titles(*, tenant_id: UUID, graph: Graph) -> dict[str, str]:
    """Return what the steps of a graph are called, by key: their names, else what their kinds call them."""
    with transaction(tenant_id) as session:
        return titles_of(session, tenant_id, graph)


def titles_of(session: Session, tenant_id: UUID, *graphs: Graph) -> dict[str, str]:
    """Return what the steps of some graphs are called, of the earlier ones first (see `titles`)."""
    nameless = [step.config for graph in graphs for step in graph if not step.name]
    templates = {found for config in nameless if (found := as_id(config.get("template_id")))}
    others = {found for config in nameless if (found := as_id(config.get("journey_id")))}
    dates = [one.get("field") for config in nameless if isinstance(one := config.get("date"), Mapping)]
    told = Known(
        event_types={kind.name: kind.label for kind in catalogue.known()},
        profile=custom_fields.catalogue(tenant_id=tenant_id) if any(dates) else profile,
    )
    if templates or others:
        mails = select(TemplateRow.id, TemplateRow.name, TemplateRow.channel).where(
            TemplateRow.tenant_id == tenant_id, TemplateRow.id.in_(templates)
        )
        named_ = select(Journey.id, Journey.name).where(Journey.tenant_id == tenant_id, Journey.id.in_(others))
        told = replace(
            told,
            templates={row.id: Template(row.name, row.channel) for row in session.execute(mails)},
            journeys={row.id: row.name for row in session.execute(named_)} if others else {},
        )
    return {step.key: title_of(step, told) for graph in reversed(graphs) for step in graph}
