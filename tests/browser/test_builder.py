"""The journey builder in a real browser: dragging, the keyboard, the forms, a phone.

Needs of `tests/browser/conftest.py`: `live` (a running server: `base_url`, `tenant`, `sign_in(page, role)`) and `page`
(a page of a fresh context, 1440 by 900, which fails the test on script errors).
"""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.content.models import Template
from app.infra.db import transaction
from app.journeys import queries, service
from app.journeys.models import Journey
from tests.browser.canvas import drag_welcome_journey

pytestmark = [pytest.mark.browser, pytest.mark.committed]


@pytest.fixture
def journey(live: Any) -> Journey:
    for name in ("Welcome", "Reminder"):
        with transaction(live.tenant.id) as session:
            session.add(Template(tenant_id=live.tenant.id, name=name, channel="EMAIL", subject=name, text=name))
    return service.create(
        tenant_id=live.tenant.id, actor="system", name="Welcome new members", trigger_type="scl.member.created"
    )


@pytest.fixture
def builder(live: Any, page: Page, journey: Journey) -> Page:
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/journeys/{journey.id}")
    expect(page.locator(".zoom-level")).to_have_text("100 %")
    return page


def keys(page: Page) -> list[str]:
    return page.locator(".step").evaluate_all("steps => steps.map(step => step.dataset.key)")


def stored(journey: Journey) -> dict[str, dict[str, Any]]:
    found = queries.journey(tenant_id=journey.tenant_id, journey_id=journey.id)
    return {one["key"]: one for one in found.draft["steps"]}


def test_a_welcome_journey_is_dragged_together_and_switched_on(builder: Page, journey: Journey) -> None:
    page = builder
    drag_welcome_journey(page)

    page.get_by_role("button", name="Activate").click()
    expect(page.locator(".bar-title")).to_contain_text("Active")
    found = stored(journey)
    assert found["trigger"]["config"]["conditions"] == [
        {"field": "membership_tier", "operator": "in", "value": ["Platinum", "Gold"]}
    ]
    assert (found["condition_1"]["next_yes"], found["condition_1"]["next_no"]) == ("update_1", "send_2")
    assert (found["update_1"]["next"], found["send_2"]["next"]) == ("end_1", "end_1")


def test_everything_goes_by_keyboard(builder: Page, journey: Journey) -> None:
    page = builder
    page.locator("#step-trigger-main").focus()
    page.keyboard.press("a")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#step-wait_1-main")).to_be_focused()
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    expect(page.locator("#step-send_1-main")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#step-wait_1-main")).to_be_focused()
    page.keyboard.press("ArrowDown")

    page.keyboard.press("m")
    expect(page.locator("#slot-trigger-next")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#step-send_1-main")).to_be_focused()
    page.keyboard.press("m")
    page.keyboard.press("Enter")
    expect(page.locator("#step-send_1")).to_have_attribute("data-down", "wait_1")

    page.keyboard.press("Control+z")
    expect(page.locator("#step-wait_1")).to_have_attribute("data-down", "send_1")
    page.keyboard.press("Control+Shift+Z")
    expect(page.locator("#step-send_1")).to_have_attribute("data-down", "wait_1")

    page.locator("#step-send_1-main").focus()
    page.keyboard.press("Delete")
    expect(page.locator("#step-send_1")).to_have_count(0)
    assert keys(page) == ["trigger", "wait_1"]
    # The notice's own Undo is a form, so the page comes anew; its keys work once its scripts are there.
    page.get_by_role("button", name="Undo", exact=True).last.click()
    expect(page.locator("#step-send_1")).to_be_visible()
    page.wait_for_load_state("load")

    page.locator("#step-wait_1-main").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#f-either-duration")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#step-wait_1-main")).to_be_focused()


def test_somebody_elses_change_is_shown_instead_of_overwritten(builder: Page, journey: Journey) -> None:
    page = builder
    service.insert_step(
        tenant_id=journey.tenant_id, journey_id=journey.id, actor="system", type="WAIT", after="trigger"
    )
    page.locator("#slot-trigger-next").click()
    page.locator("#kind-menu [data-kind=SEND]").click()
    expect(page.locator(".toast-note")).to_contain_text("Somebody else changed this journey")
    assert keys(page) == ["trigger", "wait_1"]


def test_a_journey_is_built_on_a_phone(builder: Page) -> None:
    page = builder
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator(".palette")).to_be_hidden()
    expect(page.locator("#panel")).to_be_hidden()
    page.locator("#slot-trigger-next").click()
    page.locator("#kind-menu [data-kind=WAIT]").click()
    expect(page.locator("#panel")).to_be_visible()
    page.locator("[name='duration.amount']").fill("2")
    expect(page.locator("#step-wait_1 .step-words")).to_have_text("Wait 2 days")
    page.get_by_role("link", name="Close").click()
    expect(page.locator("#panel")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
