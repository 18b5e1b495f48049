"""Two profiles that are one person become one; the other's id leads to it for ever, and the journal says why.

What hangs on a customer is listed here, tables of higher rooms included: a table that is missing from the list would
leave its rows behind (tests/customers compares the list with the foreign keys of the database). The journal keeps both
profiles as they were and which rows moved, so that `app.customers.unmerge` can take a merge back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.customers import consent_merge, erased, facts, records
from app.customers.models import Customer
from app.customers.records import Record
from app.infra.arrays import array
from app.infra.db import worked_out
from app.infra.errors import Conflict
from app.infra.ids import new_id


@dataclass(frozen=True, slots=True)
class Merge:
    """`loser` goes into `winner`; `reason` in words, for the journal.

    `chosen` are fields that somebody decided on: True takes the loser's value, False keeps the winner's.
    """

    winner: UUID
    loser: UUID
    reason: str
    chosen: Mapping[str, bool] = field(default_factory=dict)
    id: UUID = field(default_factory=new_id)


SYSTEM = "system"
MOVED = ("activity", "note", "consent_change", "inbound_event", "external_id", "message", "task", "notice")
"""Tables whose rows simply change hands."""
HAD_ALREADY: dict[str, tuple[str, ...]] = {
    "contact_point": ("kind", "key"),
    # One at all: who is in a household stays in it, who is in none takes the loser's place.
    "household_member": ("tenant_id",),
}
"""Tables of which a customer has one row of each key: the winner's stays, the loser's like it is kept as an image."""
CHOICES = (
    "title",
    "first_name",
    "last_name",
    "date_of_birth",
    "email",
    "phone",
    "club_id",
    "membership_tier",
    "membership_status",
    "joined_on",
    "handicap_index",
    "lifecycle_stage",
)
"""Fields of which somebody who merges may say whose value holds, besides custom ones (`custom.key`). Consents are none:
the stricter holds."""

_PAIR = (
    "pair AS (SELECT * FROM unnest(cast(:merges AS uuid[]), cast(:winners AS uuid[]), cast(:losers AS uuid[]))"
    " AS p(merge_id, winner, loser))"
)
_TAKE = """
    WITH taken AS (
        UPDATE {table} t SET customer_id = pair.winner FROM pair
        WHERE t.tenant_id = :tenant_id AND t.customer_id = pair.loser RETURNING pair.merge_id, t.id
    )
    INSERT INTO customer_merge_part (tenant_id, merge_id, part, moved)
    SELECT :tenant_id, merge_id, '{table}', array_agg(id) FROM taken GROUP BY merge_id
"""
_DROP = """
    WITH dropped AS (
        DELETE FROM {table} mine USING pair, {table} theirs
        WHERE mine.tenant_id = :tenant_id AND mine.customer_id = pair.loser AND theirs.tenant_id = :tenant_id
            AND theirs.customer_id = pair.winner AND {same}
        RETURNING pair.merge_id, to_jsonb(mine) AS image
    )
    INSERT INTO customer_merge_part (tenant_id, merge_id, part, images)
    SELECT :tenant_id, merge_id, '{table}:dropped', jsonb_agg(image) FROM dropped GROUP BY merge_id
"""
# Of an address that both had, the one row knows what either did.
_KNOW = """
    WITH learnt AS (
        UPDATE contact_point w SET
            verified_at = coalesce(w.verified_at, l.verified_at),
            verified_how = CASE WHEN w.verified_at IS NULL THEN l.verified_how ELSE w.verified_how END,
            preferred_at = greatest(w.preferred_at, l.preferred_at)
        FROM pair
        JOIN contact_point l ON l.tenant_id = :tenant_id AND l.customer_id = pair.loser
        JOIN contact_point before ON before.tenant_id = :tenant_id AND before.customer_id = pair.winner
            AND before.kind = l.kind AND before.key = l.key
        WHERE w.tenant_id = :tenant_id AND w.customer_id = pair.winner AND w.id = before.id
            AND (w.verified_at IS NULL AND l.verified_at IS NOT NULL
                OR l.preferred_at > coalesce(w.preferred_at, '-infinity'))
        RETURNING pair.merge_id, jsonb_build_object('id', w.id, 'verified_at', before.verified_at,
            'verified_how', before.verified_how, 'preferred_at', before.preferred_at,
            'left_at', w.verified_at, 'left_preferred_at', w.preferred_at) AS image
    )
    INSERT INTO customer_merge_part (tenant_id, merge_id, part, images)
    SELECT :tenant_id, merge_id, 'contact_point:learnt', jsonb_agg(image) FROM learnt GROUP BY merge_id
"""
# Two walks through one journey: the one that came further goes on, the other leaves it. A completed walk came
# furthest; of equals the older one stays. `entry` is what makes a walk unique, so the one that leaves gets its own.
_SETTLE_WALKS = """
    WITH both_walks AS (
        SELECT pair.merge_id, e.id, e.journey_id, e.status, e.current_step_key, to_jsonb(e) AS image,
            row_number() OVER (
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
        RETURNING w.merge_id, e.journey_id, e.entered_week AS week, e.entered_version AS version, w.status AS was,
            w.current_step_key AS step_key, w.image
    ), steps AS (
        UPDATE journey_enrollment_step s SET status = 'SKIPPED', completed_at = :now
        FROM both_walks w WHERE s.tenant_id = :tenant_id AND s.enrollment_id = w.id AND w.place > 1
            AND s.status = 'IN_PROGRESS'
        RETURNING w.merge_id, s.enrollment_id, s.step_number
    ), totals AS (
        UPDATE journey j SET total_exited = j.total_exited + gone.count
        FROM (SELECT journey_id, count(*) AS count FROM leaving WHERE was = 'ACTIVE' GROUP BY journey_id) AS gone
        WHERE j.tenant_id = :tenant_id AND j.id = gone.journey_id
    ), cohorts AS (
        UPDATE journey_cohort c SET exited = c.exited + gone.count
        FROM (
            SELECT journey_id, week, version, count(*) AS count FROM leaving
            WHERE was = 'ACTIVE' GROUP BY journey_id, week, version
        ) AS gone
        WHERE c.tenant_id = :tenant_id AND c.journey_id = gone.journey_id AND c.week = gone.week
            AND c.version = gone.version
    ), counts AS (
        UPDATE journey_step_count c SET active = c.active - gone.count, skipped = c.skipped + gone.count
        FROM (
            SELECT journey_id, step_key, count(*) AS count FROM leaving
            WHERE was = 'ACTIVE' GROUP BY journey_id, step_key
        ) AS gone
        WHERE c.tenant_id = :tenant_id AND c.journey_id = gone.journey_id AND c.step_key = gone.step_key
    )
    INSERT INTO customer_merge_part (tenant_id, merge_id, part, images)
    SELECT :tenant_id, merge_id, 'journey_enrollment:left', jsonb_agg(image) FROM leaving GROUP BY merge_id
    UNION ALL
    SELECT :tenant_id, merge_id, 'journey_enrollment_step:skipped', jsonb_agg(jsonb_build_object(
        'enrollment_id', enrollment_id, 'step_number', step_number)) FROM steps GROUP BY merge_id
"""
_FOLLOWERS = """
    WITH led AS (
        UPDATE customer c SET merged_into_id = pair.winner FROM pair
        WHERE c.tenant_id = :tenant_id AND c.merged_into_id = pair.loser RETURNING pair.merge_id, c.id
    )
    INSERT INTO customer_merge_part (tenant_id, merge_id, part, moved)
    SELECT :tenant_id, merge_id, 'customer', array_agg(id) FROM led GROUP BY merge_id
"""
_MOVES = (
    *(_TAKE.format(table=table) for table in MOVED),
    _KNOW,
    *(
        statement
        for table, key in HAD_ALREADY.items()
        for statement in (
            _DROP.format(table=table, same=" AND ".join(f"theirs.{name} = mine.{name}" for name in key)),
            _TAKE.format(table=table),
        )
    ),
    _SETTLE_WALKS,
    _TAKE.format(table="journey_enrollment"),
    # Those who went into the loser before go where it goes: an old id is one step from its customer.
    _FOLLOWERS,
    """
    UPDATE customer c SET status = 'MERGED', merged_into_id = pair.winner, updated_at = :now FROM pair
    WHERE c.tenant_id = :tenant_id AND c.id = pair.loser
    """,
    """
    UPDATE customer w
    SET tags = ARRAY(SELECT DISTINCT tag FROM unnest(w.tags || l.tags) AS t(tag) ORDER BY tag)
    FROM pair JOIN customer l ON l.tenant_id = :tenant_id AND l.id = pair.loser
    WHERE w.tenant_id = :tenant_id AND w.id = pair.winner AND NOT l.tags <@ w.tags
    """,
    """
    UPDATE customer w SET last_email_sent_at = l.last_email_sent_at
    FROM pair JOIN customer l ON l.tenant_id = :tenant_id AND l.id = pair.loser
    WHERE w.tenant_id = :tenant_id AND w.id = pair.winner
        AND l.last_email_sent_at > coalesce(w.last_email_sent_at, '-infinity')
    """,
    """
    UPDATE customer_merge m
    SET detail = m.detail || jsonb_build_object('winner_after', to_jsonb(w) - cast(:worked_out AS text[]))
    FROM pair JOIN customer w ON w.tenant_id = :tenant_id AND w.id = pair.winner
    WHERE m.tenant_id = :tenant_id AND m.id = pair.merge_id
    """,
)
_JOURNAL = """
    WITH hint AS (
        SELECT customer_id, jsonb_agg(jsonb_build_array(kind, value)) AS hints FROM (
            SELECT customer_id, kind, value FROM external_id
            WHERE tenant_id = :tenant_id AND customer_id = ANY(cast(:winners AS uuid[]) || cast(:losers AS uuid[]))
            UNION ALL
            SELECT customer_id, kind, key FROM contact_point
            WHERE tenant_id = :tenant_id AND customer_id = ANY(cast(:winners AS uuid[]) || cast(:losers AS uuid[]))
        ) AS one GROUP BY customer_id
    )
    INSERT INTO customer_merge (tenant_id, id, winner_id, loser_id, reason, detail, merged_by, merged_at)
    SELECT :tenant_id, pair.merge_id, pair.winner, pair.loser, why.reason, jsonb_build_object(
        'loser', to_jsonb(l) - cast(:worked_out AS text[]), 'winner_before', to_jsonb(w) - cast(:worked_out AS text[]),
        'winner_hints', coalesce(wh.hints, '[]'), 'loser_hints', coalesce(lh.hints, '[]')), :by, :now
    FROM pair
    JOIN unnest(cast(:merges AS uuid[]), cast(:reasons AS text[])) AS why(merge_id, reason) USING (merge_id)
    JOIN customer w ON w.tenant_id = :tenant_id AND w.id = pair.winner
    JOIN customer l ON l.tenant_id = :tenant_id AND l.id = pair.loser
    LEFT JOIN hint wh ON wh.customer_id = pair.winner
    LEFT JOIN hint lh ON lh.customer_id = pair.loser
"""


def _with_pair(statement: str) -> str:
    head, word, rest = statement.lstrip().partition("WITH ")
    return f"WITH {_PAIR}, {rest}" if not head and word else f"WITH {_PAIR} {statement}"


_WRITE_JOURNAL = text(_with_pair(_JOURNAL))
_STATEMENTS = tuple(text(_with_pair(statement)) for statement in _MOVES)
WORKED_OUT = array(worked_out(Customer.metadata.tables["customer"]))
"""Columns that Postgres works out: images of customers are without them."""


class CannotMerge(Conflict):
    """The two profiles can't become one."""


class BeingErased(CannotMerge):
    """One of the two is being erased: whoever asked for that saw one person and no other."""

    def __init__(self) -> None:
        super().__init__(
            "One of the two is being erased, so they can't be merged. Settings, Privacy shows how far it is."
        )


def join(session: Session, tenant_id: UUID, merges: Sequence[Merge], *, by: str, now: datetime) -> dict[UUID, UUID]:
    """Merge all pairs with one set of statements, in the open transaction; return loser → winner.

    Nobody may be loser and winner at once. `by` is an actor, or SYSTEM for profiles that prove to have been one person
    all along: of their consents the last word holds, of others' the stricter. The caller holds the capture lock. Raises
    BeingErased.
    """
    people = records.lock(session, tenant_id, {one for pair in merges for one in (pair.winner, pair.loser)})
    # Whoever asks for an erasure locks the profile too, so nobody begins to be erased from here on.
    if by != SYSTEM and erased.under_way(session, tenant_id, people):
        raise BeingErased
    left = list(merges)
    while left:
        # The journal has each merge by itself, so a winner takes in one loser at a time.
        turn = {pair.winner: pair for pair in reversed(left)}
        left = [pair for pair in left if turn[pair.winner] is not pair]
        _join_once(session, tenant_id, list(turn.values()), people, by=by, now=now)
    return {pair.loser: pair.winner for pair in merges}


def _join_once(
    session: Session, tenant_id: UUID, merges: list[Merge], people: dict[UUID, Record], *, by: str, now: datetime
) -> None:
    values: dict[str, Any] = {
        "tenant_id": tenant_id,
        "merges": array(pair.id for pair in merges),
        "winners": array(pair.winner for pair in merges),
        "losers": array(pair.loser for pair in merges),
        "reasons": array(pair.reason for pair in merges),
        "worked_out": WORKED_OUT,
        "by": by,
        "now": now,
    }
    session.execute(_WRITE_JOURNAL, values)
    consent_merge.settle(session, values, last_word=by == SYSTEM)
    for pair in merges:
        unite(people[pair.winner], people[pair.loser], pair.chosen, last_word=by == SYSTEM, now=now)
    records.save(session, tenant_id, [people[pair.winner] for pair in merges], now)
    for statement in _STATEMENTS:
        session.execute(statement, values)


def unite(winner: Record, loser: Record, chosen: Mapping[str, bool], *, last_word: bool, now: datetime) -> None:
    """Give the winner what it should hold of both, in memory; what was decided on holds as said now."""
    mine = {name: winner.get(name) for name in chosen}
    facts.merge_into(winner, loser, last_word=last_word)
    for name, theirs in chosen.items():
        value = loser.get(name) if theirs else mine[name]
        if winner.get(name) != value:
            mark, said = winner.facts_at.get(name), facts.moment(now)
            # By clocks that run ahead too.
            if isinstance(mark, str) and not mark.startswith(facts.WEAK):
                said = max(said, mark)
            winner.mark(name, said)
            winner.give(name, value)
