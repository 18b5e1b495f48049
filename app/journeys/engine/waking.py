"""Waking people who wait for something before their time is over: for an event, or for any news of them.

`waits_for` on the enrollment is what somebody waits for; an index of those alone finds them, so that nobody else costs
anything. Who is woken is due at once and carries in `woken_by` what woke them to the next run of their step.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.capture.batch import AppliedEvent, Batch
from app.infra.arrays import array
from app.infra.queue import Work, wake
from app.journeys.engine.plan import edition, plans_of
from app.journeys.payloads import says_same
from app.journeys.since import came
from app.journeys.step_type import ANYTHING

_WAITING = text("""
    SELECT e.id, e.journey_id, e.customer_id, e.current_step_key, e.current_step_number, e.waits_for,
        j.published_version, j.published_revision, j.timezone, j.trigger_type, e.trigger_data
    FROM journey_enrollment e JOIN journey j ON j.tenant_id = e.tenant_id AND j.id = e.journey_id
    WHERE e.tenant_id = :tenant_id AND e.customer_id = ANY(CAST(:customers AS uuid[]))
      AND e.status = 'ACTIVE' AND e.waits_for IS NOT NULL AND e.woken_by IS NULL
      AND (e.waits_for = ANY(:types) OR e.waits_for = :anything)
      AND (CAST(:only AS uuid) IS NULL OR e.journey_id = :only)
""")

# Whoever went on meanwhile, or was woken already, is left alone. All who lock many take them in the order of their ids.
_WAKE = text("""
    WITH waking AS MATERIALIZED (
        SELECT e.id, woken.by
        FROM unnest(CAST(:ids AS uuid[]), CAST(:fors AS text[]), CAST(:bys AS text[])) AS woken(id, waits_for, by)
        JOIN journey_enrollment e ON e.tenant_id = :tenant_id AND e.id = woken.id
        WHERE e.status = 'ACTIVE' AND e.waits_for = woken.waits_for AND e.woken_by IS NULL
        ORDER BY e.id FOR NO KEY UPDATE OF e
    )
    UPDATE journey_enrollment e SET due_at = :now, woken_by = CAST(waking.by AS jsonb)
    FROM waking WHERE e.tenant_id = :tenant_id AND e.id = waking.id
    RETURNING e.id
""")


def wake_by_events(session: Session, batch: Batch, only: UUID | None = None) -> int:
    """Wake the people (in the journey `only`) who wait for what the events of a batch say, and return how many."""
    if not batch.events:
        return 0
    of_customer: dict[UUID, list[AppliedEvent]] = defaultdict(list)
    for event in batch.events:
        of_customer[event.customer_id].append(event)
    values = {
        "tenant_id": batch.tenant_id,
        "customers": array(of_customer),
        "types": sorted({event.type for event in batch.events}),
        "anything": ANYTHING,
        "only": only,
    }
    waiting = session.execute(_WAITING, values).all()
    plans = plans_of(session, batch.tenant_id, {row.journey_id: edition(row) for row in waiting})
    for_one = {row.id: row.current_step_number for row in waiting if row.waits_for != ANYTHING}
    since = came(session, batch.tenant_id, for_one) if for_one else {}
    woken: dict[tuple[UUID, str], Mapping[str, Any]] = {}
    for row in waiting:
        step, at = plans[row.journey_id].get(row.current_step_key), since.get(row.id)
        counting = (
            one
            for one in of_customer[row.customer_id]
            if at is None or at.counts(one.id, one.occurred_at, rehearsed=only is not None)
        )
        event_found = next((one for one in counting if _wakes(row, step, one, batch.now)), None)
        if event_found is not None:
            woken[row.id, row.waits_for] = {"event_id": str(event_found.id), "type": event_found.type}
    return wake_people(session, batch.tenant_id, woken, batch.now)


def _wakes(row: Row[Any], step: Any, event: AppliedEvent, now: datetime) -> bool:
    if row.waits_for not in (event.type, ANYTHING):
        return False
    if step is None or step.config is None:
        return True
    same = step.kind.same(step.config)
    if same and not says_same(same, (event.type, event.payload), (row.trigger_type, row.trigger_data)):
        return False
    return bool(step.kind.wakes(step.config, event.type, event.payload, zone=row.timezone, now=now))


def wake_people(
    session: Session, tenant_id: UUID, woken: Mapping[tuple[UUID, str], Mapping[str, Any]], now: datetime
) -> int:
    """Make enrollments due that still wait for what is named, and return how many; `woken`: (id, waits for) by what."""
    if not woken:
        return 0
    at = sorted(woken, key=lambda one: one[0].int)
    values = {
        "tenant_id": tenant_id,
        "now": now,
        "ids": array(one for one, _ in at),
        "fors": array(what for _, what in at),
        "bys": array(orjson.dumps(woken[one]).decode() for one in at),
    }
    found = session.execute(_WAKE, values).all()
    if found:
        wake(Work.ADVANCE_JOURNEYS, tenant_id)
    return len(found)
