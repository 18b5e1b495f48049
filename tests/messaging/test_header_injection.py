"""What readers and staff are called cannot change a letter's headers or end it: counted at the SMTP peer."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.content import service as content
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.messaging import sending_domains
from app.messaging.mime import HeaderProblem, Mail, build
from tests.messaging.conftest import Mailer, MakeCustomer
from tests.messaging.sink import Letter, Sink

# NUL never gets this far: the database and every door refuse it.
HOSTILE = (
    "Ann\r\nBcc: victim@example.com",
    "Ann\nBcc: victim@example.com",
    "Ann\rBcc: victim@example.com",
    "Ann\r\n\r\n.\r\nMAIL FROM:<e@example.com>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\n",
    "=?utf-8?q?=0D=0ABcc:_victim@example.com?=",
    "=?utf-8?b?DQpCY2M6IHZpY3RpbUBleGFtcGxlLmNvbQ==?=",
    "Ann\u2028Bcc: victim@example.com",
    "Ann\x85Bcc: victim@example.com",
    "Ann\x0b\x0c\x1c\x1eBcc: victim@example.com",
    "\r\n.\r\n",
    ".\n..\n.",
    "a" * 3_000,
    "Zoë " * 1_000,
    "a@example.com>, <victim@example.com",
)
FIELDS = ("customer", "event", "club")
WORDS = "{{ customer.first_name }}{{ event.note }}{{ club.name }}"


def club(tenant_id: UUID, name: str) -> UUID:
    with transaction(tenant_id) as session:
        found: UUID = session.execute(
            text(
                "INSERT INTO club (tenant_id, name, country, timezone, locale, currency)"
                " VALUES (:t, :name, 'ZA', 'Africa/Johannesburg', 'en-ZA', 'ZAR') RETURNING id"
            ),
            {"t": tenant_id, "name": name},
        ).scalar_one()
    return found


def read(letter: Letter) -> EmailMessage:
    mail = message_from_bytes(letter.body, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def test_no_merge_field_adds_a_header_a_reader_or_an_end(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, tenant: Any
) -> None:
    template = content.create(
        tenant_id=tenant.id,
        name="Everywhere",
        subject=f"Hi {WORDS}",
        html=f'<html><body>\n{WORDS}\n<a href="https://club.example/{WORDS}">{WORDS}</a>\n</body></html>',
        text=f"{WORDS}\nthe last line",
    ).id
    plain = customer(first_name="Ann", club_id=club(tenant.id, "Plain"))
    mailer.put(plain, template_id=template, contexts=[{"event": {"note": "n"}}])
    mailer.send()
    [harmless] = sink.letters
    names = read(harmless).keys()
    made = []
    for number, words in enumerate(HOSTILE):
        for field in FIELDS:
            reader = customer(
                first_name=words if field == "customer" else "Ann",
                email=f"{field}{number}@example.com",
                club_id=club(tenant.id, words if field == "club" else f"Club {number} {field}"),
            )
            context = {"event": {"note": words if field == "event" else "n"}}
            made += mailer.put(reader, key=f"{field}{number}", template_id=template, contexts=[context])
    mailer.send()
    assert {mailer.fate(one) for one in made} == {("sent", None)}
    letters = sink.letters[1:]
    assert len(letters) == len(HOSTILE) * len(FIELDS), "no letter was made inside another one"
    for letter in letters:
        mail = read(letter)
        assert mail.keys() == names
        assert [one.addr_spec for one in mail["To"].addresses] == [letter.recipient]
        assert mail["Bcc"] is None
        assert mail.defects == []
        assert max(map(len, letter.body.split(b"\r\n"))) <= 998
        body = mail.get_body(("plain",))
        assert body is not None
        assert "the last line" in body.get_content(), "the letter goes on after what was filled in"


@pytest.mark.parametrize("words", HOSTILE[:4])
def test_nobody_is_called_a_header(words: str, tenant: Any) -> None:
    """Whom letters are from is a setting: its address is refused, in its name a line break is a blank."""
    sending_domains.add(tenant_id=tenant.id, name="news.club.example", actor="system")
    set_to: dict[str, Any] = {"tenant_id": tenant.id, "club_id": None, "actor": "system"}
    with pytest.raises(Invalid):
        sending_domains.set_sender(name="The club", address=f"{words}@news.club.example", **set_to)
    sending_domains.set_sender(name=words, address="hello@news.club.example", **set_to)
    [kept] = sending_domains.senders(tenant_id=tenant.id)
    assert kept["name"].isprintable()


@pytest.mark.parametrize("words", HOSTILE[:4])
@pytest.mark.parametrize("name", ["Reply-To", "List-Unsubscribe", "X-Fairway-Tenant"])
def test_a_header_of_ours_with_a_line_break_ends_its_letter_and_no_other(words: str, name: str) -> None:
    with pytest.raises(HeaderProblem):
        build(
            Mail(
                message_id="1@club.example",
                date="Fri, 20 Nov 2026 12:00:00 +0000",
                from_name="Club",
                from_address="no-reply@club.example",
                to_address="ann@example.com",
                subject="Hi",
                text="Hello",
                html=None,
                boundary=UUID(int=1),
                headers=[(name, words)],
            )
        )
