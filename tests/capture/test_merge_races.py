"""Merges from both sides at once while events flow: none lost, nobody re-subscribed, no deadlock shown to anybody."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from app.capture import merging, service
from app.customers.merge import CannotMerge
from app.events import log
from app.infra.db import db
from app.road import HANDLERS
from tests.capture.people import NOW, STAFF, event, member, owner, post, query

PAIRS = 25


@pytest.mark.committed
def test_merges_from_both_sides_while_events_flow(app: Flask, tenant: Any) -> None:
    said = {True: {"email_opt_in": True}, False: {"email_opt_in": False}}
    for number in range(PAIRS):
        post(
            tenant,
            *(member(number * 10 + side, f"Name{side}x{number}", f"M{number}-{side}") for side in (0, 1)),
            *(
                event(
                    number * 10 + 2 + side,
                    "contactPreference.updated",
                    said[side == 0],
                    scl_member_id=f"M{number}-{side}",
                )
                for side in (0, 1)
            ),
        )
    pairs = [(owner(tenant, number * 10), owner(tenant, number * 10 + 1)) for number in range(PAIRS)]

    def merge_all(flipped: bool) -> int:
        done = 0
        with app.app_context():
            for one, other in pairs:
                winner, loser = (other, one) if flipped else (one, other)
                try:
                    merging.merge_customers(
                        tenant_id=tenant.id, winner_id=winner, loser_id=loser, actor=STAFF, handlers=HANDLERS
                    )
                    done += 1
                except CannotMerge:
                    continue
            db.session.remove()
        return done

    def flow(part: int) -> None:
        with app.app_context():
            for number in range(PAIRS):
                come = [
                    event(1000 + number * 10 + part * 2 + side, scl_member_id=f"M{number}-{side}") for side in (0, 1)
                ]
                log.append(tenant_id=tenant.id, events=come, now=NOW)
                service.process_batch(tenant_id=tenant.id, now=NOW, handlers=HANDLERS)
            db.session.remove()

    with ThreadPoolExecutor(6) as pool:
        merging_now = [pool.submit(merge_all, flipped) for flipped in (False, True, False, True)]
        flowing = [pool.submit(flow, part) for part in (0, 1)]
        made = sum(one.result() for one in merging_now)
        for one in flowing:
            one.result()
    while service.process_batch(tenant_id=tenant.id, now=NOW, handlers=HANDLERS):
        pass
    assert made == PAIRS
    kept = query(tenant, "SELECT id, email_opt_in FROM customer WHERE status = 'ACTIVE'")
    assert len(kept) == PAIRS
    assert {row.email_opt_in for row in kept} == {False}
    ids = {row.id for row in kept}
    events = query(tenant, "SELECT customer_id, status FROM inbound_event")
    assert len(events) == PAIRS * 8
    assert {row.status for row in events} == {"processed"}
    assert {row.customer_id for row in events} == ids
    assert {row.customer_id for row in query(tenant, "SELECT customer_id FROM activity")} == ids
