"""Who works on the segments of a tenant: one upkeep at a time, one refresh of each segment, one change of it."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.infra.errors import IsArchived
from app.segments.models import Segment
from app.segments.queries import NoSuchSegment

# Any constants: the first of the two keys of advisory locks.
_UPKEEP, _REFRESH, _ASKING, _READY_MADE = 0x4641_5355, 0x4641_5352, 0x4641_5351, 0x4641_534D
_LOCK = text("SELECT pg_advisory_xact_lock(:space, hashtext(:what))")
_TRY = text("SELECT pg_try_advisory_xact_lock(:space, hashtext(:what))")


def locked(
    session: Session, tenant_id: UUID, segment_id: UUID, *, in_use: bool = False, beside: Collection[UUID] = ()
) -> Segment:
    """Return a segment, nobody else's to change until the transaction ends; raise NoSuchSegment.

    One that has to be `in_use` raises IsArchived where it is not. With it are locked those `beside` it, which it is to
    ask about: all in the order in which upkeep locks them.
    """
    segment = hold(session, tenant_id, {segment_id, *beside}).get(segment_id)
    if segment is None:
        raise NoSuchSegment
    if in_use and segment.archived_at is not None:
        raise IsArchived("segment")
    return segment


def hold(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> dict[UUID, Segment]:
    """Let nobody change, archive or delete these segments until the transaction ends; return those that are there."""
    wanted = (
        select(Segment)
        .where(Segment.tenant_id == tenant_id, Segment.id.in_(sorted(ids)))
        .order_by(Segment.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return {one.id: one for one in session.scalars(wanted)} if ids else {}


def try_upkeep(session: Session, tenant_id: UUID) -> bool:
    """Return whether this transaction may take people who are due; it may until it ends."""
    return bool(session.scalar(_TRY, {"space": _UPKEEP, "what": str(tenant_id)}))


def try_refresh(session: Session, segment_id: UUID) -> bool:
    """Return whether this transaction may tell the whole of a segment; whoever began and died no longer holds it."""
    return bool(session.scalar(_TRY, {"space": _REFRESH, "what": str(segment_id)}))


def lock_asking(session: Session, tenant_id: UUID) -> None:
    """Wait until nobody else makes a segment of the tenant ask who is in others; nobody does until this ends.

    Comes before any segment is locked.
    """
    session.execute(_LOCK, {"space": _ASKING, "what": str(tenant_id)})


def lock_ready_made(session: Session, tenant_id: UUID) -> None:
    """Wait until nobody else makes a ready-made segment of the tenant; nobody does until this ends."""
    session.execute(_LOCK, {"space": _READY_MADE, "what": str(tenant_id)})
