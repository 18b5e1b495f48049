"""The way out: by one click without cookies, by the page, and back again. Looking changes nothing."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from app.capture import service as capture
from app.customers.models import ContactPoint
from app.events import log
from app.infra import clock
from app.infra.db import transaction
from app.infra.ids import new_id
from app.infra.tokens import BadToken
from app.messaging import service as messaging
from app.messaging.tokens import read_unsubscribe, unsubscribe_token
from app.messaging.unsubscribe import How, standing, undo, unsubscribe
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.messaging.sink import Sink
from tests.page_client import PageClient
from tests.tampered import tampered


def rows(tenant_id: UUID, table: str) -> list[Any]:
    with transaction(tenant_id) as session:
        return list(session.execute(text(f"SELECT * FROM {table} ORDER BY id")))


@pytest.fixture
def letter_link(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> tuple[UUID, str]:
    """A customer, and the path of the unsubscribe link in the letter that reached them."""
    ann = customer()
    mailer.put(ann)
    mailer.send()
    found = re.fullmatch(r"<http://localhost(/u/.+)>", sink.letters[0].mail["List-Unsubscribe"])
    assert found
    return ann, found[1]


def test_one_click_needs_nothing_but_the_link(
    app: Flask, tenant: Any, mailer: Mailer, letter_link: tuple[UUID, str]
) -> None:
    ann, path = letter_link
    stranger = app.test_client()
    for _ in range(2):
        response = stranger.post(path, data={"List-Unsubscribe": "One-Click"})
        assert response.status_code == 200
    [person] = rows(tenant.id, "customer")
    assert person.email_opt_in is False
    [proof] = rows(tenant.id, "consent_change")
    assert (proof.customer_id, proof.channel, proof.opted_in) == (ann, "EMAIL", False)
    assert (proof.source, proof.how, proof.address) == ("customer", "one_click", person.email)
    assert proof.evidence["message_id"]
    [event] = rows(tenant.id, "inbound_event")
    assert (event.type, event.source, event.identity) == (
        "message.unsubscribed",
        "fairway",
        {"customer_id": str(ann)},
    )
    assert event.payload["email_opt_in"] is False
    [message] = mailer.put(ann, key="next", now=NOON)
    mailer.send(timedelta(minutes=10))
    assert mailer.fate(message) == ("skipped", "opted_out")


def test_looking_changes_nothing(client: PageClient, tenant: Any, letter_link: tuple[UUID, str]) -> None:
    _, path = letter_link
    before = [rows(tenant.id, table) for table in ("customer", "consent_change", "inbound_event", "message")]
    text_ = client.get(path).text
    assert "Unsubscribe" in text_
    client.http.head(path)
    assert before == [rows(tenant.id, table) for table in ("customer", "consent_change", "inbound_event", "message")]


def test_the_page_acts_by_its_button_and_can_be_taken_back(
    client: PageClient, tenant: Any, letter_link: tuple[UUID, str]
) -> None:
    _, path = letter_link
    assert client.http.post(path).status_code == 303
    page = client.get(path).text
    assert "You are unsubscribed" in page
    assert "Subscribe again" in page
    assert client.http.post(f"{path}/undo").status_code == 303
    assert rows(tenant.id, "customer")[0].email_opt_in is True
    assert "Subscribe again" not in client.get(path).text
    assert [one.how for one in rows(tenant.id, "consent_change")] == ["unsubscribe_page", "unsubscribe_page_undo"]


def test_a_no_that_was_said_elsewhere_cannot_be_taken_back_by_a_link(tenant: Any, customer: MakeCustomer) -> None:
    link = read_unsubscribe(unsubscribe_token(tenant.id, customer(email_opt_in=False), new_id()))
    assert standing(link=link).may_undo is False
    assert undo(link=link) is False
    assert rows(tenant.id, "customer")[0].email_opt_in is False


def test_the_link_of_a_merged_profile_leads_to_the_one_that_stayed(tenant: Any, customer: MakeCustomer) -> None:
    winner = customer()
    loser = customer(status="MERGED", merged_into_id=winner)
    assert unsubscribe(link=read_unsubscribe(unsubscribe_token(tenant.id, loser, new_id())), how=How.PAGE)
    with transaction(tenant.id) as session:
        query = text("SELECT email_opt_in FROM customer WHERE id = :id")
        assert session.execute(query, {"id": winner}).scalar_one() is False


def test_a_changed_link_opens_nothing(
    client: PageClient, tenant: Any, other_tenant: Any, customer: MakeCustomer
) -> None:
    ann = customer()
    token = unsubscribe_token(tenant.id, ann, new_id())
    for bad in (tampered(token), token[1:], "x" * 5000, "é", unsubscribe_token(other_tenant.id, ann, new_id())):
        client.get(f"/u/{bad}", status=404)
        assert client.http.post(f"/u/{bad}", data={"List-Unsubscribe": "One-Click"}).status_code == 404
    with pytest.raises(BadToken):
        read_unsubscribe("")
    assert rows(tenant.id, "customer")[0].email_opt_in is True


def apply_events(tenant_id: UUID) -> None:
    while capture.process_batch(tenant_id=tenant_id, now=clock.now(), handlers=(messaging.on_events,)):
        pass


def test_the_event_of_it_reaches_the_timeline_and_undoes_nothing(
    client: PageClient, tenant: Any, letter_link: tuple[UUID, str]
) -> None:
    _, path = letter_link
    client.http.post(path)
    apply_events(tenant.id)
    assert rows(tenant.id, "customer")[0].email_opt_in is False
    assert "Subscribe again" in client.get(path).text
    client.http.post(f"{path}/undo")
    apply_events(tenant.id)
    assert rows(tenant.id, "customer")[0].email_opt_in is True
    assert {event.status for event in rows(tenant.id, "inbound_event")} == {"processed"}
    types = [one.type for one in rows(tenant.id, "activity")]
    assert types == ["message.sent", "message.unsubscribed", "contactPreference.updated"]


def test_a_no_of_the_club_s_own_system_after_it_cannot_be_taken_back(
    client: PageClient, tenant: Any, letter_link: tuple[UUID, str]
) -> None:
    ann, path = letter_link
    client.http.post(path)
    later = clock.now().isoformat()
    with transaction(tenant.id) as session:
        email = session.execute(text("SELECT email FROM customer")).scalar_one()
        session.add(ContactPoint(tenant_id=tenant.id, customer_id=ann, kind="email", key=email, value=email))
    event = {
        "id": "club-1",
        "type": "contactPreference.updated",
        "source": "club",
        "timestamp": later,
        "identity": {"email": email},
        "payload": {"email_opt_in": False},
    }
    log.append(tenant_id=tenant.id, events=[event])
    apply_events(tenant.id)
    assert rows(tenant.id, "inbound_event")[-1].customer_id == ann
    assert "Subscribe again" not in client.get(path).text
