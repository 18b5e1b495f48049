"""What a worker does with an import: one batch of rows in one transaction, with the place it came to.

A worker that dies leaves the batch undone and its place where it was, so nothing is counted or written twice.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import insert, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.accounts import queries as accounts
from app.capture import forgotten
from app.capture.batch import Handler
from app.capture.imports import formats, preset, reading, undo
from app.capture.imports.apply import MAX_LINES, MAX_ROWS, Outcome, Row, apply, columns_of, read_rows
from app.capture.imports.ending import end
from app.capture.imports.fields import Setting
from app.capture.imports.models import RUNNING, ImportRefusal, ImportRun
from app.capture.imports.reading import Raw
from app.customers import custom_fields
from app.events.capture_lock import lock_tenant
from app.events.places import places
from app.infra.db import transaction

log = logging.getLogger(__name__)

BATCH = 2000
# A dry run is taken back batch by batch, so that nobody waits for it: what one batch made, the next does not see.
# Files of so many rows are looked at whole.
DRY_BATCH = 5000
# Rows may be long: as texts, events and lines of the report they take ten times as much.
BATCH_BYTES = 8 * 1024 * 1024
CLUBS = 20
"""So many clubs that nobody knows are named in a report."""
# Examples of each kind in a run's own report; all that is kept stands in import_line.
EXAMPLES = 50

_CLAIM = text("""
    SELECT id FROM import_run WHERE tenant_id = :tenant_id AND status IN ('PENDING', 'RUNNING')
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
""")
_CHUNK = text("SELECT data FROM import_chunk WHERE tenant_id = :tenant_id AND run_id = :run_id AND number = :number")
_LINES = text("""
    INSERT INTO import_line (tenant_id, run_id, kind, record, detail)
    SELECT :tenant_id, :run_id, r.kind, r.record, r.detail
    FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r(kind text, record int, detail jsonb)
""")
_ANY_TENANT = text("SET LOCAL plan_cache_mode = force_generic_plan")
_JOURNAL = text("SELECT set_config('fairway.import_run', :run, true)")


def run_batch(*, tenant_id: UUID, now: datetime, handlers: Sequence[Handler] = ()) -> int:
    """Take the next batch of the tenant's oldest import; return how many rows it came to (0: nothing waits)."""
    try:
        return _next(tenant_id, now, handlers)
    except OperationalError:
        # The database's own trouble is no row's fault: the tick tries again.
        raise
    except Exception:
        log.exception("A batch of an import of %s failed; taking its rows one by one", tenant_id)
    return _next(tenant_id, now, handlers, one_by_one=True)


def _next(tenant_id: UUID, now: datetime, handlers: Sequence[Handler], *, one_by_one: bool = False) -> int:
    with transaction(tenant_id) as session:
        run_id = session.scalar(_CLAIM, {"tenant_id": tenant_id})
        if run_id is None:
            return 0
        run = session.get(ImportRun, (tenant_id, run_id), populate_existing=True)
        assert run is not None
        run.status = RUNNING
        if run.task == "undo":
            return undo.step(session, run, now)
        return _import(session, run, now, handlers, one_by_one=one_by_one)


def _import(session: Session, run: ImportRun, now: datetime, handlers: Sequence[Handler], *, one_by_one: bool) -> int:
    raws = _batch(session, run)
    if not raws:
        return _finish(session, run, now)
    setting, columns = _setting(session, run)
    out = Outcome(room=_room(run))
    rows = read_rows(raws, columns, setting, f"{run.preset}:{run.on_match}", out)
    lock_tenant(session, run.tenant_id)
    session.execute(_ANY_TENANT)
    if run.dry_run:
        _try(session, run, rows, setting, out)
    else:
        session.execute(_JOURNAL, {"run": str(run.id)})
        for some in [[row] for row in rows] if one_by_one else [rows]:
            _apply(session, run, some, setting, handlers, out, guarded=one_by_one)
        session.execute(_JOURNAL, {"run": ""})
    out.refused = forgotten.without_erased(session, run.tenant_id, out.refused, setting.places)
    _add(session, run, raws[-1], out)
    return len(raws)


def _try(session: Session, run: ImportRun, rows: list[Row], setting: Setting, out: Outcome) -> None:
    """Take the rows in and take it all back: what would happen is what does."""
    tried = session.begin_nested()
    try:
        _apply(session, run, rows, setting, (), out, guarded=False)
    finally:
        tried.rollback()


def _apply(
    session: Session,
    run: ImportRun,
    rows: list[Row],
    setting: Setting,
    handlers: Sequence[Handler],
    out: Outcome,
    *,
    guarded: bool,
) -> None:
    if not guarded:
        _take(session, run, rows, setting, handlers, out)
        return
    found = Outcome(room=out.room)
    try:
        with session.begin_nested():
            _take(session, run, rows, setting, handlers, found)
    except OperationalError:
        raise
    except Exception as error:
        log.exception("Row %s of import %s failed", rows[0].record, run.id)
        for row in rows:
            out.refuse(row.record, f"It could not be applied ({type(error).__name__})", row.cells)
    else:
        out.add(found)


def _take(
    session: Session,
    run: ImportRun,
    rows: list[Row],
    setting: Setting,
    handlers: Sequence[Handler],
    out: Outcome,
) -> None:
    apply(
        session,
        run.tenant_id,
        rows,
        setting,
        on_match=run.on_match,
        file_name=run.file_name,
        by=run.created_by,
        handlers=handlers,
        start_journeys=run.start_journeys,
        out=out,
    )


def _batch(session: Session, run: ImportRun) -> list[Raw]:
    """Return the rows to be taken together: so many, and no more than can be held."""
    found: list[Raw] = []
    for raw in islice(_raws(session, run), DRY_BATCH if run.dry_run else BATCH):
        found.append(raw)
        if raw.end - run.position > BATCH_BYTES:
            break
    return found


def _raws(session: Session, run: ImportRun) -> Iterator[Raw]:
    pieces = _pieces(session, run)
    return reading.rows(pieces, delimiter=run.delimiter, position=run.position, record=run.record)


def _pieces(session: Session, run: ImportRun) -> Iterator[bytes]:
    """Yield the file from the run's place on; all chunks but the last are CHUNK bytes long."""
    number, skipped = divmod(run.position, reading.CHUNK)
    while True:
        values = {"tenant_id": run.tenant_id, "run_id": run.id, "number": number}
        piece = session.scalar(_CHUNK, values)
        if piece is None:
            return
        yield bytes(piece)[skipped:]
        number, skipped = number + 1, 0


def _setting(session: Session, run: ImportRun) -> tuple[Setting, list[str | None]]:
    kind = formats.applied(preset.get(run.preset) if run.preset else preset.OWN, run.formats)
    tenant = accounts.tenant_info(tenant_id=run.tenant_id)
    known = places(session, run.tenant_id)
    columns = columns_of(run.header, run.mapping)
    own = {one.name: one for one in custom_fields.load_to_write(session, run.tenant_id) if one.archived_at is None}
    locales = {one.id: one.locale for one in accounts.clubs(tenant_id=run.tenant_id)}
    zone = ZoneInfo(tenant.timezone)
    setting = Setting(kind, known, zone, run.created_at, run.write_consent, own, tenant.locale, locales)
    return setting, columns


def _room(run: ImportRun) -> dict[str, int]:
    """Return how many lines of each kind may still be kept."""
    consented = run.report.get("people", {}).get("consent", 0)
    counts = {kind: getattr(run, kind) for kind in ("created", "updated", "unchanged", "suggested")}
    return {kind: max(0, MAX_LINES - count) for kind, count in {**counts, "consent": consented}.items()}


def _add(session: Session, run: ImportRun, last: Raw, out: Outcome) -> None:
    """Write down what became of the batch, and the place after it."""
    run.position, run.record = last.end, last.record
    for name in ("rows", "created", "updated", "unchanged", "refused", "suggested"):
        setattr(run, name, getattr(run, name) + out.counts[name])
    report: dict[str, Any] = dict(run.report)
    for name, kind in (("new", "created"), ("changed", "updated"), ("suggested", "suggested")):
        report[name] = [*report.get(name, []), *out.lines[kind]][:EXAMPLES]
    people = {"consent": out.counts["consent"]}
    for name, counted in (("noted", out.noted), ("consent", out.consent), ("people", people)):
        before = report.get(name, {})
        report[name] = {key: before.get(key, 0) + counted.get(key, 0) for key in sorted({*before, *counted})}
    told_before = report.get("noted_in", {})
    report["noted_in"] = {
        why: [*told_before.get(why, []), *out.noted_in.get(why, [])][:MAX_ROWS] for why in report["noted"]
    }
    report["clubs"] = _most_named(Counter(report.get("clubs", {})) + out.clubs)
    run.report = report
    lines = [
        {"kind": kind, "record": line["record"], "detail": line} for kind, some in out.lines.items() for line in some
    ]
    if lines:
        told = {"tenant_id": run.tenant_id, "run_id": run.id, "rows": orjson.dumps(lines).decode()}
        session.execute(_LINES, told)
    if out.refused:
        session.execute(
            insert(ImportRefusal),
            [
                {"tenant_id": run.tenant_id, "run_id": run.id, "record": record, "reason": reason, "cells": cells}
                for record, reason, cells in out.refused
            ],
        )
    session.flush()


def _most_named(clubs: Counter[str]) -> dict[str, int]:
    """Return the clubs that are named most; the rows of all others under "": a wrong column may hold thousands."""
    others = clubs.pop("", 0)
    kept = dict(clubs.most_common(CLUBS))
    others += clubs.total() - sum(kept.values())
    return kept | ({"": others} if others else {})


def _finish(session: Session, run: ImportRun, now: datetime) -> int:
    sound = run.rows == run.created + run.updated + run.unchanged + run.refused
    end(session, run, now, None if sound else "The counts do not add up. Tell us: this must not happen.")
    return 1
