"""People walk a journey while all it runs on is killed again and again: counted where letters and calls arrive.

FAIRWAY_FAULT_PEOPLE says how many walk (thousands by hand, fewer in the suite).
"""

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

from app.infra.embedded import Redis
from tests.faults.conftest import _started
from tests.faults.test_main_road import address_of, post_all, settled
from tests.faults.test_servers_away import kill_postgres
from tests.messaging.sink import Sink
from tests.segments.receiver import Receiver, serving
from tests.stack import ROOT, Organisation, Stack, until

PEOPLE = int(os.environ.get("FAIRWAY_FAULT_PEOPLE", "300"))
KILLS = 6
WALK = ("start", "tag", "call", "first", "paid", "second", "other", "end")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving() as found:
        yield found


@pytest.fixture
def stack(peer: Sink, receiver: Receiver) -> Iterator[Stack]:
    with _started(peer, OUTBOUND_TRUSTED=receiver.origin) as made:
        yield made


def news(kind: str, payload: dict[str, Any]) -> list[dict[str, Any]]:
    """Return an event of that kind for everybody, each said twice, in any order."""
    events = [
        {
            "id": f"{kind}-{number}",
            "type": kind,
            "source": "test",
            "timestamp": "2026-10-05T08:00:00+00:00",
            "identity": {"email": address_of(number)},
            "payload": payload,
        }
        for number in range(PEOPLE)
    ] * 2
    random.Random(3).shuffle(events)
    return events


def begin(organisation: Organisation, url: str) -> tuple[str, str]:
    """Start a journey of all kinds of steps that reach outside, and the one it starts; return both."""

    def made(name: str, trigger: str, steps: list[dict[str, Any]]) -> str:
        found: str = organisation.call("POST", "/journeys", {"name": name, "trigger_type": trigger})["id"]
        organisation.call("PUT", f"/journeys/{found}/steps", {"steps": steps})
        if name == "Walk":
            organisation.call("POST", f"/journeys/{found}/steps/call/secret")
        organisation.call("POST", f"/journeys/{found}/activate")
        return found

    def tag(name: str) -> dict[str, Any]:
        return {"updates": [{"field": "tags", "operation": "add", "value": name}]}

    def letter(subject: str) -> dict[str, Any]:
        return {"channel": "EMAIL", "template_id": organisation.template(subject, subject)}

    end = {"key": "end", "type": "END", "config": {}}
    other = made("Other", "MANUAL", [{"key": "tag", "type": "UPDATE", "config": tag("other"), "next": "end"}, end])
    awaited = {"event_type": "payment.received", "timeout": "9 days"}
    walk = [
        {"key": "start", "type": "TRIGGER", "config": {"event_type": "visit.logged"}, "next": "tag"},
        {"key": "tag", "type": "UPDATE", "config": tag("came"), "next": "call"},
        {"key": "call", "type": "WEBHOOK", "config": {"url": url}, "next": "first", "next_failed": "first"},
        {"key": "first", "type": "SEND", "config": letter("First"), "next": "paid"},
        {"key": "paid", "type": "WAIT", "config": awaited, "next": "second", "next_timeout": "end"},
        {"key": "second", "type": "SEND", "config": letter("Second"), "next": "other"},
        {"key": "other", "type": "START_JOURNEY", "config": {"journey_id": other}, "next": "end"},
        end,
    ]
    return made("Walk", "visit.logged", walk), other


@contextmanager
def more_schedulers(stack: Stack) -> Iterator[list[psutil.Process]]:
    """Run two more schedulers beside the one there is."""
    [first] = until(lambda: stack.processes("scheduler"))
    also = [subprocess.Popen(first.cmdline(), cwd=ROOT, env=first.environ()) for _ in range(2)]
    try:
        yield [psutil.Process(one.pid) for one in also]
    finally:
        for one in also:
            one.send_signal(signal.SIGCONT)
            one.kill()
            one.wait()


def sabotage(stack: Stack, others: list[psutil.Process]) -> None:
    """Kill workers, the scheduler, Redis with all it knows and PostgreSQL; let a scheduler sleep past its turn."""
    rng = random.Random(11)
    for turn in range(KILLS):
        time.sleep(0.7)
        workers = stack.processes("worker")
        rng.shuffle(workers)
        for worker in workers[:1]:
            worker.send_signal(signal.SIGKILL)
        match turn:
            case 0:
                others[0].suspend()
            case 1:
                with Redis(stack.home).client() as client:
                    client.flushall()
            case 2:
                kill_postgres(stack)
            case 3:
                for one in [*stack.processes("scheduler")[:1], *stack.redis_processes()]:
                    one.send_signal(signal.SIGKILL)
            case 4:
                others[0].resume()
                kill_postgres(stack)


def harassed(stack: Stack, organisation: Organisation, events: list[dict[str, Any]]) -> Counter[str]:
    """Post events while everything is being killed, and return their fates."""
    with more_schedulers(stack) as others:
        saboteur = threading.Thread(target=sabotage, args=(stack, others))
        saboteur.start()
        fates = post_all(organisation, events)
        saboteur.join()
    return fates


def test_people_walk_on_whatever_is_killed(stack: Stack, peer: Sink, receiver: Receiver) -> None:
    organisation = stack.register()
    walk, other = begin(organisation, receiver.url)
    post_all(organisation, news("contactPreference.updated", {"email_opt_in": True}))
    tenant = {"t": organisation.tenant_id}
    peer.on_letter = lambda _address, _nth: time.sleep(0.01)

    assert harassed(stack, organisation, news("visit.logged", {}))["rejected"] == 0
    waits = "SELECT count(*) FROM journey_enrollment WHERE tenant_id = %(t)s AND waits_for IS NOT NULL"
    until(lambda: stack.rows(waits, **tenant) == [(PEOPLE,)], seconds=300)
    assert harassed(stack, organisation, news("payment.received", {"amount": "10"}))["rejected"] == 0
    until(lambda: settled(organisation, walk), seconds=400)

    walks = stack.rows(
        "SELECT journey_id::text, status, count(*) FROM journey_enrollment WHERE tenant_id = %(t)s GROUP BY 1, 2",
        **tenant,
    )
    assert sorted(walks) == sorted([(walk, "COMPLETED", PEOPLE), (other, "COMPLETED", PEOPLE)])
    paths = stack.rows(
        "SELECT array_agg(s.step_key ORDER BY s.step_number), array_agg(DISTINCT s.status)"
        " FROM journey_enrollment e JOIN journey_enrollment_step s ON s.enrollment_id = e.id"
        " WHERE e.tenant_id = %(t)s AND e.journey_id = %(j)s GROUP BY e.id",
        **tenant,
        j=walk,
    )
    assert {(tuple(keys), tuple(ended)) for keys, ended in paths} == {(WALK, ("COMPLETED",))}
    counted = stack.rows(
        "SELECT step_key, entered, completed, active, failed + skipped FROM journey_step_count"
        " WHERE tenant_id = %(t)s AND journey_id = %(j)s",
        **tenant,
        j=walk,
    )
    assert sorted(counted) == sorted((key, PEOPLE, PEOPLE, 0, 0) for key in WALK)

    in_doubt = "SELECT step_key, to_address FROM message WHERE tenant_id = %(t)s AND status = 'unknown'"
    unknown = {(key.capitalize(), address) for key, address in stack.rows(in_doubt, **tenant)}
    arrived = Counter((letter.mail["Subject"], letter.recipient) for letter in peer.letters)
    everything = {(subject, address_of(number)) for subject in ("First", "Second") for number in range(PEOPLE)}
    assert set(arrived) <= everything
    assert {one: times for one, times in arrived.items() if times > 1} == {}, "no letter comes twice"
    # Whom a killed sender had in hand is told of as `unknown`, and never written to again.
    assert everything - set(arrived) <= unknown

    # Who called and died calls again, under the same id: a receiver that looks at ids hears of each once.
    calls = {told.id: told.json["data"]["customer"]["email"] for told in receiver.told}
    assert Counter(calls.values()) == Counter(address_of(number) for number in range(PEOPLE))
