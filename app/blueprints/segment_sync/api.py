"""The API of syncs: where a segment is pushed to, and how that stands."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from app.segments.sync import service
from app.segments.sync.models import STOPPED
from app.segments.sync.service import State
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import Body, Text

api = ApiBlueprint("segment_sync_api", __name__)

Shape = Literal["MESSAGING", "WEBHOOK"]
Told = Literal["email", "phone", "first_name", "last_name"]


class SyncBody(Body):
    """Where a segment is pushed to. What is left out of `fields` of a person is not told; their id always is."""

    shape: Shape = Field(description="MESSAGING: as the Messaging service takes a segment. WEBHOOK: as an event.")
    url: Annotated[Text, Field(max_length=2000)]
    fields: Annotated[list[Told], Field(max_length=4)] = Field(default=[])
    renew_secret: bool = Field(
        default=False, description="Make a new secret to sign with; the old one signs beside it for a day."
    )


class SyncOut(BaseModel):
    """A sync and how it stands. FULL: everybody is being pushed. LIVE: changes are. STOPPED: it was given up."""

    shape: Shape
    url: str
    fields: list[Told]
    status: Literal["FULL", "LIVE", "STOPPED"]
    waiting: int = Field(description="FULL: people still to push. LIVE: changes not told yet, counted up to 10,000.")
    paused: str | None = Field(
        description="Why nobody is pushed: the segment can't be worked out. It goes on once its conditions are mended."
    )
    pushed: int = Field(description="How many people were told of when everybody was pushed last.")
    last_pushed_at: datetime | None
    last_full_at: datetime | None
    error: str | None = Field(description="What went wrong the last time; null once it goes well.")
    failing_since: datetime | None
    next_try_at: datetime | None
    receiver_id: str | None = Field(description="What the receiver calls the segment, where it says so.")
    changed_at: datetime
    secret: str | None = Field(default=None, description="Only in the answer that made it.")


@api.operation("GET", "/segments/<uuid:segment_id>/sync", permission="segments.sync", returns=SyncOut)
def get_segment_sync(segment_id: UUID) -> SyncOut:
    """Return where a segment is pushed to, and how that stands."""
    return _out(service.state(tenant_id=current().tenant_id, segment_id=segment_id))


@api.operation("PUT", "/segments/<uuid:segment_id>/sync", permission="segments.sync", body=SyncBody, returns=SyncOut)
def put_segment_sync(segment_id: UUID, body: SyncBody) -> SyncOut:
    """Have a segment pushed to a receiver: everybody, then who enters and leaves. A new secret is told this once."""
    actor = current()
    saved = service.put(
        tenant_id=actor.tenant_id,
        segment_id=segment_id,
        actor=actor.ref,
        actor_name=actor.name,
        shape=body.shape,
        url=body.url,
        fields=body.fields,
        renew_secret=body.renew_secret,
    )
    return _out(saved.state, saved.secret)


@api.operation("DELETE", "/segments/<uuid:segment_id>/sync", permission="segments.sync", status=204)
def delete_segment_sync(segment_id: UUID) -> None:
    """Push a segment nowhere any more; what the receiver has stays there."""
    actor = current()
    service.remove(tenant_id=actor.tenant_id, segment_id=segment_id, actor=actor.ref)


@api.operation("POST", "/segments/<uuid:segment_id>/sync/push", permission="segments.sync", returns=SyncOut, status=202)
def push_segment(segment_id: UUID) -> SyncOut:
    """Push everybody in a segment again, also where the sync was given up."""
    actor = current()
    return _out(service.push_all(tenant_id=actor.tenant_id, segment_id=segment_id, actor=actor.ref))


def _out(state: State, secret: str | None = None) -> SyncOut:
    sync = state.sync
    return SyncOut(
        **{name: getattr(sync, name) for name in SyncOut.model_fields if hasattr(sync, name) and name != "secret"},
        waiting=state.waiting,
        paused=state.paused,
        next_try_at=sync.due_at if sync.failing_since and sync.status != STOPPED else None,
        secret=secret,
    )
