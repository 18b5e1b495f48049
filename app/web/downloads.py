"""Lists as CSV files: a page of rows at a time, so that a list of a million takes no more memory than one of ten."""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote
from zoneinfo import ZoneInfo

from flask import Response, request, stream_with_context
from werkzeug.datastructures import Headers

from app.accounts import exports
from app.accounts.permissions import PERMISSIONS
from app.infra import clock
from app.infra.errors import Forbidden
from app.infra.paging import MAX_LIMIT, Page
from app.infra.spreadsheet import BOM, lines
from app.web.guards import can, current
from app.web.shell import organisation

T = TypeVar("T")
PERMISSION = "lists.export"
"""What a view of a download requires, beside the permission to see the list."""


def download(
    name: str,
    *,
    seen_by: str,
    header: Sequence[str],
    pages: Callable[[str | None, int], Page[T]],
    rows: Callable[[list[T]], Iterable[Sequence[Any]]],
    filters: Mapping[str, Any],
) -> Response:
    """Return the list as a file, and note in the audit trail who takes it.

    `seen_by` is the permission to see the list; `pages(cursor, limit)` reads it, `rows` makes cells of a page's items.
    """
    if not can(seen_by):
        raise Forbidden(f"Your role does not allow this ({PERMISSIONS[seen_by].label.lower()}).")
    actor = current()
    exports.note(tenant_id=actor.tenant_id, name=name, filters=filters, actor=actor.ref, ip=request.remote_addr)
    # Before anything is sent: what is wrong with a filter is an answer, not a broken file.
    first = pages(None, MAX_LIMIT)
    today = clock.now().astimezone(ZoneInfo(organisation().timezone))
    return Response(
        stream_with_context(_stream(header, first, pages, rows)),
        content_type="text/csv; charset=utf-8",
        headers=attachment(f"{name}-{today:%Y-%m-%d}.csv"),
    )


def attachment(name: str) -> Headers:
    """Return the header that makes an answer a file of this name, in whatever script it is written."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    said = {"filename": plain} if plain == name else {"filename": plain, "filename*": f"UTF-8''{quote(name, safe='')}"}
    headers = Headers()
    headers.set("Content-Disposition", "attachment", **said)
    return headers


def stem(name: str, otherwise: str) -> str:
    """Return a name as a file may have it: its letters and figures, words joined by hyphens; `otherwise` for none."""
    return "-".join("".join(one if one.isalnum() or one in "-_" else " " for one in name).split()) or otherwise


def _stream(
    header: Sequence[str],
    page: Page[T],
    pages: Callable[[str | None, int], Page[T]],
    rows: Callable[[list[T]], Iterable[Sequence[Any]]],
) -> Iterator[str]:
    yield BOM + lines([header])
    while True:
        yield lines(rows(page.items))
        if page.next_cursor is None:
            return
        page = pages(page.next_cursor, MAX_LIMIT)
