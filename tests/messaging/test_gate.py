"""The gate: who is written to, who is not, and why. Each rule in the transaction that lets a message out."""

import subprocess
import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.content import service as content
from app.customers import consents, topics
from app.events import log
from app.infra.db import transaction
from app.messaging import gate, outbox, service
from app.messaging.states import REASON_WORDS, STATUS_TONES, STATUS_WORDS, Purpose, Reason, Status, reason_in_words
from app.messaging.suppression import SuppressedBecause, lift, page, suppress
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.messaging.sink import Sink
from tests.stack import ROOT


@pytest.mark.parametrize(
    ("fields", "fate"),
    [
        ({}, ("sent", None)),
        ({"email": None}, ("skipped", "no_address")),
        ({"email": "  "}, ("skipped", "no_address")),
        ({"email": "not an address"}, ("skipped", "invalid_address")),
        ({"email": "zoë@example.com"}, ("skipped", "invalid_address")),
        ({"email_opt_in": False}, ("skipped", "opted_out")),
        ({"email_opt_in": None}, ("held", "awaiting_consent")),
        ({"email_opt_in": None, "email": None}, ("skipped", "no_address")),
    ],
)
def test_who_is_written_to(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, fields: dict[str, Any], fate: tuple[str, str | None]
) -> None:
    [message] = mailer.put(customer(**fields))
    mailer.send()
    assert mailer.fate(message) == fate
    assert len(sink.letters) == (fate[0] == "sent")


def change_consent(mailer: Mailer, customer_id: UUID, consent: bool) -> None:
    with transaction(mailer.tenant_id) as session:
        session.execute(
            text("UPDATE customer SET email_opt_in = :consent WHERE id = :id"), {"consent": consent, "id": customer_id}
        )


def test_a_yes_that_comes_within_five_minutes_lets_the_message_out_at_once(
    mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    ann = customer(email_opt_in=None)
    [message] = mailer.put(ann)
    mailer.send()
    mailer.send(timedelta(minutes=3))
    assert mailer.fate(message) == ("held", "awaiting_consent")
    change_consent(mailer, ann, True)
    moment = timedelta(minutes=3, seconds=2)
    outbox.recheck(tenant_id=mailer.tenant_id, customer_ids=[ann], now=NOON + moment)
    mailer.send(moment)
    assert mailer.fate(message) == ("sent", None)


def test_a_yes_nobody_told_of_is_found_all_the_same(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> None:
    ann = customer(email_opt_in=None)
    [message] = mailer.put(ann)
    mailer.send()
    change_consent(mailer, ann, True)
    mailer.send(gate.CONSENT_RECHECK)
    assert mailer.fate(message) == ("sent", None)


def test_without_a_yes_within_five_minutes_it_is_skipped(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> None:
    [message] = mailer.put(customer(email_opt_in=None))
    for seconds in range(0, 310, 10):
        mailer.send(timedelta(seconds=seconds))
    assert mailer.fate(message) == ("skipped", "no_opt_in")
    assert not sink.letters


def test_a_no_while_it_is_held_skips_it(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> None:
    ann = customer(email_opt_in=None)
    [message] = mailer.put(ann)
    mailer.send()
    change_consent(mailer, ann, False)
    outbox.recheck(tenant_id=mailer.tenant_id, customer_ids=[ann], now=NOON)
    mailer.send()
    assert mailer.fate(message) == ("skipped", "opted_out")


def an_event(mailer: Mailer, id_: str = "e1", after: timedelta = timedelta(0), type: str = "pos.purchase") -> None:
    event = {"id": id_, "type": type, "timestamp": NOON.isoformat(), "identity": {"email": "x@example.com"}}
    [result] = log.append(tenant_id=mailer.tenant_id, events=[event], source_default="pos", now=NOON + after)
    assert result.status == "accepted"


def test_accepted_events_are_read_before_marketing_goes_out_for_half_a_minute_at_most(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, tenant: Any
) -> None:
    an_event(mailer)
    [message] = mailer.put(customer())
    transactional = outbox.put_one(
        tenant_id=tenant.id, to_address="o@example.com", dedupe_key="t", template_id=mailer.template_id, now=NOON
    )
    mailer.send()
    assert mailer.fate(message) == ("held", "events_pending")
    assert mailer.fate(transactional) == ("sent", None)
    mailer.send(timedelta(seconds=20))
    assert mailer.fate(message) == ("held", "events_pending")
    mailer.send(timedelta(seconds=30))
    assert mailer.fate(message) == ("sent", None)


def test_what_comes_in_later_is_not_waited_for(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> None:
    """Or nothing would go out for half a minute where events never end."""
    an_event(mailer)
    [first] = mailer.put(customer())
    [later] = mailer.put(customer(), key="later", now=NOON + timedelta(seconds=2))
    mailer.send(timedelta(seconds=2))
    assert mailer.fate(first) == mailer.fate(later) == ("held", "events_pending")
    an_event(mailer, "e2", timedelta(seconds=1))
    with transaction(mailer.tenant_id) as session:
        session.execute(text("UPDATE inbound_event SET status = 'processed' WHERE event_id = 'e1'"))
    batch = SimpleNamespace(
        tenant_id=mailer.tenant_id, now=NOON + timedelta(seconds=2), events=[], consent_changed=set()
    )
    service.on_events(batch)
    mailer.send(timedelta(seconds=3))
    assert mailer.fate(first) == ("sent", None)
    assert mailer.fate(later) == ("held", "events_pending")


def test_what_comes_in_later_is_waited_for_where_it_may_be_a_no(
    mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    [message] = mailer.put(customer())
    an_event(mailer, after=timedelta(seconds=1), type="message.unsubscribed")
    mailer.send(timedelta(seconds=2))
    assert mailer.fate(message) == ("held", "events_pending")
    mailer.send(timedelta(seconds=30))
    assert mailer.fate(message) == ("sent", None)


def test_a_process_that_has_read_no_event_yet_knows_which_may_be_a_no() -> None:
    asked = "from app.messaging import gate; print(*gate._of_consent())"
    told = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, check=True, capture_output=True, text=True)
    assert {"message.unsubscribed", "contactPreference.updated"} <= set(told.stdout.split())


def test_once_the_events_are_applied_it_goes_out_at_once(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> None:
    an_event(mailer)
    [message] = mailer.put(customer())
    mailer.send()
    batch = SimpleNamespace(tenant_id=mailer.tenant_id, now=NOON, events=[], consent_changed=set())
    service.on_events(batch)
    mailer.send()
    assert mailer.fate(message) == ("held", "events_pending")
    with transaction(mailer.tenant_id) as session:
        session.execute(text("UPDATE inbound_event SET status = 'processed'"))
    service.on_events(batch)
    mailer.send()
    assert mailer.fate(message) == ("sent", None)


def test_a_consent_that_changed_is_heard_of_by_events(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> None:
    ann, ben = customer(email_opt_in=None), customer(email_opt_in=None)
    messages = mailer.put(ann, ben)
    mailer.send()
    change_consent(mailer, ann, True)
    service.on_events(SimpleNamespace(tenant_id=mailer.tenant_id, now=NOON, events=[], consent_changed={ann}))
    mailer.send()
    assert [mailer.fate(one) for one in messages] == [("sent", None), ("held", "awaiting_consent")]


@pytest.mark.parametrize(
    ("because", "transactional"),
    [
        (SuppressedBecause.HARD_BOUNCE, "skipped"),
        (SuppressedBecause.COMPLAINT, "sent"),
        (SuppressedBecause.MANUAL, "sent"),
        (SuppressedBecause.INVALID, "skipped"),
    ],
)
def test_a_suppressed_address_gets_no_marketing_and_a_dead_one_nothing(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, tenant: Any, because: SuppressedBecause, transactional: str
) -> None:
    suppress(tenant_id=tenant.id, addresses=["Ann@Example.com", "ANN@example.com"], because=because)
    [message] = mailer.put(customer(email="ann@EXAMPLE.com"))
    mail = outbox.put_one(
        tenant_id=tenant.id, to_address="ann@example.com", dedupe_key="t", template_id=mailer.template_id, now=NOON
    )
    mailer.send()
    assert mailer.fate(message) == ("skipped", "suppressed")
    assert mailer.row(mail).status == transactional
    [entry] = page(tenant_id=tenant.id, q="ANN@").items
    lift(tenant_id=tenant.id, suppression_id=entry.id, reason="she asked us to", actor="system")
    [again] = mailer.put(customer(email="ann@EXAMPLE.com"), key="again")
    mailer.send()
    assert mailer.fate(again) == ("sent", None)


def test_a_message_goes_to_where_its_reader_is_reached_now(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> None:
    ann = customer(email=None)
    [message] = mailer.put(ann)
    with transaction(mailer.tenant_id) as session:
        session.execute(text("UPDATE customer SET email = 'new@example.com'"))
    mailer.send()
    assert sink.letters[0].recipient == "new@example.com"
    assert mailer.row(message).to_address == "new@example.com"


def test_a_merged_profile_s_message_follows_the_one_that_stayed(
    mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    winner = customer(email="stay@example.com", email_opt_in=False)
    loser = customer(email="gone@example.com", status="MERGED", merged_into_id=winner)
    [message] = mailer.put(loser)
    mailer.send()
    assert mailer.fate(message) == ("skipped", "opted_out")


def test_messages_wait_for_their_time(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> None:
    [message] = mailer.put(customer(), due_at=NOON + timedelta(hours=2))
    assert mailer.send(timedelta(hours=1)) == 0
    assert mailer.send(timedelta(hours=2)) == 1
    assert mailer.fate(message) == ("sent", None)


def test_another_tenant_s_messages_are_not_touched(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, other_tenant: Any
) -> None:
    from app.messaging import sender

    mailer.put(customer())
    assert sender.send_batch(tenant_id=other_tenant.id, now=NOON) == 0
    assert mailer.send() == 1


def test_every_state_and_reason_has_its_words() -> None:
    assert set(STATUS_WORDS) == set(STATUS_TONES) == set(Status)
    assert set(REASON_WORDS) == set(Reason)
    assert reason_in_words(None) == ""
    assert reason_in_words("something else") == "something else"


def say(mailer: Mailer, customer_id: UUID, channel: str, state: str, topic: str | None = None) -> None:
    topic_id = topics.named(tenant_id=mailer.tenant_id, name=topic).id if topic else None
    word = consents.Word(channel, consents.State(state), topic_id)
    proof = consents.Proof("staff", "phone")
    consents.record(tenant_id=mailer.tenant_id, customer_id=customer_id, words=[word], proof=proof, now=NOON)
    with transaction(mailer.tenant_id) as session:
        session.execute(text("UPDATE inbound_event SET status = 'processed'"))


@pytest.mark.parametrize(
    ("fields", "said", "fate"),
    [
        ({}, [], ("sent", None)),
        ({}, [("EMAIL", "unsubscribed", "news")], ("skipped", "topic_opted_out")),
        ({}, [("EMAIL", "unsubscribed", "tee-times")], ("sent", None)),
        ({}, [("SMS", "unsubscribed", "news")], ("sent", None)),
        ({}, [("EMAIL", "subscribed", "news"), ("ALL", "unsubscribed")], ("skipped", "stopped")),
        ({}, [("ALL", "unsubscribed"), ("ALL", "subscribed")], ("sent", None)),
        ({}, [("EMAIL", "subscribed", "news"), ("EMAIL", "unsubscribed")], ("skipped", "opted_out")),
        ({"email_opt_in": None}, [("EMAIL", "subscribed", "news")], ("sent", None)),
        ({"email_opt_in": None}, [("EMAIL", "subscribed", "tee-times")], ("skipped", "no_opt_in")),
        ({"email_opt_in": None}, [("EMAIL", "pending", "news")], ("skipped", "unconfirmed")),
        ({"email_opt_in": None}, [("EMAIL", "pending")], ("skipped", "no_opt_in")),
        ({"email_opt_in": False, "email_opt_in_at": NOON - timedelta(days=1)}, [], ("skipped", "opted_out")),
        (
            {"email_opt_in": False, "email_opt_in_at": NOON - timedelta(days=1)},
            [("EMAIL", "subscribed", "news")],
            ("sent", None),
        ),
    ],
)
def test_a_message_that_names_a_topic_asks_for_it(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, fields: dict[str, Any], said: list[Any], fate: Any
) -> None:
    ann = customer(**fields)
    for one in said:
        say(mailer, ann, *one)
    news = topics.named(tenant_id=mailer.tenant_id, name="news")
    [message] = mailer.put(ann, topic_id=news.id)
    mailer.send()
    mailer.send(gate.CONSENT_GRACE)
    assert mailer.fate(message) == fate


def test_a_topic_for_those_who_asked_for_it_takes_no_yes_from_the_channel(
    mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    made = topics.create(tenant_id=mailer.tenant_id, name="Offers of others", actor="system", opt_in_only=True)
    [message] = mailer.put(customer(), topic_id=made.id)
    mailer.send(gate.CONSENT_GRACE)
    assert mailer.fate(message) == ("skipped", "no_topic_opt_in")


def test_the_templates_topic_is_asked_where_the_message_names_none(
    mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    ann = customer()
    say(mailer, ann, "EMAIL", "unsubscribed", "news")
    news = topics.named(tenant_id=mailer.tenant_id, name="news")
    content.update(tenant_id=mailer.tenant_id, template_id=mailer.template_id, changes={"topic_id": news.id})
    [message] = mailer.put(ann)
    other = topics.named(tenant_id=mailer.tenant_id, name="tee-times")
    [second] = mailer.put(ann, key="other", topic_id=other.id)
    mailer.send()
    assert [mailer.fate(one) for one in (message, second)] == [("skipped", "topic_opted_out"), ("sent", None)]


def test_a_transactional_letter_asks_for_no_topic(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> None:
    ann = customer()
    say(mailer, ann, "ALL", "unsubscribed")
    news = topics.named(tenant_id=mailer.tenant_id, name="news")
    [message] = mailer.put(ann, topic_id=news.id, purpose=Purpose.TRANSACTIONAL)
    mailer.send()
    assert mailer.fate(message) == ("sent", None)
