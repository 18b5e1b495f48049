"""Consent on the customer's page, the form of staff, and Settings → Topics."""

import re
from typing import Any
from uuid import UUID

import pytest

from app.customers import consents, topics
from app.customers.consents import State
from tests.capture.people import query
from tests.customers.test_consents import a_customer
from tests.page_client import PageClient


@pytest.fixture
def ann(tenant: Any) -> UUID:
    return a_customer(tenant, first_name="Ann", email_opt_in=True)


def test_staff_record_what_was_said_with_its_proof(client: PageClient, sign_in: Any, tenant: Any, ann: UUID) -> None:
    user = sign_in("staff")
    news = topics.named(tenant_id=tenant.id, name="news").id
    path = f"/customers/{ann}/consents/new"
    assert "Record consent" in client.get(path).text
    said = {"topic": str(news), "channel": "EMAIL", "state": "unsubscribed", "how": "phone", "wording": "No <offers>."}
    client.post(path, said, status=302)
    assert consents.standing(tenant_id=tenant.id, customer_id=ann).line("EMAIL", news).comes_to is State.UNSUBSCRIBED
    [proof] = query(tenant, "SELECT source, how, actor, wording FROM consent_change")
    assert tuple(proof) == ("staff", "phone", f"user:{user}", "No <offers>.")
    page = client.get(f"/customers/{ann}/details").text
    assert "News &amp; offers by E-mail: no" in page
    assert "No &lt;offers&gt;." in page
    assert "by phone" in page


def test_how_and_wording_are_asked_for_and_what_was_typed_stays(client: PageClient, sign_in: Any, ann: UUID) -> None:
    sign_in("staff")
    page = client.post(
        f"/customers/{ann}/consents/new", {"channel": "SMS", "state": "subscribed", "wording": " "}, status=422
    ).text
    assert "Choose how they said it" in page
    assert "Write down what was asked" in page
    assert re.search(r'selected value="SMS"|value="SMS" selected', page)


def test_a_confirmation_that_cannot_be_sent_is_refused_beside_the_answer(
    client: PageClient, sign_in: Any, tenant: Any
) -> None:
    sign_in("staff")
    nowhere = a_customer(tenant, email=None)
    said = {"channel": "EMAIL", "state": "pending", "how": "phone", "wording": "May we?"}
    page = client.post(f"/customers/{nowhere}/consents/new", said, status=422).text
    assert "no e-mail address to send the confirmation to" in page


def test_readers_record_nothing(client: PageClient, sign_in: Any, ann: UUID) -> None:
    sign_in("viewer")
    client.get(f"/customers/{ann}/consents/new", status=403)
    assert "Record a change" not in client.get(f"/customers/{ann}/details").text


def test_topics_are_managed_in_settings(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("admin")
    assert "Competitions &amp; events" in client.get("/settings/topics").text
    client.post("/settings/topics/new", {"name": "Juniors", "opt_in_only": "y"}, status=302)
    made = topics.named(tenant_id=tenant.id, name="juniors")
    assert made.opt_in_only
    assert "Another topic has this name" in client.post("/settings/topics/new", {"name": "juniors"}, status=422).text
    client.post(f"/settings/topics/{made.id}", {"name": "Young golfers", "description": "Under 18."}, status=302)
    client.post(f"/settings/topics/{made.id}/archive", {}, status=302)
    page = client.get("/settings/topics").text
    assert "Young golfers" in page
    assert "Archived" in page
    client.post(f"/settings/topics/{made.id}/restore", {}, status=302)
    assert topics.topic(tenant_id=tenant.id, topic_id=made.id).archived_at is None
    sign_in("marketer")
    client.get("/settings/topics", status=403)
