"""Segments built by clicking, by keyboard and without scripts, and where they are used afterwards."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy import text

from app.infra import clock
from app.infra.db import transaction
from app.journeys import service as journeys
from app.messaging.models import Suppression
from app.segments import queries, service, work
from app.segments.models import HOURLY, Segment
from tests.browser.canvas import save
from tests.browser.conditions import add, choose, compare, pick, rule
from tests.segments.crowd import person
from tests.segments.helpers import GOLD, play

pytestmark = [pytest.mark.browser, pytest.mark.committed]

WANTED = text("""
    SELECT count(*) FROM customer c
    WHERE c.status = 'ACTIVE' AND c.membership_tier IN ('Gold', 'Platinum') AND c.email_opt_in AND c.email LIKE '%@%'
        AND NOT EXISTS (SELECT FROM suppression s WHERE s.channel = 'EMAIL' AND s.address_key = c.email)
        AND NOT EXISTS (SELECT FROM activity a WHERE a.customer_id = c.id AND a.type = 'teetime.completed'
            AND a.occurred_at > now() - interval '60 days')
        AND (
            to_char(c.date_of_birth, 'MMDD') IN (
                SELECT to_char(day, 'MMDD')
                FROM generate_series(current_date, current_date + interval '1 month', interval '1 day') AS day)
            OR (SELECT sum((a.payload ->> 'amount')::numeric) FROM activity a
                WHERE a.customer_id = c.id AND a.type = 'payment.received') > 20000)
""")


def field(row: Locator, name: str) -> Locator:
    return row.locator(f":is(input, select)[name$='.{name}']").first


@pytest.fixture
def club(live: Any) -> dict[str, UUID]:
    """Make four people who are meant, and for each rule somebody whom it alone keeps out."""
    today, made = clock.now(), {}
    soon, far = ((today + timedelta(days=days)).date().replace(year=1980) for days in (10, 100))
    for name, tier, born, agreed in (
        ("Ann", "Gold", soon, True),
        ("Bob", "Platinum", far, True),
        ("Cleo", "Gold", soon, True),
        ("Dan", "Gold", soon, True),
        ("Eve", "Silver", soon, True),
        ("Fay", "Gold", soon, False),
        ("Gus", "Gold", far, True),
        ("Hal", "Gold", soon, True),
        ("Ida", "Platinum", far, True),
    ):
        made[name] = person(
            live.tenant.id,
            name,
            last_name="Mokoena",
            membership_tier=tier,
            date_of_birth=born,
            email_opt_in=agreed,
            email=f"{name.lower()}@example.com",
        )
    play(live.tenant.id, made["Cleo"], at=today - timedelta(days=10))
    play(live.tenant.id, made["Dan"], at=today - timedelta(days=70))
    for name, amounts in (("Bob", [25_000]), ("Gus", [20_000]), ("Ida", [15_000, 6_000])):
        for amount in amounts:
            play(live.tenant.id, made[name], type="payment.received", at=today, amount=amount)
    with transaction(live.tenant.id) as session:
        session.add(
            Suppression(tenant_id=live.tenant.id, channel="EMAIL", address_key="hal@example.com", reason="HARD_BOUNCE")
        )
    return made


def refreshed(tenant_id: UUID) -> None:
    while work.run_step(tenant_id=tenant_id):
        pass


def made(live: Any, name: str = "The gold ones") -> Segment:
    """Make a segment of the gold members, and tell who is in it."""
    found = service.create(tenant_id=live.tenant.id, actor="system", name=name, criteria=GOLD)
    refreshed(live.tenant.id)
    return found


def test_whom_a_marketer_means_is_built_by_clicking_only(page: Page, live: Any, club: dict[str, UUID]) -> None:
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/segments/new")
    page.get_by_label("Name", exact=True).fill("Worth a letter")
    add(page)
    pick(rule(page, 0), "Membership tier")
    compare(rule(page, 0), "in", ".conditions-many")
    choose(rule(page, 0), "Gold", "Platinum")
    add(page)
    pick(rule(page, 1), "Round played")
    field(rule(page, 1), "how").select_option("count:never")
    field(rule(page, 1), "span").select_option("last")
    field(rule(page, 1), "amount").fill("60")
    add(page)
    # A truth is told by one choice, and yes is what one begins with.
    pick(rule(page, 2), "Can be mailed")
    expect(field(rule(page, 2), "operator")).to_have_value("eq:true")
    add(page, "Add group")
    # What people call its day comes first.
    pick(rule(page, 3), "Date of birth")
    expect(field(rule(page, 3), "operator")).to_have_value("anniversary_next")
    field(rule(page, 3), "value").fill("1")
    field(rule(page, 3), "unit").select_option("months")
    add(page, group=1)
    pick(rule(page, 4), "Payment received")
    field(rule(page, 4), "how").select_option("sum")
    field(rule(page, 4), "operator").select_option("gt")
    field(rule(page, 4), "value").fill("20000")
    sentence = page.locator(".conditions-sentence")
    expect(sentence).to_have_text(
        "Membership tier is Gold or Platinum, and has not played a round in the last 60 days, and can be mailed, "
        "and (birthday is in the next month or has spent more than R20 000 (payment received, ever)).",
    )
    with transaction(live.tenant.id) as session:
        by_hand = session.scalar(WANTED)
    assert by_hand == 4
    expect(page.locator(".conditions-count")).to_have_text(f"{by_hand} people now")

    page.get_by_role("button", name="Make the segment").last.click()
    expect(page.locator("#standing")).to_be_visible()
    refreshed(live.tenant.id)
    expect(page.locator("#standing .stat-value").first).to_have_text(str(by_hand))
    page.get_by_role("navigation", name="About Worth a letter").get_by_role("link", name="People").click()
    rows = page.locator("#member-rows tr")
    expect(rows).to_have_count(by_hand)
    for name in ("Ann", "Bob", "Dan", "Ida"):
        expect(rows.filter(has_text=f"{name} Mokoena")).to_have_count(1)


def test_groups_within_groups_are_built_by_keyboard_only(page: Page, live: Any) -> None:
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/segments/new")
    keys = page.keyboard

    def to(selector: str) -> None:
        """Press Tab until the keyboard is there."""
        for _ in range(80):
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
            keys.press("Tab")
        raise AssertionError(f"Tab never comes to {selector}")

    def ask(rule_id: int, called: str, slug: str, value: str) -> None:
        expect(page.locator(f"#criteria-{rule_id} .dropdown-input")).to_be_focused()
        keys.type(called)
        expect(page.locator(f"#criteria-{rule_id} .ts-dropdown .option")).to_have_count(1)
        keys.press("Enter")
        expect(page.locator(f"#criteria-{rule_id}-{slug}-operator")).to_be_visible()
        to(f"#criteria-{rule_id}-{slug}-text")
        keys.type(value)

    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    keys.type("Anns and Bobs of the Cape")
    to("#criteria-1-group")
    keys.press("Enter")
    ask(3, "first na", "first-name", "Ann")
    to("#criteria-2-add")
    keys.press("Enter")
    ask(4, "last na", "last-name", "Bob")
    to("#criteria-2-group")
    keys.press("Enter")
    ask(6, "title", "title", "Dr")
    to("#criteria-1-add")
    keys.press("Enter")
    ask(7, "membership st", "membership-status", "Active")
    sentence = page.locator(".conditions-sentence")
    expect(sentence).to_have_text(
        "(First name is Ann, or last name is Bob, or title is Dr), and membership status is Active."
    )
    to("button[type=submit].btn-primary")
    keys.press("Enter")
    expect(page.locator("h1")).to_contain_text("Anns and Bobs of the Cape")
    (stored,) = queries.page(tenant_id=live.tenant.id).items
    outer, status = stored.criteria["rules"]
    assert (outer["combinator"], status["field"]) == ("OR", "membership_status")
    assert [one.get("field") for one in outer["rules"]] == ["first_name", "last_name", None]


def test_without_scripts_it_is_built_counted_and_made(browser: Browser, live: Any, club: dict[str, UUID]) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/segments/new")
    page.get_by_label("Name", exact=True).fill("The gold ones")
    expect(page.get_by_text("Counting…")).to_be_hidden()
    page.get_by_role("button", name="Count", exact=True).click()
    expect(page.get_by_text("Add at least one condition.")).to_be_visible()
    expect(page.locator(".conditions-count")).to_have_count(0)
    page.get_by_role("button", name="Add condition").click()
    page.locator("[name='criteria.0.field']").select_option(label="Membership tier")
    page.get_by_role("button", name="Show fitting inputs").click()
    page.locator("[name='criteria.0.value']").fill("Gold")
    page.get_by_role("button", name="Count", exact=True).click()
    expect(page.locator(".conditions-sentence")).to_have_text("Membership tier is Gold.")
    expect(page.locator(".conditions-count")).to_have_text("6 people now")
    expect(page.get_by_label("Name", exact=True)).to_have_value("The gold ones")
    page.get_by_role("button", name="Make the segment").last.click()
    expect(page.locator("h1")).to_contain_text("The gold ones")
    refreshed(live.tenant.id)
    page.get_by_role("link", name="Look again").click()
    expect(page.locator("#standing .stat-value").first).to_have_text("6")
    context.close()


def test_a_journey_that_names_it_keeps_it_from_the_archive(page: Page, live: Any) -> None:
    segment = made(live)
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/journeys/new")
    page.get_by_label("Name", exact=True).fill("For the gold ones")
    box = page.locator("#trigger_type ~ .ts-wrapper")
    box.locator(".ts-control").click()
    # Its name, and beside it what other systems call it; it is found by both.
    box.locator(".dropdown-input").press_sequentially("segment.ent")
    only = box.locator(".ts-dropdown .option")
    expect(only).to_have_text("Enters a segment segment.entered")
    only.click()
    page.get_by_role("button", name="Create and build").click()
    page.locator("#step-trigger-main").click()
    of = page.locator("#f-segment_id ~ .ts-wrapper")
    of.locator(".ts-control").click()
    of.get_by_role("option", name="The gold ones").click()
    save(page)
    expect(page.locator("#step-trigger")).to_contain_text("The gold ones")

    (journey_id,) = (UUID(one) for one in page.url.split("/") if len(one) == 36)
    journeys.insert_step(
        tenant_id=live.tenant.id, journey_id=journey_id, actor="system", type="CONDITION", after="trigger"
    )
    page.goto(f"{live.base_url}/journeys/{journey_id}/steps/condition_1")
    add(page)
    pick(rule(page, 0), "Segments")
    choose(rule(page, 0), "The gold ones")
    expect(page.locator(".conditions-sentence")).to_have_text("Is in the segment The gold ones.")
    save(page)
    expect(page.locator("#step-condition_1")).to_contain_text("The gold ones")
    page.get_by_role("button", name="Activate").click()
    expect(page.locator(".bar-title")).to_contain_text("Active")

    page.goto(f"{live.base_url}/segments/{segment.id}/settings")
    page.get_by_role("button", name="Archive", exact=True).last.click()
    expect(page.get_by_text("can't be archived. End that use first.")).to_be_visible()
    used = page.locator("#used-in")
    expect(used.get_by_role("link", name="For the gold ones")).to_be_visible()
    expect(used).to_contain_text("Active")
    assert queries.one(tenant_id=live.tenant.id, segment_id=segment.id).archived_at is None


def test_a_customer_shows_their_segments_and_why_in_place(page: Page, live: Any, club: dict[str, UUID]) -> None:
    made(live)
    live.sign_in(page, "staff")
    page.goto(f"{live.base_url}/customers/{club['Eve']}/segments")
    page.evaluate("window.stayed = true")
    page.get_by_role("link", name="Why not in The gold ones").click()
    why = page.locator("#why")
    expect(why.locator(".why-rule")).to_have_text("Membership tier is Gold")
    expect(why.locator(".why-value")).to_have_text("Silver")
    assert page.evaluate("window.stayed")
    expect(page).to_have_url(re.compile("why="))
    why.get_by_role("link", name="Close").click()
    expect(why.locator(".why-rule")).to_have_count(0)
    assert page.evaluate("window.stayed")
    page.goto(f"{live.base_url}/customers/{club['Ann']}/segments")
    expect(page.locator("#standing-rows tr", has_text="The gold ones")).to_contain_text("In")


def test_how_often_everybody_is_looked_at_is_changed(page: Page, live: Any) -> None:
    segment = made(live)
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/segments/{segment.id}/settings")
    page.get_by_label("Look at everybody").select_option(label="Every hour")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("The schedule is saved.")).to_be_visible()
    expect(page.get_by_label("Look at everybody")).to_have_value(HOURLY)
    assert queries.one(tenant_id=live.tenant.id, segment_id=segment.id).refresh_frequency == HOURLY
