"""Templates as journeys name them: where one is used, and that it stays there while a journey begins to send it."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra.arrays import array
from app.infra.ids import as_id
from app.infra.usage import Use
from app.journeys import uses

_HOLD = text("""
    SELECT id FROM template WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR SHARE
""")


def using(session: Session, tenant_id: UUID, template_ids: Collection[UUID]) -> dict[UUID, list[Use]]:
    """Return which journeys send these templates, in what people follow or in a draft; archived ones don't count."""
    return uses.of(session, tenant_id, template_ids, naming=naming, pattern='"template_id"')


def hold(session: Session, tenant_id: UUID, graph: Mapping[str, Any]) -> None:
    """Let nobody archive a template that a stored graph names until this transaction ends."""
    if ids := naming(graph):
        session.execute(_HOLD, {"tenant_id": tenant_id, "ids": array(sorted(ids))})


def naming(graph: Mapping[str, Any] | None) -> frozenset[UUID]:
    """Return the templates that the steps of a stored graph send."""
    configs = [step.get("config") or {} for step in (graph or {}).get("steps", [])]
    others = [one for config in configs for one in config.get("others") or () if isinstance(one, Mapping)]
    told = [one.get("template_id") for one in (*configs, *others)]
    return frozenset(found for one in told if isinstance(one, str) and (found := as_id(one)))
