"""Taking a merge back: both profiles as they were, out of the journal.

What moved goes back, what was settled by a rule is unsettled, and each field of the kept profile that nobody changed
since gets its old value. What is newer than the merge stays with the kept profile, unless the caller says otherwise
(app.capture.merging does, by the evidence of events). A refusal given since the merge holds for both: nobody is
written to again because a merge was taken back.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.customers import consent_merge
from app.customers.facts import CONSENT_FIELDS
from app.customers.merge import HAD_ALREADY, MOVED, WORKED_OUT
from app.customers.models import Customer
from app.customers.records import CUSTOM
from app.infra.arrays import array
from app.infra.db import worked_out
from app.infra.errors import Conflict, NotFound

_TABLE = Customer.metadata.tables["customer"]
_ROW = {column.name for column in _TABLE.columns} - worked_out(_TABLE) - {"tenant_id", "id"}
_MERGE = text("""
    SELECT id, winner_id, loser_id, reason, detail, merged_by, merged_at, undone_at FROM customer_merge
    WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE
""")
# Merges are taken back the last one first: an earlier one's rows lie below those of a later one.
_LATER = text("""
    SELECT m.id FROM customer_merge m, customer_merge this
    WHERE this.tenant_id = :tenant_id AND this.id = :id AND m.tenant_id = :tenant_id AND m.undone_at IS NULL
        AND this.winner_id IN (m.winner_id, m.loser_id) AND (m.merged_at, m.id) > (this.merged_at, this.id)
    ORDER BY m.merged_at DESC, m.id DESC LIMIT 1
""")
_CURRENT = text("""
    SELECT id, cast(to_jsonb(c) - cast(:worked_out AS text[]) AS text) FROM customer c
    WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[])) ORDER BY id FOR UPDATE
""")
_RESTORE = """
    UPDATE customer c SET {sets}
    FROM jsonb_populate_recordset(cast(NULL AS customer), cast(:rows AS jsonb)) AS r
    WHERE c.tenant_id = :tenant_id AND c.id = r.id
"""
_WRITE = text(_RESTORE.format(sets=", ".join(f"{name} = r.{name}" for name in sorted(_ROW))))
_PART = """
    SELECT p.{column} FROM customer_merge_part p
    WHERE p.tenant_id = :tenant_id AND p.merge_id = :merge_id AND p.part = '{part}'
"""
_BACK = """
    UPDATE {table} t SET customer_id = :loser
    WHERE t.tenant_id = :tenant_id AND t.customer_id = :winner AND t.id = ANY(cast(({moved}) AS uuid[]))
"""
_KEPT = """
    INSERT INTO {table}
    SELECT r.* FROM jsonb_populate_recordset(cast(NULL AS {table}), ({images})) AS r
    ON CONFLICT DO NOTHING
"""
# What was dissolved since the merge has nobody in it.
_NOT_DISSOLVED = """
    DELETE FROM household_member m USING household h
    WHERE m.tenant_id = :tenant_id AND m.customer_id = :loser AND h.tenant_id = :tenant_id AND h.id = m.household_id
        AND h.dissolved_at IS NOT NULL
"""
_UNLEARNT = """
    UPDATE contact_point p SET
        verified_at = CASE WHEN p.verified_at IS NOT DISTINCT FROM r.left_at THEN r.verified_at
            ELSE p.verified_at END,
        verified_how = CASE WHEN p.verified_at IS NOT DISTINCT FROM r.left_at THEN r.verified_how
            ELSE p.verified_how END,
        preferred_at = CASE WHEN p.preferred_at IS NOT DISTINCT FROM r.left_preferred_at THEN r.preferred_at
            ELSE p.preferred_at END
    FROM jsonb_to_recordset(({images})) AS r(id uuid, verified_at timestamptz, verified_how text,
        preferred_at timestamptz, left_at timestamptz, left_preferred_at timestamptz)
    WHERE p.tenant_id = :tenant_id AND p.id = r.id
"""
_WALKS_BACK = """
    WITH back AS (
        UPDATE journey_enrollment e SET entry = r.entry, status = r.status, exit_reason = r.exit_reason,
            exited_at = r.exited_at, due_at = r.due_at, waiting_until = r.waiting_until
        FROM jsonb_populate_recordset(cast(NULL AS journey_enrollment), ({walks})) AS r
        WHERE e.tenant_id = :tenant_id AND e.id = r.id AND e.entry = 'merged:' || e.id
        RETURNING e.id, e.journey_id, e.entered_week AS week, e.entered_version AS version, e.status, e.current_step_key
    ), steps AS (
        UPDATE journey_enrollment_step s SET status = 'IN_PROGRESS', completed_at = NULL
        FROM jsonb_to_recordset(({steps})) AS r(enrollment_id uuid, step_number int)
        JOIN back ON back.id = r.enrollment_id
        WHERE s.tenant_id = :tenant_id AND s.enrollment_id = r.enrollment_id AND s.step_number = r.step_number
            AND s.status = 'SKIPPED'
    ), totals AS (
        UPDATE journey j SET total_exited = j.total_exited - came.count
        FROM (SELECT journey_id, count(*) AS count FROM back WHERE status = 'ACTIVE' GROUP BY journey_id) AS came
        WHERE j.tenant_id = :tenant_id AND j.id = came.journey_id
    ), cohorts AS (
        UPDATE journey_cohort c SET exited = c.exited - came.count
        FROM (
            SELECT journey_id, week, version, count(*) AS count FROM back
            WHERE status = 'ACTIVE' GROUP BY journey_id, week, version
        ) AS came
        WHERE c.tenant_id = :tenant_id AND c.journey_id = came.journey_id AND c.week = came.week
            AND c.version = came.version
    )
    UPDATE journey_step_count c SET active = c.active + came.count, skipped = c.skipped - came.count
    FROM (
        SELECT journey_id, current_step_key, count(*) AS count FROM back
        WHERE status = 'ACTIVE' GROUP BY journey_id, current_step_key
    ) AS came
    WHERE c.tenant_id = :tenant_id AND c.journey_id = came.journey_id AND c.step_key = came.current_step_key
"""
_FOLLOWERS_BACK = """
    UPDATE customer c SET merged_into_id = :loser
    WHERE c.tenant_id = :tenant_id AND c.merged_into_id = :winner AND c.id = ANY(cast(({moved}) AS uuid[]))
"""
_UNDONE = """
    UPDATE customer_merge SET undone_at = :now, undone_by = :by WHERE tenant_id = :tenant_id AND id = :merge_id
"""


def _moved(part: str) -> str:
    return _PART.format(column="moved", part=part)


def _images(part: str) -> str:
    return _PART.format(column="images", part=part)


_STATEMENTS = tuple(
    text(statement)
    for statement in (
        *(_BACK.format(table=name, moved=_moved(name)) for name in (*MOVED, *HAD_ALREADY, "journey_enrollment")),
        *(_KEPT.format(table=name, images=_images(f"{name}:dropped")) for name in HAD_ALREADY),
        _NOT_DISSOLVED,
        _UNLEARNT.format(images=_images("contact_point:learnt")),
        _WALKS_BACK.format(walks=_images("journey_enrollment:left"), steps=_images("journey_enrollment_step:skipped")),
        _FOLLOWERS_BACK.format(moved=_moved("customer")),
        _UNDONE,
    )
)


class NoSuchMerge(NotFound):
    """There is no merge with this id."""

    def __init__(self) -> None:
        super().__init__("There is no such merge.")


class CannotUndo(Conflict):
    """The merge can't be taken back (now). `later_id` is the merge that must be taken back first, if that is why."""

    def __init__(self, message: str, later_id: UUID | None = None) -> None:
        super().__init__(message)
        self.later_id = later_id


@dataclass(frozen=True, slots=True)
class Standing:
    """A merge that can be taken back now."""

    id: UUID
    winner_id: UUID
    loser_id: UUID
    merged_at: datetime
    detail: dict[str, Any]


def standing(session: Session, tenant_id: UUID, merge_id: UUID) -> Standing:
    """Return a merge that can be taken back now, locked; raises NoSuchMerge or CannotUndo with the reason."""
    row = session.execute(_MERGE, {"tenant_id": tenant_id, "id": merge_id}).first()
    if row is None:
        raise NoSuchMerge
    if row.undone_at is not None:
        raise CannotUndo("This merge was undone before.")
    if "winner_after" not in row.detail:
        raise CannotUndo("This merge was made before Fairway kept what it takes to undo one.")
    later = session.scalar(_LATER, {"tenant_id": tenant_id, "id": merge_id})
    if later is not None:
        raise CannotUndo("The kept profile was merged again since. Undo that merge first.", later)
    return Standing(row.id, row.winner_id, row.loser_id, row.merged_at, row.detail)


def split(
    session: Session,
    tenant_id: UUID,
    merge: Standing,
    *,
    by: str,
    now: datetime,
    withdrawn: Collection[tuple[str, str]] = (),
) -> None:
    """Put both profiles of a merge back, in the open transaction. The caller holds the capture lock.

    `withdrawn` are words, (field, mark in facts_at), said since the merge that prove to be the loser's: the kept
    profile loses them.
    """
    values = {"tenant_id": tenant_id, "merge_id": merge.id, "winner": merge.winner_id, "loser": merge.loser_id}
    both = {"tenant_id": tenant_id, "ids": array((merge.winner_id, merge.loser_id)), "worked_out": WORKED_OUT}
    rows = {row[0]: orjson.loads(row[1]) for row in session.execute(_CURRENT, both)}
    current = rows[merge.winner_id]
    before, after = merge.detail["winner_before"], merge.detail["winner_after"]
    winner = restored(current, before, after, withdrawn)
    # A merged profile is left as it was, but for what is done to everybody at once (a tag that was renamed).
    image = merge.detail["loser"]
    loser = rows[merge.loser_id] | {name: image[name] for name in ("status", "merged_into_id", "updated_at")}
    for field in CONSENT_FIELDS.values():
        if current[field] is False and after[field] is not False:
            loser |= {field: False, f"{field}_at": current[f"{field}_at"]}
            if field in current["facts_at"]:
                loser["facts_at"] = {**loser["facts_at"], field: current["facts_at"][field]}
    dumped = orjson.dumps([winner, loser]).decode()
    session.execute(_WRITE, {"tenant_id": tenant_id, "rows": dumped})
    consent_merge.unsettle(session, values)
    for statement in _STATEMENTS:
        session.execute(statement, {**values, "now": now, "by": by})


def restored(
    current: Mapping[str, Any],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    withdrawn: Collection[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Return the row of a kept profile with what a merge gave it taken away: `current`, else as `before`.

    A field that is other than the merge left it keeps its value; lists and found-by words lose what the merge added;
    documents are gone through key by key.
    """
    found = dict(current)
    marks, marks_after = current.get("facts_at") or {}, after.get("facts_at") or {}
    theirs = set(withdrawn)
    for name, value in current.items():
        if name not in after or name not in before or name == "facts_at":
            continue
        if name == "search_extra":
            gained = set((after[name] or "").split()) - set((before[name] or "").split())
            words = set((value or "").split()) - gained
            found[name] = before[name] if value == after[name] else " ".join(sorted(words)) or None
        elif isinstance(value, list) and isinstance(after[name], list):
            gained = set(after[name]) - set(before[name])
            found[name] = before[name] if value == after[name] else [one for one in value if one not in gained]
        elif name == "custom":
            found[name] = _custom(current, before, after, theirs)
        elif isinstance(value, dict) and isinstance(after[name], dict):
            found[name] = _keys(value, before[name] or {}, after[name])
        elif (name, marks.get(name)) in theirs or (value == after[name] and marks.get(name) == marks_after.get(name)):
            found[name] = before[name]
    found["facts_at"] = _marks(current, before, after, theirs)
    return found


def _custom(
    current: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any], theirs: set[tuple[str, str]]
) -> dict[str, Any]:
    """Return the custom fields, each put back as a column would be."""
    found = dict(current["custom"])
    for key in {*found, *before["custom"], *after["custom"]}:
        field = f"{CUSTOM}{key}"
        mark, left = current["facts_at"].get(field), after["facts_at"].get(field)
        untouched = found.get(key) == after["custom"].get(key) and mark == left
        if untouched or (field, mark) in theirs:
            found[key] = before["custom"].get(key)
    return {key: value for key, value in found.items() if value is not None}


def _keys(current: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with the keys that are as the merge left them put back."""
    kept = {key: value for key, value in current.items() if key not in after or after[key] != value}
    back = {key: value for key, value in before.items() if current.get(key) == after.get(key)}
    return kept | back


def _marks(
    current: Mapping[str, Any],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    theirs: set[tuple[str, str]],
) -> dict[str, Any]:
    """Return when each field's value was said: of a field that was put back, when it was said before."""
    marks = _keys(current["facts_at"], before["facts_at"], after["facts_at"])
    for name, mark in theirs:
        if current["facts_at"].get(name) == mark:
            marks.pop(name, None)
            if name in before["facts_at"]:
                marks[name] = before["facts_at"][name]
    return marks
