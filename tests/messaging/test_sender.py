"""From the outbox to the other end: every letter once, every ending recorded. Counted at the SMTP peer."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.content import service as content
from app.infra.db import transaction
from app.messaging import compose, outbox, results, sender
from app.messaging.channel import Outcome, Result
from app.messaging.channels.email_smtp import EmailChannel
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.messaging.sink import Sink


def test_a_letter_reaches_its_reader_with_all_a_bulk_sender_needs(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, tenant: Any
) -> None:
    ann = customer(first_name="Zoë", email="zoe@example.com")
    [message] = mailer.put(ann)
    assert mailer.send() == 1
    [letter] = sink.letters
    mail = letter.mail
    assert (letter.sender, letter.recipient) == ("no-reply@fairway.example", "zoe@example.com")
    assert mail["Subject"] == "Welcome, Zoë"
    assert mail["From"] == f"{tenant.name} <no-reply@fairway.example>"
    assert mail["Message-ID"] == f"<{message}.{tenant.id}@localhost>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Unsubscribe"].startswith("<http://localhost/u/")
    assert mail["X-Fairway-Tenant"] == str(tenant.id)
    assert mail["Auto-Submitted"] is None
    html = mail.get_body(("html",)).get_content()
    assert "Hello Zoë" in html
    assert "https://club.example/book" not in html
    assert "http://localhost/t/c/" in html
    assert "http://localhost/t/o/" in html
    text_part = mail.get_body(("plain",)).get_content()
    assert "book (https://club.example/book?a=1&b=2)" in text_part
    assert "Unsubscribe: http://localhost/u/" in text_part


def test_a_sent_letter_is_recorded_on_message_customer_and_timeline(
    mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    ann = customer()
    [message] = mailer.put(ann)
    mailer.send()
    row = mailer.row(message)
    assert (row.status, row.reason, row.attempts, row.subject) == ("sent", None, 1, "Welcome, Ann")
    assert row.response == "250 taken"
    assert row.sent_at >= NOON
    assert mailer.one("SELECT last_email_sent_at FROM customer WHERE id = :id", id=ann) == row.sent_at
    with transaction(mailer.tenant_id) as session:
        activity = session.execute(text("SELECT * FROM activity WHERE customer_id = :id"), {"id": ann}).one()
    assert (activity.type, activity.category, activity.object_id) == ("message.sent", "MESSAGE", message)
    assert activity.title == "Was sent “Welcome, Ann”"


def test_one_intention_is_one_message(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> None:
    ann, ben = customer(), customer()
    first = mailer.put(ann)
    again = mailer.put(ann, ben)
    assert again[0] == first[0]
    mailer.send()
    mailer.put(ann, ben)
    mailer.send()
    assert len(sink.letters) == 2


def test_a_customer_who_does_not_exist_gets_no_message(mailer: Mailer, tenant: Any, customer: MakeCustomer) -> None:
    stranger = UUID(int=7)
    made = outbox.put(
        tenant_id=tenant.id,
        template_id=mailer.template_id,
        customer_ids=[stranger, customer()],
        dedupe_keys=["a", "b"],
        now=NOON,
    )
    assert set(made) == {"b"}


def test_each_of_many_gets_one_letter_in_several_batches(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> None:
    people = [customer() for _ in range(130)]
    mailer.put(*people)
    assert mailer.send() == 130
    assert len({letter.recipient for letter in sink.letters}) == len(sink.letters) == 130
    assert sink.connections <= 4


def test_the_trigger_event_of_a_journey_fills_the_letter(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, tenant: Any
) -> None:
    template = content.create(
        tenant_id=tenant.id, name="Event", subject="Tier {{ event.tier }}", text="At {{ club.name }}"
    ).id
    mailer.put(customer(), template_id=template, contexts=[{"event": {"tier": "Gold"}}])
    mailer.send()
    assert sink.letters[0].mail["Subject"] == "Tier Gold"
    assert "At Cape Links" in sink.letters[0].mail.get_content()


def test_temporary_refusals_are_tried_again_later_and_later(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> None:
    people = [customer(email=f"p{number}@example.com") for number in range(20)]
    sink.on_recipient = lambda _address, nth: "451 4.7.1 greylisted" if nth <= 2 else None
    messages = mailer.put(*people)
    mailer.send()
    assert not sink.letters
    row = mailer.row(messages[0])
    assert (row.status, row.reason, row.response) == ("queued", "temporary_failure", "451 4.7.1 greylisted")
    assert timedelta(seconds=7) < row.due_at - NOON < timedelta(seconds=15)
    assert len({mailer.row(one).due_at for one in messages}) > 1
    mailer.send(timedelta(seconds=20))
    mailer.send(timedelta(seconds=80))
    assert sorted(letter.recipient for letter in sink.letters) == sorted(f"p{one}@example.com" for one in range(20))
    assert {mailer.fate(one) for one in messages} == {("sent", None)}
    assert mailer.row(messages[0]).attempts == 3


def test_after_eight_attempts_it_gives_up(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> None:
    sink.on_letter = lambda _address, _nth: "452 4.3.1 full"
    [message] = mailer.put(customer())
    for hours in range(0, 20, 2):
        mailer.send(timedelta(hours=hours))
    assert mailer.fate(message) == ("failed", "gave_up")
    assert sum(sink.finished.values()) == 8


def test_waits_grow_up_to_an_hour() -> None:
    waits = [(sender.retry_at(attempts, NOON) - NOON).total_seconds() for attempts in range(1, 9)]
    assert all(8 <= waits[0] <= 12 for _ in waits)
    assert waits == sorted(waits) or waits[-1] > 2800
    assert max(waits) <= 3600 * 1.2


def test_a_refused_address_fails_alone_and_a_dead_one_is_suppressed(
    mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    answers = {"dead@example.com": "550 5.1.1 no such user", "policy@example.com": "550 5.7.1 not wanted here"}
    sink.on_recipient = lambda address, _nth: answers.get(address)
    people = [customer(email=address) for address in answers] + [customer() for _ in range(40)]
    messages = mailer.put(*people)
    mailer.send()
    assert len(sink.letters) == 40
    assert [mailer.fate(one) for one in messages[:2]] == [("failed", "refused")] * 2
    assert {mailer.fate(one) for one in messages[2:]} == {("sent", None)}
    assert mailer.one("SELECT array_agg(address_key || ' ' || reason) FROM suppression") == [
        "dead@example.com hard_bounce"
    ]
    [again] = mailer.put(people[0], key="second")
    mailer.send()
    assert mailer.fate(again) == ("skipped", "suppressed")


def test_a_connection_lost_before_the_letter_is_retried_and_after_it_is_unknown(
    mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    early = [customer(email=f"early{number}@example.com") for number in range(3)]
    late = [customer(email=f"late{number}@example.com") for number in range(3)]
    sink.on_recipient = lambda address, nth: "drop" if address.startswith("early") and nth == 1 else None
    sink.on_letter = lambda address, _nth: "drop" if address.startswith("late") else None
    messages = mailer.put(*early, *late, *[customer() for _ in range(30)])
    mailer.send()
    mailer.send(timedelta(minutes=1))
    mailer.send(timedelta(minutes=5))
    fates = [mailer.fate(one) for one in messages]
    assert fates[:3] == [("sent", None)] * 3
    assert fates[3:6] == [("unknown", "no_answer")] * 3
    assert set(fates[6:]) == {("sent", None)}
    assert len(sink.letters) == len({letter.recipient for letter in sink.letters}) == 36


def test_a_connection_lost_in_the_middle_of_a_large_letter_is_retried(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, tenant: Any
) -> None:
    words = "x" * 75 + "\n"
    template = content.create(tenant_id=tenant.id, name="Large", subject="Large", text=words * 6_000).id
    sink.on_recipient = lambda _address, nth: "drop-early" if nth == 1 else None
    parts = [customer() for _ in range(2)]
    # Larger than what the two sockets can hold, so that the end of the letter can't have left.
    messages = mailer.put(*parts, template_id=template, contexts=[{}, {}])
    mailer.send()
    mailer.send(timedelta(minutes=1))
    assert {mailer.row(one).status for one in messages} <= {"sent", "unknown"}
    assert len(sink.letters) == sum(mailer.row(one).status == "sent" for one in messages)


def test_without_a_server_nothing_is_lost_and_the_queue_is_left_alone(mailer: Mailer, customer: MakeCustomer) -> None:
    messages = mailer.put(*[customer() for _ in range(sender.SMALLEST_BATCH + 10)])
    # The first to find out goes on with what other channels have; who finds out again has nothing else to do.
    assert sender.send_batch(tenant_id=mailer.tenant_id, now=NOON, limit=10) == 10
    assert sender.send_batch(tenant_id=mailer.tenant_id, now=NOON, limit=10) == 0
    fates = [mailer.fate(one) for one in messages]
    assert fates.count(("queued", "temporary_failure")) == 20
    assert fates.count(("queued", None)) == sender.SMALLEST_BATCH - 10


def test_a_template_that_fails_for_one_fails_for_one(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, tenant: Any
) -> None:
    template = content.create(
        tenant_id=tenant.id, name="Poison", subject="Hi", text="{{ 10 | divided_by: customer.handicap_index }}"
    ).id
    people = [customer(handicap_index=number) for number in (2, 0, 5)]
    messages = mailer.put(*people, template_id=template)
    mailer.send()
    assert [mailer.row(one).status for one in messages] == ["sent", "failed", "sent"]
    row = mailer.row(messages[1])
    assert row.reason == "render_error"
    assert "divide by 0" in row.response
    assert len(sink.letters) == 2


def test_an_interrupted_marketing_letter_is_unknown_and_a_transactional_one_goes_out_again(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, tenant: Any
) -> None:
    from app.messaging.gate import claim

    [marketing] = mailer.put(customer())
    transactional = outbox.put_one(
        tenant_id=tenant.id,
        to_address="owner@example.com",
        dedupe_key="test:1",
        template_id=mailer.template_id,
        now=NOON,
    )
    assert len(claim(tenant_id=tenant.id, limit=10, now=NOON).letters) == 2
    assert results.reconcile(tenant_id=tenant.id, now=NOON + timedelta(seconds=90)) == {}
    later = timedelta(minutes=3)
    assert results.reconcile(tenant_id=tenant.id, now=NOON + later) == {"unknown": 1, "queued": 1}
    mailer.send(later)
    assert mailer.fate(marketing) == ("unknown", "interrupted")
    assert mailer.fate(transactional) == ("sent", None)
    [letter] = sink.letters
    assert letter.message_id == f"<{transactional}.{tenant.id}@localhost>"
    assert letter.mail["Auto-Submitted"] == "auto-generated"
    assert letter.mail["List-Unsubscribe"] is None
    assert "/t/c/" not in letter.mail.get_body(("html",)).get_content()


def test_a_slow_sender_that_was_given_up_still_records_what_it_knows(
    mailer: Mailer, customer: MakeCustomer, tenant: Any
) -> None:
    from app.messaging.gate import claim
    from app.messaging.states import Status

    [message] = mailer.put(customer())
    claimed = claim(tenant_id=tenant.id, limit=10, now=NOON)
    results.reconcile(tenant_id=tenant.id, now=NOON + timedelta(minutes=3))
    ending = results.Ending(message, Status.SENT, None, "250 ok", "Welcome", sent_at=NOON + timedelta(minutes=4))
    results.record(tenant_id=tenant.id, attempt_id=claimed.attempt_id, endings=[ending])
    assert mailer.fate(message) == ("sent", None)
    results.record(
        tenant_id=tenant.id,
        attempt_id=claimed.attempt_id,
        endings=[results.Ending(message, Status.FAILED, None, "late")],
    )
    assert mailer.fate(message) == ("sent", None)


def test_a_message_of_a_channel_that_is_gone_fails_alone(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, tenant: Any
) -> None:
    messages = mailer.put(customer(), customer())
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE message SET channel = 'FAX' WHERE id = :id"), {"id": messages[0]})
    mailer.send()
    assert [mailer.fate(one) for one in messages] == [("failed", "no_channel"), ("sent", None)]


def test_a_letter_may_name_where_word_of_its_failing_goes_and_a_server_how_long_it_waits(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = compose.compose
    monkeypatch.setattr(
        compose, "compose", lambda **given: replace(built(**given), return_path="bounce+word@returns.example")
    )
    [message] = mailer.put(customer())
    mailer.send()
    [letter] = sink.letters
    assert letter.sender == "bounce+word@returns.example"
    assert letter.mail["From"].addresses[0].addr_spec == "no-reply@fairway.example"

    asked = Outcome(Result.RETRY, "429 later", 429, retry_after=timedelta(hours=3))
    monkeypatch.setattr(EmailChannel, "deliver", lambda self, batch: [asked for _ in batch])
    [message] = mailer.put(customer(), key="later")
    mailer.send()
    assert mailer.fate(message) == ("queued", "temporary_failure")
    assert mailer.row(message).due_at >= NOON + timedelta(hours=3)
