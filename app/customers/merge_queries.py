"""Reading merges: what one would move, what one did, and which were made last."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.customers.called import UNNAMED
from app.customers.merge import SYSTEM
from app.customers.unmerge import NoSuchMerge
from app.infra.arrays import array
from app.infra.db import transaction

COUNTED = ("activity", "note", "message", "journey_enrollment", "contact_point", "external_id", "household_member")
"""What people are told of when they ask what a merge moves."""
_COUNTS = text(
    " UNION ALL ".join(
        f"SELECT customer_id, '{table}' AS part, count(*) AS count FROM {table}"  # noqa: S608 - the tables are ours
        " WHERE tenant_id = :tenant_id AND customer_id = ANY(cast(:ids AS uuid[]))"
        + (" AND deleted_at IS NULL" if table == "note" else "")
        + " GROUP BY customer_id"
        for table in COUNTED
    )
)
_ENTRY = f"""
    SELECT m.id, m.winner_id, m.loser_id, m.reason, m.merged_by, m.merged_at, m.undone_by, m.undone_at,
        m.detail ? 'winner_after' AS journaled,
        coalesce(nullif(concat_ws(' ', m.detail -> 'loser' ->> 'first_name', m.detail -> 'loser' ->> 'last_name'), ''),
            m.detail -> 'loser' ->> 'email', m.detail -> 'loser' ->> 'phone', '{UNNAMED}') AS loser_name
    FROM customer_merge m WHERE m.tenant_id = :tenant_id AND {{which}}
"""  # noqa: S608 - the word is ours
_ONE = text(_ENTRY.format(which="m.id = :id"))
_SOME = text(_ENTRY.format(which="m.id = ANY(cast(:ids AS uuid[])) ORDER BY m.id"))
# Those who went into a profile that went into this one later are this one's too.
_OF_CUSTOMER = text(
    _ENTRY.format(
        which="""m.undone_at IS NULL AND m.loser_id IN (
            SELECT c.id FROM customer c WHERE c.tenant_id = :tenant_id AND c.merged_into_id = :customer_id)
        ORDER BY m.merged_at DESC, m.id DESC LIMIT 100"""
    )
)
_LAST_BY_HAND = text(
    _ENTRY.format(
        which="""m.winner_id = :customer_id AND m.undone_at IS NULL AND m.merged_by <> :system
            AND m.merged_at >= :since
        ORDER BY m.merged_at DESC, m.id DESC LIMIT 1"""
    )
)
_PARTS = text("""
    SELECT part, cardinality(moved) AS count FROM customer_merge_part
    WHERE tenant_id = :tenant_id AND merge_id = :id AND part = ANY(cast(:parts AS text[]))
""")


@dataclass(frozen=True, slots=True)
class MergeEntry:
    """One merge of the journal. `undoable` by its record; a later merge of the same profile may have to go first."""

    id: UUID
    winner_id: UUID
    loser_id: UUID
    loser_name: str
    reason: str
    merged_by: str
    merged_at: datetime
    undone_by: str | None
    undone_at: datetime | None
    undoable: bool


def counts(*, tenant_id: UUID, customer_ids: Collection[UUID]) -> dict[UUID, dict[str, int]]:
    """Return how many rows of each COUNTED table each of the customers has; what there is none of is 0."""
    found = {one: dict.fromkeys(COUNTED, 0) for one in customer_ids}
    with transaction(tenant_id) as session:
        for row in session.execute(_COUNTS, {"tenant_id": tenant_id, "ids": array(customer_ids)}):
            found[row.customer_id][row.part] = row[2]
    return found


def entry(*, tenant_id: UUID, merge_id: UUID) -> tuple[MergeEntry, dict[str, int]]:
    """Return a merge and how many rows it moved, by COUNTED table; raises NoSuchMerge."""
    with transaction(tenant_id) as session:
        row = session.execute(_ONE, {"tenant_id": tenant_id, "id": merge_id}).first()
        if row is None:
            raise NoSuchMerge
        parts = session.execute(_PARTS, {"tenant_id": tenant_id, "id": merge_id, "parts": array(COUNTED)})
        return _entry(row), dict.fromkeys(COUNTED, 0) | {row.part: row[1] for row in parts}


def entries(*, tenant_id: UUID, merge_ids: Collection[UUID]) -> list[MergeEntry]:
    """Return those of the merges that exist, in the order they were made."""
    if not merge_ids:
        return []
    with transaction(tenant_id) as session:
        return _entries(session, _SOME, {"tenant_id": tenant_id, "ids": array(merge_ids)})


def merges(*, tenant_id: UUID, customer_id: UUID) -> list[MergeEntry]:
    """Return the merges by which other profiles went into this one and stand, the newest first; at most a hundred."""
    with transaction(tenant_id) as session:
        return _entries(session, _OF_CUSTOMER, {"tenant_id": tenant_id, "customer_id": customer_id})


def last_by_hand(*, tenant_id: UUID, customer_id: UUID, since: datetime) -> MergeEntry | None:
    """Return the last merge into a profile that somebody made since a moment and that stands, if any."""
    values = {"tenant_id": tenant_id, "customer_id": customer_id, "since": since, "system": SYSTEM}
    with transaction(tenant_id) as session:
        return next(iter(_entries(session, _LAST_BY_HAND, values)), None)


def _entries(session: Session, query: Any, values: dict[str, Any]) -> list[MergeEntry]:
    return [_entry(row) for row in session.execute(query, values)]


def _entry(row: Row[Any]) -> MergeEntry:
    return MergeEntry(
        id=row.id,
        winner_id=row.winner_id,
        loser_id=row.loser_id,
        loser_name=row.loser_name,
        reason=row.reason,
        merged_by=row.merged_by,
        merged_at=row.merged_at,
        undone_by=row.undone_by,
        undone_at=row.undone_at,
        undoable=row.undone_at is None and row.journaled,
    )
