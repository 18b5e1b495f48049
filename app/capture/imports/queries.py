"""Reads: the imports of a tenant, and what each refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, text

from app.capture.imports import reading
from app.capture.imports.models import (
    COMPLETED,
    DRAFT,
    UNDONE,
    ImportChange,
    ImportChunk,
    ImportLine,
    ImportRefusal,
    ImportRun,
)
from app.capture.imports.service import NoSuchImport
from app.infra.db import transaction
from app.infra.paging import DEFAULT_LIMIT, BadCursor, Page, cut, decode_cursor, id_cursor

REFUSED_AT_ONCE = 2000
_REFUSED = text("""
    SELECT record, reason, cells FROM import_refusal
    WHERE tenant_id = :tenant_id AND run_id = :run_id AND record > :after ORDER BY record LIMIT :limit
""")
_REASONS = text("""
    SELECT reason, count(*) AS found FROM import_refusal WHERE tenant_id = :tenant_id AND run_id = :id
    GROUP BY reason ORDER BY count(*) DESC, reason LIMIT 20
""")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not taken: its number in the file (the header is 1), why, and its cells."""

    record: int
    reason: str
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file: its place, its name in the header, and values that stand in it."""

    at: int
    name: str
    samples: tuple[str, ...]


SAMPLES = 3
_LOOKED_AT = 500


def samples(run: ImportRun) -> list[Column]:
    """Return the columns of a run's file with up to three different values of each; none if it is no longer kept."""
    with transaction(run.tenant_id) as session:
        chunk = session.get(ImportChunk, (run.tenant_id, run.id, 0))
    found: list[dict[str, None]] = [{} for _ in run.header]
    if chunk is not None:
        # The chunk may end within a row, or a letter.
        whole = chunk.data[: chunk.data.rfind(b"\n") + 1] or chunk.data
        for raw in islice(reading.rows([whole], delimiter=run.delimiter, position=0, record=0), 1, _LOOKED_AT):
            for values, cell in zip(found, raw.cells, strict=False):
                text_ = " ".join(cell.split())
                if text_ and len(values) < SAMPLES:
                    values[text_[:80]] = None
    return [Column(at, name, tuple(values)) for at, (name, values) in enumerate(zip(run.header, found, strict=True))]


def lines(
    *, tenant_id: UUID, run_id: UUID, kind: str, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[dict[str, Any]]:
    """Return the lines of one kind of a run's report, by the row's number in the file."""
    wanted = select(ImportLine.record, ImportLine.detail).where(
        ImportLine.tenant_id == tenant_id,
        ImportLine.run_id == run_id,
        ImportLine.kind == kind,
        ImportLine.record > _after(cursor),
    )
    with transaction(tenant_id) as session:
        rows = session.execute(wanted.order_by(ImportLine.record).limit(limit + 1)).all()
    return cut(rows, limit, lambda one: (one.record,), lambda one: dict(one.detail))


def refusals(*, tenant_id: UUID, run_id: UUID, cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> Page[Refusal]:
    """Return the rows a run refused, by their number in the file."""
    wanted = select(ImportRefusal.record, ImportRefusal.reason, ImportRefusal.cells).where(
        ImportRefusal.tenant_id == tenant_id, ImportRefusal.run_id == run_id, ImportRefusal.record > _after(cursor)
    )
    with transaction(tenant_id) as session:
        rows = session.execute(wanted.order_by(ImportRefusal.record).limit(limit + 1)).all()
    return cut(rows, limit, lambda one: (one.record,), lambda one: Refusal(one.record, one.reason, one.cells))


def reasons(*, tenant_id: UUID, run_id: UUID) -> list[tuple[str, int]]:
    """Return why rows were refused, and how many for each reason, the most first."""
    with transaction(tenant_id) as session:
        rows = session.execute(_REASONS, {"tenant_id": tenant_id, "id": run_id})
        return [(row.reason, row.found) for row in rows]


def _after(cursor: str | None) -> int:
    if not cursor:
        return 0
    (after,) = decode_cursor(cursor, 1)
    if not isinstance(after, int) or not 0 <= after < 2**31:
        raise BadCursor
    return after


def progress(run: ImportRun) -> float:
    """Return how far an import (or its undoing) is, from 0 to 1."""
    if run.status in (COMPLETED, UNDONE):
        return 1.0
    if run.task == "undo":
        return round(1 - run.undo_left / (run.report.get("undo_total") or 1), 3)
    return round(run.position / run.size, 3) if run.size and run.rows else 0.0


def runs(
    *, tenant_id: UUID, drafts: bool = False, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[ImportRun]:
    """Return the tenant's imports, the newest first; with `drafts` those too that nobody has begun."""
    before = id_cursor(cursor)
    wanted = select(ImportRun).where(ImportRun.tenant_id == tenant_id).order_by(ImportRun.id.desc()).limit(limit + 1)
    if before:
        wanted = wanted.where(ImportRun.id < before)
    if not drafts:
        wanted = wanted.where(ImportRun.status != DRAFT)
    with transaction(tenant_id) as session:
        found = session.scalars(wanted).all()
    return cut(found, limit, lambda one: (one.id,), lambda one: one)


def run(*, tenant_id: UUID, run_id: UUID, drafts: bool = False) -> ImportRun:
    """Return one import (a draft only with `drafts`), or raise NoSuchImport."""
    with transaction(tenant_id) as session:
        found = session.get(ImportRun, (tenant_id, run_id), populate_existing=True)
    if found is None or (found.status == DRAFT and not drafts):
        raise NoSuchImport
    return found


def touched(*, tenant_id: UUID, run_id: UUID) -> Select[UUID]:
    """Return the statement of the customers an import made or changed; raise NoSuchImport."""
    run(tenant_id=tenant_id, run_id=run_id)
    return select(ImportChange.row_id).where(
        ImportChange.tenant_id == tenant_id, ImportChange.run_id == run_id, ImportChange.table_name == "customer"
    )


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
