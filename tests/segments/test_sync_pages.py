"""The page on which a manager has a segment pushed to another system."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from app.infra import clock
from app.segments.sync import service
from app.segments.sync.service import NoSync
from tests.segments.pushing import a_segment, let_in, people, push
from tests.segments.receiver import Receiver, receiving


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch, tenant: Any) -> Iterator[Receiver]:
    with receiving(monkeypatch) as found:
        yield found


def path(segment: UUID, act: str = "") -> str:
    return f"/segments/{segment}/sync{act}"


def text(response: Any) -> str:
    return str(response.get_data(as_text=True))


def test_set_up_watched_changed_and_taken_away(tenant: Any, client: Any, sign_in: Any, receiver: Receiver) -> None:
    sign_in("admin")
    segment = a_segment(tenant, "Gold <b>")
    let_in(tenant, segment, *people(tenant, 3))
    empty = text(client.get(path(segment)))
    assert "Start pushing" in empty
    assert "Gold &lt;b&gt;" in empty
    given = {"url": receiver.url, "shape": "MESSAGING", "fields": ["email", "first_name"]}
    made = text(client.post(path(segment), given))
    assert "whsec_" in made
    assert "Copy the secret now" in made
    shown = text(client.get(path(segment)))
    assert "whsec_" not in shown
    assert "Pushing everybody" in shown
    part = text(client.get(path(segment), htmx=True))
    assert "Pushing everybody" in part
    assert "<h1" not in part
    push(tenant, clock.now())
    assert "Up to date" in text(client.get(path(segment), htmx=True))
    assert receiver.bodies()[0]["contacts"][0].keys() == {"externalId", "email", "firstName"}
    assert client.post(path(segment), given | {"fields": ["email"]}, status=302)
    receiver.answer(503)
    push(tenant, clock.now())
    assert "The receiver answered 503." in text(client.get(path(segment)))
    client.post(path(segment, "/push"), status=302)
    push(tenant, clock.now())
    assert receiver.bodies()[-1]["push"]["mode"] == "full"
    client.post(path(segment, "/remove"), status=302)
    with pytest.raises(NoSync):
        service.state(tenant_id=tenant.id, segment_id=segment)


def test_what_is_wrong_stands_beside_the_field_and_nothing_typed_is_lost(
    tenant: Any, client: Any, sign_in: Any
) -> None:
    sign_in("owner")
    segment = a_segment(tenant)
    refused = text(
        client.post(
            path(segment), {"url": "https://192.168.0.7/in", "shape": "WEBHOOK", "fields": ["phone"]}, status=422
        )
    )
    assert "This address is a private network." in refused
    assert 'value="https://192.168.0.7/in"' in refused
    (ticked,) = re.findall(r"<input[^>]*\bchecked\b[^>]*>", refused)
    assert 'value="phone"' in ticked


@pytest.mark.parametrize("role", ["marketer", "staff", "ops", "viewer"])
def test_managers_alone_decide_where_people_are_told_to(
    tenant: Any, client: Any, sign_in: Any, receiver: Receiver, role: str
) -> None:
    sign_in(role)
    segment = a_segment(tenant)
    client.get(path(segment), status=403)
    client.post(path(segment), {"url": receiver.url, "shape": "WEBHOOK"}, status=403)
    with pytest.raises(NoSync):
        service.state(tenant_id=tenant.id, segment_id=segment)
