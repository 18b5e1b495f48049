"""What headers say of a letter to programs: RFC 8058, 2369 and 2919 of what one may leave, RFC 3834 of the rest."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from flask import Flask

from app.infra import config
from tests.messaging.conftest import Mailer, MakeCustomer
from tests.messaging.sink import Sink


@pytest.fixture(autouse=True)
def inbound(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("INBOUND_DOMAIN", "in.fairway.example")
    config.load.cache_clear()
    yield
    monkeypatch.undo()
    config.load.cache_clear()


def letter(mailer: Mailer, customer: MakeCustomer, sink: Sink, purpose: str) -> EmailMessage:
    mailer.put(customer(), purpose=purpose)
    mailer.send()
    mail = message_from_bytes(sink.letters[-1].body, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    assert mail.defects == []
    for name in set(mail.keys()):
        assert len(mail.get_all(name)) == 1, f"{name} stands there twice"
        assert mail[name].defects == (), name
    return mail


def test_marketing_can_be_left_by_one_click_and_by_mail(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, app: Flask, tenant: Any
) -> None:
    mail = letter(mailer, customer, sink, "marketing")
    found = re.fullmatch(
        r"<(http://localhost/u/[\w-]+)>, <mailto:(leave\+[a-z2-7]{48}@in\.fairway\.example)>", mail["List-Unsubscribe"]
    )
    assert found
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Id"] == f"<news.{tenant.id}.localhost>"
    assert "Auto-Submitted" not in mail
    assert "Precedence" not in mail
    answer = app.test_client().post(found[1], data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert mailer.one("SELECT email_opt_in FROM customer") is False


def test_what_answers_somebody_says_that_a_program_wrote_it_and_cannot_be_left(
    mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    mail = letter(mailer, customer, sink, "transactional")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert [name for name in mail if name.lower().startswith("list-")] == []
    assert mail["Reply-To"].addresses[0].domain == "in.fairway.example"
