"""What people and other systems write may be one word without an end: no page becomes wider by it."""

from typing import Any

import pytest
from playwright.sync_api import Page

from app.campaigns import service as campaigns
from app.content import service as content
from app.infra import clock
from app.messaging import outbox, suppression
from tests.browser.test_campaigns import it_fits
from tests.segments.crowd import filled, person

pytestmark = [pytest.mark.browser, pytest.mark.committed]

WORD = "W" * 150


@pytest.mark.parametrize("width", [1440, 390])
def test_a_word_without_an_end_makes_no_page_wider(page: Page, live: Any, width: int) -> None:
    tenant_id = live.tenant.id
    ann = person(tenant_id, WORD, email="ann@example.com", membership_tier=WORD[:60], tags=[WORD[:50]])
    segment = filled(tenant_id, WORD, [ann])
    template = content.create(tenant_id=tenant_id, name=WORD, subject=WORD, text="Hello").id
    campaign = campaigns.create(
        tenant_id=tenant_id,
        actor="system",
        now=clock.now(),
        given={"name": WORD, "segment_id": segment, "email_template_id": template},
    )
    outbox.put(tenant_id=tenant_id, template_id=template, customer_ids=[ann], dedupe_keys=["once"], now=clock.now())
    because = suppression.SuppressedBecause.HARD_BOUNCE
    suppression.suppress(tenant_id=tenant_id, addresses=["gone@example.com"], because=because, details=[WORD])
    [bounced] = suppression.page(tenant_id=tenant_id).items
    page.set_viewport_size({"width": width, "height": 900})
    live.sign_in(page, "owner")
    for path in (
        *("/customers", f"/customers/{ann}", f"/customers/{ann}/privacy"),
        *("/segments", f"/segments/{segment}/people", f"/segments/{segment}/edit"),
        *("/campaigns", f"/campaigns/{campaign.id}", f"/campaigns/{campaign.id}/review"),
        *("/templates", "/messages", "/suppressions", f"/suppressions/{bounced.id}/lift", "/settings/audit-log"),
    ):
        page.goto(f"{live.base_url}{path}")
        it_fits(page)
