"""What goes wrong around journeys: news late and in any order, several schedulers, death, clocks that jump.

And people who say no or are merged while they walk. Real workers are killed in tests/faults/test_journeys.py.
"""

from collections import Counter
from contextlib import suppress
from datetime import date, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import settings
from sqlalchemy import text

from app.accounts.models import Tenant
from app.capture import merging
from app.capture.batch import AppliedEvent
from app.customers.merge import CannotMerge
from app.infra.db import db, transaction
from app.journeys import lifecycle, queries, service
from app.journeys.engine import timed
from app.journeys.engine.advance import advance_batch
from app.messaging import policy, sender
from app.road import HANDLERS
from tests.journeys.helpers import (
    NOW,
    Json,
    admit,
    check_counters,
    event,
    happen,
    journey,
    paths,
    people,
    rows,
    run,
    send,
    statuses,
    step,
    tag,
    template,
    wait,
)
from tests.journeys.test_any_graph import Killed, dying_at
from tests.journeys.test_leaving import unsubscribe
from tests.journeys.test_races import together
from tests.journeys.test_segment_road import go_on
from tests.messaging.sink import Sink

pytestmark = pytest.mark.committed

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STRIDE = 1 if settings().max_examples > 100 else 3
"""With "nightly" every statement is died at, else each third."""
CAME, BOOKED, PAID = "visit.logged", "booking.created", "payment.received"
BIRTHDAY: Json = {"date": {"field": "date_of_birth", "when": "on", "time": "09:00"}}


def by_birthday(tenant: Tenant, *steps: Json) -> UUID:
    """Return a journey that begins on birthdays and is there since the day before NOW's."""
    made = journey(tenant.id, steps, active=False, trigger_type="DATE", trigger_config=BIRTHDAY, reentry="after_exit")
    lifecycle.activate(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW - DAY)
    return made.id


def tick(tenant_id: UUID, now: Any) -> int:
    """Do all that is due, as a worker does."""
    total = 0
    while done := timed.run_due(tenant_id=tenant_id, now=now) or advance_batch(tenant_id=tenant_id, now=now, limit=7):
        total += done
    return total


def entered(tenant_id: UUID) -> Counter[UUID]:
    return Counter(row.customer_id for row in rows(tenant_id, "SELECT customer_id FROM journey_enrollment"))


def test_news_late_and_in_any_order_comes_to_the_same(tenant: Tenant) -> None:
    awaited = step("w", "WAIT", "s", {"event_type": CAME, "timeout": "9 days"}, next_timeout="s")
    made = journey(tenant.id, [awaited, send("s", None, template(tenant.id))], goal={"event_type": BOOKED})
    found = set()
    for order in permutations((CAME, PAID, BOOKED, CAME)):
        for together_ in (1, 2, 4):
            [who] = people(tenant.id)
            admit(tenant.id, made.id, [who])
            run(tenant.id)
            told: list[AppliedEvent] = [event(who, type=one) for one in order]
            for at in range(0, 4, together_):
                happen(tenant.id, *told[at : at + together_], now=NOW + HOUR)
            run(tenant.id, NOW + HOUR)
            found.add((statuses(tenant.id)[who], tuple(paths(tenant.id)[who])))
    assert found == {(("EXITED", "goal"), (("trigger", "COMPLETED"), ("w", "SKIPPED")))}
    assert rows(tenant.id, "SELECT 1 FROM message") == []
    check_counters(tenant.id, made.id)


def test_three_schedulers_let_everybody_in_once(app: Flask, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed, "AT_ONCE", 20)
    made = by_birthday(tenant, tag("u", "s", "x"), send("s", None, template(tenant.id)))
    born = people(tenant.id, 90, date_of_birth=NOW.date().replace(year=1990), timezone="Europe/London")
    people(tenant.id, 10, date_of_birth=date(1990, 1, 1))
    found = together(app, *[lambda: tick(tenant.id, NOW + HOUR)] * 3)
    assert all(isinstance(one, int) for one in found), found
    tick(tenant.id, NOW + HOUR)
    assert entered(tenant.id) == Counter(born)
    assert len(rows(tenant.id, "SELECT 1 FROM message")) == 90
    check_counters(tenant.id, made)


def test_who_finds_another_worker_letting_people_in_waits_for_nobody(
    app: Flask, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = by_birthday(tenant, tag("u", None, "x"))
    born = people(tenant.id, 3, date_of_birth=NOW.date().replace(year=1990), timezone="Europe/London")
    real = timed.enrol
    found: list[Any] = []

    def look() -> int:
        with transaction(tenant.id) as session:
            session.execute(text("SET LOCAL lock_timeout = '3s'"))
            return timed.run_due(tenant_id=tenant.id, now=NOW + HOUR)

    def meanwhile(*given: Any) -> Any:
        found.extend(together(app, look))
        return real(*given)

    monkeypatch.setattr(timed, "enrol", meanwhile)
    assert timed.run_due(tenant_id=tenant.id, now=NOW + HOUR) == 3
    assert found == [0]
    assert entered(tenant.id) == Counter(born)
    check_counters(tenant.id, made)


def test_a_scheduler_that_dies_at_any_statement_loses_and_doubles_nothing(tenant: Tenant) -> None:
    """Each time the calendar lets somebody in, and somebody else stands at a step that was removed."""
    letter = template(tenant.id)
    for statement in range(1, 500, STRIDE):
        made = by_birthday(tenant, wait("w", "s", "9 days"), send("s", None, letter))
        on: Json = {"tenant_id": tenant.id, "journey_id": made, "actor": "system"}
        who = people(tenant.id) + people(tenant.id, date_of_birth=NOW.date().replace(year=1990))
        admit(tenant.id, made, who[:1])
        tick(tenant.id, NOW - HOUR)
        service.put_steps(**on, steps=[send("s", None, letter)])
        lifecycle.publish(**on, placements={"w": "s"})
        died = True
        try:
            with dying_at(statement):
                tick(tenant.id, NOW + HOUR)
                died = False
        except Killed:
            db.session.remove()
        tick(tenant.id, NOW + HOUR)
        assert entered(tenant.id) == Counter(who), statement
        sent = rows(tenant.id, "SELECT customer_id FROM message")
        assert Counter(row.customer_id for row in sent) == Counter(who), statement
        assert set(statuses(tenant.id).values()) == {("COMPLETED", "completed")}
        assert rows(tenant.id, "SELECT next_run_at FROM journey WHERE id = :id", id=made)[0][0] > NOW + HOUR
        check_counters(tenant.id, made)
        if not died:
            break
        rows(tenant.id, "DELETE FROM journey WHERE id = :id RETURNING 1", id=made)
        rows(tenant.id, "DELETE FROM message RETURNING 1")
        rows(tenant.id, "DELETE FROM customer RETURNING 1")
    assert 10 < statement < 499


def test_a_clock_that_jumps_lets_nobody_go_early_and_nobody_twice(tenant: Tenant) -> None:
    letter = template(tenant.id)
    made = by_birthday(tenant, wait("w", "s", "24 hours"), send("s", None, letter))
    born = people(tenant.id, 3, date_of_birth=NOW.date().replace(year=1990), timezone="Europe/London")
    by_hand = people(tenant.id, 3)
    admit(tenant.id, made, by_hand)
    for jump in (timedelta(), -HOUR, HOUR, -25 * HOUR, timedelta(), 23 * HOUR):
        tick(tenant.id, NOW + jump)
        assert rows(tenant.id, "SELECT 1 FROM message") == [], "nobody goes early"
    for jump in (25 * HOUR, -HOUR, 25 * HOUR, 50 * HOUR):
        tick(tenant.id, NOW + jump)
    assert entered(tenant.id) == Counter([*born, *by_hand])
    sent = Counter(row.customer_id for row in rows(tenant.id, "SELECT customer_id FROM message"))
    assert sent == Counter([*born, *by_hand])
    check_counters(tenant.id, made)


def test_who_unsubscribes_while_walking_is_out_and_gets_nothing(app: Flask, tenant: Tenant, sink: Sink) -> None:
    steps = [tag("u", "s", "x"), send("s", "w", template(tenant.id)), wait("w", "late", "1 day")]
    made = journey(
        tenant.id, [*steps, send("late", None, template(tenant.id, "Late"))], name="Walk", exit_on_unsubscribe=True
    )
    who = people(tenant.id, 80)
    gone, stay = who[:40], who[40:]
    admit(tenant.id, made.id, who)

    def leave() -> int:
        for one in gone:
            unsubscribe(tenant.id, one)
        return len(gone)

    def walk() -> int:
        total = 0
        while moved := advance_batch(tenant_id=tenant.id, now=NOW, limit=5):
            total += moved
        return total

    found = together(app, walk, walk, leave)
    assert all(isinstance(one, int) for one in found), found
    for later in (2 * HOUR, 2 * DAY):
        go_on(tenant, NOW + later)
    address = {row.id: row.email for row in rows(tenant.id, "SELECT id, email FROM customer")}
    arrived = Counter(letter.recipient for letter in sink.letters)
    assert arrived == Counter({address[one]: 2 for one in stay})
    told = statuses(tenant.id)
    assert {told[one] for one in gone} == {("EXITED", "unsubscribed")}
    assert {told[one] for one in stay} == {("COMPLETED", "completed")}
    check_counters(tenant.id, made.id)


def test_two_journeys_at_once_write_no_more_than_the_cap(app: Flask, tenant: Tenant, sink: Sink) -> None:
    cap = {"most": 1, "hours": 24, "channel": None}
    policy.save(tenant_id=tenant.id, actor="system", changes={"caps": [cap]}, now=NOW - DAY)
    who = people(tenant.id, 30)
    for name in ("One", "Two"):
        made = journey(tenant.id, [send("s", None, template(tenant.id, name))], name=name)
        admit(tenant.id, made.id, who)

    def work() -> int:
        total = 0
        while done := advance_batch(tenant_id=tenant.id, now=NOW, limit=5) or sender.send_batch(
            tenant_id=tenant.id, now=NOW, limit=7
        ):
            total += done
        return total

    found = together(app, *[work] * 4)
    assert all(isinstance(one, int) for one in found), found
    work()
    addresses = [row.email for row in rows(tenant.id, "SELECT email FROM customer")]
    assert Counter(letter.recipient for letter in sink.letters) == Counter(addresses)
    held = rows(tenant.id, "SELECT status, reason FROM message WHERE status <> 'sent'")
    assert {tuple(one) for one in held} == {("held", "frequency_cap")}
    go_on(tenant, NOW + DAY - timedelta(seconds=1))
    assert len(sink.letters) == 30, "a second too early"
    go_on(tenant, NOW + DAY + timedelta(minutes=1))
    assert Counter(letter.recipient for letter in sink.letters) == Counter(addresses * 2)


def test_people_who_are_merged_both_ways_while_they_walk(app: Flask, tenant: Tenant) -> None:
    awaited = step("w", "WAIT", "s", {"event_type": CAME, "timeout": "1 day"}, next_timeout="s")
    made = journey(tenant.id, [tag("u", "w", "x"), awaited, send("s", None, template(tenant.id))], allow_reentry=True)
    who = people(tenant.id, 40)
    pairs = list(zip(who[:20], who[20:], strict=True))
    admit(tenant.id, made.id, who)

    def merge(*, other_way: bool) -> int:
        for one, two in pairs:
            winner, loser = (two, one) if other_way else (one, two)
            with suppress(CannotMerge):
                merging.merge_customers(
                    tenant_id=tenant.id, winner_id=winner, loser_id=loser, actor="system", handlers=HANDLERS, now=NOW
                )
        return len(pairs)

    def come() -> int:
        for one in who:
            happen(tenant.id, event(one, type=CAME))
        return len(who)

    def walk() -> int:
        total = 0
        for _ in range(10):
            total += advance_batch(tenant_id=tenant.id, now=NOW, limit=5)
        return total

    found = together(app, walk, walk, come, lambda: merge(other_way=False), lambda: merge(other_way=True))
    assert all(isinstance(one, int) for one in found), found
    run(tenant.id, NOW + 2 * DAY)
    states = {row.id: row.status for row in rows(tenant.id, "SELECT id, status FROM customer")}
    assert Counter(states[one] for one in who) == Counter(ACTIVE=20, MERGED=20)
    assert all({states[one], states[two]} == {"ACTIVE", "MERGED"} for one, two in pairs)
    walks = rows(tenant.id, "SELECT customer_id, status, exit_reason FROM journey_enrollment")
    assert len(walks) == 40, "nobody's walk is lost"
    assert not [one for one in walks if one.status in ("ACTIVE", "FAILED")]
    assert all(one.exit_reason in ("completed", "merged") for one in walks)
    check_counters(tenant.id, made.id)
    assert queries.journey(tenant_id=tenant.id, journey_id=made.id).total_enrolled == 40
