"""The capture lock of a tenant: who makes, joins or divides people, or decides about them, waits for whoever does so.

It is taken before any row is locked, so that those who take it can't wait for each other in a circle.
"""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

# Any constant: the first of the two keys of the advisory locks by which one worker at a time has a tenant's events.
LOCK_SPACE = 0x4641_4952
# The first key of the lock of whoever lets people become known while others share the first lock.
GROWTH_SPACE = 0x4641_4953
_LOCK = text("SELECT pg_advisory_xact_lock(:space, hashtext(:tenant))")
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:space, hashtext(:tenant))")
_SHARE_LOCK = text("SELECT pg_advisory_xact_lock_shared(:space, hashtext(:tenant))")


def lock_tenant(session: Session, tenant_id: UUID) -> None:
    """Wait until nobody applies events of the tenant: whoever makes or merges customers by their hints must."""
    session.execute(_LOCK, {"space": LOCK_SPACE, "tenant": str(tenant_id)})


def try_to_lock_tenant(session: Session, tenant_id: UUID) -> bool:
    """Take the lock as `lock_tenant` does if it can be had at once; return whether it was."""
    return bool(session.scalar(_TRY_LOCK, {"space": LOCK_SPACE, "tenant": str(tenant_id)}))


def try_to_grow(session: Session, tenant_id: UUID) -> bool:
    """Let this transaction alone make customers, and give them hints, beside those who share the tenant's lock.

    Return whether nobody else does so. The caller must share the tenant's lock too; this never waits.
    """
    return bool(session.scalar(_TRY_LOCK, {"space": GROWTH_SPACE, "tenant": str(tenant_id)}))


def share_tenant(session: Session, tenant_id: UUID) -> None:
    """Wait until nobody makes or merges customers, and let nobody begin to until this transaction ends."""
    session.execute(_SHARE_LOCK, {"space": LOCK_SPACE, "tenant": str(tenant_id)})
