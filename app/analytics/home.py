"""What the signed-in person needs first: what runs, what went out today, what wants attention, what just happened."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.orm import aliased

from app.customers.models import Activity, Customer
from app.customers.queries import DISPLAY_NAME
from app.events.validation import IMPORT_SOURCE
from app.infra import clock
from app.infra.db import transaction
from app.infra.ids import first_id_at
from app.messaging.queries import SETTLED_WITHIN


@dataclass(frozen=True, slots=True)
class RunningJourney:
    """A journey that runs: how many people walk in it, finished it and failed in it."""

    id: UUID
    name: str
    trigger_type: str
    active: int
    completed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Today:
    """Messages settled since midnight of the tenant, and those held or queued now."""

    sent: int
    skipped: int
    failed: int
    unknown: int
    held: int
    queued: int


@dataclass(frozen=True, slots=True)
class Happening:
    """One activity with whom it is about."""

    customer_id: UUID
    customer_name: str
    type: str
    category: str
    title: str
    occurred_at: datetime


# So many of the newest activities are looked at for some that no file told of.
_LOOKED_AT = 5000
_RUNNING = text("""
    SELECT j.id, j.name, j.trigger_type, j.total_completed AS completed, j.total_failed AS failed,
           coalesce((SELECT sum(c.active) FROM journey_step_count c
                     WHERE c.tenant_id = j.tenant_id AND c.journey_id = j.id), 0) AS active
    FROM journey j WHERE j.tenant_id = :tenant_id AND j.status = 'ACTIVE'
    ORDER BY j.activated_at DESC NULLS LAST LIMIT 8
""")
_TODAY = text("""
    SELECT count(*) FILTER (WHERE status = 'sent' AND sent_at >= :midnight) AS sent,
           count(*) FILTER (WHERE status = 'skipped' AND due_at >= :midnight) AS skipped,
           count(*) FILTER (WHERE status = 'failed' AND due_at >= :midnight) AS failed,
           count(*) FILTER (WHERE status = 'unknown' AND sending_at >= :midnight) AS unknown,
           count(*) FILTER (WHERE status = 'held') AS held,
           count(*) FILTER (WHERE status = 'queued') AS queued
    FROM message WHERE tenant_id = :tenant_id AND id >= :since
""")


def running_journeys(*, tenant_id: UUID) -> list[RunningJourney]:
    """Return the journeys that run, the newest first; at most eight."""
    with transaction(tenant_id) as session:
        rows = session.execute(_RUNNING, {"tenant_id": tenant_id})
        return [RunningJourney(**row._mapping) for row in rows]


def today(*, tenant_id: UUID, zone: ZoneInfo, now: datetime) -> Today:
    """Return the day's messages by what became of them; the day begins at midnight in `zone`."""
    midnight = clock.midnight(now, zone)
    values = {"tenant_id": tenant_id, "midnight": midnight, "since": first_id_at(midnight - SETTLED_WITHIN)}
    with transaction(tenant_id) as session:
        return Today(**session.execute(_TODAY, values).one()._mapping)


def latest(*, tenant_id: UUID, limit: int = 20) -> list[Happening]:
    """Return the activities recorded last; private notes are not among them.

    Nor are those that a file told of, as long as anything else is among the newest: an import would hide the day.
    """
    a = aliased(
        Activity,
        select(Activity)
        .where(Activity.tenant_id == tenant_id, Activity.private_to.is_(None))
        .order_by(Activity.id.desc())
        .limit(_LOOKED_AT)
        .subquery(),
    )
    newest = (
        select(a.customer_id, DISPLAY_NAME.label("customer_name"), a.type, a.category, a.title, a.occurred_at)
        .join(Customer, (Customer.tenant_id == a.tenant_id) & (Customer.id == a.customer_id))
        .order_by(a.id.desc())
        .limit(limit)
    )
    with transaction(tenant_id) as session:
        rows = session.execute(newest.where(a.source != IMPORT_SOURCE)).all() or session.execute(newest).all()
        return [Happening(**row._mapping) for row in rows]
