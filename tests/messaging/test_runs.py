"""Runs: messages that go out together, share the way with others, keep to a limit, and stop within a batch."""

import threading
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from app.content import service as content
from app.infra.db import db, transaction
from app.infra.ids import new_id
from app.messaging import gate, outbox, results, runs, sender
from app.messaging.runs import Content
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.messaging.sink import Sink


class Runner:
    """Makes runs and lets them go at moments the test chooses."""

    def __init__(self, tenant_id: UUID, template_id: UUID) -> None:
        self.tenant_id = tenant_id
        self.content = Content("EMAIL", template_id, 1, None)

    def make(self, people: list[UUID], *, opened: bool = True, per_hour: int | None = None, **more: Any) -> UUID:
        run_id = new_id()
        runs.make(tenant_id=self.tenant_id, run_id=run_id, now=NOON)
        self.put(run_id, people, **more)
        if opened:
            self.open(run_id, per_hour)
        return run_id

    def put(self, run_id: UUID, people: list[UUID], **more: Any) -> int:
        return runs.put(
            tenant_id=self.tenant_id,
            run_id=run_id,
            campaign_id=None,
            content=self.content,
            customers=people,
            **{"due_at": NOON, "now": NOON} | more,
        )

    def open(self, run_id: UUID, per_hour: int | None = None, after: timedelta = timedelta(0)) -> None:
        runs.open_(tenant_id=self.tenant_id, run_id=run_id, per_hour=per_hour, now=NOON + after)

    def fates(self, run_id: UUID) -> runs.Fates:
        return runs.fates(tenant_id=self.tenant_id, run_ids=[run_id])[run_id]

    def claim(self, limit: int, after: timedelta = timedelta(0)) -> Counter[UUID | None]:
        """Return how many letters of which run one claim lets out."""
        found = gate.claim(tenant_id=self.tenant_id, limit=limit, now=NOON + after)
        return Counter(one["run_id"] for one in found.letters)


@pytest.fixture
def runner(tenant: Any, template: UUID) -> Runner:
    return Runner(tenant.id, template)


def crowd(customer: MakeCustomer, number: int) -> list[UUID]:
    return [customer() for _ in range(number)]


def test_a_run_sends_once_it_is_open(runner: Runner, mailer: Mailer, customer: MakeCustomer, sink: Sink) -> None:
    people = crowd(customer, 5)
    run = runner.make(people, opened=False)
    assert mailer.send() == 0
    runner.open(run)
    mailer.send()
    assert len(sink.letters) == len({one.recipient for one in sink.letters}) == 5
    assert runner.fates(run).sent == runner.fates(run).total == 5
    assert not runs.is_left(tenant_id=runner.tenant_id, run_id=run)


def test_who_is_put_in_again_gets_one_message(runner: Runner, customer: MakeCustomer) -> None:
    people = crowd(customer, 4)
    run = runner.make(people[:2])
    assert runner.put(run, people) == 2
    assert runner.put(run, people) == 0
    assert runner.fates(run).queued == 4


def test_paused_and_opened_again_leaves_no_gap_and_repeats_nothing(
    runner: Runner, mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    people = crowd(customer, 10)
    run = runner.make(people)
    sender.send_batch(tenant_id=runner.tenant_id, now=NOON, limit=4)
    runs.pause(tenant_id=runner.tenant_id, run_id=run)
    assert mailer.send(timedelta(minutes=1)) == 0
    assert len(sink.letters) == 4
    runner.open(run)
    mailer.send(timedelta(minutes=2))
    assert Counter(Counter(one.recipient for one in sink.letters).values()) == {1: 10}


def test_nothing_reopens_what_is_closed(runner: Runner, mailer: Mailer, customer: MakeCustomer) -> None:
    run = runner.make(crowd(customer, 2))
    runs.close(tenant_id=runner.tenant_id, run_id=run)
    runner.open(run)
    runs.pause(tenant_id=runner.tenant_id, run_id=run)
    runner.open(run)
    assert mailer.send() == 0


def test_a_run_goes_out_while_others_are_put_in_unless_it_is_over(
    runner: Runner, mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    people = crowd(customer, 5)
    run, over = runner.make(people[:2], opened=False), runner.make(people[:2], opened=False)
    runs.close(tenant_id=runner.tenant_id, run_id=over)
    for one in (run, over):
        runs.fill(tenant_id=runner.tenant_id, run_id=one)
    mailer.send()
    runner.put(run, people)
    mailer.send()
    assert Counter(one.recipient for one in sink.letters).total() == len({one.recipient for one in sink.letters}) == 5
    assert (runner.fates(run).sent, runner.fates(over).queued) == (5, 2)
    runner.open(run)
    runs.fill(tenant_id=runner.tenant_id, run_id=run)
    with transaction(runner.tenant_id) as session:
        assert runs.filling(session, runner.tenant_id, [run, over]) == []


def test_what_is_no_run_s_goes_first(runner: Runner, mailer: Mailer, customer: MakeCustomer) -> None:
    people = crowd(customer, 6)
    run = runner.make(people)
    # Later than the run's, and first all the same.
    mailer.put(*people[:4], now=NOON + timedelta(seconds=30))
    assert runner.claim(4, timedelta(minutes=1)) == {None: 4}
    assert runner.claim(4, timedelta(minutes=1)) == {run: 4}


def test_runs_share_what_room_there_is(runner: Runner, customer: MakeCustomer) -> None:
    people = crowd(customer, 30)
    first, second, paused = (runner.make(people, opened=one < 2) for one in range(3))
    assert runner.claim(20) == {first: 10, second: 10}
    assert runner.claim(20) == {first: 10, second: 10}
    assert runner.fates(paused).queued == 30


def test_a_run_keeps_to_its_limit(runner: Runner, customer: MakeCustomer) -> None:
    run = runner.make(crowd(customer, 40), per_hour=3600)
    assert runner.claim(100) == {run: 1}
    assert runner.claim(100) == {}
    assert runner.claim(100, timedelta(seconds=4)) == {run: 4}
    assert runner.claim(100, timedelta(seconds=4.5)) == {}
    # What it could not send for a while it does not send all at once.
    assert runner.claim(100, timedelta(minutes=5)) == {run: 6}


def test_a_run_with_a_limit_leaves_the_room_to_others(runner: Runner, customer: MakeCustomer) -> None:
    people = crowd(customer, 30)
    slow, quick = runner.make(people, per_hour=60), runner.make(people)
    assert runner.claim(20) == {slow: 1, quick: 19}


def test_who_is_skipped_takes_no_place_within_the_limit(runner: Runner, customer: MakeCustomer) -> None:
    run = runner.make([customer(email_opt_in=False), *crowd(customer, 2)], per_hour=60)
    out = [runner.claim(10, timedelta(minutes=6, seconds=second)) for second in range(3)]
    assert sum((one[run] for one in out), 0) == 1


def test_everybody_at_the_time_of_their_zone(runner: Runner, customer: MakeCustomer) -> None:
    here, there = customer(timezone="Africa/Johannesburg"), customer(timezone="Asia/Tokyo")
    nowhere = customer()
    run = runner.make(
        [here, there, nowhere],
        due_at=NOON + timedelta(hours=2),
        moments={"Asia/Tokyo": NOON, "Africa/Johannesburg": NOON + timedelta(hours=7)},
    )
    assert runner.claim(10) == {run: 1}
    assert runner.claim(10, timedelta(hours=2)) == {run: 1}
    assert runner.claim(10, timedelta(hours=6)) == {}
    assert runner.claim(10, timedelta(hours=7)) == {run: 1}


def test_what_is_called_off_is_skipped_and_told(runner: Runner, mailer: Mailer, customer: MakeCustomer) -> None:
    run = runner.make(crowd(customer, 7))
    runner.claim(2)
    runs.close(tenant_id=runner.tenant_id, run_id=run)
    assert runs.call_off(tenant_id=runner.tenant_id, run_id=run, limit=3) == 3
    assert runs.call_off(tenant_id=runner.tenant_id, run_id=run, limit=3) == 2
    assert runs.call_off(tenant_id=runner.tenant_id, run_id=run, limit=3) == 0
    found = runner.fates(run)
    assert (found.skipped, found.sending, found.total) == ({"cancelled": 5}, 2, 7)


def test_what_is_too_late_is_not_sent(mailer: Mailer, customer: MakeCustomer) -> None:
    (message,) = mailer.put(customer())
    with transaction(mailer.tenant_id) as session:
        session.execute(text("UPDATE message SET expires_at = :at"), {"at": NOON + timedelta(hours=1)})
    mailer.send(timedelta(hours=1))
    assert mailer.fate(message) == ("skipped", "expired")


def test_the_sum_holds_through_all_that_can_happen(
    runner: Runner, mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    refused, busy, lost, no = customer(), customer(), customer(), customer(email_opt_in=False)
    answers = {refused: "550 no", busy: "451 later", lost: "drop"}
    with transaction(runner.tenant_id) as session:
        rows = session.execute(text("SELECT id, email FROM customer"))
        by_address = {row.email: answers.get(row.id) for row in rows}
    sink.on_letter = lambda address, _nth: by_address[address]
    run = runner.make([refused, busy, lost, no])
    mailer.send(timedelta(minutes=6))
    found = runner.fates(run)
    assert found.total == 4
    assert (found.queued, found.unknown, sum(found.failed.values())) == (1, {"no_answer": 1}, 1)
    assert found.skipped == {"opted_out": 1}


@pytest.mark.committed
def test_nothing_goes_out_after_a_pause_but_what_was_in_hand(app: Flask, tenant: Any, sink: Sink) -> None:
    template = content.create(tenant_id=tenant.id, name="Hello", subject="Hello", text="Hello")
    with transaction(tenant.id) as session:
        people = list(
            session.scalars(
                text(
                    "INSERT INTO customer (tenant_id, first_name, email, email_opt_in)"
                    " SELECT :tenant_id, 'Ann', 'p' || n || '@example.com', true FROM generate_series(1, 300) AS n"
                    " RETURNING id"
                ),
                {"tenant_id": tenant.id},
            )
        )
    runner = Runner(tenant.id, template.id)
    run = runner.make(people)
    faults: list[BaseException] = []

    def work() -> None:
        try:
            with app.app_context():
                while sender.send_batch(tenant_id=tenant.id, now=NOON, limit=20):
                    pass
                db.session.remove()
        except BaseException as fault:
            faults.append(fault)

    half = threading.Event()

    def taken(_address: str, _nth: int) -> None:
        if len(sink.letters) == 100:
            half.set()

    sink.on_letter = taken
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert half.wait(60)
    runs.pause(tenant_id=tenant.id, run_id=run)
    at_pause = runner.fates(run)
    for thread in threads:
        thread.join()
    assert not faults
    # What was committed as `sending` when the pause returned: at most a batch of each sender.
    assert at_pause.sending <= 2 * 20
    assert len(sink.letters) == at_pause.sent + at_pause.sending
    runner.open(run)
    work()
    assert not faults
    assert runner.fates(run).sent == 300
    assert set(Counter(one.recipient for one in sink.letters).values()) == {1}


def test_journeys_and_our_own_letters_matter_more(mailer: Mailer, runner: Runner, customer: MakeCustomer) -> None:
    one = customer()
    mailer.put(one)
    runner.make([one])
    outbox.put_one(tenant_id=mailer.tenant_id, to_address="a@example.com", dedupe_key="x", builtin="invitation")
    with transaction(mailer.tenant_id) as session:
        assert sorted(session.scalars(text("SELECT priority FROM message"))) == [10, 50, 100]


def test_a_sender_that_died_leaves_its_part_of_a_run_unknown(runner: Runner, customer: MakeCustomer) -> None:
    run = runner.make(crowd(customer, 3))
    runner.claim(2)
    results.reconcile(tenant_id=runner.tenant_id, now=NOON + timedelta(minutes=3))
    found = runner.fates(run)
    assert (found.unknown, found.queued, found.total) == ({"interrupted": 2}, 1, 3)


@pytest.mark.parametrize("others", [0, 3_000])
def test_a_batch_reads_its_own_messages_whatever_the_statistics_say(
    runner: Runner, tenant: Any, other_tenant: Any, others: int
) -> None:
    """The first campaign of an organisation is sent from a table that was looked through when it was empty, or when it
    had only messages of others."""
    made = text("""
        INSERT INTO customer (tenant_id, first_name, email, email_opt_in)
        SELECT :tenant_id, 'Ann', 'ann' || n || '@example.com', true FROM generate_series(1, 2000) AS n RETURNING id
    """)
    theirs = text("""
        INSERT INTO message (tenant_id, channel, purpose, dedupe_key, status)
        SELECT :tenant_id, 'EMAIL', 'marketing', 'theirs ' || n, 'sent' FROM generate_series(1, :others) AS n
    """)
    with transaction(other_tenant.id) as session:
        session.execute(theirs, {"tenant_id": other_tenant.id, "others": others})
    with transaction(tenant.id) as session:
        # Only whose table it is may look it through.
        session.execute(text("SET LOCAL ROLE NONE"))
        session.execute(text("ANALYZE message"))
        session.execute(text("SET LOCAL ROLE fairway_app"))
        people = list(session.scalars(made, {"tenant_id": tenant.id}))
    runner.make(people)

    def read() -> int:
        with transaction(tenant.id) as session:
            # What is found by an index is counted with the index.
            return int(
                session.scalar(
                    text("""
                        SELECT sum(pg_stat_get_xact_tuples_fetched(indexrelid)) FROM pg_index
                        WHERE indrelid = CAST('message' AS regclass)
                    """)
                )
            )

    before = read()
    claimed = gate.claim(tenant_id=tenant.id, limit=50, now=NOON)
    endings = [
        results.Ending(one["id"], results.Status.SENT, None, "250", "News", NOON, customer_id=one["reader_id"])
        for one in claimed.letters
    ]
    results.record(tenant_id=tenant.id, attempt_id=claimed.attempt_id, endings=endings)

    assert len(endings) == 50
    # When it is claimed, let out and done with.
    assert read() - before < 50 * 4
