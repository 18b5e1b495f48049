"""Acts on segments."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import audit
from app.conditions import to_json
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Conflict
from app.infra.ids import new_id
from app.segments import definition
from app.segments.models import DAILY, DYNAMIC, Segment, SegmentVersion
from app.segments.queries import NoSuchSegment


class NameTaken(Conflict):
    """Another segment that is not archived has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is already a segment called “{name}”. Choose another name.", "name")


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
        if segment.type == DYNAMIC:
            _define(segment, criteria, moment)
        session.add(segment)
        _flush_named(session, segment)
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


def _define(segment: Segment, criteria: object, now: datetime) -> None:
    """Give a segment its conditions; from now on until they are asked of everybody nobody else changes its members."""
    tree = definition.read_criteria(tenant_id=segment.tenant_id, criteria=criteria)
    segment.criteria = to_json(tree)
    segment.refresh_due_at = segment.refreshing_since = now
    segment.refresh_tells = False


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
