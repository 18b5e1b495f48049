"""What is known of somebody does not depend on the order in which it is heard: early, late, or from tomorrow's clock.

Two hundred people live the same story, and each one's events come in another order, in portions of another size. All
of them end up alike; and as the story says, by when things happened and not by when they were told.
"""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.capture.people import NOW, post, query

ORDERS = 200
LATE, EARLY = NOW - timedelta(days=3), NOW + timedelta(days=1)
JOINED = datetime(2026, 9, 1, 9, tzinfo=UTC)


def story(person: int) -> list[dict[str, Any]]:
    """Return what happens to a person, in its order: they join, change, buy something, say yes and no."""
    member, player = {"scl_member_id": f"L{person}"}, {"teetime_player_id": f"T{person}"}
    mail, phone = {"email": f"late{person}@example.com"}, {"phone_number": f"+2782555{person:04}"}
    both = {"messaging_contact_id": f"C{person}", **mail}
    told: list[tuple[datetime, str, dict[str, Any], dict[str, Any]]] = [
        (JOINED, "scl.member.created", {**member, **mail},
         {"first_name": "Lena", "last_name": "Later", "membership_tier": "Silver", "joined_on": "2019-09-01"}),
        (JOINED + timedelta(days=1), "contactPreference.updated", both, {"email_opt_in": True, "sms_opt_in": True}),
        (JOINED + timedelta(days=9), "teetime.handicap.updated", {**member, **player}, {"handicap_index": "18.2"}),
        (LATE - timedelta(hours=1), "scl.member.updated", member,
         {"membership_tier": "Gold", "last_name": "Latest", "date_of_birth": "1970-02-03"}),
        (LATE, "contactPreference.updated", mail, {"email_opt_in": False}),
        (LATE + timedelta(minutes=1), "pos.purchase", {**player, **phone}, {"amount": "12.50"}),
        (NOW - timedelta(hours=2), "teetime.handicap.updated", player, {"handicap_index": "17.4"}),
        (NOW - timedelta(hours=1), "payment.received", member, {"amount": "900"}),
        (NOW + timedelta(hours=20), "contactPreference.updated", both, {"sms_opt_in": False, "email_opt_in": True}),
        (EARLY - timedelta(minutes=1), "scl.member.updated", member, {"membership_tier": "Platinum"}),
        (EARLY, "teetime.booked", {**player, **mail}, {"holes": 18}),
    ]  # fmt: skip
    return [
        {
            "id": f"late{person}-{number}",
            "type": kind,
            "source": "test",
            "timestamp": moment.isoformat(),
            "identity": identity,
            "payload": payload,
        }
        for number, (moment, kind, identity, payload) in enumerate(told)
    ]


def portions(draw: random.Random, events: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield the events in another order, some at a time."""
    left = draw.sample(events, len(events))
    while left:
        size = draw.choice((1, 1, 2, 3, 5))
        yield left[:size]
        del left[:size]


def test_two_hundred_orders_end_in_one_profile(tenant: Any) -> None:
    turns = [portions(random.Random(person), story(person)) for person in range(ORDERS)]
    while batch := [event for turn in turns for event in next(turn, ())]:
        for at in range(0, len(batch), 1000):
            post(tenant, *batch[at : at + 1000])

    found = [tuple(row) for row in query(tenant, PROFILE)]
    assert len(found) == ORDERS
    last, told = NOW + timedelta(hours=20), len(story(0))
    profile = ("Lena", "Latest", date(1970, 2, 3), "Platinum", date(2019, 9, 1), "MEMBER", Decimal("17.4"))
    consent = (True, last, False, last)
    assert set(found) == {(*profile, *consent, EARLY, "teetime.booked", 1, 1, 3, told, told)}


# Of each person; what tells one from the other is counted, not compared.
PROFILE = """
    SELECT first_name, last_name, date_of_birth, membership_tier, joined_on, lifecycle_stage, handicap_index,
        email_opt_in, email_opt_in_at, sms_opt_in, sms_opt_in_at, last_activity_at, last_activity_type,
        (SELECT count(*) FROM contact_point p WHERE p.customer_id = c.id AND p.kind = 'email'),
        (SELECT count(*) FROM contact_point p WHERE p.customer_id = c.id AND p.kind = 'phone'),
        (SELECT count(*) FROM external_id e WHERE e.customer_id = c.id),
        (SELECT count(*) FROM activity a WHERE a.customer_id = c.id AND a.source = 'test'),
        (SELECT count(*) FROM inbound_event e WHERE e.customer_id = c.id AND e.status = 'processed')
    FROM customer c WHERE status = 'ACTIVE'
"""


def test_events_out_of_time_are_refused_and_undo_nothing(tenant: Any) -> None:
    """Beyond a day ahead, or before there were such systems: refused at the door, alone."""
    from app.events import log

    wild = [story(1)[3] | {"id": f"wild{number}", "timestamp": moment} for number, moment in enumerate(OUT_OF_TIME)]
    results = log.append(tenant_id=tenant.id, events=[*wild, *story(1)], now=NOW)
    fates = [one.status for one in results]
    assert fates == [log.Status.REJECTED] * len(wild) + [log.Status.ACCEPTED] * len(story(1))


OUT_OF_TIME = (
    (EARLY + timedelta(seconds=1)).isoformat(),
    "1989-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "2026-11-20T12:00:00",
    "2026-02-30T12:00:00Z",
)
