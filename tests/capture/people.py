"""Short ways to post events and to look at the people they come to."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.capture import service
from app.events import log
from app.infra.db import transaction

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
STAFF = "user:00000000-0000-7000-8000-000000000001"
START = datetime(2026, 10, 1, tzinfo=UTC)


def event(
    number: int, type_: str = "pos.purchase", payload: dict[str, Any] | None = None, **hints: Any
) -> dict[str, Any]:
    """Return event `number`, which happened that many minutes after START."""
    return {
        "id": f"e{number}",
        "type": type_,
        "source": "test",
        "timestamp": (START + timedelta(minutes=number)).isoformat(),
        "identity": hints,
        "payload": payload or {},
    }


def member(number: int, first_name: str, scl: str, **more: Any) -> dict[str, Any]:
    """Return an event that names a member."""
    known = {"first_name", "last_name", "date_of_birth", "membership_tier", "club", "joined_on"}
    payload = {"first_name": first_name, "last_name": "Botha"} | {k: v for k, v in more.items() if k in known}
    hints = {k: v for k, v in more.items() if k not in known}
    return event(number, "scl.member.created", payload, scl_member_id=scl, **hints)


def post(tenant: Any, *events: dict[str, Any], own: bool = False, handlers: Sequence[Any] = ()) -> None:
    """Take the events in and apply them all."""
    results = log.append(tenant_id=tenant.id, events=events, own=own, now=NOW)
    assert all(one.status is not log.Status.REJECTED for one in results), results
    while service.process_batch(tenant_id=tenant.id, now=NOW, handlers=handlers):
        pass


def query(of: Any, statement: str, **values: Any) -> list[Any]:
    """Return the rows of a query within the tenant."""
    with transaction(of.id) as session:
        return list(session.execute(text(statement), values).all())


def people(tenant: Any) -> set[frozenset[str]]:
    """Return the events of each customer that some are of."""
    rows = query(
        tenant,
        "SELECT array_agg(event_id) AS ids FROM inbound_event WHERE customer_id IS NOT NULL GROUP BY customer_id",
    )
    return {frozenset(row.ids) for row in rows}


def groups(*found: Iterable[int]) -> set[frozenset[str]]:
    """Return what `people` returns, written with the numbers of events."""
    return {frozenset(f"e{number}" for number in one) for one in found}


def owner(tenant: Any, number: int) -> UUID:
    """Return whose event `number` is."""
    (row,) = query(tenant, "SELECT customer_id FROM inbound_event WHERE event_id = :id", id=f"e{number}")
    return UUID(str(row.customer_id))


def profiles(tenant: Any) -> list[str]:
    """Return everything that is known of each customer but their ids, in a stable order."""
    rows = query(
        tenant,
        """
        SELECT first_name, last_name, date_of_birth, email, phone, membership_tier, membership_status, handicap_index,
            joined_on, lifecycle_stage, email_opt_in, email_opt_in_at, sms_opt_in, whatsapp_opt_in, last_activity_at,
            last_activity_type, search_extra, (SELECT name FROM club WHERE club.id = club_id),
            (SELECT array_agg(key ORDER BY key) FROM contact_point p WHERE p.customer_id = c.id),
            (SELECT array_agg(kind || value ORDER BY kind, value) FROM external_id e WHERE e.customer_id = c.id),
            (SELECT array_agg(title || occurred_at ORDER BY occurred_at, title) FROM activity a
             WHERE a.customer_id = c.id),
            (SELECT array_agg(channel || opted_in || changed_at ORDER BY changed_at, channel) FROM consent_change x
             WHERE x.customer_id = c.id)
        FROM customer c WHERE status = 'ACTIVE'
        """,
    )
    return sorted(repr(tuple(row)) for row in rows)
