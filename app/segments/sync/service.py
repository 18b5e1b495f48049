"""Acts on syncs: set one up, change it, push everybody again, take it away; and what became of it so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.infra import clock, http
from app.infra.crypto import seal
from app.infra.db import transaction
from app.infra.errors import Invalid, IsArchived, NotFound
from app.infra.http import RefusedUrl
from app.infra.queue import Work, wake
from app.segments.locks import locked
from app.segments.models import Segment
from app.segments.queries import one as segment_of
from app.segments.sync.envelope import FIELDS, new_secret
from app.segments.sync.models import FULL, SHAPES, STOPPED, SegmentSync
from app.segments.sync.work import PURPOSE, from_the_start

OLD_SECRET_SIGNS_FOR = timedelta(days=1)
COUNTED = 10_000
"""Changes that wait are counted up to this."""


class NoSync(NotFound):
    """The segment is not pushed anywhere."""

    def __init__(self) -> None:
        super().__init__("This segment is not pushed anywhere.")


@dataclass(frozen=True, slots=True)
class State:
    """A sync and how it stands: `waiting` changes not told yet (COUNTED at most), or people still to push in a full.

    `paused`: why nobody can be pushed until the segment's definition is another one.
    """

    sync: SegmentSync
    waiting: int
    members: int
    paused: str | None


@dataclass(frozen=True, slots=True)
class Saved:
    """A sync that was set up; `secret` is there if it is new: it is shown this once."""

    state: State
    secret: str | None


def put(
    *,
    tenant_id: UUID,
    segment_id: UUID,
    actor: str,
    shape: str,
    url: str,
    fields: Sequence[str],
    renew_secret: bool = False,
    actor_name: str = "",
    now: datetime | None = None,
) -> Saved:
    """Have a segment pushed to `url` from now on: everybody first, then who enters and leaves.

    `shape` is one of SHAPES, `fields` of FIELDS. Another URL, shape or choice of fields pushes everybody again. A
    receiver of another origin gets a secret of its own; `renew_secret` makes a new one, beside which the old one signs
    for a day. Raises NoSuchSegment, IsArchived or Invalid.
    """
    moment = now or clock.now()
    _check(shape, url, fields)
    chosen = [name for name in FIELDS if name in fields]
    with transaction(tenant_id) as session:
        segment = locked(session, tenant_id, segment_id, in_use=True)
        sync = _locked(session, tenant_id, segment_id)
        secret = None
        if sync is None or _origin(sync.url) != _origin(url):
            secret = new_secret()
        elif renew_secret:
            secret = new_secret()
            sync.old_secret, sync.old_secret_until = sync.secret, moment + OLD_SECRET_SIGNS_FOR
        if sync is None:
            sync = SegmentSync(tenant_id=tenant_id, segment_id=segment_id, created_at=moment, url="", shape="")
            sync.fields = []
            session.add(sync)
        elif secret and not renew_secret:
            sync.old_secret = sync.old_secret_until = None
        if secret:
            sync.secret = seal(PURPOSE, tenant_id, secret)
        if (sync.url, sync.shape, sync.fields) != (url, shape, chosen):
            sync.url, sync.shape, sync.fields = url, shape, chosen
            sync.receiver_id = None
            _start(sync, segment.version, moment)
        sync.changed_at, sync.changed_by, sync.changed_by_name = moment, actor, actor_name
        # Whoever has the whole of some receivers' URLs may write to them, so it is told to managers alone.
        told = {"host": urlsplit(url).hostname, "shape": shape, "fields": chosen, "new_secret": secret is not None}
        audit.record(session, actor, "segment.sync", "segment", segment_id, told)
        session.flush()
        wake(Work.SYNC_SEGMENTS, tenant_id)
        return Saved(_state(session, sync, segment), secret)


def push_all(*, tenant_id: UUID, segment_id: UUID, actor: str, now: datetime | None = None) -> State:
    """Push everybody again, also where the sync had stopped; return how it stands.

    Raises NoSuchSegment, NoSync or IsArchived.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        segment = locked(session, tenant_id, segment_id)
        sync = _locked(session, tenant_id, segment_id)
        if sync is None:
            raise NoSync
        if segment.archived_at is not None:
            raise IsArchived("segment")
        _start(sync, segment.version, moment)
        audit.record(session, actor, "segment.sync_push", "segment", segment_id)
        session.flush()
        wake(Work.SYNC_SEGMENTS, tenant_id)
        return _state(session, sync, segment)


def remove(*, tenant_id: UUID, segment_id: UUID, actor: str) -> None:
    """Push a segment nowhere any more; what the receiver has stays there. Raises NoSuchSegment or NoSync."""
    with transaction(tenant_id) as session:
        locked(session, tenant_id, segment_id)
        sync = _locked(session, tenant_id, segment_id)
        if sync is None:
            raise NoSync
        session.delete(sync)
        audit.record(
            session, actor, "segment.sync_remove", "segment", segment_id, {"host": urlsplit(sync.url).hostname}
        )
        session.flush()


def state(*, tenant_id: UUID, segment_id: UUID) -> State:
    """Return how a segment's sync stands, or raise NoSuchSegment or NoSync."""
    with transaction(tenant_id) as session:
        segment = segment_of(tenant_id=tenant_id, segment_id=segment_id)
        sync = session.get(SegmentSync, (tenant_id, segment_id), populate_existing=True)
        if sync is None:
            raise NoSync
        return _state(session, sync, segment)


def _check(shape: str, url: str, fields: Sequence[str]) -> None:
    errors = {}
    if shape not in SHAPES:
        errors["shape"] = f"Choose one of {', '.join(SHAPES)}."
    if unknown := [name for name in fields if name not in FIELDS]:
        errors["fields"] = f"There is no “{unknown[0][:60]}” to choose; there are {', '.join(FIELDS)}."
    try:
        http.check_url(url)
    except RefusedUrl as refused:
        errors["url"] = refused.message
    if errors:
        raise Invalid(errors)


def _locked(session: Session, tenant_id: UUID, segment_id: UUID) -> SegmentSync | None:
    return session.scalar(
        select(SegmentSync)
        .where(SegmentSync.tenant_id == tenant_id, SegmentSync.segment_id == segment_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def _start(sync: SegmentSync, version: int, now: datetime) -> None:
    for name, value in from_the_start(version).items():
        setattr(sync, name, value)
    sync.due_at, sync.attempts, sync.failing_since, sync.error = now, 0, None, None


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


_WAITING = text("""
    SELECT count(*) FROM (SELECT FROM segment_sync_change
        WHERE tenant_id = :tenant_id AND segment_id = :segment_id LIMIT :most) AS waiting
""")


def _state(session: Session, sync: SegmentSync, segment: Segment) -> State:
    values = {"tenant_id": sync.tenant_id, "segment_id": sync.segment_id, "most": COUNTED}
    waiting = session.scalar(_WAITING, values) or 0
    members = segment.member_count
    if sync.status in (FULL, STOPPED):
        waiting = max(members - sync.pushed, 0) if sync.status == FULL else 0
    failed = not segment.refresh_tells and segment.refreshing_since is None
    return State(sync, waiting, members, segment.refresh_error if failed and sync.status != STOPPED else None)
