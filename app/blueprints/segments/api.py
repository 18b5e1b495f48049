"""The API of segments: define, look at members and moves, ask why, keep lists."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.blueprints.segments.api_bodies import (
    AddedOut,
    DayOut,
    GrowthQuery,
    MemberOut,
    MembersBody,
    MembersQuery,
    OverlapQuery,
    PartOut,
    PreviewBody,
    PreviewOut,
    ReadyMadeBody,
    RecipeOut,
    RemoveBody,
    RemovedOut,
    RestoreBody,
    SegmentBody,
    SegmentOut,
    SegmentPatch,
    SegmentsQuery,
    SnapshotBody,
    UseOut,
    VersionOut,
    WhyOut,
    WhyQuery,
)
from app.infra import clock
from app.infra.errors import Forbidden, Invalid
from app.infra.paging import Page
from app.road import SEGMENT_TELLERS, SEGMENT_USERS, condition_labels
from app.segments import compare, growth, preview, queries, ready_made, schedule, service, usage, why
from app.segments.models import SegmentVersion
from app.web.api import ApiBlueprint
from app.web.guards import can, current
from app.web.schemas import PageQuery

api = ApiBlueprint("segments_api", __name__)


def _names() -> Mapping[str, Mapping[str, str]]:
    return condition_labels(current().tenant_id)


@api.operation("GET", "/segments", permission="segments.view", query=SegmentsQuery, returns=SegmentOut, paged=True)
def segments(query: SegmentsQuery) -> Page[SegmentOut]:
    """List segments."""
    found = queries.page(tenant_id=current().tenant_id, **query.model_dump())
    return Page([SegmentOut.model_validate(one) for one in found.items], found.next_cursor)


@api.operation("POST", "/segments", permission="segments.edit", body=SegmentBody, returns=SegmentOut, status=201)
def create_segment(body: SegmentBody) -> SegmentOut:
    """Make a segment; who is in it is told a moment later."""
    actor = current()
    made = service.create(tenant_id=actor.tenant_id, actor=actor.ref, actor_name=actor.name, **body.model_dump())
    return SegmentOut.model_validate(made)


@api.operation("POST", "/segments/preview", permission="segments.edit", body=PreviewBody, returns=PreviewOut)
def preview_segment(body: PreviewBody) -> PreviewOut:
    """Tell whom conditions would mean now: how many, in words, and ten of them."""
    if not can("customers.view"):
        raise Forbidden("Your role does not allow this (see customers and their timelines).")
    found = preview.preview(tenant_id=current().tenant_id, names=_names(), **body.model_dump())
    return PreviewOut.model_validate(found)


@api.operation("GET", "/segments/ready-made", permission="segments.view")
def ready_made_segments() -> dict[str, Any]:
    """List the ready-made segments that are not there yet."""
    found = ready_made.offered(tenant_id=current().tenant_id)
    return {"items": [RecipeOut.model_validate(one).model_dump() for one in found], "next_cursor": None}


@api.operation(
    "POST", "/segments/ready-made", permission="segments.edit", body=ReadyMadeBody, returns=SegmentOut, status=201
)
def make_ready_made_segment(body: ReadyMadeBody) -> SegmentOut:
    """Make a ready-made segment."""
    actor = current()
    made = ready_made.make(tenant_id=actor.tenant_id, key=body.key, actor=actor.ref, actor_name=actor.name)
    return SegmentOut.model_validate(made)


@api.operation("GET", "/segments/<uuid:segment_id>", permission="segments.view", returns=SegmentOut)
def segment(segment_id: UUID) -> SegmentOut:
    """Show a segment."""
    return SegmentOut.model_validate(queries.one(tenant_id=current().tenant_id, segment_id=segment_id))


@api.operation(
    "PATCH", "/segments/<uuid:segment_id>", permission="segments.edit", body=SegmentPatch, returns=SegmentOut
)
def change_segment(segment_id: UUID, body: SegmentPatch) -> SegmentOut:
    """Change a segment; another definition is asked of everybody a moment later."""
    actor, changes = current(), body.model_dump(exclude_unset=True)
    tells, seen = bool(changes.pop("tells", False)), changes.pop("updated_at", None)
    changed = service.change(
        tenant_id=actor.tenant_id,
        segment_id=segment_id,
        actor=actor.ref,
        actor_name=actor.name,
        changes=changes,
        users=SEGMENT_USERS,
        tells=tells,
        seen=seen,
    )
    return SegmentOut.model_validate(changed)


@api.operation("DELETE", "/segments/<uuid:segment_id>", permission="segments.edit", status=204)
def delete_segment(segment_id: UUID) -> None:
    """Delete a segment for good; 409 where anything names it."""
    actor = current()
    service.delete(tenant_id=actor.tenant_id, segment_id=segment_id, actor=actor.ref, users=SEGMENT_USERS)


@api.operation("POST", "/segments/<uuid:segment_id>/archive", permission="segments.edit", returns=SegmentOut)
def archive_segment(segment_id: UUID) -> SegmentOut:
    """Put a segment away; 409 where something running uses it."""
    actor = current()
    done = service.archive(tenant_id=actor.tenant_id, segment_id=segment_id, actor=actor.ref, users=SEGMENT_USERS)
    return SegmentOut.model_validate(done)


@api.operation("POST", "/segments/<uuid:segment_id>/unarchive", permission="segments.edit", returns=SegmentOut)
def unarchive_segment(segment_id: UUID) -> SegmentOut:
    """Take a segment out of the archive; who is in it is told anew."""
    actor = current()
    done = service.unarchive(tenant_id=actor.tenant_id, segment_id=segment_id, actor=actor.ref)
    return SegmentOut.model_validate(done)


@api.operation("POST", "/segments/<uuid:segment_id>/copy", permission="segments.edit", returns=SegmentOut, status=201)
def copy_segment(segment_id: UUID) -> SegmentOut:
    """Make another segment like this one."""
    actor = current()
    made = service.copy(tenant_id=actor.tenant_id, segment_id=segment_id, actor=actor.ref, actor_name=actor.name)
    return SegmentOut.model_validate(made)


@api.operation(
    "POST",
    "/segments/<uuid:segment_id>/snapshot",
    permission="segments.edit",
    body=SnapshotBody,
    returns=SegmentOut,
    status=201,
)
def snapshot_segment(segment_id: UUID, body: SnapshotBody) -> SegmentOut:
    """Make a static segment of those who are in this one now."""
    actor = current()
    made = service.snapshot(
        tenant_id=actor.tenant_id, segment_id=segment_id, actor=actor.ref, actor_name=actor.name, name=body.name
    )
    return SegmentOut.model_validate(made)


@api.operation(
    "POST", "/segments/<uuid:segment_id>/refresh", permission="segments.edit", returns=SegmentOut, status=202
)
def refresh_segment(segment_id: UUID) -> SegmentOut:
    """Let a segment be told anew as soon as a worker is free; `refreshed_at` says when it was."""
    actor = current()
    asked = service.ask_refresh(tenant_id=actor.tenant_id, segment_id=segment_id, actor=actor.ref)
    return SegmentOut.model_validate(asked)


@api.operation(
    "GET",
    "/segments/<uuid:segment_id>/members",
    permission="customers.view",
    query=MembersQuery,
    returns=MemberOut,
    paged=True,
)
def segment_members(segment_id: UUID, query: MembersQuery) -> Page[MemberOut]:
    """List who is in a segment, by name."""
    _may_see()
    tenant_id = current().tenant_id
    queries.one(tenant_id=tenant_id, segment_id=segment_id)
    found = queries.members(tenant_id=tenant_id, segment_id=segment_id, **query.model_dump())
    return Page([_member(one) for one in found.items], found.next_cursor)


def _may_see() -> None:
    if not can("segments.view"):
        raise Forbidden("Your role does not allow this (see segments and how many are in them).")


def _member(one: queries.Member) -> MemberOut:
    who = one.customer
    return MemberOut(
        customer_id=who.id,
        name=" ".join(part for part in (who.first_name, who.last_name) if part) or None,
        email=who.email,
        membership_tier=who.membership_tier,
        entered_at=one.entered_at,
    )


@api.operation(
    "POST", "/segments/<uuid:segment_id>/members", permission="segments.edit", body=MembersBody, returns=AddedOut
)
def add_segment_members(segment_id: UUID, body: MembersBody) -> AddedOut:
    """Put people on the list of a static segment."""
    actor, given = current(), body.model_dump(exclude_none=True)
    if len(given) != 1:
        raise Invalid({"customer_ids": "Give one of customer_ids, import_id and lines."})
    who: dict[str, Any] = {"tenant_id": actor.tenant_id, "segment_id": segment_id, "actor": actor.ref}
    if body.lines is not None:
        found = service.add_pasted(**who, lines=body.lines, tellers=SEGMENT_TELLERS)
        return AddedOut.model_validate(found)
    if body.import_id is not None:
        return AddedOut(added=service.add_imported(**who, import_id=body.import_id, tellers=SEGMENT_TELLERS))
    ids = body.customer_ids or []
    return AddedOut(added=service.add_people(**who, customer_ids=ids, tellers=SEGMENT_TELLERS))


@api.operation(
    "DELETE", "/segments/<uuid:segment_id>/members", permission="segments.edit", body=RemoveBody, returns=RemovedOut
)
def remove_segment_members(segment_id: UUID, body: RemoveBody) -> RemovedOut:
    """Take people off the list of a static segment; 409 where that empties what something running uses."""
    actor = current()
    removed = service.remove_people(
        tenant_id=actor.tenant_id,
        segment_id=segment_id,
        actor=actor.ref,
        customer_ids=body.customer_ids,
        users=SEGMENT_USERS,
        tellers=SEGMENT_TELLERS,
    )
    return RemovedOut(removed=removed)


@api.operation("GET", "/segments/<uuid:segment_id>/why", permission="customers.view", query=WhyQuery, returns=WhyOut)
def why_in_segment(segment_id: UUID, query: WhyQuery) -> WhyOut:
    """Tell why a customer is in a segment or not: each rule with the value it sees."""
    _may_see()
    tenant_id = current().tenant_id
    found = why.of(tenant_id=tenant_id, segment_id=segment_id, customer_id=query.customer_id, names=_names())
    return WhyOut.model_validate(found)


@api.operation(
    "GET",
    "/segments/<uuid:segment_id>/versions",
    permission="segments.view",
    query=PageQuery,
    returns=VersionOut,
    paged=True,
)
def segment_versions(segment_id: UUID, query: PageQuery) -> Page[VersionOut]:
    """List the definitions a segment has and had, the latest first."""
    tenant_id = current().tenant_id
    queries.one(tenant_id=tenant_id, segment_id=segment_id)
    found: Page[SegmentVersion] = queries.versions(tenant_id=tenant_id, segment_id=segment_id, **query.model_dump())
    return Page([VersionOut.model_validate(one) for one in found.items], found.next_cursor)


@api.operation(
    "POST", "/segments/<uuid:segment_id>/restore", permission="segments.edit", body=RestoreBody, returns=SegmentOut
)
def restore_segment(segment_id: UUID, body: RestoreBody) -> SegmentOut:
    """Let a segment mean again what it meant under an earlier version."""
    actor = current()
    done = service.restore(
        tenant_id=actor.tenant_id,
        segment_id=segment_id,
        version=body.version,
        actor=actor.ref,
        actor_name=actor.name,
        users=SEGMENT_USERS,
        tells=body.tells,
    )
    return SegmentOut.model_validate(done)


@api.operation("GET", "/segments/<uuid:segment_id>/growth", permission="segments.view", query=GrowthQuery)
def segment_growth(segment_id: UUID, query: GrowthQuery) -> dict[str, Any]:
    """List how many entered, left and were in a segment, day by day, the oldest first."""
    tenant_id = current().tenant_id
    one = queries.one(tenant_id=tenant_id, segment_id=segment_id)
    today = schedule.today(tenant_id=tenant_id, club_id=one.club_id, now=clock.now())
    found = growth.days(tenant_id=tenant_id, segment_id=segment_id, days=query.days, today=today)
    return {"items": [DayOut.model_validate(day).model_dump(mode="json") for day in found], "next_cursor": None}


@api.operation("GET", "/segments/<uuid:segment_id>/overlap", permission="segments.view", query=OverlapQuery)
def segment_overlap(segment_id: UUID, query: OverlapQuery) -> dict[str, Any]:
    """Tell how many are in each part of this segment and one or two others."""
    tenant_id = current().tenant_id
    ids = [segment_id, *query.segment_id]
    for one in ids[: compare.MOST_SEGMENTS]:
        queries.one(tenant_id=tenant_id, segment_id=one)
    parts = compare.overlap(tenant_id=tenant_id, segment_ids=ids)
    return {"items": [_part(ids, held, people) for held, people in parts.items()], "next_cursor": None}


def _part(ids: list[UUID], held: tuple[bool, ...], people: int) -> Mapping[str, Any]:
    inside = [one for one, is_in in zip(ids, held, strict=True) if is_in]
    return PartOut(inside=inside, people=people).model_dump(mode="json")


@api.operation("GET", "/segments/<uuid:segment_id>/usage", permission="segments.view")
def segment_usage(segment_id: UUID) -> dict[str, Any]:
    """List what names a segment."""
    tenant_id = current().tenant_id
    queries.one(tenant_id=tenant_id, segment_id=segment_id)
    found = usage.of(tenant_id=tenant_id, segment_ids=[segment_id], users=SEGMENT_USERS)
    items = [UseOut.model_validate(one).model_dump(mode="json") for one in found.get(segment_id, [])]
    return {"items": items, "next_cursor": None}
