"""Who took which list out, and how it was filtered."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.accounts import audit
from app.infra.db import transaction

# What people type to find somebody is about that person, so the trail says only that something was typed.
_TYPED = "q"


def note(*, tenant_id: UUID, name: str, filters: Mapping[str, Any], actor: str, ip: str | None = None) -> None:
    """Write down that `actor` takes out the list called `name`, before anything of it leaves."""
    said = {key: "…" if key == _TYPED else str(value) for key, value in filters.items() if value not in (None, "")}
    with transaction(tenant_id) as session:
        audit.record(session, actor, "list.exported", "list", name, {"filters": said}, ip)
