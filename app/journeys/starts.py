"""Which journeys let people into which others."""

from uuid import UUID

from sqlalchemy import text

from app.infra.db import transaction
from app.infra.ids import as_id
from app.journeys.graph import TRIGGER
from app.journeys.kinds import read_graph, runs_through

START = "START_JOURNEY"
_GRAPHS = text("""
    SELECT j.id, v.graph FROM journey j
    JOIN journey_version v ON v.tenant_id = j.tenant_id AND v.journey_id = j.id AND v.number = j.published_version
    WHERE j.tenant_id = :tenant_id AND j.status IN ('ACTIVE', 'PAUSED')
        AND v.graph @> '{"steps": [{"type": "START_JOURNEY"}]}'
""")


def at_once(tenant_id: UUID) -> dict[UUID, frozenset[UUID]]:
    """Return, by journey that people follow, which journeys it starts with nothing that takes time before."""
    found = {}
    with transaction(tenant_id) as session:
        rows = session.execute(_GRAPHS, {"tenant_id": tenant_id}).all()
    for row in rows:
        graph = read_graph(row.graph)
        first = next(one.key for one in graph if one.type == TRIGGER)
        started = (
            as_id(one.config.get("journey_id"))
            for one in graph
            if one.type == START and runs_through(graph, first, one.key)
        )
        found[row.id] = frozenset(one for one in started if one)
    return found
