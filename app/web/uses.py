"""Where a thing is used, as pages show it."""

from dataclasses import dataclass
from typing import Any

from flask import current_app, url_for

from app.infra.usage import Use
from app.web.guards import can, guard_of


@dataclass(frozen=True, slots=True)
class Used:
    """Something that uses a thing, with its page: none where the reader may not see it."""

    name: str
    label: str
    url: str | None
    running: bool


def used(one: Use) -> Used:
    """Return a use as pages show it."""
    guard = guard_of(current_app, one.endpoint)
    open_to_reader = guard is not None and guard.permission is not None and can(guard.permission)
    values: dict[str, Any] = dict(one.values)
    url = url_for(one.endpoint, **values) if open_to_reader else None
    label = f"{one.kind.capitalize()}: {one.place}" if one.place else one.kind.capitalize()
    return Used(one.name, label, url, one.running)
