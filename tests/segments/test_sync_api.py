"""Syncs over the API."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from app.infra.ids import new_id
from tests.page_client import ApiClient
from tests.segments.pushing import a_segment, let_in, people, push
from tests.segments.receiver import Receiver, receiving


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch, tenant: Any) -> Iterator[Receiver]:
    with receiving(monkeypatch) as found:
        yield found


def path(segment: UUID, more: str = "") -> str:
    return f"/segments/{segment}/sync{more}"


def test_set_up_looked_at_pushed_again_and_taken_away(tenant: Any, api: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    let_in(tenant, segment, *people(tenant, 2))
    assert api.get(path(segment)).status_code == 404
    made = api.put(path(segment), json={"shape": "WEBHOOK", "url": receiver.url, "fields": ["email"]})
    assert made.status_code == 200, made.json
    secret = made.json["secret"]
    assert secret.startswith("whsec_")
    assert (made.json["status"], made.json["fields"]) == ("FULL", ["email"])
    from app.infra import clock

    push(tenant, clock.now())
    assert receiver.told[0].signed_by(secret)
    shown = api.get(path(segment)).json
    assert (shown["status"], shown["pushed"], shown["waiting"], shown["secret"]) == ("LIVE", 2, 0, None)
    again = api.post(path(segment, "/push"), json={})
    assert (again.status_code, again.json["status"]) == (202, "FULL")
    assert api.delete(path(segment)).status_code == 204
    assert api.get(path(segment)).status_code == 404
    assert api.post(path(segment, "/push"), json={}).status_code == 404


def test_what_is_wrong_is_said_by_field(tenant: Any, api: Any) -> None:
    segment = a_segment(tenant)
    refused = api.put(path(segment), json={"shape": "WEBHOOK", "url": "https://169.254.169.254/latest", "fields": []})
    assert refused.status_code == 422
    assert "metadata" in refused.json["errors"]["url"]
    assert api.put(path(segment), json={"shape": "FAX", "url": "https://x.example"}).status_code == 422
    missing = api.put(path(new_id()), json={"shape": "WEBHOOK", "url": "https://hooks.example.com/"})
    assert missing.status_code == 404


@pytest.mark.parametrize("role, status", [("owner", 404), ("admin", 404), ("marketer", 403), ("viewer", 403)])
def test_managers_alone_see_and_set_where_people_are_told_to(app: Any, tenant: Any, role: str, status: int) -> None:
    client = ApiClient(app, tenant.id, role)
    assert client.get(path(a_segment(tenant))).status_code == status


def test_a_segment_that_is_pushed_somewhere_is_not_archived_from_under_it(
    tenant: Any, api: Any, receiver: Receiver
) -> None:
    segment = a_segment(tenant)
    api.put(path(segment), json={"shape": "WEBHOOK", "url": receiver.url})
    refused = api.post(f"/segments/{segment}/archive", json={})
    assert refused.status_code == 409, refused.json
    assert "sync to “127.0.0.1”" in refused.json["detail"]
    assert api.delete(path(segment)).status_code == 204
    assert api.post(f"/segments/{segment}/archive", json={}).status_code == 200
