"""A live journey is edited with people inside: the panel tells the changes, they are placed, and they go on."""

from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from app.infra import clock
from app.journeys import queries
from tests.journeys.helpers import (
    admit,
    asks,
    check_counters,
    journey,
    people,
    run,
    send,
    statuses,
    tag,
    template,
    wait,
)

pytestmark = [pytest.mark.browser, pytest.mark.committed]

INSIDE = 500


@pytest.fixture
def welcome(live: Any) -> UUID:
    """A running journey with 500 people at its first wait."""
    tenant_id = live.tenant.id
    mail = template(tenant_id)
    steps = [
        send("hello", "rest", mail),
        wait("rest", "ask", "3 days"),
        asks("ask", "gold", "pause", {"field": "membership_tier", "operator": "eq", "value": "Gold"}),
        tag("gold", None, "gold-welcomed"),
        wait("pause", "done", "2 days"),
        tag("done", None, "welcomed"),
    ]
    made = journey(tenant_id, steps)
    admit(tenant_id, made.id, people(tenant_id, INSIDE), clock.now())
    run(tenant_id, clock.now())
    return made.id


def test_500_people_at_a_removed_step_are_placed_and_go_on(live: Any, page: Page, welcome: UUID) -> None:
    live.sign_in(page, "marketer")
    there = f"{live.base_url}/journeys/{welcome}"
    page.goto(there)
    page.locator("#step-pause-main").click()
    page.locator("[name='duration.amount']").fill("1")
    expect(page.locator("#step-pause .step-words")).to_have_text("Wait 1 day")
    page.keyboard.press("Escape")
    page.locator("#step-rest-main").focus()
    page.keyboard.press("Delete")
    expect(page.locator("#step-rest")).to_have_count(0)

    page.get_by_role("link", name="Publish changes").click()
    sheet = page.locator("#panel")
    expect(sheet).to_contain_text("“Wait 3 days” after “Send ‘Welcome’” is removed.")
    expect(sheet).to_contain_text("500 stand here.")
    expect(sheet).to_contain_text("Wait 2 days → Wait 1 day.")
    expect(sheet).to_contain_text("500 are on the way to it")
    place = sheet.get_by_label("500 people at “Wait 3 days”")
    expect(place).to_have_value("ask")
    place.select_option(label="“Add tag ‘welcomed’”")
    sheet.get_by_label("Note").fill("No waiting")
    sheet.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("The changes are live")).to_be_visible()

    run(live.tenant.id, clock.now())
    page.reload()
    expect(page.locator("#count-done")).to_contain_text("500 done")
    assert set(statuses(live.tenant.id).values()) == {("COMPLETED", "completed")}
    check_counters(live.tenant.id, welcome)

    page.goto(f"{there}/versions")
    expect(page.locator(".version").first).to_contain_text("No waiting")
    expect(page.locator(".version").last).to_contain_text("500 people came in under it")
    page.get_by_role("link", name="Compare with version 1").click()
    expect(page.locator(".compare-side").first.locator(".step.is-removed")).to_have_count(1)
    expect(page.locator(".compare-side .step.is-changed")).to_have_count(2)
    expect(page.locator(".compare-side .exit")).to_have_text(["Yes", "No"] * 2)
    page.goto(f"{there}/versions")
    page.locator(".version").last.get_by_role("button", name="Restore to the draft").click()
    expect(page.locator("#step-rest")).to_be_visible()
    # Its buttons work once its scripts are there.
    page.wait_for_load_state("load")
    page.locator("#undo").click()
    expect(page.locator("#step-rest")).to_have_count(0)
    draft = queries.journey(tenant_id=live.tenant.id, journey_id=welcome)
    assert not queries.draft_differs(tenant_id=live.tenant.id, journey=draft)
