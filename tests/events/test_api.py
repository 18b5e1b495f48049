"""The door over HTTP."""

from typing import Any

import pytest

from app.capture import service as capture


def event(id_: str = "e1", **changes: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "type": "pos.purchase",
        "source": "pos",
        "timestamp": "2026-10-20T10:00:00Z",
        "identity": {"email": "ann@example.com"},
        "payload": {"amount": "12.50"},
    } | changes


def test_one_event(api: Any) -> None:
    answer = api.post("/events", event())
    assert (answer.status_code, answer.get_json()) == (202, {"results": [{"id": "e1", "status": "accepted"}]})
    assert api.post("/events", event()).get_json()["results"][0]["status"] == "duplicate"


def test_one_event_that_is_refused(api: Any) -> None:
    answer = api.post("/events", event(timestamp="yesterday"))
    assert answer.status_code == 422
    assert "RFC 3339" in answer.get_json()["detail"]
    assert answer.get_json()["results"][0] == {
        "id": "e1",
        "status": "rejected",
        "reason": answer.get_json()["detail"],
    }


def test_a_list_is_answered_one_by_one(api: Any) -> None:
    answer = api.post("/events", [event("a"), event("a"), event("b", type=""), 7, event("c", payload=None)])
    assert answer.status_code == 202
    assert [one["status"] for one in answer.get_json()["results"]] == [
        "accepted",
        "duplicate",
        "rejected",
        "rejected",
        "accepted",
    ]


@pytest.mark.parametrize(
    "body, status",
    [
        (b"", 400),
        (b"nonsense", 400),
        (b'"text"', 400),
        (b"[" * 200_000, 400),
        (b"[" * 200_000 + b"]" * 200_000, 400),
        (b"\xff\xfe", 400),
        (b"[" + b",".join([b"1"] * 1001) + b"]", 400),
        (b'"' + b"x" * (6 * 1024 * 1024) + b'"', 413),
        (b'{"id": NaN}', 422),
        (b'{"id": "\\ud800"}', 422),
        (b'{"id": "\\u0000"}', 422),
    ],
)
def test_what_cant_be_read_is_a_4xx(api: Any, body: bytes, status: int) -> None:
    assert api.request("POST", "/events", data=body, content_type="application/json").status_code == status


def test_a_lone_surrogate_costs_its_own_event_only(api: Any) -> None:
    body = b'[{"id": "\\ud800"}, {"id": "ok", "type": "a.b", "timestamp": "2026-10-20T10:00:00Z",'
    body += b' "identity": {"email": "a@example.com"}}, {"id": "x", "payload": {"n": 1e999}}]'
    results = api.request("POST", "/events", data=body, content_type="application/json").get_json()["results"]
    assert [one["status"] for one in results] == ["rejected", "accepted", "rejected"]


def test_the_log_tells_what_became_of_each(api: Any, tenant: Any) -> None:
    api.post("/events", [event("a"), event("b", source="till")])
    assert [one["status"] for one in api.get("/events").get_json()["items"]] == ["received", "received"]
    capture.process_batch(tenant_id=tenant.id)
    first = api.get("/events?limit=1").get_json()
    second = api.get(f"/events?limit=1&cursor={first['next_cursor']}").get_json()
    assert [first["items"][0]["event_id"], second["items"][0]["event_id"]] == ["b", "a"]
    assert second["next_cursor"] is None
    shown = api.get("/events?source=pos&type=pos.purchase&status=processed").get_json()["items"]
    assert len(shown) == 1
    assert shown[0] | {"id": "", "customer_id": "", "received_at": ""} == {
        "id": "",
        "source": "pos",
        "event_id": "a",
        "type": "pos.purchase",
        "status": "processed",
        "reason": None,
        "customer_id": "",
        "matched_by": [],
        "confidence": 100,
        "occurred_at": "2026-10-20T10:00:00Z",
        "received_at": "",
    }


@pytest.mark.parametrize("query", ["status=lost", "limit=0", "limit=1001", "cursor=%00", "cursor=e30", "source=%00"])
def test_bad_filters_are_a_4xx(api: Any, query: str) -> None:
    assert 400 <= api.get(f"/events?{query}").status_code < 500
