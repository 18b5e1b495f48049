"""Noting down who enters and leaves segments that are pushed somewhere, in the statement that lets them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

_ANY = text("SELECT EXISTS (SELECT FROM segment_sync WHERE tenant_id = :tenant_id AND status <> 'STOPPED')")
_NOTE = """
    INSERT INTO segment_sync_change (tenant_id, segment_id, customer_id, act, at)
    SELECT :tenant_id, moved.segment_id, moved.customer_id, '{act}', :now
    FROM {rows} AS moved
    JOIN segment_sync s ON s.tenant_id = :tenant_id AND s.segment_id = moved.segment_id AND s.status <> 'STOPPED'
"""
_NOTES = tuple(text(_NOTE.format(act=act, rows=rows)) for act, rows in (("entered", "entered"), ("left", "gone")))


def note_changes(session: Session, tenant_id: UUID, now: datetime) -> Sequence[TextClause]:  # noqa: ARG001 - in `_NOTES`
    """Return what is written beside members who enter and leave (see `app.segments.membership.Teller`).

    The tick finds what was noted, so nobody is woken.
    """
    return _NOTES if session.scalar(_ANY, {"tenant_id": tenant_id}) else ()
