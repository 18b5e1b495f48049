"""Segments of a million customers with ten million activities, against the best SQL one can write by hand.

Both sides tell who is meant now and write the difference to who was: members in and out, the past ones, the count and
the day's growth, into the same tables with the same indexes, as the same role under row-level security, in turns.
"""

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import median
from typing import Any
from uuid import UUID

import psycopg

from app.infra import clock
from app.infra.embedded import Postgres, Redis
from app.segments import preview, refresh, schedule, service, upkeep
from benchmarks import crowd
from benchmarks.figures import percentile
from benchmarks.people import make_clubs
from benchmarks.stack import Stack

MOST = 1.3
MOST_OF_CHANGED = 3.0
MOST_PREVIEW = 1.0
CHANGED = 20_000
STALE = 50
"""One in so many members is not in yet, and one in so many others is still in, when a round begins."""
MEMBERS = ("segment", "segment_member", "segment_past_member", "segment_day", "segment_due")
Rules = dict[str, Any]


def _all(*rules: Rules) -> Rules:
    return {"combinator": "AND", "rules": list(rules)}


def _rule(field: str, operator: str, value: Any) -> Rules:
    return {"field": field, "operator": operator, "value": value}


@dataclass(frozen=True)
class Case:
    """A segment, and who is in it by hand: a WHERE over `c`, the customers that are active."""

    name: str
    criteria: Rules
    by_hand: str
    settings: str = "SET LOCAL random_page_cost = 4"


def cases(other: UUID | None = None) -> list[Case]:
    """Return the six segments; the last asks of the segment `other`, too."""
    return [
        Case(
            "profile only",
            _all(
                _rule("membership_tier", "in", ["Gold", "Platinum"]),
                _rule("handicap_index", "lte", 18),
                _rule("lifecycle_stage", "eq", "MEMBER"),
            ),
            "c.membership_tier IN ('Gold', 'Platinum') AND c.handicap_index <= 18 AND c.lifecycle_stage = 'MEMBER'",
        ),
        Case(
            "birthday, known for a year",
            _all(
                _rule("date_of_birth", "anniversary_next", "30 days"),
                _rule("created_at", "longer_ago", "1 year"),
            ),
            """(date_part('month', c.date_of_birth) * 100 + date_part('day', c.date_of_birth))::int = ANY(ARRAY(
                SELECT (date_part('month', d) * 100 + date_part('day', d))::int
                FROM generate_series(%(today)s::date, %(today)s::date + interval '30 days', interval '1 day') AS d))
                AND c.created_at < %(now)s::timestamptz - interval '1 year'""",
        ),
        Case(
            "three rounds of 18 in 90 days",
            _all(
                {
                    "event": "teetime.completed",
                    "operator": "gte",
                    "value": 3,
                    "within": "90 days",
                    "where": _all(_rule("holes", "eq", 18)),
                }
            ),
            """c.id IN (
                SELECT customer_id FROM activity
                WHERE type = 'teetime.completed' AND private_to IS NULL {theirs} AND (payload -> 'holes')::numeric = 18
                    AND occurred_at BETWEEN %(now)s::timestamptz - interval '90 days' AND %(now)s::timestamptz
                GROUP BY customer_id HAVING count(*) >= 3)""",
        ),
        Case(
            "members without a round in 60 days",
            _all(
                {"event": "teetime.completed", "operator": "never", "within": "60 days"},
                _rule("lifecycle_stage", "eq", "MEMBER"),
            ),
            """c.lifecycle_stage = 'MEMBER' AND NOT EXISTS (
                SELECT FROM activity a WHERE a.customer_id = c.id AND a.type = 'teetime.completed'
                    AND a.private_to IS NULL
                    AND a.occurred_at BETWEEN %(now)s::timestamptz - interval '60 days' AND %(now)s::timestamptz)""",
        ),
        Case(
            "paid more than 5,000 in a year",
            _all(
                {
                    "event": "payment.received",
                    "aggregate": "sum",
                    "field": "amount",
                    "operator": "gt",
                    "value": 5000,
                    "within": "1 year",
                }
            ),
            """c.id IN (
                SELECT customer_id FROM activity
                WHERE type = 'payment.received' AND private_to IS NULL {theirs}
                    AND occurred_at BETWEEN %(now)s::timestamptz - interval '1 year' AND %(now)s::timestamptz
                GROUP BY customer_id HAVING sum((payload ->> 'amount')::numeric) > 5000)""",
        ),
        Case(
            "can be mailed, a tag, another segment",
            _all(
                _rule("can_be_mailed", "eq", True),
                _rule("tags", "contains", "newsletter"),
                *([_rule("segments", "contains", str(other))] if other else []),
            ),
            """c.tags && ARRAY['newsletter'] AND c.email_opt_in AND NOT EXISTS (
                SELECT FROM consent o WHERE o.customer_id = c.id AND o.channel = 'ALL' AND o.topic_id IS NULL
                    AND o.state = 'unsubscribed')
            AND (
                NOT EXISTS (SELECT FROM suppression s WHERE s.channel = 'EMAIL' AND s.address_key = c.email
                    AND s.lifted_at IS NULL)
                OR EXISTS (SELECT FROM suppression s WHERE s.channel = 'EMAIL' AND s.address_key = c.email
                    AND s.lifted_at IS NULL AND s.reason IN ('hard_bounce', 'invalid'))
                AND EXISTS (SELECT FROM contact_point p WHERE p.customer_id = c.id AND p.kind = 'email'
                    AND (p.verified_at IS NOT NULL OR NOT EXISTS (SELECT FROM contact_point o
                        WHERE o.kind = p.kind AND o.key = p.key AND o.customer_id <> p.customer_id))
                    AND NOT EXISTS (SELECT FROM suppression s WHERE s.channel = 'EMAIL' AND s.address_key = p.key
                        AND s.lifted_at IS NULL)))
            """
            + (f"AND c.id IN (SELECT customer_id FROM segment_member WHERE segment_id = '{other}')" if other else ""),
            # With the other it takes ten times as long: whatever is best for each.
            settings="SET LOCAL random_page_cost = 1.1",
        ),
    ]


BY_HAND = """
    WITH want AS (
        SELECT c.id FROM customer c WHERE c.tenant_id = %(tenant)s AND c.status = 'ACTIVE' AND {who}
    ),
    changes AS (
        SELECT want.id AS enters, have.customer_id AS leaves, have.entered_at
        FROM want FULL JOIN (
            SELECT customer_id, entered_at FROM segment_member WHERE segment_id = %(segment)s {of_these}
        ) AS have ON have.customer_id = want.id
        WHERE want.id IS NULL OR have.customer_id IS NULL
    ),
    entered AS (
        INSERT INTO segment_member (tenant_id, segment_id, customer_id, entered_at)
        SELECT %(tenant)s, %(segment)s, enters, %(now)s FROM changes WHERE enters IS NOT NULL RETURNING 1
    ),
    gone AS (
        DELETE FROM segment_member m USING changes
        WHERE m.segment_id = %(segment)s AND m.customer_id = changes.leaves
        RETURNING m.customer_id, m.entered_at
    ),
    past AS (
        INSERT INTO segment_past_member (tenant_id, segment_id, customer_id, entered_at, left_at)
        SELECT %(tenant)s, %(segment)s, customer_id, entered_at, %(now)s FROM gone
    ),
    counted AS (
        UPDATE segment SET refreshed_at = %(now)s, member_count = member_count
            + (SELECT count(*) FROM entered) - (SELECT count(*) FROM gone)
        WHERE id = %(segment)s RETURNING member_count
    )
    INSERT INTO segment_day AS known (tenant_id, segment_id, day, entered, "left", members)
    SELECT %(tenant)s, %(segment)s, %(today)s, (SELECT count(*) FROM entered), (SELECT count(*) FROM gone), member_count
    FROM counted
    ON CONFLICT (tenant_id, segment_id, day) DO UPDATE SET entered = known.entered + excluded.entered,
        "left" = known."left" + excluded."left", members = excluded.members
"""


@dataclass
class Ratio:
    """One segment's seconds on both sides, one of each a round; `most` is the greatest ratio of their medians."""

    name: str
    most: float
    product: list[float] = field(default_factory=list)
    by_hand: list[float] = field(default_factory=list)
    moved: int = 0

    @property
    def ratio(self) -> float:
        """Return how many times as long as by hand the product takes."""
        return median(self.product) / median(self.by_hand)

    def line(self) -> str:
        """Return it as a line to show."""
        each = " ".join(f"{one:.2f}/{other:.2f}" for one, other in zip(self.product, self.by_hand, strict=True))
        return f"  {self.name:38} {self.ratio:6.2f}  {self.moved:>9,} moved  [{each}]"


@dataclass
class Segments:
    """What was measured."""

    customers: int
    activities: int
    ratios: list[Ratio] = field(default_factory=list)
    previews: dict[str, tuple[list[float], bool]] = field(default_factory=dict)
    grown_mb: float = 0.0

    def failures(self) -> list[str]:
        """Return what falls short, in words."""
        found = [
            f"segments: {one.name} took {one.ratio:.2f} times what it takes by hand, {one.most} at most"
            for one in self.ratios
            if one.ratio > one.most
        ]
        slow = percentile([one for each, _ in self.previews.values() for one in each], 95) if self.previews else 0.0
        return found + [f"segments: a preview took {slow:.2f} s at p95, {MOST_PREVIEW} at most"] * (slow > MOST_PREVIEW)

    def lines(self) -> list[str]:
        """Return the figures as lines to show."""
        shown = [f"segments: {self.customers:,} customers, {self.activities:,} activities; seconds product/by hand"]
        shown += [one.line() for one in self.ratios]
        shown.append(f"  memory of the process that refreshes: {self.grown_mb:+.1f} MB over all of these")
        for name, (seconds, estimated) in self.previews.items():
            told = "estimated" if estimated else "exact"
            shown.append(
                f"  preview of {name:38} p50 {median(seconds):.2f} p95 {percentile(seconds, 95):.2f} s, {told}"
            )
        return shown


class Ground:
    """A filled organisation: its database as the app has it, and how to tidy up."""

    def __init__(self, tenant_id: UUID, database: psycopg.Connection[Any], tidy: Callable[..., None]) -> None:
        self.tenant_id = tenant_id
        self.database = database
        self.tidy = tidy
        self.now = clock.now()
        # What the organisation calls today: from ten at night on, in UTC, that is tomorrow at the Cape.
        self.today = schedule.today(tenant_id=tenant_id, club_id=None, now=self.now)

    def ask(self, statement: str, **values: Any) -> Any:
        """Return the first column of the first row of a statement's answer."""
        row = self.database.execute(statement, values).fetchone()
        return row[0] if row else None

    def values(self, segment_id: UUID) -> dict[str, Any]:
        """Return what a statement by hand names."""
        return {"tenant": self.tenant_id, "segment": segment_id, "now": self.now, "today": self.today}

    def members(self, segment_id: UUID) -> tuple[int, int]:
        """Return how many are in a segment, and a sum that tells who."""
        row = self.database.execute(
            "SELECT count(*), coalesce(sum(uuid_hash_extended(customer_id, 0)), 0) FROM segment_member"
            " WHERE segment_id = %s",
            [segment_id],
        ).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])

    def make_stale(self, segment_id: UUID, within: Sequence[UUID] | None = None) -> None:
        """Take some members out and put others in, so that there is a difference to tell: the same one each time."""
        theirs = "" if within is None else "AND {} = ANY(%(within)s)"
        values = {"segment": segment_id, "now": self.now - timedelta(days=1), "within": within and list(within)}
        share = STALE if within is None else 4
        members = self.members(segment_id)[0]
        others = self.ask("SELECT count(*) FROM customer WHERE status = 'ACTIVE'") - members
        one_in = max(1, others * STALE // max(1, members)) if within is None else 4
        statements = (
            f"""INSERT INTO segment_member (tenant_id, segment_id, customer_id, entered_at)
                SELECT tenant_id, %(segment)s, id, %(now)s FROM customer
                WHERE status = 'ACTIVE' AND uuid_hash_extended(id, 5) %% {one_in} = 0 {theirs.format("id")}
                ON CONFLICT DO NOTHING""",
            f"""DELETE FROM segment_member WHERE segment_id = %(segment)s AND entered_at <> %(now)s
                AND uuid_hash_extended(customer_id, 7) %% {share} = 0 {theirs.format("customer_id")}""",
            "DELETE FROM segment_past_member WHERE segment_id = %(segment)s",
            "DELETE FROM segment_day WHERE segment_id = %(segment)s",
            """UPDATE segment SET member_count = (SELECT count(*) FROM segment_member WHERE segment_id = %(segment)s)
                WHERE id = %(segment)s""",
            "DELETE FROM segment_due",
        )
        for statement in statements:
            self.database.execute(statement, values)

    def empty(self, segment_id: UUID) -> None:
        """Take all members out."""
        for statement in (
            "DELETE FROM segment_member WHERE segment_id = %s",
            "DELETE FROM segment_past_member WHERE segment_id = %s",
            "DELETE FROM segment_day WHERE segment_id = %s",
            "UPDATE segment SET member_count = 0 WHERE id = %s",
        ):
            self.database.execute(statement, [segment_id])


def measure(stack: Stack, customers: int, activities: int, rounds: int) -> Segments:
    """Fill an organisation and measure."""
    with stack.database() as connection:
        make_clubs(connection)
        clubs = [row[0] for row in connection.execute("SELECT id FROM club ORDER BY id")]
    with psycopg.connect(Postgres(stack.home).superuser_url, dbname="fairway", autocommit=True) as connection:
        crowd.load(connection, stack.tenant_id, clubs, customers, activities, now=clock.now(), said=_said)
    stack.tidy(*crowd.TABLES)
    # The stack's own workers would do at once what is to be measured.
    stack.stop()
    servers = (Postgres(stack.home), Redis(stack.home))
    try:
        for one in servers:
            one.start()
        stack.enter_app()
        with stack.database() as connection:
            return compare(Ground(stack.tenant_id, connection, stack.tidy), customers, activities, rounds)
    finally:
        for one in servers:
            one.stop()


def compare(ground: Ground, customers: int, activities: int, rounds: int) -> Segments:
    """Measure both sides in turns."""
    figure = Segments(customers, activities)
    made = _make(ground)
    for case, segment_id in made:
        _refresh(ground, segment_id)
        for what, prepare in (("again", ground.make_stale), ("from nothing", ground.empty)):
            ratio = Ratio(f"{case.name}, {what}", MOST)
            for _ in range(rounds):
                _round(ground, case, segment_id, prepare, ratio)
            figure.ratios.append(ratio)
            print(ratio.line(), file=sys.stderr, flush=True)
    before = _memory()
    for _, segment_id in made:
        ground.empty(segment_id)
        _refresh(ground, segment_id)
    figure.grown_mb = _memory() - before
    figure.ratios.append(_changed(ground, made, rounds))
    print(figure.ratios[-1].line(), file=sys.stderr, flush=True)
    for case, _ in made:
        figure.previews[case.name] = _preview(ground, case.criteria)
    return figure


def _said(what: str, done: int) -> None:
    print(f"\r{done:,} {what}", end="", file=sys.stderr, flush=True)


def _make(ground: Ground) -> list[tuple[Case, UUID]]:
    made: list[tuple[Case, UUID]] = []
    for at in range(len(cases())):
        case = cases(made[0][1] if made else None)[at]
        segment = service.create(
            tenant_id=ground.tenant_id,
            actor="benchmark",
            name=f"{case.name} {ground.now:%H:%M:%S}",
            criteria=case.criteria,
            refresh_frequency="DAILY",
            now=ground.now,
        )
        made.append((case, segment.id))
    return made


def _refresh(ground: Ground, segment_id: UUID) -> float:
    ground.database.execute("UPDATE segment SET refresh_due_at = %s WHERE id = %s", [ground.now, segment_id])
    began = time.monotonic()
    if not refresh.refresh(tenant_id=ground.tenant_id, segment_id=segment_id, now=ground.now):
        raise RuntimeError("the segment was not refreshed")
    took = time.monotonic() - began
    wrong = ground.ask("SELECT refresh_error FROM segment WHERE id = %(id)s", id=segment_id)
    if wrong:
        raise RuntimeError(wrong)
    return took


def _round(ground: Ground, case: Case, segment_id: UUID, prepare: Callable[[UUID], None], ratio: Ratio) -> None:
    """Measure both sides once; who goes first, and so finds less of the tables in memory, changes with each round."""
    statement = BY_HAND.format(who=case.by_hand.format(theirs=""), of_these="")
    sides: list[tuple[list[float], Callable[[], float]]] = [
        (ratio.product, lambda: _refresh(ground, segment_id)),
        (ratio.by_hand, lambda: _by_hand(ground, [case], [statement], ground.values(segment_id))),
    ]
    found = []
    for seconds, run in sides if len(ratio.product) % 2 == 0 else reversed(sides):
        _age(ground, segment_id)
        prepare(segment_id)
        ground.tidy(*MEMBERS)
        seconds.append(run())
        found.append((ground.members(segment_id), _moved(ground, segment_id)))
    if found[0] != found[1]:
        raise RuntimeError(f"{case.name}: the product and the statement by hand differ")
    ratio.moved = found[0][1]


def _age(ground: Ground, segment_id: UUID) -> None:
    """Let the members have been in for a while."""
    ground.database.execute(
        "UPDATE segment_member SET entered_at = %s WHERE segment_id = %s",
        [ground.now - timedelta(days=2), segment_id],
    )


def _moved(ground: Ground, segment_id: UUID) -> int:
    gone = ground.ask("SELECT count(*) FROM segment_past_member WHERE segment_id = %(id)s", id=segment_id)
    entered = ground.ask(
        "SELECT count(*) FROM segment_member WHERE segment_id = %(id)s AND entered_at = %(now)s",
        id=segment_id,
        now=ground.now,
    )
    return int(gone + entered)


def _by_hand(ground: Ground, cases: Sequence[Case], statements: Sequence[str], *values: Mapping[str, Any]) -> float:
    began = time.monotonic()
    with ground.database.transaction():
        ground.database.execute("SET LOCAL work_mem = '128MB'; SET LOCAL jit = off")
        for case, statement, known in zip(cases, statements, values, strict=True):
            ground.database.execute(case.settings)
            ground.database.execute(statement, known)
    return time.monotonic() - began


def _changed(ground: Ground, made: Sequence[tuple[Case, UUID]], rounds: int) -> Ratio:
    """Measure people whom something happened to, looked at by all six segments, against a statement for each."""
    ids = [one for _, one in made]
    found = ground.database.execute(
        "SELECT id FROM customer WHERE status = 'ACTIVE' ORDER BY uuid_hash_extended(id, 3) LIMIT %s", [CHANGED]
    )
    who = [row[0] for row in found]
    statements = [
        BY_HAND.format(
            who=case.by_hand.format(theirs="AND customer_id = ANY(%(who)s)") + " AND c.id = ANY(%(who)s)",
            of_these="AND customer_id = ANY(%(who)s)",
        )
        for case, _ in made
    ]
    values = [{**ground.values(one), "who": who} for one in ids]

    def by_hand() -> float:
        return _by_hand(ground, [case for case, _ in made], statements, *values)

    ratio = Ratio(f"{len(who):,} changed customers, six segments", MOST_OF_CHANGED)
    sides: list[tuple[list[float], Callable[[], float]]] = [
        (ratio.product, lambda: _upkeep(ground)),
        (ratio.by_hand, by_hand),
    ]
    # What these people did lies apart, and is on the disk yet: whoever reads it first would pay for both.
    _make_due(ground, ids, who)
    by_hand()
    for at in range(rounds):
        ends = []
        for seconds, run in sides if at % 2 == 0 else reversed(sides):
            _make_due(ground, ids, who)
            seconds.append(run())
            ends.append(([ground.members(one) for one in ids], sum(_moved(ground, one) for one in ids)))
        if ends[0] != ends[1]:
            raise RuntimeError("of the changed customers the product and the statements by hand differ")
        ratio.moved = ends[0][1]
    return ratio


def _upkeep(ground: Ground) -> float:
    began = time.monotonic()
    while upkeep.run_batch(tenant_id=ground.tenant_id, now=ground.now):
        pass
    return time.monotonic() - began


def _make_due(ground: Ground, segments: Sequence[UUID], who: Sequence[UUID]) -> None:
    for one in segments:
        _age(ground, one)
        ground.make_stale(one, who)
    ground.database.execute(
        "INSERT INTO segment_due (tenant_id, customer_id) SELECT %s, unnest(%s::uuid[])", [ground.tenant_id, list(who)]
    )
    ground.tidy(*MEMBERS)


def _preview(ground: Ground, criteria: Rules, requests: int = 20) -> tuple[list[float], bool]:
    seconds, estimated = [], False
    for _ in range(requests):
        began = time.monotonic()
        estimated = preview.preview(tenant_id=ground.tenant_id, criteria=criteria, now=ground.now).estimated
        seconds.append(time.monotonic() - began)
    return seconds, estimated


def _memory() -> float:
    """Return the most memory this process had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
