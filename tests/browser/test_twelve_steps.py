"""A welcome journey of twelve steps, built by dragging and built by keys alone; all of it undone and done again."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.journeys.models import Journey
from tests.browser.canvas import drag
from tests.browser.test_canvas_parts import make, press, show, ways

pytestmark = [pytest.mark.browser, pytest.mark.committed]

LINE = ["SEND", "WAIT", "UPDATE", "WAIT", "SEND", "WAIT", "CONDITION"]
YES, NO = ["UPDATE", "END"], ["WAIT", "SEND"]
BUILT = {
    "trigger": {"next": "send_1"},
    "send_1": {"next": "wait_1"},
    "wait_1": {"next": "update_1"},
    "update_1": {"next": "wait_2"},
    "wait_2": {"next": "send_2"},
    "send_2": {"next": "wait_3"},
    "wait_3": {"next": "condition_1"},
    "condition_1": {"yes": "update_2", "no": "wait_4"},
    "update_2": {"next": "end_1"},
    "end_1": {},
    "wait_4": {"next": "send_3"},
    "send_3": {"next": None},
}


@pytest.fixture
def journey(live: Any) -> Journey:
    return make(live, "Welcome")


@pytest.fixture
def builder(live: Any, page: Page, journey: Journey) -> Page:
    live.sign_in(page, "marketer")
    return show(live, page, journey)


def placed(page: Page, count: int) -> str:
    """Wait for so many steps and return the key of the newest."""
    expect(page.locator(".step")).to_have_count(count)
    return page.locator(".step.is-new").get_attribute("data-key") or ""


def undo_and_redo(page: Page, journey: Journey) -> None:
    """Take every step away and bring all back, with a reload in between."""
    page.locator("#step-trigger-main").focus()
    for left in reversed(range(1, len(BUILT))):
        press(page, "Control+z")
        expect(page.locator(".step")).to_have_count(left)
    assert ways(journey) == {"trigger": {"next": None}}
    page.reload()
    expect(page.locator(".step")).to_have_count(1)
    page.locator("#step-trigger-main").focus()
    for there in range(2, len(BUILT) + 1):
        press(page, "Control+y")
        expect(page.locator(".step")).to_have_count(there)
    assert ways(journey) == BUILT


def test_twelve_steps_are_dragged_undone_and_done_again(builder: Page, journey: Journey) -> None:
    page = builder
    place, count = "#slot-trigger-next", 1
    for way, kinds in (("", LINE), ("yes", YES), ("no", NO)):
        place = f"#slot-condition_1-{way}" if way else place
        for kind in kinds:
            page.locator("[data-zoom=fit]").click()
            drag(page, f".palette-item[data-kind={kind}]", place)
            count += 1
            place = f"#slot-{placed(page, count)}-next"
    assert ways(journey) == BUILT
    undo_and_redo(page, journey)


def test_twelve_steps_are_built_by_keys_alone(builder: Page, journey: Journey) -> None:
    page = builder
    page.locator("#step-trigger-main").focus()
    after, count = "trigger", 1
    for way, kinds in (("", LINE), ("yes", YES), ("no", NO)):
        if way:
            page.locator("#step-condition_1-main").focus()
            after = "condition_1"
        for kind in kinds:
            if way == "no" and after == "condition_1":
                page.locator("#slot-condition_1-no").focus()
                press(page, " ")
            else:
                expect(page.locator(f"#step-{after}-main")).to_be_focused()
                press(page, "a")
            expect(page.locator("#kind-menu")).to_be_visible()
            page.locator("#kind-menu [data-kind-search]").focus()
            page.keyboard.type(
                {"SEND": "send a", "UPDATE": "update the", "END": "journey is completed"}.get(kind, kind)
            )
            press(page, "Enter")
            count += 1
            after = placed(page, count)
    assert ways(journey) == BUILT
    undo_and_redo(page, journey)
