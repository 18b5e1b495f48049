"""The API of journeys, in the shapes others rely on."""

from typing import Any
from uuid import uuid4

import pytest

from app.accounts.models import Tenant
from app.infra import clock
from app.journeys import service
from tests.journeys.helpers import admit, asks, journey, people, rows, run, send, step, tag, template, wait

NEW = {"name": "Welcome", "trigger_type": "MANUAL"}


def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.mimetype == "application/problem+json"
    found: dict[str, Any] = answer.get_json()
    return found


def test_from_making_to_the_end(api: Any, tenant: Tenant) -> None:
    body = {
        "name": "Welcome",
        "description": "For newcomers",
        "club_id": None,
        "trigger_type": "scl.member.created",
        "trigger_config": {"conditions": [{"field": "membership_tier", "operator": "in", "value": ["Gold"]}]},
        "allow_reentry": False,
        "max_enrollments": None,
        "timezone": "Africa/Johannesburg",
    }
    answer = api.post("/journeys", json=body)
    assert answer.status_code == 201
    made = answer.get_json()
    assert made["status"] == "DRAFT"
    assert {key: made[key] for key in body} == body
    assert [one["type"] for one in made["steps"]] == ["TRIGGER"]
    at = f"/journeys/{made['id']}"
    steps = [
        made["steps"][0] | {"next": "ask"},
        asks("ask", "mark", "mail", {"field": "last_email_open_at", "operator": "isNotNull"}),
        tag("mark", "end", "onboarded"),
        send("mail", "end", template(tenant.id)),
        step("end", "END"),
    ]
    put = api.put(f"{at}/steps", json={"steps": steps})
    assert put.status_code == 200
    usual = {"next": None, "next_yes": None, "next_no": None}
    assert put.get_json()["steps"] == [{**usual, **one} for one in steps]
    added = api.post(f"{at}/steps", json={"after": "ask", "exit": "no", "step": {"type": "WAIT", "key": "rest"}})
    assert added.status_code == 201
    shown = {one["key"]: one for one in api.get(at).get_json()["steps"]}
    assert (shown["ask"]["next_no"], shown["rest"]["next"]) == ("rest", "mail")
    assert api.post(f"{at}/activate").get_json()["status"] == "ACTIVE"
    [who] = people(tenant.id)
    enrolled = api.post(f"{at}/enrollments", json={"customer_id": str(who)})
    assert enrolled.status_code == 201
    assert enrolled.get_json()["customer_id"] == str(who)
    problem(api.post(f"{at}/enrollments", json={"customer_id": str(who)}), 409)
    problem(api.post(f"{at}/enrollments", json={"customer_id": str(uuid4())}), 404)
    from app.infra import clock

    run(tenant.id, clock.now())
    listed = api.get(f"{at}/enrollments?status=ACTIVE&step=rest").get_json()
    assert [one["id"] for one in listed["items"]] == [enrolled.get_json()["id"]]
    assert api.get(f"{at}/enrollments?step=mail").get_json() == {"items": [], "next_cursor": None}
    path = api.get(f"/enrollments/{listed['items'][0]['id']}").get_json()
    assert [(one["step_key"], one["status"]) for one in path["steps"]] == [
        ("trigger", "COMPLETED"), ("ask", "COMPLETED"), ("rest", "IN_PROGRESS")
    ]  # fmt: skip
    assert path["steps"][1]["result"]["result"] is False
    numbers = api.get(f"{at}/analytics").get_json()
    totals = {"total_enrolled": 1, "total_completed": 0, "total_exited": 0, "total_failed": 0, "total_converted": 0}
    assert {key: numbers[key] for key in totals} == totals
    rest = next(one for one in numbers["steps"] if one["key"] == "rest")
    assert {key: rest[key] for key in ("type", "active", "completed", "failed", "skipped")} == {
        "type": "WAIT", "active": 1, "completed": 0, "failed": 0, "skipped": 0
    }  # fmt: skip
    assert api.post(f"{at}/pause").get_json()["status"] == "PAUSED"
    problem(api.post(f"{at}/enrollments", json={"customer_id": str(who)}), 409)
    assert api.post(f"{at}/resume").get_json()["status"] == "ACTIVE"
    assert api.post(f"/enrollments/{path['id']}/exit").get_json()["exit_reason"] == "manual"
    assert api.post(f"{at}/archive").get_json()["status"] == "ARCHIVED"
    problem(api.post(f"{at}/activate"), 409)


def test_problems_are_told_by_step_and_field(api: Any) -> None:
    made = api.post("/journeys", json=NEW).get_json()
    at = f"/journeys/{made['id']}"
    assert api.put(f"{at}/steps", json={"steps": [wait("w", None, "soon")]}).status_code == 200
    told = problem(api.post(f"{at}/activate"), 422)
    assert list(told["errors"]) == ["steps.w.duration"]
    told = problem(api.put(f"{at}/steps", json={"steps": [step("w", "WAIT"), step("w", "NOPE")]}), 422)
    assert "steps[1].type" in told["errors"]
    problem(api.put(f"{at}/steps", json={"steps": [], "draft_revision": 1}), 409)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("post", "/journeys", {}, 422),
        ("post", "/journeys", {"name": "x", "nonsense": 1}, 422),
        ("post", "/journeys", {"name": "x", "club_id": "no"}, 422),
        ("post", "/journeys", {"name": "x\0"}, 400),
        ("post", "/journeys", {"name": "x", "max_enrollments": 10**30}, 422),
        ("post", "/journeys", {"name": "x", "max_enrollments": True}, 422),
        ("post", "/journeys", {"name": "x", "exit_conditions": {"a": 1}}, 422),
        ("post", "/journeys", {"name": "x", "trigger_config": {"conditions": [1]}}, 422),
        ("post", "/journeys", {"name": "x", "trigger_config": {"conditions": [{"value": 1e30}]}}, 422),
        ("get", "/journeys?limit=0", None, 422),
        ("get", "/journeys?limit=1001", None, 422),
        ("get", "/journeys?cursor=nonsense", None, 400),
        ("get", "/journeys?cursor=WzFd", None, 400),
        ("get", "/journeys?status=NOPE", None, 422),
        ("get", "/journeys?q=%00", None, 400),
        ("get", f"/journeys/{uuid4()}", None, 404),
        ("get", "/journeys/nonsense", None, 404),
        ("post", f"/journeys/{uuid4()}/activate", None, 404),
        ("get", f"/journeys/{uuid4()}/enrollments", None, 404),
        ("get", f"/journeys/{uuid4()}/analytics", None, 404),
        ("get", f"/enrollments/{uuid4()}", None, 404),
    ],
)
def test_bad_requests_are_told_so(api: Any, method: str, path: str, body: Any, status: int) -> None:
    problem(getattr(api, method)(path, **({} if body is None else {"json": body})), status)


def test_names_of_steps_and_keys_are_bounded(api: Any) -> None:
    made = api.post("/journeys", json=NEW).get_json()
    at = f"/journeys/{made['id']}/steps"
    told = problem(api.post(at, json={"after": "trigger", "step": {"type": "WAIT", "key": "a b"}}), 422)
    assert told["errors"]
    problem(api.post(at, json={"after": "trigger", "step": {"type": "WAIT", "key": "trigger"}}), 409)


def test_lists_page_by_key(api: Any, tenant: Tenant) -> None:
    for one in range(3):
        journey(tenant.id, [wait("w", None, "1 day")], name=f"Journey {one}")
    first = api.get("/journeys?limit=2").get_json()
    second = api.get(f"/journeys?limit=2&cursor={first['next_cursor']}").get_json()
    assert [one["name"] for one in (*first["items"], *second["items"])] == ["Journey 2", "Journey 1", "Journey 0"]
    assert second["next_cursor"] is None


def test_kinds_of_steps_come_with_their_schemas(api: Any) -> None:
    kinds = {one["type"]: one for one in api.get("/journeys/step-types").get_json()["items"]}
    assert set(kinds) >= {"TRIGGER", "SEND", "WAIT", "CONDITION", "UPDATE", "END"}
    assert kinds["CONDITION"]["exits"] == ["yes", "no"]
    assert "duration" in kinds["WAIT"]["config_schema"]["properties"]


def test_settings_change_one_by_one(api: Any) -> None:
    made = api.post("/journeys", json=NEW).get_json()
    at = f"/journeys/{made['id']}"
    changed = api.patch(at, json={"max_enrollments": 5}).get_json()
    assert (changed["max_enrollments"], changed["name"]) == (5, "Welcome")
    assert api.patch(at, json={"max_enrollments": None}).get_json()["max_enrollments"] is None
    told = problem(api.patch(at, json={"timezone": "Mars"}), 422)
    assert "timezone" in told["errors"]


def test_failed_people_are_tried_again_and_waiting_ones_go_on(api: Any, tenant: Tenant) -> None:
    """The template is gone, so the step fails at once."""
    gone = template(tenant.id)
    made = journey(tenant.id, [wait("w", "s", "9 days"), send("s", None, gone)])
    one, two = people(tenant.id, 2)
    ids = admit(tenant.id, made.id, [one, two], now=clock.now())
    at = f"/journeys/{made.id}/enrollments"
    run(tenant.id, clock.now())
    problem(api.post(f"{at}/{ids[one]}/retry"), 409)
    on = api.post(f"{at}/{ids[one]}/skip-ahead").get_json()
    assert (on["status"], on["waiting_until"]) == ("ACTIVE", on["due_at"])
    api.post(f"{at}/{ids[two]}/skip-ahead")
    rows(tenant.id, "DELETE FROM template RETURNING id")
    run(tenant.id, clock.now())
    assert api.get(f"/enrollments/{ids[one]}").get_json()["status"] == "FAILED"
    problem(api.post(f"{at}/{ids[one]}/skip-ahead"), 409)
    again = api.post(f"{at}/{ids[one]}/retry").get_json()
    assert (again["status"], again["error"], again["attempts"]) == ("ACTIVE", None, 0)
    assert api.post(f"{at}/retry", json={"step": "w"}).get_json() == {"people": 0}
    assert api.post(f"{at}/retry", json={"step": "s"}).get_json() == {"people": 1}
    told = problem(api.post(f"{at}/retry", json={"step": "nope"}), 422)
    assert told["errors"] == {"step": "There is no such step in this journey. Name one by its key."}
    problem(api.post(f"{at}/{uuid4()}/retry"), 404)
    problem(api.post(f"/journeys/{uuid4()}/enrollments/retry", json={}), 404)
    problem(api.post(f"/journeys/{uuid4()}/enrollments/retry", json={"step": "s"}), 404)


def test_a_rehearsal_tells_what_would_happen(api: Any, tenant: Tenant) -> None:
    letter = template(tenant.id)
    made = journey(
        tenant.id,
        [step("t", "TRIGGER", "w", {"event_type": "MANUAL"}), wait("w", "s", "2 days"), send("s", None, letter)],
    )
    (who,) = people(tenant.id)
    body = {"customer_ids": [str(who)], "at": "2026-11-23T09:00:00Z", "event": {"course": "East"}}
    (board,) = api.post(f"/journeys/{made.id}/rehearse", json=body).get_json()["storyboards"]
    assert (board["status"], board["left_at"]) == ("COMPLETED", "2026-11-25T09:00:00Z")
    assert [one["step_key"] for one in board["steps"]] == ["t", "w", "s"]
    (message,) = board["steps"][2]["messages"]
    assert (message["status"], message["subject"], message["text"][:3]) == ("sent", "Hello", "Hi\n")
    assert api.get("/messages").get_json()["items"] == []
    problem(api.post(f"/journeys/{made.id}/rehearse", json={**body, "at": "2026-11-23T09:00:00"}), 422)
    problem(api.post(f"/journeys/{uuid4()}/rehearse", json=body), 404)
    nobody = str(uuid4())
    told = problem(api.post(f"/journeys/{made.id}/rehearse", json={**body, "customer_ids": [str(who), nobody]}), 422)
    assert told["errors"] == {"customer_ids.1": f"There is no customer {nobody} (any more)."}


@pytest.mark.parametrize(
    ("path", "lacking"),
    [
        ("{id}/rehearse", "customers.view"),
        ("recipes/birthday", "templates.edit"),
        ("recipes/birthday", "segments.edit"),
    ],
)
def test_a_key_that_may_edit_journeys_may_not_do_by_them_what_else_it_may_not(
    api: Any, tenant: Tenant, path: str, lacking: str
) -> None:
    made = service.create(tenant_id=tenant.id, actor="system", name="Welcome")
    held = {"journeys.edit", "customers.view", "templates.edit", "segments.edit"} - {lacking}
    key = api.post("/api-keys", json={"name": "Till", "scopes": sorted(held)}).get_json()["key"]
    sent = {"customer_ids": [str(made.id)]} if lacking == "customers.view" else {}
    there = "/journeys/" + path.format(id=made.id)
    refused = api.post(there, json=sent, headers={"Authorization": f"Bearer {key}"})
    assert refused.status_code == 403
    assert api.post(there, json=sent).status_code != 403


def test_a_key_that_may_not_see_customers_is_told_how_far_they_are_and_not_who_they_are(
    api: Any, tenant: Tenant
) -> None:
    made = journey(tenant.id, [tag("u", "w", "x"), wait("w", None, "3 days")])
    (who,) = people(tenant.id, last_name="Nobodysbusiness")
    key = api.post("/api-keys", json={"name": "Till", "scopes": ["journeys.view", "journeys.run"]}).get_json()["key"]
    till = {"headers": {"Authorization": f"Bearer {key}"}}
    entered = {"customer_id": str(who), "data": {"voucher": "Nobodysbusiness"}}
    answers = [api.post(f"/journeys/{made.id}/enrollments", json=entered, **till)]
    run(tenant.id, clock.now())
    at = f"/enrollments/{answers[0].get_json()['id']}"
    answers += [
        api.get(f"/journeys/{made.id}/enrollments", **till),
        api.get(at, **till),
        api.post(f"{at}/exit", **till),
    ]
    assert [one.status_code for one in answers] == [201, 200, 200, 200]
    assert not [one for one in answers if "Nobodysbusiness" in one.get_data(as_text=True)]
    (line,), path = answers[1].get_json()["items"], answers[2].get_json()
    assert (line["customer_id"], line["customer_name"], line["current_step_key"]) == (str(who), None, "w")
    assert [step["step_key"] for step in path["steps"]] == ["trigger", "u", "w"]
    assert {step["result"] for step in path["steps"]} == {None}
    told = api.get(at).get_json()
    assert told["customer_name"].endswith("Nobodysbusiness")
    assert told["trigger_data"] == {"voucher": "Nobodysbusiness"}
