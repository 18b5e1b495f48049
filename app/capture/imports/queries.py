"""Reads: the imports of a tenant, and what each refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, text

from app.capture.imports.models import COMPLETED, UNDONE, ImportRun
from app.capture.imports.service import NoSuchImport
from app.infra.db import transaction
from app.infra.paging import DEFAULT_LIMIT, Page, cut, id_cursor

REFUSED_AT_ONCE = 2000
_REFUSED = text("""
    SELECT record, reason, cells FROM import_refusal
    WHERE tenant_id = :tenant_id AND run_id = :run_id AND record > :after ORDER BY record LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not taken: its number in the file (the header is 1), why, and its cells."""

    record: int
    reason: str
    cells: list[str]


def progress(run: ImportRun) -> float:
    """Return how far an import (or its undoing) is, from 0 to 1."""
    if run.status in (COMPLETED, UNDONE):
        return 1.0
    if run.task == "undo":
        return round(1 - run.undo_left / (run.report.get("undo_total") or 1), 3)
    return round(run.position / run.size, 3) if run.size and run.rows else 0.0


def runs(*, tenant_id: UUID, cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> Page[ImportRun]:
    """Return the tenant's imports, the newest first."""
    before = id_cursor(cursor)
    wanted = select(ImportRun).where(ImportRun.tenant_id == tenant_id).order_by(ImportRun.id.desc()).limit(limit + 1)
    if before:
        wanted = wanted.where(ImportRun.id < before)
    with transaction(tenant_id) as session:
        found = session.scalars(wanted).all()
    return cut(found, limit, lambda one: (one.id,), lambda one: one)


def run(*, tenant_id: UUID, run_id: UUID) -> ImportRun:
    """Return one import, or raise NoSuchImport."""
    with transaction(tenant_id) as session:
        found = session.get(ImportRun, (tenant_id, run_id), populate_existing=True)
    if found is None:
        raise NoSuchImport
    return found


def refused(*, tenant_id: UUID, run_id: UUID) -> Iterator[list[Refusal]]:
    """Yield the rows an import refused, by their number, some thousands at a time."""
    after = 0
    while True:
        with transaction(tenant_id) as session:
            values = {"tenant_id": tenant_id, "run_id": run_id, "after": after, "limit": REFUSED_AT_ONCE}
            found = [Refusal(*row) for row in session.execute(_REFUSED, values)]
        if not found:
            return
        yield found
        after = found[-1].record
