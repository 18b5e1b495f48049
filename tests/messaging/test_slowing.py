"""A provider that asks us to slow down is left alone, for longer each time, and comes back little by little; nobody
else waits for it. Counted at the SMTP peer."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.infra import config
from app.infra.db import transaction
from app.messaging import explain, sender, slowing
from app.messaging.channels.push import PushChannel
from app.messaging.providers import provider_of
from app.messaging.slowing import FIRST, TURN
from app.messaging.smtp_replies import outcome_of
from app.messaging.states import Purpose
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.messaging.sink import Answer, Sink
from tests.page_client import PageClient
from tests.segments.receiver import Receiver

THROTTLED = "421 4.7.28 Unusual rate of mail, please slow down"
SECOND = timedelta(seconds=1)
ROUGHLY = timedelta(seconds=25)
"""What handing over takes counts as well."""


class Provider:
    """Whoever takes mail for googlemail.com and gmail.com, and asks for less while it is `busy`."""

    def __init__(self, sink: Sink, answer: str = THROTTLED) -> None:
        self.busy, self.answer, self.asked = True, answer, 0
        sink.on_recipient = self.say

    def say(self, address: str, _nth: int) -> Answer:
        if address.endswith(("@gmail.com", "@googlemail.com")):
            self.asked += 1
            return self.answer if self.busy else None
        return None


@pytest.fixture
def gmail(sink: Sink) -> Provider:
    return Provider(sink)


def of_gmail(customer: MakeCustomer, number: int) -> list[UUID]:
    domains = ("gmail.com", "googlemail.com")
    return [customer(email=f"ann-{one}@{domains[one % 2]}") for one in range(number)]


def pause(mailer: Mailer, at: datetime) -> timedelta:
    [one] = slowing.known(tenant_id=mailer.tenant_id, now=at)
    return one.until - at


def attempts(mailer: Mailer, messages: list[UUID]) -> list[int]:
    return [mailer.row(one).attempts for one in messages]


def test_only_who_asks_is_slowed_down_and_no_attempts_are_used_up(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, gmail: Provider
) -> None:
    theirs = mailer.put(*of_gmail(customer, 40))
    others = mailer.put(*(customer(email=f"ben-{number}@club.example") for number in range(40)))
    mailer.send()
    assert [mailer.fate(one)[0] for one in others] == ["sent"] * 40
    assert len(sink.letters) == 40
    # A few answers are enough: the others of the batch are not offered at all.
    assert gmail.asked < 20
    [slow] = slowing.known(tenant_id=mailer.tenant_id, now=NOON)
    assert (slow.taker, slow.label) == ("Gmail", "E-mail")
    assert "4.7.28" in slow.said
    asked = gmail.asked
    # All of them are due by then, and none is tried.
    mailer.send(50 * SECOND)
    assert gmail.asked == asked
    assert {mailer.fate(one) for one in theirs} == {("held", "slowed")}
    assert max(attempts(mailer, theirs)) == 1
    [slow] = slowing.known(tenant_id=mailer.tenant_id, now=NOON + 50 * SECOND)
    assert slow.waiting == 40
    # Who is new to the queue waits as well, and others' go.
    [late, other] = mailer.put(*of_gmail(customer, 1), customer(), key="late")
    mailer.send(55 * SECOND)
    assert mailer.fate(late) == ("held", "slowed")
    assert mailer.row(late).attempts == 0
    assert mailer.fate(other)[0] == "sent"


def test_each_time_it_asks_again_it_is_left_alone_for_twice_as_long(
    mailer: Mailer, customer: MakeCustomer, gmail: Provider
) -> None:
    mailer.put(*of_gmail(customer, 12))
    at = timedelta(0)
    pauses = []
    for _ in range(4):
        asked = gmail.asked
        mailer.send(at)
        assert gmail.asked > asked
        if pauses:
            # One letter finds out.
            assert gmail.asked == asked + 1
        pauses.append(pause(mailer, NOON + at))
        at += pauses[-1] + 30 * SECOND
    expected = [FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST]
    assert all(wanted <= found < wanted + ROUGHLY for found, wanted in zip(pauses, expected, strict=True))


def test_it_comes_back_little_by_little(mailer: Mailer, customer: MakeCustomer, sink: Sink, gmail: Provider) -> None:
    messages = mailer.put(*of_gmail(customer, 90))
    mailer.send()
    mailer.send(50 * SECOND)
    gmail.busy = False
    at, taken = FIRST + timedelta(minutes=1), [0]
    while len(sink.letters) < 90:
        mailer.send(at)
        taken.append(len(sink.letters))
        at += TURN * 5
    # One, then four, then sixteen, then all that are left.
    assert [later - earlier for earlier, later in pairwise(taken)][:3] == [1, 4, 16]
    assert [mailer.fate(one)[0] for one in messages] == ["sent"] * 90
    assert len({letter.recipient for letter in sink.letters}) == 90


def test_where_many_are_held_they_come_due_little_by_little(
    mailer: Mailer, customer: MakeCustomer, gmail: Provider, monkeypatch: Any
) -> None:
    few = timedelta(seconds=30)

    def due_within(messages: list[UUID]) -> timedelta:
        due = [mailer.row(one).due_at for one in messages]
        return max(due) - min(due)

    messages = mailer.put(*of_gmail(customer, 60))
    mailer.send()
    mailer.send(50 * SECOND)
    assert due_within(messages) < few
    [slow] = slowing.known(tenant_id=mailer.tenant_id, now=NOON, counted=20)
    assert (slow.waiting, slow.more) == (20, True)
    monkeypatch.setattr(slowing, "MANY", 40)
    mailer.send(FIRST + timedelta(minutes=1))
    assert {mailer.fate(one) for one in messages} <= {("held", "slowed"), ("queued", "temporary_failure")}
    assert due_within(messages) > 4 * few


def test_who_takes_some_is_offered_less_and_left_alone_no_longer(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, gmail: Provider
) -> None:
    mailer.put(*of_gmail(customer, 30))
    mailer.send()
    mailer.send(50 * SECOND)
    gmail.busy = False
    at = FIRST + timedelta(minutes=1)
    mailer.send(at)
    seen = len(sink.letters)
    sink.on_recipient = lambda address, _nth: THROTTLED if len(sink.letters) > seen + 1 else None
    at += TURN * 5
    mailer.send(at)
    assert len(sink.letters) > seen
    assert FIRST <= pause(mailer, NOON + at) < FIRST + ROUGHLY


def test_what_answers_somebody_is_tried_all_the_same(
    mailer: Mailer, customer: MakeCustomer, gmail: Provider, sink: Sink
) -> None:
    mailer.put(*of_gmail(customer, 3))
    mailer.send()
    gmail.busy = False
    [receipt] = mailer.put(*of_gmail(customer, 1), key="receipt", purpose=Purpose.TRANSACTIONAL)
    mailer.send(SECOND)
    assert mailer.fate(receipt)[0] == "sent"
    assert len(sink.letters) == 1


@pytest.mark.parametrize(
    ("answer", "slow"),
    [
        ("421 4.7.0 [TSS04] Messages temporarily deferred due to user complaints", True),
        ("421 Too many connections", True),
        ("450 4.7.1 Try again later", True),
        ("451 4.7.650 The mail server has been temporarily rate limited", True),
        ("421 4.3.2 Too many open connections", True),
        ("421 4.3.2 Shutting down", False),
        ("450 too many messages from you, throttled", True),
        ("451 4.7.1 Greylisting in action, please come back later", False),
        ("450 4.2.0 Recipient address rejected: Greylisted", False),
        ("450 4.2.1 The user is receiving mail at a rate that prevents more", False),
        ("452 4.2.2 Mailbox full", False),
        ("451 Local error in processing", False),
        ("550 5.7.1 Too many complaints", False),
    ],
)
def test_what_is_said_of_one_mailbox_or_letter_slows_nobody_down(answer: str, slow: bool) -> None:
    assert outcome_of(int(answer[:3]), answer[4:]).slow is slow


def test_providers_have_many_domains() -> None:
    assert provider_of("googlemail.com") == provider_of("gmail.com") == "Gmail"
    assert provider_of("hotmail.co.za") == provider_of("live.com") == "Outlook"
    assert provider_of("notgmail.com") == "notgmail.com"
    assert PushChannel().taker("https://push.example/x|key|secret") == "push.example"


def test_the_ops_page_and_why_tell_of_it(
    mailer: Mailer, customer: MakeCustomer, gmail: Provider, client: PageClient, sign_in: Any, monkeypatch: Any
) -> None:
    sign_in()
    [waits, *_] = mailer.put(*of_gmail(customer, 5))
    mailer.send()
    mailer.send(50 * SECOND)
    monkeypatch.setattr("app.blueprints.ops.pages.clock.now", lambda: NOON + 50 * SECOND)
    page = client.get("/ops/queues").text
    assert "Gmail asks us to slow down" in page
    assert "5 messages wait until 14:01 (E-mail)" in page
    with transaction(mailer.tenant_id):
        told = explain.of_message(tenant_id=mailer.tenant_id, message_id=waits, now=NOON + 50 * SECOND)
    [provider] = [one for one in told if one.what == "Provider"]
    assert provider.holds is None
    assert provider.at is not None
    assert FIRST <= provider.at - NOON < FIRST + ROUGHLY
    assert "Gmail said: 421" in provider.words
    [story] = explain.story(mailer.row(waits)._mapping)
    assert (story.what, story.reason) == ("Provider", "slowed")


def test_what_answers_somebody_is_offered_also_where_the_rest_of_the_batch_is_not(
    mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    mailer.put(*of_gmail(customer, 8))
    answers = {"key": "receipt", "purpose": Purpose.TRANSACTIONAL, "now": NOON + SECOND}
    [receipt] = mailer.put(customer(email="receipt@gmail.com"), **answers)
    # Not a 421, which would close the connection.
    sink.on_recipient = lambda address, _nth: None if address == "receipt@gmail.com" else "450 4.7.28 Too many"
    mailer.send(SECOND)
    assert mailer.fate(receipt)[0] == "sent"


def test_what_became_of_messages_is_recorded_where_who_asks_for_less_cannot_be(
    mailer: Mailer, customer: MakeCustomer, gmail: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    [theirs] = mailer.put(*of_gmail(customer, 1))
    [other] = mailer.put(customer(), key="other")
    monkeypatch.setattr(slowing, "_STRIKE", text("SELECT 1 / 0"))
    mailer.send()
    assert mailer.fate(theirs) == ("queued", "temporary_failure")
    assert mailer.fate(other)[0] == "sent"


def test_a_channel_that_failed_once_is_tried_while_others_have_much(
    mailer: Mailer, texter: Mailer, customer: MakeCustomer, provider: Receiver, sink: Sink, monkeypatch: Any
) -> None:
    [first] = mailer.put(customer())
    with monkeypatch.context() as away:
        away.setenv("SMTP_URL", "smtp://127.0.0.1:1")
        config.load.cache_clear()
        mailer.send()
    config.load.cache_clear()
    assert mailer.fate(first)[0] == "queued"
    people = [customer(phone=f"+2782555{number:04}", sms_opt_in=True) for number in range(30)]
    texts = texter.put(*people, key="text", channel_name="SMS")
    later = NOON + timedelta(minutes=1)
    sender.send_batch(tenant_id=mailer.tenant_id, now=later, limit=10)
    assert mailer.fate(first)[0] == "sent"
    assert [mailer.fate(one)[0] for one in texts].count("sent") == 9
    # It works again: the next batch is anybody's.
    assert sender.send_batch(tenant_id=mailer.tenant_id, now=later, limit=10) == 10


def test_a_mail_server_that_is_down_keeps_no_text_waiting(
    mailer: Mailer, texter: Mailer, customer: MakeCustomer, provider: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTP_URL", "smtp://127.0.0.1:1")
    config.load.cache_clear()
    mails = mailer.put(*(customer() for _ in range(60)))
    texts = texter.put(
        *(customer(phone=f"+2782555{number:04}", sms_opt_in=True) for number in range(5)),
        key="text",
        channel_name="SMS",
        now=NOON + SECOND,
    )
    mailer.send(2 * SECOND)
    assert [mailer.fate(one)[0] for one in texts] == ["sent"] * 5
    assert {mailer.fate(one)[0] for one in mails} == {"queued"}
    config.load.cache_clear()
