"""Made-up people, and the events of their clubs' systems in the proportions and shapes real exports have."""

import json
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from benchmarks.stack import Stack

CLUBS = ("Table Bay Golf Club", "Highveld Links", "Umhlanga Country Club")
FIRST = ("Fiona", "Thabo", "Marion", "Zakhele", "Iain", "Lungile", "Shannon", "Charlie", "Priya", "Johan", "Wendy")
LAST = ("Robertson", "Maduma", "Archer", "Mkhathini", "Baker", "Siyaya", "Thompson", "Russell", "Naidoo", "Botha")
# Type → (source, how many of ten thousand).
TYPES = {
    "teetime.booked": ("teetime", 2601),
    "teetime.completed": ("teetime", 1925),
    "payment.received": ("payments", 1184),
    "pos.purchase": ("pos", 985),
    "teetime.handicap.updated": ("teetime", 603),
    "scl.member.updated": ("scl", 601),
    "scl.member.created": ("scl", 434),
    "contactPreference.updated": ("club", 349),
    "teetime.cancelled": ("teetime", 300),
    "competition.entered": ("club", 298),
    "payment.failed": ("payments", 200),
    "enquiry.created": ("club", 185),
    "quote.sent": ("club", 150),
    "booking.confirmed": ("club", 113),
}
# Which hints come together, and how many of a hundred.
HINTS: tuple[tuple[tuple[str, ...], int], ...] = (
    (("email",), 16),
    (("email", "teetime_player_id"), 15),
    (("email", "phone_number", "teetime_player_id"), 11),
    (("email", "scl_member_id"), 9),
    (("email", "phone_number"), 7),
    (("teetime_player_id",), 7),
    (("email", "scl_member_id", "teetime_player_id"), 7),
    (("email", "phone_number", "scl_member_id"), 6),
    (("email", "phone_number", "scl_member_id", "teetime_player_id"), 5),
    (("phone_number", "teetime_player_id"), 5),
    (("scl_member_id",), 4),
    (("phone_number",), 3),
    (("scl_member_id", "teetime_player_id"), 3),
    (("phone_number", "scl_member_id"), 2),
)


def events(count: int, *, people: int, first_person: int, batch_name: str) -> list[dict[str, Any]]:
    """Return `count` events about `people` people numbered from `first_person`; the same each time for one name."""
    draw = random.Random(batch_name)
    types = draw.choices(list(TYPES), [weight for _, weight in TYPES.values()], k=count)
    hints = draw.choices([names for names, _ in HINTS], [weight for _, weight in HINTS], k=count)
    start = datetime.now(UTC) - timedelta(days=30)
    return [
        {
            "id": f"{batch_name}-{at:07}",
            "type": kind,
            "source": TYPES[kind][0],
            "timestamp": (start + timedelta(seconds=at)).isoformat(timespec="seconds"),
            "identity": _identity(draw, first_person + draw.randrange(people), names),
            "payload": _payload(draw, kind, at),
        }
        for at, (kind, names) in enumerate(zip(types, hints, strict=True))
    ]


def joining(count: int) -> list[dict[str, Any]]:
    """Return the events by which the first `count` people became members: each with all their hints and their yes."""
    draw = random.Random("joining")
    names = ("email", "phone_number", "teetime_player_id", "scl_member_id")
    at = (datetime.now(UTC) - timedelta(days=400)).isoformat(timespec="seconds")
    found = []
    for person in range(count):
        payload = _payload(draw, "scl.member.created", person) | {
            "first_name": FIRST[person % len(FIRST)],
            "last_name": LAST[person % len(LAST)],
            "email_opt_in": True,
        }
        found.append(
            {
                "id": f"joining-{person:07}",
                "type": "scl.member.created",
                "source": "scl",
                "timestamp": at,
                "identity": _identity(draw, person, names),
                "payload": payload,
            }
        )
    return found


def bodies(found: Sequence[dict[str, Any]], size: int) -> list[bytes]:
    """Return the events as bodies of `size` each; of one: the bare object."""
    if size == 1:
        return [json.dumps(one).encode() for one in found]
    return [json.dumps(found[at : at + size]).encode() for at in range(0, len(found), size)]


def _identity(draw: random.Random, person: int, names: Sequence[str]) -> dict[str, Any]:
    email = f"{FIRST[person % len(FIRST)]}.{LAST[person % len(LAST)]}{person}@example.com"
    phone = f"82{person:07}"
    known = {
        "email": draw.choice((email, email.lower(), f" {email} ")),
        "phone_number": draw.choice((f"+27{phone}", f"0{phone}", f"+27 {phone[:2]} {phone[2:5]} {phone[5:]}")),
        "teetime_player_id": f"TT-P{person:06}",
        "scl_member_id": f"ZA{person:07}",
    }
    return {name: known[name] for name in names}


def _payload(draw: random.Random, kind: str, at: int) -> dict[str, Any]:
    club = {"club": draw.choice(CLUBS)}
    if kind == "teetime.handicap.updated":
        return club | {"handicap_index": f"{draw.randrange(0, 360) / 10}"}
    if kind.startswith("teetime."):
        return club | {"booking_id": f"B{at:06}", "tee_time": "2026-10-29T06:53+00:00", "holes": 18, "players": 3}
    if kind.startswith("scl.member."):
        return club | {"membership_tier": draw.choice(("Gold", "Platinum", "Weekday")), "joined_on": "2004-04-27"}
    if kind == "contactPreference.updated":
        return club | {"email_opt_in": draw.random() < 0.8}
    if kind.startswith(("payment.", "pos.")):
        return club | {"amount": f"{draw.randrange(100, 50_000) / 100:.2f}", "currency": "ZAR"}
    return club | {"reference": f"Q{at:06}", "kind": "golf_day", "value": "2181.30"}


def make_clubs(connection: psycopg.Connection[Any], names: Sequence[str] = CLUBS) -> None:
    """Give the organisation clubs: those that the events name, unless others are given."""
    connection.execute(
        """
        INSERT INTO club (tenant_id, name, country, timezone, locale, currency)
        SELECT current_setting('fairway.tenant_id')::uuid, name, 'ZA', 'Africa/Johannesburg', 'en-ZA', 'ZAR'
        FROM unnest(%s::text[]) AS name
        """,
        [list(names)],
    )


def make_customers(connection: psycopg.Connection[Any], count: int) -> None:
    """Make customers who may be written to, straight into the table."""
    connection.execute(
        """
        INSERT INTO customer (tenant_id, first_name, last_name, email, membership_tier, email_opt_in)
        SELECT current_setting('fairway.tenant_id')::uuid, 'Reader', 'Number ' || n, 'reader' || n || '@example.com',
            'Gold', true
        FROM generate_series(1, %s) AS n
        """,
        [count],
    )


_UNREAD = "SELECT EXISTS (SELECT FROM inbound_event WHERE status = 'received')"


def address_of(number: int) -> str:
    """Return the address of the reader of a number, from 1."""
    return f"reader{number}@example.com"


def come_in(stack: Stack, count: int) -> None:
    """Let `count` readers become known by what they said, a yes to mails; return when that is applied."""
    moment = datetime.now(UTC).isoformat()
    said = [
        {
            "id": f"yes-{number}",
            "type": "contactPreference.updated",
            "source": "club",
            "timestamp": moment,
            "identity": {"email": address_of(number)},
            "payload": {"email_opt_in": True},
        }
        for number in range(1, count + 1)
    ]
    for at in range(0, count, 500):
        stack.call("POST", "/events", said[at : at + 500])
    with stack.database() as connection:
        while connection.execute(_UNREAD).fetchone() == (True,):
            time.sleep(0.2)
    stack.tidy("customer", "contact_point", "inbound_event", "activity")
