"""Several senders at once, and one that dies: counted at the SMTP peer. Real commits, a database of its own."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.content import service as content
from app.infra import clock
from app.infra.db import db, transaction
from app.messaging import outbox, results, sender
from tests.messaging.sink import Sink

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


@pytest.mark.committed
def test_senders_side_by_side_send_each_letter_once(app: Flask, tenant: Any, crowd: int, sink: Sink) -> None:
    faults: list[BaseException] = []

    def work() -> None:
        try:
            with app.app_context():
                while sender.send_batch(tenant_id=tenant.id, now=clock.now(), limit=20):
                    pass
                db.session.remove()
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert fates(tenant.id) == {"sent": crowd}
    assert len(sink.letters) == len({letter.recipient for letter in sink.letters}) == crowd
    with transaction(tenant.id) as session:
        assert session.execute(text("SELECT count(*) FROM activity")).scalar_one() == crowd


@pytest.mark.committed
def test_a_killed_sender_loses_nothing_silently_and_doubles_nothing(tenant: Any, crowd: int, sink: Sink) -> None:
    sink.on_letter = lambda _address, _nth: time.sleep(0.003)
    for _ in range(2):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tenant.id)], stdout=subprocess.PIPE, env=os.environ
        )
        assert worker.stdout is not None
        worker.stdout.readline()
        before = len(sink.letters)
        while worker.poll() is None and len(sink.letters) < before + 30:
            time.sleep(0.005)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
    while sender.send_batch(tenant_id=tenant.id, now=clock.now()):
        pass
    stuck = fates(tenant.id).get("sending", 0)
    assert stuck <= 2 * 20
    results.reconcile(tenant_id=tenant.id, now=clock.now() + timedelta(minutes=3))
    after = fates(tenant.id)
    assert after.get("unknown", 0) == stuck
    assert sum(after.values()) == crowd
    assert max(Counter(letter.recipient for letter in sink.letters).values()) == 1
    assert after["sent"] <= len(sink.letters) <= after["sent"] + stuck
