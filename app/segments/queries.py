"""Reading segments: the list, one of them, who is in it, and which ones somebody is in."""

from uuid import UUID

from sqlalchemy import func, select, tuple_

from app.infra.db import transaction
from app.infra.errors import NotFound
from app.infra.paging import DEFAULT_LIMIT, Page, cut, decode_cursor, id_of
from app.segments.models import Segment


class NoSuchSegment(NotFound):
    """There is no segment with this id."""

    def __init__(self) -> None:
        super().__init__("There is no such segment.")


def one(*, tenant_id: UUID, segment_id: UUID) -> Segment:
    """Return a segment, archived ones too, or raise NoSuchSegment."""
    with transaction(tenant_id) as session:
        found = session.get(Segment, (tenant_id, segment_id), populate_existing=True)
        if found is None:
            raise NoSuchSegment
        return found


def page(
    *,
    tenant_id: UUID,
    q: str | None = None,
    type: str | None = None,
    club_id: UUID | None = None,
    archived: bool = False,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Segment]:
    """Return segments by name, archived ones only if asked for; `q` is looked for in name and description."""
    by_name = func.lower(Segment.name)
    wanted = select(Segment, by_name.label("by_name")).where(Segment.tenant_id == tenant_id)
    wanted = wanted.where(Segment.archived_at.is_not(None) if archived else Segment.archived_at.is_(None))
    if q and q.strip():
        held = Segment.name.icontains(q.strip(), autoescape=True)
        wanted = wanted.where(held | Segment.description.icontains(q.strip(), autoescape=True))
    if type is not None:
        wanted = wanted.where(Segment.type == type)
    if club_id is not None:
        wanted = wanted.where(Segment.club_id == club_id)
    if cursor:
        name, last = decode_cursor(cursor, 2)
        wanted = wanted.where(tuple_(by_name, Segment.id) > tuple_(str(name), id_of(last)))
    ordered = wanted.order_by(by_name, Segment.id).limit(limit + 1)
    with transaction(tenant_id) as session:
        rows = session.execute(ordered.execution_options(populate_existing=True)).all()
    return cut(rows, limit, lambda row: (row.by_name, row[0].id), lambda row: row[0])
