"""The first half of the road: an event comes in, its customer is found, a journey runs, a message lies in wait."""

import random
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from app.accounts.models import Tenant
from app.capture.service import process_batch
from app.events import log
from app.infra.db import transaction
from app.journeys.engine import enrol
from tests.journeys.helpers import (
    JOINED,
    NOW,
    asks,
    check_counters,
    journey,
    rows,
    run,
    send,
    step,
    tag,
    template,
    wait,
)


def joined(number: int, tier: str) -> dict[str, Any]:
    return {
        "id": f"evt-{number}",
        "type": JOINED,
        "source": "scl",
        "timestamp": (NOW - timedelta(minutes=number)).isoformat(),
        "identity": {"email": f"member{number}@example.com", "scl_member_id": f"M{number}"},
        "payload": {"membership_tier": tier, "first_name": f"Name{number}"},
    }


def post(tenant: Tenant, events: list[dict[str, Any]]) -> None:
    log.append(tenant_id=tenant.id, events=events, now=NOW)
    while process_batch(tenant_id=tenant.id, now=NOW, handlers=(enrol.on_events,)):
        pass


def test_newcomers_of_the_right_tier_are_welcomed_once(tenant: Tenant) -> None:
    gold = [{"field": "membership_tier", "operator": "in", "value": ["Gold", "Platinum"]}]
    opened = {"field": "last_email_open_at", "operator": "isNotNull"}
    steps = [
        send("welcome", "rest", template(tenant.id)),
        wait("rest", "ask", "1 minute"),
        asks("ask", "mark", "remind", opened),
        tag("mark", None, "onboarded"),
        send("remind", None, template(tenant.id, "Reminder")),
    ]
    made = journey(tenant.id, steps, trigger_type=JOINED, trigger_config={"conditions": gold})
    events = [joined(number, ("Gold", "Platinum", "Silver")[number % 3]) for number in range(9)]
    chance = random.Random(7)
    for _ in range(3):
        chance.shuffle(events)
        post(tenant, events)
        run(tenant.id)
    assert len(rows(tenant.id, "SELECT 1 FROM customer")) == 9
    sent = rows(tenant.id, "SELECT c.email FROM message m JOIN customer c ON c.id = m.customer_id")
    assert sorted(row.email for row in sent) == [f"member{number}@example.com" for number in (0, 1, 3, 4, 6, 7)]
    with transaction(tenant.id) as session:
        session.execute(
            text("UPDATE customer SET last_email_open_at = :now WHERE email = 'member0@example.com'"), {"now": NOW}
        )
    run(tenant.id, NOW + timedelta(minutes=1))
    by_step = dict(rows(tenant.id, "SELECT step_key, count(*) FROM message GROUP BY 1"))
    assert by_step == {"welcome": 6, "remind": 5}
    assert len(rows(tenant.id, "SELECT 1 FROM customer WHERE tags @> '{onboarded}'")) == 1
    check_counters(tenant.id, made.id)


def booked(number: int, holes: int) -> dict[str, Any]:
    return {
        "id": f"booking-{number}-{holes}",
        "type": "teetime.booked",
        "source": "scl",
        "timestamp": (NOW + timedelta(seconds=30)).isoformat(),
        "identity": {"email": f"member{number}@example.com"},
        "payload": {"holes": holes},
    }


def test_what_comes_in_wakes_who_waits_for_it(tenant: Tenant) -> None:
    waits = {
        "event_type": "teetime.booked",
        "conditions": [{"field": "holes", "operator": "eq", "value": 18}],
        "timeout": "1 day",
    }
    steps = [step("w", "WAIT", "yes", waits, next_timeout="no"), tag("yes", None, "booked"), tag("no", None, "idle")]
    made = journey(tenant.id, steps, trigger_type=JOINED)
    post(tenant, [joined(number, "Gold") for number in range(4)])
    run(tenant.id)
    post(tenant, [booked(0, 18), booked(1, 9)])
    # What was applied before anybody could see that this one waits is found in the log of events.
    with transaction(tenant.id) as session:
        waiting = "UPDATE journey_enrollment e SET waits_for = :waits FROM customer c WHERE c.id = e.customer_id"
        session.execute(text(f"{waiting} AND c.email = 'member2@example.com'"), {"waits": None})
    post(tenant, [booked(2, 18)])
    run(tenant.id)
    assert _tagged(tenant, "booked") == ["member0@example.com"]
    run(tenant.id, NOW + timedelta(minutes=2))
    assert _tagged(tenant, "booked") == ["member0@example.com", "member2@example.com"]
    run(tenant.id, NOW + timedelta(days=1))
    assert _tagged(tenant, "idle") == ["member1@example.com", "member3@example.com"]
    check_counters(tenant.id, made.id)


def _tagged(tenant: Tenant, name: str) -> list[str]:
    found = rows(tenant.id, "SELECT email FROM customer WHERE tags @> ARRAY[:name] ORDER BY email", name=name)
    return [row.email for row in found]
