"""Several senders at once, and one that dies: counted at the SMTP peer. Real commits, a database of its own."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text

from app.content import service as content
from app.infra import clock
from app.infra.db import db, transaction
from app.messaging import handing, in_hand, outbox, results, sender, settling, smtp_pool
from app.messaging.tokens import unsubscribe_token
from tests.messaging.conftest import Mailer, MakeCustomer
from tests.messaging.provider import TAKEN, put, reader
from tests.messaging.sink import Sink
from tests.segments.receiver import Receiver
from tests.waiting import until_all_begun_is_over

PEOPLE = 300

# A worker that sends until it is killed; the parent's environment names the database and the server.
WORKER = """
import sys
from uuid import UUID
from app.factory import create_app
from app.infra import clock
from app.messaging import sender
with create_app().app_context():
    print("ready", flush=True)
    while sender.send_batch(tenant_id=UUID(sys.argv[1]), now=clock.now(), limit=20):
        pass
"""


@pytest.fixture
def crowd(tenant: Any) -> int:
    """PEOPLE reachable customers with a message each."""
    template = content.create(
        tenant_id=tenant.id, name="Hello", subject="Hello", text="Hello {{ customer.first_name }}"
    )
    with transaction(tenant.id) as session:
        ids = session.execute(
            text(
                "INSERT INTO customer (tenant_id, first_name, email, email_opt_in)"
                " SELECT :tenant_id, 'Ann', 'p' || n || '@example.com', true FROM generate_series(1, :people) AS n"
                " RETURNING id"
            ),
            {"tenant_id": tenant.id, "people": PEOPLE},
        ).scalars()
        customer_ids = list(ids)
    outbox.put(
        tenant_id=tenant.id,
        template_id=template.id,
        customer_ids=customer_ids,
        dedupe_keys=[f"hello:{one}" for one in customer_ids],
    )
    return len(customer_ids)


def fates(tenant_id: Any) -> dict[str, int]:
    with transaction(tenant_id) as session:
        rows = session.execute(text("SELECT status, count(*) AS n FROM message GROUP BY status"))
        return {row.status: row.n for row in rows}


def send_all(tenant_id: UUID) -> None:
    while sender.send_batch(tenant_id=tenant_id, now=clock.now(), limit=20):
        pass


def at_work(app: Flask, number: int, act: Callable[[], None]) -> Callable[[], None]:
    """Let so many threads do it, each with its own connection; what is returned waits for them all."""
    faults: list[BaseException] = []

    def work() -> None:
        try:
            with app.app_context():
                act()
                db.session.remove()
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()

    def wait() -> None:
        for thread in threads:
            thread.join()
        assert not faults

    return wait


@pytest.mark.committed
def test_senders_side_by_side_send_each_letter_once(app: Flask, tenant: Any, crowd: int, sink: Sink) -> None:
    senders = at_work(app, 3, lambda: send_all(tenant.id))
    senders()
    assert fates(tenant.id) == {"sent": crowd}
    assert len(sink.letters) == len({letter.recipient for letter in sink.letters}) == crowd
    with transaction(tenant.id) as session:
        assert session.execute(text("SELECT count(*) FROM activity")).scalar_one() == crowd


def killed_at_work(tenant_id: UUID, at_work: Callable[[], bool]) -> None:
    """Start a worker, and kill it (-9) once `at_work` says so."""
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(tenant_id)], stdout=subprocess.PIPE, env=os.environ)
    assert worker.stdout is not None
    worker.stdout.readline()
    while worker.poll() is None and not at_work():
        time.sleep(0.005)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    worker.stdout.close()


@pytest.mark.committed
def test_of_a_killed_sender_only_what_it_was_handing_over_is_in_doubt(tenant: Any, crowd: int, sink: Sink) -> None:
    sink.on_letter = lambda _address, _nth: time.sleep(0.003)
    for _ in range(2):
        before = len(sink.letters)
        killed_at_work(tenant.id, lambda before=before: len(sink.letters) >= before + 30)  # type: ignore[misc]
    assert fates(tenant.id)["sending"] > 0
    settled = settling.settle(now=clock.now())
    assert set(settled) <= {"sent", "queued", "unknown"}
    assert settled.get("unknown", 0) <= 2 * smtp_pool.MAX_CONNECTIONS
    assert settling.settle(now=clock.now()) == {}
    while sender.send_batch(tenant_id=tenant.id, now=clock.now()):
        pass
    after = fates(tenant.id)
    assert (after["sent"], after.get("unknown", 0)) == (crowd - settled.get("unknown", 0), settled.get("unknown", 0))
    assert max(Counter(letter.recipient for letter in sink.letters).values()) == 1
    assert after["sent"] <= len(sink.letters)
    with transaction(tenant.id) as session:
        assert session.execute(text("SELECT count(*) FROM activity")).scalar_one() == after["sent"]


@pytest.mark.committed
def test_where_nobody_knows_what_a_killed_sender_offered_all_of_it_is_in_doubt(
    tenant: Any, crowd: int, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink.on_letter = lambda _address, _nth: time.sleep(0.003)
    killed_at_work(tenant.id, lambda: len(sink.letters) >= 30)
    # As after the machine started anew, when what was written last may be gone.
    monkeypatch.setattr(in_hand, "_boot", lambda: "another start")
    assert settling.settle(now=clock.now()) == {}
    while sender.send_batch(tenant_id=tenant.id, now=clock.now()):
        pass
    stuck = fates(tenant.id)["sending"]
    assert 0 < stuck <= 20
    results.reconcile(tenant_id=tenant.id, now=clock.now() + timedelta(minutes=3))
    after = fates(tenant.id)
    assert after.get("unknown", 0) == stuck
    assert sum(after.values()) == crowd
    assert max(Counter(letter.recipient for letter in sink.letters).values()) == 1
    assert after["sent"] <= len(sink.letters) <= after["sent"] + stuck


@pytest.mark.committed
def test_who_leaves_while_it_is_being_sent_gets_nothing_that_was_not_in_hand(
    app: Flask, real_db: str, tenant: Any, crowd: int, sink: Sink
) -> None:
    sink.on_letter = lambda _address, _nth: time.sleep(0.002)
    with transaction(tenant.id) as session:
        people = session.execute(text("SELECT id, email FROM customer ORDER BY email DESC")).all()
    senders = at_work(app, 2, lambda: send_all(tenant.id))
    stayed_away: list[tuple[str, UUID]] = []
    http = app.test_client()
    for person in people[::3]:
        token = unsubscribe_token(tenant.id, person.id, person.id)
        assert http.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"}).status_code == 200
        # Some of them may hold what they let out.
        until_all_begun_is_over(real_db)
        with transaction(tenant.id) as session:
            row = session.execute(
                text("SELECT id, status FROM message WHERE customer_id = :id"), {"id": person.id}
            ).one()
        if row.status in ("queued", "held", "skipped"):
            stayed_away.append((person.email, row.id))
    senders()
    # The events of leaving are applied by nobody here; what waits for them waits half a minute.
    while sender.send_batch(tenant_id=tenant.id, now=clock.now() + timedelta(minutes=1)):
        pass
    assert stayed_away, "some were quicker than the senders"
    reached = {letter.recipient for letter in sink.letters}
    assert [email for email, _ in stayed_away if email in reached] == []
    with transaction(tenant.id) as session:
        rows = session.execute(
            text("SELECT DISTINCT status, reason FROM message WHERE id = ANY(:ids)"),
            {"ids": [message_id for _, message_id in stayed_away]},
        ).all()
    assert [tuple(row) for row in rows] == [("skipped", "opted_out")]
    assert max(Counter(letter.recipient for letter in sink.letters).values()) == 1
    # Nobody else missed it.
    left = {person.email for person in people[::3]}
    assert {person.email for person in people} - left <= reached


@pytest.mark.committed
def test_what_was_asked_for_is_sent_again_under_its_key_and_a_provider_that_knows_it_sends_once(
    tenant: Any, texter: Mailer, customer: MakeCustomer, provider: Receiver
) -> None:
    people = [reader(customer, phone=f"+2782475{number:04d}") for number in range(60)]
    messages = put(texter, *people, purpose="transactional", now=clock.now())
    provider.answers.extend([(201, {}, TAKEN)] * 1_000)
    provider.on_told = lambda _: time.sleep(0.01)
    killed_at_work(tenant.id, lambda: len(provider.told) >= 25)
    results.reconcile(tenant_id=tenant.id, now=clock.now() + timedelta(minutes=3))
    while sender.send_batch(tenant_id=tenant.id, now=clock.now() + timedelta(minutes=10)):
        pass
    keys = Counter(told.headers["idempotency-key"] for told in provider.told)
    assert set(keys) == {str(one) for one in messages}
    assert fates(tenant.id) == {"sent": len(messages)}
    # Without the key somebody would have had it twice: the killed senders had handed some over.
    assert max(keys.values()) > 1


@pytest.mark.committed
def test_of_a_killed_sender_of_texts_only_what_it_was_handing_over_is_in_doubt(
    tenant: Any, texter: Mailer, customer: MakeCustomer, provider: Receiver
) -> None:
    messages = put(texter, *(reader(customer, phone=f"+2782475{one:04d}") for one in range(60)), now=clock.now())
    provider.answers.extend([(201, {}, TAKEN)] * 1_000)
    provider.on_told = lambda _: time.sleep(0.01)
    killed_at_work(tenant.id, lambda: len(provider.told) >= 25)
    assert fates(tenant.id)["sending"] >= 20
    settled = settling.settle(now=clock.now())
    in_doubt = settled.get("unknown", 0)
    assert in_doubt <= handing.AT_ONCE
    while sender.send_batch(tenant_id=tenant.id, now=clock.now()):
        pass
    after = fates(tenant.id)
    assert (after["sent"], after.get("unknown", 0)) == (len(messages) - in_doubt, in_doubt)
    keys = Counter(told.headers["idempotency-key"] for told in provider.told)
    assert max(keys.values()) == 1
    assert len(keys) >= after["sent"]


ENDED = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %(name)s AND usename = current_user
"""


@pytest.mark.committed
def test_what_went_out_while_the_database_is_away_is_recorded_once_it_is_back(
    databases: Any, tenant: Any, mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    messages = mailer.put(*(customer() for _ in range(5)), now=clock.now())
    with transaction(tenant.id) as session:
        name = session.execute(text("SELECT current_database()")).scalar_one()

    def let_in(whom: bool) -> None:
        with psycopg.connect(databases.server, autocommit=True) as server:
            server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {whom}")
            if not whom:
                server.execute(ENDED, {"name": name})

    back = threading.Timer(1.5, let_in, (True,))

    def away(_address: str, _nth: int) -> None:
        if len(sink.letters) == 4:
            let_in(False)
            back.start()

    sink.on_letter = away
    assert sender.send_batch(tenant_id=tenant.id, now=clock.now()) == 5
    back.join()
    assert fates(tenant.id) == {"sent": 5}
    assert len(messages) == len(sink.letters) == 5
