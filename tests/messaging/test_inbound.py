"""Mail that comes in: samples of every format we know, each of them forged too, and mails made to do harm."""

from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from app.infra import clock, config
from app.infra.db import transaction
from app.infra.ids import new_id
from app.messaging.feedback import Bounce
from app.messaging.inbound import bounces
from app.messaging.inbound.intake import Outcome, Taken, counts, take_in
from app.messaging.inbound.reading import MOST_BYTES, MOST_LINES, read
from app.messaging.links import unsubscribe_url
from app.messaging.return_address import Addresses, addresses
from tests.conftest import make_tenant
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.messaging.sink import Sink
from tests.page_client import ApiClient, PageClient
from tests.tampered import tampered

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*/*.eml"))
OUTCOMES = {
    "hard": Outcome.BOUNCED,
    "soft": Outcome.BOUNCED,
    "blocked": Outcome.BOUNCED,
    "delayed": Outcome.AUTOMATIC,
    "relayed": Outcome.AUTOMATIC,
    "arrived": Outcome.ARRIVED,
    "complaint": Outcome.COMPLAINED,
    "not_complaint": Outcome.AUTOMATIC,
    "automatic": Outcome.AUTOMATIC,
    "reply": Outcome.REPLIED,
    "left": Outcome.LEFT,
}
SUPPRESSED = {"hard": ["hard_bounce"], "complaint": ["complaint"]}
EVENTS = {
    "hard": "message.bounced",
    "soft": "message.bounced",
    "blocked": "message.bounced",
    "arrived": "message.delivered",
    "complaint": "message.complained",
    "reply": "message.replied",
    "left": "message.unsubscribed",
}


@pytest.fixture(autouse=True)
def inbound(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("INBOUND_DOMAIN", "in.fairway.example")
    config.load.cache_clear()
    yield
    monkeypatch.undo()
    config.load.cache_clear()


@pytest.fixture
def sent(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> UUID:
    """A marketing message that was sent at noon."""
    [message] = mailer.put(customer(), purpose="marketing")
    mailer.send()
    return message


def changed(token_of: str) -> str:
    """Return an address of ours whose token has one letter changed."""
    local, _, domain = token_of.partition("@")
    return f"{local[:20]}{'a' if local[20] != 'a' else 'b'}{local[21:]}@{domain}"


def filled(path: Path, tenant_id: UUID, row: Any, *, forged: bool = False) -> bytes:
    back: Addresses = addresses(tenant_id, row.id)
    link = unsubscribe_url(tenant_id, row.customer_id, row.id)
    words = {
        "@@RETURN@@": back.bounces,
        "@@REPLY@@": back.replies,
        "@@LEAVE@@": back.leaving,
        "@@UNSUBSCRIBE@@": link,
        "@@READER@@": row.to_address,
        "@@MESSAGE@@": f"{row.id}.{tenant_id}@localhost",
    }
    if forged:
        for name in ("@@RETURN@@", "@@REPLY@@", "@@LEAVE@@"):
            words[name] = changed(words[name] or "")
        words["@@UNSUBSCRIBE@@"] = link.replace(link.rpartition("/")[2], tampered(link.rpartition("/")[2]))
    source = path.read_bytes()
    for name, value in words.items():
        source = source.replace(name.encode(), (value or "").encode())
    return source


def events(tenant_id: UUID) -> list[Any]:
    with transaction(tenant_id) as session:
        return list(session.execute(text("SELECT type, payload FROM inbound_event ORDER BY id")))


def suppressed(tenant_id: UUID) -> list[str]:
    with transaction(tenant_id) as session:
        return list(session.scalars(text("SELECT reason FROM suppression")))


def took(source: bytes, *recipients: str, **more: Any) -> Taken:
    return take_in(source=source, recipients=recipients, now=more.pop("now", NOON), **more)


def test_there_are_enough_samples_of_every_kind() -> None:
    assert len(SAMPLES) >= 51
    assert {path.parent.name for path in SAMPLES} == set(OUTCOMES)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_sample_is_known_once_and_forged_it_does_nothing(
    path: Path, tenant: Any, sent: UUID, mailer: Mailer, other_tenant: Any
) -> None:
    kind = path.parent.name
    row = mailer.row(sent)
    assert took(filled(path, tenant.id, row, forged=True)) == Taken(Outcome.FORGED)
    assert took(filled(path, tenant.id, row), tenant_id=other_tenant.id) == Taken(Outcome.FORGED)
    assert events(tenant.id) == suppressed(tenant.id) == []
    assert mailer.row(sent) == row

    source = filled(path, tenant.id, row)
    taken = took(source)
    assert (taken.outcome, taken.message_id) == (OUTCOMES[kind], sent)
    assert taken.new is (kind in EVENTS)
    again = took(source)
    assert (again.outcome, again.new) == (taken.outcome, False)
    assert [one.type for one in events(tenant.id)] == ([EVENTS[kind]] if kind in EVENTS else [])
    assert suppressed(tenant.id) == SUPPRESSED.get(kind, [])
    after = mailer.row(sent)
    assert after.bounce_kind == (kind if kind in ("hard", "soft", "blocked") else None)
    assert (after.delivered_at is not None) == (kind == "arrived")
    assert (after.complained_at is not None) == (kind == "complaint")
    assert (after.unsubscribed_at is not None) == (kind == "left")
    if kind == "reply":
        excerpt = events(tenant.id)[0].payload["excerpt"]
        assert excerpt.startswith("Yes, please book us in for two.")
        for word in ("alert", "Original", "Mailbox full", "unknown", "wrote"):
            assert word not in excerpt
    if kind == "left":
        assert mailer.one("SELECT email_opt_in FROM customer") is False
        assert mailer.one("SELECT how FROM consent_change") == "unsubscribe_mail"


def test_the_counts_tell_what_came_in(tenant: Any, sent: UUID, mailer: Mailer) -> None:
    path = next(one for one in SAMPLES if one.parent.name == "hard")
    row = mailer.row(sent)
    for forged in (True, True, False):
        took(filled(path, tenant.id, row, forged=forged))
    found = counts(now=NOON)
    assert (found[Outcome.FORGED], found[Outcome.BOUNCED], found[Outcome.REPLIED]) == (2, 1, 0)


def test_whoever_hands_it_over_may_say_where_it_was_delivered_to(tenant: Any, sent: UUID) -> None:
    address = addresses(tenant.id, sent).replies or ""
    source = b"From: ann@example.com\r\nSubject: Re: Welcome\r\nMessage-ID: <x@example.com>\r\n\r\nYes\r\n"
    assert took(source).outcome is Outcome.FORGED
    assert took(source, address).outcome is Outcome.REPLIED
    assert took(b"Delivered-To: " + address.encode() + b"\r\n" + source).outcome is Outcome.REPLIED


def test_a_reply_is_kept_as_harmless_text(tenant: Any, sent: UUID) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "ann@example.com", addresses(tenant.id, sent).replies, "Re"
    mail.set_content('"><img src=x onerror=alert(1)> {{ 7*7 }} \u202eoops\n' + "word " * 5_000)
    assert took(mail.as_bytes()).new
    [event] = events(tenant.id)
    assert event.payload["excerpt"].startswith('"><img src=x onerror=alert(1)> {{ 7*7 }}')
    assert len(event.payload["excerpt"]) <= 500
    assert "\u202e" not in event.payload["excerpt"]


def bombs(address: str) -> Iterator[tuple[str, bytes]]:
    head = f"From: MAILER-DAEMON@example.com\r\nTo: {address}\r\nSubject: Undelivered mail\r\n".encode()
    nested = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(5_000))
    inner = b"".join(b"Content-Type: message/rfc822\r\n\r\n" for _ in range(5_000))
    report = b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
    status = b"--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    yield "nothing", b""
    yield "no headers", b"\r\n\r\nhello"
    yield "nul", b"\x00" * 1_000 + head
    yield "nested multiparts", head + nested
    yield "nested mails", head + inner
    yield "ten megabytes", head + b"\r\n" + b"x" * 10 * 1024 * 1024
    yield "ten megabytes of lines", head + b"\r\n" + b"\n" * 10 * 1024 * 1024
    yield "one endless header", head + b"X-Long: " + b"y" * 2 * 1024 * 1024 + b"\r\n\r\n"
    yield "many headers", head + b"".join(b"X-%d: 1\r\n" % n for n in range(50_000)) + b"\r\n"
    yield "no such charset", head + b"Content-Type: text/plain; charset=klingon\r\n\r\n550 5.1.1 \xff\xfe"
    yield "charset that decodes no bytes", head + b"Content-Type: text/plain; charset=rot13\r\n\r\nhello"
    yield "charset with nul", head + b"Content-Type: text/plain; charset*=\x00''x\r\n\r\nhello"
    yield "broken base64", head + b"Content-Transfer-Encoding: base64\r\n\r\n!!!!"
    yield "uuencoded", head + b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 x\n!!!\nend"
    yield "boundary that never comes", head + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\ntext'
    yield "no boundary", head + b"Content-Type: multipart/report; report-type=delivery-status\r\n\r\ntext"
    yield "empty report", head + report + b"--b--\r\n"
    yield "status without groups", head + report + status + b"\r\n--b--\r\n"
    yield "status of groups without end", head + report + status + b"Action: x\r\n\r\n" * 20_000 + b"--b--\r\n"
    yield (
        "status with odd letters",
        head + report + status + b"X: y\r\n\r\nAction: failed\r\nStatus: \xff.\xfe\r\n--b--",
    )
    yield "encoded words without end", head + b"X-Autoreply: " + b"=?utf-8?B?" * 5_000 + b"\r\n\r\n"
    yield "parameter of parameters", head + b"Content-Type: multipart/report; report-type*0*=''%; boundary*0=b\r\n\r\n"
    yield "quotes", head + b"\r\n" + b"On " * 100_000 + b"wrote:"
    yield "words for nothing", head + b"\r\n" + b"user user user recipient does not " * 15_000
    yield "addresses", head + b"Cc: " + b"bounce+" * 60_000 + b"\r\n\r\n"


@pytest.mark.parametrize("place", range(len(list(bombs("")))), ids=[name for name, _ in bombs("")])
def test_no_mail_stops_the_rest(place: int, tenant: Any, sent: UUID) -> None:
    back = addresses(tenant.id, sent)
    for address in (back.bounces or "", back.replies or ""):
        _, source = list(bombs(address))[place]
        assert took(source, address).outcome is not Outcome.UNREADABLE
    assert suppressed(tenant.id) in ([], ["hard_bounce"])


def test_reading_takes_a_part_of_what_is_too_long() -> None:
    for letters in (b"y" * (3 * MOST_BYTES), b"\n" * MOST_BYTES):
        mail = read(b"Subject: x\r\n\r\n" + letters)
        assert len(mail.source) <= MOST_BYTES
        assert mail.source.count(b"\n") < MOST_LINES
        assert mail.header("Subject") == "x"


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        ("5.1.1", "", "hard"),
        ("5.1.10", "", "hard"),
        ("5.1.2", "", "hard"),
        ("5.1.0", "550 no such user", "hard"),
        ("4.1.1", "", "soft"),
        ("4.2.2", "", "soft"),
        ("5.2.2", "", "soft"),
        ("5.7.1", "user unknown", "blocked"),
        ("4.7.1", "", "blocked"),
        ("5.6.0", "", "blocked"),
        ("5.4.1", "", "soft"),
        ("5.4.3", "", "blocked"),
        ("4.4.3", "", "blocked"),
        ("5.4.4", "Host not found", "soft"),
        ("5.4.4", "", "blocked"),
        ("", "450 4.2.0 mailbox unavailable", "soft"),
        ("", "450 mailbox unavailable", "soft"),
        ("", "550 mailbox unavailable", "hard"),
        ("5.0.0", "550 see http://192.0.2.1.1/5.1.1.9 for nothing", "soft"),
        ("", "", "soft"),
        ("no code at all", "Nichts", "soft"),
    ],
)
def test_codes_count_before_words_and_a_riddle_ends_no_address(status: str, words: str, kind: str) -> None:
    assert bounces.classify(status, words) == kind


@pytest.mark.parametrize("line", ["\n", " \n", "-----\n", "> > \n", " ", "-", "exceed", "deliver", "fail"])
def test_a_bounce_of_one_line_again_and_again_is_read_at_once(line: str) -> None:
    # Read in the square of its length it would take a quarter of an hour.
    words = line * (200_000 // len(line))
    source = f"From: MAILER-DAEMON@example.com\nSubject: Undelivered {words[:1_900].strip()}\n\nx\n{words}\nx"
    assert bounces.told_by_words(read(source.encode())) is not None


@pytest.mark.parametrize("mark", ["", "> ", "  | ", "*"])
def test_a_subject_that_is_quoted_is_not_why_a_letter_came_back(mark: str) -> None:
    source = f"From: MAILER-DAEMON@example.com\nSubject: Undelivered mail\n\nNo.\n\n{mark}Subject: no such user\n\nBye"
    told = bounces.told_by_words(read(source.encode()))
    assert told is not None
    assert told.bounce is Bounce.SOFT


def test_nobody_s_message_is_nobody_s(tenant: Any) -> None:
    address = addresses(tenant.id, new_id()).bounces or ""
    path = next(one for one in SAMPLES if one.parent.name == "hard")
    source = path.read_bytes().replace(b"@@RETURN@@", address.encode())
    taken = took(source)
    assert (taken.outcome, taken.new) == (Outcome.BOUNCED, False)
    assert events(tenant.id) == []


def test_the_api_takes_in_mail_of_its_own_organisation(
    app: Flask, api: Any, tenant: Any, sent: UUID, mailer: Mailer
) -> None:
    path = next(one for one in SAMPLES if one.parent.name == "hard")
    source = filled(path, tenant.id, mailer.row(sent))

    def post(data: bytes, client: Any = api, to: str = "") -> Any:
        return client.request("POST", f"/inbound/mail{to}", data=data, headers={"Content-Type": "message/rfc822"})

    assert post(source).get_json() == {"outcome": "bounced", "message_id": str(sent), "new": True}
    assert post(source).get_json() == {"outcome": "bounced", "message_id": str(sent), "new": False}
    stranger = ApiClient(app, make_tenant("Elsewhere").id, "owner")
    assert post(source, stranger).get_json() == {"outcome": "forged", "message_id": None, "new": False}
    assert post(b"").get_json()["outcome"] == "forged"
    address = (addresses(tenant.id, sent).replies or "").replace("+", "%2B")
    reply = b"From: ann@example.com\r\n\r\nYes" + b" " * 9 * 1024 * 1024
    assert post(reply, to=f"?recipient={address}").get_json()["outcome"] == "replied"
    assert post(b"x" * 11 * 1024 * 1024).status_code == 413
    assert post(source, ApiClient(app, tenant.id, "marketer")).status_code == 403


def test_the_mail_server_hands_mail_over_by_a_command(app: Flask, tenant: Any, sent: UUID, mailer: Mailer) -> None:
    address = addresses(tenant.id, sent).bounces or ""
    source = b"From: MAILER-DAEMON@example.com\r\nSubject: Undelivered\r\n\r\n550 5.1.1 no such user\r\n"
    run = app.test_cli_runner()
    done = run.invoke(args=["mail", "receive", address], input=source)
    assert (done.exit_code, done.output) == (0, "bounced\n")
    again = run.invoke(args=["mail", "receive", address], input=source)
    assert (again.exit_code, again.output) == (0, "bounced, nothing new\n")
    assert run.invoke(args=["mail", "receive", "bounce+x@in.example"], input=source).output == "forged, nothing new\n"
    assert mailer.row(sent).bounce_kind == "hard"


def test_ops_see_how_many_came_in(client: PageClient, sign_in: Any) -> None:
    took(b"Subject: spam\r\n\r\n", now=clock.now())
    sign_in("ops")
    page = client.get("/ops/queues").text
    assert "Mail that came in" in page
    assert "To in.fairway.example" in page or "INBOUND_DOMAIN is not set" in page
