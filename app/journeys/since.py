"""What happened since people came to the step they stand at, by the log of events."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.events import catalogue
from app.infra.arrays import array
from app.journeys.payloads import payload_fits, said, says_same
from app.journeys.step_type import StepBatch, Walker

# Of events that have to say the same, only those are looked at of which any field does: people may have many others.
_ENTERED = text("""
    SELECT w.id, a.id AS event_id, a.payload
    FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS int[]), CAST(:customers AS uuid[]), CAST(:said AS text[]))
        AS w(id, number, customer_id, said)
    JOIN journey_enrollment_step s
        ON s.tenant_id = :tenant_id AND s.enrollment_id = w.id AND s.step_number = w.number
    CROSS JOIN LATERAL (
        SELECT id, payload FROM activity
        WHERE tenant_id = :tenant_id AND customer_id = w.customer_id AND type = :type AND occurred_at >= s.entered_at
            AND occurred_at <= :now
            AND (w.said IS NULL OR EXISTS (
                SELECT FROM jsonb_each(payload) AS field(name, value)
                WHERE CASE jsonb_typeof(value)
                    WHEN 'string' THEN value #>> '{}' = w.said
                    WHEN 'number' THEN value #>> '{}' = w.said OR CAST(value AS text) !~ '^-?[0-9]+$'
                    ELSE true END))
        ORDER BY occurred_at LIMIT 50
    ) AS a
""")


def happened(
    batch: StepBatch[Any], event_type: str, conditions: object, walkers: Sequence[Walker], same: str | None = None
) -> dict[UUID, str]:
    """Return the first event of a type, whose payload fits, since each of the people came here, by enrollment.

    With `same` it says in that field what the event said that let them in. Those with whom none did are missing.
    """
    if same:
        walkers = [one for one in walkers if said(same, (batch.journey.trigger, one.trigger_data)) is not None]
    if not walkers:
        return {}
    # What the catalogue reads from a payload need not be what stands there.
    literal = same and not any(same in (change.field, *change.names) for change in catalogue.get(event_type).changes)
    values = {
        "tenant_id": batch.tenant_id,
        "now": batch.now,
        "type": event_type,
        "ids": array(one.enrollment_id for one in walkers),
        "numbers": array(one.step_number for one in walkers),
        "customers": array(one.customer_id for one in walkers),
        "said": array(
            said(same, (batch.journey.trigger, one.trigger_data)) if same and literal else None for one in walkers
        ),
    }
    events: dict[UUID, list[Any]] = defaultdict(list)
    for row in batch.session.execute(_ENTERED, values):
        events[row.id].append(row)

    began = {walker.enrollment_id: (batch.journey.trigger, walker.trigger_data) for walker in walkers}

    def fits(row: Any) -> bool:
        if same and not says_same(same, (event_type, row.payload), began[row.id]):
            return False
        return payload_fits(event_type, conditions, row.payload, zone=batch.journey.timezone, now=batch.now)

    fitting = {id: next(filter(fits, some), None) for id, some in events.items()}
    return {id: str(one.event_id) for id, one in fitting.items() if one is not None}
