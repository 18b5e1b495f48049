"""Webhook: one signed post a message, to the organisation's own receiver, the same when it is repeated."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.content import service as content
from app.customers import consents
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.mailbox import queries as mailbox
from app.messaging import accounts
from tests.messaging.conftest import Mailer, MakeCustomer
from tests.page_client import PageClient
from tests.segments.receiver import Receiver, receiving


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch, tenant: Any) -> Iterator[Receiver]:
    with receiving(monkeypatch) as found:
        switch_on(tenant.id, found.url)
        yield found


def switch_on(tenant_id: UUID, url: str, carrier: str = "provider") -> None:
    accounts.save(tenant_id=tenant_id, channel_name="WEBHOOK", carrier=carrier, settings={"url": url}, actor="system")


@pytest.fixture
def poster(tenant: Any) -> Mailer:
    made = content.create(
        tenant_id=tenant.id,
        name="Tell the till",
        channel="WEBHOOK",
        text="{{ customer.first_name }} became Gold",
        parameters={"fields": ["name: {{ customer.first_name }}", 'when: {{ event.at | default: "9:30" }}']},
    )
    return Mailer(tenant.id, made.id)


def put(poster: Mailer, *people: UUID, **more: Any) -> list[UUID]:
    return poster.put(*people, channel_name="WEBHOOK", **more)


def test_it_is_posted_and_signed(poster: Mailer, customer: MakeCustomer, tenant: Any, receiver: Receiver) -> None:
    ann = customer(first_name='Ann "the ace"\nLee: 7', email=None)
    [message] = put(poster, ann)
    poster.send()
    assert poster.fate(message) == ("sent", None)
    [told] = receiver.told
    assert told.json == {
        "type": "message",
        "data": {
            "message_id": str(message),
            "tenant_id": str(tenant.id),
            "customer_id": str(ann),
            "marketing": True,
            "text": 'Ann "the ace"\nLee: 7 became Gold',
            "fields": {"name": 'Ann "the ace"\nLee: 7', "when": "9:30"},
        },
    }
    secret = accounts.of(tenant_id=tenant.id, channel_name="WEBHOOK").secret
    assert secret is not None
    assert told.signed_by(secret)
    assert told.id == f"msg_{message.hex}"


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        (204, ("sent", None)),
        (400, ("failed", "refused")),
        (401, ("queued", "temporary_failure")),
        (410, ("queued", "temporary_failure")),
        (429, ("queued", "temporary_failure")),
        (500, ("queued", "temporary_failure")),
        (302, ("queued", "temporary_failure")),
    ],
)
def test_what_an_answer_comes_to(
    poster: Mailer, customer: MakeCustomer, receiver: Receiver, status: int, fate: tuple[str, str | None]
) -> None:
    receiver.answer(status)
    [message] = put(poster, customer())
    poster.send()
    assert poster.fate(message) == fate


def test_a_repeat_has_the_id_of_the_first(poster: Mailer, customer: MakeCustomer, receiver: Receiver) -> None:
    receiver.answer(500)
    [message] = put(poster, customer())
    poster.send()
    poster.send(timedelta(minutes=5))
    assert poster.fate(message) == ("sent", None)
    first, second = receiver.told
    assert (first.id, first.body) == (second.id, second.body)


def test_only_the_stop_of_everything_holds_it_back(
    poster: Mailer, customer: MakeCustomer, tenant: Any, receiver: Receiver
) -> None:
    silent = customer(email_opt_in=None)
    stopped = customer()
    consents.record(
        tenant_id=tenant.id,
        customer_id=stopped,
        words=[consents.Word(consents.ALL, consents.State.UNSUBSCRIBED)],
        proof=consents.Proof("customer", "preference_page"),
    )
    put(poster, silent, stopped)
    poster.send(timedelta(minutes=1))
    with transaction(tenant.id) as session:
        rows = session.execute(text("SELECT customer_id, status, reason FROM message")).all()
    assert {(row.customer_id, row.status, row.reason) for row in rows} == {
        (silent, "sent", None),
        (stopped, "skipped", "stopped"),
    }


def test_until_an_address_is_set_it_is_kept_in_the_mailbox(poster: Mailer, customer: MakeCustomer, tenant: Any) -> None:
    put(poster, customer())
    poster.send()
    [kept] = mailbox.list_mails(tenant_id=tenant.id, channel="WEBHOOK").items
    assert '"when": "9:30"' in (mailbox.get(tenant_id=tenant.id, mail_id=kept.id).letter.text or "")


@pytest.mark.parametrize("url", ["http://example.com/", "https://10.0.0.1/", "https://metadata.internal/", ""])
def test_where_it_does_not_go(tenant: Any, url: str) -> None:
    with pytest.raises(Invalid) as refused:
        switch_on(tenant.id, url)
    assert set(refused.value.errors) == {"url"}


@pytest.mark.parametrize(
    "fields",
    [["no colon"], ["Name: x"], ["a: 1", "a: 2"], ["{{ x }}: 1"], [": 1"], ["a: {{ x | shout }}"]],
)
def test_fields_that_are_none(tenant: Any, fields: list[str]) -> None:
    with pytest.raises(Invalid):
        content.create(tenant_id=tenant.id, name="Wrong", channel="WEBHOOK", text="x", parameters={"fields": fields})


def test_the_receiver_s_secret_is_shown_to_who_manages_it(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("owner")
    chosen = {"carrier": "provider", "url": "https://hooks.example.com/fairway"}
    client.post("/settings/channels/WEBHOOK", chosen, status=302)
    secret = accounts.of(tenant_id=tenant.id, channel_name="WEBHOOK").secret or "-"
    assert secret.startswith("whsec_")
    assert secret in client.get("/settings/channels/WEBHOOK").text
    typed = {"channel": "WEBHOOK", "name": "Till", "text": "Hi", "parameters_fields": "a: {{ customer.email }}"}
    saved = client.post("/templates/new", typed, status=302)
    assert "alex@example.com" in client.get(saved.headers["Location"]).text
