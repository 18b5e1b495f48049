"""Letters of our own: made when they are sent, so that no link that opens an account lies in the outbox."""

from typing import Any

import pytest
from sqlalchemy import text

from app.content.letters import problems_of
from app.infra.db import transaction
from app.infra.registry import NotRegistered
from app.messaging import outbox
from app.messaging.builtin import builtin, builtins
from tests.messaging.conftest import NOON, Mailer
from tests.messaging.sink import Sink
from tests.page_client import make_user


def letter_to(mailer: Mailer, name: str, user_id: Any, key: str = "k") -> Any:
    return outbox.put_one(
        tenant_id=mailer.tenant_id,
        to_address="pat@example.com",
        dedupe_key=f"{name}:{key}",
        builtin=name,
        user_id=user_id,
        now=NOON,
    )


def test_a_reset_mail_carries_a_link_the_outbox_never_held(mailer: Mailer, sink: Sink) -> None:
    user_id = make_user(mailer.tenant_id, "staff")
    message = letter_to(mailer, "reset_password", user_id)
    mailer.send()
    [letter] = sink.letters
    body = letter.mail.get_content()
    assert "http://localhost/reset-password/" in body
    assert "Hello Staff Person" in body
    assert letter.mail["Subject"] == "Set a new password for Fairway"
    assert letter.mail["Auto-Submitted"] == "auto-generated"
    assert "reset-password/" not in str(mailer.row(message))


def test_an_invitation_carries_its_link(mailer: Mailer, sink: Sink) -> None:
    user_id = make_user(mailer.tenant_id, "staff")
    with transaction(mailer.tenant_id) as session:
        session.execute(text("UPDATE users SET status = 'invited', password_hash = NULL"))
    letter_to(mailer, "invitation", user_id)
    mailer.send()
    assert "http://localhost/invitation/" in sink.letters[0].mail.get_content()


@pytest.mark.parametrize(("name", "why"), [("invitation", "answered already"), ("nonsense", "No built-in letter")])
def test_a_letter_with_nothing_to_say_is_not_sent(mailer: Mailer, sink: Sink, name: str, why: str) -> None:
    message = letter_to(mailer, name, make_user(mailer.tenant_id, "staff"))
    mailer.send()
    row = mailer.row(message)
    assert (row.status, row.reason) == ("failed", "render_error")
    assert why in row.response
    assert not sink.letters


def test_the_same_intention_is_one_mail(mailer: Mailer, sink: Sink) -> None:
    user_id = make_user(mailer.tenant_id, "staff")
    assert letter_to(mailer, "reset_password", user_id) == letter_to(mailer, "reset_password", user_id)
    mailer.send()
    assert len(sink.letters) == 1


def test_every_letter_of_ours_can_be_read() -> None:
    with pytest.raises(NotRegistered):
        builtin("nonsense")
    assert {name for name, _ in builtins} == {
        "campaign_answer",
        "campaign_approval",
        "campaign_unapproved",
        "confirm_consent",
        "invitation",
        "mention",
        "notice",
        "reset_password",
        "task",
        "text_help",
    }
    for _, letter in builtins:
        assert problems_of(letter.source) == {}
