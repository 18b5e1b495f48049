"""Pages of an organisation in a country of another language: words are English, figures as they are written there."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.infra.db import transaction
from tests.capture.people import event, post, query
from tests.page_client import PageClient


@pytest.fixture
def german(tenant: Any, sign_in: Callable[..., UUID]) -> Any:
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE tenant SET locale = 'de_DE' WHERE id = :id"), {"id": tenant.id})
    sign_in("admin")
    return tenant


def test_a_message_beside_a_field_writes_numbers_as_pages_do(client: PageClient, german: Any) -> None:
    refused = client.post("/settings/limits", {"approval_above": "x"}, status=422)
    assert "0 to 100.000.000" in refused.text


def test_a_profile_writes_figures_as_the_region_does_and_words_in_english(client: PageClient, german: Any) -> None:
    post(german, event(1, "teetime.handicap.updated", {"handicap_index": -1.2}, scl_member_id="M1"))
    (found,) = query(german, "SELECT id FROM customer")
    shown = client.get(f"/customers/{found.id}").text
    assert re.search(r"Handicap index</dt>\s*<dd[^>]*>-1,2</dd>", shown)
    assert re.search(r"\d (sec|min|hr|days?|mo|yrs?) ago<", shown)
    assert "vor " not in shown
