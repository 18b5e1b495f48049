"""Every event sent three times, by four clients at once and in any order: one row, one activity, one walk of each.

FAIRWAY_FAULT_EVENTS says how many events (10,000 by hand, fewer in the suite).
"""

import os
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.faults.test_main_road import post_all, settled
from tests.stack import Organisation, Stack, until

EVENTS = int(os.environ.get("FAIRWAY_FAULT_EVENTS", "800"))
PEOPLE = EVENTS // 2
TIMES = 3
BEGIN = datetime(2026, 10, 1, 8, tzinfo=UTC)


def events() -> list[dict[str, Any]]:
    """Return two events of each person: becoming a member, and a purchase."""
    return [
        {
            "id": f"r{number}",
            "type": kind,
            "source": "test",
            "timestamp": (BEGIN + timedelta(seconds=number)).isoformat(),
            "identity": {"scl_member_id": f"R{number // 2}", "email": f"r{number // 2}@example.com"},
            "payload": {"first_name": f"Name{number // 2}", "last_name": "Repeated", "amount": number},
        }
        for number in range(2 * PEOPLE)
        for kind in (("scl.member.created", "pos.purchase")[number % 2],)
    ]


def journey(organisation: Organisation, trigger: str, *, again: bool) -> str:
    """Begin a journey that tags whoever `trigger` happens to; with `again`, each time it happens."""
    made = organisation.call(
        "POST", "/journeys", {"name": trigger, "trigger_type": trigger, "trigger_config": {}, "allow_reentry": again}
    )
    update = {"updates": [{"field": "tags", "operation": "add", "value": trigger}]}
    steps = [
        {"key": "start", "type": "TRIGGER", "config": {"event_type": trigger, "conditions": []}, "next": "tag"},
        {"key": "tag", "type": "UPDATE", "config": update, "next": "end"},
        {"key": "end", "type": "END", "config": {}},
    ]
    organisation.call("PUT", f"/journeys/{made['id']}/steps", {"steps": steps})
    organisation.call("POST", f"/journeys/{made['id']}/activate")
    found: str = made["id"]
    return found


def test_what_is_sent_three_times_happens_once(shared: Stack) -> None:
    organisation = shared.register()
    walks = [
        journey(organisation, "scl.member.created", again=False),
        journey(organisation, "pos.purchase", again=True),
    ]
    unique = events()
    sent = unique * TIMES
    random.Random(11).shuffle(sent)

    fates = post_all(organisation, sent)
    until(lambda: settled(organisation, walks[0]), seconds=60 + EVENTS / 20)

    assert fates == {"accepted": len(unique), "duplicate": (TIMES - 1) * len(unique)}
    counted = {
        "events": "inbound_event WHERE status = 'processed'",
        "any event": "inbound_event WHERE true",
        "activities": "activity WHERE source = 'test'",
        "people": "customer WHERE status = 'ACTIVE'",
        "tagged": "customer WHERE tags @> '{pos.purchase,scl.member.created}'",
        "points": "contact_point WHERE true",
        "ids": "external_id WHERE true",
        "walks": "journey_enrollment WHERE status = 'COMPLETED'",
        "any walk": "journey_enrollment WHERE true",
        "steps": "journey_enrollment_step WHERE status = 'COMPLETED'",
    }
    found = {
        name: shared.rows(f"SELECT count(*) FROM {what} AND tenant_id = %(t)s", t=organisation.tenant_id)[0][0]
        for name, what in counted.items()
    }
    each = len(unique)
    assert found == {
        "events": each, "any event": each, "activities": each, "walks": each, "any walk": each, "steps": 3 * each,
        "people": PEOPLE, "tagged": PEOPLE, "points": PEOPLE, "ids": PEOPLE,
    }  # fmt: skip
    totals = [organisation.call("GET", f"/journeys/{id_}")["total_enrolled"] for id_ in walks]
    assert totals == [PEOPLE, PEOPLE]
