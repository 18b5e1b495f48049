"""A file of members, from the upload until its report stands there, against COPY of the same customers."""

import csv
import io
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from uuid import UUID

import psycopg

from app.infra import processes
from app.infra.embedded import Postgres
from benchmarks import people, rows
from benchmarks.figures import Figure
from benchmarks.stack import Stack

MEMORY_MB = 300
TABLES = (
    "activity",
    "contact_point",
    "customer",
    "external_id",
    "import_change",
    "import_made",
    "inbound_event",
    "merge_suggestion",
    "note",
)
BY = "system:benchmark"


def measure(stack: Stack, count: int, rounds: int) -> Figure:
    """Measure an import of `count` rows against COPY of the customers it made into their table, emptied by its undo."""
    figure = Figure(
        "imports",
        f"{count:,} rows of a member export, until the report stands there",
        "COPY of the same customers into their table, with its indexes, keys and triggers",
        floor=1 / 12,
    )
    memory: list[float] = []
    figure.limits["peak memory of the importing process"] = (memory, MEMORY_MB, "MB")
    bare = figure.beside["COPY of the file's cells into a table of texts without a key"] = []
    undone = figure.beside["rows undone"] = []
    path = stack.home / "members.csv"
    rows.write(path, count)
    stack.enter_app()
    with stack.database() as connection, _superuser(stack) as owner:
        people.make_clubs(connection, rows.CLUBS)
        for _ in range(rounds):
            seconds, run_id = _import(stack.tenant_id, path)
            figure.product.append(count / seconds)
            with TemporaryFile() as kept:
                made = _copy_out(owner, stack.tenant_id, kept)
                undone.append(count / _undo(stack.tenant_id, run_id))
                stack.tidy(*TABLES)
                figure.raw.append(made / _copy_in(owner, kept))
                owner.execute("DELETE FROM customer WHERE tenant_id = %s", [stack.tenant_id])
            bare.append(count / _copy_cells(owner, count))
            stack.tidy(*TABLES)
        memory.append(max(map(_peak_mb, processes.carrying("FAIRWAY_SUPERVISED", str(stack.home)))))
    return figure


def _superuser(stack: Stack) -> psycopg.Connection[Any]:
    """Return a connection that row-level security does not bind: COPY is not for those it binds."""
    address = Postgres(stack.home).superuser_url.replace("/postgres?", "/fairway?", 1)
    return psycopg.connect(address, autocommit=True)


def _import(tenant_id: UUID, path: Path) -> tuple[float, UUID]:
    from app.capture.imports import service

    with path.open("rb") as file:
        began = time.monotonic()
        options = service.Options(preset="mca-v1-za-members")
        run_id = service.start(tenant_id=tenant_id, file=file, file_name=path.name, options=options, actor=BY)
    run = _wait(tenant_id, run_id)
    print(
        f"  {run.rows:,} rows = {run.created:,} created + {run.updated:,} updated + {run.unchanged:,} unchanged"
        f" + {run.refused:,} refused; {run.suggested:,} suggested",
        flush=True,
    )
    return time.monotonic() - began, run_id


def _undo(tenant_id: UUID, run_id: UUID) -> float:
    from app.capture.imports import service

    began = time.monotonic()
    service.undo(tenant_id=tenant_id, run_id=run_id, actor=BY)
    _wait(tenant_id, run_id)
    return time.monotonic() - began


def _wait(tenant_id: UUID, run_id: UUID) -> Any:
    from app.capture.imports import queries

    while (run := queries.run(tenant_id=tenant_id, run_id=run_id)).finished_at is None:
        time.sleep(0.2)
    if run.error:
        raise RuntimeError(run.error)
    return run


_COLUMNS = """
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = 'customer'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""


def _columns(owner: psycopg.Connection[Any]) -> Any:
    return owner.execute(_COLUMNS).fetchone()[0]  # type: ignore[index]


def _copy_out(owner: psycopg.Connection[Any], tenant_id: UUID, kept: IO[bytes]) -> int:
    chosen = f"SELECT {_columns(owner)} FROM customer WHERE tenant_id = '{tenant_id}' ORDER BY id"
    with owner.cursor() as cursor:
        with cursor.copy(f"COPY ({chosen}) TO STDOUT") as copied:
            for piece in copied:
                kept.write(piece)
        return cursor.rowcount


def _copy_in(owner: psycopg.Connection[Any], kept: IO[bytes]) -> float:
    kept.seek(0)
    began = time.monotonic()
    with owner.cursor() as cursor, cursor.copy(f"COPY customer ({_columns(owner)}) FROM STDIN") as copied:
        while piece := kept.read(1 << 20):
            copied.write(piece)
    return time.monotonic() - began


def _copy_cells(owner: psycopg.Connection[Any], count: int) -> float:
    """Return how long COPY of the file's whole rows takes where nothing is read, known, looked up or kept in order."""
    whole = io.StringIO()
    csv.writer(whole).writerows(row for row in rows.rows(count) if len(row) == len(rows.HEADER))
    data = whole.getvalue().encode()
    cells = ", ".join(f'"{name}" text' for name in rows.HEADER)
    owner.execute(f"CREATE TABLE cells ({cells})")
    began = time.monotonic()
    with owner.cursor() as cursor, cursor.copy("COPY cells FROM STDIN (FORMAT csv)") as copied:
        copied.write(data)
    seconds = time.monotonic() - began
    owner.execute("DROP TABLE cells")
    return seconds


def _peak_mb(process: Any) -> float:
    with suppress(OSError), Path(f"/proc/{process.pid}/status").open() as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0
