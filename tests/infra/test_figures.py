"""Figures are written as the region of whoever reads them does."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from app.infra.db import transaction
from app.infra.figures import amount, figure, written_for


@pytest.mark.parametrize(
    ("locale", "thousand", "million", "price"),
    [
        (None, "1,000", "1,234,567", "1,436.62"),
        ("en_GB", "1,000", "1,234,567", "1,436.62"),
        ("de_DE", "1.000", "1.234.567", "1.436,62"),
        ("en_ZA", "1\u00a0000", "1\u00a0234\u00a0567", "1\u00a0436,62"),
    ],
)
def test_each_region_writes_its_own(locale: str | None, thousand: str, million: str, price: str) -> None:
    with written_for(locale):
        assert [figure(one) for one in (7, 999, 1000, 1234567)] == ["7", "999", thousand, million]
        assert amount(Decimal("1436.62")) == price
    assert figure(1000) == "1,000"


def test_the_region_of_who_asks_is_that_of_their_organisation(client: Any, sign_in: Any, tenant: Any) -> None:
    sign_in("admin")
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE tenant SET locale = 'de_DE' WHERE id = :id"), {"id": tenant.id})
    refused = client.post("/settings/limits", data={"approval_above": "x"}, status=422)
    assert "0 to 100.000.000" in refused.get_data(as_text=True)
