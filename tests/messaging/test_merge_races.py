"""Merges from both sides at once while events and mails flow: none lost, nobody re-subscribed, no deadlock shown.

FAIRWAY_RACE_PAIRS=1000 runs it at the size of the fault plan (T25).
"""

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.capture import merging, service
from app.customers.merge import CannotMerge
from app.events import log
from app.infra.db import db
from app.messaging import sender
from app.road import HANDLERS
from tests.capture.people import NOW, STAFF, event, member, query
from tests.messaging.conftest import Mailer
from tests.messaging.sink import Sink

PAIRS = int(os.environ.get("FAIRWAY_RACE_PAIRS", "25"))
PORTION = 500


def told(number: int) -> list[dict[str, Any]]:
    """Return what makes pair `number`: two members, one who wants mails and one who does not."""
    made = []
    for side in (0, 1):
        scl = f"M{number}-{side}"
        made.append(member(number * 10 + side, f"Name{side}x{number}", scl, email=f"side{side}-{number}@example.com"))
        wish = {"email_opt_in": side == 0}
        made.append(event(number * 10 + 2 + side, "contactPreference.updated", wish, scl_member_id=scl))
    return made


def take_in(tenant_id: UUID, events: list[dict[str, Any]]) -> None:
    for at in range(0, len(events), PORTION):
        log.append(tenant_id=tenant_id, events=events[at : at + PORTION], now=NOW)
        while service.process_batch(tenant_id=tenant_id, now=NOW, handlers=HANDLERS):
            pass


@pytest.mark.committed
def test_merges_from_both_sides_while_events_and_mails_flow(
    app: Flask, tenant: Any, mailer: Mailer, sink: Sink
) -> None:
    take_in(tenant.id, [one for number in range(PAIRS) for one in told(number)])
    held = {row.value: row.customer_id for row in query(tenant, "SELECT value, customer_id FROM external_id")}
    pairs = [(held[f"M{number}-0"], held[f"M{number}-1"]) for number in range(PAIRS)]
    mailer.put(*(one for pair in pairs for one in pair))
    merged = Event()

    def merge_all(flipped: bool) -> int:
        done = 0
        for one, other in pairs:
            winner, loser = (other, one) if flipped else (one, other)
            try:
                merging.merge_customers(
                    tenant_id=tenant.id, winner_id=winner, loser_id=loser, actor=STAFF, handlers=HANDLERS
                )
                done += 1
            except CannotMerge:
                continue
        return done

    def flow(part: int) -> int:
        for number in range(PAIRS):
            come = [event(20_000 + number * 10 + part * 2 + side, scl_member_id=f"M{number}-{side}") for side in (0, 1)]
            log.append(tenant_id=tenant.id, events=come, now=NOW)
            service.process_batch(tenant_id=tenant.id, now=NOW, handlers=HANDLERS)
        return 0

    def send(part: int) -> int:
        while not merged.is_set():
            sender.send_batch(tenant_id=tenant.id, now=NOW, limit=20)
        return part

    def within(act: Callable[[Any], int], what: Any) -> int:
        with app.app_context():
            try:
                return act(what)
            finally:
                db.session.remove()

    with ThreadPoolExecutor(8) as pool:
        others = [pool.submit(within, act, part) for act in (flow, send) for part in (0, 1)]
        merges = [pool.submit(within, merge_all, flipped) for flipped in (False, True, False, True)]
        made = sum(one.result() for one in merges)
        merged.set()
        for one in others:
            one.result()
    while service.process_batch(tenant_id=tenant.id, now=NOW, handlers=HANDLERS):
        pass
    mailer.send()
    assert made == PAIRS
    kept = query(tenant, "SELECT id, email_opt_in FROM customer WHERE status = 'ACTIVE'")
    assert len(kept) == PAIRS
    assert {row.email_opt_in for row in kept} == {False}
    ids = {row.id for row in kept}
    events = query(tenant, "SELECT customer_id, status FROM inbound_event WHERE source = 'test'")
    assert len(events) == PAIRS * 8
    assert {row.status for row in events} == {"processed"}
    assert {row.customer_id for row in events} == ids
    assert {row.customer_id for row in query(tenant, "SELECT customer_id FROM activity")} == ids
    fates = Counter(row.status for row in query(tenant, "SELECT status FROM message"))
    assert fates.keys() <= {"sent", "skipped"}
    assert fates.total() == PAIRS * 2
    # Only who wanted mails and was not merged yet with who did not has one, once.
    assert len(sink.letters) == fates["sent"]
    assert {letter.recipient.partition("-")[0] for letter in sink.letters} <= {"side0"}
    assert all(count == 1 for count in Counter(letter.recipient for letter in sink.letters).values())
