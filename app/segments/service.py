"""Acts on segments: make one, change what it means, put it away and take it out again, copy it, keep who is in it.

Acts on the lists of static ones are in `app.segments.lists` and offered here too. `users` say what uses a segment
(app/road.py puts them together): what runs is never left without the people it acts on.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy import delete as delete_rows
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import TextualSelect

from app.accounts import audit
from app.conditions import InvalidConditions, Tree, parse, to_json
from app.customers import custom_fields
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Conflict, Invalid, NotFound
from app.infra.ids import new_id
from app.infra.queue import Work, wake
from app.segments import definition, dependencies, lists, locks, queries, schedule, usage
from app.segments.asking import Question
from app.segments.definition import CRITERIA, ChangedMeanwhile
from app.segments.lists import add_imported, add_pasted, add_people, remove_people
from app.segments.locks import locked
from app.segments.models import DAILY, DYNAMIC, MANUAL, STATIC, Segment, SegmentMember, SegmentVersion
from app.segments.usage import InUse, User

__all__ = [
    "ChangedMeanwhile",
    "Circle",
    "InUse",
    "NameTaken",
    "NoSuchVersion",
    "add_imported",
    "add_pasted",
    "add_people",
    "archive",
    "ask_refresh",
    "change",
    "copy",
    "create",
    "delete",
    "remove_people",
    "restore",
    "snapshot",
    "unarchive",
]


class NameTaken(Conflict):
    """Another segment that is not archived has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is already a segment called “{name}”. Choose another name.", "name")


class NoSuchVersion(NotFound):
    """The segment never had a definition of this number."""

    def __init__(self) -> None:
        super().__init__("There is no such version of this segment.")


class Circle(InvalidConditions):
    """The segment would ask whether people are in itself, by way of others."""

    def __init__(self, way: Sequence[str]) -> None:
        told = " asks who is in ".join(f"“{one}”" for one in way)
        super().__init__({CRITERIA: f"A segment can't depend on itself: {told}."})
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
    ready_made: str | None = None,
    actor_name: str = "",
    now: datetime | None = None,
) -> Segment:
    """Make a segment and return it. Who is in a DYNAMIC one is told a moment later, a STATIC one begins empty.

    With `club_id` only people of that club are meant. Only a `ready_made` one may ask nothing, and so mean everybody.
    Raises Invalid, InvalidConditions (paths `criteria.rules[0]`) or NameTaken.
    """
    moment = now or clock.now()
    given: dict[str, Any] = {
        "name": name,
        "description": description,
        "club_id": club_id,
        "type": type,
        CRITERIA: criteria,
        "refresh_frequency": refresh_frequency,
    }
    with transaction(tenant_id) as session:
        locks.hold(session, tenant_id, _to_be_asked(session, tenant_id, criteria))
        segment = _new(tenant_id, actor, actor_name, moment, ready_made=ready_made)
        definition.apply(session, segment, given)
        tree = None
        if segment.type == DYNAMIC:
            tree = _read(session, segment, criteria)
            segment.criteria = to_json(tree)
        return _add(session, segment, tree, actor, actor_name, moment, "segment.create")


def change(
    *,
    tenant_id: UUID,
    segment_id: UUID,
    actor: str,
    changes: Mapping[str, Any],
    users: Sequence[User],
    tells: bool = False,
    seen: datetime | None = None,
    actor_name: str = "",
    now: datetime | None = None,
) -> Segment:
    """Change settings (keys of `definition.SETTINGS`) of a segment and return it.

    Another definition is asked of everybody a moment later; who enters and leaves by it is told of only if it `tells`.
    `seen` is the `updated_at` of what the caller changed: where it is another one by now, nothing is saved and
    ChangedMeanwhile raised. Changes that change nothing are nobody's concern.
    Raises what `create` does, NoSuchSegment, IsArchived, and InUse where nobody would fit what something running uses.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        return _change(
            session, tenant_id, segment_id, actor, actor_name, changes, users, moment, tells=tells, seen=seen
        )


def restore(
    *,
    tenant_id: UUID,
    segment_id: UUID,
    version: int,
    actor: str,
    users: Sequence[User],
    tells: bool = False,
    actor_name: str = "",
    now: datetime | None = None,
) -> Segment:
    """Let a segment mean again what its `version` meant, as a new version, and return it.

    One by which it was everybody makes it everybody again. Raises NoSuchVersion, and what `change` does: the
    conditions may ask what can't be asked any more.
    """
    with transaction(tenant_id) as session:
        queries.one(tenant_id=tenant_id, segment_id=segment_id)
        kept = session.scalar(
            select(SegmentVersion).where(
                SegmentVersion.tenant_id == tenant_id,
                SegmentVersion.segment_id == segment_id,
                SegmentVersion.number == version,
            )
        )
        if kept is None:
            raise NoSuchVersion
        changes: dict[str, Any] = {"club_id": kept.club_id}
        if kept.criteria is not None:
            changes[CRITERIA] = kept.criteria
        moment = now or clock.now()
        return _change(
            session,
            tenant_id,
            segment_id,
            actor,
            actor_name,
            changes,
            users,
            moment,
            tells=tells,
            was_everybody=kept.criteria is not None and not kept.criteria["rules"],
        )


def archive(
    *, tenant_id: UUID, segment_id: UUID, actor: str, users: Sequence[User], now: datetime | None = None
) -> Segment:
    """Put a segment away and return it: who is in it stays as it is. Raises InUse where something running uses it."""
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        segment = locked(session, tenant_id, segment_id)
        if segment.archived_at is None:
            usage.refuse(session, tenant_id, segment_id, users, "archived", idle=False)
            segment.archived_at = segment.updated_at = moment
            segment.refresh_due_at = segment.refreshing_since = None
            session.flush()
            dependencies.write(session, segment, ())
            audit.record(session, actor, "segment.archive", "segment", segment_id, {"name": segment.name})
        return segment


def unarchive(*, tenant_id: UUID, segment_id: UUID, actor: str, now: datetime | None = None) -> Segment:
    """Take a segment out of the archive and return it; who is in it is told anew, and nobody hears of it.

    Raises NameTaken where another one has its name by now, or InvalidConditions where it can't be asked any more.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        segment = _locked_to_ask(session, tenant_id, segment_id)
        if segment.archived_at is not None:
            tree = _read(session, segment, segment.criteria) if segment.type == DYNAMIC else None
            segment.archived_at, segment.updated_at = None, moment
            _ask_everybody(segment, moment, tells=False)
            _flush_named(session, segment)
            dependencies.write(session, segment, dependencies.reads_of(segment, tree))
            audit.record(session, actor, "segment.unarchive", "segment", segment_id, {"name": segment.name})
        return segment


def delete(*, tenant_id: UUID, segment_id: UUID, actor: str, users: Sequence[User]) -> None:
    """Delete a segment with all that is known of who was in it. Raises InUse where anything names it."""
    with transaction(tenant_id) as session:
        segment = locked(session, tenant_id, segment_id)
        usage.refuse(session, tenant_id, segment_id, users, "deleted", idle=True)
        audit.record(session, actor, "segment.delete", "segment", segment_id, {"name": segment.name})
        session.expunge(segment)
        session.execute(delete_rows(Segment).where(Segment.tenant_id == tenant_id, Segment.id == segment_id))


def copy(
    *, tenant_id: UUID, segment_id: UUID, actor: str, actor_name: str = "", now: datetime | None = None
) -> Segment:
    """Make another segment like this one, its list included, and return it."""
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        one = _locked_to_ask(session, tenant_id, segment_id)
        made = _new(tenant_id, actor, actor_name, moment)
        made.name = free_name(session, tenant_id, f"Copy of {one.name}")
        made.description, made.club_id, made.type = one.description, one.club_id, one.type
        made.criteria, made.refresh_frequency = one.criteria, one.refresh_frequency
        tree = _read(session, made, made.criteria, allow_empty=True) if made.type == DYNAMIC else None
        _add(session, made, tree, actor, actor_name, moment, "segment.copy", copy_of=str(segment_id))
        if made.type == STATIC:
            lists.copy_list(session, one, made, actor, moment)
            _ask_everybody(made, moment, tells=False)
            session.flush()
        return made


def snapshot(
    *,
    tenant_id: UUID,
    segment_id: UUID,
    actor: str,
    name: str | None = None,
    actor_name: str = "",
    now: datetime | None = None,
) -> Segment:
    """Make a static segment of those who are in this one now, and return it; they are in it a moment later."""
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        one = locked(session, tenant_id, segment_id)
        made = _new(tenant_id, actor, actor_name, moment)
        there = schedule.zone_of(session, tenant_id, one.club_id)
        usual = f"{one.name}, {moment.astimezone(there):%-d %B %Y}"
        given = {"name": name if name is not None else free_name(session, tenant_id, usual), "type": STATIC}
        definition.apply(session, made, {**given, "refresh_frequency": MANUAL, "description": one.description})
        made.snapshot_of = segment_id
        _add(session, made, None, actor, actor_name, moment, "segment.snapshot", snapshot_of=str(segment_id))
        members = select(SegmentMember.customer_id).where(
            SegmentMember.tenant_id == tenant_id, SegmentMember.segment_id == segment_id
        )
        lists.put(session, made, members, actor, moment)
        _ask_everybody(made, moment, tells=False)
        session.flush()
        return made


def of_people(
    *,
    tenant_id: UUID,
    name: str,
    people: Select[Any] | TextualSelect,
    actor: str,
    actor_name: str = "",
    description: str = "",
    now: datetime | None = None,
) -> Segment:
    """Make a static segment of the customers a statement finds, and return it; they are in it a moment later.

    Raises Invalid or NameTaken.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        made = _new(tenant_id, actor, actor_name, moment)
        given = {"name": name, "type": STATIC, "refresh_frequency": MANUAL, "description": description}
        definition.apply(session, made, given)
        _add(session, made, None, actor, actor_name, moment, "segment.create")
        lists.put(session, made, people, actor, moment)
        _ask_everybody(made, moment, tells=False)
        session.flush()
        return made


def ask_refresh(*, tenant_id: UUID, segment_id: UUID, actor: str, now: datetime | None = None) -> Segment:
    """Let the whole of a segment be told anew as soon as a worker is free, and return it."""
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        segment = locked(session, tenant_id, segment_id, in_use=True)
        segment.refresh_due_at = moment
        session.flush()
        wake(Work.REFRESH_SEGMENTS, tenant_id)
        audit.record(session, actor, "segment.refresh", "segment", segment_id)
        return segment


def _change(
    session: Session,
    tenant_id: UUID,
    segment_id: UUID,
    actor: str,
    actor_name: str,
    changes: Mapping[str, Any],
    users: Sequence[User],
    moment: datetime,
    *,
    tells: bool,
    seen: datetime | None = None,
    was_everybody: bool = False,
) -> Segment:
    asked = _to_be_asked(session, tenant_id, changes.get(CRITERIA))
    segment = locked(session, tenant_id, segment_id, in_use=True, beside=asked)
    before = definition.settings_of(segment)
    definition.apply(session, segment, {name: value for name, value in changes.items() if name != "type"})
    if segment.type == DYNAMIC:
        wanted = changes.get(CRITERIA, segment.criteria)
        tree = _read(session, segment, wanted, allow_empty=was_everybody, standing=segment.criteria)
        segment.criteria = to_json(tree)
    elif changes.get(CRITERIA) is not None:
        raise Invalid({CRITERIA: "A static segment has a list of people, and no conditions."})
    else:
        tree = None
    changed = {name for name, value in definition.settings_of(segment).items() if value != before[name]}
    if not changed:
        return segment
    if seen is not None and seen != segment.updated_at:
        raise ChangedMeanwhile
    segment.updated_at = moment
    if changed & {CRITERIA, "club_id"}:
        _keep_running(session, segment, tree, users, moment)
        segment.version += 1
        _keep_version(session, segment, actor, actor_name, moment)
        _ask_everybody(segment, moment, tells=tells)
    elif "refresh_frequency" in changed and segment.refreshing_since is None and segment.type == DYNAMIC:
        zone = schedule.zone_of(session, tenant_id, segment.club_id)
        segment.refresh_due_at = schedule.next_due(segment.refresh_frequency, zone, moment)
    _flush_named(session, segment)
    dependencies.write(session, segment, dependencies.reads_of(segment, tree))
    audit.record(session, actor, "segment.change", "segment", segment_id, {"changed": sorted(changed)})
    return segment


def _to_be_asked(session: Session, tenant_id: UUID, criteria: object) -> frozenset[UUID]:
    """Return the segments that criteria ask about, and let nobody else make segments ask about others until the end.

    Else two who let segments ask about each other at the same moment would not see each other's. Of criteria that can't
    be read there are none: whoever reads them says why.
    """
    if criteria is None:
        return frozenset()
    try:
        asked = dependencies.referred(parse(criteria, custom_fields.catalogue(tenant_id=tenant_id), allow_empty=True))
    except InvalidConditions:
        return frozenset()
    if asked:
        locks.lock_asking(session, tenant_id)
    return asked


def _locked_to_ask(session: Session, tenant_id: UUID, segment_id: UUID) -> Segment:
    """Return a segment and lock it, with those that it asks about."""
    # First, so that it asks about no others by the time it is locked.
    locks.lock_asking(session, tenant_id)
    there = queries.one(tenant_id=tenant_id, segment_id=segment_id)
    return locked(session, tenant_id, segment_id, beside=_to_be_asked(session, tenant_id, there.criteria))


def _new(tenant_id: UUID, actor: str, actor_name: str, now: datetime, *, ready_made: str | None = None) -> Segment:
    return Segment(
        tenant_id=tenant_id,
        id=new_id(),
        created_by=actor,
        created_by_name=actor_name,
        created_at=now,
        updated_at=now,
        version=1,
        ready_made=ready_made,
    )


def _add(
    session: Session,
    segment: Segment,
    tree: Tree | None,
    actor: str,
    actor_name: str,
    now: datetime,
    act: str,
    **detail: str,
) -> Segment:
    if segment.type == DYNAMIC:
        _ask_everybody(segment, now, tells=False)
    session.add(segment)
    _flush_named(session, segment)
    dependencies.write(session, segment, dependencies.reads_of(segment, tree))
    _keep_version(session, segment, actor, actor_name, now)
    audit.record(session, actor, act, "segment", segment.id, {"name": segment.name, **detail})
    session.flush()
    session.refresh(segment)
    return segment


def _ask_everybody(segment: Segment, now: datetime, *, tells: bool) -> None:
    """Let a definition be asked of everybody; from now on until then nobody else changes the members."""
    segment.refresh_due_at = segment.refreshing_since = now
    segment.refresh_tells = tells
    wake(Work.REFRESH_SEGMENTS, segment.tenant_id)


def _read(
    session: Session,
    segment: Segment,
    criteria: object,
    *,
    allow_empty: bool = False,
    standing: Mapping[str, Any] | None = None,
) -> Tree:
    """Return the conditions a segment is to have, or raise InvalidConditions.

    A ready-made one may ask nothing, and so may what was made of it: one that asks nothing already. What they name has
    to be there, unless they are `standing`: these stay as they are, whatever became of it.
    """
    # A name that is taken is to be found out by `_flush_named`.
    with session.no_autoflush:
        catalogue = custom_fields.catalogue(tenant_id=segment.tenant_id)
        may_be_empty = allow_empty or segment.ready_made is not None or _is_everybody(segment)
        tree = definition.read_criteria(criteria, catalogue, allow_empty=may_be_empty)
        if standing != to_json(tree):
            definition.check_named(tree, segment.tenant_id)
        way = dependencies.circle(session, segment.tenant_id, segment.id, tree, catalogue)
        if way:
            rows = session.execute(
                select(Segment.id, Segment.name).where(Segment.tenant_id == segment.tenant_id, Segment.id.in_(way))
            )
            names = {row.id: row.name for row in rows} | {segment.id: segment.name}
            raise Circle([names[one] for one in way if one in names])
    return tree


def _is_everybody(segment: Segment) -> bool:
    return segment.criteria is not None and not segment.criteria["rules"]


def _keep_running(session: Session, segment: Segment, tree: Tree | None, users: Sequence[User], now: datetime) -> None:
    """Raise InUse if something running uses a segment that nobody would fit."""
    if not segment.member_count:
        return
    place = schedule.place_of(session, segment.tenant_id, segment.club_id)
    with session.no_autoflush:
        if session.execute(Question(segment, tree, place).everybody(now).limit(1)).first() is None:
            usage.refuse(session, segment.tenant_id, segment.id, users, "emptied", idle=False)


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


def free_name(session: Session, tenant_id: UUID, name: str) -> str:
    """Return the name, or with a number after it where others have it."""
    name = name[: definition.MAX_NAME - 6]
    taken = set(
        session.scalars(
            select(Segment.name).where(Segment.tenant_id == tenant_id, Segment.name.istartswith(name, autoescape=True))
        )
    )
    lower = {one.lower() for one in taken}
    number = 1
    while (free := name if number == 1 else f"{name} ({number})").lower() in lower:
        number += 1
    return free


def _flush_named(session: Session, segment: Segment) -> None:
    name = segment.name
    try:
        with session.begin_nested():
            session.flush()
    except IntegrityError as error:
        if "uq_segment_name" not in str(error.orig):
            raise
        raise NameTaken(name) from None
