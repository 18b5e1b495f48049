"""Who enters and who leaves: the one place where members are written, as the difference to who was in.

All of it is one statement: the difference, the members, the past ones, the counts, each day's growth, who has to be
looked at by the segments that ask about these, and what the tellers say of it. Only counts come to Python.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Select, TextClause, TextualSelect, Uuid, text
from sqlalchemy.orm import Session

from app.conditions import Later
from app.infra.arrays import array

MOST_DUE = 20_000
"""Of so many changes each person is looked at by the segments that ask about this one; of more these are refreshed."""

Teller = Callable[[Session, UUID, datetime], Sequence[TextClause]]
"""Returns what else is written because people enter and leave, in the same statement: each an INSERT … SELECT out of
`entered` and `gone` (segment_id, customer_id). It is called for each statement, whoever moves in the end."""


@dataclass(frozen=True, eq=False, slots=True)
class Wanted:
    """Who is to be in segments: `rows` of segment_id, customer_id, with what of them is told `later`.

    Whoever keeps one keeps the statements it was written by, too.
    """

    rows: Select[Any]
    later: Later | None = None
    _statements: dict[tuple[Hashable, ...], TextualSelect] = field(default_factory=dict)

    def statement(self, *, single: bool, theirs: str, told: Sequence[TextClause]) -> TextualSelect:
        """Return the statement that writes it, of a `single` segment or several, and what is `told` beside."""
        key = (single, theirs, *told)
        if key not in self._statements:
            parts = {
                "changes": _CHANGES[single].format(theirs=theirs),
                "entered": _ENTERED,
                "gone": _GONE,
                "past": _PAST,
                "due": _DUE,
                "counted": _COUNTED,
                "grown": _DAYS,
            }
            texts = [text(does).columns().cte(name) for name, does in parts.items()]
            more = [one.columns().cte(f"told_{at}") for at, one in enumerate(told)]
            self._statements.clear()
            self._statements[key] = _RESULT.add_cte(self.rows.cte("want"), *texts, *more)
        return self._statements[key]


@dataclass(frozen=True, slots=True)
class Moved:
    """How many entered and left a segment, and how many are in it now."""

    entered: int
    left: int
    members: int


# A full join is hashed by what both sides have: of one segment its id is no such thing.
_CHANGES = {
    True: """
        SELECT CAST(:segment AS uuid) AS segment_id, coalesce(want.customer_id, have.customer_id) AS customer_id,
            have.entered_at
        FROM want FULL JOIN (
            SELECT customer_id, entered_at FROM segment_member
            WHERE tenant_id = :tenant_id AND segment_id = :segment {theirs}
        ) AS have ON have.customer_id = want.customer_id
        WHERE want.customer_id IS NULL OR have.customer_id IS NULL
    """,
    False: """
        SELECT coalesce(want.segment_id, have.segment_id) AS segment_id,
            coalesce(want.customer_id, have.customer_id) AS customer_id, have.entered_at
        FROM want FULL JOIN (
            SELECT segment_id, customer_id, entered_at FROM segment_member
            WHERE tenant_id = :tenant_id AND segment_id = ANY(CAST(:segments AS uuid[])) {theirs}
        ) AS have ON have.customer_id = want.customer_id AND have.segment_id = want.segment_id
        WHERE want.customer_id IS NULL OR have.customer_id IS NULL
    """,
}
_THEIRS = "AND customer_id = ANY(CAST(:customers AS uuid[]))"
# In the order of its index a row goes in beside the one before it, and nobody else writes members meanwhile: of 90,000
# this halves the time, a third of it for not looking for each first.
_ENTERED = """
    INSERT INTO segment_member (tenant_id, segment_id, customer_id, entered_at)
    SELECT :tenant_id, segment_id, customer_id, :now FROM changes WHERE entered_at IS NULL
    ORDER BY segment_id, customer_id
    RETURNING segment_id, customer_id
"""
_GONE = """
    DELETE FROM segment_member m USING changes c
    WHERE c.entered_at IS NOT NULL AND m.tenant_id = :tenant_id AND m.segment_id = c.segment_id
        AND m.customer_id = c.customer_id
    RETURNING m.segment_id, m.customer_id, m.entered_at
"""
# Of customers who are no more nothing is kept.
_PAST = """
    INSERT INTO segment_past_member (tenant_id, segment_id, customer_id, entered_at, left_at)
    SELECT :tenant_id, g.segment_id, g.customer_id, g.entered_at, :now FROM gone g
    WHERE EXISTS (SELECT FROM customer c WHERE c.tenant_id = :tenant_id AND c.id = g.customer_id)
    ON CONFLICT DO NOTHING
"""
# Only the segments that ask about these are joined: each move would be compared with all that any segment asks.
_DUE = """
    INSERT INTO segment_due (tenant_id, customer_id, segment_id)
    SELECT :tenant_id, moved.customer_id, d.segment_id
    FROM (SELECT segment_id, customer_id FROM entered UNION ALL SELECT segment_id, customer_id FROM gone) AS moved
    JOIN segment_dependency d ON d.tenant_id = :tenant_id AND d.reads = 'segment:' || moved.segment_id
        AND d.reads = ANY(CAST(:reads AS text[]))
    WHERE (SELECT count(*) FROM changes) <= :most_due
"""
_COUNTED = """
    UPDATE segment s SET member_count = s.member_count + moved.entered - moved.gone
    FROM (
        SELECT segment_id, sum(entered) AS entered, sum(gone) AS gone FROM (
            SELECT segment_id, count(*) AS entered, 0 AS gone FROM entered GROUP BY segment_id
            UNION ALL SELECT segment_id, 0, count(*) FROM gone GROUP BY segment_id
        ) AS one GROUP BY segment_id
    ) AS moved
    WHERE s.tenant_id = :tenant_id AND s.id = moved.segment_id
    RETURNING s.id, CAST(moved.entered AS integer) AS entered, CAST(moved.gone AS integer) AS gone, s.member_count
"""
_DAYS = """
    INSERT INTO segment_day AS known (tenant_id, segment_id, day, entered, "left", members)
    SELECT :tenant_id, c.id, d.day, CASE WHEN :tells THEN c.entered ELSE 0 END,
        CASE WHEN :tells THEN c.gone ELSE 0 END, c.member_count
    FROM counted c JOIN unnest(CAST(:segments AS uuid[]), CAST(:days AS date[])) AS d(id, day) ON d.id = c.id
    ON CONFLICT (tenant_id, segment_id, day) DO UPDATE SET entered = known.entered + excluded.entered,
        "left" = known."left" + excluded."left", members = excluded.members
"""
_RESULT = text("SELECT id, entered, gone, member_count FROM counted").columns(
    id=Uuid, entered=Integer, gone=Integer, member_count=Integer
)
# In the order in which everybody locks segments. A refresh has its own by now, which may come after these: whom it
# meets there in a deadlock (upkeep, a topic that is changed) begins again, or it does. To lock all that ask before it
# begins would keep everybody from them for as long as it takes.
_REFRESH_ASKING = text("""
    WITH asking AS (
        SELECT s.id FROM segment s WHERE s.tenant_id = :tenant_id AND s.id IN (
            SELECT d.segment_id FROM segment_dependency d
            WHERE d.tenant_id = :tenant_id AND d.reads = ANY(CAST(:reads AS text[])))
        ORDER BY s.id FOR NO KEY UPDATE
    )
    UPDATE segment s SET refresh_due_at = :now FROM asking WHERE s.tenant_id = :tenant_id AND s.id = asking.id
""")


def write(
    session: Session,
    *,
    tenant_id: UUID,
    wanted: Wanted,
    segments: Mapping[UUID, date],
    customers: str | None = None,
    now: datetime,
    tells: bool = True,
    tellers: Sequence[Teller] = (),
) -> dict[UUID, Moved]:
    """Make the members of `segments` those `wanted`, and return what moved where.

    `segments` are the ids with the day it is there. With `customers` (the text of an array of ids) only they are told
    about; others stay as they are. Unless it `tells`, people enter and leave because a definition is another, which is
    no move of theirs: nobody is told, and it is no growth. The caller sees to it that nobody else changes the members,
    and takes `now` once that is so: it is when people move, and each segment's moves are in its order.
    """
    single = len(segments) == 1
    told = [one for teller in tellers for one in teller(session, tenant_id, now)] if tells else []
    statement = wanted.statement(single=single, theirs="" if customers is None else _THEIRS, told=told)
    values: dict[str, Any] = {
        **(wanted.later.values(now) if wanted.later else {}),
        "tenant_id": tenant_id,
        "segments": array(segments),
        "reads": array(f"segment:{one}" for one in segments),
        "days": array(day.isoformat() for day in segments.values()),
        "now": now,
        "tells": tells,
        "most_due": MOST_DUE,
    }
    if single:
        values["segment"] = next(iter(segments))
    if customers is not None:
        values["customers"] = customers
    moved = {row.id: Moved(row.entered, row.gone, row.member_count) for row in session.execute(statement, values).all()}
    if sum(one.entered + one.left for one in moved.values()) > MOST_DUE:
        reads = array(f"segment:{one}" for one in moved)
        session.execute(_REFRESH_ASKING, {"tenant_id": tenant_id, "now": now, "reads": reads})
    return moved
