"""Imports as people ask for them: take a file, run it for real after a dry run, undo it. Workers do the rest."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import IO
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.capture.imports import formats, mappings, preset, reading, targets
from app.capture.imports.apply import ON_MATCH, UPDATE, columns_of, plain
from app.capture.imports.ending import end
from app.capture.imports.models import COMPLETED, DRAFT, FAILED, PENDING, RUNNING, ImportChunk, ImportRun
from app.capture.imports.preset import Preset
from app.infra import clock
from app.infra.config import load
from app.infra.db import transaction
from app.infra.errors import Conflict, Invalid, NotFound
from app.infra.figures import figure
from app.infra.ids import new_id
from app.infra.queue import Work, wake
from app.infra.registry import NotRegistered

NO_PRESET = "Choose a preset, or say which column is what."
KEPT = timedelta(days=7)
"""How long the file of a draft or a dry run is kept."""


class NoSuchImport(NotFound):
    """The tenant has no import of this id."""

    def __init__(self) -> None:
        super().__init__("There is no such import.")


class NotNow(Conflict):
    """The import is not in a state for this."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a file is imported.

    `preset` names one; `mapping` gives targets (app.capture.imports.targets) for columns by their header, in place of
    the preset's. `formats`: see app.capture.imports.formats.
    """

    preset: str | None = None
    mapping: Mapping[str, str] | None = None
    formats: Mapping[str, str | None] = field(default_factory=dict)
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

    `file` must be seekable. Raises Invalid, by `file`, `preset`, `mapping` (and `mapping.<column>`), `on_match` or a
    format, where it can't be read.
    """
    _check(options)
    run, pieces = _opened(tenant_id, file, file_name, actor, now or clock.now())
    _set(run, options)
    _refuse_doubles(run)
    run.status = PENDING
    with transaction(tenant_id) as session:
        _keep(session, run, pieces)
        audit.record(session, actor, "import.started", "import_run", run.id)
        wake(Work.IMPORT_ROWS, tenant_id)
    return run.id


def draft(
    *,
    tenant_id: UUID,
    file: IO[bytes],
    file_name: str,
    actor: str,
    encoding: str | None = None,
    delimiter: str | None = None,
    now: datetime | None = None,
) -> UUID:
    """Keep the file until somebody has said what its columns are; return the import's id.

    `encoding` and `delimiter` are found where they aren't given. Raises Invalid by `file`.
    """
    run, pieces = _opened(tenant_id, file, file_name, actor, now or clock.now(), encoding, delimiter)
    run.status, run.on_match, run.dry_run = DRAFT, UPDATE, True
    with transaction(tenant_id) as session:
        _keep(session, run, pieces)
        audit.record(session, actor, "import.uploaded", "import_run", run.id)
    return run.id


def look(
    *,
    tenant_id: UUID,
    run_id: UUID,
    options: Options,
    actor: str,
    save_as: str = "",
    now: datetime | None = None,
) -> None:
    """Begin the dry run of a draft, or another one of what was looked at before; keep the mapping if it has a name.

    Raises NoSuchImport, NotNow where it was imported already, or Invalid as `start` does.
    """
    _check(options)
    with transaction(tenant_id) as session:
        run = _locked(session, tenant_id, run_id)
        if not is_open(run):
            raise NotNow("This import has begun already. Upload the file again to import it in another way.")
        _set(run, options)
        if save_as.strip():
            mappings.save(
                tenant_id=tenant_id,
                name=save_as,
                preset_name=run.preset,
                columns=options.mapping or run.mapping,
                formats=run.formats,
                actor=actor,
                now=now,
            )
        _begin(session, run, now or clock.now(), dry_run=True)
        audit.record(session, actor, "import.tried", "import_run", run_id)
        wake(Work.IMPORT_ROWS, tenant_id)


def is_open(run: ImportRun) -> bool:
    """Return whether nothing was imported yet, so that the mapping can still be another."""
    return run.status == DRAFT or (run.dry_run and run.status in (COMPLETED, FAILED))


def discard(*, tenant_id: UUID, run_id: UUID, actor: str) -> None:
    """Forget a draft or a finished dry run with its file; raise NoSuchImport or NotNow."""
    with transaction(tenant_id) as session:
        run = _locked(session, tenant_id, run_id)
        if not is_open(run):
            raise NotNow("This import has begun already; it can be undone instead.")
        session.delete(run)
        session.flush()
        audit.record(session, actor, "import.discarded", "import_run", run_id)


def _check(options: Options) -> None:
    if options.on_match not in ON_MATCH:
        raise Invalid({"on_match": f"Choose one of: {', '.join(ON_MATCH)}."})


def mapping_of(*, tenant_id: UUID, header: Sequence[str], options: Options) -> dict[str, str]:
    """Return which column becomes what (see app.capture.imports.targets), or raise Invalid."""
    kind = kind_of(options.preset)
    if options.mapping is not None:
        return targets.checked(options.mapping, tenant_id=tenant_id, kind=kind.kind)
    if not options.preset:
        raise Invalid({"preset": NO_PRESET})
    mapping = dict(kind.columns)
    if kind.by_target:
        known = {one.name for one in targets.targets(tenant_id=tenant_id, kind=kind.kind)}
        mapping |= {name: name for name in header if name in known or targets.is_id(name)}
    return mapping


def kind_of(name: str | None) -> Preset:
    """Return the preset of that name, the stand-in for none, or raise Invalid."""
    if not name:
        return preset.OWN
    try:
        return preset.get(name)
    except NotRegistered:
        names = ", ".join(one.name for one in preset.known())
        raise Invalid({"preset": f"There is no preset {name[:60]!r}. Choose one of: {names}."}) from None


def _opened(
    tenant_id: UUID,
    file: IO[bytes],
    file_name: str,
    actor: str,
    now: datetime,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> tuple[ImportRun, Iterator[bytes]]:
    """Return the run of a file, as far as the file itself tells, and the pieces of its text."""
    encoding = encoding or reading.find_encoding(file)
    pieces = reading.as_utf8(file, encoding)
    first = next(pieces, b"")
    delimiter = delimiter or reading.find_delimiter(first[: reading.SAMPLE].decode(errors="ignore"))
    header = reading.read_header([first], delimiter)
    run = ImportRun(
        tenant_id=tenant_id,
        id=new_id(),
        file_name=" ".join(file_name.split())[:200] or "file.csv",
        size=0,
        encoding=encoding.removesuffix("-sig"),
        delimiter=delimiter,
        header=header.cells,
        position=header.end,
        created_by=actor,
        created_at=now,
    )
    return run, itertools.chain([first], pieces)


def _set(run: ImportRun, options: Options) -> None:
    """Give the run what was chosen, or raise Invalid."""
    mapping = mapping_of(tenant_id=run.tenant_id, header=run.header, options=options)
    _check_columns(run.header, columns_of(run.header, mapping), mapping)
    run.formats = formats.checked(options.formats)
    run.preset, run.mapping, run.on_match = options.preset or None, mapping, options.on_match
    run.write_consent, run.start_journeys = options.write_consent, options.start_journeys
    run.dry_run = options.dry_run


def _check_columns(header: list[str], columns: list[str | None], mapping: Mapping[str, str]) -> None:
    found = [one for one in columns if one]
    if not targets.identifies(set(found)):
        expected = ", ".join(list(mapping)[:6])
        raise Invalid(
            {
                "file": f"Its columns ({', '.join(header)[:200]}) are not those expected ({expected} …):"
                " no member number, e-mail address, phone number or other id is among them."
            }
        )


def _refuse_doubles(run: ImportRun) -> None:
    """Refuse a file of which nobody has seen that two of its columns have one name."""
    names = [plain(name) for name in run.header]
    if any(names.count(plain(name)) > 1 for name in run.mapping):
        raise Invalid({"file": "Two of its columns have the same name."})


def _keep(session: Session, run: ImportRun, pieces: Iterator[bytes]) -> None:
    session.add(run)
    session.flush()
    run.size = _store(session, run, pieces)
    session.flush()


def forget_old(*, tenant_id: UUID, now: datetime) -> None:
    """Delete drafts nobody went on with, and the files of dry runs, once they are older than KEPT."""
    values = {"tenant_id": tenant_id, "until": now - KEPT}
    with transaction(tenant_id) as session:
        session.execute(_FORGET_DRAFTS, values)
        session.execute(_FORGET_FILES, values)


def _store(session: Session, run: ImportRun, pieces: Iterator[bytes]) -> int:
    size, most = 0, load().max_upload_bytes
    for number, piece in enumerate(pieces):
        size += len(piece)
        if size > most:
            raise Invalid({"file": f"The file is larger than {most // 1024 // 1024} MB. Divide it."})
        values = {"tenant_id": run.tenant_id, "run_id": run.id, "number": number, "data": piece}
        session.execute(insert(ImportChunk).values(**values))
    return size


_FORGET_DRAFTS = text("""
    DELETE FROM import_run WHERE tenant_id = :tenant_id AND status = 'DRAFT' AND created_at < :until
""")
_FORGET_FILES = text("""
    DELETE FROM import_chunk c USING import_run r
    WHERE r.tenant_id = :tenant_id AND r.dry_run AND r.finished_at < :until
        AND c.tenant_id = r.tenant_id AND c.run_id = r.id
""")
_FORGET = [
    text(f"DELETE FROM {table} WHERE tenant_id = :tenant_id AND run_id = :id")  # noqa: S608 - the tables are ours
    for table in ("import_refusal", "import_line")
]
_UNDO = text("""
    UPDATE import_run SET task = 'undo', status = 'PENDING', finished_at = NULL, undo_left = journal.length,
        report = report || jsonb_build_object('undo_total', journal.length)
    FROM (
        SELECT (SELECT count(*) FROM import_change c WHERE c.tenant_id = :tenant_id AND c.run_id = :id)
            + (SELECT coalesce(sum(cardinality(m.row_ids)), 0) FROM import_made m
               WHERE m.tenant_id = :tenant_id AND m.run_id = :id) AS length
    ) AS journal
    WHERE tenant_id = :tenant_id AND id = :id AND NOT dry_run AND status IN ('COMPLETED', 'FAILED')
""")


def run_after_dry_run(*, tenant_id: UUID, run_id: UUID, actor: str, now: datetime | None = None) -> None:
    """Import for real what a dry run looked at. Raises NoSuchImport, or NotNow where no dry run is finished."""
    with transaction(tenant_id) as session:
        run = _locked(session, tenant_id, run_id)
        if not run.dry_run or run.status != COMPLETED:
            raise NotNow("This is not a finished dry run. Reload the page.")
        _begin(session, run, now or clock.now(), dry_run=False)
        audit.record(session, actor, "import.started", "import_run", run_id)
        wake(Work.IMPORT_ROWS, tenant_id)


def _begin(session: Session, run: ImportRun, now: datetime, *, dry_run: bool) -> None:
    """Let the run begin at the first row, as if nothing had been looked at."""
    run.position, run.record = reading.read_header(_first_chunk(session, run), run.delimiter).end, 1
    run.rows = run.created = run.updated = run.unchanged = run.refused = run.suggested = 0
    run.report, run.error, run.finished_at, run.created_at = {}, None, None, now
    run.dry_run, run.status = dry_run, PENDING
    session.flush()
    for statement in _FORGET:
        session.execute(statement, {"tenant_id": run.tenant_id, "id": run.id})


def undo(*, tenant_id: UUID, run_id: UUID, actor: str) -> None:
    """Put back all that an import changed. Raises NoSuchImport, or NotNow where it is not finished or undone."""
    with transaction(tenant_id) as session:
        _locked(session, tenant_id, run_id)
        if not session.execute(_UNDO, {"tenant_id": tenant_id, "id": run_id}).rowcount:  # type: ignore[attr-defined]
            raise NotNow("Only an import that has finished can be undone, once; a dry run changed nothing.")
        audit.record(session, actor, "import.undone", "import_run", run_id)
        wake(Work.IMPORT_ROWS, tenant_id)


def cancel(*, tenant_id: UUID, run_id: UUID, actor: str, actor_name: str, now: datetime | None = None) -> None:
    """End an import or a dry run that waits or goes on, after the batch under way: it is FAILED, and says who ended it.

    What is in stays, and can be undone. Raises NoSuchImport, or NotNow where nothing is being imported.
    """
    with transaction(tenant_id) as session:
        # A worker holds the row for as long as a batch takes.
        run = _locked(session, tenant_id, run_id)
        if run.status not in (PENDING, RUNNING) or run.task != "import":
            raise NotNow("Only an import that is under way can be cancelled. Reload the page.")
        end(session, run, now or clock.now(), f"Cancelled by {actor_name} after {figure(run.rows)} rows.")
        audit.record(session, actor, "import.cancelled", "import_run", run_id, {"rows": run.rows})


def _locked(session: Session, tenant_id: UUID, run_id: UUID) -> ImportRun:
    run = session.get(ImportRun, (tenant_id, run_id), with_for_update=True, populate_existing=True)
    if run is None:
        raise NoSuchImport
    return run


def _first_chunk(session: Session, run: ImportRun) -> list[bytes]:
    chunk = session.get(ImportChunk, (run.tenant_id, run.id, 0))
    if chunk is None:
        raise NotNow("The file is no longer kept. Upload it again.")
    return [chunk.data]
