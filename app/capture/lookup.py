"""Who would an event with these hints be of? Answered without making anybody."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.capture import profiles
from app.capture.evidence import Evidence, of_event
from app.capture.profiles import Profile
from app.capture.reasons import AMBIGUOUS, CONFIDENCE
from app.events.places import places
from app.infra.db import transaction

_LAST_SEEN = text("SELECT id, last_activity_at FROM customer WHERE tenant_id = :tenant_id AND id = ANY(:ids)")


@dataclass(frozen=True, slots=True)
class Found:
    """The customer the hints lead to: by which of them, how sure (0 to 100), and why."""

    customer_id: UUID
    matched_by: tuple[str, ...]
    confidence: int
    reason: str


def find(*, tenant_id: UUID, identity: dict[str, Any], club: str | None = None) -> Found | None:
    """Return whom the hints of `identity` (an event's, by name) lead to, or None; `club` reads local numbers.

    An exact id leads before any address; of several people at one address the one seen last.
    """
    with transaction(tenant_id) as session:
        hints = of_event(
            key="",
            events=(),
            customer_id=None,
            identity=identity,
            payload={"club": club} if club else {},
            places=places(session, tenant_id),
            said={},
        )
        known = profiles.load(session, tenant_id, [hints]).values()
        for kind, value in hints.ids:
            owner = next((one for one in known if (kind, value) in one.ids), None)
            if owner:
                matched = (*(k for k, v in hints.ids if (k, v) in owner.ids), *_reached(hints, owner))
                return Found(owner.id, matched, 100, f"{kind} is this customer's")
        reached = [one for one in known if _reached(hints, one)]
        if not reached:
            return None
        rows = session.execute(_LAST_SEEN, {"tenant_id": tenant_id, "ids": [one.id for one in reached]})
        seen = {row.id: row.last_activity_at for row in rows}
    best = max(len(_reached(hints, one)) for one in reached)
    reached = [one for one in reached if len(_reached(hints, one)) == best]
    owner = max(reached, key=lambda one: (seen[one.id] is not None, seen[one.id] or 0, -one.id.int))
    matched = _reached(hints, owner)
    if len(reached) > 1:
        reason = f"{len(reached)} customers are reached at this {' and '.join(matched)}; this one was seen last"
        return Found(owner.id, matched, AMBIGUOUS, reason)
    return Found(owner.id, matched, max(CONFIDENCE[kind] for kind in matched), f"{' and '.join(matched)} known")


def _reached(hints: Evidence, person: Profile) -> tuple[str, ...]:
    return tuple(kind for kind, key in hints.points if (kind, key) in person.points)
