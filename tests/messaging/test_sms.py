"""SMS: to whom, in which words, over a provider's API or into the mailbox; and what its answers come to."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.content import service as content
from app.customers import consents, topics
from app.infra import config
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.http import Answer
from app.infra.ids import new_id
from app.infra.tokens import BadToken
from app.mailbox import queries as mailbox
from app.messaging import accounts, handing, phone, sender, short_links, suppression, twilio
from app.messaging.channel import Result
from app.messaging.states import Purpose
from app.messaging.suppression import SuppressedBecause
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.messaging.provider import LONG, SID, TAKEN, error, form, put, reader, set_up
from tests.page_client import PageClient
from tests.segments.receiver import Receiver


@pytest.mark.parametrize(
    ("fields", "fate"),
    [
        ({}, ("sent", None)),
        ({"phone": None}, ("skipped", "no_address")),
        ({"phone": "082 475 1967"}, ("skipped", "invalid_address")),
        ({"phone": "+0824751967"}, ("skipped", "invalid_address")),
        ({"sms_opt_in": False, "email_opt_in": True}, ("skipped", "opted_out")),
        ({"sms_opt_in": None, "email_opt_in": True}, ("held", "awaiting_consent")),
    ],
)
def test_who_is_texted(
    texter: Mailer, customer: MakeCustomer, fields: dict[str, Any], fate: tuple[str, str | None]
) -> None:
    [message] = put(texter, reader(customer, **fields))
    texter.send()
    assert texter.fate(message) == fate


def test_until_a_provider_is_named_texts_are_kept_in_the_mailbox(
    texter: Mailer, customer: MakeCustomer, tenant: Any
) -> None:
    ann = reader(customer)
    [message] = put(texter, ann)
    texter.send()
    [kept] = mailbox.list_mails(tenant_id=tenant.id).items
    assert (kept.channel, kept.to_address, kept.from_address) == ("SMS", "+27824751967", "SMS")
    said = mailbox.get(tenant_id=tenant.id, mail_id=kept.id).letter.text or ""
    code = re.search(r"http://localhost[:\d]*/s/(\w+) now", said) or re.search(r"/s/(\w+) now", said)
    assert code, said
    assert said.startswith("Hi Ann, book at ")
    assert said.rstrip().endswith("Reply STOP to opt out.")
    assert (short_links.read(code[1]).message_id, short_links.read(code[1]).url) == (message, LONG)
    row = texter.row(message)
    assert row.subject == f"Hi Ann, book at {LONG} now."[:79] + "…"
    with transaction(tenant.id) as session:
        told = session.execute(text("SELECT title, payload FROM activity WHERE type = 'message.sent'")).one()
        sent_at = session.execute(text("SELECT last_email_sent_at FROM customer WHERE id = :id"), {"id": ann}).scalar()
    assert told.title.startswith("Was sent by SMS: “Hi Ann, book at")
    assert told.payload["channel"] == "SMS"
    assert sent_at is None


def test_in_production_nobody_carries_texts_until_somebody_says_who(
    texter: Mailer, customer: MakeCustomer, tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRWAY_ENV", "production")
    config.load.cache_clear()
    [message] = put(texter, reader(customer))
    texter.send()
    monkeypatch.undo()
    config.load.cache_clear()
    assert texter.fate(message) == ("failed", "refused")
    assert "Settings → Channels" in texter.row(message).response
    assert not mailbox.list_mails(tenant_id=tenant.id).items


def test_a_provider_gets_a_form_and_what_it_needs_to_know_the_account(
    texter: Mailer, customer: MakeCustomer, provider: Receiver, tenant: Any
) -> None:
    provider.answer(201, body=TAKEN)
    [message] = put(texter, reader(customer))
    texter.send()
    assert texter.fate(message) == ("sent", None)
    [told] = provider.told
    said = form(told)
    assert (said["To"], said["From"]) == ("+27824751967", "+27110000000")
    assert "/hooks/sms/status/" in said["StatusCallback"]
    assert told.headers["idempotency-key"] == str(message)
    assert told.headers["authorization"].startswith("Basic ")
    assert "SM1" in texter.row(message).response
    # A messaging service chooses the sender itself.
    set_up(tenant.id, provider, sender="MG0123", closing="Antwort STOP beendet.")
    put(texter, reader(customer, phone="+27824751968"), key="second")
    texter.send()
    said = form(provider.told[-1])
    assert said["MessagingServiceSid"] == "MG0123"
    assert "From" not in said
    assert said["Body"].endswith("\nAntwort STOP beendet.")


def test_transactional_texts_say_nothing_of_stopping(
    texter: Mailer, customer: MakeCustomer, provider: Receiver
) -> None:
    put(texter, reader(customer, sms_opt_in=False), purpose=Purpose.TRANSACTIONAL)
    texter.send()
    assert "STOP" not in form(provider.told[0])["Body"]


@pytest.mark.parametrize(
    ("status", "body", "fate", "dead"),
    [
        (400, error(21211, "not a number"), ("failed", "refused"), True),
        (400, error(21614, "not a mobile number"), ("failed", "refused"), True),
        (400, error(21610, "unsubscribed recipient"), ("failed", "refused"), False),
        (400, error(21606, "From is not yours"), ("failed", "refused"), False),
        (401, error(20003, "authenticate"), ("queued", "temporary_failure"), False),
        (404, b"<html>no such page</html>", ("queued", "temporary_failure"), False),
        (429, error(20429, "too many"), ("queued", "temporary_failure"), False),
        (503, b"", ("queued", "temporary_failure"), False),
        (500, b"oops", ("unknown", "no_answer"), False),
        (504, b"", ("unknown", "no_answer"), False),
        (302, b"", ("queued", "temporary_failure"), False),
        (201, error(30001, "queue overflow", sid="SM2"), ("failed", "refused"), False),
        (201, b"not json", ("sent", None), False),
    ],
)
def test_what_an_answer_comes_to(
    texter: Mailer,
    customer: MakeCustomer,
    provider: Receiver,
    tenant: Any,
    status: int,
    body: bytes,
    fate: tuple[str, str | None],
    dead: bool,
) -> None:
    provider.answer(status, {"Location": "http://127.0.0.1:1/"} if status == 302 else None, body)
    [message] = put(texter, reader(customer))
    texter.send()
    assert texter.fate(message) == fate
    held = suppression.held(tenant_id=tenant.id, addresses=[("SMS", "+27824751967"), ("EMAIL", "+27824751967")])
    assert [name for name, _ in held] == (["SMS"] if dead else [])


def test_one_that_was_handed_over_and_never_answered_is_unknown_and_not_sent_again(
    texter: Mailer, customer: MakeCustomer, provider: Receiver
) -> None:
    def hang_up(_: Any) -> None:
        raise ConnectionAbortedError

    provider.server.handle_error = lambda *_: None  # type: ignore[method-assign,assignment]
    provider.on_told = hang_up
    [message] = put(texter, reader(customer))
    texter.send()
    texter.send(timedelta(hours=3))
    assert texter.fate(message) == ("unknown", "no_answer")
    assert len(provider.told) == 1


def test_one_that_never_left_is_sent_later(texter: Mailer, customer: MakeCustomer, provider: Receiver) -> None:
    origin = provider.origin
    provider.server.shutdown()
    provider.server.server_close()
    [message] = put(texter, reader(customer))
    texter.send()
    assert texter.fate(message) == ("queued", "temporary_failure")
    assert origin.removeprefix("http://").partition(":")[0] in texter.row(message).response


def test_a_provider_that_asks_for_a_pause_gets_it_for_the_whole_batch(
    texter: Mailer, customer: MakeCustomer, provider: Receiver
) -> None:
    for _ in range(sender.SMALLEST_BATCH):
        provider.answer(429, {"Retry-After": "3600"}, error(20429))
    people = [reader(customer, phone=f"+2782475{one:04d}") for one in range(sender.SMALLEST_BATCH)]
    messages = put(texter, *people)
    texter.send()
    rows = [texter.row(message) for message in messages]
    assert {row.reason for row in rows} == {"temporary_failure"}
    assert all(row.due_at >= NOON + timedelta(minutes=59) for row in rows)
    # Those that were on their way at that moment, and no others.
    assert len(provider.told) <= handing.AT_ONCE


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), ("0", 0), ("-5", 30), ("soon", 30), (None, 30), ("999999999999", 30), ("86400", 6 * 3600)],
)
def test_how_long_a_provider_is_left_alone(header: str | None, seconds: int) -> None:
    answer = Answer(429, {"retry-after": header} if header is not None else {})
    found = twilio.outcome_of(answer)
    assert found.result is Result.RETRY
    assert found.retry_after == timedelta(seconds=seconds)


def test_a_number_that_complained_gets_what_it_asked_for_and_no_news(
    texter: Mailer, customer: MakeCustomer, tenant: Any
) -> None:
    suppression.suppress(
        tenant_id=tenant.id, addresses=["+27824751967"], because=SuppressedBecause.COMPLAINT, channel_name="SMS"
    )
    ann = reader(customer)
    [news] = put(texter, ann)
    [answer] = put(texter, ann, key="asked", purpose=Purpose.TRANSACTIONAL)
    texter.send()
    assert texter.fate(news) == ("skipped", "suppressed")
    assert texter.fate(answer) == ("sent", None)


def test_a_topic_s_no_on_sms_says_nothing_of_e_mail(texter: Mailer, customer: MakeCustomer, tenant: Any) -> None:
    topic = topics.create(tenant_id=tenant.id, name="Offers", actor="system")
    ann = reader(customer)
    consents.record(
        tenant_id=tenant.id,
        customer_id=ann,
        words=[consents.Word("SMS", consents.State.UNSUBSCRIBED, topic.id)],
        proof=consents.Proof("customer", "preference_page"),
    )
    [offer] = put(texter, ann, topic_id=topic.id)
    [other] = put(texter, ann, key="other")
    texter.send(timedelta(minutes=1))
    assert texter.fate(offer) == ("skipped", "topic_opted_out")
    assert texter.fate(other) == ("sent", None)


def test_what_is_set_is_kept_apart_for_each_tenant_and_the_secret_sealed(tenant: Any, provider: Receiver) -> None:
    with transaction(tenant.id) as session:
        row = session.execute(text("SELECT settings, secret FROM channel_account")).one()
    assert row.settings["account_sid"] == SID
    assert "token" not in row.secret
    assert accounts.of(tenant_id=tenant.id, channel_name="SMS").secret == "a token of a provider"
    # One that is left empty stays.
    set_up(tenant.id, provider, auth_token="")
    assert accounts.of(tenant_id=tenant.id, channel_name="SMS").secret == "a token of a provider"
    assert accounts.of(tenant_id=new_id(), channel_name="SMS").carrier == "mailbox"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base_url", "http://169.254.169.254/latest"),
        ("base_url", "https://localhost/x"),
        ("account_sid", ""),
        ("sender", "a name that is too long"),
        ("made_up", "x"),
    ],
)
def test_what_cannot_be_set(tenant: Any, provider: Receiver, name: str, value: str) -> None:
    with pytest.raises(Invalid) as refused:
        set_up(tenant.id, provider, **{name: value})
    assert set(refused.value.errors) == {name}


def test_a_short_link_counts_a_click_and_leads_on(
    app: Flask, texter: Mailer, customer: MakeCustomer, tenant: Any, client: PageClient
) -> None:
    [message] = put(texter, reader(customer))
    texter.send()
    code = texter.one("SELECT code FROM short_link")
    answer = app.test_client().get(f"/s/{code}", headers={"User-Agent": "Mozilla/5.0 (iPhone) Safari/605"})
    assert (answer.status_code, answer.headers["Location"]) == (302, LONG)
    event = texter.one("SELECT payload FROM inbound_event WHERE type = 'message.clicked'")
    assert (event["channel"], event["message_id"]) == ("SMS", str(message))
    assert texter.one("SELECT first_open_at FROM message") is None
    for wrong in ("2222222222", "abc", "x" * 200, "0000000000"):
        assert app.test_client().get(f"/s/{wrong}").status_code == 404
    with pytest.raises(BadToken):
        short_links.read("2222222222")


def test_a_link_to_the_reader_s_own_choices_is_no_click(
    app: Flask, texter: Mailer, customer: MakeCustomer, tenant: Any
) -> None:
    words = content.create(
        tenant_id=tenant.id, name="Choose", channel="SMS", text="Choose: {{ preferences_url }} {{ unsubscribe_url }}"
    )
    put(texter, reader(customer), template_id=words.id)
    texter.send()
    links = texter.one("SELECT array_agg(code) FROM short_link")
    assert len(links) == 1
    answer = app.test_client().get(f"/s/{links[0]}")
    assert "/p/" in answer.headers["Location"]
    assert texter.one("SELECT count(*) FROM inbound_event") == 0


def test_sent_again_a_text_has_the_same_links(texter: Mailer, customer: MakeCustomer, provider: Receiver) -> None:
    provider.answer(503)
    put(texter, reader(customer))
    texter.send()
    texter.send(timedelta(minutes=10))
    first, second = (form(one)["Body"] for one in provider.told)
    assert first == second
    assert "/s/" in first


def test_the_preview_is_what_is_sent_but_for_the_code(
    texter: Mailer, customer: MakeCustomer, provider: Receiver, tenant: Any
) -> None:
    put(texter, reader(customer))
    texter.send()
    account = accounts.of(tenant_id=tenant.id, channel_name="SMS")
    shown = phone.as_shown(f"Hi Ann, book at {LONG} now.", account)
    assert re.sub(r"/s/\w+", "/s/", shown) == re.sub(r"/s/\w+", "/s/", form(provider.told[0])["Body"])
    assert len(shown) == len(form(provider.told[0])["Body"])
