"""Nothing typed in the builder is passed by: what leaves it, or acts on the journey, waits until it is saved."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from app.journeys import queries
from app.journeys.models import Journey
from tests.browser.test_autosave import builder, journey, stored  # noqa: F401
from tests.browser.test_canvas_parts import press

pytestmark = [pytest.mark.browser, pytest.mark.committed]

SAVES = re.compile(r"/steps/a$")


def hold(page: Page, what: re.Pattern[str] = SAVES) -> Callable[[], None]:
    """Keep what is posted there (what saves step a) on its way; returns what lets it go on."""
    held: list[Route] | None = []

    def on_its_way(route: Route) -> None:
        if held is None or route.request.method != "POST":
            route.fallback()
        else:
            held.append(route)

    def release() -> None:
        nonlocal held
        kept, held = held or [], None
        for route in kept:
            route.continue_()

    page.route(what, on_its_way)

    return release


def status(journey: Journey) -> str:  # noqa: F811
    return queries.journey(tenant_id=journey.tenant_id, journey_id=journey.id).status


def amount(page: Page) -> Any:
    return page.locator("[name='duration.amount']")


@pytest.mark.parametrize("by_key", [False, True])
def test_what_goes_live_is_what_was_typed_last(builder: Page, journey: Journey, by_key: bool) -> None:  # noqa: F811
    page = builder
    release = hold(page)
    amount(page).fill("5")
    activate = page.get_by_role("button", name="Activate")
    activate.press("Enter") if by_key else activate.click()
    expect(page.locator("#bar-end")).to_have_attribute("aria-busy", "true")
    assert status(journey) == "DRAFT"
    release()
    expect(page.locator("#toasts")).to_contain_text("The journey is active")
    live = queries.version_graph(tenant_id=journey.tenant_id, journey_id=journey.id, number=1)
    assert live.steps["a"].config["duration"] == "5 days"


def test_what_can_not_be_saved_stops_the_act_and_says_so(builder: Page, journey: Journey) -> None:  # noqa: F811
    page = builder
    page.route(SAVES, lambda route: route.fulfill(status=500))
    amount(page).fill("5")
    page.get_by_role("button", name="Activate").click()
    expect(page.locator("#step-held")).to_contain_text("“Activate” was not done")
    expect(amount(page)).to_have_value("5")
    assert status(journey) == "DRAFT"
    page.unroute(SAVES)
    page.get_by_role("button", name="Activate").click()
    expect(page.locator("#toasts")).to_contain_text("The journey is active")
    assert stored(journey, "a").config["duration"] == "5 days"


def test_what_is_changed_while_an_act_waits_does_not_swallow_it(builder: Page, journey: Journey) -> None:  # noqa: F811
    page = builder
    removed, undone = hold(page, re.compile(r"/remove$")), hold(page, re.compile(r"/undo$"))
    page.locator("#step-b-main").focus()
    with page.expect_request("**/remove"):
        press(page, "Delete")
    page.get_by_role("button", name="Activate").click()
    expect(page.locator("#bar-end")).to_have_attribute("aria-busy", "true")
    page.locator("#step-a-main").focus()
    press(page, "Control+z")
    with page.expect_request("**/undo"):
        removed()
    assert status(journey) == "DRAFT"
    undone()
    expect(page.locator("#toasts")).to_contain_text("The journey is active")
    live = queries.version_graph(tenant_id=journey.tenant_id, journey_id=journey.id, number=1)
    assert set(live.steps) == {"trigger", "a", "b"}


@pytest.mark.parametrize(("headers", "times"), [({}, 1), ({"X-Form-Expired": "1"}, 2)])
def test_what_is_refused_is_not_sent_over_and_over(
    builder: Page,  # noqa: F811
    headers: dict[str, str],
    times: int,
) -> None:
    page, sent = builder, list[str]()

    def refuse(route: Route) -> None:
        sent.append(route.request.url)
        route.fulfill(status=400, headers=headers)

    page.route(SAVES, refuse)
    amount(page).fill("5")
    expect(page.locator("#step-saved")).to_have_text("Not saved.")
    assert len(sent) == times


def test_links_and_the_clipboard_wait_too(builder: Page, journey: Journey) -> None:  # noqa: F811
    page = builder
    release = hold(page)
    page.locator("#f-name").fill("Sleep on it")
    page.locator("#step-a-main").focus()
    press(page, "Control+c")
    release()
    expect(page.locator("#toasts")).to_contain_text("Copied “Sleep on it”")
    page.locator("#step-b-main").focus()
    press(page, "Control+v")
    expect(page.locator(".step-name", has_text="Sleep on it")).to_have_count(2)

    page.locator("#step-a-main").click()
    expect(page.locator("#f-name")).to_have_value("Sleep on it")
    release = hold(page)
    amount(page).fill("6")
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_role("link", name="Rehearse").click()
    expect(page.locator("#bar-end")).to_have_attribute("aria-busy", "true")
    release()
    expect(page).to_have_url(re.compile("/rehearse|/rehearsal"))
    assert stored(journey, "a").config["duration"] == "6 days"


def test_who_was_signed_out_signs_in_beside_and_goes_on(live: Any, builder: Page, journey: Journey) -> None:  # noqa: F811
    page = builder
    page.context.clear_cookies()
    amount(page).fill("5")
    page.get_by_role("button", name="Activate").click()
    expect(page.locator("#signed-out")).to_be_visible()
    expect(amount(page)).to_have_value("5")
    live.sign_in(page, "marketer")
    expect(page.locator("#toasts")).to_contain_text("The journey is active")
    live_graph = queries.version_graph(tenant_id=journey.tenant_id, journey_id=journey.id, number=1)
    assert live_graph.steps["a"].config["duration"] == "5 days"


def test_a_note_written_just_before_the_page_is_left_is_kept(builder: Page, journey: Journey) -> None:  # noqa: F811
    page = builder
    page.locator("#step-b-main").focus()
    press(page, "n")
    note = page.locator(".note textarea")
    expect(note).to_be_focused()
    page.keyboard.type("Ask Lindiwe")
    page.reload()
    expect(note).to_have_value("Ask Lindiwe")
    expect(page.locator("#undo")).to_have_attribute("aria-label", "Undo: Changed a note")
    found = queries.draft(queries.journey(tenant_id=journey.tenant_id, journey_id=journey.id)).notes
    assert [one.text for one in found] == ["Ask Lindiwe"]


def test_what_was_written_long_before_the_next_page_is_not_said_again(builder: Page, journey: Journey) -> None:  # noqa: F811
    page = builder
    page.evaluate(
        """([url, csrf_token]) => {
          const body = (id) => `${new URLSearchParams({ id, text: id, step: "b", csrf_token })}`;
          const words = (id, age) => [url, body(id), Date.now() - age];
          const said = { 1: words("nold", 31_000), 2: words("nfresh", 1_000) };
          sessionStorage.setItem("fairway-unsaved", JSON.stringify(said));
        }""",
        [page.locator("#canvas").get_attribute("data-note"), page.locator("[name=csrf_token]").first.input_value()],
    )
    page.reload()
    expect(page.locator(".note textarea")).to_have_value("nfresh")
    found = queries.draft(queries.journey(tenant_id=journey.tenant_id, journey_id=journey.id)).notes
    assert [one.text for one in found] == ["nfresh"]
