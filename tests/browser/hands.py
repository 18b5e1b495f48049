"""The two ways a marketer works on the canvas: with the mouse, and with the keyboard alone."""

from dataclasses import dataclass
from typing import Any, Protocol

from playwright.sync_api import Locator, Page, expect

from tests.browser.canvas import drag
from tests.browser.conditions import add, pick, rule

MOUSE = """
    addEventListener('pointerdown', (event) => console.error(`pointer on ${event.target.tagName}`), true);
"""
"""Whatever is pressed with a pointer is said on the console."""


@dataclass(frozen=True, slots=True)
class Made:
    """A step to make: its kind, the place it goes to, what is set in it, and what its card then says."""

    kind: str
    after: str
    exit: str
    value: str
    words: str


class Hands(Protocol):
    """What can be done, whichever way."""

    page: Page

    def add(self, made: Made, key: str) -> None:
        """Put a step to its place."""

    def set_up(self, made: Made, key: str) -> None:
        """Open the step, set it, and close it again."""

    def undo(self) -> None:
        """Take the last change back."""

    def redo(self) -> None:
        """Make it again."""

    def copy_branch(self, key: str) -> None:
        """Copy a step with all that only it leads to."""

    def paste_after(self, key: str) -> None:
        """Put what was copied behind a step."""

    def remove(self, key: str) -> None:
        """Delete a step."""

    def press(self, target: Locator) -> None:
        """Press a button, or follow a link."""

    def write(self, target: Locator, words: str) -> None:
        """Write into a field."""

    def choose(self, target: Locator, label: str) -> None:
        """Choose an option of a list."""

    def find(self, select: str, label: str) -> None:
        """Choose an option of a list that can be searched, which is known by its id."""


class Mouse:
    """Drags and clicks."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def add(self, made: Made, key: str) -> None:
        self.page.locator("[data-zoom=fit]").click()
        drag(self.page, f".palette-item[data-kind={made.kind}]", f"#slot-{made.after}-{made.exit}")
        expect(self.page.locator(f"#panel [data-sheet={key}]")).to_be_visible()

    def set_up(self, made: Made, key: str) -> None:
        page = self.page
        if page.locator(f"#panel [data-sheet={key}]").is_hidden():
            page.locator(f"#step-{key}-main").click()
        if made.kind == "CONDITION":
            add(page)
            pick(rule(page, 0), made.value)
            rule(page, 0).locator("select[name$='.operator']").select_option(label="is known")
        elif made.kind == "SEND":
            self.choose(page.locator("#f-template_id"), made.value)
        else:
            self.write(field(page, made.kind), made.value)
        expect(page.locator(f"#step-{key} .step-words")).to_have_text(made.words)
        page.locator("#sheet-head [data-panel-close]").click()
        expect(page.locator(f"#panel [data-sheet={key}]")).to_have_count(0)

    def undo(self) -> None:
        self.page.locator("#undo").click()

    def redo(self) -> None:
        self.page.locator("#redo").click()

    def copy_branch(self, key: str) -> None:
        self.page.locator(f"#step-{key} .step-more").click()
        self.page.locator("#step-menu [data-step-act=branch]").click()
        self.page.locator("#pick-bar [data-pick-act=copy]").click()

    def paste_after(self, key: str) -> None:
        self.page.locator(f"#step-{key} .step-more").click()
        self.page.locator("#step-menu [data-step-act=paste]").click()

    def remove(self, key: str) -> None:
        self.page.locator(f"#step-{key} .step-more").click()
        self.page.locator("#step-menu > [data-step-act=remove]").click()

    def press(self, target: Locator) -> None:
        target.click()

    def write(self, target: Locator, words: str) -> None:
        target.click(click_count=3)
        self.page.keyboard.type(words)

    def choose(self, target: Locator, label: str) -> None:
        target.select_option(label=label)

    def find(self, select: str, label: str) -> None:
        box = self.page.locator(f"#{select} + .ts-wrapper")
        box.locator(".ts-control").click()
        box.get_by_role("option", name=label).click()


class Keys:
    """Keys alone: whatever is to be reached is reached by Tab, from where the keyboard is."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.add_init_script(MOUSE)
        page.on("console", self._hear)
        self.pointed: list[str] = []

    def _hear(self, said: Any) -> None:
        if said.text.startswith("pointer on"):
            self.pointed.append(said.text)

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def reach(self, target: Locator) -> None:
        """Press Tab until the keyboard is there."""
        expect(target).to_be_visible()
        for _ in range(200):
            if target.evaluate("element => element === document.activeElement"):
                return
            self.keys("Tab")
        raise AssertionError(f"Tab never comes to {target}")

    def add(self, made: Made, key: str) -> None:
        page = self.page
        if made.exit in ("next", "yes"):
            self.reach(page.locator(f"#step-{made.after}-main"))
            self.keys("a")
        else:
            self.reach(page.locator(f"#slot-{made.after}-{made.exit}"))
            self.keys("Enter")
        menu = page.locator("#kind-menu")
        expect(menu).to_be_visible()
        page.keyboard.type(menu.locator(f"[data-kind={made.kind}] b").inner_text())
        self.keys("Enter")
        expect(page.locator(f"#step-{key}-main")).to_be_focused()

    def set_up(self, made: Made, key: str) -> None:
        page = self.page
        expect(page.locator(f"#step-{key}-main")).to_be_focused()
        self.keys("Enter")
        expect(page.locator(f"#panel [data-sheet={key}] :focus")).to_have_count(1)
        if made.kind == "CONDITION":
            self.press(page.locator("#rules-1-add"))
            search = page.locator("#rules-2 .dropdown-input")
            expect(search).to_be_focused()
            page.keyboard.type(made.value)
            expect(page.locator("#rules-2 .ts-dropdown .option")).to_have_count(1)
            self.keys("Enter")
            operator = page.locator("#rules-2 select[name$='.operator']")
            expect(operator).to_be_visible()
            self.choose(operator, "is known")
        elif made.kind == "SEND":
            self.choose(page.locator("#f-template_id"), made.value)
        else:
            self.write(field(page, made.kind), made.value)
        expect(page.locator(f"#step-{key} .step-words")).to_have_text(made.words)
        self.keys("Escape")
        expect(page.locator(f"#step-{key}-main")).to_be_focused()

    def undo(self) -> None:
        self.keys("Control+z")

    def redo(self) -> None:
        self.keys("Control+y")

    def copy_branch(self, key: str) -> None:
        self.reach(self.page.locator(f"#step-{key}-main"))
        self.keys("b", "Control+c")

    def paste_after(self, key: str) -> None:
        self.reach(self.page.locator(f"#step-{key}-main"))
        self.keys("Control+v")

    def remove(self, key: str) -> None:
        self.reach(self.page.locator(f"#step-{key}-main"))
        self.keys("Delete")

    def press(self, target: Locator) -> None:
        self.reach(target)
        self.keys("Enter")

    def write(self, target: Locator, words: str) -> None:
        self.reach(target)
        self.keys("Control+a")
        self.page.keyboard.type(words)

    def choose(self, target: Locator, label: str) -> None:
        self.reach(target)
        chosen = target.locator("option:checked")
        self.keys("Home")
        for _ in range(target.locator("option").count()):
            if chosen.inner_text() == label:
                return
            self.keys("ArrowDown")
        raise AssertionError(f"There is no {label}")

    def find(self, select: str, label: str) -> None:
        box = self.page.locator(f"#{select} + .ts-wrapper")
        self.reach(box.locator(".ts-control"))
        self.keys("ArrowDown")
        expect(box.locator(".dropdown-input")).to_be_focused()
        self.page.keyboard.type(label)
        expect(box.locator(".ts-dropdown .option")).to_have_count(1)
        self.keys("Enter")
        expect(box.locator(".ts-control")).to_contain_text(label)


def field(page: Page, kind: str) -> Locator:
    """Return the field of the panel that says the most of a step of a kind."""
    names = {"WAIT": "duration.amount", "UPDATE": "updates.0.value", "END": "reason"}
    return page.locator(f"#panel [name='{names[kind]}']")
