"""The road of an event while its machinery is being killed: counted at the receiving end, not from our own tables."""

import random
import signal
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from app.infra.embedded import Redis
from tests.messaging.sink import Sink
from tests.stack import Organisation, Stack, until

PEOPLE = 400
CLIENTS = 4
TIMES = 3
BATCH = 50
BEGIN = datetime(2026, 10, 1, 8, tzinfo=UTC)
TIERS = ("Gold", "Platinum", "Silver", "Social")


def tier_of(number: int) -> str:
    return TIERS[number % 4]


def consent_of(number: int) -> bool | None:
    return (True, True, False, None, True)[number % 5]


def address_of(number: int) -> str:
    return f"member{number}@example.com"


def events() -> list[dict[str, Any]]:
    """Return three or four events for each of PEOPLE, tied together by hints that overlap only in part."""
    made = []
    for number in range(PEOPLE):
        for order, (kind, identity, payload) in enumerate(story(number)):
            made.append(
                {
                    "id": f"e{number}-{order}",
                    "type": kind,
                    "source": "test",
                    "timestamp": (BEGIN + timedelta(minutes=number, seconds=order)).isoformat(),
                    "identity": identity,
                    "payload": payload,
                }
            )
    return made


def story(number: int) -> list[tuple[str, dict[str, str], dict[str, Any]]]:
    """Return what happens to one person: (type, identity, payload) of each event."""
    member, player, mail = f"M{number:05}", f"TT{number:05}", address_of(number)
    profile = {"first_name": f"Name{number}", "last_name": "Tester", "membership_tier": tier_of(number)}
    found: list[tuple[str, dict[str, str], dict[str, Any]]] = [
        ("teetime.booked", {"teetime_player_id": player}, {"holes": 18, "players": 2}),
        ("scl.member.created", {"email": mail, "scl_member_id": member}, profile),
        ("payment.received", {"scl_member_id": member, "teetime_player_id": player}, {"amount": "120.50"}),
    ]
    consent = consent_of(number)
    if consent is not None:
        found.append(("contactPreference.updated", {"email": f" {mail.upper()} "}, {"email_opt_in": consent}))
    return found


def expected_mails() -> set[str]:
    """Return the addresses of the Gold and Platinum newcomers who said yes."""
    wanted = (number for number in range(PEOPLE) if tier_of(number) in ("Gold", "Platinum") and consent_of(number))
    return {address_of(number) for number in wanted}


def build_journey(organisation: Organisation) -> str:
    template = organisation.template("Welcome", "Welcome {{ customer.first_name }}")
    trigger = {"conditions": [{"field": "membership_tier", "operator": "in", "value": ["Gold", "Platinum"]}]}
    journey = organisation.call(
        "POST", "/journeys", {"name": "Welcome", "trigger_type": "scl.member.created", "trigger_config": trigger}
    )
    steps = [
        {"key": "start", "type": "TRIGGER", "config": {"event_type": "scl.member.created", **trigger}, "next": "mail"},
        {"key": "mail", "type": "SEND", "config": {"channel": "EMAIL", "template_id": template}, "next": "tag"},
        {"key": "tag", "type": "UPDATE", "config": {"updates": [{"field": "tags", "operation": "add", "value": "new"}]},
         "next": "end"},
        {"key": "end", "type": "END", "config": {}},
    ]  # fmt: skip
    organisation.call("PUT", f"/journeys/{journey['id']}/steps", {"steps": steps})
    organisation.call("POST", f"/journeys/{journey['id']}/activate")
    found: str = journey["id"]
    return found


def post_all(organisation: Organisation, sent: list[dict[str, Any]]) -> Counter[str]:
    """Post by CLIENTS at once, each its share; a refused connection is a client's to repeat. Return the fates."""
    fates: Counter[str] = Counter()
    lock = threading.Lock()

    def client(mine: list[dict[str, Any]]) -> None:
        for at in range(0, len(mine), BATCH):
            answer = until(lambda at=at: _try(organisation, mine[at : at + BATCH]))
            with lock:
                fates.update(result["status"] for result in answer["results"])

    threads = [threading.Thread(target=client, args=(sent[number::CLIENTS],)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return fates


def _try(organisation: Organisation, batch: list[dict[str, Any]]) -> Any:
    try:
        status, answer = organisation.stack.request("POST", "/api/v1/events", batch, organisation.token)
    except OSError:
        return None
    return answer if status == 202 else None


def settled(organisation: Organisation, journey: str) -> bool:
    """Return whether nothing is on its way any more."""
    waiting = organisation.stack.rows(
        """
        SELECT (SELECT count(*) FROM inbound_event WHERE tenant_id = %(t)s AND status = 'received')
             + (SELECT count(*) FROM journey_enrollment WHERE tenant_id = %(t)s AND status = 'ACTIVE')
             + (SELECT count(*) FROM message WHERE tenant_id = %(t)s AND status IN ('queued', 'sending')
                   OR tenant_id = %(t)s AND status = 'held' AND reason <> 'awaiting_consent')
        """,
        t=organisation.tenant_id,
    )
    return waiting == [(0,)]


def test_repeats_shuffles_and_kills_change_nothing(stack: Stack, peer: Sink) -> None:
    organisation = stack.register()
    journey = build_journey(organisation)
    unique = events()
    repeated = unique * TIMES
    random.Random(7).shuffle(repeated)

    saboteur = threading.Thread(target=sabotage, args=(stack,))
    saboteur.start()
    fates = post_all(organisation, repeated)
    saboteur.join()
    until(lambda: settled(organisation, journey), seconds=240)

    assert fates["rejected"] == 0
    # A client that got no answer posts again, so there may be more duplicates, never more accepted ones.
    assert fates["accepted"] <= len(unique)
    tenant = {"t": organisation.tenant_id}
    assert stack.rows(
        "SELECT count(*) FROM inbound_event WHERE tenant_id = %(t)s AND status = 'processed'", **tenant
    ) == [(len(unique),)]
    assert stack.rows("SELECT count(*) FROM customer WHERE tenant_id = %(t)s AND status = 'ACTIVE'", **tenant) == [
        (PEOPLE,)
    ]
    assert stack.rows(
        "SELECT count(*) FROM activity WHERE tenant_id = %(t)s AND source = 'test'", **tenant
    ) == [(len(unique),)]  # fmt: skip
    newcomers = sum(tier_of(number) in ("Gold", "Platinum") for number in range(PEOPLE))
    assert stack.rows("SELECT count(*) FROM journey_enrollment WHERE tenant_id = %(t)s", **tenant) == [(newcomers,)]

    arrived = Counter(letter.recipient for letter in peer.letters)
    assert {address: count for address, count in arrived.items() if count > 1} == {}
    unknown = {
        row[0]
        for row in stack.rows("SELECT to_address FROM message WHERE tenant_id = %(t)s AND status = 'unknown'", **tenant)
    }
    assert set(arrived) <= expected_mails()
    # Whom a killed sender had in hand is `unknown`: visible, and never sent to again.
    assert expected_mails() - set(arrived) <= unknown
    assert len(unknown) <= 60
    fate_counts = dict(
        stack.rows("SELECT status, count(*) FROM message WHERE tenant_id = %(t)s GROUP BY status", **tenant)
    )
    assert sum(fate_counts.values()) == newcomers


def sabotage(stack: Stack) -> None:
    """Kill a worker and the scheduler, then wipe and kill Redis, while work goes on."""
    time.sleep(1)
    for worker in stack.processes("worker")[:1]:
        worker.send_signal(signal.SIGKILL)
    time.sleep(1)
    for scheduler in stack.processes("scheduler"):
        scheduler.send_signal(signal.SIGKILL)
    time.sleep(1)
    with Redis(stack.home).client() as client:
        client.flushall()
    for server in stack.redis_processes():
        server.send_signal(signal.SIGKILL)
    time.sleep(1)
    for worker in stack.processes("worker")[-1:]:
        worker.send_signal(signal.SIGKILL)
