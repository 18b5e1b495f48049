"""How a run ends, whoever ends it: the worker at the last row, or somebody who cancels it."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.capture.imports.models import COMPLETED, FAILED, ImportRun

# Looked up pair by pair: joined, the planner reads all customers for each while it takes a new tenant for a small one.
_STILL_SUGGESTED = text("""
    SELECT count(*) FROM import_made m CROSS JOIN unnest(m.row_ids) AS r(id)
    CROSS JOIN LATERAL (
        SELECT s.one_id, s.other_id FROM merge_suggestion s
        WHERE s.tenant_id = :tenant_id AND s.id = r.id AND s.status = 'open' LIMIT 1
    ) AS pair
    CROSS JOIN LATERAL (
        SELECT FROM customer c WHERE c.tenant_id = :tenant_id AND c.id = pair.one_id AND c.status = 'ACTIVE' LIMIT 1
    ) AS one
    CROSS JOIN LATERAL (
        SELECT FROM customer c WHERE c.tenant_id = :tenant_id AND c.id = pair.other_id AND c.status = 'ACTIVE' LIMIT 1
    ) AS other
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
