"""Two marketers in two browsers on one journey: each sees where the other is, what they change and what they say."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from app.journeys.models import Journey
from tests.browser.conftest import Pictures
from tests.browser.test_canvas_parts import make, show
from tests.journeys.helpers import wait

pytestmark = [pytest.mark.browser, pytest.mark.committed]


@pytest.fixture
def journey(live: Any) -> Journey:
    return make(live, "Two waits", wait("a", "b", "1 day"), wait("b", None, "2 days"))


@pytest.fixture
def others(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1440, "height": 900})
    yield made
    made.close()


def test_each_sees_where_the_other_is_and_what_they_do(
    live: Any, others: BrowserContext, page: Page, pictures: Pictures, journey: Journey
) -> None:
    theirs = others.new_page()
    live.sign_in(page, "marketer")
    live.sign_in(theirs, "admin")
    show(live, page, journey)
    page.locator("#step-a-main").click()
    expect(page.locator("[name='duration.amount']")).to_be_visible()

    show(live, theirs, journey)
    expect(theirs.locator("#step-a .step-present")).to_have_text("Marketer Person")
    expect(theirs.locator("#pulse .present-one")).to_have_count(1)
    theirs.locator("#step-a-main").click()
    expect(theirs.locator(".sheet-present")).to_contain_text("Marketer Person is editing this step too")
    expect(page.locator(".sheet-present")).to_contain_text("Admin Person is editing this step too")
    pictures.take("both-at-one-step", everywhere=True)

    theirs.locator("[name='duration.amount']").fill("5")
    expect(page.locator("#step-a .step-words")).to_have_text("Wait 5 days")
    expect(page.locator("[name='duration.amount']")).to_have_value("5")
    theirs.locator("#comment-body").fill("Is that too long?")
    theirs.get_by_role("button", name="Comment").click()
    expect(page.locator("#talk-a")).to_contain_text("1")
    page.locator("#step-b-main").click()
    expect(page.locator("#panel [data-sheet=b]")).to_be_visible()
    page.locator("#step-a-main").click()
    expect(page.locator(".comment")).to_contain_text("Is that too long?")
    pictures.take("commented")
    page.get_by_role("button", name="Resolve").click()
    expect(theirs.locator("#talk-a")).to_be_hidden()

    page.locator("#step-b-main").focus()
    page.keyboard.press("Delete")
    expect(page.locator("#step-b")).to_have_count(0)
    expect(theirs.locator("#step-b")).to_have_count(0)
