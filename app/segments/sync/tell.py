"""Segments that are pushed somewhere: noting down who enters and leaves, and where they go as a use of the segment."""

from collections.abc import Collection, Sequence
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from app.infra.arrays import array
from app.segments.sync.models import STOPPED
from app.segments.usage import Use

_ANY = text("SELECT EXISTS (SELECT FROM segment_sync WHERE tenant_id = :tenant_id AND status <> 'STOPPED')")
# Each with the moment it is written, not the one its writer began at: who waited for the segment comes after.
_NOTE = """
    INSERT INTO segment_sync_change (tenant_id, segment_id, customer_id, act, at)
    SELECT :tenant_id, moved.segment_id, moved.customer_id, '{act}', clock_timestamp()
    FROM {rows} AS moved
    JOIN segment_sync s ON s.tenant_id = :tenant_id AND s.segment_id = moved.segment_id AND s.status <> 'STOPPED'
"""
_NOTES = tuple(text(_NOTE.format(act=act, rows=rows)) for act, rows in (("entered", "entered"), ("left", "gone")))


def note_changes(session: Session, tenant_id: UUID, now: datetime) -> Sequence[TextClause]:  # noqa: ARG001 - a Teller
    """Return what is written beside members who enter and leave (see `app.segments.membership.Teller`).

    The tick finds what was noted, so nobody is woken.
    """
    return _NOTES if session.scalar(_ANY, {"tenant_id": tenant_id}) else ()


_USED = text("""
    SELECT segment_id, url, status FROM segment_sync
    WHERE tenant_id = :tenant_id AND segment_id = ANY(CAST(:ids AS uuid[])) ORDER BY segment_id
""")


def using(session: Session, tenant_id: UUID, segment_ids: Collection[UUID]) -> dict[UUID, list[Use]]:
    """Return which of these segments are pushed somewhere; one that was given up is not running."""
    return {
        row.segment_id: [
            Use(
                "sync to",
                row.segment_id,
                urlsplit(row.url).hostname or row.url,
                "segment_sync.show",
                {"segment_id": row.segment_id},
                running=row.status != STOPPED,
            )
        ]
        for row in session.execute(_USED, {"tenant_id": tenant_id, "ids": array(segment_ids)})
    }
