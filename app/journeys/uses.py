"""What journeys use: the things that their graphs name, those people follow and those that are drafts, or settings."""

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
    SELECT j.id, j.name, j.status, j.draft, v.graph, j.exit_conditions, j.goal FROM journey j
    LEFT JOIN journey_version v
        ON v.tenant_id = j.tenant_id AND v.journey_id = j.id AND v.number = j.published_version
    WHERE j.tenant_id = :tenant_id AND j.status <> 'ARCHIVED'
      AND concat(j.draft, v.graph, j.exit_conditions, j.goal) ~ :pattern
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
    """Return which journeys name these things: in what people follow, in a draft or in their settings.

    Archived ones don't count. `pattern` is a regular expression that matches all that names one; `place` says where a
    graph names one.
    """
    found: dict[UUID, list[Use]] = {}
    for row in session.execute(_GRAPHS, {"tenant_id": tenant_id, "pattern": pattern}):
        followed, drafted = naming(row.graph), naming(row.draft)
        leaving, goal = (naming(as_graph(settings)) for settings in (row.exit_conditions, row.goal))
        for one in (followed | drafted | leaving | goal) & set(ids):
            running = one in followed | leaving | goal and row.status in ("ACTIVE", "PAUSED")
            where = " and ".join(
                word
                for word in (
                    place(row.graph if one in followed else row.draft, one),
                    "what people leave by" if one in leaving else "",
                    "goal" if one in goal else "",
                )
                if word
            )
            use = Use("journey", row.id, row.name, "journeys.builder", {"journey_id": row.id}, running, where)
            found.setdefault(one, []).append(use)
    return found


def as_graph(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return settings of a journey as those of a step, for what reads graphs."""
    return {"steps": [{"type": "", "config": dict(settings or {})}]}
