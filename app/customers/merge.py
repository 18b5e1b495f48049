"""Two profiles that are one person become one; the other's id leads to it for ever, and the journal says why.

What hangs on a customer is listed here, tables of higher rooms included: a table that is missing from the list would
leave its rows behind (tests/house compares the list with the foreign keys of the database).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.customers import facts, records
from app.infra import clock
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.errors import Conflict, NotFound


@dataclass(frozen=True, slots=True)
class Merge:
    """`loser` goes into `winner`; `reason` in words, for the journal."""

    winner: UUID
    loser: UUID
    reason: str


SYSTEM = "system"
# Rows that simply change hands.
MOVED = ("activity", "note", "consent_change", "inbound_event", "external_id", "message")
# Rows of which a customer may have one only: what the winner has already is settled by a rule, the rest moves.
_POINTS = (
    """
    DELETE FROM contact_point mine USING pair, contact_point theirs
    WHERE mine.tenant_id = :tenant_id AND mine.customer_id = pair.loser AND theirs.tenant_id = :tenant_id
        AND theirs.customer_id = pair.winner AND theirs.kind = mine.kind AND theirs.key = mine.key
    """,
    """
    UPDATE contact_point SET customer_id = pair.winner FROM pair
    WHERE tenant_id = :tenant_id AND customer_id = pair.loser
    """,
)
# Two walks through one journey: the one that came further goes on, the other leaves it. A completed walk came
# furthest; of equals the older one stays. `entry` is what makes a walk unique, so the one that leaves gets its own.
_ENROLLMENTS = (
    """
    WITH both_walks AS (
        SELECT e.id, e.journey_id, e.status, e.current_step_key, row_number() OVER (
            PARTITION BY e.journey_id, e.entry, pair.winner
            ORDER BY e.status <> 'COMPLETED', e.status <> 'ACTIVE', e.current_step_number DESC, e.enrolled_at, e.id
        ) AS place
        FROM pair CROSS JOIN LATERAL (VALUES (pair.winner), (pair.loser)) AS either(id)
        JOIN journey_enrollment e ON e.tenant_id = :tenant_id AND e.customer_id = either.id
    ), leaving AS (
        UPDATE journey_enrollment e SET
            entry = 'merged:' || e.id,
            status = CASE WHEN e.status = 'ACTIVE' THEN 'EXITED' ELSE e.status END,
            exit_reason = CASE WHEN e.status = 'ACTIVE' THEN 'merged' ELSE e.exit_reason END,
            exited_at = CASE WHEN e.status = 'ACTIVE' THEN :now ELSE e.exited_at END,
            due_at = NULL, waiting_until = NULL
        FROM both_walks w WHERE e.tenant_id = :tenant_id AND e.id = w.id AND w.place > 1
        RETURNING e.journey_id, w.status AS was, w.current_step_key AS step_key
    ), steps AS (
        UPDATE journey_enrollment_step s SET status = 'SKIPPED', completed_at = :now
        FROM both_walks w WHERE s.tenant_id = :tenant_id AND s.enrollment_id = w.id AND w.place > 1
            AND s.status = 'IN_PROGRESS'
    ), totals AS (
        UPDATE journey j SET total_exited = j.total_exited + gone.count
        FROM (SELECT journey_id, count(*) AS count FROM leaving WHERE was = 'ACTIVE' GROUP BY journey_id) AS gone
        WHERE j.tenant_id = :tenant_id AND j.id = gone.journey_id
    )
    UPDATE journey_step_count c SET active = c.active - gone.count, skipped = c.skipped + gone.count
    FROM (
        SELECT journey_id, step_key, count(*) AS count FROM leaving
        WHERE was = 'ACTIVE' GROUP BY journey_id, step_key
    ) AS gone
    WHERE c.tenant_id = :tenant_id AND c.journey_id = gone.journey_id AND c.step_key = gone.step_key
    """,
    """
    UPDATE journey_enrollment SET customer_id = pair.winner FROM pair
    WHERE tenant_id = :tenant_id AND customer_id = pair.loser
    """,
)
_TAKE = "UPDATE {} SET customer_id = pair.winner FROM pair WHERE tenant_id = :tenant_id AND customer_id = pair.loser"
_MOVES = (
    *(_TAKE.format(table) for table in MOVED),
    *_POINTS,
    *_ENROLLMENTS,
    # Those who went into the loser before go where it goes: an old id is one step from its customer.
    """
    UPDATE customer SET merged_into_id = pair.winner FROM pair
    WHERE tenant_id = :tenant_id AND merged_into_id = pair.loser
    """,
    """
    UPDATE customer SET status = 'MERGED', merged_into_id = pair.winner, updated_at = :now FROM pair
    WHERE tenant_id = :tenant_id AND id = pair.loser
    """,
    """
    UPDATE customer w SET tags = ARRAY(SELECT DISTINCT tag FROM unnest(w.tags || more.tags) AS t(tag) ORDER BY tag)
    FROM (
        SELECT pair.winner, array_agg(t.tag) AS tags FROM pair
        JOIN customer l ON l.tenant_id = :tenant_id AND l.id = pair.loser, unnest(l.tags) AS t(tag)
        GROUP BY pair.winner
    ) AS more
    WHERE w.tenant_id = :tenant_id AND w.id = more.winner
    """,
)
_PAIR = "pair AS (SELECT * FROM unnest(cast(:winners AS uuid[]), cast(:losers AS uuid[])) AS p(winner, loser))"
_JOURNAL = text("""
    INSERT INTO customer_merge (tenant_id, winner_id, loser_id, reason, detail, merged_by, merged_at)
    SELECT :tenant_id, r.winner, r.loser, r.reason, r.detail, :by, :now
    FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r(winner uuid, loser uuid, reason text, detail jsonb)
""")


def _with_pair(statement: str) -> str:
    head, word, rest = statement.lstrip().partition("WITH ")
    return f"WITH {_PAIR}, {rest}" if not head and word else f"WITH {_PAIR} {statement}"


_STATEMENTS = tuple(text(_with_pair(statement)) for statement in _MOVES)


class CannotMerge(Conflict):
    """The two profiles can't become one."""


def merge(
    *, tenant_id: UUID, winner_id: UUID, loser_id: UUID, reason: str, by: str, now: datetime | None = None
) -> None:
    """Merge one customer into another. Raises NotFound, or CannotMerge for one that was merged before or for itself."""
    if winner_id == loser_id:
        raise CannotMerge("A customer can't be merged with itself.")
    with transaction(tenant_id) as session:
        found = session.execute(
            text("SELECT id, merged_into_id FROM customer WHERE tenant_id = :tenant_id AND id = ANY(:ids)"),
            {"tenant_id": tenant_id, "ids": [winner_id, loser_id]},
        ).all()
        if len(found) < 2:
            raise NotFound("There is no such customer.")
        if any(row.merged_into_id for row in found):
            raise CannotMerge("One of the two was merged into another customer before. Reload the page.")
        join(session, tenant_id, [Merge(winner_id, loser_id, reason)], by=by, now=now or clock.now())


def join(session: Session, tenant_id: UUID, merges: Sequence[Merge], *, by: str, now: datetime) -> dict[UUID, UUID]:
    """Merge all pairs with one set of statements, in the open transaction; return loser → winner.

    Nobody may be loser and winner at once. The journal keeps each loser's row as it was. `by` is an actor, or SYSTEM
    for profiles that prove to have been one person all along: of their consents the last word holds, of others' the
    stricter.
    """
    if not merges:
        return {}
    people = records.lock(session, tenant_id, {one for pair in merges for one in (pair.winner, pair.loser)})
    journal = [
        {
            "winner": pair.winner,
            "loser": pair.loser,
            "reason": pair.reason,
            "detail": {"loser": people[pair.loser].values, "winner_before": people[pair.winner].values.copy()},
        }
        for pair in merges
    ]
    dumped = orjson.dumps(journal, default=str).decode()
    session.execute(_JOURNAL, {"tenant_id": tenant_id, "rows": dumped, "by": by, "now": now})
    for pair in merges:
        facts.merge_into(people[pair.winner], people[pair.loser], last_word=by == SYSTEM)
    records.save(session, tenant_id, people.values(), now)
    values: dict[str, Any] = {
        "tenant_id": tenant_id,
        "winners": array(pair.winner for pair in merges),
        "losers": array(pair.loser for pair in merges),
        "now": now,
    }
    for statement in _STATEMENTS:
        session.execute(statement, values)
    return {pair.loser: pair.winner for pair in merges}
