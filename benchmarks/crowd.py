"""A large organisation with years of doings, made up: customers as `members` has them, what they said and did.

A third never did anything; of the others a few do most. What was done is written in the order of time, so that one
person's rows lie apart, as they do where a system has run for years. Written by COPY with triggers and foreign keys
asleep: what a customer is found by (customer_word) is not there.
"""

import json
from array import array
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any
from uuid import UUID

import psycopg

from benchmarks.members import SEED, STAGES, TAGS, TIERS, Member, members
from benchmarks.people import CLUBS, TYPES

YEARS = 3
IDLE = 0.35
"""How many of all never did anything."""
AT_ONCE = 20_000
CATEGORIES = {"teetime": "GOLF", "payments": "PAYMENT", "pos": "PAYMENT", "scl": "MEMBERSHIP", "club": "CLUB"}
CUSTOMER = (
    "tenant_id, id, status, first_name, last_name, email, phone, club_id, membership_tier, membership_status,"
    " lifecycle_stage, tags, date_of_birth, joined_on, handicap_index, email_opt_in, email_opt_in_at, sms_opt_in,"
    " last_activity_at, last_activity_type, custom, facts_at, created_at"
)
TABLES = ("customer", "customer_tag", "contact_point", "external_id", "consent", "suppression", "activity")


def load(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    clubs: Sequence[UUID],
    customers: int,
    activities: int,
    *,
    now: datetime,
    said: Callable[[str, int], None] = lambda _what, _count: None,
) -> None:
    """Write the customers and what they did in the years before `now`.

    The connection is a superuser's of its own: COPY is not for those whom row-level security binds, and triggers can
    be put to sleep by no one else. `said` is told what is written and how many there are so far.
    """
    people = list(members(customers))
    connection.execute("SET session_replication_role = replica")
    connection.execute("SET synchronous_commit = off")
    last = array("d", bytes(8 * customers))
    _write_activities(connection, tenant_id, people, activities, last, now, said)
    _write_customers(connection, tenant_id, clubs, people, last, now, said)
    connection.execute("SET session_replication_role = origin")
    connection.execute("SET synchronous_commit = on")


def _write_activities(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    people: Sequence[Member],
    count: int,
    last: "array[float]",
    now: datetime,
    said: Callable[[str, int], None],
) -> None:
    """Write what was done, and note in `last` when each person did something last."""
    # An index in another order than the rows' is made in a tenth of the time once they are there.
    index = connection.execute("SELECT pg_get_indexdef('ix_activity_story'::regclass)").fetchone()
    connection.execute("DROP INDEX ix_activity_story")
    draw = Random(SEED + 2)
    ids = [one.id.hex for one in people]
    # Who does much is not who is known longest.
    draw.shuffle(active := list(range(int(len(people) * (1 - IDLE)))))
    start, step = now.timestamp() - YEARS * 365 * 86_400, YEARS * 365 * 86_400 / count
    kinds, weights = list(TYPES), [weight for _, weight in TYPES.values()]
    tenant = tenant_id.hex
    columns = "tenant_id, id, customer_id, type, category, title, source, occurred_at, payload, amount, currency"
    for first, end in pairwise([*range(0, count, AT_ONCE), count]):
        lines = []
        for at, kind in enumerate(draw.choices(kinds, weights, k=end - first), first):
            # The square makes a few do most: the hundredth of them who do the most have a tenth of all.
            person = active[int(len(active) * draw.random() ** 2)]
            moment = start + step * (at + draw.random())
            last[person] = moment
            source = TYPES[kind][0]
            when = datetime.fromtimestamp(moment, UTC).isoformat()
            key = f"{int(moment * 1000):012x}7{at & 0xFFF:03x}8{draw.getrandbits(60):015x}"
            lines.append(
                f"{tenant}\t{key}\t{ids[person]}\t{kind}\t{CATEGORIES[source]}\tAs told by {source}\t{source}\t{when}"
                f"\t{_payload(draw, kind, at)}\n"
            )
        with connection.cursor() as cursor, cursor.copy(f"COPY activity ({columns}) FROM STDIN") as copy:
            copy.write("".join(lines))
        said("activities", end)
    connection.execute("SET maintenance_work_mem = '512MB'")
    assert index is not None
    connection.execute(index[0])


def _payload(draw: Random, kind: str, at: int) -> str:
    """Return a payload, and what the trigger that is asleep would write of its money, as columns of a COPY."""
    club = CLUBS[at % 3]
    if kind in ("teetime.completed", "teetime.booked", "teetime.cancelled"):
        holes = 18 if draw.random() < 0.7 else 9
        said = (
            f'{{"club": "{club}", "holes": {holes}, "players": {1 + at % 4}, "tee_time": "2026-10-29T06:53+00:00",'
            f' "booking_id": "B{at:08}"}}'
        )
    elif kind == "teetime.handicap.updated":
        said = f'{{"club": "{club}", "handicap_index": "{draw.randrange(0, 360) / 10}"}}'
    elif kind.startswith(("payment.", "pos.")):
        amount = f"{draw.lognormvariate(5.5, 1.1):.2f}"
        return f'{{"club": "{club}", "amount": "{amount}", "currency": "ZAR"}}\t{amount}\tzar'
    else:
        said = f'{{"club": "{club}", "reference": "Q{at:08}"}}'
    return f"{said}\t\\N\t\\N"


def _write_customers(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    clubs: Sequence[UUID],
    people: Sequence[Member],
    last: "array[float]",
    now: datetime,
    said: Callable[[str, int], None],
) -> None:
    draw = Random(SEED + 3)
    found = connection.execute("SELECT id FROM topic WHERE tenant_id = %s ORDER BY key", [tenant_id]).fetchall()
    topics = [row[0] for row in found]
    suppressed = set[str]()
    for first in range(0, len(people), AT_ONCE):
        batch = list(zip(people[first : first + AT_ONCE], last[first : first + AT_ONCE], strict=True))
        with connection.transaction():
            _copy(connection, "customer", CUSTOMER, (_customer(tenant_id, clubs, draw, now, *one) for one in batch))
            points = (
                (tenant_id, one.id, kind, key, key, now if draw.random() < 0.5 else None)
                for one, _ in batch
                for kind, key in (("email", one.email), ("phone", one.phone))
            )
            _copy(connection, "contact_point", "tenant_id, customer_id, kind, key, value, verified_at", points)
            numbers = ((tenant_id, one.id, "scl_member_id", one.number) for one, _ in batch)
            _copy(connection, "external_id", "tenant_id, customer_id, kind, value", numbers)
            told = "tenant_id, customer_id, channel, topic_id, state, said_at"
            _copy(connection, "consent", told, _consents(tenant_id, topics, draw, now, [one for one, _ in batch]))
            stopped = {one.email for one, _ in batch if draw.random() < 0.01} - suppressed
            suppressed |= stopped
            rows = ((tenant_id, "EMAIL", key, "hard_bounce") for key in sorted(stopped))
            _copy(connection, "suppression", "tenant_id, channel, address_key, reason", rows)
        said("customers", first + len(batch))
    connection.execute(
        "INSERT INTO customer_tag (tenant_id, tag, sort_name, customer_id)"
        " SELECT tenant_id, unnest(tags), sort_name, id FROM customer WHERE tenant_id = %s",
        [tenant_id],
    )


def _customer(
    tenant_id: UUID, clubs: Sequence[UUID], draw: Random, now: datetime, one: Member, last: float
) -> tuple[Any, ...]:
    stage = draw.choices(STAGES, (60, 25, 9, 5, 1))[0]
    member = stage == "MEMBER"
    known = now - timedelta(days=draw.random() * 3000)
    own = {"locker": draw.randrange(400), "shirt": draw.choice("SMLX")}
    born = date(1935, 1, 1) + timedelta(days=draw.randrange(27_000))
    return (
        tenant_id,
        one.id,
        "ACTIVE" if draw.random() < 0.99 else "MERGED",
        one.first_name,
        one.last_name,
        one.email,
        one.phone,
        draw.choices(clubs, [1 / (at + 1) for at in range(len(clubs))])[0],
        draw.choices(TIERS, (40, 30, 10, 10, 9, 1))[0] if member else None,
        draw.choices(("active", "suspended", "lapsed"), (90, 2, 8))[0] if member else None,
        stage,
        [tag for tag, often in TAGS.items() if draw.randrange(10_000) < often],
        born if draw.random() < 0.8 else None,
        known.date() if member else None,
        draw.randrange(0, 360) / 10 if member and draw.random() < 0.6 else None,
        *((draw.random() < 0.8, known) if draw.random() < 0.9 else (None, None)),
        draw.random() < 0.4,
        datetime.fromtimestamp(last, UTC) if last else None,
        draw.choice(("teetime.completed", "payment.received")) if last else None,
        json.dumps(own if draw.random() < 0.7 else {}),
        json.dumps({}),
        known,
    )


def _consents(
    tenant_id: UUID, topics: Sequence[UUID], draw: Random, now: datetime, people: Sequence[Member]
) -> Iterator[tuple[Any, ...]]:
    for one in people:
        at = now - timedelta(days=draw.random() * 700)
        if draw.random() < 0.01:
            yield tenant_id, one.id, "ALL", None, "unsubscribed", at
        for topic in topics:
            if draw.random() < 0.15:
                yield tenant_id, one.id, "EMAIL", topic, draw.choice(("subscribed", "unsubscribed")), at


def _copy(connection: psycopg.Connection[Any], table: str, columns: str, rows: Iterator[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
