"""What became of a journey's messages, for its canvas and its report.

They are counted anew every half minute at most, however many look, and of so many messages that counting takes long
more seldom: it takes a fiftieth of the time there is (`SHARE`), whatever a journey has sent.
"""

import json
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from app.infra import clock
from app.infra.db import transaction
from app.journeys.models import Journey
from app.messaging import queries as messages

EVERY = timedelta(seconds=30)
"""For how long what was counted is told at least. A million messages take too long to be counted at each look."""
SHARE = 50
"""What was counted is told for so many times as long as counting took."""
_LOCK = 0x6C657474  # any constant: the first of the two keys of an advisory lock
_TRY = text("SELECT pg_try_advisory_xact_lock(:space, hashtext(:journey))")
_WAIT = text("SELECT pg_advisory_xact_lock(:space, hashtext(:journey))")
_KEPT = text("""
    SELECT numbers, counted_at, took_ms FROM journey_letters WHERE tenant_id = :tenant_id AND journey_id = :journey_id
""")
_KEEP = text("""
    INSERT INTO journey_letters (tenant_id, journey_id, numbers, counted_at, took_ms)
    VALUES (:tenant_id, :journey_id, CAST(:numbers AS jsonb), :now, :took)
    ON CONFLICT (tenant_id, journey_id)
    DO UPDATE SET numbers = excluded.numbers, counted_at = excluded.counted_at, took_ms = excluded.took_ms
""")


def lately(journey: Journey, *, wait: bool = False, now: datetime | None = None) -> Mapping[str, Mapping[str, int]]:
    """Return, by step, how many messages are in each status (Status) and with how many each Kind of thing was done.

    It is at most EVERY old, or SHARE times as old as counting takes. Who asks while somebody counts gets what was
    counted before; where nothing was, nothing, unless they `wait`.
    """
    if journey.published_version is None:
        return {}
    moment = now or clock.now()
    on = {"tenant_id": journey.tenant_id, "journey_id": journey.id}
    lock = {"space": _LOCK, "journey": str(journey.id)}
    with transaction(journey.tenant_id) as session:
        kept = session.execute(_KEPT, on).first()
        if wait and kept is None:
            session.execute(_WAIT, lock)
            kept = session.execute(_KEPT, on).first()
        if kept is not None and moment - _good_for(kept.took_ms) < kept.counted_at <= moment:
            return _read(kept)
        if not session.scalar(_TRY, lock):
            return _read(kept)
        began = time.monotonic()
        numbers = _counted(journey)
        took = time.monotonic() - began
        session.execute(_KEEP, {**on, "numbers": json.dumps(numbers), "now": moment, "took": round(1000 * took)})
    return numbers


def _good_for(took_ms: int) -> timedelta:
    return max(EVERY, SHARE * timedelta(milliseconds=took_ms))


def _read(kept: Any) -> Mapping[str, Mapping[str, int]]:
    return kept.numbers if kept is not None else {}


def _counted(journey: Journey) -> dict[str, dict[str, int]]:
    on = {"tenant_id": journey.tenant_id, "journey_id": journey.id}
    did = messages.step_responses(**on)
    found = messages.step_fates(**on)
    for key, fates in found.items():
        fates |= did.get(key, {})
    return found
