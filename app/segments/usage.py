"""Where segments are used, and the guard on what runs: it may not be taken away from under it."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.conditions import InvalidConditions, parse
from app.customers import custom_fields
from app.infra import usage
from app.infra.usage import Use, User
from app.segments.dependencies import referred

__all__ = ["InUse", "Use", "User", "by_segments", "of", "refuse"]

_ASKING = text("""
    SELECT id, name, criteria FROM segment WHERE tenant_id = :tenant_id AND type = 'DYNAMIC' AND archived_at IS NULL
        AND CAST(criteria AS text) LIKE '%"segments"%'
    ORDER BY lower(name), id
""")


class InUse(usage.InUse):
    """What runs uses the segment; `uses` says what."""

    def __init__(self, does: str, uses: Sequence[Use]) -> None:
        super().__init__("segment", does, uses)


def of(*, tenant_id: UUID, segment_ids: Collection[UUID], users: Sequence[User]) -> dict[UUID, list[Use]]:
    """Return what uses each of the segments; those that nothing uses are missing."""
    return usage.of(tenant_id=tenant_id, ids=segment_ids, users=users)


def refuse(
    session: Session, tenant_id: UUID, segment_id: UUID, users: Sequence[User], does: str, *, idle: bool
) -> None:
    """Raise InUse if what runs uses the segment; with `idle` also if what doesn't run (yet) does."""
    uses = [use for user in users for use in user(session, tenant_id, [segment_id]).get(segment_id, ())]
    if standing := [one for one in uses if one.running or idle]:
        raise InUse(does, standing)


def by_segments(session: Session, tenant_id: UUID, segment_ids: Collection[UUID]) -> dict[UUID, list[Use]]:
    """Return which segments ask whether somebody is in these."""
    catalogue = custom_fields.catalogue(tenant_id=tenant_id)
    found: dict[UUID, list[Use]] = {}
    for row in session.execute(_ASKING, {"tenant_id": tenant_id}):
        with suppress(InvalidConditions):
            for one in referred(parse(row.criteria, catalogue, allow_empty=True)) & set(segment_ids):
                use = Use("segment", row.id, row.name, "segments.show", {"segment_id": row.id}, running=True)
                found.setdefault(one, []).append(use)
    return found
