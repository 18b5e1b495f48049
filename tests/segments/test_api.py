"""Segments over the API, as another program would use them."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from app.infra.paging import encode_cursor
from app.segments import refresh
from tests.page_client import ApiClient
from tests.segments.helpers import GOLD, all_of, members, people, rule, settle

PLAYED = {"event": "teetime.completed", "operator": "gte", "value": 3, "within": "90 days"}


def make(api: Any, **given: Any) -> dict[str, Any]:
    answer = api.post("/segments", json={"name": "Gold", "criteria": GOLD} | given)
    assert answer.status_code == 201, answer.get_json()
    return answer.get_json()


def told(tenant: Any) -> None:
    """Do what is due by the clock of the API."""
    from app.infra import clock

    settle(tenant.id, clock.now())


def test_a_segment_is_made_shown_changed_and_deleted(api: Any, tenant: Any) -> None:
    people(tenant.id, 2, membership_tier="Gold")
    made = make(api, description="The best")
    assert (made["type"], made["version"], made["member_count"]) == ("DYNAMIC", 1, 0)
    assert made["refreshing_since"]
    told(tenant)
    path = f"/segments/{made['id']}"
    shown = api.get(path).get_json()
    assert (shown["member_count"], shown["refreshing_since"]) == (2, None)
    assert shown["criteria"] == GOLD
    nested = {"combinator": "OR", "rules": [PLAYED, {"not": rule("membership_tier", "isNull")}]}
    changed = api.patch(path, json={"criteria": nested, "refresh_frequency": "HOURLY"}).get_json()
    assert (changed["version"], changed["refresh_frequency"]) == (2, "HOURLY")
    assert changed["criteria"]["rules"][0]["aggregate"] == "count"
    assert api.get("/segments?q=gol").get_json()["items"][0]["id"] == made["id"]
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404


def test_a_change_of_what_somebody_else_changed_meanwhile_is_refused(api: Any) -> None:
    made = make(api)
    path = f"/segments/{made['id']}"
    theirs = api.patch(path, json={"description": "Theirs", "updated_at": made["updated_at"]}).get_json()
    refused = api.patch(path, json={"criteria": all_of(PLAYED), "updated_at": made["updated_at"]})
    assert refused.status_code == 409
    assert "Somebody else changed this segment" in refused.get_data(as_text=True)
    assert api.get(path).get_json()["criteria"] == GOLD
    assert api.patch(path, json={"criteria": all_of(PLAYED), "updated_at": theirs["updated_at"]}).status_code == 200


@pytest.mark.parametrize(
    "given, field",
    [
        ({"criteria": None}, "criteria"),
        ({"criteria": all_of()}, "criteria"),
        ({"criteria": all_of(rule("membership_tier", "eq", "Gold"), rule("no_such", "eq", 1))}, "criteria.rules[1]"),
        ({"criteria": all_of(all_of(rule("handicap_index", "gt", "x")))}, "criteria.rules[0].rules[0]"),
        ({"name": " "}, "name"),
        ({"type": "LIVING"}, "type"),
        ({"refresh_frequency": "YEARLY"}, "refresh_frequency"),
        ({"club_id": str(uuid4())}, "club_id"),
        ({"type": "STATIC"}, "criteria"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_is_said_by_its_path(api: Any, given: dict[str, Any], field: str) -> None:
    answer = api.post("/segments", json={"name": "Gold", "criteria": GOLD} | given)
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert list(answer.get_json()["errors"]) == [field]


def test_conditions_are_tried_before_they_are_kept(api: Any, tenant: Any) -> None:
    people(tenant.id, 3, membership_tier="Gold", first_name="Anna")
    found = api.post("/segments/preview", json={"criteria": GOLD}).get_json()
    assert (found["count"], found["estimated"], len(found["sample"])) == (3, False, 3)
    assert "Gold" in found["sentence"]
    assert api.post("/segments/preview", json={"criteria": all_of(rule("nonsense"))}).status_code == 422


def test_members_page_by_name_and_why_says_what_each_rule_saw(api: Any, tenant: Any) -> None:
    people(tenant.id, membership_tier="Gold", last_name="Botha")
    people(tenant.id, membership_tier="Gold", last_name="Adams")
    (out,) = people(tenant.id, membership_tier="Silver")
    made = make(api)
    told(tenant)
    path = f"/segments/{made['id']}"
    first = api.get(f"{path}/members?limit=1").get_json()
    second = api.get(f"{path}/members", query_string={"limit": 1, "cursor": first["next_cursor"]}).get_json()
    assert [one["name"] for one in first["items"] + second["items"]] == ["Adams", "Botha"]
    found = api.get(f"{path}/why?customer_id={out}").get_json()
    assert (found["member"], found["fits"]) == (False, False)
    assert [(one["path"], one["holds"]) for one in found["rules"]] == [("rules[0]", False)]
    assert "Silver" in found["rules"][0]["value"]
    assert api.get(f"{path}/why?customer_id={uuid4()}").status_code == 404
    assert api.get(f"{path}/why").status_code == 422


def test_why_tells_which_rules_stand_together(api: Any, tenant: Any) -> None:
    (one,) = people(tenant.id, membership_tier="Silver", last_name="Botha")
    either = {"combinator": "OR", "rules": [rule("last_name", "eq", "Botha"), rule("last_name", "eq", "Adams")]}
    asked = all_of(rule("membership_tier", "eq", "Gold"), {"not": either}, rule("last_name", "isNotNull"))
    made = make(api, criteria=asked)
    found = api.get(f"/segments/{made['id']}/why?customer_id={one}").get_json()
    first, group, last = found["parts"]
    assert [first["holds"], last["holds"]] == [False, True]
    assert {name: group[name] for name in ("words", "holds", "against")} == {
        "words": "None of these",
        "holds": False,
        "against": True,
    }
    assert [(part["path"], part["holds"], part["value"]) for part in group["parts"]] == [
        ("rules[1].not.rules[0]", True, "Botha"),
        ("rules[1].not.rules[1]", False, "Botha"),
    ]


def test_lists_take_people_by_id_and_by_line(api: Any, tenant: Any) -> None:
    one, other = people(tenant.id, 2)
    made = make(api, type="STATIC", criteria=None)
    path = f"/segments/{made['id']}/members"
    assert api.post(path, json={"customer_ids": [str(one), str(other)]}).get_json()["added"] == 2
    assert members(tenant.id, _held(made)) == {one, other}
    found = api.post(path, json={"lines": "nobody@mail.example"}).get_json()
    assert found == {"added": 0, "unmatched": ["nobody@mail.example"], "ambiguous": []}
    assert api.delete(path, json={"customer_ids": [str(one)]}).get_json() == {"removed": 1}
    assert api.post(path, json={}).status_code == 422
    assert api.post(path, json={"import_id": str(uuid4())}).status_code == 404
    dynamic = make(api, name="Dynamic")
    assert api.post(f"/segments/{dynamic['id']}/members", json={"customer_ids": []}).status_code == 409


def _held(made: dict[str, Any]) -> Any:
    class One:
        id = UUID(made["id"])

    return One


def test_asking_for_a_refresh(api: Any, tenant: Any) -> None:
    made = make(api, refresh_frequency="MANUAL")
    told(tenant)
    path = f"/segments/{made['id']}"
    people(tenant.id, membership_tier="Gold")
    answer = api.post(f"{path}/refresh")
    assert answer.status_code == 202
    told(tenant)
    assert api.get(path).get_json()["member_count"] == 1


def test_history_growth_and_overlap(api: Any, tenant: Any) -> None:
    people(tenant.id, 2, membership_tier="Gold")
    gold, everybody = make(api), api.post("/segments/ready-made", json={"key": "all_customers"}).get_json()
    people(tenant.id, membership_tier="Silver")
    told(tenant)
    path = f"/segments/{gold['id']}"
    api.patch(path, json={"criteria": all_of(rule("membership_tier", "eq", "Silver"))})
    assert [one["number"] for one in api.get(f"{path}/versions").get_json()["items"]] == [2, 1]
    assert api.post(f"{path}/restore", json={"version": 1}).get_json()["criteria"] == GOLD
    told(tenant)
    days = api.get(f"{path}/growth?days=2").get_json()["items"]
    assert [one["members"] for one in days] == [None, 2]
    parts = api.get(f"{path}/overlap?segment_id={everybody['id']}").get_json()["items"]
    assert sorted((len(one["inside"]), one["people"]) for one in parts) == [(1, 0), (1, 1), (2, 2)]
    assert api.get(f"{path}/overlap?segment_id={gold['id']}").status_code == 422
    assert api.get(f"{path}/overlap?segment_id={uuid4()}").status_code == 404
    assert api.get(f"{path}/usage").get_json() == {"items": [], "next_cursor": None}


def test_copies_snapshots_and_the_archive(api: Any, tenant: Any) -> None:
    people(tenant.id, membership_tier="Gold")
    path = f"/segments/{make(api)['id']}"
    told(tenant)
    assert api.post(f"{path}/copy").get_json()["name"] == "Copy of Gold"
    assert api.post(f"{path}/snapshot", json={"name": "Gold then"}).get_json()["type"] == "STATIC"
    assert api.post(f"{path}/archive").get_json()["archived_at"]
    assert api.patch(path, json={"name": "x"}).status_code == 409
    assert [one["name"] for one in api.get("/segments?archived=true").get_json()["items"]] == ["Gold"]
    assert api.post(f"{path}/unarchive").get_json()["archived_at"] is None


def test_a_segment_that_failed_says_why(api: Any, tenant: Any, monkeypatch: Any) -> None:
    made = make(api)

    def fail(*_: Any, **__: Any) -> Any:
        raise ValueError("secret of the machine")

    monkeypatch.setattr(refresh.membership, "write", fail)
    told(tenant)
    shown = api.get(f"/segments/{made['id']}").get_json()
    assert shown["refresh_error"] == "Something went wrong (ValueError)."
    assert shown["refreshing_since"] is None


@pytest.mark.parametrize("role, sees", [("marketer", 200), ("viewer", 200), ("staff", 403), ("ops", 403)])
def test_who_may_see_segments(app: Flask, tenant: Any, api: Any, role: str, sees: int) -> None:
    made = make(api)
    client = ApiClient(app, tenant.id, role)
    assert client.get(f"/segments/{made['id']}").status_code == sees
    assert client.get(f"/segments/{made['id']}/members").status_code == sees
    assert client.post("/segments", json={"name": "x", "criteria": GOLD}).status_code == (
        201 if role == "marketer" else 403
    )


@pytest.mark.parametrize("value", [True, 1.5, None, "1"])
def test_a_cursor_that_was_made_by_hand_is_refused(api: Any, value: Any) -> None:
    cursor = encode_cursor(value, uuid4())
    assert api.get("/segments", query_string={"sort": "people", "cursor": cursor}).status_code == 400


@pytest.mark.parametrize("version, status", [(0, 422), (2**31, 422), (10**30, 422), (7, 404)])
def test_a_version_that_never_was_is_not_restored(api: Any, version: int, status: int) -> None:
    assert api.post(f"/segments/{make(api)['id']}/restore", json={"version": version}).status_code == status
