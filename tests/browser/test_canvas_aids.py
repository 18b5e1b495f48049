"""What helps on a large canvas: notes, folding, searching, the small map, the list of keys, the list on a phone."""

import random
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.journeys import comments, queries, service
from app.journeys.models import Journey
from tests.browser.conftest import PHONE
from tests.browser.test_canvas_parts import chosen, make, press, show
from tests.journeys.helpers import asks, step, wait
from tests.journeys.test_layout_calm import hundred
from tests.page_client import make_user

pytestmark = [pytest.mark.browser, pytest.mark.committed]


@pytest.fixture
def forked(live: Any) -> Journey:
    branches = [wait("a", "w0", "1 day"), wait("b", "w0", "2 days")]
    line = [wait(f"w{number}", f"w{number + 1}", "9 weeks") for number in range(9)]
    return make(live, "Forked", asks("c", "a", "b"), *branches, *line, wait("w9", "e", "9 weeks"), step("e", "END"))


@pytest.fixture
def builder(live: Any, page: Page, forked: Journey) -> Page:
    live.sign_in(page, "marketer")
    return show(live, page, forked)


def test_a_note_is_written_moved_and_removed_by_keys(builder: Page, forked: Journey) -> None:
    page = builder
    page.locator("#step-c-main").focus()
    press(page, "n")
    note = page.locator(".note")
    expect(note.locator("textarea")).to_be_focused()
    page.keyboard.type("Ask Lindiwe")
    press(page, "Escape")
    expect(page.locator("#undo")).to_have_attribute("aria-label", "Undo: Changed a note")
    left = note.get_attribute("data-left") or ""
    note.locator(".note-grip").focus()
    press(page, "ArrowRight", "ArrowRight")
    expect(page.locator("#undo")).to_have_attribute("aria-label", "Undo: Moved a note")
    assert int(note.get_attribute("data-left") or "") == int(left) + 40
    note.get_by_role("button", name="Blue").click()
    expect(note).to_have_class(re.compile("is-blue"))
    page.reload()
    expect(note.locator("textarea")).to_have_value("Ask Lindiwe")
    found = queries.draft(queries.journey(tenant_id=forked.tenant_id, journey_id=forked.id)).notes
    assert [(one.text, one.colour, one.step) for one in found] == [("Ask Lindiwe", "blue", "c")]
    note.locator(".note-grip").focus()
    press(page, "Delete")
    expect(note).to_have_count(0)


def test_branches_fold_and_unfold_where_a_step_is_opened(live: Any, builder: Page, forked: Journey) -> None:
    page = builder
    page.locator("#step-c-main").focus()
    press(page, "c")
    expect(page.locator("#step-a")).to_have_count(0)
    expect(page.locator("#step-c .step-hidden")).to_have_text("2 steps folded away")
    page.reload()
    expect(page.locator("#step-w0")).to_be_visible()
    expect(page.locator("#step-a")).to_have_count(0)
    page.goto(f"{live.base_url}/journeys/{forked.id}/steps/a")
    expect(page.locator("#step-a")).to_be_visible()
    page.goto(f"{live.base_url}/journeys/{forked.id}")
    page.locator("#step-c .step-hidden").click()
    expect(page.locator("#step-a")).to_be_visible()


def test_a_step_is_searched_and_shown(builder: Page) -> None:
    page = builder
    page.locator("#step-trigger-main").focus()
    press(page, "/")
    page.keyboard.type("wait 2 days")
    expect(page.locator("#find [role=status]")).to_have_text("1 step")
    press(page, "Enter")
    expect(page.locator("#step-b-main")).to_be_focused()
    press(page, "Control+f")
    expect(page.locator("#find input")).to_be_focused()
    press(page, "Escape", "?")
    expect(page.locator("#keys")).to_be_visible()
    press(page, "Escape")
    page.locator(".palette-search").fill("time")
    expect(page.locator(".palette-item[data-kind=WAIT]")).to_be_visible()
    expect(page.locator(".palette-item[data-kind=END]")).to_be_hidden()


def test_the_small_map_leads_to_what_is_out_of_view(builder: Page) -> None:
    page = builder
    box = page.locator("#map svg").bounding_box()
    assert box
    expect(page.locator("#step-w9")).not_to_be_in_viewport()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 6)
    expect(page.locator("#step-w9")).to_be_in_viewport()


def test_on_a_phone_the_canvas_is_a_list(builder: Page) -> None:
    page = builder
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    expect(page.locator("#step-a")).to_be_visible()
    tops = page.locator(".step, .exit").evaluate_all("all => all.map(one => [one.id, one.getBoundingClientRect()])")
    lefts = {name: box["left"] for name, box in tops}
    assert lefts["step-a"] == lefts["step-b"] > lefts["step-c"] == lefts["step-e"]
    assert [box["top"] for _, box in tops] == sorted(box["top"] for _, box in tops)
    expect(page.locator(".meets-name").first).to_have_text("goes on with “Wait 9 weeks”")
    page.locator("#step-a .step-more").click()
    page.locator("#step-menu [data-step-act=pick]").click()
    assert chosen(page) == ["a"]
    page.locator("[data-pick-act=remove]").click()
    expect(page.locator("#step-a")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_comments_are_counted_on_the_card(builder: Page) -> None:
    page = builder
    page.locator("#step-a-main").click()
    page.locator("#comment-body").fill("Is a day enough?")
    page.get_by_role("button", name="Comment").click()
    expect(page.locator("#talk-a")).to_contain_text("1")
    page.get_by_role("button", name="Resolve").click()
    expect(page.locator("#talk-a")).to_be_hidden()


def test_two_editors_see_each_other_and_each_others_changes(live: Any, builder: Page, forked: Journey) -> None:
    page = builder
    page.locator("#step-a-main").click()
    expect(page.locator("[name='duration.amount']")).to_be_visible()
    lindiwe = make_user(live.tenant.id, "marketer")
    on = {"tenant_id": live.tenant.id, "journey_id": forked.id}
    comments.here(**on, user_id=lindiwe, name="Lindiwe", step_key="a")
    service.delete_step(**on, actor="system", key="b")
    expect(page.locator("#step-b")).to_have_count(0)
    comments.here(**on, user_id=lindiwe, name="Lindiwe", step_key="a")
    expect(page.locator("#step-a .step-present")).to_have_text("Lindiwe")
    expect(page.locator(".sheet-present")).to_contain_text("Lindiwe is editing this step too")


def test_a_note_survives_what_others_do_meanwhile(builder: Page, forked: Journey) -> None:
    page = builder
    page.locator("#step-c-main").focus()
    press(page, "n")
    note = page.locator(".note textarea")
    expect(note).to_be_focused()
    page.keyboard.type("Ask")
    service.delete_step(tenant_id=forked.tenant_id, journey_id=forked.id, actor="system", key="w9")
    page.keyboard.type(" Lindiwe")
    expect(page.locator("#step-w9")).to_have_count(0)
    expect(note).to_have_value("Ask Lindiwe")
    expect(page.locator("#undo")).to_have_attribute("aria-label", "Undo: Changed a note")
    page.reload()
    expect(note).to_have_value("Ask Lindiwe")


def test_kinds_that_fit_are_walked_by_arrows(builder: Page) -> None:
    page = builder
    page.locator("#step-e-main").focus()
    page.locator("#slot-a-next").click()
    search = page.locator("#kind-menu [data-kind-search]")
    search.fill("time")
    fitting = page.locator("#kind-menu button[data-kind]:visible")
    press(page, "ArrowDown")
    expect(fitting.first).to_be_focused()
    press(page, "ArrowUp")
    expect(page.locator("#kind-menu button:visible").last).to_be_focused()


def test_a_fork_is_cut_with_its_branches(builder: Page) -> None:
    page = builder
    page.locator("#step-c-main").focus()
    press(page, "Control+x")
    expect(page.locator("#step-c")).to_have_count(0)
    expect(page.locator("#step-a")).to_have_count(0)
    page.locator("#step-w0-main").focus()
    press(page, "Control+v")
    expect(page.locator("#step-a")).to_be_visible()
    expect(page.locator("#step-c")).to_be_visible()
    expect(page.locator("#step-w0")).to_have_attribute("data-down", "c")


def test_a_hundred_steps_fit_into_view_and_folding_leaves_the_step_where_it_is(live: Any, page: Page) -> None:
    live.sign_in(page, "marketer")
    graph = hundred(random.Random(1))
    first = graph.steps["t"].exits["next"]
    steps = sorted(graph.to_json()["steps"][1:], key=lambda one: one["key"] != first)
    show(live, page, make(live, "A hundred", *steps))
    every = page.locator(".step")
    press(page, "f")
    for at in (0, -1):
        expect(every.nth(at)).to_be_in_viewport(ratio=1)
    assert page.locator("#board").evaluate("board => board.scrollWidth") == page.locator("#board").evaluate(
        "board => board.clientWidth"
    )
    # Narrow for a while, it comes back to where it was, after a reload too.
    page.set_viewport_size(PHONE)
    expect(page.locator(".palette")).to_be_hidden()
    page.set_viewport_size({"width": 1440, "height": 900})
    for _ in range(2):
        expect(every.first).to_be_in_viewport(ratio=1)
        expect(every.last).to_be_in_viewport(ratio=1)
        page.reload()
    press(page, "0")
    fork = page.locator(".step[data-kind=CONDITION] .step-main").nth(4)
    fork.focus()
    before, count = fork.bounding_box(), every.count()
    press(page, "c")
    expect(every).not_to_have_count(count)
    assert before
    assert fork.bounding_box() == pytest.approx(before, abs=2)
    press(page, "c")
    expect(every).to_have_count(count)
    assert fork.bounding_box() == pytest.approx(before, abs=2)


def test_kinds_are_searched_as_one_types_from_the_beginnings_of_words(builder: Page) -> None:
    page = builder
    page.locator("#step-w9-main").focus()
    press(page, "a")
    page.keyboard.type("end")
    fitting = page.locator("#kind-menu button[data-kind]:visible")
    expect(fitting).to_have_count(0)
    press(page, "Escape", "Escape")
    page.locator("#step-e-main").focus()
    press(page, "Delete")
    expect(page.locator("#step-e")).to_have_count(0)
    page.locator("#step-w9-main").focus()
    press(page, "a")
    page.keyboard.type("end")
    expect(fitting.locator("b")).to_have_text(["End"])
    press(page, "Enter")
    expect(page.locator(".step[data-kind=END]")).to_be_visible()
