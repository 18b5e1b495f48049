"""What the gate looks at, told in order: it is what the gate does."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.content import service as content
from app.customers import topics
from app.infra.db import transaction
from app.messaging import explain, policy
from app.messaging.runs import Content
from app.messaging.states import Purpose
from app.messaging.suppression import SuppressedBecause, suppress
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.messaging.families import household, sharing
from tests.messaging.sink import Sink

LATER = timedelta(minutes=10)


def told(mailer: Mailer, message: Any, after: timedelta = LATER) -> dict[str, explain.Looked]:
    looked = explain.of_message(tenant_id=mailer.tenant_id, message_id=message, now=NOON + after)
    return {one.what: one for one in looked}


def first_no(looked: dict[str, explain.Looked]) -> str | None:
    return next((one.reason for one in looked.values() if not one.holds), None)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"email": None},
        {"email": "not an address"},
        {"email_opt_in": False},
        {"email_opt_in": None},
        {"email": None, "email_opt_in": False},
    ],
)
@pytest.mark.parametrize("listed", [False, True])
def test_the_first_no_is_the_reason_the_gate_gives(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, fields: dict[str, Any], listed: bool
) -> None:
    ann = customer(**fields)
    if listed:
        address = mailer.one("SELECT coalesce(email, 'nobody@example.com') FROM customer WHERE id = :id", id=ann)
        suppress(tenant_id=mailer.tenant_id, addresses=[address], because=SuppressedBecause.COMPLAINT)
    [message] = mailer.put(ann)
    looked = told(mailer, message)
    mailer.send(LATER)
    assert first_no(looked) == mailer.fate(message)[1]
    assert all(one.words for one in looked.values())


def test_all_that_stands_in_the_way_is_told_with_what_was_seen(
    mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    changes = {
        "caps": [{"channel": None, "most": 1, "hours": 168}],
        "quiet": {"EMAIL": {"from": "13:00", "to": "15:00"}},
    }
    ann = customer(email_opt_in=True)
    mailer.put(ann, key="before", now=NOON - timedelta(hours=3))
    mailer.send(-timedelta(hours=3))
    policy.save(tenant_id=mailer.tenant_id, actor="system", changes=changes, now=NOON)
    topic = topics.create(tenant_id=mailer.tenant_id, name="Races", actor="system", opt_in_only=True)
    [message] = mailer.put(ann, key="news", topic_id=topic.id)
    looked = told(mailer, message)
    assert list(looked) == [
        "Still worth sending",
        "Once",
        "Address",
        "Suppression list",
        "Consent",
        "Events that came in",
        "Quiet hours",
        "Frequency caps",
        "One copy an address",
    ]
    assert looked["Consent"].reason == "no_topic_opt_in"
    assert looked["Quiet hours"].holds is None
    assert "It is 14:10 in Africa/Johannesburg; they last from 13:00 to 15:00." in looked["Quiet hours"].words
    assert looked["Quiet hours"].at == NOON + timedelta(hours=1)
    assert looked["Frequency caps"].holds is False
    assert "1 of 1 message in 7 days." in looked["Frequency caps"].words
    assert looked["One copy an address"].holds is True
    assert mailer.fate(message) == ("queued", None)


def test_transactional_mail_is_told_of_its_own(mailer: Mailer, customer: MakeCustomer) -> None:
    [message] = mailer.put(customer(email_opt_in=False), purpose=Purpose.TRANSACTIONAL)
    looked = told(mailer, message)
    assert looked["Consent"].words == "A transactional message needs none."
    assert "Quiet hours" not in looked
    assert first_no(looked) is None


def test_a_message_that_is_only_meant_is_looked_at_alike_and_none_is_made(
    mailer: Mailer, customer: MakeCustomer
) -> None:
    ann = customer(email_opt_in=False)
    says = Content("EMAIL", mailer.template_id, 1, None)
    looked = explain.of_intended(
        tenant_id=mailer.tenant_id, customer_id=ann, content=says, of_run=True, one_copy=True, now=NOON
    )
    assert [one.reason for one in looked if not one.holds] == ["opted_out"]
    assert mailer.one("SELECT count(*) FROM message") == 0


def test_what_was_recorded_is_told_with_what_it_went_by(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> None:
    def story(message: Any) -> list[explain.Looked]:
        return explain.story(dict(mailer.row(message)._mapping))

    changes = {"caps": [{"channel": "EMAIL", "most": 1, "hours": 24}]}
    policy.save(tenant_id=mailer.tenant_id, actor="system", changes=changes, now=NOON)
    ann = customer()
    [first], [second] = mailer.put(ann, key="a"), mailer.put(ann, key="b")
    mailer.send()
    assert [one.what for one in story(first)] == ["Gate", "Sent"]
    [kept] = story(second)
    assert (kept.what, kept.holds, kept.at) == ("Frequency caps", None, NOON + timedelta(days=1))
    assert "It went by: 1 e-mail in a day." in kept.words
    assert kept.message_id == second
    # Caps that change later don't change what is told of before.
    policy.save(tenant_id=mailer.tenant_id, actor="system", changes={"caps": []}, now=NOON)
    assert story(second)[0].words == kept.words


def test_who_shares_an_address_is_told_who_comes_first(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> None:
    ann, ben = sharing(customer, mailer.tenant_id, "home@example.com", "Ann", "Ben")
    household(mailer.tenant_id, [ann, ben], ["head", "member"])
    step: dict[str, Any] = {"journey_id": None, "step_key": "hello", "one_copy": True}
    step["journey_id"] = content.create(tenant_id=mailer.tenant_id, name="Any id", subject="x", text="x").id
    [_], [his] = mailer.put(ann, key="a", **step), mailer.put(ben, key="b", **step)
    assert told(mailer, his)["One copy an address"].reason == "copy_pending"
    mailer.send(LATER)
    assert told(mailer, his)["One copy an address"].reason == "household_copy"


def test_a_stop_is_seen_though_nothing_else_was_said(mailer: Mailer, customer: MakeCustomer) -> None:
    ann = customer()
    [message] = mailer.put(ann)
    with transaction(mailer.tenant_id) as session:
        session.execute(
            text(
                "INSERT INTO consent (tenant_id, customer_id, channel, state, said_at)"
                " VALUES (:tenant_id, :id, 'ALL', 'unsubscribed', :now)"
            ),
            {"tenant_id": mailer.tenant_id, "id": ann, "now": NOON},
        )
    assert first_no(told(mailer, message)) == "stopped"
