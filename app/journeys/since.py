"""What happened since people came to the step they stand at: what counts as that, and the log of events asked for it.

It counts what happened after they came, and what came in after they came though it is up to LATE older: an event may be
told of late. Where an event brought them to the step, with nothing on the way that took time, they came when that one
came in: what was told of with it or after it counts, however long the engine took. In a rehearsal, to which the past is
told in its order, only what happened counts.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.events import catalogue
from app.infra.arrays import array
from app.infra.ids import as_id, first_id_at
from app.journeys.payloads import payload_fits, said, says_same
from app.journeys.step_type import StepBatch, Walker

LATE = timedelta(days=365)

_CAME = text("""
    SELECT w.id, s.entered_at, CASE WHEN before.step_number IS NULL THEN CAST(e.trigger_event_id AS text)
        ELSE before.result ->> 'event_id' END AS brought_by
    FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS int[])) AS w(id, number)
    JOIN journey_enrollment e ON e.tenant_id = :tenant_id AND e.id = w.id
    JOIN journey_enrollment_step s
        ON s.tenant_id = :tenant_id AND s.enrollment_id = w.id AND s.step_number = w.number
    LEFT JOIN LATERAL (
        SELECT p.step_number, p.result FROM journey_enrollment_step p
        WHERE p.tenant_id = :tenant_id AND p.enrollment_id = w.id AND p.step_number < w.number
            AND p.completed_at > p.entered_at
        ORDER BY p.step_number DESC LIMIT 1) AS before ON true
""")
# Which events count is found in `ix_activity_story` alone, however much somebody did in the year that is looked back
# on: rows are read of those only. Of events that have to say the same, only those are looked at of which a field does.
_SINCE = text("""
    SELECT w.id, a.id AS event_id, a.payload
    FROM unnest(CAST(:ids AS uuid[]), CAST(:customers AS uuid[]), CAST(:ats AS timestamptz[]),
                CAST(:firsts AS uuid[]), CAST(:brought AS uuid[]), CAST(:said AS text[]))
        AS w(id, customer_id, at, first, brought_by, said)
    CROSS JOIN LATERAL (
        SELECT one.id, one.payload
        FROM (
            SELECT id, occurred_at FROM activity
            WHERE tenant_id = :tenant_id AND customer_id = w.customer_id AND type = :type
                AND occurred_at >= w.at - CAST(:late AS interval) AND occurred_at <= :now
                AND (occurred_at >= w.at OR id > w.first) AND id IS DISTINCT FROM w.brought_by
            ORDER BY occurred_at OFFSET 0
        ) AS counts
        JOIN activity one ON one.tenant_id = :tenant_id AND one.id = counts.id
        WHERE w.said IS NULL OR EXISTS (
            SELECT FROM jsonb_each(one.payload) AS field(name, value)
            WHERE CASE jsonb_typeof(value)
                WHEN 'string' THEN value #>> '{}' = w.said
                WHEN 'number' THEN value #>> '{}' = w.said OR CAST(value AS text) !~ '^-?[0-9]+$'
                ELSE true END)
        ORDER BY counts.occurred_at LIMIT 50
    ) AS a
""")


@dataclass(frozen=True, slots=True)
class Came:
    """When somebody came to their step: ids of what came in since are above `first`."""

    at: datetime
    first: UUID
    brought_by: UUID | None

    def counts(self, event_id: UUID, occurred_at: datetime, *, rehearsed: bool) -> bool:
        """Return whether an event counts as one that happened since."""
        if occurred_at >= self.at or event_id == self.brought_by:
            return event_id != self.brought_by
        return not rehearsed and event_id > self.first and occurred_at >= self.at - LATE


def came(session: Session, tenant_id: UUID, numbers: Mapping[UUID, int]) -> dict[UUID, Came]:
    """Return when people came to the steps that the log has under these numbers, by enrollment."""
    asked = {"tenant_id": tenant_id, "ids": array(numbers), "numbers": array(numbers.values())}
    found = {}
    for row in session.execute(_CAME, asked):
        brought_by, then = as_id(row.brought_by), first_id_at(row.entered_at)
        found[row.id] = Came(row.entered_at, min(then, brought_by or then), brought_by)
    return found


def happened(
    batch: StepBatch[Any], event_type: str, conditions: object, walkers: Sequence[Walker], same: str | None = None
) -> dict[UUID, str]:
    """Return the first event of a type, whose payload fits, that counts since people came here, by enrollment.

    With `same` it says in that field what the event said that let them in. Those with whom none did are missing.
    """
    if same:
        walkers = [one for one in walkers if said(same, (batch.journey.trigger, one.trigger_data)) is not None]
    if not walkers:
        return {}
    # What the catalogue reads from a payload need not be what stands there.
    literal = same and not any(same in (change.field, *change.names) for change in catalogue.get(event_type).changes)
    since = came(batch.session, batch.tenant_id, {one.enrollment_id: one.step_number for one in walkers})
    walkers = [one for one in walkers if one.enrollment_id in since]
    moments = [since[one.enrollment_id] for one in walkers]
    values = {
        "tenant_id": batch.tenant_id,
        "now": batch.now,
        "type": event_type,
        "late": timedelta() if batch.journey.rehearsed else LATE,
        "ids": array(one.enrollment_id for one in walkers),
        "customers": array(one.customer_id for one in walkers),
        "ats": array(one.at for one in moments),
        "firsts": array(one.first for one in moments),
        "brought": array(one.brought_by for one in moments),
        "said": array(
            said(same, (batch.journey.trigger, one.trigger_data)) if same and literal else None for one in walkers
        ),
    }
    events: dict[UUID, list[Any]] = defaultdict(list)
    for row in batch.session.execute(_SINCE, values):
        events[row.id].append(row)

    began = {walker.enrollment_id: (batch.journey.trigger, walker.trigger_data) for walker in walkers}

    def fits(row: Any) -> bool:
        if same and not says_same(same, (event_type, row.payload), began[row.id]):
            return False
        return payload_fits(event_type, conditions, row.payload, zone=batch.journey.timezone, now=batch.now)

    fitting = {id: next(filter(fits, some), None) for id, some in events.items()}
    return {id: str(one.event_id) for id, one in fitting.items() if one is not None}
