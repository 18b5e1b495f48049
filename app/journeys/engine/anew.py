"""Telling those who walk for a booking, a quote and the like that it was told of anew, with another date maybe.

Where each walk is for another value of a field (`reentry.EACH`), a later event of the trigger that says the same value
lets nobody in twice: who walks for it still goes by what it says from then on. Letters say it, and who waits for a date
of the event is looked at again.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.events.facts import facts
from app.infra.arrays import array
from app.infra.queue import Work, wake
from app.journeys.reentry import EACH, entry_key
from app.journeys.step_type import ANEW

if TYPE_CHECKING:
    from app.journeys.engine.enrol import Candidate

_EACH = text("""
    SELECT id, reentry_key FROM journey
    WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[])) AND reentry = :each
""")
# Of several events the one that happened last counts, and of those of one moment the last of the batch: one that is
# told of late changes nothing. Whom something else has woken is due anyway, and so is whose time is over, unless the
# journey is paused.
_TELL = text("""
    WITH told AS (
        SELECT DISTINCT ON (journey_id, customer_id, entry) *
        FROM unnest(CAST(:journeys AS uuid[]), CAST(:customers AS uuid[]), CAST(:entries AS text[]),
                    CAST(:types AS text[]), CAST(:moments AS timestamptz[]), CAST(:payloads AS text[]))
            WITH ORDINALITY AS one(journey_id, customer_id, entry, type, occurred_at, payload, place)
        ORDER BY journey_id, customer_id, entry, occurred_at DESC, place DESC
    ), walk AS (
        SELECT e.id, CAST(told.payload AS jsonb) AS payload,
            (e.waiting_until > :now OR j.status = 'PAUSED' AND e.waiting_until IS NOT NULL) AS waits
        FROM told JOIN journey_enrollment e ON e.tenant_id = :tenant_id AND e.journey_id = told.journey_id
            AND e.customer_id = told.customer_id AND e.entry = told.entry
        JOIN journey j ON j.tenant_id = e.tenant_id AND j.id = e.journey_id
        WHERE e.status = 'ACTIVE' AND e.trigger_data IS DISTINCT FROM CAST(told.payload AS jsonb)
            AND NOT EXISTS (
                SELECT FROM activity a
                WHERE a.tenant_id = e.tenant_id AND a.customer_id = e.customer_id AND a.type = told.type
                    AND a.occurred_at > told.occurred_at AND a.occurred_at <= :now AND a.payload = e.trigger_data)
        ORDER BY e.id FOR NO KEY UPDATE OF e
    )
    UPDATE journey_enrollment e
    SET trigger_data = walk.payload,
        due_at = CASE WHEN walk.waits AND e.woken_by IS NULL THEN :now ELSE e.due_at END,
        woken_by = CASE WHEN walk.waits AND e.woken_by IS NULL
            THEN jsonb_build_object(CAST(:key AS text), true) ELSE e.woken_by END
    FROM walk WHERE e.tenant_id = :tenant_id AND e.id = walk.id AND e.status = 'ACTIVE'
    RETURNING e.id
""")


def tell(session: Session, tenant_id: UUID, candidates: "Sequence[Candidate]", now: datetime) -> None:
    """Let those who walk for the same as a candidate's event go by what that says."""
    asked = {"tenant_id": tenant_id, "ids": array({one.journey_id for one in candidates}), "each": EACH}
    keys = {row.id: row.reentry_key for row in session.execute(_EACH, asked)}
    found = []
    for one in candidates:
        if one.journey_id in keys:
            entry = entry_key(EACH, keys[one.journey_id], "", facts(one.type, one.payload))
            found += [(one, entry)] if entry else []
    if not found:
        return
    told = session.execute(
        _TELL,
        {
            "tenant_id": tenant_id,
            "now": now,
            "key": ANEW,
            "journeys": array(one.journey_id for one, _ in found),
            "customers": array(one.customer_id for one, _ in found),
            "entries": array(entry for _, entry in found),
            "types": array(one.type for one, _ in found),
            "moments": array(one.occurred_at for one, _ in found),
            "payloads": array(orjson.dumps(one.payload, default=str).decode() for one, _ in found),
        },
    ).all()
    if told:
        wake(Work.ADVANCE_JOURNEYS, tenant_id)
