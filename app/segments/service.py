"""Acts on segments."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import audit
from app.conditions import InvalidConditions, Tree, to_json
from app.customers import custom_fields
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Conflict
from app.infra.ids import new_id
from app.infra.queue import Work, wake
from app.segments import definition, dependencies
from app.segments.models import DAILY, DYNAMIC, Segment, SegmentVersion
from app.segments.queries import NoSuchSegment


class NameTaken(Conflict):
    """Another segment that is not archived has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is already a segment called “{name}”. Choose another name.", "name")


class Circle(InvalidConditions):
    """The segment would ask whether people are in itself, by way of others."""

    def __init__(self, way: Sequence[str]) -> None:
        told = " asks who is in ".join(f"“{one}”" for one in way)
        super().__init__({definition.CRITERIA: f"A segment can't depend on itself: {told}."})
        self.way = list(way)


def create(
    *,
    tenant_id: UUID,
    actor: str,
    name: str,
    description: str = "",
    club_id: UUID | None = None,
    type: str = DYNAMIC,
    criteria: object = None,
    refresh_frequency: str = DAILY,
    actor_name: str = "",
    now: datetime | None = None,
) -> Segment:
    """Make a segment and return it. Who is in a DYNAMIC one is told a moment later, a STATIC one begins empty.

    With `club_id` only people of that club are meant. Raises Invalid, InvalidConditions (paths `criteria.rules[0]`) or
    NameTaken.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        segment = Segment(
            tenant_id=tenant_id,
            id=new_id(),
            created_by=actor,
            created_by_name=actor_name,
            created_at=moment,
            updated_at=moment,
            version=1,
        )
        given: dict[str, Any] = {
            "name": name,
            "description": description,
            "club_id": club_id,
            "type": type,
            "criteria": criteria,
            "refresh_frequency": refresh_frequency,
        }
        definition.apply(session, segment, given)
        tree = _define(session, segment, criteria, moment) if segment.type == DYNAMIC else None
        session.add(segment)
        _flush_named(session, segment)
        dependencies.write(session, segment, dependencies.reads_of(segment, tree))
        _keep_version(session, segment, actor, actor_name, moment)
        audit.record(session, actor, "segment.create", "segment", segment.id, {"name": segment.name})
        session.flush()
        session.refresh(segment)
        return segment


def locked(session: Session, tenant_id: UUID, segment_id: UUID) -> Segment:
    """Return a segment, nobody else's to change until the transaction ends, or raise NoSuchSegment."""
    segment = session.scalar(
        select(Segment)
        .where(Segment.tenant_id == tenant_id, Segment.id == segment_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if segment is None:
        raise NoSuchSegment
    return segment


def _define(session: Session, segment: Segment, criteria: object, now: datetime) -> Tree:
    """Give a segment its conditions; from now on until they are asked of everybody nobody else changes its members."""
    catalogue = custom_fields.catalogue(tenant_id=segment.tenant_id)
    tree = definition.read_criteria(criteria, catalogue)
    way = dependencies.circle(session, segment.tenant_id, segment.id, tree, catalogue)
    if way:
        raise Circle(_called(session, segment, way))
    segment.criteria = to_json(tree)
    segment.refresh_due_at = segment.refreshing_since = now
    segment.refresh_tells = False
    wake(Work.REFRESH_SEGMENTS, segment.tenant_id)
    return tree


def _called(session: Session, segment: Segment, way: Sequence[UUID]) -> list[str]:
    with session.no_autoflush:
        rows = session.execute(
            select(Segment.id, Segment.name).where(Segment.tenant_id == segment.tenant_id, Segment.id.in_(way))
        )
        names = {row.id: row.name for row in rows} | {segment.id: segment.name}
    return [names[one] for one in way if one in names]


def _keep_version(session: Session, segment: Segment, actor: str, actor_name: str, now: datetime) -> None:
    session.add(
        SegmentVersion(
            tenant_id=segment.tenant_id,
            segment_id=segment.id,
            number=segment.version,
            club_id=segment.club_id,
            criteria=segment.criteria,
            changed_at=now,
            changed_by=actor,
            changed_by_name=actor_name,
        )
    )


def _flush_named(session: Session, segment: Segment) -> None:
    name = segment.name
    try:
        with session.begin_nested():
            session.flush()
    except IntegrityError as error:
        if "uq_segment_name" not in str(error.orig):
            raise
        raise NameTaken(name) from None
