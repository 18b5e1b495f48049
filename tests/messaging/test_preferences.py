"""The preference page and the double opt-in: looking changes nothing, saving is proven."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from app.customers import consents, topics
from app.customers.consents import ALL, Proof, State, Word, standing
from app.infra.db import transaction
from app.infra.ids import new_id
from app.infra.tokens import BadToken
from app.messaging import double_opt_in
from app.messaging.suppression import SuppressedBecause, suppress
from app.messaging.tokens import confirm_token, preferences_token, read_confirm, unsubscribe_token
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.messaging.sink import Sink
from tests.page_client import PageClient
from tests.tampered import tampered
from tests.waiting import until_somebody_waits

YES, NO = State.SUBSCRIBED, State.UNSUBSCRIBED
DESK = Proof("staff", "in_person", actor="system", wording="News by e-mail?")


def topic_of(tenant: Any, key: str) -> UUID:
    return topics.named(tenant_id=tenant.id, name=key).id


def comes_to(tenant: Any, customer_id: UUID, key: str | None = None, channel: str = "EMAIL") -> str:
    known = standing(tenant_id=tenant.id, customer_id=customer_id)
    return str(known.line(channel, topic_of(tenant, key) if key else None).comes_to)


def all_of(tenant: Any, customer_id: UUID) -> list[str]:
    return [comes_to(tenant, customer_id, key) for key in (None, "competitions", "news", "tee-times")]


def path_of(tenant: Any, customer_id: UUID) -> str:
    return f"/p/{preferences_token(tenant.id, customer_id, new_id())}"


def ticked(page: str) -> list[str]:
    return re.findall(r'name="choice" id="[^"]+" value="([^"]+)" checked', page)


def rows(tenant: Any, table: str) -> list[Any]:
    with transaction(tenant.id) as session:
        return list(session.execute(text(f"SELECT * FROM {table} ORDER BY id")))


def test_the_pages_speak_for_the_readers_club(
    tenant: Any, mailer: Mailer, customer: MakeCustomer, client: PageClient
) -> None:
    reader = customer()
    assert "Cape Links may send" in client.get(path_of(tenant, reader)).text
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE customer SET club_id = (SELECT id FROM club) WHERE id = :id"), {"id": reader})
    unsubscribing = f"/u/{unsubscribe_token(tenant.id, reader, new_id())}"
    confirming = f"/p/confirm/{confirm_token(tenant.id, reader, 'ann@example.com')}"
    for path in (path_of(tenant, reader), unsubscribing, confirming):
        page = client.get(path).text
        assert "<span>Cape Links Golf Club</span>" in page, path
    page = client.get(path_of(tenant, reader)).text
    assert "Your choice holds for all clubs of Cape Links." in page


def test_every_mail_leads_there(mailer: Mailer, customer: MakeCustomer, sink: Sink, client: PageClient) -> None:
    mailer.put(customer())
    mailer.send()
    mail = sink.letters[0].mail
    for part in mail.walk():
        if part.get_content_maintype() == "text":
            assert "Choose what you receive" in part.get_content()
    found = re.search(r"http://localhost(/p/\S+)", mail.get_body(("plain",)).get_content())
    assert found
    assert "What you receive" in client.get(found[1]).text


def test_looking_changes_nothing(client: PageClient, tenant: Any, customer: MakeCustomer) -> None:
    ann = customer()
    before = [rows(tenant, table) for table in ("customer", "consent", "consent_change", "inbound_event")]
    page = client.get(path_of(tenant, ann)).text
    client.http.head(path_of(tenant, ann))
    assert len(ticked(page)) == 4
    assert before == [rows(tenant, table) for table in ("customer", "consent", "consent_change", "inbound_event")]


def test_saving_needs_nothing_but_the_link_and_is_proven(app: Flask, tenant: Any, customer: MakeCustomer) -> None:
    ann = customer()
    path = path_of(tenant, ann)
    kept = ["EMAIL", f"EMAIL:{topic_of(tenant, 'news')}"]
    for _ in range(2):
        assert app.test_client().post(path, data={"choice": kept}).status_code == 303
    assert all_of(tenant, ann) == ["subscribed", "unsubscribed", "subscribed", "unsubscribed"]
    proofs = rows(tenant, "consent_change")
    assert {(one.source, one.how, one.state) for one in proofs} == {("customer", "preference_page", "unsubscribed")}
    assert len(proofs) == 2
    assert "Tee times" in proofs[0].wording
    assert proofs[0].evidence["message_id"]
    [event] = rows(tenant, "inbound_event")
    assert event.type == "contactPreference.updated"


def test_one_topic_alone_can_be_kept(app: Flask, client: PageClient, tenant: Any, customer: MakeCustomer) -> None:
    ann = customer()
    path, news = path_of(tenant, ann), f"EMAIL:{topic_of(tenant, 'news')}"
    app.test_client().post(path, data={"choice": [news]})
    assert all_of(tenant, ann) == ["unsubscribed", "unsubscribed", "subscribed", "unsubscribed"]
    assert ticked(client.get(path).text) == [news]


def test_after_an_unsubscribe_a_topic_can_be_chosen_again(
    app: Flask, client: PageClient, tenant: Any, customer: MakeCustomer
) -> None:
    from app.messaging.tokens import read_unsubscribe, unsubscribe_token
    from app.messaging.unsubscribe import How, standing, undo, unsubscribe

    ann = customer()
    link = read_unsubscribe(unsubscribe_token(tenant.id, ann, new_id()))
    assert unsubscribe(link=link, how=How.PAGE)
    path, news = path_of(tenant, ann), f"EMAIL:{topic_of(tenant, 'news')}"
    assert ticked(client.get(path).text) == []
    app.test_client().post(path, data={"choice": [news]})
    assert all_of(tenant, ann) == ["unsubscribed", "unsubscribed", "subscribed", "unsubscribed"]
    # The way out ends the exception too, and taking that back makes no yes to everything of it.
    assert standing(link=link).opted_in is None
    assert unsubscribe(link=link, how=How.ONE_CLICK)
    assert set(all_of(tenant, ann)) == {"unsubscribed"}
    assert undo(link=link) is False


def test_the_stop_holds_over_all_and_is_lifted_here(
    app: Flask, client: PageClient, tenant: Any, customer: MakeCustomer
) -> None:
    ann = customer()
    path = path_of(tenant, ann)
    every = ticked(client.get(path).text)
    app.test_client().post(path, data={"choice": every, "stop": "1"})
    assert standing(tenant_id=tenant.id, customer_id=ann).stopped_at
    page = client.get(path).text
    assert ticked(page) == every
    app.test_client().post(path, data={"choice": every})
    assert set(all_of(tenant, ann)) == {"subscribed"}


def test_a_changed_link_opens_nothing_and_a_merged_one_leads_on(
    client: PageClient, tenant: Any, other_tenant: Any, customer: MakeCustomer
) -> None:
    ann = customer()
    token = preferences_token(tenant.id, ann, new_id())
    for bad in (tampered(token), "x", preferences_token(other_tenant.id, ann, new_id())):
        client.get(f"/p/{bad}", status=404)
        assert client.http.post(f"/p/{bad}", data={"stop": "1"}).status_code == 404
    loser = customer(status="MERGED", merged_into_id=ann)
    assert client.http.post(path_of(tenant, loser), data={"stop": "1"}).status_code == 303
    assert standing(tenant_id=tenant.id, customer_id=ann).stopped_at


@pytest.mark.committed
@pytest.mark.parametrize("confirming", [False, True])
def test_a_choice_made_while_two_profiles_become_one_holds_for_the_one(
    real_db: str, app: Flask, customer: MakeCustomer, tenant: Any, confirming: bool
) -> None:
    ann, twin, news = customer(), customer(), topic_of(tenant, "news")
    topics.update(tenant_id=tenant.id, topic_id=news, changes={"double_opt_in": True}, actor="system")
    address = rows(tenant, "customer")[0].email
    ask(tenant, ann, Word("EMAIL", YES, news))
    half_way, released = threading.Event(), threading.Event()

    def merge() -> None:
        with app.app_context(), transaction(tenant.id) as session:
            merged = "UPDATE customer SET status = 'MERGED', merged_into_id = :ann WHERE id = :twin"
            session.execute(text(merged), {"ann": ann, "twin": twin})
            half_way.set()
            released.wait(30)

    def choose() -> int:
        half_way.wait(30)
        confirmed = f"/p/confirm/{confirm_token(tenant.id, twin, address)}"
        with app.app_context():
            path, said = (confirmed, {}) if confirming else (path_of(tenant, twin), {"stop": "1"})
            return app.test_client().post(path, data=said).status_code

    with ThreadPoolExecutor(2) as pool:
        merging, choosing = pool.submit(merge), pool.submit(choose)
        half_way.wait(30)
        until_somebody_waits(real_db)
        released.set()
        merging.result(30)
        assert choosing.result(30) == 303
    if confirming:
        assert comes_to(tenant, ann, "news") == "subscribed"
    else:
        assert standing(tenant_id=tenant.id, customer_id=ann).stopped_at


def test_made_up_choices_are_passed_over(app: Flask, tenant: Any, customer: MakeCustomer) -> None:
    ann = customer(email_opt_in=None)
    made_up = ["PIGEON", "EMAIL:x", f"EMAIL:{new_id()}", f"SMS:{topic_of(tenant, 'news')}", "ALL"]
    assert app.test_client().post(path_of(tenant, ann), data={"choice": made_up}).status_code == 303
    assert rows(tenant, "consent_change") == []


def ask(tenant: Any, customer_id: UUID, *words: Word, after: timedelta = timedelta(0)) -> Any:
    return double_opt_in.record(tenant_id=tenant.id, customer_id=customer_id, words=words, proof=DESK, now=NOON + after)


def test_a_yes_recorded_by_others_waits_for_the_mailbox(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, client: PageClient, tenant: Any
) -> None:
    ann = customer(email_opt_in=None)
    news = topic_of(tenant, "news")
    topics.update(tenant_id=tenant.id, topic_id=news, changes={"double_opt_in": True}, actor="system")
    ask(tenant, ann, Word("EMAIL", YES, news), Word("SMS", YES, news))
    assert (comes_to(tenant, ann, "news"), comes_to(tenant, ann, "news", "SMS")) == ("pending", "subscribed")
    mailer.send()
    [letter] = sink.letters
    body = letter.mail.get_content()
    assert "- News & offers" in body
    found = re.search(r"http://localhost(/p/confirm/\S+)", body)
    assert found
    assert "News &amp; offers" in client.get(found[1]).text
    assert comes_to(tenant, ann, "news") == "pending"
    answer = client.http.post(found[1])
    assert answer.status_code == 303
    assert "It is confirmed" in client.get(answer.location).text
    assert comes_to(tenant, ann, "news") == "subscribed"
    proof = rows(tenant, "consent_change")[-1]
    assert (proof.source, proof.how, proof.state) == ("customer", "double_opt_in", "subscribed")
    assert double_opt_in.confirm(link=read_confirm(found[1].rpartition("/")[2])) is False


@pytest.mark.committed
def test_a_yes_that_others_record_while_the_reader_withdraws_theirs_waits_for_the_mailbox(
    real_db: str, app: Flask, customer: MakeCustomer, tenant: Any
) -> None:
    ann, news = customer(email_opt_in=None), topic_of(tenant, "news")
    topics.update(tenant_id=tenant.id, topic_id=news, changes={"double_opt_in": True}, actor="system")
    mine = {"tenant_id": tenant.id, "customer_id": ann, "proof": Proof("customer", "preference_page")}
    consents.record(**mine, words=[Word("EMAIL", YES, news)], now=NOON)
    half_way, released = threading.Event(), threading.Event()

    def withdraw() -> None:
        with app.app_context(), transaction(tenant.id):
            consents.record(**mine, words=[Word("EMAIL", NO, news)], now=NOON)
            half_way.set()
            released.wait(30)

    def record() -> None:
        half_way.wait(30)
        with app.app_context():
            ask(tenant, ann, Word("EMAIL", YES, news), after=timedelta(minutes=1))

    with ThreadPoolExecutor(2) as pool:
        acts = [pool.submit(withdraw), pool.submit(record)]
        half_way.wait(30)
        until_somebody_waits(real_db)
        released.set()
        for one in acts:
            one.result(30)
    assert comes_to(tenant, ann, "news") == "pending"


def test_a_channel_can_be_asked_for_as_a_whole(mailer: Mailer, customer: MakeCustomer, tenant: Any) -> None:
    ann = customer(email_opt_in=False, email_opt_in_at=NOON - timedelta(days=1))
    ask(tenant, ann, Word("EMAIL", State.PENDING))
    assert comes_to(tenant, ann) == "pending"
    link = read_confirm(confirm_token(tenant.id, ann, rows(tenant, "customer")[0].email))
    assert double_opt_in.confirm(link=link, now=NOON + timedelta(hours=1))
    assert comes_to(tenant, ann) == "subscribed"


def test_what_was_withdrawn_meanwhile_is_not_confirmed(customer: MakeCustomer, tenant: Any) -> None:
    ann = customer(email_opt_in=None)
    ask(tenant, ann, Word("EMAIL", State.PENDING, topic_of(tenant, "news")))
    consents.record(
        tenant_id=tenant.id,
        customer_id=ann,
        words=[Word("EMAIL", NO)],
        proof=DESK,
        now=NOON + timedelta(hours=1),
    )
    link = read_confirm(confirm_token(tenant.id, ann, rows(tenant, "customer")[0].email))
    assert double_opt_in.confirm(link=link) is False
    assert comes_to(tenant, ann, "news") == "unsubscribed"


def test_a_mailbox_speaks_for_no_other_address(customer: MakeCustomer, tenant: Any) -> None:
    ann = customer(email_opt_in=None)
    ask(tenant, ann, Word("EMAIL", State.PENDING))
    link = read_confirm(confirm_token(tenant.id, ann, "old@example.com"))
    assert double_opt_in.confirm(link=link) is False
    with pytest.raises(BadToken):
        double_opt_in.waiting(link=read_confirm(confirm_token(tenant.id, new_id(), "old@example.com")))


def test_no_confirmation_is_asked_where_no_mail_may_go(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, tenant: Any
) -> None:
    pending = Word("EMAIL", State.PENDING)
    nowhere, complained, stopped = customer(email=None), customer(email="c@example.com"), customer()
    suppress(tenant_id=tenant.id, addresses=["c@example.com"], because=SuppressedBecause.COMPLAINT)
    consents.record(tenant_id=tenant.id, customer_id=stopped, words=[Word(ALL, NO)], proof=DESK, now=NOON)
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE customer SET email_opt_in = NULL"))
    before = len(rows(tenant, "consent_change"))
    for whom in (nowhere, complained, stopped):
        with pytest.raises(double_opt_in.CannotAsk):
            ask(tenant, whom, pending)
    assert len(rows(tenant, "consent_change")) == before
    mailer.send()
    assert not sink.letters
