"""Applying events: what they change, in any order; who is told; what a bad one costs."""

import random
import string
import threading
import time
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.capture import service
from app.capture.batch import Batch
from app.events import log
from app.events import service as events
from app.events.capture_lock import GROWTH_SPACE, LOCK_SPACE
from app.events.service import NotFailed
from tests.capture.people import NOW, START, event, member, owner, people, post, query


def test_an_activity_tells_the_event(tenant: Any) -> None:
    payload = {"tee_time": "2026-10-05T17:27+00:00", "holes": 18, "club": "Cape Links Golf Club"}
    post(tenant, event(1, "teetime.booked", payload, email="ann@example.com"))
    (row,) = query(tenant, "SELECT a.*, e.id AS event FROM activity a JOIN inbound_event e ON e.id = a.object_id")
    assert (row.id, row.object_type, row.category, row.type) == (row.event, "event", "GOLF", "teetime.booked")
    assert row.title == "Tee time booked for 5 Oct, 17:27, 18 holes"
    (person,) = query(tenant, "SELECT * FROM customer")
    assert person.club_id == row.club_id != None  # noqa: E711
    assert (person.last_activity_at, person.last_activity_type) == (row.occurred_at, "teetime.booked")


def test_an_amount_is_told_as_the_organisation_writes_it(tenant: Any) -> None:
    query(tenant, "UPDATE tenant SET locale = 'de_DE' RETURNING id")
    post(tenant, event(1, "payment.received", {"amount": "1436.62", "currency": "EUR"}, email="ann@example.com"))
    (row,) = query(tenant, "SELECT title FROM activity")
    assert row.title == "Payment received EUR 1.436,62"


def test_a_late_event_never_undoes_a_newer_one(tenant: Any) -> None:
    post(tenant, member(5, "Ann", "M1", membership_tier="Gold", email="new@example.com"))
    post(tenant, member(2, "Anne", "M1", membership_tier="Silver", date_of_birth="1980-01-01", email="old@example.com"))
    post(tenant, event(1, email="older@example.com", scl_member_id="M1"))
    (row,) = query(tenant, "SELECT first_name, membership_tier, date_of_birth, email, last_activity_at FROM customer")
    assert (row.first_name, row.membership_tier, str(row.date_of_birth)) == ("Ann", "Gold", "1980-01-01")
    assert (row.email, row.last_activity_at) == ("new@example.com", START + timedelta(minutes=5))


def test_an_address_an_event_happens_to_carry_only_fills_a_blank(tenant: Any) -> None:
    post(tenant, event(2, scl_member_id="M1", email="work@example.com"))
    post(tenant, event(3, scl_member_id="M1", email="other@example.com"))
    assert [row.email for row in query(tenant, "SELECT email FROM customer")] == ["work@example.com"]
    post(tenant, member(1, "Ann", "M1", email="home@example.com"))
    assert [row.email for row in query(tenant, "SELECT email FROM customer")] == ["home@example.com"]
    assert len(query(tenant, "SELECT FROM contact_point")) == 3


@pytest.mark.parametrize("tier", ["membership_tier", "membershipTier"])
def test_both_spellings_of_the_tier(tenant: Any, tier: str) -> None:
    post(tenant, event(1, "scl.member.updated", {tier: "Platinum"}, scl_member_id="M1"))
    (row,) = query(tenant, "SELECT membership_tier, lifecycle_stage FROM customer")
    assert (row.membership_tier, row.lifecycle_stage) == ("Platinum", "MEMBER")


def test_consent_is_proven_and_only_channels_are_consents(tenant: Any) -> None:
    told: list[Batch] = []
    flags = {"email_opt_in": True, "sms_opt_in": "no", "is_admin_opt_in": True, "tenant_id": "x", "pushOptIn": False}
    post(tenant, event(1, "contactPreference.updated", flags, email="ann@example.com"), handlers=[told.append])
    (row,) = query(tenant, "SELECT email_opt_in, email_opt_in_at, sms_opt_in, push_opt_in FROM customer")
    assert tuple(row) == (True, START + timedelta(minutes=1), None, False)
    proofs = query(
        tenant, "SELECT channel, opted_in, how, source, address, evidence FROM consent_change ORDER BY channel"
    )
    assert [(row.channel, row.opted_in, row.how, row.source) for row in proofs] == [
        ("EMAIL", True, "event", "test"),
        ("PUSH", False, "event", "test"),
    ]
    assert proofs[0].address == "ann@example.com"
    assert proofs[0].evidence["payload"] == flags
    assert told[0].consent_changed == {owner(tenant, 1)}


def test_a_late_consent_is_recorded_and_changes_nothing(tenant: Any) -> None:
    told: list[Batch] = []
    post(tenant, event(5, "contactPreference.updated", {"email_opt_in": False}, email="ann@example.com"))
    post(
        tenant,
        event(2, "contactPreference.updated", {"email_opt_in": True}, email="ann@example.com"),
        handlers=[told.append],
    )
    assert [row.email_opt_in for row in query(tenant, "SELECT email_opt_in FROM customer")] == [False]
    assert len(query(tenant, "SELECT FROM consent_change")) == 2
    assert told[0].consent_changed == set()


def test_of_two_consents_of_one_moment_the_stricter_holds(tenant: Any) -> None:
    yes = event(1, "contactPreference.updated", {"email_opt_in": True}, email="ann@example.com")
    no = event(1, "contactPreference.updated", {"email_opt_in": False}, email="ann@example.com") | {"id": "other"}
    post(tenant, no)
    post(tenant, yes)
    assert [row.email_opt_in for row in query(tenant, "SELECT email_opt_in FROM customer")] == [False]


def test_handlers_are_told_once_a_batch_inside_its_transaction(tenant: Any) -> None:
    told: list[Batch] = []
    post(tenant, event(1, email="ann@example.com"), event(2, email="ann@example.com"), handlers=[told.append])
    (batch,) = told
    assert [(one.type, one.is_new) for one in batch.events] == [("pos.purchase", True), ("pos.purchase", False)]
    assert {one.customer_id for one in batch.events} == {owner(tenant, 1)}
    assert (batch.tenant_id, batch.now) == (tenant.id, NOW)


def test_a_bad_event_becomes_failed_and_holds_up_no_other(tenant: Any, caplog: pytest.LogCaptureFixture) -> None:
    def picky(batch: Batch) -> None:
        if any(one.payload.get("bad") for one in batch.events):
            raise ValueError("can't stand this one")

    bad = event(2, payload={"bad": True}, email="bob@example.com")
    post(tenant, event(1, email="ann@example.com"), bad, event(3, email="carl@example.com"), handlers=[picky])
    rows = query(tenant, "SELECT id, event_id, status, reason, attempts FROM inbound_event ORDER BY event_id")
    assert [row.status for row in rows] == ["processed", "failed", "processed"]
    assert rows[1].reason == "ValueError: can't stand this one"
    assert len(query(tenant, "SELECT FROM customer")) == 2

    events.retry(tenant_id=tenant.id, event_id=rows[1].id)
    while service.process_batch(tenant_id=tenant.id, now=NOW):
        pass
    (row,) = query(tenant, "SELECT status, reason FROM inbound_event WHERE event_id = 'e2'")
    assert tuple(row) == ("processed", None)
    with pytest.raises(NotFailed):
        events.retry(tenant_id=tenant.id, event_id=rows[1].id)


@pytest.mark.parametrize(
    "payload", [{"club": ["x"], "amount": {}}, {"first_name": 5, "date_of_birth": "never"}, {"holes": "\u202e"}]
)
def test_no_payload_stops_a_batch(tenant: Any, payload: dict[str, Any]) -> None:
    for number, type_ in enumerate(("teetime.booked", "scl.member.created", "contactPreference.updated", "odd.one")):
        post(tenant, event(number, type_, payload, email="ann@example.com"))
    assert {row.status for row in query(tenant, "SELECT status FROM inbound_event")} == {"processed"}


@pytest.mark.committed
def test_four_at_once_make_one_person_and_each_event_once(app: Flask, real_db: str) -> None:
    from tests.conftest import make_tenant

    tenant = make_tenant()
    events = [event(n, email="ann@example.com", phone_number="0827688932", scl_member_id="M1") for n in range(40)]
    failures: list[BaseException] = []

    def client(offset: int) -> None:
        with app.app_context():
            try:
                for at in range(0, 40, 5):
                    start = (at + offset * 10) % 40
                    log.append(tenant_id=tenant.id, events=events[start : start + 5][::-1], now=NOW)
                    service.process_batch(tenant_id=tenant.id, now=NOW)
            except BaseException as failure:
                failures.append(failure)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    while service.process_batch(tenant_id=tenant.id, now=NOW):
        pass
    counts = [
        len(query(tenant, statement))
        for statement in (
            "SELECT FROM customer",
            "SELECT FROM activity",
            "SELECT FROM inbound_event WHERE status = 'processed'",
        )
    ]
    assert counts == [1, 40, 40]


def be_at_work(connection: psycopg.Connection[Any], tenant: Any, *, growing: bool) -> None:
    """Hold what a worker holds who applies a batch; `growing`: who lets people become known, too."""
    connection.execute("SELECT pg_advisory_xact_lock_shared(%s, hashtext(%s))", [LOCK_SPACE, str(tenant.id)])
    if growing:
        connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [GROWTH_SPACE, str(tenant.id)])


@pytest.mark.committed
def test_what_says_nothing_new_waits_for_no_other_worker_and_anything_else_does(app: Flask, real_db: str) -> None:
    from tests.conftest import make_tenant

    tenant = make_tenant()
    post(tenant, event(1, email="ann@example.com"))
    log.append(
        tenant_id=tenant.id, events=[event(2, email="ann@example.com"), event(3, email="bob@example.com")], now=NOW
    )

    def work() -> None:
        with app.app_context():
            service.process_batch(tenant_id=tenant.id, now=NOW)

    applied = "SELECT event_id FROM inbound_event WHERE status = 'processed' ORDER BY event_id"
    with psycopg.connect(real_db) as other:
        be_at_work(other, tenant, growing=True)
        worker = threading.Thread(target=work)
        worker.start()
        deadline = time.monotonic() + 30
        waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND NOT granted)"
        while other.execute(waiting, [LOCK_SPACE]).fetchone() != (True,):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert [row.event_id for row in query(tenant, applied)] == ["e1", "e2"]
        # What the other one leaves is applied in the same turn.
        log.append(tenant_id=tenant.id, events=[event(4, email="bob@example.com", phone_number="0827688932")], now=NOW)
    worker.join()
    assert [row.event_id for row in query(tenant, applied)] == ["e1", "e2", "e3", "e4"]
    assert sorted(sorted(one) for one in people(tenant)) == [["e1", "e2"], ["e3", "e4"]]


@pytest.mark.committed
def test_a_full_batch_leaves_what_is_new_for_later_rather_than_wait(app: Flask, real_db: str) -> None:
    from tests.conftest import make_tenant

    tenant = make_tenant()
    post(tenant, event(1, email="ann@example.com"))
    known = [event(number, email="ann@example.com") for number in (2, 3)]
    log.append(tenant_id=tenant.id, events=[event(4, email="bob@example.com"), *known], now=NOW)
    waiting = "SELECT event_id FROM inbound_event WHERE status = 'received'"
    with psycopg.connect(real_db) as other:
        be_at_work(other, tenant, growing=True)
        assert service.process_batch(tenant_id=tenant.id, now=NOW, limit=3) == 2
        assert [row.event_id for row in query(tenant, waiting)] == ["e4"]
    assert service.process_batch(tenant_id=tenant.id, now=NOW, limit=3) == 1
    assert query(tenant, waiting) == []


@pytest.mark.committed
def test_a_turn_looks_once_at_what_it_leaves_for_later(app: Flask, real_db: str) -> None:
    from tests.conftest import make_tenant

    tenant = make_tenant()
    post(tenant, event(1, email="ann@example.com"))
    known = [event(number, email="ann@example.com") for number in (3, 4)]
    log.append(tenant_id=tenant.id, events=[event(2, email="bob@example.com"), *known], now=NOW)
    left: service.Left = {}
    with psycopg.connect(real_db) as other:
        be_at_work(other, tenant, growing=True)
        # The oldest is somebody's who is new; one by one, the others pass it.
        assert service.process_batch(tenant_id=tenant.id, now=NOW, limit=1, left=left) == 0
        assert service.process_batch(tenant_id=tenant.id, now=NOW, limit=1, left=left) == 1
        assert service.process_batch(tenant_id=tenant.id, now=NOW, limit=1, left=left) == 1
        assert len(left) == 1
    assert service.process_batch(tenant_id=tenant.id, now=NOW, limit=1, left=left) == 1
    assert left == {}
    assert query(tenant, "SELECT FROM inbound_event WHERE status = 'received'") == []
    assert [len(one) for one in sorted(people(tenant), key=len)] == [1, 3]


@pytest.mark.committed
def test_what_was_left_for_later_is_not_applied_twice(app: Flask, real_db: str) -> None:
    from tests.conftest import make_tenant

    tenant = make_tenant()
    log.append(tenant_id=tenant.id, events=[event(1, email="ann@example.com")], now=NOW)
    left: service.Left = {}
    with psycopg.connect(real_db) as other:
        be_at_work(other, tenant, growing=True)
        assert service.process_batch(tenant_id=tenant.id, now=NOW, limit=1, left=left) == 0
    # Another worker comes by, whom nothing holds up.
    assert service.process_batch(tenant_id=tenant.id, now=NOW) == 1
    assert service.process_batch(tenant_id=tenant.id, now=NOW, limit=1, left=left) == 0
    assert len(query(tenant, "SELECT FROM activity")) == 1
    assert len(query(tenant, "SELECT FROM customer")) == 1


@pytest.mark.committed
def test_people_become_known_beside_another_worker_and_are_joined_once_it_is_done(app: Flask, real_db: str) -> None:
    from tests.conftest import make_tenant

    tenant = make_tenant()
    post(tenant, member(1, "Ann", "M1", email="ann@example.com"), member(2, "Bob", "M2"))
    news = [
        event(3, scl_member_id="M2", email="bob@example.com"),
        event(4, email="cid@example.com"),
        event(5, email="cid@example.com", phone_number="+27827688932"),
        # Whose it is nobody can tell who doesn't know all of Ann and of Bob.
        event(6, scl_member_id="M2", email="ann@example.com"),
        event(7, email="ann@example.com"),
        event(8, email="dot@example.com"),
    ]
    waiting = "SELECT event_id FROM inbound_event WHERE status = 'received' ORDER BY event_id"
    with psycopg.connect(real_db) as other:
        be_at_work(other, tenant, growing=False)
        for some, rest in ((news[:3], []), (news[3:], ["e6", "e7"])):
            log.append(tenant_id=tenant.id, events=some, now=NOW)
            # As long as a batch is full, nobody waits for the other worker.
            assert service.process_batch(tenant_id=tenant.id, now=NOW, limit=3) == 3 - len(rest)
            assert [row.event_id for row in query(tenant, waiting)] == rest
    assert service.process_batch(tenant_id=tenant.id, now=NOW) == 2
    assert query(tenant, waiting) == []
    assert sorted(sorted(one) for one in people(tenant)) == [
        ["e1", "e7"],
        ["e2", "e3", "e6"],
        ["e4", "e5"],
        ["e8"],
    ]


def test_a_batch_holds_no_more_than_its_share_of_memory(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BATCH_BYTES", 100_000)
    # Nothing that Postgres could keep in less than it takes.
    large = {"words": "".join(random.Random(7).choices(string.ascii_letters, k=40_000))}
    log.append(tenant_id=tenant.id, events=[event(n, "odd.one", large, email="a@example.com") for n in range(6)])
    done = []
    while count := service.process_batch(tenant_id=tenant.id, now=NOW):
        done.append(count)
    assert sum(done) == 6
    assert max(done) <= 3
