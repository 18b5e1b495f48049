"""When a segment is told anew: on the hour, at midnight or on Monday of its zone, so that a day begins with its day.

And where a segment is: in whose zone its days are told, and in whose currency amounts are.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.accounts.models import Club, Tenant
from app.infra.db import transaction
from app.segments.models import DAILY, HOURLY, WEEKLY

_PLACES = text("""
    SELECT CAST(NULL AS uuid) AS club_id, timezone, currency FROM tenant WHERE id = :tenant_id
    UNION ALL SELECT id, timezone, currency FROM club WHERE tenant_id = :tenant_id
""")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a segment is: its club, else the organisation. Days begin in its zone; `currency` is that of amounts."""

    zone: ZoneInfo
    currency: str


def place_of(session: Session, tenant_id: UUID, club_id: UUID | None) -> Place:
    """Return where a segment is."""
    with session.no_autoflush:
        found = (session.get(Club, (tenant_id, club_id)) if club_id else None) or session.get(Tenant, tenant_id)
    return Place(ZoneInfo(found.timezone), found.currency) if found else Place(ZoneInfo("UTC"), "")


def zone_of(session: Session, tenant_id: UUID, club_id: UUID | None) -> ZoneInfo:
    """Return where a segment's days begin and end: its club's zone, else the organisation's."""
    return place_of(session, tenant_id, club_id).zone


def places(session: Session, tenant_id: UUID) -> dict[UUID | None, Place]:
    """Return where each club is, and under None the organisation."""
    rows = session.execute(_PLACES, {"tenant_id": tenant_id})
    return {row.club_id: Place(ZoneInfo(row.timezone), row.currency) for row in rows}


def next_due(frequency: str, zone: ZoneInfo, now: datetime) -> datetime | None:
    """Return when a segment of that frequency is due after `now`, in UTC; None for one that waits to be asked."""
    local = now.astimezone(zone)
    if frequency == HOURLY:
        # In UTC: an hour that daylight saving repeats or leaves out is an hour all the same.
        return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    if frequency == DAILY:
        days = 1
    elif frequency == WEEKLY:
        days = 7 - local.weekday()
    else:
        return None
    return datetime.combine(local.date() + timedelta(days=days), time(), zone).astimezone(UTC)


def today(*, tenant_id: UUID, club_id: UUID | None, now: datetime) -> date:
    """Return the day it is where a segment is."""
    with transaction(tenant_id) as session:
        return now.astimezone(zone_of(session, tenant_id, club_id)).date()
