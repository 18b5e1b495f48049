"""What the pages of lists read from their address."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from flask import request

from app.infra.errors import NotFound
from app.infra.ids import as_id


class _Archivable(Protocol):
    @property
    def archived_at(self) -> datetime | None: ...


T = TypeVar("T", bound=_Archivable)


def asked_sort(sorts: Collection[str], default: str) -> str:
    """Return the order asked for: one of `sorts`, backwards with a minus before it, else `default`."""
    sort = request.args.get("sort", "")
    return sort if sort.removeprefix("-") in sorts else default


def just_archived(find: Callable[[UUID], T]) -> T | None:
    """Return what was just archived from the list, for its notice; `find` looks it up, or raises NotFound."""
    archived = as_id(request.args.get("archived"))
    if archived is None:
        return None
    try:
        found = find(archived)
    except NotFound:
        return None
    return found if found.archived_at else None
