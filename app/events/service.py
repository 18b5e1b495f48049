"""Acts on events that came in before."""

from uuid import UUID

from sqlalchemy import text

from app.events.queries import NoSuchEvent
from app.infra.db import transaction
from app.infra.errors import Conflict
from app.infra.queue import Work, wake

_RETRY = text("""
    UPDATE inbound_event SET status = 'received', reason = NULL, processed_at = NULL
    WHERE tenant_id = :tenant_id AND status = 'failed' AND (CAST(:id AS uuid) IS NULL OR id = :id)
""")
_EXISTS = text("SELECT 1 FROM inbound_event WHERE tenant_id = :tenant_id AND id = :id")


class NotFailed(Conflict):
    """Only a failed event can be tried again."""

    def __init__(self) -> None:
        super().__init__("This event has not failed (any more), so there is nothing to try again.")


def retry(*, tenant_id: UUID, event_id: UUID) -> None:
    """Let a failed event be applied again; raise NoSuchEvent, or NotFailed."""
    with transaction(tenant_id) as session:
        done = session.execute(_RETRY, {"tenant_id": tenant_id, "id": event_id})
        if done.rowcount:  # type: ignore[attr-defined]
            wake(Work.PROCESS_EVENTS, tenant_id)
            return
        if session.scalar(_EXISTS, {"tenant_id": tenant_id, "id": event_id}) is None:
            raise NoSuchEvent
    raise NotFailed


def retry_all(*, tenant_id: UUID) -> int:
    """Let every failed event of the tenant be applied again; return how many there were."""
    with transaction(tenant_id) as session:
        done = session.execute(_RETRY, {"tenant_id": tenant_id, "id": None})
        count = int(done.rowcount)  # type: ignore[attr-defined]
        if count:
            wake(Work.PROCESS_EVENTS, tenant_id)
        return count
