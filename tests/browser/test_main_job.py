"""The main job, as the people who do it: a journey is dragged together, events come in, mails arrive, once."""

import re
from collections import Counter
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.canvas import drag_welcome_journey
from tests.stack import PASSWORD, Organisation, Stack, until

pytestmark = pytest.mark.browser

# (number, tier, e-mail consent): who of them gets a welcome follows from the journey alone.
NEWCOMERS = (
    (1, "Gold", True),
    (2, "Platinum", True),
    (3, "Gold", False),
    (4, "Gold", None),
    (5, "Silver", True),
    (6, "Platinum", True),
)
WELCOMED = {"newcomer1@example.com", "newcomer2@example.com", "newcomer6@example.com"}


@pytest.fixture(autouse=True)
def session_tx() -> None:
    """No transaction round this test: its processes commit."""


@pytest.fixture(autouse=True)
def clean_redis() -> None:
    """This test has a Redis of its own."""


def events() -> list[dict[str, Any]]:
    """Return what the club's systems post: a membership each, and a consent from those who said something."""
    found = []
    for number, tier, consent in NEWCOMERS:
        address = f"newcomer{number}@example.com"
        profile = {"first_name": f"New{number}", "last_name": "Comer", "membership_tier": tier}
        found.append(("scl.member.created", number, {"email": address, "scl_member_id": f"M{number}"}, profile))
        if consent is not None:
            found.append(("contactPreference.updated", number, {"email": address.upper()}, {"email_opt_in": consent}))
    return [
        {
            "id": f"{kind}-{number}",
            "type": kind,
            "source": "test",
            "timestamp": f"2026-10-0{number}T10:00:00+02:00",
            "identity": identity,
            "payload": payload,
        }
        for kind, number, identity, payload in found
    ]


def test_an_event_comes_in_a_journey_runs_a_mail_arrives(stack: Stack, page: Page) -> None:
    organisation = stack.register()
    organisation.template("Welcome", "Welcome {{ customer.first_name }}")
    organisation.template("Reminder", "Still there, {{ customer.first_name }}?")
    sign_in(page, stack, organisation)
    journey = build(page, stack, organisation)

    for _ in range(3):
        answer = organisation.call("POST", "/events", events())
    assert {result["status"] for result in answer["results"]} == {"duplicate"}
    until(lambda: all(one["status"] == "processed" for one in organisation.items("/events?source=test")))
    until(lambda: len(statuses(organisation, journey)) == 5 and statuses(organisation, journey).count("sent") == 3)

    page.goto(f"{stack.base_url}/mailbox")
    expect(page.locator("#results, main").first).to_contain_text("Welcome New1")
    mails = stack.rows("SELECT rcpt_to[1], subject FROM mailbox_mail")
    assert Counter(address for address, _ in mails) == Counter(WELCOMED)
    analytics = organisation.call("GET", f"/journeys/{journey}/analytics")
    assert analytics["total_enrolled"] == 5
    page.goto(f"{stack.base_url}/journeys/{journey}")
    expect(page.locator("#step-wait_1")).to_contain_text("5")

    see_timeline(page, stack, organisation)


def sign_in(page: Page, stack: Stack, organisation: Organisation) -> None:
    page.goto(stack.base_url)
    page.get_by_label("E-mail").fill(organisation.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).not_to_have_url(re.compile("sign-in"))


def build(page: Page, stack: Stack, organisation: Organisation) -> str:
    """Drag the welcome journey together, switch it on, and return its id."""
    found: str = organisation.call(
        "POST", "/journeys", {"name": "Welcome new members", "trigger_type": "scl.member.created"}
    )["id"]
    page.goto(f"{stack.base_url}/journeys/{found}")
    expect(page.locator(".zoom-level")).to_have_text("100 %")
    drag_welcome_journey(page)
    page.get_by_role("button", name="Activate").click()
    expect(page.locator(".bar-title")).to_contain_text("Active")
    return found


def statuses(organisation: Organisation, journey: str) -> list[str]:
    return [one["status"] for one in organisation.items(f"/messages?journey_id={journey}")]


def see_timeline(page: Page, stack: Stack, organisation: Organisation) -> None:
    """Look a welcomed newcomer up, and find on the timeline what happened."""
    page.goto(f"{stack.base_url}/customers?q=newcomer1@example.com")
    page.get_by_role("link", name="New1 Comer").first.click()
    expect(page.locator("main")).to_contain_text("Welcome New1")
    expect(page.locator("main")).to_contain_text("member", ignore_case=True)
