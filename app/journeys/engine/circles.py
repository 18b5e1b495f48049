"""The floor under journeys that let their own people in again: by the segment they move them in and out of, or by each
other.

Nothing forbids such a journey, and with re-entry and no wait it would go round every few seconds for ever, a letter
each time. Others let whoever builds it set a least time between two entries, or break the circle off and say so. Here
nobody enters more than MOST times within WITHIN by what segments and journeys do with them: more often than people come
and go by what they do themselves, and so few that a circle stops within a minute. What lets people in by what they did,
or by hand, has no such limit.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.events.types.journeys import REFUSED
from app.infra.arrays import array

MOST = 10
WITHIN = timedelta(hours=24)
REASON = f"They entered it {MOST} times within 24 hours by what segments and journeys did, and that is the most."

# Who walks in it now would not be let in anyway.
_OFTEN = text("""
    SELECT c.journey_id, c.customer_id FROM unnest(CAST(:journeys AS uuid[]), CAST(:customers AS uuid[]))
        AS c(journey_id, customer_id)
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE (e.trigger_event_id IS NOT NULL OR e.entry LIKE 'start:%')
                AND e.enrolled_at > :since) AS often,
            count(*) FILTER (WHERE e.status = 'ACTIVE') AS walking
        FROM journey_enrollment e
        WHERE e.tenant_id = :tenant_id AND e.journey_id = c.journey_id AND e.customer_id = c.customer_id
    ) AS walks
    WHERE walks.often >= :most AND walks.walking = 0
""")
_NOTED = text("""
    INSERT INTO activity (tenant_id, customer_id, type, category, title, occurred_at, source, object_type, object_id,
        club_id, payload)
    SELECT :tenant_id, c.id, :type, 'OTHER', left(concat('Was not let into the journey “', j.name, '” again'), 200),
        :now, 'fairway', 'journey', j.id, c.club_id, jsonb_build_object('journey_id', j.id, 'journey', j.name,
            'reason', CAST(:reason AS text), 'event_id', r.event_id)
    FROM unnest(CAST(:journeys AS uuid[]), CAST(:customers AS uuid[]), CAST(:events AS uuid[]))
        AS r(journey_id, customer_id, event_id)
    JOIN journey j ON j.tenant_id = :tenant_id AND j.id = r.journey_id
    JOIN customer c ON c.tenant_id = :tenant_id AND c.id = r.customer_id AND c.status = 'ACTIVE'
""")


def refuse(
    session: Session, tenant_id: UUID, asking: Sequence[tuple[UUID, UUID, UUID | None]], now: datetime
) -> set[tuple[UUID, UUID]]:
    """Return which (journey, customer) of those (journey, customer, event) entered too often, and note it for them.

    The caller holds the locks of the journeys.
    """
    values = {"tenant_id": tenant_id, "most": MOST, "since": now - WITHIN}
    rows = session.execute(
        _OFTEN, {**values, "journeys": array(one[0] for one in asking), "customers": array(one[1] for one in asking)}
    )
    refused = {(row.journey_id, row.customer_id) for row in rows}
    told = [one for one in asking if one[:2] in refused]
    if told:
        noted = {
            "tenant_id": tenant_id,
            "type": REFUSED,
            "now": now,
            "reason": REASON,
            "journeys": array(one[0] for one in told),
            "customers": array(one[1] for one in told),
            "events": array(one[2] for one in told),
        }
        session.execute(_NOTED, noted)
    return refused
