"""Imports as people ask for them: take a file, run it for real after a dry run, undo it. Workers do the rest."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.capture.imports import fields, preset, reading
from app.capture.imports.apply import ON_MATCH, UPDATE, columns_of
from app.capture.imports.models import ImportChunk, ImportRun
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Conflict, Invalid, NotFound
from app.infra.ids import new_id
from app.infra.queue import Work, wake
from app.infra.registry import NotRegistered

MAX_BYTES = 500 * 1024 * 1024
NO_PRESET = "Choose a preset, or say which column is what."


class NoSuchImport(NotFound):
    """The tenant has no import of this id."""

    def __init__(self) -> None:
        super().__init__("There is no such import.")


class NotNow(Conflict):
    """The import is not in a state for this."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a file is imported. `preset` names one, or `mapping` gives our name for columns by their header."""

    preset: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    on_match: str = UPDATE
    write_consent: bool = False
    start_journeys: bool = False
    dry_run: bool = False


def start(
    *,
    tenant_id: UUID,
    file: IO[bytes],
    file_name: str,
    options: Options,
    actor: str,
    now: datetime | None = None,
) -> UUID:
    """Keep the file and leave it to a worker; return the import's id.

    `file` must be seekable. Raises Invalid, by `file`, `preset`, `mapping` or `on_match`, where it can't be read.
    """
    mapping = _mapping(options)
    encoding = reading.find_encoding(file)
    pieces = reading.as_utf8(file, encoding)
    first = next(pieces, b"")
    delimiter = reading.find_delimiter(first[: reading.SAMPLE].decode(errors="ignore"))
    header = reading.read_header([first], delimiter)
    columns = columns_of(header.cells, mapping)
    _check_columns(header.cells, columns, mapping)
    run = ImportRun(
        tenant_id=tenant_id,
        id=new_id(),
        file_name=" ".join(file_name.split())[:200] or "file.csv",
        size=0,
        encoding=encoding.removesuffix("-sig"),
        delimiter=delimiter,
        header=header.cells,
        preset=options.preset,
        mapping=dict(mapping),
        on_match=options.on_match,
        write_consent=options.write_consent,
        start_journeys=options.start_journeys,
        dry_run=options.dry_run,
        position=header.end,
        created_by=actor,
        created_at=now or clock.now(),
    )
    with transaction(tenant_id) as session:
        session.add(run)
        session.flush()
        run.size = _store(session, run, itertools.chain([first], pieces))
        session.flush()
        audit.record(session, actor, "import.started", "import_run", run.id)
        wake(Work.IMPORT_ROWS, tenant_id)
    return run.id


def _mapping(options: Options) -> Mapping[str, str]:
    if options.on_match not in ON_MATCH:
        raise Invalid({"on_match": f"Choose one of: {', '.join(ON_MATCH)}."})
    if options.mapping:
        unknown = sorted(set(options.mapping.values()) - set(fields.OF_MEMBERS))
        if unknown:
            raise Invalid({"mapping": f"There is no field {unknown[0]!r}."})
        taken = list(options.mapping.values())
        twice = sorted({name for name in taken if taken.count(name) > 1})
        if twice:
            raise Invalid({"mapping": f"Two columns are mapped to {fields.OF_MEMBERS[twice[0]]}."})
        return options.mapping
    if not options.preset:
        raise Invalid({"preset": NO_PRESET})
    try:
        return preset.get(options.preset).columns
    except NotRegistered:
        names = ", ".join(one.name for one in preset.known())
        raise Invalid({"preset": f"There is no preset {options.preset[:60]!r}. Choose one of: {names}."}) from None


def _check_columns(header: list[str], columns: list[str | None], mapping: Mapping[str, str]) -> None:
    found = {one for one in columns if one}
    if not found & {"member_number", "email", "phone"}:
        expected = ", ".join(list(mapping)[:6])
        raise Invalid(
            {
                "file": f"Its columns ({', '.join(header)[:200]}) are not those of this preset ({expected} …):"
                " no member number, e-mail address or phone number is among them."
            }
        )
    if len(found) < sum(1 for one in columns if one):
        raise Invalid({"file": "Two of its columns have the same name."})


def _store(session: Session, run: ImportRun, pieces: Iterator[bytes]) -> int:
    size = 0
    for number, piece in enumerate(pieces):
        size += len(piece)
        if size > MAX_BYTES:
            raise Invalid({"file": f"The file is larger than {MAX_BYTES // 1024 // 1024} MB. Divide it."})
        values = {"tenant_id": run.tenant_id, "run_id": run.id, "number": number, "data": piece}
        session.execute(insert(ImportChunk).values(**values))
    return size


_RESET = text("""
    UPDATE import_run SET dry_run = false, status = 'PENDING', position = :position, record = 1, rows = 0, created = 0,
        updated = 0, unchanged = 0, refused = 0, suggested = 0, report = '{}', finished_at = NULL, created_at = :now
    WHERE tenant_id = :tenant_id AND id = :id AND dry_run AND status = 'COMPLETED'
""")
_FORGET_REFUSED = text("DELETE FROM import_refusal WHERE tenant_id = :tenant_id AND run_id = :id")
_UNDO = text("""
    UPDATE import_run SET task = 'undo', status = 'PENDING', finished_at = NULL, undo_left = journal.length,
        report = report || jsonb_build_object('undo_total', journal.length)
    FROM (SELECT count(*) AS length FROM import_change c WHERE c.tenant_id = :tenant_id AND c.run_id = :id) AS journal
    WHERE tenant_id = :tenant_id AND id = :id AND NOT dry_run AND status IN ('COMPLETED', 'FAILED')
""")


def run_after_dry_run(*, tenant_id: UUID, run_id: UUID, actor: str, now: datetime | None = None) -> None:
    """Import for real what a dry run looked at. Raises NoSuchImport, or NotNow where no dry run is finished."""
    with transaction(tenant_id) as session:
        run = _get(session, tenant_id, run_id)
        start_at = reading.read_header(_first_chunk(session, run), run.delimiter).end
        values = {"tenant_id": tenant_id, "id": run_id, "position": start_at, "now": now or clock.now()}
        if not session.execute(_RESET, values).rowcount:  # type: ignore[attr-defined]
            raise NotNow("This is not a finished dry run. Reload the page.")
        session.execute(_FORGET_REFUSED, values)
        audit.record(session, actor, "import.started", "import_run", run_id)
        wake(Work.IMPORT_ROWS, tenant_id)


def undo(*, tenant_id: UUID, run_id: UUID, actor: str) -> None:
    """Put back all that an import changed. Raises NoSuchImport, or NotNow where it is not finished or undone."""
    with transaction(tenant_id) as session:
        _get(session, tenant_id, run_id)
        if not session.execute(_UNDO, {"tenant_id": tenant_id, "id": run_id}).rowcount:  # type: ignore[attr-defined]
            raise NotNow("Only an import that has finished can be undone, once; a dry run changed nothing.")
        audit.record(session, actor, "import.undone", "import_run", run_id)
        wake(Work.IMPORT_ROWS, tenant_id)


def _get(session: Session, tenant_id: UUID, run_id: UUID) -> ImportRun:
    run = session.get(ImportRun, (tenant_id, run_id), populate_existing=True)
    if run is None:
        raise NoSuchImport
    return run


def _first_chunk(session: Session, run: ImportRun) -> list[bytes]:
    chunk = session.get(ImportChunk, (run.tenant_id, run.id, 0))
    if chunk is None:
        raise NotNow("The file is no longer kept. Upload it again.")
    return [chunk.data]
