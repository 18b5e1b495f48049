"""Campaigns over the API: the shapes others rely on, who may, what is refused and why."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from app.infra import clock
from tests.campaigns.conftest import NOON, Club
from tests.messaging.sink import Sink
from tests.page_client import ApiClient


@pytest.fixture
def made(api: ApiClient, club: Club) -> dict[str, Any]:
    """A campaign to two people who can be reached and one who can't."""
    segment = club.segment([*club.people(2), *club.people(1, email_opt_in=False)])
    answer = api.post(
        "/campaigns",
        {
            "name": "Spring",
            "type": "ONE_TIME",
            "campaign_type": "seasonal",
            "segment_id": str(segment),
            "channels": ["EMAIL"],
            "email_template_id": str(club.template_id),
        },
    )
    assert answer.status_code == 201
    found: dict[str, Any] = answer.get_json()
    return found


def test_from_draft_to_numbers(api: ApiClient, club: Club, made: dict[str, Any], sink: Sink) -> None:
    assert (made["status"], made["timezone"]) == ("draft", "Africa/Johannesburg")
    path = f"/campaigns/{made['id']}"
    reach = api.get(f"{path}/reach").get_json()
    assert reach == {"people": 3, "messages": 3, "sent": {"EMAIL": 2}, "skipped": {"opted_out": 1}}
    assert api.post(f"{path}/start").status_code == 202
    assert api.post(f"{path}/start").status_code == 409
    club.work(clock.now() - NOON)
    club.work(clock.now() - NOON + timedelta(seconds=5))
    stats = api.get(f"{path}/stats").get_json()
    wanted = {"status": "completed", "audience": 3, "queued": 0, "sending": 0, "sent": 2, "skipped": {"opted_out": 1},
              "failed": 0, "unknown": 0, "delivered": 2, "opened": 0, "clicked": 0, "converted": 0, "bounced": 0,
              "complained": 0, "unsubscribed": 0, "adds_up": True}  # fmt: skip
    assert wanted.items() <= stats.items()
    assert len(sink.letters) == 2
    assert [run["audience"] for run in api.get(f"{path}/runs").get_json()["items"]] == [3]
    assert api.get(f"/messages?campaign_id={made['id']}&status=sent").get_json()["items"][0]["run_id"]


def test_why(api: ApiClient, club: Club, made: dict[str, Any], sink: Sink) -> None:
    rows = club.rows("SELECT id, email_opt_in FROM customer")
    yes, no = (next(row.id for row in rows if row.email_opt_in is said) for said in (True, False))
    stranger = club.people(1)[0]

    def told(who: Any) -> list[tuple[str, Any]]:
        (trace,) = api.get(f"/campaigns/{made['id']}/why?customer_id={who}").get_json()["items"]
        return [(step["what"], step["holds"]) for step in trace["steps"]]

    assert told(stranger) == [("Audience", False)]
    looked = ["Still worth sending", "Once", "Address", "Suppression list", "Consent", "Events that came in"]
    looked += ["Quiet hours", "Frequency caps", "One copy an address"]
    passed = [(one, True) for one in looked]
    assert told(yes) == [("Audience", True), *passed, ("Gate", True)]
    refused = [(one, one != "Consent") for one in looked]
    assert told(no) == [("Audience", True), *refused, ("Gate", False)]
    api.post(f"/campaigns/{made['id']}/start")
    club.work(clock.now() - NOON)
    assert told(stranger) == [("Audience", False)]
    assert told(yes) == [("Audience", True), ("Gate", True), ("Sent", True)]
    assert told(no) == [("Audience", True), ("Gate", False)]
    assert api.get(f"/campaigns/{made['id']}/why?customer_id={uuid4()}").status_code == 404


def test_scheduled_with_a_body_or_by_what_it_says(api: ApiClient, made: dict[str, Any]) -> None:
    path = f"/campaigns/{made['id']}"
    done = api.post(f"{path}/schedule", {"start_at": "2131-05-01T09:00:00"}).get_json()
    assert (done["status"], done["due_at"]) == ("scheduled", "2131-05-01T07:00:00Z")
    again = api.patch(path, {"schedule": {"start_at": "2131-05-02T09:00:00+00:00"}}).get_json()
    assert again["due_at"] == "2131-05-02T09:00:00Z"
    assert api.post(f"{path}/unschedule").get_json()["status"] == "draft"
    assert api.post(f"{path}/schedule", {}).get_json()["status"] == "scheduled"
    assert api.post(f"{path}/schedule", {"start_at": "2001-01-01T09:00:00"}).status_code == 422
    for number in (2026, "4000000000"):
        for refused in (
            api.post(f"{path}/schedule", {"mode": "at", "start_at": number}),
            api.patch(path, {"schedule": {"start_at": number}}),
        ):
            words = "Write a date and time as 2026-11-22T09:00."
            assert (refused.status_code, list(refused.get_json()["errors"].values())) == (422, [words]), number


def test_five_dates(api: ApiClient, made: dict[str, Any]) -> None:
    path = f"/campaigns/{made['id']}"
    given = {"type": "RECURRING", "schedule": {"rrule": "FREQ=WEEKLY;BYDAY=MO", "local_time": "09:00"}}
    assert api.patch(path, given).status_code == 200
    assert len(api.get(f"{path}/dates").get_json()["items"]) == 5


def test_who_saves_second_is_told(api: ApiClient, made: dict[str, Any]) -> None:
    path = f"/campaigns/{made['id']}"
    assert api.patch(path, {"name": "One", "version": made["version"]}).get_json()["version"] == 2
    refused = api.patch(path, {"name": "Two", "version": made["version"]})
    assert refused.status_code == 409
    assert api.get(path).get_json()["name"] == "One"


def test_what_is_wrong_is_told_by_field(api: ApiClient, club: Club, made: dict[str, Any]) -> None:
    wrong = {
        "name": " ",
        "segment_id": str(uuid4()),
        "email_template_id": str(uuid4()),
        "topic_id": str(uuid4()),
        "timezone": "Mars/Base",
    }
    answer = api.post("/campaigns", wrong)
    assert answer.status_code == 422
    assert set(answer.get_json()["errors"]) == set(wrong)
    assert api.patch(f"/campaigns/{made['id']}", {"name": None}).status_code == 422


def test_copied_archived_deleted(api: ApiClient, made: dict[str, Any]) -> None:
    path = f"/campaigns/{made['id']}"
    copy = api.post(f"{path}/duplicate").get_json()
    assert (copy["name"], copy["status"], copy["segment_id"]) == ("Copy of Spring", "draft", made["segment_id"])
    assert api.post(f"{path}/archive").get_json()["archived_at"]
    assert [one["id"] for one in api.get("/campaigns").get_json()["items"]] == [copy["id"]]
    assert [one["id"] for one in api.get("/campaigns?archived=true").get_json()["items"]] == [made["id"]]
    assert api.post(f"{path}/start").status_code == 409
    assert api.post(f"{path}/unarchive").get_json()["archived_at"] is None
    assert api.request("DELETE", f"/campaigns/{copy['id']}").status_code == 204
    assert api.get(f"/campaigns/{copy['id']}").status_code == 404
    assert api.get("/campaigns?q=spri&status=draft&campaign_type=seasonal").get_json()["items"]


def test_the_paths_of_the_seeds(api: ApiClient, made: dict[str, Any]) -> None:
    assert api.get("/automation/campaigns").get_json()["items"][0]["id"] == made["id"]
    assert api.post("/automation/campaigns/create", {"name": "Other"}).status_code == 201
    path = f"/automation/campaigns/{made['id']}"
    assert api.post(f"{path}/start").status_code == 202
    assert api.post(f"{path}/pause").get_json()["status"] == "paused"
    assert api.post(f"{path}/resume").get_json()["status"] == "preparing"
    assert api.post(f"{path}/cancel").get_json()["status"] == "cancelled"
    assert api.get(f"{path}/stats").get_json()["status"] == "cancelled"
    assert "/automation/" not in api.get("/openapi.json").get_data(as_text=True)


@pytest.mark.parametrize(
    ("role", "reads", "sends"), [("marketer", 200, 202), ("viewer", 200, 403), ("staff", 403, 403), ("ops", 403, 403)]
)
def test_who_may(app: Flask, tenant: Any, made: dict[str, Any], role: str, reads: int, sends: int) -> None:
    api = ApiClient(app, tenant.id, role)
    assert api.get(f"/campaigns/{made['id']}").status_code == reads
    assert api.post(f"/campaigns/{made['id']}/start").status_code == sends


def test_a_goal_and_what_it_brought_in(api: ApiClient, club: Club, made: dict[str, Any]) -> None:
    path = f"/campaigns/{made['id']}"
    assert (made["goal"], made["cost"]) == (None, None)
    rules = [{"field": "amount", "operator": "gt", "value": 10}]
    wanted = {"event_type": "payment.received", "conditions": rules, "window_days": 14}
    found = api.patch(path, {"goal": wanted, "cost": "12.50"}).get_json()
    assert (found["goal"]["window_days"], found["cost"], found["cost_currency"]) == (14, "12.50", "ZAR")
    assert found["goal"]["conditions"]["rules"][0]["field"] == "amount"
    wrong = api.patch(path, {"goal": {**wanted, "conditions": [{"field": "amount", "operator": "gt", "value": "x"}]}})
    assert wrong.status_code == 422
    assert "goal.conditions.rules[0]" in wrong.text
    assert api.patch(path, {"goal": {"event_type": "payment.received", "window_days": 0}}).status_code == 422
    assert api.patch(path, {"goal": None}).get_json()["goal"] is None
    stats = api.get(f"{path}/stats").get_json()
    assert (stats["converted"], stats["revenue"], stats["roi"]) == (0, {}, "-1")
