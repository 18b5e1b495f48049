"""Reading segments: the list, one of them, and who is in it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, func, select, tuple_
from sqlalchemy.orm import aliased

from app.customers import queries as customers
from app.customers.models import Customer
from app.customers.search import Range
from app.infra.db import transaction
from app.infra.errors import NotFound
from app.infra.paging import DEFAULT_LIMIT, BadCursor, Page, cut, decode_cursor, id_of, moment_of
from app.segments.models import Segment, SegmentMember, SegmentPastMember, SegmentVersion


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


def names(*, tenant_id: UUID) -> dict[UUID, str]:
    """Return what the segments that are not archived are called, by name."""
    wanted = (
        select(Segment.id, Segment.name)
        .where(Segment.tenant_id == tenant_id, Segment.archived_at.is_(None))
        .order_by(func.lower(Segment.name), Segment.id)
    )
    with transaction(tenant_id) as session:
        return {row.id: row.name for row in session.execute(wanted)}


def _order(sort: str) -> tuple[bool, ColumnElement[Any], Callable[[Any], Any]]:
    """Return whether the last come first, what is ordered by, and how a cursor's value of it is read."""
    key, read = _SORTS.get(sort.removeprefix("-"), _SORTS["name"])
    return sort.startswith("-"), key, read


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadCursor
    return value


_SORTS: dict[str, tuple[ColumnElement[Any], Callable[[Any], Any]]] = {
    "name": (func.lower(Segment.name), str),
    "people": (Segment.member_count.expression, _whole),
    "changed": (Segment.updated_at.expression, moment_of),
}
SORTS = tuple(_SORTS)


def page(
    *,
    tenant_id: UUID,
    q: str | None = None,
    type: str | None = None,
    club_id: UUID | None = None,
    archived: bool = False,
    sort: str = "name",
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Segment]:
    """Return segments, archived ones only if asked for; `q` is looked for in name and description.

    `sort` is one of SORTS, by name where it is none; with a minus before it the last come first.
    """
    down, key, read = _order(sort)
    wanted = select(Segment, key.label("key")).where(Segment.tenant_id == tenant_id)
    wanted = wanted.where(Segment.archived_at.is_not(None) if archived else Segment.archived_at.is_(None))
    if q and q.strip():
        held = Segment.name.icontains(q.strip(), autoescape=True)
        wanted = wanted.where(held | Segment.description.icontains(q.strip(), autoescape=True))
    if type is not None:
        wanted = wanted.where(Segment.type == type)
    if club_id is not None:
        wanted = wanted.where(Segment.club_id == club_id)
    after = tuple_(key, Segment.id)
    if cursor:
        value, last = decode_cursor(cursor, 2)
        place = tuple_(read(value), id_of(last))
        wanted = wanted.where(after < place if down else after > place)
    order = (key.desc(), Segment.id.desc()) if down else (key, Segment.id)
    ordered = wanted.order_by(*order).limit(limit + 1)
    with transaction(tenant_id) as session:
        rows = session.execute(ordered.execution_options(populate_existing=True)).all()
    return cut(rows, limit, lambda row: (row.key, row[0].id), lambda row: row[0])


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a segment, since when."""

    customer: Customer
    entered_at: datetime


def members(
    *,
    tenant_id: UUID,
    segment_id: UUID,
    q: str | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Member]:
    """Return who is in a segment, as lists of customers go: by name, `q` as in `customers.queries.customers`."""
    found = customers.customers(
        tenant_id=tenant_id, q=q, among=[_in(tenant_id, segment_id)], cursor=cursor, limit=limit
    )
    wanted = select(SegmentMember.customer_id, SegmentMember.entered_at).where(
        SegmentMember.tenant_id == tenant_id,
        SegmentMember.segment_id == segment_id,
        SegmentMember.customer_id.in_([one.id for one in found.items]),
    )
    with transaction(tenant_id) as session:
        since = {row[0]: row[1] for row in session.execute(wanted)}
    # Whoever has left between the two statements is left out.
    return Page([Member(one, since[one.id]) for one in found.items if one.id in since], found.next_cursor)


def people(
    *,
    tenant_id: UUID,
    within: Collection[UUID],
    without: Collection[UUID] = (),
    q: str | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Customer]:
    """Return by name who is in all segments of `within` and in none of `without`."""
    return customers.customers(
        tenant_id=tenant_id,
        q=q,
        among=[_in(tenant_id, one) for one in within],
        apart=[_in(tenant_id, one) for one in without],
        cursor=cursor,
        limit=limit,
    )


def inside(*, tenant_id: UUID, segment_id: UUID, customer_ids: Collection[UUID]) -> frozenset[UUID]:
    """Return which of the customers are in a segment."""
    wanted = select(SegmentMember.customer_id).where(
        SegmentMember.tenant_id == tenant_id,
        SegmentMember.segment_id == segment_id,
        SegmentMember.customer_id.in_(customer_ids),
    )
    with transaction(tenant_id) as session:
        return frozenset(session.scalars(wanted))


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether somebody is in a segment: since when, or else when they left it last, if they ever were."""

    segment: Segment
    since: datetime | None
    left_at: datetime | None


def of_customer(
    *, tenant_id: UUID, customer_id: UUID, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[Standing]:
    """Return how somebody stands to each segment in use, those they are in first, by name."""
    member, past = aliased(SegmentMember), aliased(SegmentPastMember)
    theirs = and_(member.tenant_id == tenant_id, member.segment_id == Segment.id, member.customer_id == customer_id)
    left = (
        select(func.max(past.left_at))
        .where(past.tenant_id == tenant_id, past.segment_id == Segment.id, past.customer_id == customer_id)
        .scalar_subquery()
    )
    outside, name = case((member.customer_id.is_(None), 1), else_=0), func.lower(Segment.name)
    wanted = (
        select(Segment, member.entered_at, left, outside.label("outside"), name.label("name"))
        .outerjoin(member, theirs)
        .where(Segment.tenant_id == tenant_id, Segment.archived_at.is_(None))
    )
    if cursor:
        place = decode_cursor(cursor, 3)
        after = tuple_(_whole(place[0]), str(place[1]), id_of(place[2]))
        wanted = wanted.where(tuple_(outside, name, Segment.id) > after)
    ordered = wanted.order_by(outside, name, Segment.id).limit(limit + 1)
    with transaction(tenant_id) as session:
        rows = session.execute(ordered.execution_options(populate_existing=True)).all()
    return cut(rows, limit, lambda row: (row.outside, row.name, row[0].id), lambda row: Standing(*row[:3]))


def versions(
    *, tenant_id: UUID, segment_id: UUID, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[SegmentVersion]:
    """Return the definitions a segment has and had, the latest first."""
    wanted = select(SegmentVersion).where(
        SegmentVersion.tenant_id == tenant_id, SegmentVersion.segment_id == segment_id
    )
    if cursor:
        wanted = wanted.where(SegmentVersion.number < _whole(decode_cursor(cursor, 1)[0]))
    with transaction(tenant_id) as session:
        rows = session.scalars(wanted.order_by(SegmentVersion.number.desc()).limit(limit + 1)).all()
    return cut(rows, limit, lambda row: (row.number,), lambda row: row)


def _in(tenant_id: UUID, segment_id: UUID) -> Range:
    one = aliased(SegmentMember)
    held = select(one.customer_id).where(one.tenant_id == tenant_id, one.segment_id == segment_id)
    return Range(held, one.customer_id)
