"""Which segments a customer is in, as conditions ask of it; whoever imports this has what rooms below tell, too."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import func, select

from app.conditions import Field, FieldType, Phrases, Related, named, profile
from app.customers.models import Customer
from app.infra.db import transaction
from app.messaging import condition_fields  # noqa: F401 - it fills the catalogue
from app.segments.models import Segment, SegmentMember

SEGMENTS = "segments"
GROUP = "Segments"
READS = "segment"


def _segments() -> Related:
    member, person = SegmentMember.__table__.alias(), Customer.__table__.c
    return Related(member, member.c.customer_id, member.c.segment_id, person.id, member.c.tenant_id == person.tenant_id)


NAMED = (SEGMENTS, "segment_id")
"""The fields whose values `names` knows."""


def names(*, tenant_id: UUID) -> dict[str, list[tuple[str, str]]]:
    """Return what people call the segments; archived ones say so and come last."""
    wanted = (
        select(Segment.id, Segment.name, Segment.archived_at)
        .where(Segment.tenant_id == tenant_id)
        .order_by(Segment.archived_at.is_not(None), func.lower(Segment.name), Segment.id)
    )
    with transaction(tenant_id) as session:
        rows = session.execute(wanted).all()
    known = [(str(one.id), f"{one.name} (archived)" if one.archived_at else one.name) for one in rows]
    return {SEGMENTS: known, "segment_id": known}


def _not_in_use(tenant_id: UUID, ids: Collection[str]) -> dict[str, str]:
    """Return what is wrong with segments that can't be asked: nobody keeps the members of an archived one."""
    wanted = select(Segment.id, Segment.name, Segment.archived_at).where(
        Segment.tenant_id == tenant_id, Segment.id.in_([UUID(one) for one in ids])
    )
    with transaction(tenant_id) as session:
        there = {str(row.id): row for row in session.execute(wanted)}
    archived = {
        one: f"The segment “{row.name}” is in the archive. Take it out first, or choose another one."
        for one, row in there.items()
        if row.archived_at is not None
    }
    return named.missing("segment", ids, there) | archived


named.register(_not_in_use, SEGMENTS, "segment_id")
profile.add(
    Field(
        SEGMENTS,
        "Segments",
        GROUP,
        FieldType.LIST,
        related=_segments,
        reads=READS,
        phrases=Phrases(
            has="is in the segment",
            has_not="is not in the segment",
            some="is in a segment",
            none="is in no segment",
        ),
    )
)
