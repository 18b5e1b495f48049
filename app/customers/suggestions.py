"""Pairs of profiles that may be one person, and what people decided about them."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra.arrays import array

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
