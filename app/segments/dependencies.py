"""What the answers of segments depend on, so that a change finds the segments it concerns; and circles among them."""

from collections.abc import Collection, Iterable
from contextlib import suppress
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.conditions import Catalogue, InvalidConditions, Operator, Tree, dependencies, parse, walk
from app.conditions.fields import PROFILE
from app.customers import custom_fields
from app.infra.arrays import array
from app.segments.models import MANUAL, Segment

STANDING = "standing"
"""Whether somebody is a customer in their own right: members of every segment are. Changes of it name no kind."""
ARRIVAL = "arrival"
"""That somebody became a customer."""
SEGMENT = "segment"
"""Whether somebody is in any other segment; with a colon and an id after it, in that one."""

_WRITE = text("""
    WITH wanted AS (SELECT unnest(CAST(:reads AS text[])) AS reads), gone AS (
        DELETE FROM segment_dependency d WHERE d.tenant_id = :tenant_id AND d.segment_id = :segment_id
            AND d.reads NOT IN (SELECT reads FROM wanted)
    )
    INSERT INTO segment_dependency (tenant_id, reads, segment_id)
    SELECT :tenant_id, reads, :segment_id FROM wanted ON CONFLICT DO NOTHING
""")
_ASKING = text("""
    SELECT id, criteria FROM segment WHERE tenant_id = :tenant_id AND type = 'DYNAMIC' AND archived_at IS NULL
        AND CAST(criteria AS text) LIKE '%"segments"%'
""")
SEGMENTS = "segments"
"""The name of the field that asks which segments somebody is in."""


def reads_of(segment: Segment, tree: Tree | None) -> frozenset[str]:
    """Return what a live segment depends on; without a tree it has a list.

    One that waits to be asked only loses who is no customer any more.
    """
    own_club = () if segment.club_id is None else (PROFILE,)
    if tree is None:
        return frozenset((STANDING, *own_club))
    if segment.refresh_frequency == MANUAL:
        return frozenset((STANDING,))
    found = {one for one in dependencies(tree) if one != SEGMENT}
    return frozenset((STANDING, ARRIVAL, *own_club, *found, *_of_segments(tree)))


def write(session: Session, segment: Segment, reads: Iterable[str]) -> None:
    """Let a segment depend on these, and on nothing else; on nothing at all once it is archived."""
    values = {"tenant_id": segment.tenant_id, "segment_id": segment.id, "reads": array(sorted(reads))}
    session.execute(_WRITE, values)


def referred(tree: Tree) -> frozenset[UUID]:
    """Return the segments that the tree names."""
    ids = (one.partition(":")[2] for one in _of_segments(tree))
    return frozenset(UUID(one) for one in ids if one)


def circle(session: Session, tenant_id: UUID, segment_id: UUID, tree: Tree, catalogue: Catalogue) -> list[UUID] | None:
    """Return the way from a segment back to itself if it had this tree, itself first and last; None if there is none.

    One that asks whether somebody is in any segment at all asks of itself.
    """
    if SEGMENT in _of_segments(tree):
        return [segment_id, segment_id]
    asked = _asked(session, tenant_id, catalogue)
    ways = [[segment_id, one] for one in sorted(referred(tree))]
    seen: set[UUID] = set()
    for way in ways:
        last = way[-1]
        if last == segment_id:
            return way
        if last not in seen:
            seen.add(last)
            ways.extend([*way, one] for one in sorted(asked.get(last, ())))
    return None


def meant(session: Session, tenant_id: UUID, segment_ids: Collection[UUID]) -> dict[UUID, set[UUID]]:
    """Return of each of these segments all that say who is in it: itself, those it names, those that they name."""
    asked = _asked(session, tenant_id, custom_fields.catalogue(tenant_id=tenant_id))
    found: dict[UUID, set[UUID]] = {}
    for one in segment_ids:
        found[one] = new = {one}
        while new := {named for segment_id in new for named in asked.get(segment_id, ())} - found[one]:
            found[one] |= new
    return found


def _asked(session: Session, tenant_id: UUID, catalogue: Catalogue) -> dict[UUID, frozenset[UUID]]:
    """Return which segments those in use name."""
    asked: dict[UUID, frozenset[UUID]] = {}
    for row in session.execute(_ASKING, {"tenant_id": tenant_id}):
        with suppress(InvalidConditions):
            asked[row.id] = referred(parse(row.criteria, catalogue, allow_empty=True))
    return asked


def _of_segments(tree: Tree) -> set[str]:
    found: set[str] = set()
    for _, rule in walk(tree):
        if rule.did or rule.field.name != SEGMENTS:
            continue
        if rule.operator in (Operator.IS_NULL, Operator.IS_NOT_NULL):
            found.add(SEGMENT)
        else:
            values = rule.value if isinstance(rule.value, tuple) else (rule.value,)
            found |= {f"{SEGMENT}:{one}" for one in values}
    return found
