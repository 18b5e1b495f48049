"""The mailbox's pages: whose mails, from which side, and that looking at one does nothing."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.accounts.models import User
from app.infra.db import transaction
from app.infra.ids import new_id
from app.mailbox import service
from app.messaging.models import Message
from app.messaging.tokens import mail_token
from tests.page_client import PageClient, make_user

HOSTILE = '"><img src=x onerror=alert(1)>'
HTML = (
    '<html><body><p>Hello</p><script>alert(1)</script><a href="https://club.example/" target="_top">Book</a>'
    '<img src="http://localhost/t/o/abc"></body></html>'
)
Put = Callable[..., UUID]


@pytest.fixture
def put(tenant: Any) -> Put:
    def put_mail(
        subject: str = "Welcome",
        to: str = "nomsa@example.com",
        html: str | None = HTML,
        message_id: str = "<x@club.example>",
        of: Any = None,
    ) -> UUID:
        kind = "text/plain" if html is None else "text/html"
        source = (
            f"Message-ID: {message_id}\r\nFrom: Cape Links <news@club.example>\r\nTo: {to}\r\nSubject: {subject}\r\n"
            f"MIME-Version: 1.0\r\nContent-Type: {kind}; charset=utf-8\r\n\r\n{html or 'Only words'}\r\n"
        )
        kept = service.Incoming("bounces@club.example", [to], source.encode())
        return service.store(tenant_id=(of or tenant).id, mails=[kept])[0]

    return put_mail


def test_lists_the_newest_first_and_searches(client: PageClient, sign_in: Any, put: Put) -> None:
    sign_in("marketer")
    assert "No mails yet" in client.get("/mailbox").text
    put("First")
    put("Second", to="sipho@example.com")
    text = client.get("/mailbox").text
    assert text.index("Second") < text.index("First")
    found = client.get("/mailbox?q=sipho", htmx=True).text
    assert "Second" in found
    assert "First" not in found
    assert "<html" not in found
    assert "No mail matches" in client.get("/mailbox?q=nobody").text


def test_the_first_page_renews_itself_and_later_ones_stay(client: PageClient, sign_in: Any, put: Put) -> None:
    sign_in("marketer")
    for number in range(51):
        put(f"Mail {number}")
    first = client.get("/mailbox?q=mail")
    assert 'hx-trigger="every 5s"' in first.text
    assert "q=mail" in first.text
    older = first.text.partition("cursor=")[2].partition('"')[0]
    later = client.get(f"/mailbox?q=mail&cursor={older}").text
    assert "Mail 0" in later
    assert "every 5s" not in later
    assert "Newest" in later
    # What the list asks itself for is the list, its own asking included.
    assert 'hx-trigger="every 5s"' in client.get("/mailbox?q=mail", htmx=True).text


@pytest.mark.parametrize("view", ["html", "text", "source", "headers"])
def test_shows_a_mail_from_every_side(client: PageClient, sign_in: Any, put: Put, view: str) -> None:
    sign_in("marketer")
    mail = put(HOSTILE, html=f"<p>{HOSTILE}</p>")
    text = client.get(f"/mailbox/{mail}?view={view}").text
    assert "nomsa@example.com" in text
    assert "<img src=x" not in text
    assert client.get(f"/mailbox/{mail}?view=nonsense").status_code == 200
    assert "<img src=x" not in client.get("/mailbox").text


def test_a_mail_without_html_opens_as_text(client: PageClient, sign_in: Any, put: Put) -> None:
    sign_in("marketer")
    mail = put(html=None)
    assert "Only words" in client.get(f"/mailbox/{mail}").text
    assert "This mail has no HTML" in client.get(f"/mailbox/{mail}?view=html").text


def test_looking_at_a_mail_does_nothing(client: PageClient, sign_in: Any, put: Put) -> None:
    sign_in("marketer")
    mail = put()
    page = client.get(f"/mailbox/{mail}").text
    assert f'src="/mailbox/{mail}/html"' in page
    assert "images=1" in page
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    frame = client.http.get(f"/mailbox/{mail}/html")
    policy = frame.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "img-src data:;" in policy
    assert "script-src" not in policy
    assert policy.startswith("sandbox allow-popups allow-popups-to-escape-sandbox;")
    assert "<a target=_blank rel=noopener href=" in frame.text
    assert frame.headers["Referrer-Policy"] == "no-referrer"


def test_pictures_are_loaded_when_asked_for(client: PageClient, sign_in: Any, put: Put) -> None:
    sign_in("marketer")
    mail = put()
    assert f"/mailbox/{mail}/html?images=1" in client.get(f"/mailbox/{mail}?images=1").text
    policy = client.http.get(f"/mailbox/{mail}/html?images=1").headers["Content-Security-Policy"]
    assert "img-src data: http: https:;" in policy
    assert "default-src 'none'" in policy


def test_downloads_the_mail_as_it_came(client: PageClient, sign_in: Any, put: Put) -> None:
    sign_in("marketer")
    response = client.get(f"/mailbox/{put()}/mail.eml")
    assert response.mimetype == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.data.startswith(b"Message-ID:")


def test_names_the_message_it_was(client: PageClient, sign_in: Any, tenant: Any, put: Put) -> None:
    sign_in("marketer")
    message_id = new_id()
    with transaction(tenant.id) as session:
        session.add(
            Message(
                tenant_id=tenant.id, id=message_id, channel="EMAIL", purpose="marketing", dedupe_key="a", status="sent"
            )
        )
    mail = put(message_id=f"<{message_id}.{tenant.id}@fairway.example>")
    assert f"/messages/{message_id}" in client.get(f"/mailbox/{mail}").text
    for stranger in (f"<{uuid4()}.{tenant.id}@x>", f"<{message_id}.{uuid4()}@x>", "<>", "<a.b@c>"):
        assert "/messages/" not in client.get(f"/mailbox/{put(message_id=stranger)}").text.partition("<main")[2]


@pytest.mark.parametrize("role", ["staff", "ops", "viewer"])
def test_is_closed_to_other_roles(client: PageClient, sign_in: Any, put: Put, role: str) -> None:
    sign_in(role)
    mail = put()
    for path in ("/mailbox", f"/mailbox/{mail}", f"/mailbox/{mail}/html", f"/mailbox/{mail}/mail.eml"):
        client.get(path, status=403)


def test_another_tenants_mail_is_not_there(client: PageClient, sign_in: Any, other_tenant: Any, put: Put) -> None:
    sign_in("owner")
    mail = put("Secret", of=other_tenant)
    for path in (f"/mailbox/{mail}", f"/mailbox/{mail}/html", f"/mailbox/{mail}/mail.eml"):
        client.get(path, status=404)
    assert "Secret" not in client.get("/mailbox").text


def test_a_colleagues_account_mail_is_for_those_who_manage_users(
    client: PageClient, sign_in: Any, tenant: Any, put: Put
) -> None:
    owner = make_user(tenant.id, "owner")
    with transaction(tenant.id) as session:
        address = session.get_one(User, (tenant.id, owner)).email
    reset = put(subject="Choose a new password", to=address)
    sign_in("marketer")
    assert "Choose a new password" not in client.get("/mailbox").text
    for path in (f"/mailbox/{reset}", f"/mailbox/{reset}/html", f"/mailbox/{reset}/mail.eml"):
        client.get(path, status=404)
    sign_in("admin")
    assert "Choose a new password" in client.get("/mailbox").text
    client.get(f"/mailbox/{reset}")


def test_emptying_the_mailbox_is_for_managers(put: Put, client: PageClient, sign_in: Callable[[str], UUID]) -> None:
    put(subject="Old news")
    sign_in("marketer")
    assert "Empty mailbox" not in client.get("/mailbox").text
    client.post("/mailbox/empty", status=403)
    sign_in("admin")
    assert "Old news" in client.get("/mailbox").text
    client.post("/mailbox/empty", status=302)
    assert "1 mail is removed." in client.get("/mailbox").text
    assert "No mails yet" in client.get("/mailbox").text


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("hard", "taken for: bounces"),
        ("full", "taken for: bounces"),
        ("spam", "taken for: complaints"),
        ("away", "taken for: automatic answers"),
        ("reply", "taken for: replies"),
    ],
)
def test_a_mail_is_answered_as_its_reader_would(
    client: PageClient, sign_in: Any, tenant: Any, what: str, said: str
) -> None:
    message = new_id()
    with transaction(tenant.id) as session:
        session.add(
            Message(
                tenant_id=tenant.id,
                id=message,
                channel="EMAIL",
                purpose="marketing",
                to_address="nomsa@example.com",
                dedupe_key="x",
                status="sent",
            )
        )
    token = mail_token(tenant.id, message)
    source = f"From: n@club.example\r\nReply-To: reply+{token}@localhost\r\nSubject: Welcome\r\n\r\nHello\r\n".encode()
    kept = service.Incoming(f"bounce+{token}@localhost", ["nomsa@example.com"], source)
    [mail] = service.store(tenant_id=tenant.id, mails=[kept])
    sign_in("marketer")
    assert "Answer it" in client.get(f"/mailbox/{mail}").text
    answer = client.post(f"/mailbox/{mail}/answer", data={"what": what, "words": "Yes"}, follow_redirects=True)
    assert said in answer.text
    assert client.post(f"/mailbox/{mail}/answer", data={"what": "nothing"}).status_code == 404
    assert client.post(f"/mailbox/{mail}/answer", data={"what": "reply", "words": " "}).status_code == 422


def test_a_mail_without_an_address_to_come_back_to_is_not_answered(client: PageClient, sign_in: Any, put: Put) -> None:
    sign_in("marketer")
    mail = put()
    assert "Answer it" not in client.get(f"/mailbox/{mail}").text
    assert client.post(f"/mailbox/{mail}/answer", data={"what": "hard"}).status_code == 404
