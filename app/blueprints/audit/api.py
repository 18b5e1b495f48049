"""The audit trail over the API."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from app.analytics import audit_log
from app.analytics.audit_log import Asked, Entry
from app.blueprints.audit import words
from app.infra.paging import Page
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import NOT_BEFORE_SINCE, Moment, PageQuery, Shown, Words

api = ApiBlueprint("audit_api", __name__)


class AuditQuery(PageQuery):
    """Which entries; every filter given must hold. `since` is the first moment, `until` the first that is too late.

    `actor` is as entries name it: `user:<id>`, `key:<id>` or `system`.
    """

    actor: Words | None = None
    action: Words | None = None
    object_type: Words | None = None
    object_id: Words | None = None
    since: Moment | None = None
    until: Annotated[Moment, NOT_BEFORE_SINCE] | None = None


class AuditEntryOut(Shown):
    """One act: who did what to which object. `sentence` says it in words; names are those of today."""

    id: UUID
    at: datetime
    actor: str
    actor_name: str
    action: str
    sentence: str
    object_type: str
    object_id: str | None
    detail: dict[str, Any] = Field(description="What belongs to the act, by its kind.")
    ip: str | None


@api.operation("GET", "/audit", permission="audit.view", query=AuditQuery, returns=AuditEntryOut, paged=True)
def list_audit(query: AuditQuery) -> Page[AuditEntryOut]:
    """List who did what, the newest first."""
    asked = Asked(
        actor=query.actor,
        actions=None if query.action is None else (query.action,),
        object_type=query.object_type,
        object_id=query.object_id,
        since=query.since,
        until=query.until,
    )
    found = audit_log.page(tenant_id=current().tenant_id, asked=asked, limit=query.limit, cursor=query.cursor)
    return Page([_out(one) for one in found.items], found.next_cursor)


def _out(entry: Entry) -> AuditEntryOut:
    line = words.line(entry)
    return AuditEntryOut(
        id=entry.id,
        at=entry.at,
        actor=entry.actor,
        actor_name=line.who,
        action=entry.action,
        sentence=f"{line.who} {line.sentence}",
        object_type=entry.object_type,
        object_id=entry.object_id,
        detail=entry.detail,
        ip=entry.ip,
    )
