"""Addresses whose people may be a household: found as addresses come in, decided on by people.

What is suggested is an address, an e-mail address or a number that a few people with different first names share; who
they are is read when it is shown. Where the same people share several, they are suggested once.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.events.capture_lock import lock_tenant
from app.infra import clock
from app.infra.arrays import array
from app.infra.db import again_after_deadlock, transaction
from app.infra.errors import NotFound
from app.infra.paging import DEFAULT_LIMIT, BadCursor, Page, cut, decode_cursor, id_of

OPEN, DISMISSED, ACCEPTED = "open", "dismissed", "accepted"
MOST = 8
"""An address that more people share is a front desk's or a booking agent's, and no family's."""
# Of those who share an address no more are looked at: enough to know that they are too many.
CROWD = 20
AT_ONCE = 2000
EMAIL_SCORE, PHONE_SCORE, BOTH_SCORE, NAME_SCORE = 60, 50, 80, 20

# The named, active people who share the address of row {at}, each with the household they are in.
SHARERS = """
    SELECT c.id, c.first_name, c.last_name, m.household_id FROM (
        SELECT p.customer_id FROM contact_point p
        WHERE p.tenant_id = :tenant_id AND p.kind = {at}.kind AND p.key = {at}.key LIMIT :crowd
    ) AS p CROSS JOIN LATERAL (
        SELECT x.id, x.first_name, x.last_name FROM customer x
        WHERE x.tenant_id = :tenant_id AND x.id = p.customer_id AND x.status = 'ACTIVE'
            AND coalesce(x.first_name, x.last_name) IS NOT NULL OFFSET 0
    ) AS c LEFT JOIN LATERAL (
        SELECT h.household_id FROM household_member h WHERE h.tenant_id = :tenant_id AND h.customer_id = c.id OFFSET 0
    ) AS m ON true
"""
_TOGETHER = "(bool_and(household_id IS NOT NULL) AND count(DISTINCT household_id) = 1)"
_LOOK = text(f"""
    WITH touched AS (
        SELECT DISTINCT p.kind, p.key FROM unnest(cast(:ids AS uuid[])) AS wanted(id) CROSS JOIN LATERAL (
            SELECT x.kind, x.key FROM contact_point x WHERE x.tenant_id = :tenant_id AND x.customer_id = wanted.id
                AND x.kind IN ('email', 'phone') OFFSET 0
        ) AS p
    ), address AS (
        SELECT touched.kind, touched.key, array_agg(who.id ORDER BY who.id) AS people,
            count(DISTINCT lower(who.last_name)) = 1 AND bool_and(who.last_name IS NOT NULL) AS one_name
        FROM touched CROSS JOIN LATERAL ({SHARERS.format(at="touched")}) AS who
        GROUP BY touched.kind, touched.key
        HAVING count(*) BETWEEN 2 AND :most AND count(DISTINCT lower(who.first_name)) > 1 AND NOT {_TOGETHER}
    ), fit AS (
        SELECT a.*, EXISTS (
            SELECT FROM household_suggestion s
            WHERE s.tenant_id = :tenant_id AND s.kind = a.kind AND s.key = a.key
                AND (s.status = 'dismissed' OR s.status = 'accepted' AND a.people <@ s.people)
        ) AS decided
        FROM address a
        -- Two that may be one person are no household until somebody has told them apart.
        WHERE cardinality(a.people) > 2 OR (
            SELECT m.status FROM merge_suggestion m WHERE m.tenant_id = :tenant_id AND m.one_id = a.people[1]
                AND m.other_id = a.people[2]) IS DISTINCT FROM 'open'
    ), found AS (
        SELECT people, (array_agg(kind ORDER BY kind, key))[1] AS kind, (array_agg(key ORDER BY kind, key))[1] AS key,
            bool_or(kind = 'email') AS by_email, bool_or(kind = 'phone') AS by_phone, bool_or(one_name) AS one_name
        FROM fit GROUP BY people HAVING NOT bool_or(decided)
    ), gone AS (
        -- By key and by id: a join would be planned for the few suggestions that the planner last saw.
        DELETE FROM household_suggestion s WHERE s.tenant_id = :tenant_id AND s.id = ANY(ARRAY(
            SELECT stale.id FROM touched CROSS JOIN LATERAL (
                SELECT x.id, x.status FROM household_suggestion x
                WHERE x.tenant_id = :tenant_id AND x.kind = touched.kind AND x.key = touched.key OFFSET 0
            ) AS stale
            WHERE stale.status = 'open'
                AND (touched.kind, touched.key) NOT IN (SELECT found.kind, found.key FROM found)))
    )
    INSERT INTO household_suggestion AS s (tenant_id, kind, key, people, score, reasons, found_at)
    SELECT :tenant_id, kind, key, people,
        CASE WHEN by_email AND by_phone THEN :both WHEN by_email THEN :email ELSE :phone END
            + CASE WHEN one_name THEN :name ELSE 0 END,
        array_remove(ARRAY[
            CASE WHEN by_email THEN 'the same e-mail address' END, CASE WHEN by_phone THEN 'the same phone number' END,
            CASE WHEN one_name THEN 'the same last name' END], NULL),
        :now
    FROM found ORDER BY kind, key
    ON CONFLICT (tenant_id, kind, key) DO UPDATE
    SET people = excluded.people, score = excluded.score, reasons = excluded.reasons, status = 'open',
        decided_by = NULL, decided_at = NULL
    WHERE s.status <> 'dismissed'
        AND (s.status, s.people, s.score, s.reasons) IS DISTINCT FROM
            ('open', excluded.people, excluded.score, excluded.reasons)
""")  # noqa: S608 - the names are ours
_LIST = text(f"""
    SELECT s.id, s.kind, s.key, s.score, s.reasons, s.found_at, live.people, live.households
    FROM household_suggestion s CROSS JOIN LATERAL (
        SELECT array_agg(who.id ORDER BY who.id) AS people, array_agg(DISTINCT who.household_id) AS households,
            count(*) AS many, {_TOGETHER} AS together
        FROM ({SHARERS.format(at="s")}) AS who
    ) AS live
    WHERE s.tenant_id = :tenant_id AND s.status = 'open' AND live.many BETWEEN 2 AND :most AND NOT live.together
        AND (cast(:score AS int) IS NULL OR s.score < cast(:score AS int)
            OR (s.score = cast(:score AS int) AND s.id > cast(:last AS uuid)))
    ORDER BY s.score DESC, s.id LIMIT :limit
""")  # noqa: S608 - the names are ours
_CHOSEN = text(f"""
    SELECT s.id, s.reasons, who.id AS customer_id, who.household_id
    FROM (
        SELECT id, kind, key, reasons FROM household_suggestion
        WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[])) AND status = 'open' ORDER BY id FOR UPDATE
    ) AS s CROSS JOIN LATERAL ({SHARERS.format(at="s")}) AS who
    ORDER BY s.id, who.id
""")  # noqa: S608 - the names are ours
_NEXT = text("""
    SELECT id FROM customer WHERE tenant_id = :tenant_id AND id > cast(:last AS uuid) AND status = 'ACTIVE'
    ORDER BY id LIMIT :limit
""")
_KNOWN = text("SELECT id FROM household_suggestion WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[]))")
_TURN = text("""
    UPDATE household_suggestion SET status = :status, decided_by = :by, decided_at = :now
    WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[])) AND status = :was RETURNING id
""")
# What somebody decided of people is not asked again of the addresses they share.
_SETTLE = text(f"""
    WITH shared AS (
        SELECT p.kind, p.key FROM unnest(cast(:ids AS uuid[])) AS wanted(id) CROSS JOIN LATERAL (
            SELECT x.kind, x.key FROM contact_point x WHERE x.tenant_id = :tenant_id AND x.customer_id = wanted.id
                AND x.kind IN ('email', 'phone') OFFSET 0
        ) AS p GROUP BY p.kind, p.key HAVING count(*) > 1
    ), address AS (
        SELECT shared.kind, shared.key, array_agg(who.id ORDER BY who.id) AS people
        FROM shared CROSS JOIN LATERAL ({SHARERS.format(at="shared")}) AS who GROUP BY shared.kind, shared.key
    )
    INSERT INTO household_suggestion AS s (tenant_id, kind, key, people, status, found_at, decided_by, decided_at)
    SELECT :tenant_id, kind, key, people, :status, :now, :by, :now FROM address ORDER BY kind, key
    ON CONFLICT (tenant_id, kind, key) DO UPDATE
    SET people = excluded.people, status = excluded.status, decided_by = excluded.decided_by,
        decided_at = excluded.decided_at
    WHERE s.status <> 'dismissed'
""")  # noqa: S608 - the names are ours
_UNSETTLE = text("""
    UPDATE household_suggestion SET status = 'accepted', decided_by = :by, decided_at = :now
    WHERE tenant_id = :tenant_id AND status = 'dismissed' AND decided_at = :then AND people && cast(:ids AS uuid[])
""")
_LIMITS = {"crowd": CROWD, "most": MOST}


class NoSuchSuggestion(NotFound):
    """There is no suggestion with this id."""

    def __init__(self) -> None:
        super().__init__("There is no such suggestion.")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """People who may be a household, and why: they share `address` (an e-mail address or phone, see `kind`).

    `household_ids` are the households that some of them are in already.
    """

    id: UUID
    kind: str
    address: str
    customer_ids: list[UUID]
    household_ids: list[UUID]
    score: int
    reasons: list[str]
    found_at: datetime


@contextmanager
def deciding(tenant_id: UUID) -> Iterator[Session]:
    """Open the transaction of a decision about households: it holds the capture lock before it locks any row."""
    with transaction(tenant_id) as session:
        lock_tenant(session, tenant_id)
        yield session


def look(session: Session, tenant_id: UUID, ids: Collection[UUID], now: datetime) -> None:
    """Suggest what these customers' addresses are shared by, in the open transaction, and forget what no longer is.

    What was decided stays decided.
    """
    if ids:
        scores = {"email": EMAIL_SCORE, "phone": PHONE_SCORE, "both": BOTH_SCORE, "name": NAME_SCORE}
        session.execute(_LOOK, {"tenant_id": tenant_id, "ids": array(ids), "now": now, **scores, **_LIMITS})


def look_at_all(*, tenant_id: UUID, now: datetime | None = None) -> int:
    """Look at all customers, some thousands in each transaction; return how many were looked at.

    For customers who came in by another way than events, or before Fairway suggested households.
    """
    last, looked, moment = UUID(int=0), 0, now or clock.now()
    while True:
        with deciding(tenant_id) as session:
            some = session.scalars(_NEXT, {"tenant_id": tenant_id, "last": last, "limit": AT_ONCE}).all()
            look(session, tenant_id, some, moment)
        if not some:
            return looked
        last, looked = some[-1], looked + len(some)


def settle(session: Session, tenant_id: UUID, ids: Collection[UUID], status: str, *, by: str, now: datetime) -> None:
    """Note what somebody decided about the people of a household, for the addresses that they share."""
    values = {"tenant_id": tenant_id, "ids": array(ids), "status": status, "by": by, "now": now, "crowd": CROWD}
    session.execute(_SETTLE, values)


def unsettle(
    session: Session, tenant_id: UUID, ids: Collection[UUID], then: datetime, *, by: str, now: datetime
) -> None:
    """Take back what was dismissed at the moment `then` about people who are a household again."""
    session.execute(_UNSETTLE, {"tenant_id": tenant_id, "ids": array(ids), "then": then, "by": by, "now": now})


def suggested(*, tenant_id: UUID, cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> Page[Suggestion]:
    """Return what waits for a decision, the likeliest first."""
    score, last = decode_cursor(cursor, 2) if cursor else (None, None)
    if cursor and not (isinstance(score, int) and 0 <= score <= 100):
        raise BadCursor
    values = {
        "tenant_id": tenant_id,
        "score": score,
        "last": id_of(last) if cursor else None,
        "limit": limit + 1,
        **_LIMITS,
    }
    with transaction(tenant_id) as session:
        rows = session.execute(_LIST, values).all()
    return cut(rows, limit, lambda row: (row.score, row.id), _shown)


def chosen(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> list[Row[Any]]:
    """Return (id, reasons, customer_id, household_id) of everybody in those of the suggestions that are open, locked.

    Raises NoSuchSuggestion if none exists.
    """
    values = {"tenant_id": tenant_id, "ids": array(ids), "crowd": CROWD}
    _check_known(session, values)
    return list(session.execute(_CHOSEN, values))


def accepted(session: Session, tenant_id: UUID, ids: Collection[UUID], *, by: str, now: datetime) -> None:
    """Note that suggestions were accepted."""
    _turn(session, {"tenant_id": tenant_id, "ids": array(ids), "was": OPEN, "status": ACCEPTED, "by": by, "now": now})


def dismiss(*, tenant_id: UUID, ids: Collection[UUID], actor: str, now: datetime | None = None) -> int:
    """Say of addresses that their people are no household, for good; return of how many. Raises NoSuchSuggestion."""
    return _decide(tenant_id, ids, OPEN, DISMISSED, actor, now)


def reopen(*, tenant_id: UUID, ids: Collection[UUID], actor: str, now: datetime | None = None) -> int:
    """Take dismissals back; return of how many addresses. Raises NoSuchSuggestion if none exists."""
    return _decide(tenant_id, ids, DISMISSED, OPEN, actor, now)


@again_after_deadlock
def _decide(tenant_id: UUID, ids: Collection[UUID], was: str, status: str, actor: str, now: datetime | None) -> int:
    values = {"tenant_id": tenant_id, "ids": array(ids), "was": was, "status": status, "by": actor}
    with deciding(tenant_id) as session:
        _check_known(session, values)
        done = _turn(session, values | {"now": now or clock.now()})
        for one in done:
            audit.record(session, actor, f"household_suggestion.{status}", "household_suggestion", one)
        return len(done)


def _check_known(session: Session, values: dict[str, Any]) -> None:
    if not session.scalars(_KNOWN, values).all():
        raise NoSuchSuggestion


def _turn(session: Session, values: dict[str, Any]) -> list[UUID]:
    return list(session.scalars(_TURN, values))


def _shown(row: Row[Any]) -> Suggestion:
    households = [one for one in row.households if one is not None]
    return Suggestion(row.id, row.kind, row.key, row.people, households, row.score, row.reasons, row.found_at)
