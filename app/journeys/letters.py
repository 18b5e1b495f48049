"""What became of a journey's messages, for the canvas: counted anew every half minute, however many have it open."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import text

from app.infra import clock
from app.infra.db import transaction
from app.journeys.models import Journey
from app.messaging import queries as messages
from app.messaging.tally import Kind

EVERY = timedelta(seconds=30)
"""For how long what was counted is told. A million messages take too long to be counted at each look."""
_LOCK = 0x6C657474  # any constant: the first of the two keys of an advisory lock
_TRY = text("SELECT pg_try_advisory_xact_lock(:space, hashtext(:journey))")
_KEPT = text("""
    SELECT numbers, counted_at FROM journey_letters WHERE tenant_id = :tenant_id AND journey_id = :journey_id
""")
_KEEP = text("""
    INSERT INTO journey_letters (tenant_id, journey_id, numbers, counted_at)
    VALUES (:tenant_id, :journey_id, CAST(:numbers AS jsonb), :now)
    ON CONFLICT (tenant_id, journey_id) DO UPDATE SET numbers = excluded.numbers, counted_at = excluded.counted_at
""")


def lately(journey: Journey, *, now: datetime | None = None) -> Mapping[str, Mapping[str, int]]:
    """Return, by step, how many messages are in each status (Status) and how many people opened and clicked in (Kind).

    It is at most EVERY old. Who asks while somebody counts gets what was counted before, nothing at first.
    """
    if journey.published_version is None:
        return {}
    moment = now or clock.now()
    on = {"tenant_id": journey.tenant_id, "journey_id": journey.id}
    with transaction(journey.tenant_id) as session:
        kept = session.execute(_KEPT, on).first()
        fresh = kept is not None and moment - EVERY < kept.counted_at <= moment
        if fresh or not session.scalar(_TRY, {"space": _LOCK, "journey": str(journey.id)}):
            return kept.numbers if kept else {}
        numbers = _counted(journey)
        session.execute(_KEEP, {**on, "numbers": json.dumps(numbers), "now": moment})
    return numbers


def _counted(journey: Journey) -> dict[str, dict[str, int]]:
    on = {"tenant_id": journey.tenant_id, "journey_id": journey.id}
    did = messages.step_responses(**on)
    found = messages.step_fates(**on)
    for key, fates in found.items():
        fates |= {kind: did[key][kind] for kind in (Kind.OPENED, Kind.CLICKED) if kind in did.get(key, {})}
    return found
