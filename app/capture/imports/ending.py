"""How a run ends, whoever ends it: the worker at the last row, or somebody who cancels it."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.capture.imports.models import COMPLETED, FAILED, ImportRun

_STILL_SUGGESTED = text("""
    SELECT count(*) FROM import_made m CROSS JOIN unnest(m.row_ids) AS r(id)
    JOIN merge_suggestion s ON s.tenant_id = m.tenant_id AND s.id = r.id AND s.status = 'open'
    JOIN customer a ON a.tenant_id = s.tenant_id AND a.id = s.one_id AND a.status = 'ACTIVE'
    JOIN customer b ON b.tenant_id = s.tenant_id AND b.id = s.other_id AND b.status = 'ACTIVE'
    WHERE m.tenant_id = :tenant_id AND m.run_id = :run_id AND m.table_name = 'merge_suggestion'
""")
_FORGET_FILE = text("DELETE FROM import_chunk WHERE tenant_id = :tenant_id AND run_id = :run_id")


def end(session: Session, run: ImportRun, now: datetime, error: str | None = None) -> None:
    """Let a run be COMPLETED, or FAILED with an `error`, in the open transaction, which holds its row.

    A dry run keeps its file: it may be looked at in another way.
    """
    run.status, run.error, run.finished_at = FAILED if error else COMPLETED, error, now
    if not run.dry_run:
        values = {"tenant_id": run.tenant_id, "run_id": run.id}
        # Of pairs that one batch suggested, a later one may have joined some or told them apart.
        run.suggested = session.scalar(_STILL_SUGGESTED, values) or 0
        session.execute(_FORGET_FILE, values)
    session.flush()
