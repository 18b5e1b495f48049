"""Who works on the segments of a tenant: one upkeep at a time, and one refresh of each segment."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

# Any constants: the first of the two keys of advisory locks.
_UPKEEP, _REFRESH = 0x4641_5355, 0x4641_5352
_TRY = text("SELECT pg_try_advisory_xact_lock(:space, hashtext(:what))")


def try_upkeep(session: Session, tenant_id: UUID) -> bool:
    """Return whether this transaction may take people who are due; it may until it ends."""
    return bool(session.scalar(_TRY, {"space": _UPKEEP, "what": str(tenant_id)}))


def try_refresh(session: Session, segment_id: UUID) -> bool:
    """Return whether this transaction may tell the whole of a segment; whoever began and died no longer holds it."""
    return bool(session.scalar(_TRY, {"space": _REFRESH, "what": str(segment_id)}))
