"""The start page, by role."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.ids import new_id
from tests.page_client import PageClient


def test_strangers_are_asked_to_sign_in(app: Flask) -> None:
    answer = app.test_client().get("/")
    assert answer.status_code == 302
    assert "/sign-in" in answer.headers["Location"]


def test_an_expired_session_sends_htmx_to_the_sign_in_page(app: Flask) -> None:
    answer = app.test_client().get(
        "/", headers={"HX-Request": "true", "HX-Current-URL": "http://localhost/customers?q=x"}
    )
    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"].endswith("next=/customers?q%3Dx") or "next=" in answer.headers["HX-Redirect"]


def test_ops_start_at_the_queues(client: PageClient, sign_in: Callable[..., UUID]) -> None:
    sign_in("ops")
    assert client.get("/", status=302).headers["Location"] == "/ops/queues"


@pytest.mark.parametrize(
    ("role", "first"),
    [
        ("owner", "/settings/users"),
        ("admin", "/settings/users"),
        ("marketer", None),
        ("staff", None),
        ("ops", None),
        ("viewer", None),
    ],
)
def test_settings_lead_to_the_first_page_of_them(
    role: str, first: str | None, client: PageClient, sign_in: Callable[..., UUID]
) -> None:
    sign_in(role)
    leads = client.get("/settings", status=302).headers["Location"]
    assert first is None or leads == first
    client.get(leads)


@pytest.mark.parametrize("role", ["owner", "admin", "marketer", "viewer"])
def test_marketers_see_what_runs_and_what_went_out(
    role: str, tenant: Any, client: PageClient, sign_in: Callable[..., UUID]
) -> None:
    with transaction(tenant.id) as session:
        session.execute(
            text("""INSERT INTO message (tenant_id, channel, purpose, dedupe_key, status, sent_at)
                    SELECT :t, 'EMAIL', 'marketing', n::text, 'sent', now() FROM generate_series(1, 37) n"""),
            {"t": tenant.id},
        )
        session.execute(
            text("""INSERT INTO journey (tenant_id, name, trigger_type, timezone, draft, created_by, status)
                    VALUES (:t, 'Hello again', 'MANUAL', 'UTC', '{}', 'system', 'ACTIVE')"""),
            {"t": tenant.id},
        )
    sign_in(role)
    page = client.get("/").text
    assert "Sent today" in page
    assert ">37<" in page.replace(" ", "").replace("\n", "")
    assert "Hello again" in page


def test_staff_get_the_search_and_the_latest(tenant: Any, client: PageClient, sign_in: Callable[..., UUID]) -> None:
    with transaction(tenant.id) as session:
        session.execute(
            text("""WITH ann AS (INSERT INTO customer (tenant_id, first_name, last_name)
                                 VALUES (:t, 'Ann', '<b>Bold</b>') RETURNING id)
                    INSERT INTO activity (tenant_id, customer_id, type, category, title, occurred_at, source)
                    SELECT :t, id, 'teetime.booked', 'GOLF', 'Tee time booked', now(), 'test' FROM ann"""),
            {"t": tenant.id},
        )
    sign_in("staff")
    page = client.get("/").text
    assert "Find a customer" in page or 'name="q"' in page
    assert "Tee time booked" in page
    assert "&lt;b&gt;Bold" in page
    assert "Sent today" not in page


def test_what_a_file_told_does_not_hide_the_day(tenant: Any, client: PageClient, sign_in: Callable[..., UUID]) -> None:
    happened = text("""
        WITH ann AS (INSERT INTO customer (tenant_id, first_name) VALUES (:t, 'Ann') RETURNING id)
        INSERT INTO activity (tenant_id, id, customer_id, type, category, title, occurred_at, source)
        SELECT :t, n.id, ann.id, 'note.general', 'NOTE', :title, now(), :source
        FROM ann, unnest(cast(:ids AS uuid[])) AS n(id)
    """)

    def tell(title: str, source: str, times: int) -> None:
        with transaction(tenant.id) as session:
            ids = array(new_id() for _ in range(times))
            session.execute(happened, {"t": tenant.id, "title": title, "source": source, "ids": ids})

    sign_in("staff")
    tell("Locker 14", "import", 30)
    assert "Locker 14" in client.get("/").text
    tell("Rang about the cup", "fairway", 1)
    tell("Locker 15", "import", 30)
    page = client.get("/").text
    assert "Rang about the cup" in page
    assert "Locker" not in page


def test_the_figures_renew_themselves(client: PageClient, sign_in: Callable[..., UUID]) -> None:
    sign_in("marketer")
    fragment = client.get("/", htmx=True).text
    assert "<html" not in fragment
    assert "Sent today" in fragment
