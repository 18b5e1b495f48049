"""A letter is drawn in a real browser: with clicks and keys alone, under the page's policy, asking nobody outside."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Dialog, Page, expect
from sqlalchemy import text

from app.content import queries, service
from app.infra.db import transaction

pytestmark = [pytest.mark.browser, pytest.mark.committed]


@pytest.fixture
def canvas(live: Any, page: Page) -> Iterator[Page]:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/templates/new?editor=visual")
    expect(page.frame_locator(".gjs-frame").get_by_text("Write your letter here.")).to_be_visible()
    yield page
    outside = [url for url in asked if not url.startswith((live.base_url, "data:", "blob:", "about:"))]
    assert outside == []


def put_in(page: Page, tag: str) -> None:
    page.get_by_role("button", name="Put in a merge tag").click()
    page.get_by_role("listbox", name="Merge tags").select_option(label=tag)


def test_a_letter_is_drawn_saved_and_drawn_again(live: Any, canvas: Page) -> None:
    page, letter = canvas, canvas.frame_locator(".gjs-frame")
    page.get_by_label("Name", exact=True).fill("Spring")
    page.get_by_label("Subject").fill("Spring is here")
    page.get_by_role("button", name="2 columns").click()
    expect(letter.get_by_text("Content 2")).to_be_visible()
    page.get_by_role("button", name="Button", exact=True).click()
    expect(letter.get_by_text("Button", exact=True)).to_be_visible()

    letter.get_by_text("Write your letter here.").dblclick()
    page.keyboard.press("End")
    put_in(page, "Club name")
    letter.get_by_text("Content 1").click()

    preview = page.frame_locator("[data-preview-frame] iframe")
    expect(preview.get_by_text("Content 2")).to_be_visible()
    expect(preview.get_by_text(live.tenant.name).first).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved.")).to_be_visible()

    [template] = queries.page(tenant_id=live.tenant.id).items
    assert template.editor == "visual"
    assert "<mj-button>Button</mj-button>" in (template.mjml or "")
    assert (template.mjml or "").count("{{ club.name }}") == 2
    assert '{{ customer.first_name | default: "member" }}' in (template.html or "")
    expect(letter.get_by_text("Content 2")).to_be_visible()


def test_a_letter_is_drawn_by_keys_on_a_phone(live: Any, canvas: Page) -> None:
    page, letter = canvas, canvas.frame_locator(".gjs-frame")
    page.set_viewport_size({"width": 390, "height": 844})
    add = page.get_by_role("button", name="Text", exact=True)
    add.focus()
    page.keyboard.press("Enter")
    expect(letter.get_by_text("Insert text here")).to_be_visible()
    page.get_by_role("button", name="Undo").press("Enter")
    expect(letter.get_by_text("Insert text here")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_words_and_merge_tags_are_written_by_keys_alone(live: Any, canvas: Page) -> None:
    page, letter = canvas, canvas.frame_locator(".gjs-frame")
    page.get_by_label("Name", exact=True).fill("Spring")
    page.get_by_label("Subject").fill("Spring is here")
    following = page.get_by_role("button", name="Choose the next part")
    for said in ("Section", "Text, Dear", "Text, Write your letter here."):
        following.press("Enter")
        expect(page.get_by_text(f"Chosen: {said}")).to_be_attached()
    change = page.get_by_role("button", name="Change its words")
    change.press("Enter")
    words = letter.locator("[contenteditable=true]")
    expect(words).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("Come to ")

    menu = page.get_by_role("button", name="Put in a merge tag")
    tags = page.get_by_role("listbox", name="Merge tags")
    menu.press("Enter")
    expect(tags).to_be_focused()
    expect(menu).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    expect(tags).to_be_hidden()
    expect(words).to_be_focused()
    expect(words).to_have_text(re.compile(r"^Come to\s$"))
    menu.press("Enter")
    page.keyboard.type("Club n")
    page.keyboard.press("Enter")
    expect(words).to_be_focused()
    page.keyboard.type(" soon")
    page.keyboard.press("Escape")
    expect(change).to_be_focused()
    expect(page.locator("textarea[name=mjml]")).to_have_value(re.compile(r"Come to\s{{ club.name }}\ssoon</mj-text>"))

    change.press("Enter")
    expect(words).to_be_focused()
    page.keyboard.press("Control+End")
    page.keyboard.type(", and stay")
    page.get_by_role("button", name="Save", exact=True).press("Enter")
    expect(page.get_by_text("Saved.")).to_be_visible()
    [template] = queries.page(tenant_id=live.tenant.id).items
    # A browser writes some spaces so that they don't fall together.
    assert "Come to {{ club.name }} soon, and stay</mj-text>" in (template.mjml or "").replace("\xa0", " ")


def test_a_picture_is_chosen_by_a_key_and_the_letter_tried_before_it_is_saved(
    live: Any, page: Page, tmp_path: Path
) -> None:
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/templates/new?editor=visual")
    letter = page.frame_locator(".gjs-frame")
    expect(letter.get_by_text("Write your letter here.")).to_be_visible()
    file = tmp_path / "green.png"
    Image.new("RGB", (60, 30), "green").save(file)
    page.get_by_label("Subject").fill("Spring is here")
    page.get_by_role("button", name="Image", exact=True).click()
    letter.locator("img").first.dblclick()
    page.locator(".gjs-am-file-uploader input[type=file]").set_input_files(file)
    chosen = page.get_by_role("button", name="Choose green.png")
    expect(chosen).to_be_visible()
    chosen.press("Enter")
    expect(chosen).to_be_hidden()
    expect(page.locator("textarea[name=mjml]")).to_have_value(re.compile(r'src="[^"]*/i/'))

    page.get_by_role("button", name="Send me a test").click()
    expect(page.get_by_text("A test is on its way")).to_be_visible()
    assert queries.page(tenant_id=live.tenant.id).items == []
    with transaction(live.tenant.id) as session:
        [said] = session.scalars(text("SELECT context -> 'draft' FROM message"))
    assert "/i/" in said["mjml"]


def test_leaving_asks_only_where_something_is_unsaved(live: Any, page: Page) -> None:
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", answer)
    words_of_it = "<mj-text>Dear {{ club.name }} &amp; all,<br>see you.</mj-text>"
    mjml = f"<mjml><mj-body><mj-section><mj-column>{words_of_it}</mj-column></mj-section></mj-body></mjml>"
    made = service.create(tenant_id=live.tenant.id, name="Spring", subject="x", editor="visual", mjml=mjml)
    live.sign_in(page, "marketer")
    address = f"{live.base_url}/templates/{made.id}/edit"
    letter = page.frame_locator(".gjs-frame")
    words = letter.get_by_text("see you.")

    def leave() -> list[str]:
        page.goto(f"{live.base_url}/templates")
        found = asked.copy()
        asked.clear()
        page.goto(address)
        expect(words).to_be_visible()
        return found

    page.goto(address)
    expect(words).to_be_visible()
    page.get_by_text("Preview with a customer").click()
    page.get_by_label("Name, e-mail or number").fill("Nobody")
    expect(page.get_by_text("Nobody matches.")).to_be_visible()
    assert leave() == []

    words.dblclick()
    expect(letter.locator("[contenteditable=true]")).to_be_visible()
    page.get_by_label("Subject").click()
    page.wait_for_timeout(500)  # What is drawn is written down after a moment.
    assert leave() == []

    words.dblclick()
    page.keyboard.press("End")
    page.keyboard.type(" Soon.")
    page.get_by_label("Subject").click()
    expect(page.locator("textarea[name=mjml]")).to_have_value(re.compile(r"Soon\."))
    assert leave() == ["beforeunload"]

    words.dblclick()
    page.keyboard.press("End")
    page.keyboard.type(" Soon.")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("[name=version]")).to_have_value("2")
    assert asked == []
    expect(page.locator("textarea[name=mjml]")).to_have_value(re.compile(r"Soon\."))


def test_the_dark_preview_leaves_pictures_as_they_are(live: Any, page: Page) -> None:
    picture = '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" alt="Green">'
    made = service.create(tenant_id=live.tenant.id, name="Spring", subject="x", html=f"<p>Dear all</p>{picture}")
    live.sign_in(page, "marketer")
    page.goto(f"{live.base_url}/templates/{made.id}/edit")
    shown = page.frame_locator("[data-preview-frame] iframe").get_by_alt_text("Green")
    moon = page.get_by_role("button", name="Show as a dark mail program does")
    moon.click()
    expect(shown).to_have_css("filter", "invert(1) hue-rotate(180deg)")
    moon.click()
    expect(shown).to_have_css("filter", "none")


def test_what_somebody_else_wrote_runs_nothing_in_the_editor(live: Any, context: BrowserContext) -> None:
    """A template is other people's text, and where it is drawn it stands in our own origin: the policy refuses it."""
    page = context.new_page()
    evil = (
        '<img src="x" onerror="document.title=\'ran\'"/><b onclick="top.document.title=\'ran\'">press</b>'
        "<script>top.document.title = 'ran'</script><a href=\"javascript:top.document.title='ran'\">go</a>"
        "<div data-gjs-script=\"top.document.title = 'ran'\">x</div>"
        '<meta http-equiv="refresh" content="0;url=/customers"/><base href="https://elsewhere.example/"/>'
    )
    mjml = f"<mjml><mj-body><mj-section><mj-column><mj-text>Hello {evil}</mj-text></mj-column></mj-section>"
    made = service.create(
        tenant_id=live.tenant.id,
        name="Evil",
        subject="x",
        editor="visual",
        mjml=f"{mjml}<mj-raw>{evil}</mj-raw></mj-body></mjml>",
    )
    live.sign_in(page, "owner")
    page.goto(f"{live.base_url}/templates/{made.id}/edit")
    letter = page.frame_locator(".gjs-frame")
    letter.get_by_text("press").first.click()
    letter.get_by_text("press").first.dblclick()
    expect(page).to_have_title(re.compile("Evil"))
    assert not any(frame.url.endswith("/customers") for frame in page.frames)
    page.get_by_role("button", name="Line", exact=True).click()
    expect(page.locator("textarea[name=mjml]")).to_have_value(re.compile("mj-divider"))
    assert '<meta http-equiv="refresh"' in page.locator("textarea[name=mjml]").input_value()


def test_what_is_typed_after_a_merge_tag_stands_behind_it(canvas: Page) -> None:
    page, letter = canvas, canvas.frame_locator(".gjs-frame")
    letter.get_by_text("Write your letter here.").dblclick()
    page.keyboard.press("Control+a")
    page.keyboard.type("Your handicap is ")
    put_in(page, "Handicap index")
    page.keyboard.type(" at ")
    put_in(page, "Club name")
    page.keyboard.type(". ")
    put_in(page, "Unsubscribe link")
    page.keyboard.type("!")
    letter.get_by_text("A button").click()
    # A browser writes some spaces so that they don't fall together.
    handicap, club = "{{ customer.handicap_index }}", "{{ club.name }}"
    link = '<a href="{{ unsubscribe_url }}">Unsubscribe</a>!'
    expect(page.locator("textarea[name=mjml]")).to_have_value(re.compile(r"!</mj-text>"))
    said = page.locator("textarea[name=mjml]").input_value().replace("\xa0", " ")
    assert f"Your handicap is {handicap} at {club}. {link}</mj-text>" in said


def test_the_list_of_merge_tags_puts_them_where_the_cursor_stands(canvas: Page) -> None:
    page, letter = canvas, canvas.frame_locator(".gjs-frame")
    page.get_by_text("Merge tags", exact=True).click()
    club = page.get_by_role("button", name="Club name")
    club.click()
    expect(page.get_by_label("Subject")).to_have_value("{{ club.name }}")
    letter.get_by_text("Write your letter here.").dblclick()
    page.keyboard.press("Control+a")
    page.keyboard.type("Come to ")
    club.click()
    page.keyboard.type("!")
    expect(letter.get_by_text("Come to {{ club.name }}!")).to_be_visible()
    page.get_by_label("Preheader").click()
    club.click()
    expect(page.get_by_label("Preheader")).to_have_value("{{ club.name }}")
    letter.get_by_text("Come to {{ club.name }}!").dblclick()
    page.keyboard.press("Control+End")
    club.click()
    expect(letter.get_by_text("Come to")).to_have_text(re.compile("{{ club.name }}.*{{ club.name }}"))
    expect(page.get_by_label("Plain text")).to_have_value("")


def test_enter_in_a_setting_takes_it_over_and_saves_nothing(live: Any, canvas: Page) -> None:
    page, letter = canvas, canvas.frame_locator(".gjs-frame")
    page.get_by_label("Name", exact=True).fill("Spring")
    page.get_by_label("Subject").fill("Spring is here")
    letter.get_by_text("A button").click()
    page.get_by_title("Settings", exact=True).click()
    leads_to = page.locator(".gjs-trt-trait input").first
    leads_to.fill("https://club.example/spring")
    leads_to.press("Enter")
    expect(page.locator("textarea[name=mjml]")).to_have_value(re.compile("https://club.example/spring"))
    page.get_by_role("button", name="Send me a test").click()
    expect(page.get_by_text("A test is on its way")).to_be_visible()
    assert queries.page(tenant_id=live.tenant.id).items == []
