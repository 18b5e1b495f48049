"""Undo: every row an import touched becomes what it was, unless somebody has changed it since.

A column that holds something else than the import left there keeps it; of tags and own fields each goes by itself.
Somebody whom the import added stays if more has happened to them since (an event, a message, a note, a change by hand);
all others go.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.capture.imports.models import UNDONE, ImportRun
from app.customers import records
from app.customers.records import hint_words
from app.events.capture_lock import lock_tenant
from app.infra.arrays import array
from app.infra.db import Base, worked_out

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
# Columns that hold a set: what the import put in goes, what it took out comes back, the rest is as it is now.
SETS = frozenset((("customer", "tags"),))
_ONE_BY_ONE = """(
    SELECT coalesce(array_agg(one.value ORDER BY one.place), '{{}}') FROM (
        SELECT e.value, e.place FROM jsonb_array_elements_text(r.now -> '{column}') WITH ORDINALITY AS e(value, place)
        WHERE jsonb_exists(r.before -> '{column}', e.value) OR NOT jsonb_exists(r.after -> '{column}', e.value)
        UNION ALL
        SELECT e.value, 1000 + e.place
        FROM jsonb_array_elements_text(r.before -> '{column}') WITH ORDINALITY AS e(value, place)
        WHERE NOT jsonb_exists(r.after -> '{column}', e.value) AND NOT jsonb_exists(r.now -> '{column}', e.value)
    ) AS one)"""
_TOUCHED = text("""
    SELECT DISTINCT table_name FROM import_change WHERE tenant_id = :tenant_id AND run_id = :run_id
    UNION
    SELECT DISTINCT table_name FROM import_made WHERE tenant_id = :tenant_id AND run_id = :run_id
""")
# By their place in the table: joined by key, a journal without statistics is read whole for each of its lines.
_TAKEN = """
    WITH taken AS (
        DELETE FROM import_change WHERE ctid = ANY(ARRAY(
            SELECT c.ctid FROM import_change c
            WHERE c.tenant_id = :tenant_id AND c.run_id = :run_id AND c.table_name = :table AND {which}
            ORDER BY c.row_id LIMIT :limit
        ))
        RETURNING row_id, before, after
    ), done AS ({act} RETURNING {holders} AS holders)
    SELECT (SELECT count(*) FROM taken) AS many,
        cast(array(SELECT DISTINCT unnest(holders) FROM done) AS text[]) AS holders"""
# Whose a row of HINTS was or is; of other tables nobody asks.
_HOLDER, _BOTH_HOLDERS, _NOBODY = (
    "ARRAY[t.customer_id]",
    "ARRAY[t.customer_id, cast(r.now ->> 'customer_id' AS uuid)]",
    "cast(NULL AS uuid[])",
)
# What customers are found by is worked out of their addresses and ids anew: nothing else tells what came since.
_OWN = "search_extra"
_HINTS_OF = text("""
    SELECT c.id, c.search_extra, (
        SELECT jsonb_agg(jsonb_build_array(h.kind, h.value)) FROM (
            SELECT p.kind, p.key AS value FROM contact_point p WHERE p.tenant_id = c.tenant_id AND p.customer_id = c.id
            UNION ALL
            SELECT e.kind, e.value FROM external_id e WHERE e.tenant_id = c.tenant_id AND e.customer_id = c.id
        ) AS h
    ) AS hints
    FROM customer c WHERE c.tenant_id = :tenant_id AND c.id = ANY(cast(:ids AS uuid[])) ORDER BY c.id FOR NO KEY UPDATE
""")
_FIND = text("""
    UPDATE customer c SET search_extra = r.words
    FROM unnest(cast(:ids AS uuid[]), cast(:words AS text[])) AS r(id, words)
    WHERE c.tenant_id = :tenant_id AND c.id = r.id
""")
_MADE, _REMOVED, _CHANGED = (
    "c.before IS NULL",
    "c.before IS NOT NULL AND c.after IS NULL",
    "c.before IS NOT NULL AND c.after IS NOT NULL",
)
# What became of rows later in the run that made them is of no account.
_TAKE_MADE = text("""
    WITH taken AS (
        DELETE FROM import_made m WHERE m.tenant_id = :tenant_id AND m.run_id = :run_id AND m.table_name = :table
            AND m.id = (SELECT x.id FROM import_made x WHERE x.tenant_id = :tenant_id AND x.run_id = :run_id
                AND x.table_name = :table ORDER BY x.id LIMIT 1)
        RETURNING m.row_ids
    ), forgotten AS (
        DELETE FROM import_change c USING (SELECT unnest(row_ids) AS id FROM taken) AS r
        WHERE c.tenant_id = :tenant_id AND c.run_id = :run_id AND c.table_name = :table AND c.row_id = r.id
        RETURNING c.row_id
    )
    SELECT cast(row_ids AS text) AS ids, cardinality(row_ids) + (SELECT count(*) FROM forgotten) AS done FROM taken
""")


def step(session: Session, run: ImportRun, now: datetime) -> int:
    """Put back the next rows of the run; return how many (at the end, once, 1).

    What is left to do stands in the run's report, so that no step looks again for what others found done.
    """
    lock_tenant(session, run.tenant_id)
    values = {"tenant_id": run.tenant_id, "run_id": run.id, "limit": BATCH, "began": run.created_at}
    plan = run.report.get("undo_plan")
    if plan is None:
        plan = _plan(set(session.scalars(_TOUCHED, values)))
    done = 0
    while plan and not done:
        act, table = plan[0]
        done = _ACTS[act](session, {**values, "table": table})
        plan = plan if done else plan[1:]
    run.report = {**run.report, "undo_plan": plan}
    run.undo_left = max(0, run.undo_left - done)
    if not done:
        run.status, run.finished_at, run.undo_left = UNDONE, now, 0
    session.flush()
    return done or 1


def _plan(touched: Iterable[str]) -> list[tuple[str, str]]:
    """Return (act, table) in the order in which they may be done.

    What the import made goes before what it removed comes back, which may have the same unique key. Customers go last,
    but for the tags that nobody has then.
    """
    touched = set(touched)
    others = sorted(touched - {"customer", "tag", *HINTS})
    tags = ["tag"] if "tag" in touched else []
    hints = [one for one in HINTS if one in touched]
    customer = ["customer"] if "customer" in touched else []
    return [
        *((act, table) for table in (*others, *hints) for act in ("remove made", "remove")),
        *((act, table) for table in (*customer, *hints, *others) for act in ("bring back", "set back")),
        *(("remove customers", one) for one in customer),
        *((act, table) for table in tags for act in ("remove made", "remove")),
    ]


def _take(session: Session, which: str, act: str, values: dict[str, object], holders: str = _HOLDER) -> int:
    """Take lines of the journal, the first :limit of those `which`, and do what they ask for; return how many."""
    of_hints = values["table"] in HINTS
    statement = text(_TAKEN.format(which=which, act=act, holders=holders if of_hints else _NOBODY))
    done = session.execute(statement, values).one()
    if of_hints:
        _let_be_found(session, values["tenant_id"], done.holders)
    return int(done.many)


def _let_be_found(session: Session, tenant_id: object, holders: Sequence[str]) -> None:
    """Let customers be found by the addresses and ids they have now."""
    changed: dict[UUID, str | None] = {}
    for row in session.execute(_HINTS_OF, {"tenant_id": tenant_id, "ids": array(holders)}):
        words = records.found_by(hint_words((kind, value) for kind, value in row.hints or ()))
        if words != row.search_extra:
            changed[row.id] = words
    if changed:
        values = {"tenant_id": tenant_id, "ids": array(changed), "words": array(changed.values())}
        session.execute(_FIND, values)


def _remove_made(session: Session, values: dict[str, object]) -> int:
    """Remove rows that one statement of the import made; return how many lines of the journal that was."""
    taken = session.execute(_TAKE_MADE, values).one_or_none()
    if taken is None:
        return 0
    table = str(values["table"])
    statement = f"""
        DELETE FROM {table} t USING unnest(cast(:ids AS uuid[])) AS r(id)
        WHERE t.tenant_id = :tenant_id AND t.id = r.id AND {_goes(table)}
        RETURNING {_HOLDER if table in HINTS else _NOBODY} AS holders"""  # noqa: S608
    gone = session.execute(text(statement), {**values, "ids": taken.ids}).scalars().all()
    if table in HINTS:
        _let_be_found(session, values["tenant_id"], sorted({str(one) for some in gone for one in some}))
    return int(taken.done)


# Names of tables and columns below are the models', never a caller's.
def _columns(table: str) -> list[str]:
    found = Base.metadata.tables[table]
    return [one.name for one in found.columns if one.name not in worked_out(found)]


def _goes(table: str) -> str:
    """Return the condition on which a row `t` that the import made is removed."""
    if table in HINTS:
        return """NOT EXISTS (
            SELECT FROM import_change m WHERE m.tenant_id = :tenant_id AND m.run_id = :run_id
                AND m.table_name = 'customer' AND m.row_id = t.customer_id AND m.before IS NULL)"""
    if table == "tag":
        return """NOT EXISTS (
            SELECT FROM customer_tag h WHERE h.tenant_id = :tenant_id AND h.tag = t.name)"""
    return UNDECIDED.get(table, "true")


def _remove(session: Session, values: dict[str, object]) -> int:
    table = str(values["table"])
    act = f"DELETE FROM {table} t USING taken WHERE t.tenant_id = :tenant_id AND t.id = taken.row_id AND {_goes(table)}"  # noqa: S608
    return _take(session, _MADE, act, values)


def _bring_back(session: Session, values: dict[str, object]) -> int:
    table = str(values["table"])
    columns = ", ".join(_columns(table))
    olds = ", ".join(f"(r.old).{one}" for one in _columns(table))
    act = f"""
        INSERT INTO {table} AS t ({columns})
        SELECT {olds} FROM (SELECT jsonb_populate_record(NULL::{table}, taken.before) AS old FROM taken OFFSET 0) AS r
        ON CONFLICT DO NOTHING"""  # noqa: S608
    return _take(session, _REMOVED, act, values)


def _set_back(session: Session, values: dict[str, object]) -> int:
    table = str(values["table"])
    sets = ", ".join(
        f"{one} = CASE WHEN r.now -> '{one}' IS NOT DISTINCT FROM r.after -> '{one}' THEN (r.old).{one}"
        f" ELSE {_changed_since(table, one)} END"
        for one in _columns(table)
        if one not in ("tenant_id", "id", _OWN)
    )
    act = f"""
        UPDATE {table} t SET {sets}
        FROM (
            SELECT taken.row_id, taken.before, taken.after, to_jsonb(x) AS now,
                jsonb_populate_record(NULL::{table}, taken.before) AS old
            FROM taken JOIN {table} x ON x.tenant_id = :tenant_id AND x.id = taken.row_id OFFSET 0
        ) AS r
        WHERE t.tenant_id = :tenant_id AND t.id = r.row_id"""  # noqa: S608
    return _take(session, _CHANGED, act, values, _BOTH_HOLDERS)


def _changed_since(table: str, column: str) -> str:
    """Return what a column holds from now on that was changed since the import."""
    if (table, column) in DOCUMENTS:
        return _KEY_BY_KEY.format(column=column)
    return _ONE_BY_ONE.format(column=column) if (table, column) in SETS else f"t.{column}"


def _remove_customers(session: Session, values: dict[str, object]) -> int:
    happened = " OR ".join(
        f"EXISTS (SELECT FROM {one} h WHERE h.tenant_id = :tenant_id AND h.customer_id = t.id)" for one in HAPPENED
    )
    act = f"""
        DELETE FROM customer t USING taken
        WHERE t.tenant_id = :tenant_id AND t.id = taken.row_id AND t.updated_at <= :began AND NOT ({happened})"""  # noqa: S608
    return _take(session, _MADE, act, values)


_ACTS = {
    "remove made": _remove_made,
    "remove": _remove,
    "bring back": _bring_back,
    "set back": _set_back,
    "remove customers": _remove_customers,
}
