"""What providers tell: signed or not believed, once, and what STOP, START and HELP come to."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from app.capture import service as capture
from app.customers import consents
from app.customers.consents import ALL, Proof, State, Word
from app.customers.models import ContactPoint
from app.infra.db import transaction
from app.infra.ids import new_id
from app.mailbox import queries as mailbox
from app.messaging import accounts, suppression
from app.messaging.links import callback_url, inbound_url
from app.messaging.provider_words import HELP_EVERY, Answer, Meaning, meaning_of, receive, signature
from app.messaging.states import Purpose
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.messaging.provider import TOKEN, put, reader
from tests.segments.receiver import Receiver
from tests.tampered import tampered
from tests.waiting import until_somebody_waits

NUMBER = "+27824751967"
LOSE = text("DO $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = 'deadlock_detected'; END $$")


class Phone:
    """A provider that tells what a phone wrote, and what became of what was sent to it."""

    def __init__(self, app: Flask, tenant_id: UUID) -> None:
        self.client, self.tenant_id = app.test_client(), tenant_id

    def post(self, url: str, fields: dict[str, str], *, token: str = TOKEN, signed: str | None = None) -> int:
        path = "/" + url.partition("://")[2].partition("/")[2]
        sign = signature(url, fields.items(), token) if signed is None else signed
        headers = {"X-Twilio-Signature": sign} if sign else {}
        return self.client.post(path, data=fields, headers=headers).status_code

    def write(self, body: str, *, sid: str | None = None, number: str = NUMBER, **more: Any) -> int:
        fields = {"MessageSid": sid or f"SM{new_id().hex}", "From": number, "To": "+27110000000", "Body": body}
        return self.post(inbound_url(self.tenant_id, "SMS"), fields, **more)

    def tell(self, message: UUID, status: str, code: str = "", **more: Any) -> int:
        fields = {"MessageSid": "SM1", "MessageStatus": status} | ({"ErrorCode": code} if code else {})
        return self.post(callback_url(self.tenant_id, "SMS", message), fields, **more)


@pytest.fixture
def phone(app: Flask, tenant: Any, provider: Receiver) -> Phone:
    return Phone(app, tenant.id)


def events(tenant_id: UUID) -> list[tuple[str, Any]]:
    with transaction(tenant_id) as session:
        found = session.execute(text("SELECT type, payload FROM inbound_event ORDER BY id"))
        return [(row.type, row.payload) for row in found]


def with_point(tenant_id: UUID, customer_id: UUID, number: str = NUMBER) -> UUID:
    with transaction(tenant_id) as session:
        session.add(
            ContactPoint(
                tenant_id=tenant_id, customer_id=customer_id, kind="phone", key=number, value=number, source="x"
            )
        )
    return customer_id


def opted_in(tenant_id: UUID, customer_id: UUID) -> Any:
    with transaction(tenant_id) as session:
        return session.execute(text("SELECT sms_opt_in FROM customer WHERE id = :id"), {"id": customer_id}).scalar_one()


def held(tenant_id: UUID) -> Any:
    return suppression.held(tenant_id=tenant_id, addresses=[("SMS", NUMBER)]).get(("SMS", NUMBER))


STOPS = (
    "STOP", "stop", "Stop", "sToP", " stop ", "\nstop\n", "Stop.", " stop. ", "Stop!!", "STOP?", '"STOP"', "(stop)",
    "*STOP*", "stop 🛑", "🙏 Stop", "STOPALL", "Stop all", "stop-all", "UNSUBSCRIBE", "Unsubscribe.", "cancel", "END",
    "quit", "OPTOUT", "opt-out", "Opt out", "REVOKE", "ARRET", "Arrêt", "please stop", "Stop please!", "pls stop",
    "Stop, thank you", "STOP NOW", "stop stop stop", "Unsubscribe, please", "afmeld", "Klaar.", "ＳＴＯＰ", "ЅТОР",
    "STΟΡ", "STOP\u200b", "\ufeffSTOP", "ST\u00adOP", "STOP\ufe0f",
)  # fmt: skip
NO_STOPS = (
    "Please stop by at nine", "Don't stop", "stop it being so windy", "Non-stop", "bus stop", "stopwatch", "please",
    "thank you", "Please cancel", "cancel my booking", "the end", "S", "unsubscribed", "I never unsubscribe", "", " ",
    "👍", "\u200b", "0",
)  # fmt: skip


@pytest.mark.parametrize("body", STOPS)
def test_however_stop_is_written_it_is_heard(body: str) -> None:
    assert meaning_of(body, "Afmeld, klaar,") is Meaning.STOP


@pytest.mark.parametrize("body", NO_STOPS)
def test_what_only_holds_the_word_is_for_somebody_to_read(body: str) -> None:
    assert meaning_of(body, "Afmeld, klaar,") is None


def test_there_are_enough_ways_to_write_it() -> None:
    assert len(set(STOPS)) >= 40


@pytest.mark.parametrize(
    ("body", "meaning"),
    [("Start", Meaning.START), ("unstop", Meaning.START), ("help?", Meaning.HELP), ("Info", Meaning.HELP)],
)
def test_which_words_mean_it(body: str, meaning: Meaning) -> None:
    assert meaning_of(body) == meaning


def test_the_signature_is_that_of_the_provider_s_own_documentation() -> None:
    url = "https://example.com/myapp.php?foo=1&bar=2"
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675310",
        "Digits": "1234",
        "From": "+14158675310",
        "To": "+18005551212",
    }
    assert signature(url, fields.items(), "12345") == "L/OH5YylLD5NRKLltdqwSvS0BnU="


def test_stop_takes_everybody_with_that_number_off_with_proof(
    phone: Phone,
    texter: Mailer,
    customer: MakeCustomer,
    tenant: Any,
) -> None:
    ann, ben = (with_point(tenant.id, reader(customer)) for _ in range(2))
    other = with_point(tenant.id, reader(customer, phone="+27824750000"), "+27824750000")
    [sent] = put(texter, ann)
    texter.send()
    assert phone.write("Stop.") == 200
    assert [opted_in(tenant.id, one) for one in (ann, ben, other)] == [False, False, True]
    assert held(tenant.id).reason == "stopped"
    with transaction(tenant.id) as session:
        proofs = session.execute(text("SELECT channel, source, how, address, evidence FROM consent_change")).all()
    assert {(one.channel, one.source, one.how, one.address) for one in proofs} == {("SMS", "customer", "text", NUMBER)}
    assert proofs[0].evidence["wrote"] == "Stop."
    assert texter.row(sent).unsubscribed_at is not None
    assert texter.row(sent).replied_at is not None
    capture.process_batch(tenant_id=tenant.id)
    with transaction(tenant.id) as session:
        titles = session.execute(text("SELECT title FROM activity WHERE type = 'message.replied'")).scalars().all()
    assert len(titles) == 2
    assert all(one.startswith("Replied to an SMS") for one in titles)
    # What waits goes nowhere any more; what they asked for does.
    [news] = put(texter, ann, key="news")
    [booking] = put(texter, ann, key="booking", purpose=Purpose.TRANSACTIONAL)
    texter.send()
    assert texter.fate(news) == ("skipped", "suppressed")
    assert texter.fate(booking) == ("sent", None)


def test_start_takes_it_back_and_nothing_else(
    phone: Phone,
    texter: Mailer,
    customer: MakeCustomer,
    tenant: Any,
) -> None:
    ann = with_point(tenant.id, reader(customer))
    phone.write("STOP")
    phone.write("start")
    assert opted_in(tenant.id, ann) is True
    assert held(tenant.id) is None
    suppression.suppress(
        tenant_id=tenant.id,
        addresses=[NUMBER],
        because=suppression.SuppressedBecause.HARD_BOUNCE,
        channel_name="SMS",
    )
    phone.write("START")
    assert held(tenant.id).reason == "hard_bounce"


def test_start_is_no_yes_of_somebody_who_shares_the_number_and_said_no(
    phone: Phone, customer: MakeCustomer, tenant: Any
) -> None:
    ann = with_point(tenant.id, reader(customer))
    ben, cy = (with_point(tenant.id, reader(customer, sms_opt_in=said)) for said in (False, None))
    phone.write("START")
    assert [opted_in(tenant.id, one) for one in (ann, ben, cy)] == [True, False, None]
    with transaction(tenant.id) as session:
        assert session.execute(text("SELECT count(*) FROM consent_change")).scalar_one() == 0
    # Stop holds for all of them, said once or twice; start gives back what it took.
    for _ in range(2):
        phone.write("STOP")
        capture.process_batch(tenant_id=tenant.id)
    assert [opted_in(tenant.id, one) for one in (ann, ben, cy)] == [False, False, False]
    phone.write("START")
    assert [opted_in(tenant.id, one) for one in (ann, ben, cy)] == [True, False, False]
    assert held(tenant.id) is None
    # What they took back and said again is said again.
    phone.write("STOP")
    phone.write("START")
    assert [opted_in(tenant.id, one) for one in (ann, ben)] == [True, False]


@pytest.mark.parametrize("since", [Word("SMS", State.UNSUBSCRIBED), Word(ALL, State.UNSUBSCRIBED)])
def test_start_gives_nobody_back_who_said_no_since(
    phone: Phone, customer: MakeCustomer, tenant: Any, since: Word
) -> None:
    ann, ben = (with_point(tenant.id, reader(customer)) for _ in range(2))
    phone.write("STOP")
    proof = Proof("staff", "told us", actor="system")
    consents.record(tenant_id=tenant.id, customer_id=ben, words=[since], proof=proof)
    phone.write("START")
    assert [opted_in(tenant.id, one) for one in (ann, ben)] == [True, False]


def test_a_stop_from_another_number_is_not_taken_back(phone: Phone, customer: MakeCustomer, tenant: Any) -> None:
    ann, ben = (with_point(tenant.id, reader(customer)) for _ in range(2))
    other = "+27824750000"
    with_point(tenant.id, ben, other)
    phone.write("STOP", number=other)
    phone.write("STOP")
    phone.write("START", number=other)
    assert opted_in(tenant.id, ben) is True
    phone.write("STOP", number=other)
    phone.write("START")
    assert [opted_in(tenant.id, one) for one in (ann, ben)] == [True, False]


def test_start_is_the_yes_of_who_alone_has_the_number(phone: Phone, customer: MakeCustomer, tenant: Any) -> None:
    ann = with_point(tenant.id, reader(customer, sms_opt_in=False))
    gone = with_point(tenant.id, reader(customer, sms_opt_in=False, merged_into_id=ann, status="MERGED"))
    phone.write("START")
    assert [opted_in(tenant.id, one) for one in (ann, gone)] == [True, False]


def test_what_comes_twice_counts_once(phone: Phone, customer: MakeCustomer, tenant: Any) -> None:
    ann = with_point(tenant.id, reader(customer))
    assert phone.write("STOP", sid="SM7") == 200
    phone.write("START", sid="SM8")
    # Somebody who caught the first one sends it again.
    assert phone.write("STOP", sid="SM7") == 200
    assert opted_in(tenant.id, ann) is True
    assert held(tenant.id) is None
    assert [kind for kind, _ in events(tenant.id)].count("message.replied") == 2


@pytest.mark.committed
def test_what_one_number_says_at_once_is_all_heard(
    real_db: str, app: Flask, phone: Phone, customer: MakeCustomer, tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = with_point(tenant.id, reader(customer))
    assert phone.write("STOP") == 200
    half_way, released = threading.Event(), threading.Event()
    lift = suppression.lift

    def lift_and_wait(**more: Any) -> Any:
        found = lift(**more)
        half_way.set()
        released.wait(30)
        return found

    def start(sid: str) -> Meaning | None:
        with app.app_context():
            return receive(tenant_id=tenant.id, answer=Answer("SMS", NUMBER, "START", sid))

    monkeypatch.setattr(suppression, "lift", lift_and_wait)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(start, "SM1")
        half_way.wait(30)
        second = pool.submit(start, "SM2")
        until_somebody_waits(real_db)
        released.set()
        assert (first.result(30), second.result(30)) == (Meaning.START, Meaning.START)
    assert opted_in(tenant.id, ann) is True
    assert held(tenant.id) is None
    assert [kind for kind, _ in events(tenant.id)].count("message.replied") == 3


def test_a_stop_that_lost_a_deadlock_is_heard_all_the_same(
    phone: Phone, customer: MakeCustomer, tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = with_point(tenant.id, reader(customer))
    record, lost = consents.record, []

    def lose_once(**more: Any) -> Any:
        if not lost:
            lost.append(1)
            with transaction(tenant.id) as session:
                session.execute(LOSE)
        return record(**more)

    monkeypatch.setattr(consents, "record", lose_once)
    assert phone.write("STOP") == 200
    assert lost
    assert opted_in(tenant.id, ann) is False
    assert held(tenant.id).reason == "stopped"
    assert [kind for kind, _ in events(tenant.id)].count("message.replied") == 1


def test_a_number_nobody_is_known_by_is_stopped_too(phone: Phone, tenant: Any) -> None:
    assert phone.write("STOP") == 200
    assert held(tenant.id).reason == "stopped"
    assert events(tenant.id) == []


def test_help_is_answered_by_the_outbox(
    phone: Phone,
    texter: Mailer,
    customer: MakeCustomer,
    tenant: Any,
    provider: Receiver,
) -> None:
    with_point(tenant.id, reader(customer, sms_opt_in=False))
    before = {"carrier": "mailbox", "settings": {}, "actor": "system"}
    assert phone.write("HELP", sid="SM9") == 200
    phone.write("HELP", sid="SM9")
    accounts.save(tenant_id=tenant.id, channel_name="SMS", **before)
    texter.send()
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE message SET due_at = :now"), {"now": NOON})
    texter.send()
    [kept] = mailbox.list_mails(tenant_id=tenant.id).items
    said = mailbox.get(tenant_id=tenant.id, mail_id=kept.id).letter.text or ""
    assert "reply STOP" in said


@pytest.mark.parametrize("known", [False, True])
def test_a_number_that_keeps_asking_for_help_is_answered_now_and_then(
    phone: Phone, customer: MakeCustomer, tenant: Any, known: bool
) -> None:
    if known:
        # Help goes to where somebody is reached, which need not be the number it was asked from.
        with_point(tenant.id, reader(customer, phone="+27824750001"))

    def ask(after: timedelta, number: str = NUMBER, channel: str = "SMS") -> int:
        answer = Answer(channel, number, "HELP", f"SM{new_id().hex}")
        assert receive(tenant_id=tenant.id, answer=answer, now=NOON + after) is Meaning.HELP
        with transaction(tenant.id) as session:
            return int(session.execute(text("SELECT count(*) FROM message")).scalar_one())

    # Ten minutes past the quarter, so that the next one begins soon after.
    begun = timedelta(minutes=10)
    assert [ask(begun + timedelta(seconds=30 * number)) for number in range(30)] == [1] * 30
    assert ask(begun, "+27824750000") == 2
    assert ask(begun, channel="WHATSAPP") == 3
    assert ask(begun + HELP_EVERY) == 4
    assert ask(begun + HELP_EVERY + timedelta(minutes=14)) == 4
    assert ask(begun + HELP_EVERY * 5) == 5


@pytest.mark.parametrize("wrong", [{"signed": ""}, {"signed": "AAAA"}, {"token": "somebody else's"}, {"signed": "ü"}])
def test_what_the_provider_did_not_sign_is_not_believed(
    phone: Phone,
    texter: Mailer,
    customer: MakeCustomer,
    tenant: Any,
    wrong: dict[str, str],
) -> None:
    ann = with_point(tenant.id, reader(customer))
    [sent] = put(texter, ann)
    texter.send()
    assert phone.write("STOP", **wrong) == 403
    assert phone.tell(sent, "delivered", **wrong) == 403
    assert opted_in(tenant.id, ann) is True
    assert texter.row(sent).delivered_at is None


def test_a_signature_is_for_one_address_and_one_organisation(
    phone: Phone,
    app: Flask,
    texter: Mailer,
    customer: MakeCustomer,
    tenant: Any,
) -> None:
    [sent, other] = put(texter, reader(customer), reader(customer, phone="+27824750000"))
    texter.send()
    fields = {"MessageSid": "SM1", "MessageStatus": "delivered"}
    mine = callback_url(tenant.id, "SMS", sent)
    theirs = callback_url(tenant.id, "SMS", other)
    assert phone.post(theirs, fields, signed=signature(mine, fields.items(), TOKEN)) == 403
    token = mine.rpartition("/")[2]
    assert phone.post(mine.replace(token, tampered(token)), fields) == 404
    assert phone.post(callback_url(new_id(), "SMS", sent), fields) == 403
    assert phone.post(mine.replace("/sms/", "/email/"), fields) == 404
    assert phone.post(mine.replace("/sms/", "/SMS/"), fields) == 404


def test_without_a_provider_nobody_is_believed(phone: Phone, tenant: Any) -> None:
    accounts.save(tenant_id=tenant.id, channel_name="SMS", carrier="mailbox", settings={}, actor="system")
    assert phone.write("STOP") == 403


@pytest.mark.parametrize(
    ("status", "code", "told", "reason"),
    [
        ("queued", "", None, None),
        ("sent", "", None, None),
        ("delivered", "", "message.delivered", None),
        ("undelivered", "30003", "message.bounced", None),
        ("undelivered", "30006", "message.bounced", "hard_bounce"),
        ("failed", "30007", "message.bounced", None),
        ("failed", "x" * 50, "message.bounced", None),
        ("failed", "", "message.bounced", None),
        ("made up", "", None, None),
    ],
)
def test_what_became_of_a_text(
    phone: Phone,
    texter: Mailer,
    customer: MakeCustomer,
    tenant: Any,
    status: str,
    code: str,
    told: str | None,
    reason: str | None,
) -> None:
    [sent] = put(texter, reader(customer))
    texter.send()
    for _ in range(3):
        assert phone.tell(sent, status, code) == 204
    assert [kind for kind, _ in events(tenant.id)] == ([told] if told else [])
    assert (held(tenant.id) and held(tenant.id).reason) == reason


@pytest.mark.parametrize("number", ["", "shortcode", "12345", "+0", "whatsapp:+27"])
def test_from_nowhere(phone: Phone, number: str) -> None:
    assert phone.write("STOP", number=number) == 400
