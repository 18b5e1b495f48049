"""A large organisation's customers, made up: any number of them, the same each time for one seed, written by COPY."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Any
from uuid import UUID

import psycopg

from app.customers.records import hint_words

SEED = 20261121
AT_ONCE = 20_000
BUSY = 50_000
"""How many activities the first customer has."""
START = datetime(2026, 11, 1, tzinfo=UTC)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST = _words(
    """
    Johan Thabo Anna Maria David Michael Sipho Nomsa Lerato Pieter Susan Fiona James Priya Ayanda Sarah Themba
    Karen Andrew Zanele Mohammed Elize Chloë Seán Zoë René Anaïs Iain Gareth Bongani Naledi Willem Charl Ravi
    Fatima Grace Lwazi Kagiso Hannes Marlene Imraan Deborah Colin Palesa Mandla Simone Estelle Neil Rajesh Hester
    Tumi Yusuf
    """
)
LAST = _words(
    """
    Smith Naidoo Dlamini Botha Nkosi Pillay Jones Khumalo Venter Williams Govender Mokoena Müller Brown Zulu
    Jacobs Coetzee Ndlovu Taylor Fourie O'Brien Mahlangu Nel Evans Sithole Roux Moyo Wilson Abrahams Kruger
    Thompson Mthembu Meyer Radebe Steyn Baloyi Wood Peters Adams Maseko Viljoen Hughes Cele Ferreira Du-Preez
    Clarke Molefe Gordon
    """
)
HEADS = _words(
    """
    Al Ber Cor Dan El Fer Gor Hal Ing Jor Kar Lan Mor Nor Ols Pen Quin Ras Sten Tor Ul Ver Wes Yor Zan
    """
)
MIDDLES = _words(
    """
    a e i o u an en in on el al er is us am
    """
)
TAILS = _words(
    """
    ber dal feld gate ham kamp land man ner rup sen ton ville wick zani thwa nisi mbe
    """
)
TIERS = ("Gold", "Silver", "Platinum", "Weekday", "Student", "Corporate")
STAGES = ("MEMBER", "SUBSCRIBER", "LEAD", "FORMER", "PROSPECT")
# How many of ten thousand have it.
TAGS = {"newsletter": 3000, "nine-holes": 700, "vip": 60, "committee": 3}
CUSTOMER = (
    "tenant_id, id, first_name, last_name, email, phone, club_id, membership_tier, lifecycle_stage, tags, email_opt_in,"
    " last_activity_at, last_activity_type, search_extra, facts_at"
)


@dataclass(frozen=True, slots=True)
class Member:
    """One made-up customer, as looked for."""

    id: UUID
    first_name: str
    last_name: str
    email: str
    phone: str
    number: str


def _falling(count: int) -> list[float]:
    """Return cumulative weights of a few common ones and a long tail."""
    return list(accumulate(1 / (at + 4) for at in range(count)))


def members(count: int, seed: int = SEED) -> Iterator[Member]:
    """Yield `count` people: common names and rare ones, couples who share a mailbox, numbers of two countries."""
    draw = Random(seed)
    lasts = [*LAST, *(head + middle + tail for head in HEADS for middle in MIDDLES for tail in TAILS)]
    first_weights, last_weights = _falling(len(FIRST)), _falling(len(lasts))
    before: Member | None = None
    for at in range(count):
        first = draw.choices(FIRST, cum_weights=first_weights)[0]
        last = draw.choices(lasts, cum_weights=last_weights)[0]
        email = f"{first}.{last}{at}@example.com".lower().replace("'", "").encode("ascii", "ignore").decode()
        if before and draw.random() < 0.04:
            last, email = before.last_name, before.email
        british = draw.random() < 0.2
        phone = f"+447{400_000_000 + at}" if british else f"+27{820_000_000 + at}"
        id_ = UUID(int=((int(START.timestamp() * 1000) + at) << 80) | 0x7 << 76 | 0x2 << 62 | draw.getrandbits(62))
        before = Member(id_, first, last, email, phone, f"{'UK' if british else 'ZA'}{at:07}")
        yield before


def load(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    clubs: Sequence[UUID],
    count: int,
    *,
    seed: int = SEED,
    said: Callable[[int], None] = lambda _: None,
) -> None:
    """Write `count` customers of a tenant with addresses, ids and an activity each, in transactions of 20,000.

    The connection is one that row-level security does not bind: COPY is not for those it binds. `said` is told how
    many there are so far.
    """
    draw, batch, done = Random(seed + 1), list[Member](), 0
    for one in members(count, seed):
        batch.append(one)
        if len(batch) == AT_ONCE:
            _write(connection, tenant_id, clubs, draw, batch)
            done, batch = done + AT_ONCE, []
            said(done)
    _write(connection, tenant_id, clubs, draw, batch)


def make_busy(connection: psycopg.Connection[Any], tenant_id: UUID, customer_id: UUID, count: int = BUSY) -> None:
    """Give one customer a long timeline."""
    activities = ((tenant_id, customer_id, *_ACTIVITY, START - timedelta(minutes=at)) for at in range(count))
    _copy(connection, "activity", "tenant_id, customer_id, type, category, title, source, occurred_at", activities)


_ACTIVITY = ("teetime.completed", "GOLF", "Played 18 holes", "teetime")


def _write(
    connection: psycopg.Connection[Any], tenant_id: UUID, clubs: Sequence[UUID], draw: Random, people: list[Member]
) -> None:
    with connection.transaction():
        _copy(connection, "customer", CUSTOMER, (_customer(tenant_id, clubs, draw, one) for one in people))
        points = (
            (tenant_id, one.id, kind, key, key)
            for one in people
            for kind, key in (("email", one.email), ("phone", one.phone))
        )
        _copy(connection, "contact_point", "tenant_id, customer_id, kind, key, value", points)
        ids = ((tenant_id, one.id, "scl_member_id", one.number) for one in people)
        _copy(connection, "external_id", "tenant_id, customer_id, kind, value", ids)
        played = ((tenant_id, one.id, *_ACTIVITY, START) for one in people)
        _copy(connection, "activity", "tenant_id, customer_id, type, category, title, source, occurred_at", played)


def _customer(tenant_id: UUID, clubs: Sequence[UUID], draw: Random, one: Member) -> tuple[Any, ...]:
    stage = draw.choices(STAGES, (60, 25, 9, 5, 1))[0]
    words = hint_words([("email", one.email), ("phone", one.phone), ("scl_member_id", one.number)])
    return (
        tenant_id,
        one.id,
        one.first_name,
        one.last_name,
        one.email,
        one.phone,
        draw.choices(clubs, [1 / (at + 1) for at in range(len(clubs))])[0],
        draw.choices(TIERS, (40, 30, 10, 10, 9, 1))[0] if stage == "MEMBER" else None,
        stage,
        [tag for tag, often in TAGS.items() if draw.randrange(10_000) < often],
        draw.random() < 0.7,
        START,
        _ACTIVITY[0],
        " ".join(sorted(words)),
        json.dumps({}),
    )


def _copy(connection: psycopg.Connection[Any], table: str, columns: str, rows: Iterator[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
