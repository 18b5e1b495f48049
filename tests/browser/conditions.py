"""What a marketer does in the form for conditions, by mouse."""

import re

from playwright.sync_api import Locator, Page, expect


def rule(page: Page, nth: int) -> Locator:
    """Return a rule of the form by its place in it, those on payloads too."""
    return page.locator(".conditions-rule").nth(nth)


def add(page: Page, button: str = "Add condition", group: int = 0) -> None:
    """Press a button below a group, the form's own or one in it, and wait for the rule it brings."""
    rules = page.locator(".conditions-rule")
    before = rules.count()
    below = page.locator(".conditions-group").nth(group).locator(":scope > .conditions-adds")
    below.get_by_role("button", name=button).click()
    expect(rules).to_have_count(before + 1)


def pick(row: Locator, called: str) -> None:
    """Choose what a rule asks; the list of a new rule stands open. Wait for the inputs that fit."""
    box = row.locator(".conditions-field").first
    if box.locator(".ts-dropdown").is_hidden():
        box.locator(".ts-control").click()
    box.get_by_role("option", name=called, exact=True).click()
    expect(row.locator("select[name$='.operator'], select[name$='.how']").first).to_be_visible()
    expect(box.locator(".ts-control")).to_have_text(called)


def compare(row: Locator, operator: str, shows: str) -> None:
    """Choose how a rule compares, and wait for the input of that kind."""
    row.locator("select[name$='.operator']").select_option(operator)
    expect(row.locator(shows)).to_be_visible()


def choose(row: Locator, *values: str) -> None:
    """Choose several values."""
    box = row.locator(".conditions-many")
    for value in values:
        if box.locator(".ts-dropdown").is_hidden():
            box.locator(".ts-control").click(position={"x": 4, "y": 4})
        box.get_by_role("option", name=value, exact=True).click()
        expect(box.locator(".item", has_text=re.compile(f"^{value}"))).to_be_visible()
