"""Notes with a type, on the timeline, with their history; and over the API."""

import re
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.capture import merging
from app.customers.models import Customer
from app.infra.db import transaction
from app.infra.ids import new_id
from tests.capture.people import STAFF
from tests.page_client import ApiClient, PageClient


@pytest.fixture
def nomsa(tenant: Any) -> UUID:
    return customer(tenant, "Nomsa")


@pytest.fixture
def api_of(app: Any, tenant: Any) -> Any:
    return lambda role: ApiClient(app, tenant.id, role)


def customer(tenant: Any, name: str) -> UUID:
    customer_id = new_id()
    with transaction(tenant.id) as session:
        session.add(Customer(tenant_id=tenant.id, id=customer_id, first_name=name))
    return customer_id


def titles(api: ApiClient, customer_id: UUID) -> list[str]:
    return [one["title"] for one in api.get(f"/customers/{customer_id}/timeline").json["items"]]


def test_a_note_has_a_type_and_a_line_on_the_timeline(client: PageClient, sign_in: Any, nomsa: UUID) -> None:
    sign_in("staff")
    client.post(f"/customers/{nomsa}/notes", {"body": "Rang about\nthe gala", "type": "call"}, status=302)
    assert "Call" in client.get(f"/customers/{nomsa}/notes").text
    story = client.get(f"/customers/{nomsa}?category=NOTE").text
    assert "Call: Rang about the gala" in story
    assert "Notes · Staff Person" in story
    assert re.search(rf'href="/customers/{nomsa}/notes#note-[0-9a-f-]+"', story)
    refused = client.post(f"/customers/{nomsa}/notes", {"body": "x", "type": "rumour"}, htmx=True, status=422).text
    assert "Choose one of: general, call" in refused


def test_the_line_follows_the_note(api_of: Any, nomsa: UUID) -> None:
    api, notes = api_of("staff"), f"/customers/{nomsa}/notes"
    note = api.post(notes, {"content": "One", "type": "Meeting"}).json
    assert (note["type"], note["is_private"], note["author_name"]) == ("meeting", False, "Staff Person")
    assert titles(api, nomsa) == ["Meeting: One"]
    changed = api.patch(f"{notes}/{note['id']}", json={"content": "Two", "type": "complaint"}).json
    assert (changed["content"], changed["type"]) == ("Two", "complaint")
    assert titles(api, nomsa) == ["Complaint: Two"]
    assert api.request("DELETE", f"{notes}/{note['id']}").status_code == 204
    assert titles(api, nomsa) == []
    assert api.get(notes).json["items"] == []
    assert api.post(f"{notes}/{note['id']}/restore").json["content"] == "Two"
    assert titles(api, nomsa) == ["Complaint: Two"]


def test_a_private_note_is_on_nobody_elses_timeline(api_of: Any, nomsa: UUID, client: PageClient, sign_in: Any) -> None:
    author = api_of("staff")
    author.post(f"/customers/{nomsa}/notes", {"content": "Between us", "is_private": True})
    for api, seen in ((author, True), (api_of("owner"), True), (api_of("admin"), False), (api_of("staff"), False)):
        assert (titles(api, nomsa) == ["Note: Between us"]) is seen
        assert bool(api.get(f"/customers/{nomsa}/notes").json["items"]) is seen
    for role in ("owner", "admin"):
        sign_in(role)
        assert "Between us" not in client.get("/").text
        assert ("Between us" in client.get(f"/customers/{nomsa}").text) is (role == "owner")


def test_what_was_private_stays_so_in_the_history(api_of: Any, nomsa: UUID) -> None:
    author, notes = api_of("staff"), f"/customers/{nomsa}/notes"
    note = author.post(notes, {"content": "Owes us money", "is_private": True}).json
    author.patch(f"{notes}/{note['id']}", json={"content": "Wants an invoice", "is_private": False})
    api_of("admin").patch(f"{notes}/{note['id']}", json={"is_pinned": True})
    for api, before in ((author, "Owes us money"), (api_of("owner"), "Owes us money"), (api_of("admin"), None)):
        steps = api.get(f"{notes}/{note['id']}/history").json["items"]
        assert (steps[0]["act"], steps[0]["changed_by_name"]) == ("pinned", "Admin Person")
        assert [one["before"].get("body") for one in steps[1:]] == ([before] if before else [])


def test_shows_who_changed_what(client: PageClient, sign_in: Any, nomsa: UUID) -> None:
    sign_in("staff")
    here = f"/customers/{nomsa}/notes"
    client.post(here, {"body": "Likes tea"}, status=302)
    note = re.findall(r'id="note-([0-9a-f-]{36})"', client.get(here).text)[0]
    client.post(f"{here}/{note}", {"body": "Likes coffee", "type": "preference"}, status=302)
    page = client.get(here).text
    assert "1 change<" in page
    assert "changed the text, changed the type from note" in page
    assert "Likes tea</blockquote>" in page
    client.post(f"{here}/{note}", {"body": "Likes coffee", "type": "preference"}, status=302)
    assert "1 change<" in client.get(here).text, "saving the same again is no change"


def test_the_api_keeps_to_the_same_rules(api_of: Any, nomsa: UUID, tenant: Any) -> None:
    author, notes = api_of("staff"), f"/customers/{nomsa}/notes"
    note = author.post(notes, {"content": "Mine"}).json["id"]
    assert api_of("viewer").post(notes, {"content": "x"}).status_code == 403
    assert api_of("marketer").patch(f"{notes}/{note}", json={"content": "Not mine"}).status_code == 403
    assert api_of("marketer").patch(f"{notes}/{note}", json={"is_pinned": True}).json["is_pinned"] is True
    assert api_of("marketer").request("DELETE", f"{notes}/{note}").status_code == 403
    refused = author.post(notes, {"content": " ", "type": "rumour"})
    assert refused.status_code == 422
    assert set(refused.json["errors"]) == {"content", "type"}
    for bad in ({"content": "x", "is_private": "yes"}, {"content": "x", "colour": "red"}, {}):
        assert author.post(notes, bad).status_code == 422
    assert author.get(f"/customers/{new_id()}/notes").status_code == 404
    assert author.patch(f"/customers/{customer(tenant, 'Sipho')}/notes/{note}", json={}).status_code == 404


def test_pages_of_notes_hold_each_note_once(api_of: Any, nomsa: UUID) -> None:
    api, notes = api_of("staff"), f"/customers/{nomsa}/notes"
    for number in range(5):
        api.post(notes, {"content": f"Note {number}", "is_pinned": number in (0, 3)})
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api.get(notes, query_string={"limit": 2, "cursor": cursor}).json
        found += [one["content"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert found == ["Note 3", "Note 0", "Note 4", "Note 2", "Note 1"]


def test_notes_go_with_a_merge(api_of: Any, nomsa: UUID, tenant: Any) -> None:
    api, loser = api_of("staff"), customer(tenant, "Nomsa")
    note = api.post(f"/customers/{loser}/notes", {"content": "From before"}).json
    merging.merge_customers(tenant_id=tenant.id, winner_id=nomsa, loser_id=loser, reason="the same person", actor=STAFF)
    assert [one["content"] for one in api.get(f"/customers/{loser}/notes").json["items"]] == ["From before"]
    assert titles(api, nomsa) == ["Note: From before"]
    assert api.patch(f"/customers/{loser}/notes/{note['id']}", json={"content": "Still mine"}).status_code == 200
    with transaction(tenant.id) as session:
        assert session.scalar(text("SELECT customer_id FROM activity")) == nomsa
