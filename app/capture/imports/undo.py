"""Undo: every row an import touched becomes what it was, unless somebody has changed it since.

A column that holds something else than the import left there keeps it. Somebody whom the import added stays if more has
happened to them since (an event, a message, a note, a change by hand); all others go.
"""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.capture.imports.models import UNDONE, ImportRun
from app.capture.service import lock_tenant
from app.infra.db import Base

BATCH = 5000
# Rows that hang on a customer and tell who they are rather than what happened: they go and stay with them.
HINTS = ("contact_point", "external_id")
# What people decided stays.
UNDECIDED = {"merge_suggestion": "t.status = 'open'", "household_suggestion": "t.status = 'open'"}
# Whoever has one of these after the import's own are gone has had more happen to them.
HAPPENED = ("inbound_event", "activity", "message", "note", "journey_enrollment", "consent_change", "household_member")
# Columns that hold many things, each changed by itself: of those changed since, the other keys are put back.
DOCUMENTS = frozenset((("customer", "custom"), ("customer", "facts_at")))
_KEY_BY_KEY = """(
    SELECT coalesce(jsonb_object_agg(one.key, one.value), '{{}}') FROM (
        SELECT e.key, e.value FROM jsonb_each(r.now -> '{column}') AS e
        WHERE e.value IS DISTINCT FROM r.after -> '{column}' -> e.key
        UNION ALL
        SELECT e.key, e.value FROM jsonb_each(r.before -> '{column}') AS e
        WHERE r.now -> '{column}' -> e.key IS NOT DISTINCT FROM r.after -> '{column}' -> e.key
    ) AS one)"""
_TABLES = text("""
    SELECT DISTINCT table_name FROM import_change WHERE tenant_id = :tenant_id AND run_id = :run_id
""")
_SOME = """
    WITH taken AS (
        SELECT c.row_id, c.before, c.after FROM import_change c
        WHERE c.tenant_id = :tenant_id AND c.run_id = :run_id AND c.table_name = :table AND {which}
        ORDER BY c.row_id LIMIT :limit
    )"""
_DONE = """
    DELETE FROM import_change c USING taken
    WHERE c.tenant_id = :tenant_id AND c.run_id = :run_id AND c.table_name = :table AND c.row_id = taken.row_id"""
_MADE, _REMOVED, _CHANGED = (
    "c.before IS NULL",
    "c.before IS NOT NULL AND c.after IS NULL",
    "c.before IS NOT NULL AND c.after IS NOT NULL",
)


def step(session: Session, run: ImportRun, now: datetime) -> int:
    """Put back the next rows of the run; return how many (at the end, once, 1)."""
    lock_tenant(session, run.tenant_id)
    values = {"tenant_id": run.tenant_id, "run_id": run.id, "limit": BATCH, "began": run.created_at}
    for table, statement in _statements(set(session.scalars(_TABLES, values))):
        done = session.execute(text(statement), {**values, "table": table}).rowcount  # type: ignore[attr-defined]
        if done:
            run.undo_left = max(0, run.undo_left - done)
            session.flush()
            return int(done)
    run.status, run.finished_at, run.undo_left = UNDONE, now, 0
    session.flush()
    return 1


def _statements(touched: set[str]) -> Iterator[tuple[str, str]]:
    """Yield (table, statement) in the order in which they may run; each does some rows and forgets their journal.

    What the import made goes before what it removed comes back, which may have the same unique key; customers go last.
    """
    others = sorted(touched - {"customer", *HINTS})
    hints = [one for one in HINTS if one in touched]
    for table in others:
        yield table, _remove(table)
    for table in hints:
        yield table, _remove_hints(table)
    for table in (*(one for one in ("customer",) if one in touched), *hints, *others):
        yield table, _bring_back(table)
        yield table, _set_back(table)
    if "customer" in touched:
        yield "customer", _remove_customers()


# Names of tables and columns below are the models', never a caller's.
def _columns(table: str) -> list[str]:
    return [one.name for one in Base.metadata.tables[table].columns if one.computed is None]


def _remove(table: str) -> str:
    return f"""{_SOME.format(which=_MADE)}, gone AS (
        DELETE FROM {table} t USING taken
        WHERE t.tenant_id = :tenant_id AND t.id = taken.row_id AND {UNDECIDED.get(table, "true")}
    ){_DONE}"""  # noqa: S608


def _remove_hints(table: str) -> str:
    return f"""{_SOME.format(which=_MADE)}, gone AS (
        DELETE FROM {table} t USING taken WHERE t.tenant_id = :tenant_id AND t.id = taken.row_id AND NOT EXISTS (
            SELECT FROM import_change m WHERE m.tenant_id = :tenant_id AND m.run_id = :run_id
                AND m.table_name = 'customer' AND m.row_id = t.customer_id AND m.before IS NULL)
    ){_DONE}"""  # noqa: S608


def _bring_back(table: str) -> str:
    columns = ", ".join(_columns(table))
    values = ", ".join(f"(r.old).{one}" for one in _columns(table))
    return f"""{_SOME.format(which=_REMOVED)}, back AS (
        INSERT INTO {table} ({columns})
        SELECT {values} FROM (SELECT jsonb_populate_record(NULL::{table}, taken.before) AS old FROM taken OFFSET 0) AS r
        ON CONFLICT DO NOTHING
    ){_DONE}"""  # noqa: S608


def _set_back(table: str) -> str:
    sets = ", ".join(
        f"{one} = CASE WHEN r.now -> '{one}' IS NOT DISTINCT FROM r.after -> '{one}' THEN (r.old).{one}"
        f" ELSE {_KEY_BY_KEY.format(column=one) if (table, one) in DOCUMENTS else f't.{one}'} END"
        for one in _columns(table)
        if one not in ("tenant_id", "id")
    )
    return f"""{_SOME.format(which=_CHANGED)}, back AS (
        UPDATE {table} t SET {sets}
        FROM (
            SELECT taken.row_id, taken.before, taken.after, to_jsonb(x) AS now,
                jsonb_populate_record(NULL::{table}, taken.before) AS old
            FROM taken JOIN {table} x ON x.tenant_id = :tenant_id AND x.id = taken.row_id OFFSET 0
        ) AS r
        WHERE t.tenant_id = :tenant_id AND t.id = r.row_id
    ){_DONE}"""  # noqa: S608


def _remove_customers() -> str:
    happened = " OR ".join(
        f"EXISTS (SELECT FROM {one} h WHERE h.tenant_id = :tenant_id AND h.customer_id = t.id)" for one in HAPPENED
    )
    return f"""{_SOME.format(which=_MADE)}, gone AS (
        DELETE FROM customer t USING taken
        WHERE t.tenant_id = :tenant_id AND t.id = taken.row_id AND t.updated_at <= :began AND NOT ({happened})
    ){_DONE}"""  # noqa: S608
