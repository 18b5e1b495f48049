"""Consent and topics over the API."""

from typing import Any
from uuid import uuid4

from tests.customers.test_consents import a_customer

HOW = {"how": "in person", "wording": "May we write to you?"}


def line(answer: Any, channel: str, topic: str | None = None) -> dict[str, Any]:
    found = answer.get_json()["consents"]
    return next(one for one in found if one["channel"] == channel and one["topic"] == topic)


def test_consents_are_recorded_and_read(api: Any, tenant: Any) -> None:
    ann = a_customer(tenant)
    said = [
        {"channel": "EMAIL", "state": "subscribed"},
        {"channel": "EMAIL", "topic": "news", "state": "unsubscribed"},
    ]
    answer = api.put(f"/customers/{ann}/consents", json=HOW | {"consents": said})
    assert answer.status_code == 200
    again = api.get(f"/customers/{ann}/consents")
    assert again.get_json() == answer.get_json()
    assert line(again, "EMAIL")["state"] == "subscribed"
    assert line(again, "EMAIL", "news")["comes_to"] == "unsubscribed"
    assert line(again, "EMAIL", "tee-times") | {"topic_id": None} == {
        "channel": "EMAIL",
        "topic": "tee-times",
        "topic_id": None,
        "state": "never",
        "since": None,
        "comes_to": "subscribed",
    }
    proofs = api.get(f"/customers/{ann}/consents/history?limit=1").get_json()
    assert proofs["items"][0]["wording"] == HOW["wording"]
    more = api.get(f"/customers/{ann}/consents/history?cursor={proofs['next_cursor']}").get_json()
    assert [one["state"] for one in proofs["items"] + more["items"]] == ["unsubscribed", "subscribed"]
    assert api.get(f"/customers/{ann}").get_json()["email_opt_in"] is True


def test_what_was_said_earlier_undoes_nothing(api: Any, tenant: Any) -> None:
    ann = a_customer(tenant)
    stop = [{"channel": "ALL", "state": "unsubscribed"}]
    assert api.put(f"/customers/{ann}/consents", json=HOW | {"consents": stop}).get_json()["stopped_at"]
    earlier = HOW | {"consents": [{"channel": "ALL", "state": "subscribed"}], "said_at": "2020-01-01T10:00:00Z"}
    assert api.put(f"/customers/{ann}/consents", json=earlier).get_json()["stopped_at"]


def test_faults_stand_beside_what_they_concern(api: Any, tenant: Any) -> None:
    ann = a_customer(tenant)
    path = f"/customers/{ann}/consents"
    unknown = api.put(path, json=HOW | {"consents": [{"channel": "SMS", "topic": "x", "state": "subscribed"}]})
    assert (unknown.status_code, list(unknown.get_json()["errors"])) == (422, ["consents.0.topic"])
    assert api.put(path, json={"consents": [{"channel": "SMS", "state": "subscribed"}]}).status_code == 422
    assert api.put(path, json=HOW | {"consents": [{"channel": "SMS", "state": "never"}]}).status_code == 422
    assert api.put(f"/customers/{uuid4()}/consents", json=HOW | {"consents": []}).status_code == 422
    said = [{"channel": "SMS", "state": "subscribed"}]
    assert api.put(f"/customers/{uuid4()}/consents", json=HOW | {"consents": said}).status_code == 404


def test_topics(api: Any, tenant: Any) -> None:
    made = api.post("/topics", json={"name": "Juniors", "description": "For under eighteens."})
    assert (made.status_code, made.get_json()["key"]) == (201, "juniors")
    path = f"/topics/{made.get_json()['id']}"
    assert api.patch(path, json={"name": "Young golfers", "archived": True}).get_json()["archived_at"]
    assert {one["key"] for one in api.get("/topics").get_json()["items"]} == {"competitions", "news", "tee-times"}
    first = api.get("/topics?archived=true&limit=2").get_json()
    second = api.get(f"/topics?archived=true&cursor={first['next_cursor']}").get_json()
    assert {one["key"] for one in first["items"] + second["items"]} == {"competitions", "juniors", "news", "tee-times"}
    assert api.post("/topics", json={"name": "news & Offers"}).status_code == 422
