"""Customers over the API."""

from typing import Any
from uuid import uuid4

import pytest

from app.capture import merging
from tests.capture.people import STAFF, event, member, owner, post, query


@pytest.fixture
def ann(tenant: Any) -> Any:
    club = "Cape Links Golf Club"
    hints = {"email": "ann@example.com", "phone_number": "082 768 8932"}
    post(
        tenant,
        member(1, "Ann", "ZA4000140", membership_tier="Gold", club=club, **hints),
        event(2, "teetime.booked", {"club": club}, scl_member_id="ZA4000140", teetime_player_id="TT-P1"),
        member(3, "Zoë", "ZA5", membership_tier="Silver"),
    )
    return owner(tenant, 1)


@pytest.mark.parametrize(
    "filters",
    [
        "q=ann",
        "q=botha ann",
        "q=ANN@exam",
        "q=0827688932",
        "q=%2B27 82 768",
        "q=za4000",
        "q=tt-p1",
        "email=Ann@Example.com",
        "phone=082 768 8932",
        "phone=%2B27827688932",
        "club=cape links golf club&tier=Gold",
    ],
)
def test_a_customer_is_found(api: Any, ann: Any, filters: str) -> None:
    items = api.get(f"/customers?{filters}").get_json()["items"]
    assert [one["id"] for one in items] == [str(ann)]


@pytest.mark.parametrize("signs", ["%", "%25", "_", '"', "'", '""', "\\", "--", "*", "()", "@", "\u200b", "\u0301"])
def test_signs_alone_are_nobody(api: Any, client: Any, sign_in: Any, ann: Any, signs: str) -> None:
    """They mean themselves: none of them stands for anything."""
    assert api.get("/customers", query_string={"q": signs}).get_json()["items"] == []
    sign_in()
    assert "Botha" not in client.get("/customers", query_string={"q": signs}).text
    assert api.get("/customers", query_string={"q": "  "}).get_json()["items"]


@pytest.mark.parametrize("filters", ["q=nobody", "email=x", "phone=1", "club=Nowhere", "tag=none", "tier=Bronze"])
def test_nobody_is_found(api: Any, ann: Any, filters: str) -> None:
    assert api.get(f"/customers?{filters}").get_json() == {"items": [], "next_cursor": None}


def test_names_are_found_without_their_accents(api: Any, ann: Any) -> None:
    assert [one["first_name"] for one in api.get("/customers?q=zoe").get_json()["items"]] == ["Zoë"]


def test_pages_follow_each_other(api: Any, ann: Any) -> None:
    first = api.get("/customers?limit=1").get_json()
    second = api.get(f"/customers?limit=1&cursor={first['next_cursor']}").get_json()
    assert [one["first_name"] for one in first["items"] + second["items"]] == ["Ann", "Zoë"]
    assert second["next_cursor"] is None


def test_one_customer_and_the_timeline(api: Any, ann: Any) -> None:
    shown = api.get(f"/customers/{ann}").get_json()
    assert (shown["first_name"], shown["membership_tier"], shown["email_opt_in"]) == ("Ann", "Gold", None)
    assert {"kind": "phone", "value": "+27827688932"} in shown["contact_points"]
    assert {"kind": "teetime_player_id", "value": "TT-P1"} in shown["external_ids"]
    items = api.get(f"/customers/{ann}/timeline").get_json()["items"]
    assert [one["type"] for one in items] == ["teetime.booked", "scl.member.created"]
    assert len(api.get(f"/customers/{ann}/timeline?category=GOLF&since=2026-10-01T00:00:00Z").get_json()["items"]) == 1
    assert api.get(f"/customers/{ann}/timeline?until=2026-10-01T00:00:00Z").get_json()["items"] == []
    assert len(api.get(f"/customers/{ann}/timeline?type=scl.member.created&limit=1").get_json()["items"]) == 1


def test_the_id_of_a_merged_profile_leads_on(api: Any, tenant: Any, ann: Any) -> None:
    gone = owner(tenant, 3)
    merging.merge_customers(tenant_id=tenant.id, winner_id=ann, loser_id=gone, reason="r", actor=STAFF)
    assert api.get(f"/customers/{gone}").get_json()["id"] == str(ann)
    assert len(api.get(f"/customers/{gone}/timeline").get_json()["items"]) == 3
    assert api.patch(f"/customers/{gone}", {"title": "Dr"}).get_json()["id"] == str(ann)
    assert len(api.get("/customers").get_json()["items"]) == 1


def test_a_patch_changes_what_it_names_and_proves_consent(api: Any, tenant: Any, ann: Any) -> None:
    answer = api.patch(f"/customers/{ann}", {"tags": ["vip"], "handicap_index": "12.4", "email_opt_in": True})
    assert answer.status_code == 200, answer.text
    shown = answer.get_json()
    assert (shown["tags"], shown["handicap_index"], shown["email_opt_in"], shown["first_name"]) == (
        ["vip"],
        12.4,
        True,
        "Ann",
    )
    (proof,) = query(tenant, "SELECT channel, opted_in, how FROM consent_change")
    assert tuple(proof) == ("EMAIL", True, "staff")
    assert [one["id"] for one in api.get("/customers?tag=vip").get_json()["items"]] == [str(ann)]


@pytest.mark.parametrize(
    "change",
    [
        {"tenant_id": str(uuid4())},
        {"status": "MERGED"},
        {"email": "nonsense"},
        {"phone": "12"},
        {"first_name": "a\x00b"},
        {"date_of_birth": "1800-01-01"},
        {"date_of_birth": "0"},
        {"joined_on": 86_400},
        {"handicap_index": 99},
        {"handicap_index": "NaN"},
        {"lifecycle_stage": "KING"},
        {"club_id": str(uuid4())},
        {"tags": [""]},
        {"tags": None},
        {"email_opt_in": "yes"},
        {"email_opt_in": None},
        {"first_name": "x" * 10_000},
    ],
)
def test_a_patch_that_makes_no_sense_changes_nothing(api: Any, tenant: Any, ann: Any, change: dict[str, Any]) -> None:
    before = query(tenant, "SELECT * FROM customer ORDER BY id")
    answer = api.patch(f"/customers/{ann}", change | {"title": "Dr"} if "\x00" not in str(change) else change)
    assert answer.status_code in (400, 422), answer.text
    assert query(tenant, "SELECT * FROM customer ORDER BY id") == before


def test_resolving_reads_only(api: Any, tenant: Any, ann: Any) -> None:
    found = api.get("/customers/resolve?scl_member_id=ZA4000140&email=ann@example.com").get_json()
    assert found["customer"]["id"] == str(ann)
    assert (found["is_new"], found["matched_by"], found["confidence"]) == (False, ["scl_member_id", "email"], 100)
    assert api.get("/customers/resolve?phone_number=0827688932").get_json()["confidence"] == 85
    assert api.get("/customers/resolve?email=new@example.com").status_code == 404
    assert api.get("/customers/resolve").status_code == 422
    assert len(query(tenant, "SELECT FROM customer")) == 2


@pytest.mark.parametrize("path", ["", "/timeline"])
def test_another_tenants_customers_are_not_there(api: Any, other_tenant: Any, path: str) -> None:
    post(other_tenant, event(1, email="bob@example.com"))
    bob = owner(other_tenant, 1)
    assert api.get(f"/customers/{bob}{path}").status_code == 404
    assert api.patch(f"/customers/{bob}", {"title": "Dr"}).status_code == 404


NEW = {"first_name": "Thandi", "last_name": "Mokoena", "email": "thandi@example.com"}


def test_somebody_is_added_once(api: Any, ann: Any) -> None:
    body = NEW | {
        "membership_tier": "Gold",
        "tags": ["guest"],
        "email_opt_in": True,
        "scl_member_id": "ZA77",
        "external_ids": {"shop": "S1"},
    }
    answer = api.post("/customers", json=body)
    made = answer.get_json()
    assert (answer.status_code, made["is_new"], made["matched_by"]) == (201, True, [])
    assert (made["membership_tier"], made["tags"], made["email_opt_in"]) == ("Gold", ["guest"], True)
    assert {(one["kind"], one["value"]) for one in made["external_ids"]} == {("scl_member_id", "ZA77"), ("shop", "S1")}
    for hints in ({"email": "Thandi@Example.com"}, {"email": None, "external_ids": {"shop": "S1"}}):
        again = api.post("/customers", json=NEW | {"membership_tier": "Silver"} | hints)
        assert again.status_code == 200
        known = again.get_json()
        assert (known["id"], known["is_new"], known["membership_tier"]) == (made["id"], False, "Gold")
        assert known["matched_by"]


def test_another_of_the_household_is_added(api: Any, ann: Any) -> None:
    made = api.post("/customers", json={"first_name": "Ben", "last_name": "Botha", "email": "ann@example.com"})
    assert made.status_code == 201
    assert made.get_json()["id"] != str(ann)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": None}, "email"),
        ({"email": "no address"}, "email"),
        ({"phone": "12"}, "phone"),
        ({"first_name": " ", "last_name": None}, "last_name"),
        ({"handicap_index": 99}, "handicap_index"),
        ({"club_id": str(uuid4())}, "club_id"),
        ({"custom": {"nothing": 1}}, "nothing"),
        ({"external_ids": {"shop": "x" * 300}}, "email"),
        ({"nickname": "T"}, "nickname"),
    ],
)
def test_what_can_t_be_kept_adds_nobody(api: Any, change: Any, field: str) -> None:
    answer = api.post("/customers", json=NEW | change)
    assert answer.status_code == 422, answer.get_json()
    assert any(field in name for name in answer.get_json()["errors"]), answer.get_json()
    assert api.get("/customers").get_json()["items"] == []


INVISIBLE = ["\u200b", "\u200e\u200f", "\u202e", "\u2060\ufeff", "\u00ad", "\u3164", "\u2800", "\u0301", "\U000e0041"]


@pytest.mark.parametrize("name", INVISIBLE)
def test_a_name_has_something_to_be_seen(api: Any, tenant: Any, ann: Any, name: str) -> None:
    for body in ({"first_name": name}, {"last_name": name}, {"first_name": name, "last_name": f"{name} {name}"}):
        refused = api.post("/customers", body | {"email": "new@example.com"})
        assert refused.status_code == 422
        assert refused.get_json()["errors"].keys() & body.keys()
    for field in ("first_name", "last_name", "title", "membership_tier"):
        assert field in api.patch(f"/customers/{ann}", {field: name}).get_json()["errors"]
    post(tenant, member(20, name, "ZA6", last_name="Seen"), member(21, name, "ZA4000140", last_name=name))
    (seen,) = query(tenant, "SELECT first_name, last_name FROM customer WHERE last_name = 'Seen'")
    assert seen.first_name is None
    assert api.get(f"/customers/{ann}").get_json()["first_name"] == "Ann"
    for path in ("/tags", "/custom-fields", "/journeys", "/templates", "/topics"):
        body = {"name": name, "label": name, "kind": "TEXT", "channel": "EMAIL", "subject": "x", "text": "x"}
        assert api.post(path, body).status_code == 422, path


@pytest.mark.parametrize("name", ["علی\u200cرضا", "क्\u200dष", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "Zoë"])
def test_names_of_all_scripts_are_kept_as_they_are(api: Any, name: str) -> None:
    made = api.post("/customers", {"first_name": name, "email": "new@example.com"}).get_json()
    assert made["first_name"] == name
    assert api.patch(f"/customers/{made['id']}", {"last_name": name}).get_json()["last_name"] == name
    assert api.post("/tags", {"name": name}).get_json()["name"] == name


def test_a_name_that_is_too_long_is_refused_and_not_lost(api: Any, ann: Any) -> None:
    refused = api.post("/customers", {"first_name": "x" * 201, "last_name": "Botha", "email": "new@example.com"})
    assert "first_name" in refused.get_json()["errors"]


@pytest.mark.parametrize(
    ("day", "fits"),
    [("0001-01-01", False), ("1900-01-01", False), ("1900-01-02", True), ("2020-02-29", True), ("2999-01-01", False)],
)
def test_a_joining_date_is_one_of_our_times(api: Any, tenant: Any, ann: Any, day: str, *, fits: bool) -> None:
    answer = api.patch(f"/customers/{ann}", {"joined_on": day})
    assert (answer.status_code == 200) is fits
    assert fits or "1900" in answer.get_json()["errors"]["joined_on"]
    made = api.post("/customers", {"first_name": "Jo", "email": "jo@example.com", "joined_on": day})
    assert (made.status_code == 201) is fits
    post(tenant, member(22, "Zoë", "ZA5", joined_on=day))
    (zoe,) = query(tenant, "SELECT joined_on FROM customer WHERE first_name = 'Zoë'")
    assert (zoe.joined_on is not None) is fits
