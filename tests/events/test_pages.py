"""The sync log's pages: who sees what of an event, and what can be done about one that failed."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from app.events import catalogue, log
from app.infra.db import transaction
from tests.page_client import PageClient

HOSTILE = '"><img src=x onerror=alert(1)>'
Put = Callable[..., UUID]


@pytest.fixture
def put(tenant: Any) -> Put:
    """Return a function that puts an event into the log and returns its row's id."""

    def put_event(name: str = "one", *, of: Any = None, failed: str | None = None, **more: Any) -> UUID:
        tenant_id = (of or tenant).id
        event = {
            "id": name,
            "type": "scl.member.created",
            "timestamp": "2026-10-04T09:30:00Z",
            "identity": {"email": "nomsa@example.com"},
            "payload": {"first_name": "Nomsa", "deep": [{"secret": "Dlamini"}]},
        } | more
        (result,) = log.append(tenant_id=tenant_id, events=[event])
        assert result.status is log.Status.ACCEPTED, result.reason
        with transaction(tenant_id) as session:
            row: UUID = session.execute(
                text("SELECT id FROM inbound_event WHERE event_id = :name"), {"name": name}
            ).scalar_one()
            if failed:
                session.execute(
                    text("UPDATE inbound_event SET status = 'failed', reason = :why, attempts = 1 WHERE id = :id"),
                    {"why": failed, "id": row},
                )
        return row

    return put_event


def status_of(tenant_id: UUID, row: UUID) -> tuple[str, str | None]:
    with transaction(tenant_id) as session:
        found = session.execute(text("SELECT status, reason FROM inbound_event WHERE id = :id"), {"id": row}).one()
        return found.status, found.reason


def test_lists_what_came_in_and_filters(client: PageClient, sign_in: Any, put: Put) -> None:
    sign_in("marketer")
    assert "Nothing came in yet" in client.get("/settings/events").text
    put("one")
    put("two", type="kiosk.opened", failed="it broke")
    main = client.get("/settings/events").text.partition('id="results"')[2]
    assert main.index("Kiosk opened") < main.index("Member joined")
    failed = client.get("/settings/events?status=failed", htmx=True).text
    assert "it broke" in failed
    assert "Member joined" not in failed
    assert "<html" not in failed
    assert "Kiosk opened" not in client.get("/settings/events?source=scl", htmx=True).text
    assert "Member joined" not in client.get("/settings/events?type=kiosk.opened", htmx=True).text
    assert "No event is like that" in client.get("/settings/events?type=nothing.like.it").text


def test_pages_by_key(client: PageClient, sign_in: Any, put: Put) -> None:
    sign_in("ops")
    for number in range(51):
        put(f"e{number}")
    page = client.get("/settings/events").text
    cursor = re.search(r'cursor=([^"&]+)"', page)
    assert cursor
    assert client.get(f"/settings/events?cursor={cursor[1]}", htmx=True).text.count("<tr>") == 2
    client.get("/settings/events?cursor=nonsense", status=400)


def test_marketers_read_what_an_event_says(client: PageClient, sign_in: Any, put: Put) -> None:
    sign_in("marketer")
    page = client.get(f"/settings/events/{put()}").text
    assert "nomsa@example.com" in page
    assert "Dlamini" in page


def test_ops_see_keys_and_no_values(client: PageClient, sign_in: Any, put: Put) -> None:
    sign_in("ops")
    row = put(identity={"email": "nomsa@example.com", "external_ids": {"crm": "4711"}})
    for path in (f"/settings/events/{row}", "/settings/events"):
        page = client.get(path).text
        assert "nomsa@example.com" not in page
        assert "Nomsa" not in page
        assert "Dlamini" not in page
        assert "4711" not in page
    page = client.get(f"/settings/events/{row}").text
    assert "first_name" in page
    assert "secret" in page


def test_customers_are_named_to_those_who_may_see_them(client: PageClient, sign_in: Any, tenant: Any, put: Put) -> None:
    from app.capture import service

    row = put(payload={"first_name": HOSTILE, "last_name": "Dlamini"})
    service.process_batch(tenant_id=tenant.id)
    sign_in("marketer")
    for path in ("/settings/events", f"/settings/events/{row}"):
        page = client.get(path).text
        assert "/customers/" in page
        assert "onerror=alert(1)&gt; Dlamini" in page
        assert "<img src=x" not in page
    sign_in("ops")
    for path in ("/settings/events", f"/settings/events/{row}"):
        page = client.get(path).text
        assert "/customers/" not in page
        assert "Dlamini" not in page


def test_retries_one(client: PageClient, sign_in: Any, tenant: Any, put: Put) -> None:
    sign_in("ops")
    row, tenant_id = put(failed="it broke"), tenant.id
    assert "Why it failed" in client.get(f"/settings/events/{row}").text
    client.post(f"/settings/events/{row}/retry", status=302)
    assert status_of(tenant_id, row) == ("received", None)
    client.post(f"/settings/events/{row}/retry", status=409)
    assert status_of(tenant_id, row) == ("received", None)


def test_retries_all_failed(client: PageClient, sign_in: Any, tenant: Any, other_tenant: Any, put: Put) -> None:
    sign_in("ops")
    rows = [put(f"e{number}", failed="it broke") for number in range(3)]
    fine, strange = put("fine"), put("strange", of=other_tenant, failed="it broke")
    assert "Retry all failed" in client.get("/settings/events?status=failed").text
    assert "Retry all failed" not in client.get("/settings/events").text
    client.post("/settings/events/retry", status=302)
    assert [status_of(tenant.id, row)[0] for row in (*rows, fine)] == ["received"] * 4
    assert status_of(other_tenant.id, strange)[0] == "failed"
    client.post("/settings/events/retry", status=302)


def test_marketers_cannot_retry(client: PageClient, sign_in: Any, put: Put) -> None:
    sign_in("marketer")
    row = put(failed="it broke")
    assert "/retry" not in client.get(f"/settings/events/{row}").text
    assert "/retry" not in client.get("/settings/events?status=failed").text
    client.post(f"/settings/events/{row}/retry", status=403)
    client.post("/settings/events/retry", status=403)


@pytest.mark.parametrize("role", ["staff", "viewer"])
def test_is_closed_to_other_roles(client: PageClient, sign_in: Any, put: Put, role: str) -> None:
    sign_in(role)
    row = put(failed="it broke")
    for path in ("/settings/events", f"/settings/events/{row}", "/settings/events/types"):
        client.get(path, status=403)
    client.post(f"/settings/events/{row}/retry", status=403)


def test_another_tenants_event_is_not_there(client: PageClient, sign_in: Any, other_tenant: Any, put: Put) -> None:
    sign_in("owner")
    strange = other_tenant.id
    row = put("secret", of=other_tenant, failed="it broke")
    client.get(f"/settings/events/{row}", status=404)
    client.post(f"/settings/events/{row}/retry", status=404)
    assert status_of(strange, row)[0] == "failed"
    assert str(row) not in client.get("/settings/events").text


def test_what_was_sent_is_inert(client: PageClient, sign_in: Any, put: Put) -> None:
    sign_in("owner")
    row = put(
        HOSTILE,
        identity={"scl_member_id": HOSTILE},
        payload={HOSTILE: [HOSTILE, {"a": HOSTILE}]},
        failed=HOSTILE,
    )
    for path in (f"/settings/events/{row}", "/settings/events"):
        assert "<img src=x" not in client.get(path).text
    assert "<img src=x" not in client.get("/settings/events", query_string={"type": HOSTILE}).text


def test_the_catalogue_shows_every_type(app: Flask, client: PageClient, sign_in: Any) -> None:
    sign_in("ops")
    page = client.get("/settings/events/types").text
    assert all(f"<code>{kind.name}</code>" in page for kind in catalogue.known())
    assert "/api/v1/events" in page
    assert "events.write" in page


def test_every_type_has_an_icon_we_ship() -> None:
    sprite = (Path(__file__).parents[2] / "app" / "static" / "vendor" / "icons.svg").read_text()
    missing = {kind.icon for kind in catalogue.known() if f'id="icon-{kind.icon}"' not in sprite}
    assert not missing, "add it to ICONS in scripts/vendor and run the script"
