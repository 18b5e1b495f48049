"""A segment from nothing to the answer why, by clicking only."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.customers.models import Customer
from app.infra.db import transaction
from app.segments import queries, service, work
from tests.browser.conditions import add, choose, compare, pick, rule

pytestmark = [pytest.mark.browser, pytest.mark.committed]


@pytest.fixture
def members(live: Any) -> None:
    with transaction(live.tenant.id) as session:
        for name, tier in (("Ann", "Gold"), ("Bob", "Platinum"), ("Cleo", "Silver")):
            session.add(Customer(tenant_id=live.tenant.id, first_name=name, last_name="Mokoena", membership_tier=tier))


def test_a_segment_is_made_followed_and_asked_why(page: Page, live: Any, members: None) -> None:
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/segments")
    page.get_by_role("link", name="New segment").first.click()
    page.get_by_label("Name", exact=True).fill("The best")
    add(page)
    pick(rule(page, 0), "Membership tier")
    compare(rule(page, 0), "in", ".conditions-many")
    choose(rule(page, 0), "Gold", "Platinum")
    beside = page.locator(".conditions-preview")
    expect(beside).to_contain_text("Membership tier is Gold or Platinum")
    expect(beside.locator(".conditions-count")).to_have_text("2 people now")
    page.get_by_role("button", name="Make the segment").last.click()

    # The page follows the refresh by itself.
    standing = page.locator("#standing")
    expect(standing).to_contain_text("Until it is done")
    while work.run_step(tenant_id=live.tenant.id):
        pass
    expect(standing).not_to_contain_text("Until it is done")
    expect(standing.locator(".stat-value").first).to_have_text("2")

    page.get_by_role("navigation", name="About The best").get_by_role("link", name="People").click()
    expect(page.locator("#member-rows tr")).to_have_count(2)
    expect(page.locator("#member-rows")).not_to_contain_text("Cleo")
    page.get_by_role("navigation", name="About The best").get_by_role("link", name="Why").click()
    page.wait_for_load_state()
    page.get_by_label("Who?").fill("cleo")
    page.get_by_role("link", name="Why not Cleo Mokoena").click()
    expect(page.locator(".why-answer")).to_contain_text("Cleo Mokoena is not in it")
    expect(page.locator(".why-value")).to_have_text("Silver")

    # Archived from the list, and brought back by the notice.
    page.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="Segments").click()
    page.wait_for_load_state()
    page.get_by_role("button", name="Actions for The best").click()
    page.get_by_role("button", name="Archive").click()
    expect(page.get_by_text("“The best” is archived")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#segment-rows")).to_contain_text("The best")
    (kept,) = queries.page(tenant_id=live.tenant.id).items
    assert (kept.name, kept.archived_at) == ("The best", None)


def test_on_a_small_screen_the_open_tab_is_in_sight(page: Page, live: Any, members: None) -> None:
    made = service.create(tenant_id=live.tenant.id, actor="test", name="List", type="STATIC")
    page.set_viewport_size({"width": 390, "height": 844})
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/segments/{made.id}/settings")
    expect(page.locator(".tabs").get_by_role("link", name="Settings")).to_be_in_viewport(ratio=0.9)


def test_the_sign_of_a_menu_is_seen_with_the_keyboard_on_it(page: Page, live: Any, members: None) -> None:
    made = service.create(tenant_id=live.tenant.id, actor="test", name="List", type="STATIC")
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/segments/{made.id}")
    page.get_by_role("link", name="Edit").first.focus()
    page.keyboard.press("Tab")
    menu = page.locator(".dropdown button:focus-visible")
    # A tint that lets the page through: on a ground of its own colour the sign would be gone.
    expect(menu).to_have_css("background-color", re.compile(r"/ 0\.07\)$"))
