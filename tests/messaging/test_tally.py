"""The kept numbers of a run are what counting its messages gives, whatever became of them; and so are responses."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from app.capture import service as capture
from app.events import log
from app.infra import clock
from app.infra.db import transaction
from app.infra.ids import new_id
from app.messaging import gate, results, runs, sender, service, tally
from app.messaging.runs import Content
from app.messaging.tally import Did, Kind
from app.messaging.tokens import TrackedLink
from app.messaging.tracking import Kind as Act
from app.messaging.tracking import Visit, record
from app.road import HANDLERS
from tests.messaging.conftest import NOON, MakeCustomer
from tests.messaging.sink import Sink

IN_A_MINUTE = timedelta(minutes=1)
PERSON = Visit("GET", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0")
ROBOT = Visit("GET", "Some-Scanner/1.0 (bot)")


class Run:
    """A run of some people, and its numbers, kept and counted by hand."""

    def __init__(self, tenant_id: UUID, template_id: UUID, people: list[UUID]) -> None:
        self.tenant_id, self.id = tenant_id, new_id()
        runs.make(tenant_id=tenant_id, run_id=self.id, now=NOON)
        runs.put(
            tenant_id=tenant_id,
            run_id=self.id,
            campaign_id=None,
            content=Content("EMAIL", template_id, 1, None),
            customers=people,
            due_at=NOON,
            now=NOON,
        )
        runs.open_(tenant_id=tenant_id, run_id=self.id, per_hour=None, now=NOON)

    def rows(self, query: str, **values: Any) -> list[Any]:
        with transaction(self.tenant_id) as session:
            return list(session.execute(text(query), {"run": self.id, **values}))

    @property
    def messages(self) -> list[UUID]:
        return [row.id for row in self.rows("SELECT id FROM message WHERE run_id = :run ORDER BY id")]

    def counts(self) -> Counter[tuple[str, str]]:
        """Return the kept numbers by state and reason, which are what counting gives."""
        found: Counter[tuple[str, str]] = Counter()
        for one in tally.counts(tenant_id=self.tenant_id, run_ids=[self.id]):
            found[one.what, one.reason] += one.number
        by_hand = Counter(
            (row.status, row.reason or "")
            for row in self.rows("SELECT status, reason FROM message WHERE run_id = :run")
        )
        did = Counter((row.kind, "") for row in self.rows("SELECT kind FROM message_response WHERE run_id = :run"))
        assert found == by_hand + did
        return found

    def send(self, after: timedelta = timedelta(0)) -> None:
        while sender.send_batch(tenant_id=self.tenant_id, now=NOON + after):
            self.counts()


@pytest.fixture
def run(tenant: Any, template: UUID, customer: MakeCustomer) -> Run:
    return Run(tenant.id, template, [customer() for _ in range(6)])


def test_through_every_fate(tenant: Any, template: UUID, customer: MakeCustomer, sink: Sink) -> None:
    """Sent, skipped, refused, failed for now and for good: after each batch."""
    people = [customer(email=f"p{place}@example.com") for place in range(8)]
    run = Run(tenant.id, template, [*people, customer(email=None), customer(email_opt_in=False)])
    assert run.counts() == {("queued", ""): 10}
    answers = {"p0@example.com": "550 5.1.1 no such mailbox", "p1@example.com": "451 later"}
    sink.on_recipient = lambda address, _nth: answers.get(address)
    run.send()
    assert run.counts() == {
        ("sent", ""): 6,
        ("failed", "refused"): 1,
        ("queued", "temporary_failure"): 1,
        ("skipped", "no_address"): 1,
        ("skipped", "opted_out"): 1,
    }
    for hour in range(1, 12):
        run.send(timedelta(hours=hour))
    assert run.counts()["failed", "gave_up"] == 1
    assert run.counts().total() == 10


def test_a_sender_that_died_is_counted_as_unknown(run: Run) -> None:
    gate.claim(tenant_id=run.tenant_id, limit=4, now=NOON)
    assert run.counts() == {("sending", ""): 4, ("queued", ""): 2}
    results.reconcile(tenant_id=run.tenant_id, now=NOON + timedelta(minutes=5))
    assert run.counts() == {("unknown", "interrupted"): 4, ("queued", ""): 2}


def test_what_is_rolled_back_is_not_counted(run: Run) -> None:
    with transaction(run.tenant_id) as session:
        undone = session.begin_nested()
        session.execute(text("UPDATE message SET status = 'sent' WHERE run_id = :run"), {"run": run.id})
        undone.rollback()
    assert run.counts() == {("queued", ""): 6}


def test_called_off_erased_and_deleted(run: Run) -> None:
    runs.close(tenant_id=run.tenant_id, run_id=run.id)
    assert runs.call_off(tenant_id=run.tenant_id, run_id=run.id, limit=2) == 2
    run.rows("DELETE FROM customer WHERE id = (SELECT min(customer_id::text)::uuid FROM message) RETURNING 1")
    assert run.counts().total() == 5
    run.rows("UPDATE message SET status = 'skipped', reason = 'erased' WHERE status = 'queued' RETURNING 1")
    assert run.counts()["queued", ""] == 0


def test_messages_of_no_run_are_nobody_s(run: Run, mailer: Any, customer: MakeCustomer, sink: Sink) -> None:
    [alone] = mailer.put(customer())
    run.send()
    with transaction(run.tenant_id) as session:
        tally.note(session, run.tenant_id, [Did(alone, Kind.OPENED, NOON)])
    assert run.counts() == {("sent", ""): 6}
    assert not run.rows("SELECT 1 FROM message_response")


@pytest.mark.parametrize(("source", "counted"), [("fairway", 1), ("crm", 0)])
def test_what_others_tell_of_messages_is_not_counted(run: Run, sink: Sink, source: str, counted: int) -> None:
    run.send()
    payload = {"message_id": str(run.messages[0]), "url": "https://club.example/"}
    told = SimpleNamespace(source=source, type="message.clicked", occurred_at=NOON, payload=payload)
    service.on_events(SimpleNamespace(tenant_id=run.tenant_id, now=NOON, events=[told], consent_changed=set()))
    assert run.counts()["clicked", ""] == counted


def test_put_together_it_says_the_same(run: Run, sink: Sink) -> None:
    gate.claim(tenant_id=run.tenant_id, limit=1, now=NOON)
    run.send()
    before = run.counts()
    assert len(run.rows("SELECT 1 FROM message_tally")) > len(before)
    tally.fold(tenant_id=run.tenant_id, run_ids=[run.id], many=1)
    assert run.counts() == before
    assert len(run.rows("SELECT 1 FROM message_tally")) == len(before)


def apply(tenant_id: UUID) -> None:
    while capture.process_batch(tenant_id=tenant_id, now=NOON + timedelta(hours=1), handlers=HANDLERS):
        pass


def test_opens_and_clicks_of_people_and_of_machines(run: Run, sink: Sink) -> None:
    run.send()
    first, second, third, *_ = run.messages
    for message, kind, visit in (
        (first, Act.OPENED, PERSON),
        (first, Act.CLICKED, PERSON),
        (second, Act.CLICKED, PERSON),
        (second, Act.OPENED, ROBOT),
        (third, Act.CLICKED, ROBOT),
    ):
        url = "https://club.example/book" if kind is Act.CLICKED else ""
        record(kind=kind, link=TrackedLink(run.tenant_id, message, url), visit=visit, now=NOON + IN_A_MINUTE)
    apply(run.tenant_id)
    found = run.counts()
    assert (found["opened", ""], found["clicked", ""]) == (2, 2)
    assert (found["machine_opened", ""], found["machine_clicked", ""]) == (2, 1)


def test_nobody_knows_who_opened_a_text(run: Run, sink: Sink) -> None:
    run.send()
    payload = {"message_id": str(run.messages[0]), "url": "https://club.example/", "channel": "SMS"}
    told = SimpleNamespace(source="fairway", type="message.clicked", occurred_at=NOON, payload=payload)
    service.on_events(SimpleNamespace(tenant_id=run.tenant_id, now=NOON, events=[told], consent_changed=set()))
    assert run.counts()["clicked", ""] == 1
    assert ("opened", "") not in run.counts()


def test_what_is_told_twice_counts_once(run: Run, sink: Sink) -> None:
    run.send()
    message = run.messages[0]
    for day in range(3):
        link = TrackedLink(run.tenant_id, message, "")
        record(kind=Act.OPENED, link=link, visit=PERSON, now=NOON + timedelta(days=day, minutes=1))
        apply(run.tenant_id)
    assert run.counts()["opened", ""] == 1


@pytest.mark.parametrize(
    ("type_", "more", "kind"),
    [
        ("message.bounced", {}, Kind.BOUNCED),
        ("message.bounced", {"bounce": "soft"}, Kind.SOFT_BOUNCED),
        ("message.complained", {}, Kind.COMPLAINED),
        ("message.unsubscribed", {}, Kind.UNSUBSCRIBED),
    ],
)
def test_what_comes_back(run: Run, sink: Sink, type_: str, more: dict[str, Any], kind: Kind) -> None:
    run.send()
    row = run.rows("SELECT id, customer_id FROM message WHERE run_id = :run ORDER BY id LIMIT 1")[0]
    for place, named in enumerate((str(row.id), str(new_id()), "none", 7)):
        event = {
            "id": f"{type_}:{place}",
            "type": type_,
            "source": "fairway",
            "timestamp": NOON.isoformat(),
            "identity": {"customer_id": str(row.customer_id)},
            "payload": {"message_id": named, **more},
        }
        log.append(tenant_id=run.tenant_id, events=[event], own=True, now=NOON)
    apply(run.tenant_id)
    assert run.counts()[kind, ""] == 1
    assert len(run.rows("SELECT 1 FROM message_response")) == 1


@pytest.mark.committed
def test_many_at_once(app: Flask, tenant: Any, template: UUID, customer: MakeCustomer) -> None:
    """Senders, readers, and whoever puts the numbers together, all at the same time."""
    run = Run(tenant.id, template, [customer() for _ in range(120)])

    def claim() -> None:
        with app.app_context():
            claimed = gate.claim(tenant_id=tenant.id, limit=10, now=clock.now())
            endings = [results.Ending(one["id"], results.Status.SENT, None, sent_at=NOON) for one in claimed.letters]
            results.record(tenant_id=tenant.id, attempt_id=claimed.attempt_id, endings=endings)

    def respond(place: int) -> None:
        with app.app_context(), transaction(tenant.id) as session:
            told = [Did(one, Kind.OPENED, NOON) for one in messages[place * 3 : place * 3 + 6]]
            tally.note(session, tenant.id, told)

    def fold() -> None:
        with app.app_context():
            tally.fold(tenant_id=tenant.id, run_ids=[run.id], many=1)

    messages = run.messages
    with ThreadPoolExecutor(6) as pool:
        done = [pool.submit(act) for _ in range(15) for act in (claim, fold)]
        done += [pool.submit(respond, place) for place in range(39)]
        for one in done:
            one.result()
    found = run.counts()
    assert (found["sent", ""], found["opened", ""]) == (120, 120)
    fold()
    assert run.counts() == found
