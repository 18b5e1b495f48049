"""What journeys use: the things that their graphs name, those people follow and those that are drafts."""

from collections.abc import Callable, Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra.usage import Use

Naming = Callable[[Mapping[str, Any] | None], frozenset[UUID]]
"""Returns the ids of the things that a stored graph names."""

# Most graphs name none: those are not even read.
_GRAPHS = text("""
    SELECT j.id, j.name, j.status, j.draft, v.graph FROM journey j
    LEFT JOIN journey_version v
        ON v.tenant_id = j.tenant_id AND v.journey_id = j.id AND v.number = j.published_version
    WHERE j.tenant_id = :tenant_id AND j.status <> 'ARCHIVED' AND concat(j.draft, v.graph) ~ :pattern
    ORDER BY lower(j.name), j.id
""")


def of(
    session: Session,
    tenant_id: UUID,
    ids: Collection[UUID],
    *,
    naming: Naming,
    pattern: str,
    place: Callable[[Mapping[str, Any], UUID], str] = lambda _graph, _id: "",
) -> dict[UUID, list[Use]]:
    """Return which journeys name these things, in what people follow or in a draft; archived ones don't count.

    `pattern` is a regular expression that every graph matches that names one; `place` says where a graph names one.
    """
    found: dict[UUID, list[Use]] = {}
    for row in session.execute(_GRAPHS, {"tenant_id": tenant_id, "pattern": pattern}):
        followed = naming(row.graph)
        for one in (followed | naming(row.draft)) & set(ids):
            running = one in followed and row.status in ("ACTIVE", "PAUSED")
            where = place(row.graph if one in followed else row.draft, one)
            use = Use("journey", row.id, row.name, "journeys.builder", {"journey_id": row.id}, running, where)
            found.setdefault(one, []).append(use)
    return found
