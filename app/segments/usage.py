"""Where segments are used, and the guard on what runs: it may not be taken away from under it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.conditions import InvalidConditions, parse
from app.customers import custom_fields
from app.infra.db import transaction
from app.infra.errors import Conflict
from app.segments.dependencies import referred


@dataclass(frozen=True, slots=True)
class Use:
    """Something that names a segment: its kind and name in words, the page it has (`endpoint` and its values).

    `running`: it acts on who is in the segment now, without anybody's doing.
    """

    kind: str
    id: UUID
    name: str
    endpoint: str
    values: Mapping[str, UUID]
    running: bool


User = Callable[[Session, UUID, Collection[UUID]], Mapping[UUID, Sequence[Use]]]
"""Returns, of these segments of a tenant, what of its kind uses which."""

_ASKING = text("""
    SELECT id, name, criteria FROM segment WHERE tenant_id = :tenant_id AND type = 'DYNAMIC' AND archived_at IS NULL
        AND CAST(criteria AS text) LIKE '%"segments"%'
    ORDER BY lower(name), id
""")


class InUse(Conflict):
    """What runs uses the segment; `uses` says what."""

    def __init__(self, does: str, uses: Sequence[Use]) -> None:
        listed = ", ".join(f"{one.kind} “{one.name}”" for one in uses[:5])
        more = f" and {len(uses) - 5} more" if len(uses) > 5 else ""
        super().__init__(f"The segment is used by {listed}{more}, so it can't be {does}. End that use first.")
        self.uses = list(uses)


def of(*, tenant_id: UUID, segment_ids: Collection[UUID], users: Sequence[User]) -> dict[UUID, list[Use]]:
    """Return what uses each of the segments; those that nothing uses are missing."""
    with transaction(tenant_id) as session:
        found: dict[UUID, list[Use]] = {}
        for user in users if segment_ids else ():
            for segment_id, uses in user(session, tenant_id, segment_ids).items():
                found.setdefault(segment_id, []).extend(uses)
        return {segment_id: uses for segment_id, uses in found.items() if uses}


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
