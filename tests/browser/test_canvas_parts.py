"""Several steps at once on the canvas: chosen, copied into another journey, moved, joined; by mouse and by keys."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.journeys import queries, service
from app.journeys.models import Journey
from tests.browser.canvas import drag
from tests.journeys.helpers import asks, step, wait

pytestmark = [pytest.mark.browser, pytest.mark.committed]


def make(live: Any, name: str, *steps: dict[str, Any]) -> Journey:
    on = {"tenant_id": live.tenant.id, "actor": "system"}
    made = service.create(**on, name=name)
    trigger = step("trigger", "TRIGGER", steps[0]["key"] if steps else None, {"event_type": "MANUAL"})
    service.put_steps(**on, journey_id=made.id, steps=[trigger, *steps])
    return made


@pytest.fixture
def forked(live: Any) -> Journey:
    branch = [wait("a", "b", "1 day"), wait("b", None, "2 days"), wait("d", "e", "3 days"), step("e", "END")]
    return make(live, "Forked", asks("c", "a", "d"), *branch)


@pytest.fixture
def builder(live: Any, page: Page, forked: Journey) -> Page:
    live.sign_in(page, "marketer")
    return show(live, page, forked)


def show(live: Any, page: Page, journey: Journey) -> Page:
    page.goto(f"{live.base_url}/journeys/{journey.id}")
    expect(page.locator(".zoom-level")).to_contain_text("%")
    return page


def ways(journey: Journey) -> dict[str, Any]:
    found = queries.journey(tenant_id=journey.tenant_id, journey_id=journey.id)
    return {one.key: dict(one.exits) for one in queries.draft(found)}


def chosen(page: Page) -> list[str]:
    return sorted(page.locator(".step.is-picked").evaluate_all("all => all.map(one => one.dataset.key)"))


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_steps_are_chosen_by_mouse(builder: Page) -> None:
    page = builder
    page.locator("#step-a-main").click(modifiers=["Control"])
    page.locator("#step-b-main").click(modifiers=["Shift"])
    assert chosen(page) == ["a", "b"]
    expect(page.locator("#pick-bar")).to_contain_text("2 steps chosen")
    page.locator("#step-a-main").click(modifiers=["Control"])
    assert chosen(page) == ["b"]
    box = page.locator("#step-a").bounding_box()
    end = page.locator("#step-d").bounding_box()
    assert box
    assert end
    page.keyboard.down("Shift")
    page.mouse.move(box["x"] - 20, box["y"] - 20)
    page.mouse.down()
    page.mouse.move(end["x"] + 20, end["y"] + 20, steps=4)
    page.mouse.up()
    page.keyboard.up("Shift")
    assert chosen(page) == ["a", "b", "d"]
    page.get_by_role("button", name="Choose nothing").click()
    assert chosen(page) == []


def test_a_branch_goes_to_another_journey_by_keys(live: Any, builder: Page, forked: Journey) -> None:
    page = builder
    page.locator("#step-a-main").focus()
    press(page, "b")
    assert chosen(page) == ["a", "b"]
    press(page, "Control+c")
    expect(page.locator(".toast-note")).to_contain_text("Copied “2 steps”")

    other = make(live, "Other", wait("first", None, "1 hour"))
    show(live, page, other)
    page.locator("#step-first-main").focus()
    press(page, "Control+v")
    expect(page.locator("#step-first")).not_to_have_attribute("data-down", "")
    assert ways(other) == {
        "trigger": {"next": "first"},
        "first": {"next": "wait_2"},
        "wait_2": {"next": "wait_3"},
        "wait_3": {"next": None},
    }
    assert chosen(page) == ["wait_2", "wait_3"]
    expect(page.locator("#undo")).to_have_attribute("aria-label", "Undo: Pasted 2 steps")
    press(page, "Control+z")
    expect(page.locator("#step-wait_2")).to_have_count(0)
    press(page, "Control+y")
    expect(page.locator("#step-wait_2")).to_be_visible()
    page.reload()
    press(page, "Control+z")
    expect(page.locator("#step-wait_2")).to_have_count(0)


def test_cut_and_paste_keeps_the_steps_keys_and_duplicates_get_new_ones(builder: Page, forked: Journey) -> None:
    page = builder
    page.locator("#step-a-main").focus()
    press(page, "Shift+ArrowDown", "Control+x")
    expect(page.locator("#step-a")).to_have_count(0)
    page.locator("#step-d-main").focus()
    press(page, "Control+v")
    expect(page.locator("#step-a")).to_be_visible()
    assert ways(forked)["d"] == {"next": "a"}
    assert ways(forked)["b"] == {"next": "e"}
    press(page, "Control+d")
    expect(page.locator(".step.is-picked")).to_have_count(2)
    expect(page.locator("#step-a")).to_be_visible()
    expect(page.locator(".step")).to_have_count(8)
    press(page, "Delete")
    expect(page.locator(".step")).to_have_count(6)
    expect(page.locator(".toast-note").last).to_contain_text("2 steps deleted")


def test_chosen_steps_are_dragged_and_what_can_not_follow_is_no_place(builder: Page, forked: Journey) -> None:
    page = builder
    page.locator("#step-a-main").click(modifiers=["Control"])
    page.locator("#step-b-main").click(modifiers=["Control"])
    drag(page, "#step-b", "#slot-trigger-next")
    expect(page.locator("#step-trigger")).to_have_attribute("data-down", "a")
    assert ways(forked)["b"] == {"next": "c"}
    page.locator("#step-d-main").click(modifiers=["Control"])
    page.locator("#step-e-main").click(modifiers=["Control"])
    press(page, "m")
    assert page.locator(".slot.is-legal").evaluate_all("all => all.map(one => one.id)") == ["slot-c-yes"]
    press(page, "Enter")
    expect(page.locator("#exit-c-yes")).to_be_visible()
    expect(page.locator("#slot-c-no")).to_have_class(re.compile("is-open"))


def test_an_open_end_is_dragged_onto_a_later_step_and_parted_again(builder: Page, forked: Journey) -> None:
    page = builder
    start, end = page.locator("#slot-b-next").bounding_box(), page.locator("#step-d").bounding_box()
    assert start
    assert end
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(end["x"] + 90, end["y"] + 30, steps=6)
    expect(page.locator("#step-d.is-hot")).to_be_visible()
    page.mouse.up()
    expect(page.locator("#step-b")).to_have_attribute("data-down", "d")
    assert ways(forked)["b"] == {"next": "d"}
    page.locator("#slot-b-next").click()
    page.locator("#kind-menu [data-part]").click()
    expect(page.locator("#step-b")).to_have_attribute("data-down", "")


def test_a_clipboard_without_steps_is_told(builder: Page) -> None:
    page = builder
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.setData('text/plain', 'dear members');
            document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true}));
        }"""
    )
    expect(page.locator(".toast-note")).to_contain_text("no copied steps")
