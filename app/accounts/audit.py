"""The audit trail: who did what, when, from where."""

from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

_INSERT = text("""
    INSERT INTO audit_entry (tenant_id, at, actor, user_id, action, object_type, object_id, detail, ip)
    VALUES (current_setting('fairway.tenant_id')::uuid, clock_timestamp(), :actor, :user_id, :action, :object_type,
            :object_id, CAST(:detail AS jsonb), :ip)
""")


def record(
    session: Session,
    actor_ref: str,
    action: str,
    object_type: str,
    object_id: UUID | str | None = None,
    detail: dict[str, Any] | None = None,
    ip: str | None = None,
) -> None:
    """Write one entry within the open transaction of a tenant. `detail` holds JSON values and never a secret."""
    kind, _, name = actor_ref.partition(":")
    session.execute(
        _INSERT,
        {
            "actor": actor_ref,
            "user_id": UUID(name) if kind == "user" else None,
            "action": action,
            "object_type": object_type,
            "object_id": None if object_id is None else str(object_id),
            "detail": orjson.dumps(detail or {}).decode(),
            "ip": ip,
        },
    )
