"""Postgres killed, Redis full or silent, a neighbour with much to send: what was accepted arrives, and once."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from app.infra.embedded import Postgres, Redis
from tests.faults.conftest import _started
from tests.faults.test_campaigns import campaign, gather, stats
from tests.faults.test_main_road import post_all
from tests.messaging.sink import Sink, running
from tests.stack import Organisation, Stack, until

MANY, FEW = 400, 10
ENOUGH = 100


@pytest.fixture(scope="module")
def peer() -> Iterator[Sink]:
    with running(Sink()) as sink:
        yield sink


@pytest.fixture(scope="module")
def stack(peer: Sink) -> Iterator[Stack]:
    """One Fairway for all these tests: whatever was away is back at the end of each."""
    with _started(peer) as made:
        yield made


@pytest.fixture(scope="module")
def large(stack: Stack) -> Organisation:
    made = stack.register("Large")
    gather(made, MANY)
    return made


@pytest.fixture(autouse=True)
def quick(peer: Sink) -> Iterator[None]:
    yield
    peer.on_letter = lambda _address, _nth: None


def news(organisation: Organisation, subject: str) -> str:
    """Return the path of a new campaign to everybody."""
    segment = organisation.call("POST", "/segments/ready-made", {"key": "all_customers"})["id"]
    return f"/campaigns/{campaign(organisation, subject, organisation.template(subject, subject), segment)}"


def arrived(peer: Sink, subject: str) -> Counter[str]:
    return Counter(letter.recipient for letter in list(peer.letters) if letter.mail["Subject"] == subject)


def events(number: int, name: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{name}-{at}",
            "type": "pos.purchase",
            "source": "test",
            "timestamp": "2026-10-05T08:00:00+00:00",
            "identity": {"email": f"member{at}@example.com"},
            "payload": {"amount": at},
        }
        for at in range(number)
    ]


def all_applied(organisation: Organisation, number: int) -> bool:
    rows = organisation.stack.rows(
        "SELECT count(*) FROM inbound_event WHERE tenant_id = %(t)s AND status = 'processed' AND type = 'pos.purchase'",
        t=organisation.tenant_id,
    )
    return rows == [(number,)]


def test_who_has_little_to_send_does_not_wait_until_who_has_much_is_done(
    stack: Stack, peer: Sink, large: Organisation
) -> None:
    small = stack.register("Small")
    gather(small, FEW)
    much, little = news(large, "Much"), news(small, "Little")
    seen: Counter[str] = Counter()

    # What is large can not be done before what is small, unless it is let.
    def slow(_address: str, _nth: int) -> None:
        seen["letters"] += 1
        time.sleep(0.1 if seen["letters"] > ENOUGH and not seen["done"] else 0.005)

    peer.on_letter = slow
    large.call("POST", f"{much}/start")
    until(lambda: len(arrived(peer, "Much")) > ENOUGH // 4)
    small.call("POST", f"{little}/start")
    until(lambda: len(arrived(peer, "Little")) == FEW)
    left = MANY - len(arrived(peer, "Much"))
    seen["done"] = 1
    assert left > 0
    until(lambda: stats(large, much)["status"] == "completed", seconds=300)
    assert set(arrived(peer, "Much").values()) == set(arrived(peer, "Little").values()) == {1}
    assert len(arrived(peer, "Much")) == MANY


def test_a_redis_that_is_full_or_silent_refuses_and_loses_nothing(stack: Stack, peer: Sink) -> None:
    organisation = stack.register("Patient")
    gather(organisation, FEW)
    path = news(organisation, "Without Redis")
    with Redis(stack.home).client() as client:
        client.config_set("maxmemory", 1)
        assert post_all(organisation, events(20, "full")) == {"accepted": 20}
        assert organisation.call("POST", f"{path}/start")["status"] in ("preparing", "sending", "completed")
        client.config_set("maxmemory", 0)
    until(lambda: all_applied(organisation, 20))
    until(lambda: len(arrived(peer, "Without Redis")) == FEW)
    [server] = stack.redis_processes()
    server.send_signal(signal.SIGSTOP)
    try:
        answered = post_all(organisation, events(4, "silent"))
    finally:
        server.send_signal(signal.SIGCONT)
    assert answered == {"accepted": 4}
    until(lambda: all_applied(organisation, 24))
    assert set(arrived(peer, "Without Redis").values()) == {1}


def kill_postgres(stack: Stack) -> None:
    """End the server at once, as a crash does; return when the next one answers."""
    pid = int((Postgres(stack.home).data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGQUIT)

    def answers() -> bool:
        try:
            return stack.rows("SELECT 1") == [(1,)] and pid not in _postmasters(stack)
        except psycopg.Error:
            return False

    until(answers)


def _postmasters(stack: Stack) -> list[int]:
    note = Postgres(stack.home).data / "postmaster.pid"
    return [int(note.read_text().split()[0])] if note.exists() else []


def test_a_postgres_that_is_killed_again_and_again_loses_nothing_it_confirmed(
    stack: Stack, peer: Sink, large: Organisation
) -> None:
    path = news(large, "Through crashes")
    peer.on_letter = lambda _address, _nth: time.sleep(0.02)
    fates: Counter[str] = Counter()
    client = threading.Thread(target=lambda: fates.update(post_all(large, events(MANY, "crash"))))
    large.call("POST", f"{path}/start")
    until(lambda: len(arrived(peer, "Through crashes")) > 20, pause=0.02)
    client.start()
    for _ in range(3):
        kill_postgres(stack)
        more = len(arrived(peer, "Through crashes")) + 20
        until(lambda more=more: len(arrived(peer, "Through crashes")) >= min(more, MANY - 40), pause=0.02)
    client.join()
    # Who got no answer posted again: there may be more duplicates than there were first times, never more rows.
    assert fates["accepted"] <= MANY <= fates.total()
    until(lambda: all_applied(large, MANY))
    waiting = "SELECT count(*) FROM message WHERE tenant_id = %(t)s AND status IN ('queued', 'held')"
    until(lambda: stack.rows(waiting, t=large.tenant_id) == [(0,)])
    # `sending` is told of as `unknown` two minutes later, unless whoever has it in hand records it first.
    ends = stack.rows(
        "SELECT to_address, status FROM message WHERE tenant_id = %(t)s AND subject IS DISTINCT FROM 'Much'"
        " AND run_id = (SELECT id FROM message_run WHERE tenant_id = %(t)s ORDER BY id DESC LIMIT 1)",
        t=large.tenant_id,
    )
    reached = arrived(peer, "Through crashes")
    assert len(ends) == MANY
    assert set(reached.values()) == {1}
    in_doubt = {address for address, status in ends if status in ("unknown", "sending")}
    assert {address for address, status in ends if status == "sent"} <= set(reached)
    assert {address for address, _ in ends} - set(reached) <= in_doubt
    told = stats(large, path)
    assert told["audience"] == MANY
    until(lambda: len(stack.processes("worker")) >= 2)
    assert large.call("GET", "/campaigns")["items"]
