"""Lists that are filtered while one types, in a browser."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_canvas_parts import make
from tests.journeys.helpers import people, wait

pytestmark = [pytest.mark.browser, pytest.mark.committed]


@pytest.mark.parametrize("page_of", ["customers", "journeys"])
def test_going_on_to_a_row_by_tab_asks_nothing_again(live: Any, page: Page, page_of: str) -> None:
    """The second answer took the row away from under the keyboard, and Enter led nowhere."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "q=" in request.url else None)
    people(live.tenant.id, first_name="Nomsa", last_name="Dube")
    people(live.tenant.id, first_name="Sipho", last_name="Khumalo")
    make(live, "Nomsa Dube", wait("first", None, "1 hour"))
    make(live, "Khumalo", wait("first", None, "1 hour"))
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/{page_of}")
    page.get_by_role("searchbox").press_sequentially("Nomsa")
    expect(page.get_by_text("Khumalo")).to_have_count(0)
    row = page.get_by_role("link", name="Nomsa Dube")
    for _ in range(20):
        page.keyboard.press("Tab")
        if row.evaluate("link => link === document.activeElement"):
            break
    page.wait_for_timeout(500)
    expect(row).to_be_focused()
    assert len(asked) == 1
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{page_of}/*-*")


def test_asking_again_on_purpose_asks_again(live: Any, page: Page) -> None:
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/journeys")
    search = page.get_by_role("searchbox")
    search.press_sequentially("Welcome")
    expect(page.get_by_text("No journey matches")).to_be_visible()
    make(live, "Welcome", wait("first", None, "1 hour"))
    search.press("Enter")
    expect(page.get_by_role("link", name="Welcome")).to_be_visible()
