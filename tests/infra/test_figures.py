"""Figures are written as the region of whoever reads them does."""

from decimal import Decimal

import pytest

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
