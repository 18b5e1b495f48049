"""What a journey would have done, a rehearsal kept as a check, and one person's way on the drawing, in a browser."""

from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.infra import clock
from app.journeys import backtest, service
from app.journeys.models import Journey
from tests.journeys.helpers import admit, asks, journey, people, run, send, step, tag, template, voucher_journey, wait
from tests.journeys.test_backtest import BOOKED, happened
from tests.journeys.test_occasions import before_the_round
from tests.journeys.test_occasions import booked as tee_time

pytestmark = [pytest.mark.browser, pytest.mark.committed]
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def booked(live: Any) -> Journey:
    letter = template(live.tenant.id)
    return journey(
        live.tenant.id,
        [
            step("t", "TRIGGER", "ask", {"event_type": BOOKED}),
            asks("ask", "gift", "sorry", {"field": "emailOptIn", "operator": "eq", "value": True}),
            {**send("gift", "rest", letter), "name": "Voucher"},
            tag("sorry", "rest", "silent"),
            wait("rest", "last", "3 days"),
            tag("last", None, "done"),
        ],
    )


def test_what_it_would_have_done_comes_by_itself(live: Any, page: Page, booked: Journey) -> None:
    for one in people(live.tenant.id, 3):
        happened(live.tenant.id, one, clock.now() - timedelta(days=9))
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/journeys/{booked.id}/rehearsal")
    page.get_by_role("link", name="Past events").click()
    page.get_by_role("button", name="See what it would have done").click()
    expect(page.get_by_text("Looking who would have come in")).to_be_visible()
    while backtest.run_batch(tenant_id=live.tenant.id, now=clock.now()):
        pass
    expect(page.get_by_text("3 would have come in")).to_be_visible()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="Voucher"))
    expect(row.get_by_role("cell").nth(4)).to_have_text("3")
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_rehearsal_is_kept_and_stops_a_publication(live: Any, page: Page, booked: Journey) -> None:
    (who,) = people(live.tenant.id, first_name="Thandi")
    live.sign_in(page, "marketer")
    there = f"{live.base_url}/journeys/{booked.id}"
    page.goto(f"{there}/rehearsal?customer_id={who}")
    page.get_by_role("button", name="Rehearse").click()
    page.get_by_label("Name").fill("Gets the voucher")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_text("Somebody made up")).to_be_visible()
    page.get_by_role("button", name="Run all").click()
    expect(page.get_by_text("All checks passed")).to_be_visible()
    service.remove_steps(tenant_id=live.tenant.id, journey_id=booked.id, actor="system", keys=["gift"])
    page.goto(f"{there}/publish")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_text("One check did not pass")).to_be_visible()
    expect(page.get_by_text("Expected “Voucher” to be sent on the 1st day; nothing was written there.")).to_be_visible()
    page.get_by_label("Publish anyway").check()
    page.get_by_label("Why").fill("No more vouchers")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_text("The changes are live")).to_be_visible()


def test_a_name_that_is_refused_leaves_the_rehearsal_and_activating_says_what_stands_in_the_way(
    live: Any, page: Page
) -> None:
    tenant_id = live.tenant.id
    made = voucher_journey(tenant_id, active=False)
    (who,) = people(tenant_id, first_name="Thandi")
    live.sign_in(page, "owner")
    there = f"{live.base_url}/journeys/{made.id}"
    page.goto(f"{there}/rehearsal?customer_id={who}")
    page.get_by_role("button", name="Rehearse").click()
    page.get_by_label("Name", exact=True).fill("   ")
    page.get_by_label("What must be the same").select_option("messages")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_text("Give a name of up to 200 characters.")).to_be_in_viewport()
    expect(page.get_by_text("Through on")).to_be_attached()
    expect(page.get_by_label("What must be the same")).to_have_value("messages")
    page.get_by_label("Name", exact=True).fill("Gets the voucher")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_text("The check is kept")).to_be_visible()
    service.remove_steps(tenant_id=tenant_id, journey_id=made.id, actor="system", keys=["gift"])
    page.goto(there)
    page.get_by_role("button", name="Activate").click()
    panel = page.locator("#panel")
    expect(panel.get_by_text("One check did not pass")).to_be_visible()
    expect(panel.get_by_text("Expected “Voucher” to be sent on the 3rd day")).to_be_visible()
    expect(panel.get_by_role("link", name="Change the check")).to_be_visible()
    service.configure_step(
        tenant_id=tenant_id, journey_id=made.id, actor="system", key="rest", config={"duration": "4 days"}
    )
    page.wait_for_load_state()  # until its scripts ran, a reload sends the form once more
    page.reload()
    expect(panel.get_by_text("One check did not pass")).to_be_visible()
    expect(page.get_by_text("Somebody else has changed this journey")).to_have_count(0)
    page.set_viewport_size(PHONE)
    expect(panel.get_by_text("One check did not pass")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    panel.get_by_label("Activate anyway").check()
    panel.get_by_label("Why").fill("No more vouchers")
    panel.get_by_role("button", name="Activate").press("Enter")
    expect(page.get_by_text("The journey is active")).to_be_visible()


def test_what_lets_them_in_is_chosen_typed_and_kept(live: Any, page: Page) -> None:
    made = before_the_round(live.tenant.id)
    (who,) = people(live.tenant.id, first_name="Thandi")
    soon = (clock.now() + timedelta(days=6)).strftime("%Y-%m-%dT10:00:00+02:00")
    tee_time(live.tenant.id, who, clock.now() - timedelta(days=1), tee_time=soon, players=4)
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/journeys/{made.id}/rehearsal?customer_id={who}")
    expect(page.get_by_role("radio", name="Theirs of")).to_be_checked()
    players = page.get_by_label("Players")
    expect(players).to_be_hidden()
    page.get_by_role("button", name="Rehearse").click()
    expect(page.get_by_text("let in by: Tee time booked for")).to_be_visible()
    expect(page.locator(".story-title").last).to_have_text("Update the customer")
    page.get_by_role("radio", name="An event like this").check()
    expect(players).to_be_visible()
    players.fill("2")
    page.get_by_label("Tee time", exact=True).fill("3")
    page.get_by_role("button", name="Rehearse").click()
    expect(page.get_by_text("Went No")).to_be_visible()
    page.get_by_label("Name", exact=True).last.fill("Two of them")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_text("Let in by: Tee time booked for")).to_be_visible()
    page.get_by_role("link", name="Change").click()
    expect(page.get_by_label("Players")).to_have_value("2")
    page.get_by_label("Players").fill("4")
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Save the check").click()
    expect(page.get_by_text("What the draft does now is expected from then on.")).to_be_visible()


def test_a_way_is_read_on_the_drawing_by_keys_and_as_a_list_on_a_phone(live: Any, page: Page, booked: Journey) -> None:
    now = clock.now()
    (enrollment,) = admit(live.tenant.id, booked.id, people(live.tenant.id), now).values()
    run(live.tenant.id, now)
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/journeys/{booked.id}/people/{enrollment}")
    drawing = page.get_by_role("group", name="The way through the journey, drawn")
    expect(drawing.locator(".is-off .step-name")).to_have_text(["Update the customer"])
    drawing.get_by_role("button", name="Voucher: Passed").focus()
    page.keyboard.press("Enter")
    told = page.locator("#told-gift")
    expect(told).to_be_visible()
    expect(told).to_contain_text("version 1")
    page.keyboard.press("Escape")
    expect(told).to_be_hidden()
    page.set_viewport_size(PHONE)
    expect(drawing).to_be_hidden()
    expect(page.get_by_text("Handed over to be sent").last).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
