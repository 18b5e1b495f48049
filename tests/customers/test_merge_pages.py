"""Merging as staff do it: find, compare, choose, merge, undo; and the same over the API."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.capture.people import event, member, owner, post, query
from tests.page_client import ApiClient, PageClient


@pytest.fixture
def two(tenant: Any) -> tuple[UUID, UUID]:
    post(
        tenant,
        member(1, "Thandi", "M1", email="thandi@example.com", membership_tier="Gold"),
        member(2, "Thandiwe", "M2", email="t.botha@example.com", date_of_birth="1980-02-03"),
        event(3, scl_member_id="M2"),
    )
    return owner(tenant, 1), owner(tenant, 2)


def test_two_profiles_are_found_compared_merged_and_taken_apart(
    client: PageClient, sign_in: Any, tenant: Any, two: tuple[UUID, UUID]
) -> None:
    thandi, other = two
    sign_in("staff")
    assert f"/customers/{thandi}/merge" in client.get(f"/customers/{thandi}").text
    found = client.get(f"/customers/{thandi}/merge?q=botha").text
    compare = f"/customers/{thandi}/merge/{other}"
    assert compare in found
    assert f"/merge/{thandi}" not in found
    page = client.get(compare).text
    assert "Thandi" in page
    assert "Thandiwe" in page
    assert "2 activities" in page
    assert f"/customers/{other}/merge/{thandi}" in page
    done = client.post(compare, {"field-first_name": "winner", "field-email": "loser"}, status=302)
    assert done.location == f"/customers/{thandi}"
    page = client.get(f"/customers/{thandi}").text
    assert "was merged into this profile" in page
    (merge,) = query(tenant, "SELECT id FROM customer_merge")
    undo = f"/customers/merges/{merge.id}/undo"
    assert undo in page
    (row,) = query(tenant, "SELECT first_name, email FROM customer WHERE id = :id", id=thandi)
    assert tuple(row) == ("Thandi", "t.botha@example.com")
    assert client.get(f"/customers/{other}", status=302).location == f"/customers/{thandi}"
    assert f"/customers/merges/{merge.id}" in client.get(f"/customers/{thandi}/details").text
    page = client.get(f"/customers/merges/{merge.id}").text
    assert "stays with the profile that was kept" in page
    assert "2 activities" in page
    client.post(undo, status=302)
    assert "two profiles again" in client.get(f"/customers/merges/{merge.id}").text
    assert "Thandiwe" in client.get(f"/customers/{other}").text
    assert "was merged into this profile" not in client.get(f"/customers/{thandi}").text
    client.post(undo, status=302)
    assert "undone before" in client.get(f"/customers/merges/{merge.id}").text


def test_a_pair_that_was_merged_meanwhile_is_told_of(client: PageClient, sign_in: Any, two: tuple[UUID, UUID]) -> None:
    sign_in("staff")
    path = f"/customers/{two[0]}/merge/{two[1]}"
    client.post(path, status=302)
    assert client.post(path, status=302).location == f"/customers/{two[0]}"
    assert client.get(path, status=302).location == f"/customers/{two[0]}/merge"
    client.get(f"/customers/{two[0]}/merge/{two[0]}", status=302)
    client.get(f"/customers/{two[1]}/merge/{two[0]}", status=302)
    client.get(f"/customers/{two[0]}/merge/{uuid4()}", status=404)


def test_viewers_merge_nobody(client: PageClient, sign_in: Any, two: tuple[UUID, UUID]) -> None:
    sign_in("viewer")
    assert "/merge" not in client.get(f"/customers/{two[0]}").text
    client.get(f"/customers/{two[0]}/merge", status=403)
    assert client.post(f"/customers/{two[0]}/merge/{two[1]}").status_code == 403


def test_merging_over_the_api(api: ApiClient, tenant: Any, two: tuple[UUID, UUID]) -> None:
    thandi, other = two
    answer = api.post(f"/customers/{thandi}/merge", {"loser_id": str(other), "fields": {"first_name": "loser"}})
    assert answer.status_code == 200
    merge_id = answer.get_json()["merge_id"]
    kept = api.get(f"/customers/{other}").get_json()
    assert (kept["id"], kept["first_name"]) == (str(thandi), "Thandiwe")
    assert api.post(f"/customers/{thandi}/merge", {"loser_id": str(other)}).status_code == 409
    assert api.post(f"/customers/{thandi}/merge", {"loser_id": str(thandi)}).status_code == 409
    assert api.post(f"/customers/{thandi}/merge", {"loser_id": str(uuid4())}).status_code == 404
    bad = api.post(f"/customers/{thandi}/merge", {"loser_id": str(other), "fields": {"email_opt_in": "loser"}})
    assert bad.status_code == 422
    undone = api.post(f"/merges/{merge_id}/undo")
    assert undone.get_json() == {"winner_id": str(thandi), "loser_id": str(other), "given_back": 0}
    assert api.get(f"/customers/{other}").get_json()["id"] == str(other)
    assert api.post(f"/merges/{merge_id}/undo").status_code == 409
    assert api.post(f"/merges/{uuid4()}/undo").status_code == 404
