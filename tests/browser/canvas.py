"""What a marketer does on the canvas, by mouse."""

import re

from playwright.sync_api import Page, expect

from tests.browser.conditions import add, choose, compare, pick, rule


def drag(page: Page, source: str, target: str) -> None:
    """Drag by hand: down, off, over the place once it has lit up, up."""
    page.locator(source).scroll_into_view_if_needed()
    start = page.locator(source).bounding_box()
    assert start is not None
    page.mouse.move(start["x"] + 24, start["y"] + 16)
    page.mouse.down()
    page.mouse.move(start["x"] + 60, start["y"] + 60, steps=4)
    place = page.locator(target)
    expect(place).to_have_class(re.compile("is-legal"))
    end = place.bounding_box()
    assert end is not None
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=6)
    expect(place).to_have_class(re.compile("is-hot"))
    page.mouse.up()


def save(page: Page) -> None:
    """Have the step in the panel saved at once, and wait until it is."""
    page.locator("#step-form").evaluate("form => form.requestSubmit()")
    expect(page.locator("#step-saved")).to_contain_text("Saved.")


def drag_welcome_journey(page: Page) -> None:
    """Build the welcome journey of the templates Welcome and Reminder, on the builder of a journey without steps."""
    page.locator("#step-trigger-main").click()
    add(page)
    pick(rule(page, 0), "Membership tier")
    compare(rule(page, 0), "in", ".conditions-many")
    choose(rule(page, 0), "Platinum", "Gold")
    save(page)

    drag(page, ".palette-item[data-kind=SEND]", "#slot-trigger-next")
    page.locator("#f-template_id").select_option(label="Welcome")
    save(page)
    drag(page, ".palette-item[data-kind=WAIT]", "#slot-send_1-next")
    page.locator("[name='duration.amount']").fill("1")
    page.locator("[name='duration.unit']").select_option("minutes")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#step-wait_1 .step-words")).to_have_text("Wait 1 minute")
    drag(page, ".palette-item[data-kind=CONDITION]", "#slot-wait_1-next")
    add(page)
    pick(rule(page, 0), "Last e-mail opened")
    rule(page, 0).locator("select[name$='.operator']").select_option("isNotNull")
    expect(rule(page, 0).locator("[name$='.value']")).to_have_count(0)
    save(page)

    page.keyboard.press("Escape")
    page.locator("[data-zoom=fit]").click()
    drag(page, ".palette-item[data-kind=UPDATE]", "#slot-condition_1-yes")
    page.locator("[name='updates.0.value']").fill("onboarded")
    save(page)
    drag(page, ".palette-item[data-kind=SEND]", "#slot-condition_1-no")
    page.locator("#f-template_id").select_option(label="Reminder")
    save(page)
    page.locator("[data-zoom=fit]").click()
    drag(page, ".palette-item[data-kind=END]", "#slot-send_2-next")
    expect(page.locator("#step-end_1")).to_be_visible()
    page.locator("#slot-update_1-next").click()
    page.locator("#kind-menu [data-join=end_1]").click()
    expect(page.locator("#step-update_1")).to_have_attribute("data-down", "end_1")
