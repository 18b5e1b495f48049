"""A form that is on its way is not sent again by a second press; a list may be downloaded again and again."""

from typing import Any

import pytest
from playwright.sync_api import Page

from app.content import service as content

pytestmark = [pytest.mark.browser, pytest.mark.committed]

# Whether each of two presses is let through; what is dispatched so goes nowhere.
TWICE = "(form) => [1, 2].map(() => form.dispatchEvent(new SubmitEvent('submit', {bubbles: true, cancelable: true})))"


def test_a_form_goes_out_once(page: Page, live: Any) -> None:
    made = content.create(tenant_id=live.tenant.id, name="News", subject="News", text="Hello").id
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/templates/{made}")
    page.wait_for_load_state()
    copy = page.locator(f"form[action='/templates/{made}/copy']")
    assert copy.evaluate(TWICE) == [True, False]
    # Who comes back by the browser's button may press it again.
    assert copy.evaluate(f"(form) => {{ dispatchEvent(new Event('pageshow')); return ({TWICE})(form); }}") == [
        True,
        False,
    ]
    page.goto(f"{live.base_url}/templates")
    page.wait_for_load_state()
    assert page.locator("form[action='/templates/export']").evaluate(TWICE) == [True, True]
