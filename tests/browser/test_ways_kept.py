"""Looking at another kind of step takes no branch away, and what would is asked first."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.journeys.models import Journey
from tests.browser.test_canvas_parts import make, show, ways
from tests.journeys.helpers import step, wait

pytestmark = [pytest.mark.browser, pytest.mark.committed]

HELD = {"w": {"next": "end", "timeout": "a"}, "a": {"next": "b"}, "b": {"next": None}, "end": {}}
BELOW = {"w": {"next": "a"}, "a": {"next": "b"}, "b": {"next": "end"}, "end": {}}


@pytest.fixture
def journey(live: Any) -> Journey:
    awaited = {"event_type": "teetime.booked", "timeout": "3 days"}
    return make(
        live,
        "Reminded",
        step("w", "WAIT", "end", awaited, next_timeout="a"),
        wait("a", "b", "1 day"),
        wait("b", None, "2 days"),
        step("end", "END"),
    )


@pytest.fixture
def panel(live: Any, page: Page, journey: Journey) -> Page:
    live.sign_in(page, "marketer")
    show(live, page, journey)
    page.locator("#step-w-main").click()
    expect(page.locator("#f-either-event_type")).to_be_checked()
    return page


def choose(page: Page, kind: str) -> None:
    page.locator(f"label[for=f-either-{kind}]").click()


def stored(journey: Journey) -> dict[str, Any]:
    found = ways(journey)
    del found["trigger"]
    return found


def test_another_kind_of_wait_is_looked_at_and_left(panel: Page, journey: Journey) -> None:
    page = panel
    for kind in ("duration", "until", "rules"):
        choose(page, kind)
        expect(page.locator("#step-saved")).to_have_text("Not changed yet: fill in what you chose.")
        choose(page, "event_type")
        expect(page.locator("#step-saved")).to_have_text("Saved.")
    choose(page, "duration")
    page.locator("#step-a-main").click()
    expect(page.locator("[name='duration.amount']")).to_have_value("1")
    assert stored(journey) == HELD


def test_what_would_take_a_branch_away_is_asked_first(panel: Page, journey: Journey) -> None:
    page = panel
    asked = page.locator("#step-refused")
    choose(page, "duration")
    page.locator("[name='duration.amount']").fill("5")
    expect(asked).to_contain_text("This takes away the way “Time is up” with 2 steps.")
    assert stored(journey) == HELD
    # What is typed on stays, and is asked about again.
    with page.expect_response(lambda answer: answer.status == 422):
        page.locator("[name='duration.amount']").fill("50")
    expect(page.locator("#step-saved")).to_have_text("Not saved.")
    expect(asked).to_contain_text("2 steps")
    page.get_by_role("link", name="Keep it as it was").click()
    expect(page.locator("#f-either-event_type")).to_be_checked()
    expect(asked).not_to_contain_text("takes away")
    assert stored(journey) == HELD


def test_a_button_is_pressed_while_what_was_typed_is_asked_about_again(panel: Page, journey: Journey) -> None:
    page = panel
    choose(page, "duration")
    page.locator("[name='duration.amount']").press_sequentially("5")
    button = page.get_by_role("button", name="Change it, delete the 2 steps")
    box = button.bounding_box()
    assert box
    page.mouse.move(box["x"] + 9, box["y"] + 9)
    # The field is left as the button is pressed: it is saved again, and refused again.
    with page.expect_response(lambda answer: answer.status == 422):
        page.mouse.down()
    page.mouse.up()
    expect(page.locator("#step-a")).to_have_count(0)
    expect(page.locator("#step-refused")).not_to_contain_text("takes away")
    assert stored(journey) == {"w": {"next": "end"}, "end": {}}


def test_by_keys_the_steps_come_below_and_undo_brings_them_back(panel: Page, journey: Journey) -> None:
    page = panel
    page.locator("#f-either-event_type").focus()
    for kind in ("date", "until", "duration"):
        page.keyboard.press("ArrowUp")
        if kind == "date":
            page.keyboard.press("ArrowUp")
        expect(page.locator(f"#f-either-{kind}")).to_be_checked()
    page.keyboard.press("Tab")
    page.keyboard.type("5")
    button = page.get_by_role("button", name="Change it, move the 2 steps below")
    expect(button).to_be_visible()
    expect(page.locator("[name='duration.amount']")).to_be_focused()
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#step-w .step-words")).to_have_text("Wait 5 days")
    expect(page.locator("#exit-w-timeout")).to_have_count(0)
    assert stored(journey) == BELOW
    expect(page.locator("#step-refused")).not_to_contain_text("takes away")
    expect(page.locator("[name='duration.amount']")).to_have_value("5")
    page.locator("#undo").click()
    expect(page.locator("#exit-w-timeout")).to_be_visible()
    assert stored(journey) == HELD


def test_the_steps_of_a_way_may_go_with_it(live: Any, page: Page) -> None:
    arms = [{"key": key, "name": key.upper(), "weight": 1} for key in ("x", "y")]
    config = {"variants": arms, "holdout_percent": 10}
    journey = make(
        live,
        "Split",
        step("s", "SPLIT", None, config, next_x="a", next_y="b"),
        wait("a", None, "1 day"),
        wait("b", None, "2 days"),
    )
    live.sign_in(page, "marketer")
    show(live, page, journey)
    page.locator("#step-s-main").click()
    page.get_by_role("button", name="Remove this way").nth(1).click()
    expect(page.locator("#step-refused")).to_contain_text("This takes away the way “Y” with 1 step.")
    expect(page.locator("#step-b")).to_be_visible()
    page.get_by_role("button", name="Change it, delete the step").click()
    expect(page.locator("#step-b")).to_have_count(0)
    expect(page.locator("#step-refused")).not_to_contain_text("takes away")
    assert stored(journey) == {"s": {"x": "a"}, "a": {"next": None}}
