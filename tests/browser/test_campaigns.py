"""A campaign from whom to the last mail: made by keyboard, dragged to another day, sent while the page moves."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from app.campaigns import running
from app.content import service as content
from app.customers.models import Customer
from app.infra import clock
from app.infra.db import transaction
from app.messaging import sender
from tests.messaging.conftest import sink
from tests.messaging.sink import Sink
from tests.segments.crowd import filled, person

pytestmark = [pytest.mark.browser, pytest.mark.committed]
__all__ = ["sink"]


@pytest.fixture
def segment(live: Any) -> UUID:
    """Three people who can be mailed and one who said no; and something to say to them."""
    tenant_id = live.tenant.id
    content.create(tenant_id=tenant_id, name="Spring news", subject="Spring", text="It is spring.")
    people = [
        person(tenant_id, name, email=f"{name}@example.com".lower(), email_opt_in=name != "Dan")
        for name in ("Ann", "Bob", "Cleo", "Dan")
    ]
    with transaction(tenant_id) as session:
        assert session.query(Customer).count() == len(people)
    return filled(tenant_id, "Everybody", people)


def prepare(live: Any) -> None:
    while running.run_step(tenant_id=live.tenant.id):
        pass


def choose(page: Page, field: str, template: str) -> None:
    """Find a template of the wizard's page "What" by its name, and take it."""
    page.wait_for_url("**/what")
    # Before htmx has come "Add a variant" is a form's button, and its page takes away what is typed into a list.
    page.wait_for_load_state()
    chosen = page.locator(f".field:has(> #{field})")
    chosen.locator(".ts-control").click()
    expect(chosen.locator(".dropdown-input")).to_be_focused()
    chosen.locator(".dropdown-input").press_sequentially(template)
    # What fits is looked for a moment after the last letter.
    expect(chosen.locator(".option.active")).to_have_text(template)
    chosen.locator(".dropdown-input").press("Enter")
    expect(chosen.locator(".ts-control")).to_have_text(template)


def it_fits(page: Page) -> None:
    """Wait until the page is no wider than its window.

    Not by `wait_for_function`, whose second look is an eval, which the pages' policy forbids.
    """
    page.wait_for_load_state()
    expect(page.locator("html")).to_have_js_property("scrollWidth", page.viewport_size["width"])  # type: ignore[index]


@pytest.mark.parametrize("width", [1440, 390])
def test_a_campaign_is_made_moved_and_sent(page: Page, live: Any, segment: UUID, sink: Sink, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/campaigns/new?segment={segment}")
    page.get_by_label("Name", exact=True).fill("Spring")
    page.get_by_role("button", name="Next: what it says").press("Enter")
    choose(page, "email_template_id", "Spring news")
    page.get_by_role("button", name="Next: when").press("Enter")
    # What is sent again and again is sent at a time.
    at_a_time = page.get_by_label("At one time for all, by the clocks of the club")
    page.get_by_label("Recurring").press("Space")
    expect(page.get_by_label("As soon as I press Send")).to_be_hidden()
    expect(at_a_time).to_be_checked()
    page.get_by_label("One-off").press("Space")
    expect(page.get_by_label("As soon as I press Send")).to_be_visible()
    at_a_time.press("Space")
    page.get_by_label("Day", exact=True).fill("2131-05-14")
    page.get_by_role("button", name="Next: goal").press("Enter")
    page.get_by_role("button", name="Next: review").press("Enter")
    expect(page.locator(".stat", has_text="Would be sent").locator(".stat-value")).to_have_text("3")
    expect(page.get_by_role("cell", name="The customer said no to e-mail.")).to_be_visible()
    page.get_by_role("button", name="Schedule").press("Enter")
    expect(page.locator("#standing")).to_contain_text("Scheduled")

    page.goto(f"{live.base_url}/campaigns/calendar?month=2131-05")
    entry = page.locator(".month-entry", has_text="Spring")
    if width > 1000:
        entry.drag_to(page.locator("[data-day='2131-05-20']"))
    else:
        entry.locator("summary").press("Enter")
        entry.get_by_label("To which day").fill("2131-05-20")
        entry.get_by_role("button", name="Move there").press("Enter")
    expect(page.locator("[data-day='2131-05-20'] .month-entry")).to_contain_text("Spring")
    it_fits(page)

    page.locator(".month-entry a").click()
    page.get_by_role("link", name="Review and send").click()
    # Until its scripts run a page asks nobody whether they mean it.
    page.wait_for_load_state()
    page.get_by_role("button", name="Send now").dblclick()
    expect(page.locator("dialog[open]")).to_contain_text("Send it now?")
    page.locator("[data-ask-ok]").click()
    standing = page.locator("#standing")
    expect(standing).to_contain_text("Preparing")
    # The page follows by itself.
    prepare(live)
    expect(standing.locator(".sum")).to_have_text(re.compile("^4 in all = 4 waiting"))
    page.get_by_role("button", name="Pause").click()
    expect(standing).to_contain_text("Paused")
    assert sender.send_batch(tenant_id=live.tenant.id, now=clock.now()) == 0
    page.get_by_role("button", name="Resume").click()
    expect(standing).to_contain_text("Sending")
    assert sender.send_batch(tenant_id=live.tenant.id, now=clock.now()) == 4
    expect(standing.locator(".sum")).to_contain_text("3 sent + 1 skipped")
    while running.run_step(tenant_id=live.tenant.id, now=clock.now() + timedelta(minutes=1)):
        pass
    expect(standing).to_contain_text("Completed")
    it_fits(page)
    assert len(sink.letters) == 3
    page.get_by_role("link", name="1 skipped").click()
    expect(page.locator("#message-rows tr")).to_have_count(1)


@pytest.mark.parametrize("width", [1440, 390])
def test_a_name_without_an_end_leaves_the_pages_as_wide_as_they_are(
    page: Page, live: Any, segment: UUID, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/campaigns/new?segment={segment}")
    page.get_by_label("Name", exact=True).fill("x" * 200)
    page.get_by_role("button", name="Next: what it says").press("Enter")
    page.wait_for_url("**/what")
    it_fits(page)
    page.goto(f"{live.base_url}/campaigns")
    expect(page.locator("tbody tr")).to_have_count(1)
    it_fits(page)


@pytest.mark.parametrize("width", [1440, 390])
def test_variants_are_tried_and_one_is_chosen(page: Page, live: Any, sink: Sink, width: int) -> None:
    """By keyboard: two variants and a third that is taken out again, sent, one chosen, and everybody else has it."""
    tenant_id = live.tenant.id
    for name in ("Short letter", "Long letter"):
        content.create(tenant_id=tenant_id, name=name, subject=name, text="It is spring.")
    people = [person(tenant_id, f"P{place}", email=f"p{place}@example.com", email_opt_in=True) for place in range(40)]
    segment = filled(tenant_id, "Everybody", people)
    page.set_viewport_size({"width": width, "height": 900})
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/campaigns/new?segment={segment}")
    page.get_by_label("Name", exact=True).fill("Spring")
    page.get_by_role("button", name="Next: what it says").press("Enter")
    choose(page, "email_template_id", "Short letter")
    variants = page.locator("#variants")
    expect(variants).to_be_hidden()
    page.get_by_label("Try variants first (A/B test)").press("Space")
    page.locator("#variants-0-share").fill("25")
    page.locator("#variants-1-share").fill("25")
    page.get_by_role("button", name="Add a variant").press("Enter")
    expect(page.locator("#variants-2-name")).to_be_focused()
    expect(page.locator("#variants-1-share")).to_have_value("25")
    page.get_by_role("button", name="Remove C").press("Enter")
    expect(page.locator(".variant")).to_have_count(2)
    expect(page.get_by_role("button", name="Add a variant")).to_be_focused()
    subjects = page.locator("[data-merge]")
    expect(subjects.nth(1)).to_have_attribute("placeholder", "Short letter")
    choose(page, "variants-1-email_template_id", "Long letter")
    expect(subjects.nth(1)).to_have_attribute("placeholder", "Long letter")
    subjects.nth(0).press_sequentially("Spring for ")
    page.get_by_text("Merge tags").press("Enter")
    page.get_by_role("button", name="Last name").press("Enter")
    expect(subjects.nth(0)).to_be_focused()
    expect(subjects.nth(0)).to_have_value("Spring for {{ customer.last_name }}")
    after = page.get_by_label("So many hours after the last variant has gone out")
    expect(after).to_be_visible()
    page.get_by_label("Chosen by hand, whenever I like").press("Space")
    expect(after).to_be_hidden()
    it_fits(page)
    for step in ("when", "goal", "review"):
        page.get_by_role("button", name=f"Next: {step}").last.press("Enter")
    expect(page.locator("tr", has_text="Long letter")).to_contain_text("25 %")
    it_fits(page)
    page.wait_for_load_state()
    page.get_by_role("button", name="Send now").press("Enter")
    expect(page.locator("dialog[open]")).to_contain_text("all others once the winner is chosen")
    page.locator("[data-ask-ok]").press("Enter")
    standing = page.locator("#standing")
    expect(standing).to_contain_text("Preparing")
    prepare(live)
    while sender.send_batch(tenant_id=tenant_id, now=clock.now()):
        pass
    before = len(sink.letters)
    waiting = 40 - before
    expect(standing.locator(".stat", has_text="Waiting for the winner").locator(".stat-value")).to_have_text(
        str(waiting)
    )
    expect(standing).to_contain_text("The others wait until somebody chooses.")
    it_fits(page)
    standing.get_by_role("button", name="Choose B").press("Enter")
    page.locator("[data-ask-ok]").press("Enter")
    expect(standing).to_contain_text("B goes to everybody else.")
    prepare(live)
    while sender.send_batch(tenant_id=tenant_id, now=clock.now()):
        pass
    while running.run_step(tenant_id=tenant_id, now=clock.now() + timedelta(minutes=1)):
        pass
    expect(standing).to_contain_text("Completed")
    assert {one.mail["Subject"] for one in sink.letters[before:]} == {"Long letter"}
    assert len({one.recipient for one in sink.letters}) == len(sink.letters) == 40


def test_what_comes_again_and_again_says_why_it_is_not_dragged(page: Page, live: Any, segment: UUID) -> None:
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/campaigns/new?segment={segment}")
    page.get_by_label("Name", exact=True).fill("Mondays")
    page.get_by_role("button", name="Next: what it says").press("Enter")
    choose(page, "email_template_id", "Spring news")
    # Back to the first step is back to this draft.
    page.go_back()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Mondays")
    page.get_by_role("button", name="Next: what it says").press("Enter")
    choose(page, "email_template_id", "Spring news")
    page.get_by_role("button", name="Next: when").press("Enter")
    page.get_by_label("Recurring").press("Space")
    page.locator("[name=date]").fill("2131-05-14")
    page.locator("[name=repeat]").select_option("DAILY")
    page.get_by_role("button", name="Next: goal").press("Enter")
    page.get_by_role("button", name="Next: review").press("Enter")
    page.get_by_role("button", name="Begin").press("Enter")
    expect(page.locator("#standing")).to_contain_text("Scheduled")

    page.goto(f"{live.base_url}/campaigns/calendar?month=2131-05")
    page.wait_for_load_state()
    entry = page.locator(".month-entry", has_text="Mondays").first
    entry.locator("a").drag_to(page.locator("[data-day='2131-05-09']"))
    expect(page.locator(".toast-note p")).to_have_text("“Mondays” comes by its own rule. Open it to change its days.")
    page.goto(f"{live.base_url}/campaigns")
    expect(page.get_by_role("link", name="Mondays", exact=True)).to_have_count(1)
