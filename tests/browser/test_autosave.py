"""Settings of a step save themselves: nothing typed is lost, and a sitting at a step is one entry to undo."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.journeys import queries, service
from app.journeys.models import Journey
from tests.browser.canvas import save
from tests.browser.test_canvas_parts import make, show
from tests.journeys.helpers import step, wait

pytestmark = [pytest.mark.browser, pytest.mark.committed]


@pytest.fixture
def journey(live: Any) -> Journey:
    return make(live, "Two waits", wait("a", "b", "1 day"), wait("b", None, "2 days"))


@pytest.fixture
def builder(live: Any, page: Page, journey: Journey) -> Page:
    live.sign_in(page, "marketer")
    show(live, page, journey)
    page.locator("#step-a-main").click()
    expect(page.locator("[name='duration.amount']")).to_have_value("1")
    return page


def stored(journey: Journey, key: str) -> Any:
    found = queries.journey(tenant_id=journey.tenant_id, journey_id=journey.id)
    return queries.draft(found).steps[key]


def elsewhere(journey: Journey, key: str, duration: str) -> None:
    """Change a step as somebody else does."""
    service.configure_step(
        tenant_id=journey.tenant_id, journey_id=journey.id, actor="system", key=key, config={"duration": duration}
    )


def test_what_is_typed_is_saved_in_a_while_and_is_one_entry_to_undo(builder: Page, journey: Journey) -> None:
    page = builder
    name = page.locator("#f-name")
    name.press_sequentially("Sleep")
    expect(page.locator("#step-saved")).to_have_text("Saved.")
    expect(page.locator("#step-a .step-name")).to_have_text("Sleep")
    expect(page.locator("#sheet-head h2")).to_have_text("Sleep")
    expect(name).to_be_focused()
    name.press_sequentially(" on it")
    expect(page.locator("#step-a .step-name")).to_have_text("Sleep on it")
    page.locator("[name='duration.unit']").select_option("weeks")
    expect(page.locator("#step-a .step-words")).to_have_text("Wait 1 week")
    expect(page.locator("#undo")).to_have_attribute("aria-label", "Undo: Changed “Wait”")
    page.locator("#undo").click()
    expect(page.locator("#step-a .step-words")).to_have_text("Wait 1 day")
    expect(page.locator("#step-a .step-text")).to_have_text("Wait 1 day")
    expect(page.locator("#f-name")).to_have_value("")
    page.locator("#redo").click()
    expect(page.locator("#f-name")).to_have_value("Sleep on it")


def test_a_merge_tag_nobody_heard_of_is_marked_and_leads_to_its_field(live: Any, page: Page) -> None:
    told = step("n", "NOTIFY", None, {"to": "role:staff", "text": "{{ customer.frist_name }} plays"})
    live.sign_in(page, "marketer")
    show(live, page, make(live, "Told", told))
    expect(page.locator("#step-n .is-doubt")).to_be_visible()
    page.locator("#doubts").get_by_role("link", name="Notify a colleague").click()
    words = page.locator("#f-text")
    expect(words).to_be_focused()
    expect(page.locator("#f-text-doubt")).to_contain_text("Did you mean “customer.first_name”?")
    words.fill("{{ customer.first_name }} plays")
    page.locator("#f-name").focus()
    expect(page.locator("#f-text-doubt")).to_have_count(0)
    expect(page.locator("#step-n .is-doubt")).to_have_count(0)


def test_what_is_typed_survives_a_click_elsewhere_an_edit_and_a_reload(builder: Page, journey: Journey) -> None:
    page = builder
    page.locator("#f-name").fill("First")
    page.locator("#step-b-main").click()
    expect(page.locator("[name='duration.amount']")).to_have_value("2")
    expect(page.locator("#step-a .step-name")).to_have_text("First")
    page.locator("#f-name").fill("Second")
    page.keyboard.press("Escape")
    expect(page.locator("#step-b .step-name")).to_have_text("Second")
    page.locator("#step-a-main").click()
    expect(page.locator("#f-name")).to_have_value("First")
    page.locator("#f-name").fill("Third")
    page.locator("#slot-b-next").click()
    page.locator("#kind-menu [data-kind=END]").click()
    expect(page.locator("#step-end_1")).to_be_visible()
    expect(page.locator("#step-a .step-name")).to_have_text("Third")
    page.locator("#step-a-main").click()
    expect(page.locator("#f-name")).to_have_value("Third")
    page.locator("#f-name").fill("Fourth")
    page.reload()
    expect(page.locator("#step-a .step-name")).to_have_text("Fourth")
    assert stored(journey, "a").name == "Fourth"


def test_what_can_not_be_is_kept_with_what_is_wrong_beside_it(builder: Page, journey: Journey) -> None:
    page = builder
    amount = page.locator("[name='duration.amount']")
    amount.fill("soon")
    page.locator("#f-name").click()
    expect(page.locator("#f-duration-error")).to_be_visible()
    expect(page.locator("#step-saved")).to_have_text("Saved. Something is still missing.")
    expect(amount).to_have_value("soon")
    expect(page.locator("#f-name")).to_be_focused()
    page.reload()
    expect(amount).to_have_value("soon")
    amount.fill("4")
    page.locator("#f-name").click()
    expect(page.locator("#f-duration-error")).to_have_count(0)
    expect(page.locator("#step-a .step-words")).to_have_text("Wait 4 days")


def test_others_may_change_other_steps_and_other_settings(builder: Page, journey: Journey) -> None:
    page = builder
    elsewhere(journey, "b", "9 days")
    page.locator("[name='duration.amount']").fill("5")
    save(page)
    assert stored(journey, "a").config["duration"] == "5 days"
    expect(page.locator("#step-b .step-words")).to_have_text("Wait 9 days")

    # Of the same step another setting: both stay.
    elsewhere(journey, "a", "7 days")
    page.locator("#f-name").fill("Mine")
    expect(page.locator("#step-a .step-words")).to_have_text("Wait 7 days")
    expect(page.locator("#step-a .step-name")).to_have_text("Mine")
    expect(page.locator("[name='duration.amount']")).to_have_value("7")
    expect(page.locator("#step-joined")).to_contain_text("That stays, and so does what you typed.")


def test_the_same_setting_is_asked_about(builder: Page, journey: Journey) -> None:
    page = builder
    amount = page.locator("[name='duration.amount']")
    elsewhere(journey, "a", "7 days")
    amount.fill("5")
    page.locator("#f-name").fill("Mine")
    told = page.locator("#step-refused")
    expect(told).to_contain_text("changed this to “Wait 7 days”")
    expect(page.locator("#step-a .step-words")).to_have_text("Wait 7 days")
    expect(amount).to_have_value("5")
    page.get_by_role("button", name="Keep mine").click()
    expect(page.locator("#step-a .step-words")).to_have_text("Wait 5 days")
    expect(page.locator("#step-a .step-name")).to_have_text("Mine")

    elsewhere(journey, "a", "8 days")
    amount.fill("6")
    page.get_by_role("button", name="Take theirs").click()
    expect(amount).to_have_value("8")
    expect(page.locator("#step-saved")).to_have_text("Saved.")
    expect(told).to_have_text("")
    assert stored(journey, "a").config["duration"] == "8 days"


def test_what_was_typed_into_a_step_that_is_gone_can_be_put_back(builder: Page, journey: Journey) -> None:
    page = builder
    on = {"tenant_id": journey.tenant_id, "journey_id": journey.id, "actor": "system"}
    service.delete_step(**on, key="a")
    page.locator("[name='duration.amount']").fill("5")
    expect(page.locator("#panel")).to_contain_text("This step is gone")
    expect(page.locator("#gone-typed")).to_have_value(re.compile("Wait 5 days"))
    expect(page.locator("#step-a")).to_have_count(0)
    page.get_by_role("button", name="Put the step back with this").click()
    expect(page.locator("#step-a .step-words")).to_have_text("Wait 5 days")
    expect(page.locator("[name='duration.amount']")).to_have_value("5")

    # Nothing was typed: it is closed.
    service.delete_step(**on, key="a")
    expect(page.locator("#toasts")).to_contain_text("The step you had open was deleted")
    expect(page.locator("#step-form")).to_have_count(0)
    expect(page).to_have_url(re.compile(f"{journey.id}$"))


def test_a_comment_that_was_begun_waits_for_its_step(builder: Page) -> None:
    page = builder
    page.locator("#comment-body").fill("Is a day")
    page.locator("#slot-b-next").click()
    page.locator("#kind-menu [data-kind=END]").click()
    expect(page.locator("#step-end_1")).to_be_visible()
    expect(page.locator("#comment-body")).to_have_value("")
    page.reload()
    page.locator("#step-a-main").click()
    expect(page.locator("#comment-body")).to_have_value("Is a day")
    page.get_by_role("button", name="Comment").click()
    expect(page.locator("#talk-a")).to_contain_text("1")
    expect(page.locator("#comment-body")).to_have_value("")
    page.locator("#step-b-main").click()
    page.locator("#step-a-main").click()
    expect(page.locator("#comments")).to_contain_text("Is a day")
    expect(page.locator("#comment-body")).to_have_value("")
