"""Opens and clicks: signed, never an open redirect, machines told from people, and no consent changed."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from app.capture import service as capture
from app.infra.config import load
from app.infra.db import transaction
from app.infra.ids import new_id
from app.infra.tokens import BadToken
from app.messaging.links import tracked
from app.messaging.tokens import (
    TrackedLink,
    click_token,
    open_token,
    read_click,
    read_open,
    read_unsubscribe,
    unsubscribe_token,
)
from app.messaging.tracking import Kind, Visit, record
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.messaging.sink import Sink
from tests.tampered import tampered

PERSON = Visit("GET", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0")
TARGET = "https://club.example/book?a=1&b=2"


@pytest.fixture
def sent(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> UUID:
    """A message that was sent at noon."""
    [message] = mailer.put(customer())
    mailer.send()
    return message


def events(tenant_id: UUID) -> list[Any]:
    with transaction(tenant_id) as session:
        return list(session.execute(text("SELECT * FROM inbound_event ORDER BY id")))


def visit(kind: Kind, link: TrackedLink, how: Visit = PERSON, after: timedelta = timedelta(minutes=5)) -> bool:
    return record(kind=kind, link=link, visit=how, now=NOON + after)


def test_an_open_becomes_one_event_a_day(tenant: Any, sent: UUID, mailer: Mailer) -> None:
    link = TrackedLink(tenant.id, sent, "")
    assert visit(Kind.OPENED, link) is True
    assert visit(Kind.OPENED, link, after=timedelta(minutes=9)) is False
    assert visit(Kind.OPENED, link, after=timedelta(days=1)) is True
    first, second = events(tenant.id)
    row = mailer.row(sent)
    assert (first.type, first.source, first.identity) == (
        "message.opened",
        "fairway",
        {"customer_id": str(row.customer_id)},
    )
    assert first.payload["is_machine"] is False
    assert first.payload["message_id"] == str(sent)
    assert row.first_open_at == NOON + timedelta(minutes=5)
    assert row.first_click_at is None
    assert second.occurred_at == NOON + timedelta(days=1)


def test_an_open_that_is_applied_is_the_customer_s_last_one(tenant: Any, sent: UUID, mailer: Mailer) -> None:
    link = TrackedLink(tenant.id, sent, "")
    visit(Kind.OPENED, link, Visit("GET", ""), timedelta(minutes=3))
    visit(Kind.OPENED, link)
    while capture.process_batch(tenant_id=tenant.id, now=NOON + timedelta(minutes=6), handlers=()):
        pass
    assert mailer.one("SELECT last_email_open_at FROM customer") == NOON + timedelta(minutes=5)
    assert mailer.one("SELECT count(*) FROM activity WHERE type = 'message.opened'") == 2


def test_a_click_is_an_open_too_and_each_link_counts(tenant: Any, sent: UUID, mailer: Mailer) -> None:
    assert visit(Kind.CLICKED, TrackedLink(tenant.id, sent, TARGET))
    assert visit(Kind.CLICKED, TrackedLink(tenant.id, sent, "https://club.example/other"))
    row = mailer.row(sent)
    assert row.first_open_at == row.first_click_at == NOON + timedelta(minutes=5)
    assert [one.payload["url"] for one in events(tenant.id)] == [TARGET, "https://club.example/other"]


@pytest.mark.parametrize(
    ("how", "after"),
    [
        (PERSON, timedelta(seconds=4)),
        (Visit("HEAD", PERSON.user_agent), timedelta(hours=1)),
        (Visit("GET", "Mozilla/5.0"), timedelta(hours=1)),
        (Visit("GET", ""), timedelta(hours=1)),
        (Visit("GET", "Barracuda Sentinel (EE)"), timedelta(hours=1)),
        (Visit("GET", "python-requests/2.33"), timedelta(hours=1)),
        (Visit("GET", PERSON.user_agent, prefetch=True), timedelta(hours=1)),
    ],
)
def test_machines_are_told_from_people(tenant: Any, sent: UUID, mailer: Mailer, how: Visit, after: timedelta) -> None:
    assert visit(Kind.OPENED, TrackedLink(tenant.id, sent, ""), how, after)
    [event] = events(tenant.id)
    assert event.payload["is_machine"] is True
    assert mailer.row(sent).first_open_at is None
    assert visit(Kind.OPENED, TrackedLink(tenant.id, sent, ""), after=timedelta(hours=2))
    assert mailer.row(sent).first_open_at == NOON + timedelta(hours=2)


def test_the_addresses_answer_and_change_no_consent(app: Flask, tenant: Any, sent: UUID, mailer: Mailer) -> None:
    http = app.test_client()
    consent = "SELECT email_opt_in FROM customer"
    pixel = http.get(f"/t/o/{open_token(tenant.id, sent)}")
    assert (pixel.status_code, pixel.mimetype) == (200, "image/gif")
    click = http.get(f"/t/c/{click_token(tenant.id, sent, TARGET)}", headers={"User-Agent": PERSON.user_agent})
    assert (click.status_code, click.headers["Location"]) == (302, TARGET)
    assert click.headers["Referrer-Policy"] == "no-referrer"
    assert {event.type for event in events(tenant.id)} == {"message.opened", "message.clicked"}
    assert mailer.one(consent) is True


def test_a_link_of_a_message_that_is_gone_still_leads_where_it_led(app: Flask, tenant: Any) -> None:
    token = click_token(tenant.id, new_id(), TARGET)
    assert app.test_client().get(f"/t/c/{token}").headers["Location"] == TARGET
    assert events(tenant.id) == []


def test_no_token_of_ours_can_be_turned_into_an_open_redirect(app: Flask, tenant: Any, sent: UUID) -> None:
    http = app.test_client()
    good = click_token(tenant.id, sent, TARGET)
    changed = [tampered(good), good[:-1], good + "A", good + "=", "", "a", "é"]
    swapped = [open_token(tenant.id, sent), unsubscribe_token(tenant.id, sent, sent)]
    targets = [
        "//evil.example",
        "javascript:alert(1)",
        "\\\\evil.example",
        "https://club.example/\r\nSet-Cookie: a=b",
        "data:text/html,x",
        "ftp://evil.example",
        " https://evil.example",
    ]
    for bad in [*changed, *swapped, *(click_token(tenant.id, sent, target) for target in targets)]:
        response = http.get(f"/t/c/{bad}")
        assert response.status_code == 404, bad
        assert "Location" not in response.headers
    for parameter in ("url", "next", "u"):
        assert http.get(f"/t/c/{good}?{parameter}=https://evil.example").headers["Location"] == TARGET


def test_tokens_read_back_what_was_signed(tenant: Any) -> None:
    message = new_id()
    url = "https://club.example/ä?q=%20#x"
    assert read_click(click_token(tenant.id, message, url)) == TrackedLink(tenant.id, message, url)
    assert read_open(open_token(tenant.id, message)) == TrackedLink(tenant.id, message, "")
    with pytest.raises(BadToken):
        read_open(click_token(tenant.id, message, url))


def test_a_link_in_an_old_mail_outlives_its_secret_key(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    click, leave = click_token(tenant.id, new_id(), TARGET), unsubscribe_token(tenant.id, new_id(), new_id())
    config = load()
    renewed = replace(config, secret_key="n" * 40, old_secret_keys=(config.secret_key,))
    monkeypatch.setattr("app.infra.signed.load", lambda: renewed)
    assert read_click(click).url == TARGET
    assert read_unsubscribe(leave)
    assert read_click(click_token(tenant.id, new_id(), TARGET)).url == TARGET
    monkeypatch.setattr("app.infra.signed.load", lambda: replace(renewed, old_secret_keys=()))
    for read in (lambda: read_click(click), lambda: read_unsubscribe(leave)):
        with pytest.raises(BadToken):
            read()


LINKS = [
    ('<a href="https://x.example/a?b=1&amp;c=2">', "https://x.example/a?b=1&c=2"),
    ("<a class=b href='HTTP://x.example'>", "http://x.example"),
    ("<A HREF=https://x.example/a>", "https://x.example/a"),
    ('<a title="a > b" href = "https://x.example">', "https://x.example"),
    ('<area shape="rect" href="https://x.example">', "https://x.example"),
    ('<a href="mailto:a@x.example">', None),
    ('<a href="tel:+2782">', None),
    ('<a href="#top">', None),
    ('<a href="http://localhost/u/abc">', None),
    ('<a data-href="https://x.example">', None),
    ('<link href="https://x.example/a.css">', None),
    ('<img src="https://x.example/a.png">', None),
    ('<a href="https://x.example/a b">', None),
    ('<a href="javascript:alert(1)">', None),
]


@pytest.mark.parametrize(("html", "target"), LINKS)
def test_links_to_the_web_go_by_way_of_us_and_others_stay(
    app: Flask, tenant: Any, html: str, target: str | None
) -> None:
    message = new_id()
    result = tracked(html, tenant.id, message)
    if target is None:
        assert result.startswith(html)
    else:
        token = result.split('"http://localhost/t/c/')[1].split('"')[0]
        assert read_click(token).url == target


def test_the_pixel_stands_at_the_end_of_the_body(app: Flask, tenant: Any) -> None:
    result = tracked("<body>a</body><!-- </body> --></html>", tenant.id, new_id())
    assert result.count("/t/o/") == 1
    assert tracked("a", tenant.id, new_id()).startswith('a<img src="http://localhost/t/o/')


def test_a_page_of_half_open_quotes_is_left_as_it_is(app: Flask, tenant: Any) -> None:
    html = '<a "' * 50_000
    assert tracked(html, tenant.id, new_id()).startswith(html)
