"""A program that looks at a mail's links with a browser of its own, scripts and all, says nothing for the reader."""

from typing import Any

import pytest
from playwright.sync_api import Page
from sqlalchemy import text

from app.customers.models import Customer
from app.infra.db import transaction
from app.infra.ids import new_id
from app.messaging.tokens import confirm_token, preferences_token, unsubscribe_token

pytestmark = [pytest.mark.browser, pytest.mark.committed]


def said(tenant_id: Any) -> list[Any]:
    with transaction(tenant_id) as session:
        return [
            session.execute(text(f"SELECT * FROM {table} ORDER BY id")).all()
            for table in ("customer", "consent", "consent_change", "contact_point", "suppression")
        ]


def test_pages_behind_links_wait_for_a_click(live: Any, page: Page) -> None:
    tenant_id, reader, message = live.tenant.id, new_id(), new_id()
    with transaction(tenant_id) as session:
        session.add(
            Customer(tenant_id=tenant_id, id=reader, first_name="Ann", email="ann@example.com", email_opt_in=True)
        )
    before = said(tenant_id)
    paths = (
        f"/u/{unsubscribe_token(tenant_id, reader, message)}",
        f"/p/{preferences_token(tenant_id, reader, message)}",
        f"/p/confirm/{confirm_token(tenant_id, reader, 'ann@example.com')}",
    )
    for path in paths:
        answer = page.goto(f"{live.base_url}{path}", wait_until="networkidle")
        assert answer is not None
        assert answer.status == 200
        page.mouse.move(200, 200)
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        page.wait_for_load_state("networkidle")
        assert said(tenant_id) == before
    page.goto(f"{live.base_url}{paths[0]}")
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.get_by_role("button").first.click()
    assert said(tenant_id) != before
