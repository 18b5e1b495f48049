"""The import wizard in a real browser: a legacy file by its preset, by keyboard and on a phone."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.capture.imports import work
from app.infra import clock
from tests.capture.people import query

pytestmark = [pytest.mark.browser, pytest.mark.committed]

HEADER = (
    "Member No;Club Name;Salutation;Forename;Surname;E-mail;Mobile;Landline;DOB;Joined;Category;WHS Index;"
    "Marketing Email;Marketing Text;Balance;Total Spend;Last Seen;State;Comment"
)


def member(number: str, first: str, email: str, **more: str) -> str:
    """Return a row of the UK export."""
    cells = {"Member No": number, "Forename": first, "Surname": "O'Neill", "E-mail": email, "State": "Active", **more}
    return ";".join(f'"{cells.get(name, "")}"' for name in HEADER.split(";"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = [
        member("UK1", "Zoë", "zoe@example.com", DOB="15/08/1953", Category="Silver", Balance="£430.96"),
        member("UK2", "Siân", "shared@example.com", **{"Marketing Email": "Yes", "Comment": "=1+1"}),
        member("UK3", "Rhys", "shared@example.com", **{"Marketing Email": "No"}),
        "TOTAL;3",
    ]
    made = tmp_path / "uk members.csv"
    made.write_bytes("\r\n".join((HEADER, *rows, "")).encode("cp1252"))
    return made


def work_off(live: Any) -> None:
    """Do what a worker does."""
    while work.run_batch(tenant_id=live.tenant.id, now=clock.now()):
        pass


def upload(live: Any, page: Page, file: Path) -> None:
    page.goto(f"{live.base_url}/customers/imports/new")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/mapping")


def test_a_uk_file_is_mapped_looked_at_imported_and_undone(live: Any, page: Page, file: Path) -> None:
    live.sign_in(page, "marketer")
    upload(live, page, file)
    expect(page.locator(".page-sub")).to_have_text(
        "19 columns, read as Windows Western (1252), a semicolon between them."
    )
    expect(page.get_by_label("The file comes from").last).to_have_value("preset:mca-v1-uk-members")
    expect(page.get_by_label("Forename becomes")).to_have_value("first_name")
    expect(page.locator("tr", has_text="Forename").locator(".sample")).to_have_text(["Zoë", "Siân", "Rhys"])
    expect(page.get_by_label("Write what these columns say")).not_to_be_checked()

    page.get_by_label("Salutation becomes").select_option("external_id:")
    page.get_by_label("Name of the system whose id Salutation is").fill("not a name!")
    page.get_by_role("button", name="See what would happen").click()
    expect(page.get_by_text("Name the system: a letter")).to_be_visible()
    page.get_by_label("Salutation becomes").select_option("ignore")
    page.get_by_label("Write what these columns say").check()
    page.get_by_label("Save this mapping as").fill("UK without titles")
    page.get_by_role("button", name="See what would happen").click()

    expect(page.get_by_text("Looking at the rows")).to_be_visible()
    work_off(live)
    expect(page.get_by_text("4 rows = 3 new + 0 changed + 0 unchanged + 1 refused")).to_be_visible()
    assert not query(live.tenant, "SELECT FROM customer")
    page.get_by_role("link", name="Consent").click()
    expect(page.locator("table", has_text="Answer").get_by_role("row")).to_have_count(3)
    page.get_by_role("link", name="Refused 1").click()
    expect(page.locator("#line-rows")).to_contain_text("It has 2 cells, the header 19")

    page.get_by_role("button", name="Import now").click()
    expect(page.get_by_role("progressbar", name="Importing")).to_be_visible()
    work_off(live)
    expect(page.get_by_role("button", name="Undo this import")).to_be_visible()
    people = {row.first_name: row for row in query(live.tenant, "SELECT * FROM customer")}
    assert set(people) == {"Zoë", "Siân", "Rhys"}
    assert (people["Siân"].email_opt_in, people["Rhys"].email_opt_in, people["Zoë"].email_opt_in) == (True, False, None)

    page.get_by_role("button", name="Undo this import").click()
    page.get_by_role("dialog").get_by_role("button", name="Undo").click()
    expect(page.get_by_role("progressbar", name="Putting back what was there")).to_be_visible()
    work_off(live)
    expect(page.get_by_text("This import was undone")).to_be_visible()
    assert not query(live.tenant, "SELECT FROM customer")


def test_a_saved_mapping_is_chosen_by_itself_and_can_be_changed_for_another(live: Any, page: Page, file: Path) -> None:
    live.sign_in(page, "marketer")
    upload(live, page, file)
    page.get_by_label("Comment becomes").select_option("tag")
    page.get_by_label("Save this mapping as").fill("Comments are tags")
    page.get_by_role("button", name="See what would happen").click()
    expect(page.get_by_text("Looking at the rows")).to_be_visible()

    upload(live, page, file)
    expect(page.get_by_label("Comment becomes")).to_have_value("tag")
    page.get_by_label("The file comes from").last.select_option("preset:mca-v1-uk-members")
    expect(page.get_by_label("Comment becomes")).to_have_value("note")


def test_the_wizard_goes_by_keyboard_on_a_phone_in_the_dark(live: Any, page: Page, file: Path) -> None:
    live.sign_in(page, "marketer")
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    upload(live, page, file)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_label("Fill blanks only").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="See what would happen").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Looking at the rows")).to_be_visible()
    work_off(live)
    button = page.get_by_role("button", name="Import now")
    expect(button).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("progressbar", name="Importing")).to_be_visible()
    work_off(live)
    expect(page.get_by_role("button", name="Undo this import")).to_be_visible()


def test_a_file_that_is_no_table_is_refused_beside_the_field(live: Any, page: Page, tmp_path: Path) -> None:
    live.sign_in(page, "marketer")
    made = tmp_path / "picture.csv"
    made.write_bytes(b"\x89PNG\x00\x00")
    page.goto(f"{live.base_url}/customers/imports/new")
    page.get_by_label("File").set_input_files(made)
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#file-error")).to_contain_text("Save it as CSV")
