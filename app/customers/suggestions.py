"""Pairs of profiles that may be one person, and what people decided about them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.infra import clock
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.errors import NotFound
from app.infra.paging import DEFAULT_LIMIT, BadCursor, Page, cut, decode_cursor, id_of

OPEN, DISMISSED, MERGED = "open", "dismissed", "merged"

_DECIDE = text("""
    INSERT INTO merge_suggestion (tenant_id, one_id, other_id, score, status, found_at, decided_by, decided_at)
    SELECT :tenant_id, least(p.one, p.other), greatest(p.one, p.other), 0, :status, :now, :by, :now
    FROM unnest(cast(:ones AS uuid[]), cast(:others AS uuid[])) AS p(one, other)
    ON CONFLICT (tenant_id, one_id, other_id)
        DO UPDATE SET status = excluded.status, decided_by = excluded.decided_by, decided_at = excluded.decided_at
""")
# A profile that was merged stands for the one it went into: who is not B is not A either, once B went into A.
_APART = text("""
    SELECT coalesce(a.merged_into_id, a.id) AS one_id, coalesce(b.merged_into_id, b.id) AS other_id
    FROM merge_suggestion s
    JOIN customer a ON a.tenant_id = s.tenant_id AND a.id = s.one_id
    JOIN customer b ON b.tenant_id = s.tenant_id AND b.id = s.other_id
    WHERE s.tenant_id = :tenant_id AND s.status = 'dismissed' AND s.id IN (
        WITH whom AS (
            SELECT unnest(cast(:ids AS uuid[])) AS id
            UNION
            SELECT gone.id FROM unnest(cast(:ids AS uuid[])) AS k(id) CROSS JOIN LATERAL (
                SELECT c.id FROM customer c WHERE c.tenant_id = :tenant_id AND c.merged_into_id = k.id OFFSET 0
            ) AS gone
        )
        SELECT x.id FROM whom CROSS JOIN LATERAL (
            SELECT m.id FROM merge_suggestion m WHERE m.tenant_id = :tenant_id AND m.one_id = whom.id
            UNION ALL
            SELECT m.id FROM merge_suggestion m WHERE m.tenant_id = :tenant_id AND m.other_id = whom.id
        ) AS x
    )
""")

_SUGGEST = text("""
    INSERT INTO merge_suggestion (tenant_id, one_id, other_id, score, reasons, found_at)
    SELECT :tenant_id, r.one, r.other, r.score, r.reasons, :now
    FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r(one uuid, other uuid, score int, reasons jsonb)
    ORDER BY r.one, r.other
    ON CONFLICT (tenant_id, one_id, other_id) DO UPDATE SET score = excluded.score, reasons = excluded.reasons
        WHERE merge_suggestion.status = 'open'
            AND (merge_suggestion.score, merge_suggestion.reasons) IS DISTINCT FROM (excluded.score, excluded.reasons)
    RETURNING one_id, other_id, xmax = 0 AS fresh
""")
_GONE = text("""
    DELETE FROM merge_suggestion s
    USING unnest(cast(:ones AS uuid[]), cast(:others AS uuid[])) AS p(one, other)
    WHERE s.tenant_id = :tenant_id AND s.one_id = p.one AND s.other_id = p.other AND s.status = 'open'
""")
_LIST = text("""
    SELECT s.id, s.one_id, s.other_id, s.score, s.reasons, s.found_at FROM merge_suggestion s
    JOIN customer a ON a.tenant_id = s.tenant_id AND a.id = s.one_id AND a.status = 'ACTIVE'
    JOIN customer b ON b.tenant_id = s.tenant_id AND b.id = s.other_id AND b.status = 'ACTIVE'
    WHERE s.tenant_id = :tenant_id AND s.status = 'open'
        AND (cast(:customer_id AS uuid) IS NULL OR cast(:customer_id AS uuid) IN (s.one_id, s.other_id))
        AND (cast(:score AS int) IS NULL OR s.score < cast(:score AS int)
            OR (s.score = cast(:score AS int) AND s.id > cast(:last AS uuid)))
    ORDER BY s.score DESC, s.id LIMIT :limit
""")
_OF_PAIR = text("""
    SELECT id, one_id, other_id, score, reasons, found_at FROM merge_suggestion
    WHERE tenant_id = :tenant_id AND status = 'open'
        AND one_id = least(cast(:one AS uuid), cast(:other AS uuid))
        AND other_id = greatest(cast(:one AS uuid), cast(:other AS uuid))
""")
_PAIRS = text("""
    SELECT id, one_id, other_id, status FROM merge_suggestion
    WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[])) ORDER BY id FOR UPDATE
""")
_STATUS = text("""
    UPDATE merge_suggestion SET status = :status, decided_by = :by, decided_at = :now
    WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[])) AND status = :was RETURNING id
""")


class NoSuchSuggestion(NotFound):
    """There is no suggestion with this id."""

    def __init__(self) -> None:
        super().__init__("There is no such suggestion.")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A pair that may be one person, the older profile first; `score` 0 to 100, and what speaks for and against."""

    id: UUID
    one_id: UUID
    other_id: UUID
    score: int
    speaks_for: list[str]
    against: list[str]
    found_at: datetime


def suggested(
    *, tenant_id: UUID, customer_id: UUID | None = None, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[Suggestion]:
    """Return the pairs that wait for a decision, the likeliest first; of one customer, if given."""
    score, last = decode_cursor(cursor, 2) if cursor else (None, None)
    if cursor and not (isinstance(score, int) and 0 <= score <= 100):
        raise BadCursor
    values = {
        "tenant_id": tenant_id,
        "customer_id": customer_id,
        "score": score,
        "last": id_of(last) if cursor else None,
        "limit": limit + 1,
    }
    with transaction(tenant_id) as session:
        rows = session.execute(_LIST, values).all()
    return cut(rows, limit, lambda row: (row.score, row.id), _shown)


def of_pair(*, tenant_id: UUID, one_id: UUID, other_id: UUID) -> Suggestion | None:
    """Return the suggestion that two profiles, in whatever order, are one person, if it waits for a decision."""
    with transaction(tenant_id) as session:
        row = session.execute(_OF_PAIR, {"tenant_id": tenant_id, "one": one_id, "other": other_id}).first()
    return _shown(row) if row else None


def pairs(*, tenant_id: UUID, ids: Collection[UUID]) -> list[tuple[UUID, UUID, UUID]]:
    """Return (suggestion, older profile, newer profile) of those of the suggestions that are open."""
    with transaction(tenant_id) as session:
        rows = session.execute(_PAIRS, {"tenant_id": tenant_id, "ids": array(ids)}).all()
        return [(row.id, row.one_id, row.other_id) for row in rows if row.status == OPEN]


def dismiss(*, tenant_id: UUID, ids: Collection[UUID], actor: str, now: datetime | None = None) -> int:
    """Say of pairs that they are two people, for good; return of how many. Raises NoSuchSuggestion if none exists."""
    return _turn(tenant_id, ids, OPEN, DISMISSED, actor, now)


def reopen(*, tenant_id: UUID, ids: Collection[UUID], actor: str, now: datetime | None = None) -> int:
    """Take dismissals back; return of how many pairs. Raises NoSuchSuggestion if none exists."""
    return _turn(tenant_id, ids, DISMISSED, OPEN, actor, now)


def _turn(tenant_id: UUID, ids: Collection[UUID], was: str, status: str, actor: str, now: datetime | None) -> int:
    values = {"tenant_id": tenant_id, "ids": array(ids), "was": was, "status": status}
    with transaction(tenant_id) as session:
        known = session.execute(_PAIRS, values).all()
        if not known:
            raise NoSuchSuggestion
        done = session.scalars(_STATUS, {**values, "by": actor, "now": now or clock.now()}).all()
        for one in done:
            audit.record(session, actor, f"merge_suggestion.{status}", "merge_suggestion", one)
        return len(done)


def suggest(
    session: Session,
    tenant_id: UUID,
    found: Sequence[dict[str, Any]],
    gone: Sequence[tuple[UUID, UUID]],
    now: datetime,
) -> list[tuple[UUID, UUID]]:
    """Write down pairs that may be one person (`one`, `other`, `score`, `reasons`), and forget others.

    What was decided on stays as it is. Return the pairs that were not written down before.
    """
    fresh = []
    if found:
        rows = orjson.dumps(found).decode()
        written = session.execute(_SUGGEST, {"tenant_id": tenant_id, "rows": rows, "now": now}).all()
        fresh = [(row.one_id, row.other_id) for row in written if row.fresh]
    if gone:
        values = {"ones": array(one for one, _ in gone), "others": array(other for _, other in gone)}
        session.execute(_GONE, {"tenant_id": tenant_id, **values})
    return fresh


def _shown(row: Row[Any]) -> Suggestion:
    speaks_for, against = row.reasons.get("for", []), row.reasons.get("against", [])
    return Suggestion(row.id, row.one_id, row.other_id, row.score, speaks_for, against, row.found_at)


def decide(
    session: Session, tenant_id: UUID, pairs: Iterable[tuple[UUID, UUID]], status: str, *, by: str, now: datetime
) -> None:
    """Write down what was decided about pairs of customers, whether they were suggested or not."""
    listed = list(pairs)
    values = {
        "tenant_id": tenant_id,
        "ones": array(one for one, _ in listed),
        "others": array(other for _, other in listed),
        "status": status,
        "by": by,
        "now": now,
    }
    session.execute(_DECIDE, values)


def apart(session: Session, tenant_id: UUID, ids: Iterable[UUID]) -> set[frozenset[UUID]]:
    """Return the pairs, with one of these customers in each, that somebody said are two people."""
    rows = session.execute(_APART, {"tenant_id": tenant_id, "ids": array(ids)})
    return {frozenset((row.one_id, row.other_id)) for row in rows if row.one_id != row.other_id}
