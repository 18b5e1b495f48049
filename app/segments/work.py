"""What a worker does for the segments of a tenant, a step at a time."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.segments import later, refresh, upkeep
from app.segments.membership import Teller


def run_step(*, tenant_id: UUID, now: datetime | None = None, tellers: Sequence[Teller] = ()) -> int:
    """Let segments look at a batch of people, or, when nobody waits, refresh one that is due; return how much it was.

    0 says that nothing is left to do, or that others do it.
    """
    return (
        upkeep.run_batch(tenant_id=tenant_id, now=now, tellers=tellers)
        or later.run_batch(tenant_id=tenant_id, now=now)
        or refresh.run_next(tenant_id=tenant_id, now=now, tellers=tellers)
    )
