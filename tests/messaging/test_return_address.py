"""The addresses mail comes back to: one for each message, short enough for any server, and nobody else's to make."""

from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any
from uuid import UUID

import pytest

from app.infra import config
from app.infra.ids import new_id
from app.infra.tokens import BadToken
from app.messaging import return_address
from app.messaging.return_address import For, Returned, addresses, is_ours, read
from app.messaging.tokens import mail_token, mail_token_tail, read_mail_token
from tests.messaging.conftest import Mailer, MakeCustomer
from tests.messaging.sink import Sink


@pytest.fixture(autouse=True)
def inbound(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("INBOUND_DOMAIN", "in.fairway.example")
    config.load.cache_clear()
    yield
    monkeypatch.undo()
    config.load.cache_clear()


def changed(token: str, place: int) -> str:
    return token[:place] + ("a" if token[place] != "a" else "b") + token[place + 1 :]


def test_a_letter_carries_them_and_they_lead_back_to_it(
    tenant: Any, mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    [message] = mailer.put(customer(), purpose="marketing")
    mailer.send()
    [letter] = sink.letters
    mail = message_from_bytes(letter.body, policy=policy.default)
    sender, reply_to, leave = letter.sender, str(mail["Reply-To"]), str(mail["List-Unsubscribe"])
    for what, words in ((For.BOUNCES, sender), (For.REPLIES, reply_to), (For.LEAVING, leave)):
        assert read(words, tenant.id) == [Returned(what, tenant.id, message)]
    assert sender.endswith("@in.fairway.example")
    assert len(sender.partition("@")[0]) < 64
    assert leave.startswith("<http://localhost/u/")
    assert leave.endswith(">")


def test_a_server_that_writes_small_or_large_letters_takes_nothing_away(tenant: Any) -> None:
    message = new_id()
    address = addresses(tenant.id, message).bounces
    assert address is not None
    assert address == address.lower()
    assert read(address.upper(), tenant.id) == read(address, tenant.id) == [Returned(For.BOUNCES, tenant.id, message)]


def test_the_tenant_is_found_by_the_token(tenant: Any, other_tenant: Any) -> None:
    message = new_id()
    address = addresses(other_tenant.id, message).replies
    assert address is not None
    assert [one.tenant_id for one in read(f"To: <{address}>")] == [other_tenant.id]
    assert read(address, tenant.id) == []


def test_a_token_with_any_letter_changed_is_nobody_s(tenant: Any) -> None:
    token = mail_token(tenant.id, new_id())
    for place in range(len(token)):
        with pytest.raises(BadToken):
            read_mail_token(changed(token, place), [tenant.id])


@pytest.mark.parametrize("token", ["", "a", "=" * 48, "a" * 47, "a" * 49, "1" * 48, "ä" * 48, "a" * 56])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(BadToken):
        mail_token_tail(token)
    assert read(f"bounce+{token}@in.fairway.example") == []


def test_whose_key_it_was_signed_with_is_believed_while_that_is_known(
    tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = mail_token(tenant.id, new_id())
    old = config.load().secret_key
    monkeypatch.setenv("SECRET_KEY", "another secret of forty characters, for tests")
    config.load.cache_clear()
    with pytest.raises(BadToken):
        read_mail_token(token, [tenant.id])
    monkeypatch.setenv("SECRET_KEY_FALLBACKS", old)
    config.load.cache_clear()
    assert read_mail_token(token, [tenant.id]).tenant_id == tenant.id


def test_of_many_tokens_only_some_are_looked_at(tenant: Any) -> None:
    many = [addresses(tenant.id, new_id()).bounces or "" for _ in range(return_address.MOST_READ + 5)]
    assert len(read(" ".join(many * 2), tenant.id)) == return_address.MOST_READ


def test_what_is_not_one_of_them_is_left_alone(tenant: Any) -> None:
    message = UUID(int=7)
    assert is_ours(f"<{addresses(tenant.id, message).leaving}>")
    for address in ("bounce@in.fairway.example", "bounce+x@in.fairway.example", "ann@example.com", ""):
        assert not is_ours(address)
        assert read(address, tenant.id) == []


def test_without_a_domain_there_are_none(
    tenant: Any, mailer: Mailer, customer: MakeCustomer, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INBOUND_DOMAIN")
    config.load.cache_clear()
    mailer.put(customer(), purpose="marketing")
    mailer.send()
    [letter] = sink.letters
    assert letter.sender == config.load().mail_from
    assert b"Reply-To" not in letter.body
    assert b"mailto:" not in letter.body


@pytest.mark.parametrize("words", ["in example.com", "example..com", "-a.example", "a@b.example", "<x>", "a" * 200])
def test_a_domain_that_is_none_stops_the_start(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INBOUND_DOMAIN", words)
    config.load.cache_clear()
    with pytest.raises(config.ConfigError, match="INBOUND_DOMAIN"):
        config.load()
