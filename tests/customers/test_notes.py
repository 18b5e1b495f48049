"""Notes: written at the desk, private where asked for, deleted with a way back."""

import re
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.customers.models import Customer
from app.infra.db import transaction
from app.infra.ids import new_id
from tests.page_client import PageClient


@pytest.fixture
def nomsa(tenant: Any) -> UUID:
    customer_id = new_id()
    with transaction(tenant.id) as session:
        session.add(Customer(tenant_id=tenant.id, id=customer_id, first_name="Nomsa", last_name="Dlamini"))
    return customer_id


@pytest.fixture
def here(nomsa: UUID) -> str:
    return f"/customers/{nomsa}/notes"


def write(client: PageClient, here: str, body: str, **more: str) -> str:
    """Write a note and return its id."""
    client.post(here, {"body": body} | more, status=302)
    before = client.get(here).text.partition(f'<p class="note-body">{body}<')[0]
    return str(re.findall(r'id="note-([0-9a-f-]{36})"', before)[-1])


def pinned_on(client: PageClient, customer_id: UUID) -> list[str]:
    """Return the notes that stand above a customer's timeline."""
    top = client.get(f"/customers/{customer_id}").text.partition('id="story-results"')[0]
    return re.findall(r'<p class="note-body">(.*?)</p>', top, re.S)


def test_writes_in_place_and_without_javascript(client: PageClient, sign_in: Any, here: str) -> None:
    sign_in("staff")
    assert "No notes yet" in client.get(here).text
    answer = client.post(here, {"body": "Prefers mornings\nand the back nine"}, htmx=True, status=200)
    assert "Prefers mornings\nand the back nine" in answer.text
    assert "<html" not in answer.text
    assert "toast" in answer.headers["HX-Trigger"]
    client.post(here, {"body": "Second"}, status=302)
    page = client.get(here).text
    assert page.index("Second") < page.index("Prefers mornings")
    assert "Staff Person" in page


def test_a_second_click_writes_no_second_note(client: PageClient, sign_in: Any, tenant: Any, here: str) -> None:
    sign_in("staff")
    for body in ("Called back", "Called back", "Called twice", "Called back"):
        client.post(here, {"body": body}, status=302)
    with transaction(tenant.id) as session:
        assert session.scalars(text("SELECT body FROM note ORDER BY id")).all() == ["Called back", "Called twice"]


def test_keeps_what_was_typed_when_it_cannot_be_kept(client: PageClient, sign_in: Any, here: str) -> None:
    sign_in("staff")
    assert "Write something first" in client.post(here, {"body": "  \n "}, htmx=True, status=422).text
    long = "x" * 5001
    page = client.post(here, {"body": long, "private": "y"}, status=422).text
    assert long in page
    assert "at most 5\u00a0000 characters" in page


def test_pinned_notes_come_first_and_show_on_the_timeline(
    client: PageClient, sign_in: Any, here: str, nomsa: UUID
) -> None:
    sign_in("staff")
    old = write(client, here, "Old one")
    write(client, here, "New one")
    client.post(f"{here}/{old}/pin", {"pinned": "1"}, htmx=True, status=200)
    page = client.get(here).text
    assert page.index("Old one") < page.index("New one")
    assert pinned_on(client, nomsa) == ["Old one"]
    client.post(f"{here}/{old}/pin", {"pinned": ""}, status=302)
    assert pinned_on(client, nomsa) == []


def test_only_the_author_changes_a_note(client: PageClient, sign_in: Any, here: str) -> None:
    sign_in("staff")
    note = write(client, here, "Mine")
    assert "Mine</textarea>" in client.get(f"{here}?edit={note}", htmx=True).text
    assert "Write something first" in client.post(f"{here}/{note}", {"body": ""}, htmx=True, status=422).text
    client.post(f"{here}/{note}", {"body": "Mine, changed"}, htmx=True, status=200)
    page = client.get(here).text
    assert "Mine, changed" in page
    assert ", edited" in page
    sign_in("owner")
    assert "</textarea>" not in client.get(f"{here}?edit={note}", htmx=True).text.partition("note-list")[2]
    client.post(f"{here}/{note}", {"body": "Not mine"}, status=403)
    assert "Mine, changed" in client.get(here).text


def test_private_notes_are_their_authors_and_the_owners(
    client: PageClient, sign_in: Any, here: str, nomsa: UUID
) -> None:
    sign_in("staff")
    note = write(client, here, "Between us", private="y", pinned="y")
    assert "Private" in client.get(here).text
    for role, seen in (("owner", True), ("admin", False), ("marketer", False), ("staff", False), ("viewer", False)):
        sign_in(role)
        for path in (here, f"/customers/{nomsa}"):
            assert ("Between us" in client.get(path).text) is seen, role
        if role not in ("owner", "viewer"):
            for act in ("pin", "delete", "restore"):
                client.post(f"{here}/{note}/{act}", status=404)
            client.post(f"{here}/{note}", {"body": "taken over"}, status=404)


def test_deletes_with_a_way_back(client: PageClient, sign_in: Any, here: str) -> None:
    sign_in("staff")
    note = write(client, here, "Gone and back")
    answer = client.post(f"{here}/{note}/delete", htmx=True, status=200)
    assert "Gone and back" not in answer.text
    assert f"{here}/{note}/restore" in answer.headers["HX-Trigger"]
    client.post(f"{here}/{note}/delete", status=404)
    client.post(f"{here}/{note}/restore", status=302)
    assert "Gone and back" in client.get(here).text
    plain = client.post(f"{here}/{note}/delete", status=302)
    page = client.get(plain.location).text
    assert "Gone and back" not in page
    assert f'action="{here}/{note}/restore"' in page


def test_owners_delete_any_note_and_others_only_their_own(client: PageClient, sign_in: Any, here: str) -> None:
    sign_in("staff")
    note = write(client, here, "A staff note")
    sign_in("marketer")
    assert "/delete" not in client.get(here).text
    client.post(f"{here}/{note}/delete", status=403)
    sign_in("owner")
    client.post(f"{here}/{note}/delete", htmx=True, status=200)
    assert "A staff note" not in client.get(here).text


def test_viewers_read(client: PageClient, sign_in: Any, here: str) -> None:
    sign_in("staff")
    note = write(client, here, "For all to read")
    sign_in("viewer")
    page = client.get(here).text
    assert "For all to read" in page
    assert "</textarea>" not in page
    client.post(here, {"body": "x"}, status=403)
    for act in ("", "/pin", "/delete", "/restore"):
        client.post(f"{here}/{note}{act}", {"body": "x"}, status=403)


def test_a_note_belongs_to_its_customer(
    client: PageClient, sign_in: Any, tenant: Any, other_tenant: Any, here: str
) -> None:
    sign_in("staff")
    note = write(client, here, "Here only")
    other, tenant_id = new_id(), tenant.id
    with transaction(tenant_id) as session:
        session.add(Customer(tenant_id=tenant_id, id=other, first_name="Sipho"))
    client.post(f"/customers/{other}/notes/{note}/delete", status=404)
    sign_in("owner", other_tenant)
    client.post(f"{here}/{note}/delete", status=404)
    with transaction(tenant_id) as session:
        assert session.execute(text("SELECT count(*) FROM note WHERE deleted_at IS NULL")).scalar_one() == 1
