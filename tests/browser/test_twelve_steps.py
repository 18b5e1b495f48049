"""A marketer's whole work on a welcome journey of twelve steps, once with the mouse and once with the keyboard alone.

Built, undone and done again, a branch copied into another journey, rehearsed, switched on, and edited while 500 people
walk it. Pictures of each are kept in `var/test/pictures`, with how long the building took.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import text

from app.infra import clock
from app.infra.db import transaction
from app.journeys import queries
from app.journeys.models import Journey
from tests.browser.conftest import Pictures
from tests.browser.hands import Hands, Keys, Made, Mouse
from tests.browser.test_canvas_parts import make, ways
from tests.journeys.helpers import check_counters, event, happen, people, rows, run, statuses, template, wait

pytestmark = [pytest.mark.browser, pytest.mark.committed]

INSIDE, OPENED = 500, 200
DAY = timedelta(days=1)
OPENS = "Last e-mail opened"
STEPS = {
    "send_1": Made("SEND", "trigger", "next", "Welcome", "Send “Welcome”"),
    "wait_1": Made("WAIT", "send_1", "next", "1", "Wait 1 day"),
    "update_1": Made("UPDATE", "wait_1", "next", "welcomed", "Add tag “welcomed”"),
    "wait_2": Made("WAIT", "update_1", "next", "2", "Wait 2 days"),
    "send_2": Made("SEND", "wait_2", "next", "How to book", "Send “How to book”"),
    "wait_3": Made("WAIT", "send_2", "next", "4", "Wait 4 days"),
    "condition_1": Made("CONDITION", "wait_3", "next", OPENS, "Has opened an e-mail"),
    "update_2": Made("UPDATE", "condition_1", "yes", "reads", "Add tag “reads”"),
    "end_1": Made("END", "update_2", "next", "Reads", "Completed: Reads"),
    "wait_4": Made("WAIT", "condition_1", "no", "3", "Wait 3 days"),
    "send_3": Made("SEND", "wait_4", "next", "Reminder", "Send “Reminder”"),
}
BUILT = {
    "trigger": {"next": "send_1"},
    "send_1": {"next": "wait_1"},
    "wait_1": {"next": "update_1"},
    "update_1": {"next": "wait_2"},
    "wait_2": {"next": "send_2"},
    "send_2": {"next": "wait_3"},
    "wait_3": {"next": "condition_1"},
    "condition_1": {"yes": "update_2", "no": "wait_4"},
    "update_2": {"next": "end_1"},
    "end_1": {},
    "wait_4": {"next": "send_3"},
    "send_3": {"next": None},
}


@pytest.fixture
def other(live: Any) -> Journey:
    return make(live, "Win back", wait("first", None, "1 hour"))


@pytest.fixture
def work(live: Any, page: Page, pictures: Pictures, other: Journey) -> "Work":
    for name in ("Welcome", "How to book", "Reminder"):
        template(live.tenant.id, name)
    return Work(live, page, pictures, other)


class Work:
    """What is done, and what has to have come of it."""

    def __init__(self, live: Any, page: Page, pictures: Pictures, other: Journey) -> None:
        self.live, self.page, self.pictures, self.other = live, page, pictures, other
        self.tenant_id: UUID = live.tenant.id
        self.entries = 0

    def all_of_it(self, hands: Callable[[Page], Hands]) -> Hands:
        self.hands = hands(self.page)
        self.live.sign_in(self.page, "marketer")
        self.begin()
        self.build()
        self.undo_and_redo()
        self.copy_to_the_other()
        self.rehearse()
        self.switch_on()
        self.edit_live()
        self.follow_them_out()
        return self.hands

    @property
    def journey(self) -> Journey:
        return queries.journey(tenant_id=self.tenant_id, journey_id=self.id)

    def begin(self) -> None:
        """Make the journey on its page."""
        page, hands = self.page, self.hands
        page.goto(f"{self.live.base_url}/journeys")
        hands.press(page.get_by_role("link", name="New journey"))
        hands.write(page.get_by_label("Name", exact=True), "Welcome new members")
        hands.find("trigger_type", "Member joined")
        hands.press(page.get_by_role("button", name="Create and build"))
        self.drawn(1)
        self.id = UUID(page.url.rpartition("/")[2])

    def drawn(self, count: int) -> None:
        """Wait until the canvas stands there with so many steps, and its scripts listen."""
        expect(self.page.locator(".zoom-level")).to_contain_text("%")
        expect(self.page.locator(".step")).to_have_count(count)
        self.page.wait_for_load_state("load")

    def build(self) -> None:
        """Put twelve steps together and set each of them."""
        began = time.monotonic()
        for count, (key, made) in enumerate(STEPS.items(), start=2):
            self.hands.add(made, key)
            expect(self.page.locator(".step")).to_have_count(count)
            self.hands.set_up(made, key)
        self.pictures.say(f"Twelve steps were built in {time.monotonic() - began:.0f} s.")
        assert ways(self.journey) == BUILT
        self.pictures.take("built", everywhere=True)

    def undo_and_redo(self) -> None:
        """Take back all that was done and do it again, with a reload in between."""
        page, built = self.page, self.journey.draft["steps"]
        while page.locator(".step").count() > 1:
            self.changed(self.hands.undo)
            self.entries += 1
        assert ways(self.journey) == {"trigger": {"next": None}}
        self.pictures.take("undone")
        page.reload()
        self.drawn(1)
        for _ in range(self.entries):
            self.changed(self.hands.redo)
        assert self.journey.draft["steps"] == built
        self.pictures.take("done-again")

    def changed(self, act: Callable[[], None]) -> None:
        """Do something and wait until it is done."""
        canvas = self.page.locator("#canvas")
        before = canvas.get_attribute("data-revision") or ""
        act()
        expect(canvas).not_to_have_attribute("data-revision", before)

    def copy_to_the_other(self) -> None:
        """Copy what those get who do not read into another journey, and come back."""
        page, hands = self.page, self.hands
        hands.copy_branch("wait_4")
        expect(page.locator(".toast-note")).to_contain_text("Copied “2 steps”")
        self.go_to(self.other.name)
        self.drawn(2)
        hands.paste_after("first")
        self.drawn(4)
        assert ways(queries.journey(tenant_id=self.tenant_id, journey_id=self.other.id)) == {
            "trigger": {"next": "first"},
            "first": {"next": "wait_2"},
            "wait_2": {"next": "send_1"},
            "send_1": {"next": None},
        }
        expect(page.locator("#step-send_1 .step-words")).to_have_text("Send “Reminder”")
        self.pictures.take("pasted")
        self.go_to("Welcome new members")
        self.drawn(12)

    def go_to(self, name: str) -> None:
        self.hands.press(self.page.get_by_role("link", name="All journeys"))
        self.hands.press(self.page.get_by_role("link", name=name, exact=True))

    def rehearse(self) -> None:
        """Let somebody walk it on a clock that is put forward."""
        page, hands = self.page, self.hands
        people(self.tenant_id, first_name="Nomsa", last_name="Dube")
        hands.press(page.get_by_role("button", name="More", exact=True))
        hands.press(page.get_by_role("link", name="Rehearse", exact=True))
        hands.write(page.get_by_label("Who?"), "Nomsa")
        hands.press(page.get_by_role("link", name="Nomsa Dube"))
        hands.press(page.get_by_role("button", name="Rehearse", exact=True))
        story = page.locator(".story-item")
        expect(story).to_have_count(10)
        for at, name in ((1, "Welcome"), (5, "How to book"), (9, "Reminder")):
            expect(story.nth(at).locator(".story-title")).to_contain_text(name)
            expect(story.nth(at).locator(".rehearsal-letter summary")).to_have_text("Hello")
        assert rows(self.tenant_id, "SELECT 1 FROM message") == []
        self.pictures.take("rehearsed", everywhere=True)
        hands.press(page.get_by_role("link", name="Welcome new members", exact=True))
        self.drawn(12)

    def switch_on(self) -> None:
        """Activate it, and let 500 people come in."""
        self.hands.press(self.page.get_by_role("button", name="Activate"))
        expect(self.page.locator(".bar-title")).to_contain_text("Active")
        who = people(self.tenant_id, INSIDE)
        with transaction(self.tenant_id) as session:
            opened = "UPDATE customer SET last_email_open_at = :now WHERE id = ANY(:ids)"
            session.execute(text(opened), {"now": clock.now(), "ids": who[:OPENED]})
        came = clock.now() - DAY
        happen(self.tenant_id, *(event(one) for one in who), now=came)
        run(self.tenant_id, came)
        run(self.tenant_id, clock.now())
        self.page.reload()
        self.drawn(12)
        expect(self.page.locator("#count-wait_2")).to_contain_text(f"{INSIDE} here")
        self.pictures.take("inside", everywhere=True)

    def edit_live(self) -> None:
        """Take the wait out at which they stand, shorten another one, and say where they go on."""
        page, hands = self.page, self.hands
        hands.remove("wait_2")
        self.drawn(11)
        hands.press(page.locator("#step-wait_3-main"))
        hands.write(page.locator("#panel [name='duration.amount']"), "1")
        expect(page.locator("#step-wait_3 .step-words")).to_have_text("Wait 1 day")
        hands.press(page.get_by_role("link", name="Publish changes"))
        sheet = page.locator("#panel")
        expect(sheet).to_contain_text(f"{INSIDE} stand here.")
        expect(sheet).to_contain_text("Wait 4 days → Wait 1 day.")
        place = sheet.get_by_label(f"{INSIDE} people at")
        expect(place).to_have_value("send_2")
        self.pictures.take("publish", everywhere=True)
        hands.choose(place, "“Wait 1 day” after “Send ‘How to book’”")
        hands.press(sheet.get_by_role("button", name="Publish"))
        expect(page.get_by_text("The changes are live")).to_be_visible()
        run(self.tenant_id, clock.now())
        page.reload()
        self.drawn(11)
        expect(page.locator("#count-wait_3")).to_contain_text(f"{INSIDE} here")
        self.pictures.take("published", everywhere=True)

    def follow_them_out(self) -> None:
        """Let them come to the end: nobody took a step twice, and nobody had a letter they were led past."""
        for days in (1, 4):
            run(self.tenant_id, clock.now() + days * DAY)
        assert set(statuses(self.tenant_id).values()) == {("COMPLETED", "completed")}
        letters = rows(
            self.tenant_id, "SELECT step_key, count(*), count(DISTINCT customer_id) FROM message GROUP BY 1 ORDER BY 1"
        )
        others = INSIDE - OPENED
        assert [tuple(one) for one in letters] == [("send_1", INSIDE, INSIDE), ("send_3", others, others)]
        check_counters(self.tenant_id, self.id)


def test_twelve_steps_with_the_mouse(work: Work) -> None:
    work.all_of_it(Mouse)


def test_twelve_steps_with_the_keyboard_alone(work: Work) -> None:
    hands = work.all_of_it(Keys)
    assert isinstance(hands, Keys)
    assert hands.pointed == []
