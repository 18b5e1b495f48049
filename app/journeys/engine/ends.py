"""Telling of people who came to the end of a journey, or left it before, where another journey waits for that."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.events.types.journeys import COMPLETED, ENDS, LEFT
from app.events.validation import OWN_SOURCE
from app.infra.arrays import array
from app.infra.queue import Work, wake

_LISTENING = text("""
    SELECT EXISTS (SELECT FROM journey WHERE tenant_id = :tenant_id AND status = 'ACTIVE' AND trigger_type = ANY(:ends))
""")
# An enrollment ends once, so its id makes that of the event. Whoever was merged away has no events.
_EVENTS = text("""
    INSERT INTO inbound_event (tenant_id, source, event_id, type, occurred_at, received_at, identity, payload)
    SELECT :tenant_id, :source, concat_ws(':', e.id, told.type), told.type, :now, :now,
        jsonb_build_object('customer_id', e.customer_id),
        jsonb_build_object('journey_id', j.id, 'journey', j.name, 'reason', e.exit_reason)
    FROM journey_enrollment e
    JOIN journey j ON j.tenant_id = e.tenant_id AND j.id = e.journey_id
    JOIN customer c ON c.tenant_id = e.tenant_id AND c.id = e.customer_id AND c.status = 'ACTIVE'
    CROSS JOIN LATERAL (SELECT CASE e.status WHEN 'COMPLETED' THEN :completed ELSE :left END AS type) AS told
    WHERE e.tenant_id = :tenant_id AND e.id = ANY(CAST(:ids AS uuid[])) AND EXISTS (
        SELECT FROM journey l WHERE l.tenant_id = :tenant_id AND l.status = 'ACTIVE' AND l.trigger_type = told.type
            AND l.trigger_config ->> 'journey_id' = CAST(e.journey_id AS text))
    ON CONFLICT (tenant_id, source, event_id) DO NOTHING
""")


def tell(session: Session, tenant_id: UUID, enrollment_ids: Collection[UUID], now: datetime) -> None:
    """Write an event for each of these enrollments, which have just ended, whose end another journey waits for."""
    if not enrollment_ids or not session.scalar(_LISTENING, {"tenant_id": tenant_id, "ends": list(ENDS)}):
        return
    values = {"source": OWN_SOURCE, "completed": COMPLETED, "left": LEFT, "ids": array(enrollment_ids)}
    session.execute(_EVENTS, {"tenant_id": tenant_id, "now": now, **values})
    wake(Work.PROCESS_EVENTS, tenant_id)
