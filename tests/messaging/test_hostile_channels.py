"""What readers and other sides can do to sending: each thing ends one message at most, and nothing is sent twice."""

import random
import time
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.content import service as content
from app.customers import contact_points
from app.infra.db import transaction
from app.messaging import breaker, handing, results, sender
from app.messaging.channel import Outcome, channel
from app.messaging.twilio import wait_of
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.messaging.provider import TAKEN, reader
from tests.messaging.provider import put as put_text
from tests.messaging.sink import Sink
from tests.messaging.test_push import LATER, SECRET, THEIR_PUBLIC, Browser, give, pusher, put, service
from tests.segments.receiver import Receiver

__all__ = ["pusher", "service"]


def test_a_wait_that_is_no_date_is_a_little_one() -> None:
    for said in ("Mon, 01 Jan 2024 00:00:00 +99999999999999", "Mon, 01 Jan 9999 00:00:00 -9999", "soon", "9" * 40):
        assert timedelta(0) <= wait_of(said) <= timedelta(hours=24)


def test_one_device_that_asks_to_be_left_alone_keeps_no_other_waiting(
    pusher: Mailer, customer: MakeCustomer, tenant: Any, service: Receiver
) -> None:
    busy, good = customer(email_opt_in=False), customer(email_opt_in=False)
    give(tenant.id, busy, Browser(f"{service.origin}/busy"))
    give(tenant.id, good, Browser(f"{service.origin}/good"))
    service.answers.append((429, {"Retry-After": "21600"}, b""))
    [waits] = put(pusher, busy)
    pusher.send(LATER)
    assert not breaker.opened(tenant_id=tenant.id)
    [goes] = put(pusher, good, key="good")
    pusher.send(LATER + timedelta(minutes=1))
    assert pusher.fate(goes) == ("sent", None)
    assert pusher.row(waits).due_at >= NOON + LATER + timedelta(hours=6)


def test_what_fails_in_one_channel_is_recorded_and_leaves_others_alone(
    pusher: Mailer, customer: MakeCustomer, tenant: Any, sink: Sink, template: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> list[Outcome]:
        raise RuntimeError("out of order")

    mailer = Mailer(tenant.id, template)
    give(tenant.id, ann := customer(email_opt_in=False), Browser("https://push.example.com/ann"))
    mails, [pushed] = mailer.put(customer(), customer()), put(pusher, ann)
    monkeypatch.setattr(type(channel("PUSH")), "deliver", fails)
    mailer.send(LATER)
    assert [mailer.fate(one) for one in mails] == [("sent", None)] * 2
    assert pusher.fate(pushed) == ("unknown", "no_answer")
    assert "out of order" in pusher.row(pushed).response


def test_what_ends_its_senders_is_not_tried_for_ever(mailer: Mailer, customer: MakeCustomer) -> None:
    from app.messaging import gate

    [letter] = mailer.put(customer(), purpose="transactional")
    for attempt in range(results.MAX_ATTEMPTS):
        now = NOON + timedelta(hours=attempt)
        assert len(gate.claim(tenant_id=mailer.tenant_id, limit=5, now=now).letters) == 1
        results.reconcile(tenant_id=mailer.tenant_id, now=now + timedelta(minutes=30))
    assert mailer.fate(letter) == ("unknown", "interrupted")


def test_a_contact_that_is_no_address_ends_its_message_only(
    pusher: Mailer, customer: MakeCustomer, tenant: Any, service: Receiver
) -> None:
    odd, good = (customer(email_opt_in=False, push_opt_in=True) for _ in range(2))
    give(tenant.id, good, Browser(f"{service.origin}/good"))
    with transaction(tenant.id) as session:
        value = f"https://[x|{THEIR_PUBLIC}|{SECRET}"
        contact_points.add(session, tenant.id, odd, kind="push", value=value, source="import", actor="x", now=NOON)
    refused, sent = put(pusher, odd, good)
    pusher.send(LATER)
    assert pusher.fate(refused)[0] == "skipped"
    assert pusher.fate(sent) == ("sent", None)


def test_a_link_too_long_to_be_made_short_goes_out_as_it_is(
    customer: MakeCustomer, tenant: Any, provider: Receiver
) -> None:
    drawn = random.Random(1)
    url = "https://club.example/" + "".join(chr(drawn.randint(0x4E00, 0x9FA5)) for _ in range(1_200))
    long_one = content.create(tenant_id=tenant.id, name="Long", channel="SMS", text=f"See {url}").id
    provider.answers.extend([(201, {}, TAKEN)] * 2)
    texter = Mailer(tenant.id, long_one)
    [message] = put_text(texter, reader(customer))
    texter.send()
    assert texter.fate(message)[0] in ("sent", "failed")


@pytest.mark.parametrize("name", ["=?utf-8?b?%0d%0a?=é", "=?utf-8?b?/w==?=", "=?utf-8?q?a=0Ab?=", "A\x85B", "A\u2028B"])
def test_a_name_that_looks_like_a_header_is_kept_as_a_name(
    name: str, texter: Mailer, customer: MakeCustomer, pusher: Mailer, tenant: Any
) -> None:
    [text] = put_text(texter, reader(customer, first_name=name))
    texter.send()
    assert texter.fate(text) == ("sent", None)


def test_a_slow_provider_holds_a_sender_only_so_long_and_the_rest_goes_out_later(
    texter: Mailer, customer: MakeCustomer, provider: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = 40
    provider.answers.extend([(201, {}, TAKEN)] * people)
    messages = put_text(texter, *(reader(customer, phone=f"+2782475{one:04d}") for one in range(people)))
    provider.on_told = lambda _: time.sleep(0.2)
    with monkeypatch.context() as hurried:
        hurried.setattr(handing, "LONGEST_BATCH_SECONDS", 0.2)
        sender.send_batch(tenant_id=texter.tenant_id, now=NOON, limit=people)
    handed_over = len(provider.told)
    assert 0 < handed_over < people
    fates = [texter.fate(one) for one in messages]
    assert fates.count(("sent", None)) == handed_over
    assert fates.count(("queued", "temporary_failure")) == people - handed_over
    provider.on_told = lambda _: None
    texter.send(timedelta(hours=1))
    assert {texter.fate(one) for one in messages} == {("sent", None)}
    assert Counter(told.headers["idempotency-key"] for told in provider.told) == Counter(map(str, messages))
