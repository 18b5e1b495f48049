"""Keys that are the canvas's own, wherever the keyboard is: undo, redo, copy, cut and paste."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.test_canvas_parts import make, press, show, ways
from tests.journeys.helpers import asks, step, wait

pytestmark = [pytest.mark.browser, pytest.mark.committed]


def test_a_choice_in_the_panel_leaves_the_canvas_its_keys(live: Any, page: Page) -> None:
    journey = make(live, "Choices", step("s", "SEND", "a"), wait("a", None, "1 day"))
    live.sign_in(page, "marketer")
    show(live, page, journey)
    page.locator("#step-s-main").click()
    choice = page.locator("#panel select:focus")
    expect(choice).to_have_count(1)
    press(page, "Control+c")
    expect(page.locator(".toast-note")).to_contain_text("Copied")
    press(page, "Control+v")
    expect(page.locator("#step-s")).to_have_attribute("data-down", "send_2")
    page.locator("#step-s-main").click()
    expect(choice).to_have_count(1)
    press(page, "Control+z")
    expect(page.locator("#step-send_2")).to_have_count(0)
    page.locator("#f-template_id").focus()
    press(page, "Control+y", "Control+z", "Control+y")  # each in its turn
    expect(page.locator("#step-s")).to_have_attribute("data-down", "send_2")
    page.locator("#f-template_id").focus()
    press(page, "Control+x")
    expect(page.locator("#step-s")).to_have_count(0)
    assert ways(journey)["trigger"] == {"next": "send_2"}


def test_a_tick_in_the_panel_does_too_and_what_is_written_keeps_its_own(live: Any, page: Page) -> None:
    journey = make(live, "Writing", asks("c", "a", None), wait("a", None, "1 day"))
    live.sign_in(page, "marketer")
    show(live, page, journey)
    page.locator("#step-a-main").focus()
    press(page, "Control+d")
    expect(page.locator("#step-wait_2")).to_be_visible()
    page.locator("#step-wait_2-main").click()
    amount = page.locator("[name='duration.amount']")
    expect(page.locator("#panel :focus")).to_have_count(1)
    amount.focus()
    press(page, "Control+a", "Control+c", "ArrowRight", "Control+v")
    expect(amount).to_have_value("11")
    press(page, "Control+z")
    expect(amount).to_have_value("1")
    expect(page.locator("#step-wait_2")).to_be_visible()
    page.locator("#panel input[type=checkbox]:visible, #panel input[type=radio]:visible").first.focus()
    press(page, "Control+v")
    expect(page.locator("#toasts")).to_contain_text("There are no copied steps on the clipboard.")


def test_who_goes_on_before_the_panel_is_there_keeps_the_keyboard_on_the_canvas(live: Any, page: Page) -> None:
    journey = make(live, "Soon", wait("a", "b", "1 day"), wait("b", None, "2 days"))
    live.sign_in(page, "marketer")
    show(live, page, journey)
    held: list[Route] = []
    page.route(re.compile(r"/steps/a$"), lambda route: held.append(route))
    with page.expect_request(re.compile(r"/steps/a$")):
        page.locator("#step-a-main").click()
    press(page, "Escape", "Control+c")
    expect(page.locator(".toast-note")).to_contain_text("Copied")
    with page.expect_response(re.compile(r"/steps/a$")) as answered:
        held.pop().continue_()
    answered.value.finished()
    press(page, "Control+v")
    expect(page.locator("#step-a")).to_have_attribute("data-down", "wait_3")
    press(page, "Control+z")
    expect(page.locator("#step-a")).to_have_attribute("data-down", "b")
    press(page, "Control+y")
    expect(page.locator("#step-a")).to_have_attribute("data-down", "wait_3")
    expect(page.locator("#panel [data-sheet=a]")).to_have_count(0)
