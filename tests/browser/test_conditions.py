"""The form for conditions in a real browser: built by clicking only, by keyboard only, by dragging, on a phone."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from app.customers.models import Customer
from app.infra.db import transaction
from app.journeys import queries, service
from app.journeys.models import Journey
from tests.browser.canvas import save
from tests.browser.conditions import add, choose, compare, pick, rule

pytestmark = [pytest.mark.browser, pytest.mark.committed]


@pytest.fixture
def journey(live: Any) -> Journey:
    made = service.create(tenant_id=live.tenant.id, actor="system", name="Whom we mean")
    service.insert_step(tenant_id=live.tenant.id, journey_id=made.id, actor="system", type="CONDITION", after="trigger")
    return made


@pytest.fixture
def members(live: Any) -> None:
    with transaction(live.tenant.id) as session:
        for name, tier in (("Ann", "Gold"), ("Bob", "Platinum"), ("Cleo", "Silver")):
            session.add(Customer(tenant_id=live.tenant.id, first_name=name, last_name="Mokoena", membership_tier=tier))


@pytest.fixture
def form(live: Any, page: Page, journey: Journey, members: None) -> Page:
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/journeys/{journey.id}/steps/condition_1")
    expect(page.locator("#rules-builder .conditions-adds")).to_be_visible()
    expect(page.locator(".zoom-level")).to_have_text("100 %")
    return page


def saved(page: Page, journey: Journey) -> dict[str, Any]:
    """Save the step and return what is stored of it."""
    save(page)
    found = queries.journey(tenant_id=journey.tenant_id, journey_id=journey.id)
    config: dict[str, Any] = next(one["config"] for one in found.draft["steps"] if one["key"] == "condition_1")
    return config


def field(row: Locator, name: str) -> Locator:
    return row.locator(f":is(input, select)[name$='.{name}']").first


WANTED = {
    "combinator": "AND",
    "rules": [
        {"field": "membership_tier", "operator": "in", "value": ["Gold", "Platinum"]},
        {"event": "teetime.completed", "aggregate": "count", "within": "60 days", "operator": "eq", "value": 0},
        {"field": "can_be_mailed", "operator": "eq", "value": "true"},
        {
            "combinator": "OR",
            "rules": [
                {"field": "date_of_birth", "operator": "anniversary_next", "value": "1 months"},
                {
                    "event": "payment.received",
                    "aggregate": "sum",
                    "field": "amount",
                    "operator": "gt",
                    "value": "20000",
                },
            ],
        },
    ],
}


def test_people_are_meant_by_clicking_only(form: Page, journey: Journey) -> None:
    page = form
    add(page)
    pick(rule(page, 0), "Membership tier")
    compare(rule(page, 0), "in", ".conditions-many")
    choose(rule(page, 0), "Gold", "Platinum")
    expect(page.locator(".conditions-count")).to_have_text("2 people now")
    page.locator(".conditions-people summary").click()
    expect(page.locator(".conditions-sample li")).to_have_count(2)
    add(page)
    pick(rule(page, 1), "Round played")
    field(rule(page, 1), "how").select_option("count:never")
    field(rule(page, 1), "span").select_option("last")
    field(rule(page, 1), "amount").fill("60")
    add(page)
    pick(rule(page, 2), "Can be mailed")
    add(page, "Add group")
    pick(rule(page, 3), "Date of birth")
    compare(rule(page, 3), "anniversary_next", "select[name$='.unit']")
    field(rule(page, 3), "value").fill("1")
    field(rule(page, 3), "unit").select_option("months")
    add(page, group=1)
    pick(rule(page, 4), "Payment received")
    field(rule(page, 4), "how").select_option("sum")
    expect(field(rule(page, 4), "measured")).to_be_visible()
    field(rule(page, 4), "operator").select_option("gt")
    field(rule(page, 4), "value").fill("20000")
    expect(page.locator(".conditions-sentence")).to_contain_text(re.compile(r"more than R\s?20\s000"))
    expect(page.locator(".conditions-count")).to_have_text("0 people now")
    assert saved(page, journey) == WANTED
    sentence = page.locator(".conditions-sentence")
    for words in ("Gold or Platinum", "60 days", "can be mailed", "birthday"):
        expect(sentence).to_contain_text(words, ignore_case=True)


def test_everything_goes_by_keyboard(form: Page, journey: Journey) -> None:
    page = form
    keys = page.keyboard
    page.locator("#rules-1-add").focus()
    keys.press("Enter")
    # The new rule's list stands open for searching.
    expect(page.locator("#rules-2 .dropdown-input")).to_be_focused()
    keys.type("last na")
    expect(page.locator("#rules-2 .ts-dropdown .option")).to_have_count(1)
    keys.press("Enter")
    expect(page.locator("#rules-2-last-name-operator")).to_be_visible()
    # The keyboard is where it was: at what was chosen, before the operator and the value.
    keys.press("Tab")
    expect(page.locator("#rules-2-last-name-operator")).to_be_focused()
    keys.press("Tab")
    keys.type("Mokoena")
    keys.press("Tab")
    expect(page.locator("#rules-2-menu")).to_be_focused()
    keys.press("Enter")
    keys.press("ArrowDown")
    expect(page.locator("#rules-2 .dropdown-item").first).to_be_focused()
    keys.press("Enter")
    expect(page.locator("#rules-3-menu")).to_be_focused()
    expect(field(rule(page, 1), "value")).to_have_value("Mokoena")
    keys.press("Enter")
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(rule(page, 1).locator(".conditions-not")).to_be_visible()
    # Alt and an arrow move the row; the keyboard goes with it.
    expect(page.locator("#rules-3-menu")).to_be_focused()
    keys.press("Alt+ArrowUp")
    expect(rule(page, 0)).to_have_id("rules-3")
    expect(page.locator("#rules-3-menu")).to_be_focused()
    keys.press("Alt+ArrowRight")
    expect(page.locator(".conditions-group .conditions-group #rules-3")).to_be_visible()
    keys.press("Alt+ArrowLeft")
    expect(page.locator(".conditions-group .conditions-group")).to_have_count(0)
    keys.press("Enter")
    keys.press("Escape")
    expect(page.locator("#rules-3-menu")).to_be_focused()
    # What is moved by its handle is moved on by it.
    first, second = (rule(page, at).locator(".conditions-handle").get_attribute("id") for at in (0, 1))
    page.locator(f"#{second}").focus()
    keys.press("Alt+ArrowUp")
    expect(rule(page, 1).locator(f"#{first}")).to_be_visible()
    expect(page.locator(f"#{second}")).to_be_focused()
    expect(page.locator("#rules-builder")).to_be_visible()
    name = {"field": "last_name", "operator": "eq", "value": "Mokoena"}
    found = saved(page, journey)
    assert sorted(found["rules"], key=len) == [{"not": name}, name]


def test_values_that_are_found_by_typing_stay_apart(form: Page) -> None:
    page = form
    add(page)
    pick(rule(page, 0), "Membership tier")
    compare(rule(page, 0), "in", ".conditions-many")
    box = rule(page, 0).locator(".conditions-many .ts-control > input")
    box.focus()
    for value in ("Gold", "Platinum"):
        page.keyboard.type(value)
        expect(rule(page, 0).locator(".conditions-many .ts-dropdown .active")).to_have_text(value)
        page.keyboard.press("Enter")
        expect(box).to_have_value("")
    expect(page.locator(".conditions-sentence")).to_contain_text("Membership tier is Gold or Platinum")


def test_a_rule_is_dragged_into_a_group(form: Page, journey: Journey) -> None:
    page = form
    for called in ("First name", "Last name"):
        add(page)
        pick(page.locator(".conditions-rule").last, called)
    add(page, "Add group")
    pick(page.locator(".conditions-rule").last, "Phone")
    start, end = page.locator("#rules-2-handle").bounding_box(), rule(page, 2).bounding_box()
    assert start is not None
    assert end is not None
    page.mouse.move(start["x"] + 5, start["y"] + 10)
    page.mouse.down()
    page.mouse.move(end["x"] + 40, end["y"] + end["height"] - 2, steps=8)
    expect(page.locator(".conditions-drop")).to_be_visible()
    page.mouse.up()
    expect(page.locator(".conditions-group .conditions-group .conditions-rule")).to_have_count(2)
    rules = saved(page, journey)["rules"]
    assert rules[0]["field"] == "last_name"
    assert [one["field"] for one in rules[1]["rules"]] == ["phone", "first_name"]


def test_what_is_typed_while_an_answer_is_on_its_way_stays(form: Page) -> None:
    page = form
    add(page)
    pick(rule(page, 0), "First name")
    add(page)
    pick(rule(page, 1), "Last name")
    held: list[Any] = []
    page.route("**/conditions/draw*", lambda route: held.append(route))
    with page.expect_request("**/conditions/draw*"):
        rule(page, 1).locator("select[name$='.operator']").select_option("contains")
    field(rule(page, 0), "value").fill("Ann")
    field(rule(page, 1), "value").fill("Mok")
    assert len(held) == 1
    with page.expect_response("**/conditions/draw*"):
        held[0].continue_()
    expect(rule(page, 1).locator("select[name$='.operator']")).to_have_value("contains")
    expect(field(rule(page, 0), "value")).to_have_value("Ann")
    expect(field(rule(page, 1), "value")).to_have_value("Mok")


def test_rows_stack_on_a_phone(form: Page) -> None:
    page = form
    page.set_viewport_size({"width": 390, "height": 844})
    add(page)
    pick(rule(page, 0), "Payment received")
    field(rule(page, 0), "how").select_option("sum")
    expect(field(rule(page, 0), "measured")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    right = rule(page, 0).evaluate(
        "row => Math.max(...[...row.querySelectorAll('*')].map(one => one.getBoundingClientRect().right))"
    )
    assert right <= 390
