"""A campaign while its machinery is being killed, paused, wiped and edited: counted at the receiving end.

FAIRWAY_FAULT_PEOPLE says to how many (thousands by hand, fewer in the suite).
"""

import os
import signal
import threading
import time
from collections import Counter
from typing import Any

from app.infra.embedded import Redis
from tests.messaging.sink import Sink
from tests.stack import Organisation, Stack, until

PEOPLE = int(os.environ.get("FAIRWAY_FAULT_PEOPLE", "1500"))
BATCH = 500


def address_of(number: int) -> str:
    return f"member{number}@example.com"


def gather(organisation: Organisation, people: int = PEOPLE) -> None:
    """Let so many people come in and say yes."""
    for kind, payload in (("scl.member.created", {"first_name": "Ann"}), ("contactPreference.updated", {})):
        for at in range(0, people, BATCH):
            events = [
                {
                    "id": f"{kind}-{number}",
                    "type": kind,
                    "source": "test",
                    "timestamp": f"2026-10-0{1 + (kind != 'scl.member.created')}T08:00:00+00:00",
                    "identity": {"email": address_of(number), "scl_member_id": f"M{number}"},
                    "payload": payload or {"email_opt_in": True},
                }
                for number in range(at, min(at + BATCH, people))
            ]
            organisation.call("POST", "/events", events, status=202)
    waiting = "SELECT count(*) FROM inbound_event WHERE tenant_id = %(t)s AND status = 'received'"
    until(lambda: organisation.stack.rows(waiting, t=organisation.tenant_id) == [(0,)])


def campaign(organisation: Organisation, name: str, template: str, segment: str) -> str:
    given = {"name": name, "segment_id": segment, "email_template_id": template}
    found: str = organisation.call("POST", "/campaigns", given)["id"]
    return found


def stats(organisation: Organisation, path: str) -> dict[str, Any]:
    """Return the numbers; they add up whenever they are asked for."""
    found: dict[str, Any] = organisation.call("GET", f"{path}/stats")
    assert found["adds_up"], found
    parts = sum(found[name] for name in ("queued", "sending", "sent", "failed", "unknown"))
    assert found["audience"] == parts + sum(found["skipped"].values()), found
    return found


def start_twenty_times(organisation: Organisation, path: str) -> Counter[int]:
    answers: list[int] = []

    def press() -> None:
        status, _ = organisation.stack.request("POST", f"/api/v1{path}/start", None, organisation.token)
        answers.append(status)

    threads = [threading.Thread(target=press) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(answers)


def more_than(peer: Sink, number: int) -> None:
    until(lambda: len(peer.letters) > number, pause=0.02)


def is_still(peer: Sink) -> bool:
    """Return whether nothing came for a while."""
    before = len(peer.letters)
    time.sleep(3)
    return len(peer.letters) == before


def test_a_campaign_goes_on_through_all_of_it(stack: Stack, peer: Sink) -> None:
    organisation = stack.register()
    gather(organisation)
    segment = organisation.call("POST", "/segments/ready-made", {"key": "all_customers"})["id"]
    template = organisation.template("News", "The news of {{ customer.first_name }}")
    news = campaign(organisation, "News", template, segment)
    path = f"/campaigns/{news}"
    # Slow enough to be met in the middle.
    peer.on_letter = lambda _address, _nth: time.sleep(0.004)

    answers = start_twenty_times(organisation, path)
    assert answers == {202: 1, 409: 19}
    tenant = {"t": organisation.tenant_id}
    more_than(peer, 50)

    # Nobody who has been chosen is told anything but what it said when it began.
    organisation.call("PATCH", f"/templates/{template}", {"subject": "Something else"})
    for worker in stack.processes("worker")[:1]:
        worker.send_signal(signal.SIGKILL)
    more_than(peer, 250)

    assert organisation.call("POST", f"{path}/pause")["status"] == "paused"
    in_hand = stats(organisation, path)
    after_pause = len(peer.letters)
    until(lambda: is_still(peer))
    # What was in hand, and what an interrupted sender left, is all that could still come.
    standing = len(peer.letters)
    assert standing <= after_pause + in_hand["sending"]
    assert organisation.call("POST", f"{path}/resume")["status"] in ("preparing", "sending")
    more_than(peer, standing + 100)

    with Redis(stack.home).client() as client:
        client.flushall()
    for worker in stack.processes("worker"):
        worker.send_signal(signal.SIGKILL)
    for scheduler in stack.processes("scheduler"):
        scheduler.send_signal(signal.SIGKILL)

    until(lambda: stats(organisation, path)["status"] == "completed", seconds=600, pause=1)
    found = stats(organisation, path)
    arrived = Counter(letter.recipient for letter in peer.letters)
    everybody = {address_of(number) for number in range(PEOPLE)}
    assert found["audience"] == PEOPLE
    assert set(arrived.values()) == {1}
    unknown = {
        row[0]
        for row in stack.rows("SELECT to_address FROM message WHERE tenant_id = %(t)s AND status = 'unknown'", **tenant)
    }
    assert everybody - set(arrived) <= unknown
    assert found["sent"] + found["unknown"] == PEOPLE
    assert {letter.mail["Subject"] for letter in peer.letters} == {"The news of Ann"}
    assert stack.rows("SELECT count(*) FROM campaign_run WHERE tenant_id = %(t)s", **tenant) == [(1,)]

    other = f"/campaigns/{campaign(organisation, 'Other', template, segment)}"
    before = len(peer.letters)
    organisation.call("POST", f"{other}/start")
    more_than(peer, before + 100)
    organisation.call("POST", f"{other}/cancel")
    until(lambda: (told := stats(organisation, other))["queued"] == told["sending"] == 0, pause=0.5)
    told = stats(organisation, other)
    assert told["sent"] == len(peer.letters) - before
    assert told["skipped"] == {"cancelled": PEOPLE - told["sent"]}
