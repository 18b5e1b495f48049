"""Fast hands lose nothing: what is pressed while an act is on its way waits for its turn."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.journeys import queries, service
from app.journeys.models import Journey
from tests.browser.test_canvas_parts import builder, chosen, forked, press, ways  # noqa: F401
from tests.browser.test_unsaved import hold

pytestmark = [pytest.mark.browser, pytest.mark.committed]

INSERT, REMOVE, UNDO = re.compile(r"/steps$"), re.compile(r"/remove$"), re.compile(r"/undo$")


def add_by_keys(page: Page, kind: str) -> None:
    press(page, "a", *kind, "Enter")


def adding_a_wait(page: Page, key: str) -> Callable[[], None]:
    """Add a wait behind a step and return what lets go of that act, which is held on its way."""
    release = hold(page, INSERT)
    page.locator(f"#step-{key}-main").focus()
    with page.expect_request(INSERT):
        add_by_keys(page, "Wait")
    return release


def deleting(page: Page, key: str, by: str = "Delete") -> Callable[[], None]:
    """Delete a step by a key and return what lets go of that act, which is held on its way."""
    release = hold(page, REMOVE)
    page.locator(f"#step-{key}-main").focus()
    with page.expect_request(REMOVE):
        press(page, by)
    return release


def test_steps_added_by_keys_one_upon_the_other(builder: Page, forked: Journey) -> None:  # noqa: F811
    page = builder
    release = adding_a_wait(page, "b")
    add_by_keys(page, "Update")
    add_by_keys(page, "End")
    assert ways(forked)["b"] == {"next": None}
    release()
    expect(page.locator("#step-end_2-main")).to_be_focused()
    now = ways(forked)
    assert (now["b"], now["wait_4"], now["update_1"]) == ({"next": "wait_4"}, {"next": "update_1"}, {"next": "end_2"})


def test_presses_are_of_what_the_page_shows_when_their_turn_comes(builder: Page, forked: Journey) -> None:  # noqa: F811
    page = builder
    release = adding_a_wait(page, "b")
    press(page, "Delete", "Control+z", "Control+z")  # the step that was added goes, comes back, and was never added
    release()
    expect(page.locator("#redo")).to_have_attribute("aria-label", "Redo: Added “Wait”")
    assert ways(forked)["b"] == {"next": None}
    press(page, "Control+y", "Control+y")
    expect(page.locator("#undo")).to_have_attribute("aria-label", re.compile("Undo: Removed “Wait"))
    assert "wait_4" not in ways(forked)


def test_deleting_goes_up_the_branch_press_by_press(builder: Page, forked: Journey) -> None:  # noqa: F811
    page = builder
    release = deleting(page, "e")
    press(page, "Delete")
    release()
    expect(page.locator("#step-c-main")).to_be_focused()
    assert set(ways(forked)) == {"trigger", "a", "b", "c"}
    press(page, "Control+z", "Control+z")
    expect(page.locator("#step-e")).to_be_visible()


def test_what_is_on_its_way_can_be_undone_and_made_again(builder: Page, forked: Journey) -> None:  # noqa: F811
    page = builder
    expect(page.locator("#redo")).to_be_disabled()
    release = hold(page, UNDO)
    page.locator("#step-b-main").focus()
    with page.expect_request(UNDO):
        press(page, "Control+z")
    page.locator("#redo").click()
    page.locator("#redo").click()  # there is no more to be made again
    release()
    expect(page.locator("#redo")).to_be_disabled()
    expect(page.locator("#step-b")).to_be_visible()
    assert set(ways(forked)) == {"trigger", "a", "b", "c", "d", "e"}


def test_clicks_wait_too_and_find_what_was_drawn_anew(builder: Page, forked: Journey) -> None:  # noqa: F811
    page = builder
    release = deleting(page, "b")
    page.locator("#slot-d-next").click()
    page.locator("#slot-b-next").click()
    release()
    menu = page.locator("#kind-menu")
    expect(menu).to_be_visible()
    expect(page.locator("#toasts")).to_contain_text("What you pressed is not there any more.")
    menu.locator("[data-kind=UPDATE]").click()
    expect(page.locator("#step-update_1")).to_be_visible()
    assert ways(forked)["d"] == {"next": "update_1"}
    assert "b" not in ways(forked)


def test_the_clipboard_waits_too(builder: Page, forked: Journey) -> None:  # noqa: F811
    page = builder
    release = deleting(page, "b", by="Control+x")
    page.locator("#step-d-main").focus()
    press(page, "Control+v")
    release()
    expect(page.locator("#step-d")).to_have_attribute("data-down", "b")
    assert ways(forked)["b"] == {"next": "e"}
    release = deleting(page, "a")
    page.locator("#step-b-main").focus()
    press(page, "Control+c", "Control+v")
    release()
    expect(page.locator("#step-wait_3")).to_be_visible()
    assert ways(forked)["b"] == {"next": "wait_3"}


def test_what_is_written_in_a_note_that_is_still_to_come_is_in_it(builder: Page, forked: Journey) -> None:  # noqa: F811
    page = builder
    release = deleting(page, "b")
    page.locator("#step-d-main").focus()
    press(page, "n", *"Ask Jo")
    release()
    expect(page.locator(".note textarea")).to_have_value("Ask Jo")
    expect(page.locator("#undo")).to_have_attribute("aria-label", "Undo: Changed a note")
    [note] = queries.draft(queries.journey(tenant_id=forked.tenant_id, journey_id=forked.id)).notes
    assert (note.text, note.step) == ("Ask Jo", "d")


def test_a_button_that_is_clicked_twice_acts_once(builder: Page, forked: Journey) -> None:  # noqa: F811
    page = builder
    page.locator("#step-b-main").click()
    expect(page.locator("#panel [data-sheet=b]")).to_be_visible()
    release = hold(page, REMOVE)
    with page.expect_request(REMOVE):
        page.locator("#sheet-acts").get_by_role("button", name="Delete").dblclick()
    release()
    expect(page.locator("#step-b")).to_have_count(0)
    expect(page.locator("#toasts")).to_contain_text("Step deleted.")
    expect(page.locator(".toast-note")).to_have_count(1)
    assert set(ways(forked)) == {"trigger", "a", "c", "d", "e"}


def test_what_was_brought_back_is_not_said_to_be_deleted(builder: Page, forked: Journey) -> None:  # noqa: F811
    page = builder
    release = deleting(page, "b")
    press(page, "Control+z")
    release()
    expect(page.locator("#redo")).to_be_enabled()
    expect(page.locator("#step-b")).to_be_visible()
    expect(page.locator(".toast-note")).to_have_count(0)
    page.locator("#step-e-main").focus()
    press(page, "Delete", "Delete")
    expect(page.locator("#step-c-main")).to_be_focused()
    expect(page.locator(".toast-note")).to_have_count(1)
    page.locator(".toast-note").get_by_role("button", name="Undo").click()
    expect(page.locator("#redo")).to_have_attribute("aria-label", re.compile("Redo: Removed"))
    assert set(ways(forked)) == {"trigger", "a", "b", "c", "d"}


def test_branches_are_folded_and_steps_chosen_in_their_turn(builder: Page, forked: Journey) -> None:  # noqa: F811
    page = builder
    release = deleting(page, "b")
    page.locator("#step-a-main").click(modifiers=["Control"])
    page.locator("#step-d-main").click(modifiers=["Control"])
    assert chosen(page) == []
    release()
    expect(page.locator(".step.is-picked")).to_have_count(2)
    assert chosen(page) == ["a", "d"]


def test_answers_that_come_while_branches_are_folded_are_all_drawn(builder: Page, forked: Journey) -> None:  # noqa: F811
    page: Any = builder
    release = hold(page, re.compile(r"/canvas$"))
    page.locator("#step-c-main").focus()
    with page.expect_request(re.compile(r"/canvas$")):
        press(page, "c")
    press(page, "Control+z", "Control+y", "c")
    release()
    expect(page.locator("#step-a")).to_be_visible()
    expect(page.locator("#step-d")).to_be_visible()
    expect(page.locator("#redo")).to_be_disabled()
    expect(page.locator("#toasts")).not_to_contain_text("Somebody else")


@pytest.mark.parametrize("by", ["refused", "failed"])
def test_after_an_act_that_was_not_done_nothing_else_is(builder: Page, forked: Journey, by: str) -> None:  # noqa: F811
    page = builder
    page.locator("#step-e-main").focus()
    press(page, "Delete")
    expect(page.locator("#step-e")).to_have_count(0)
    release = deleting(page, "b")
    press(page, "Control+z")  # is about that act, and no other
    if by == "refused":
        on = {"tenant_id": forked.tenant_id, "actor": "system", "journey_id": forked.id}
        service.insert_step(**on, type="END", after="d", exit="next")
        release()
    else:
        page.context.set_offline(True)
        release()
    expect(page.locator("#toasts")).to_contain_text("What you pressed meanwhile was not done")
    page.context.set_offline(False)
    expect(page.locator("#step-b")).to_be_visible()
    assert ways(forked)["d"] == {"next": "end_1" if by == "refused" else None}


def test_a_key_is_not_for_the_step_that_is_clicked_after_it(builder: Page, forked: Journey) -> None:  # noqa: F811
    page = builder
    release = deleting(page, "b")
    page.locator("#step-d-main").focus()
    press(page, "Delete")
    page.locator("#step-a-main").click()
    release()
    expect(page.locator("#panel [data-sheet=a]")).to_be_visible()
    assert set(ways(forked)) == {"trigger", "a", "c", "e"}


def test_a_key_is_for_the_step_that_was_clicked_before_it(builder: Page, forked: Journey) -> None:  # noqa: F811
    page = builder
    release = adding_a_wait(page, "b")
    page.locator("#step-e-main").click()
    press(page, "Delete")
    release()
    expect(page.locator("#step-e")).to_have_count(0)
    assert set(ways(forked)) == {"trigger", "a", "b", "c", "d", "wait_4"}


@pytest.mark.parametrize("key", ["Delete", "Control+x"])
def test_a_key_is_dropped_where_the_reader_went_on_elsewhere(builder: Page, forked: Journey, key: str) -> None:  # noqa: F811
    page = builder
    page.locator("#step-a-main").click()
    name = page.locator("#f-name")
    expect(name).to_be_visible()
    release = deleting(page, "b")
    page.locator("#step-d-main").focus()
    press(page, key, "Control+z")
    name.click()
    release()
    expect(page.locator("#toasts")).to_contain_text("for you went on elsewhere")
    expect(page.locator("#toasts")).to_contain_text("What you pressed after it was not done either.")
    assert set(ways(forked)) == {"trigger", "a", "c", "d", "e"}


def test_a_key_after_a_click_on_what_is_gone_is_dropped(builder: Page, forked: Journey) -> None:  # noqa: F811
    page = builder
    release = deleting(page, "b")
    page.locator("#step-b-main").click()
    press(page, "Delete")
    release()
    expect(page.locator("#toasts")).to_contain_text("What you pressed after it was not done either.")
    assert set(ways(forked)) == {"trigger", "a", "c", "d", "e"}


def test_who_was_signed_out_presses_in_vain(live: Any, builder: Page, forked: Journey) -> None:  # noqa: F811
    page = builder
    page.context.clear_cookies()
    release = deleting(page, "b")
    page.locator("#step-e-main").focus()
    press(page, "Delete")
    release()
    expect(page.locator("#signed-out")).to_be_visible()
    expect(page.locator("#toasts")).to_contain_text("for you were signed out")
    press(page, "Delete", "Control+x", "Control+v")
    page.locator("#undo").click()
    live.sign_in(page, "marketer")
    expect(page.locator("#signed-out")).to_be_hidden()
    expect(page.locator("#step-b")).to_have_count(0)
    page.locator("#step-e-main").press("ArrowUp")  # what is pressed is taken again
    expect(page.locator("#step-d-main")).to_be_focused()
    assert set(ways(forked)) == {"trigger", "a", "c", "d", "e"}


def test_what_is_copied_in_its_turn_is_what_is_pasted_after_it(builder: Page, forked: Journey) -> None:  # noqa: F811
    page = builder
    page.locator("#step-d-main").focus()
    press(page, "Control+c")
    expect(page.locator("#toasts")).to_contain_text("Copied")
    page.evaluate("document.execCommand = () => false")  # as browsers do when the last press is a while ago
    release = deleting(page, "b")
    page.locator("#step-a-main").focus()
    press(page, "Control+c", "Control+v")
    release()
    expect(page.locator("#undo")).to_have_attribute("aria-label", re.compile("^Undo: Pasted"))
    expect(page.locator("#toasts")).to_contain_text("Paste by the menu")
    [new] = set(ways(forked)) - {"trigger", "a", "c", "d", "e"}
    steps = queries.draft(queries.journey(tenant_id=forked.tenant_id, journey_id=forked.id))
    assert {one.key: one.config for one in steps}[new]["duration"] == "1 day"


def test_where_nothing_was_copied_in_its_turn_nothing_older_is_pasted(builder: Page, forked: Journey) -> None:  # noqa: F811
    page = builder
    page.locator("#step-d-main").focus()
    press(page, "Control+c")
    release = deleting(page, "b")
    page.locator("#step-trigger-main").focus()  # can't be copied
    press(page, "Control+c", "Control+v")
    release()
    expect(page.locator("#toasts")).to_contain_text("There are no copied steps on the clipboard.")
    assert set(ways(forked)) == {"trigger", "a", "c", "d", "e"}


def test_what_is_cut_in_its_turn_goes_though_the_clipboard_takes_nothing(builder: Page, forked: Journey) -> None:  # noqa: F811
    page = builder
    page.evaluate("document.execCommand = () => false")
    release = deleting(page, "b")
    page.locator("#step-e-main").focus()
    press(page, "Control+x")
    page.locator("#step-a-main").click()
    press(page, "Control+v")
    release()
    expect(page.locator("#step-a")).to_have_attribute("data-down", "e")
    assert (ways(forked)["a"], ways(forked)["d"]) == ({"next": "e"}, {"next": None})


def test_what_did_not_come_to_be_can_not_be_done_again(builder: Page, forked: Journey) -> None:  # noqa: F811
    page, redo = builder, builder.locator("#redo")
    expect(redo).to_be_disabled()
    page.route(INSERT, lambda route: route.abort())
    page.locator("#step-b-main").focus()
    add_by_keys(page, "Wait")
    expect(page.locator(".toast-note")).to_contain_text("can’t be reached")
    expect(redo).to_be_disabled()
    page.unroute(INSERT)
    page.locator("#step-b-main").focus()
    add_by_keys(page, "Wait")
    expect(page.locator("#step-wait_4")).to_be_visible()
    expect(redo).to_be_disabled()
    page.locator("#undo").click()
    expect(redo).to_have_attribute("aria-label", "Redo: Added “Wait”")
    expect(redo).to_be_enabled()
