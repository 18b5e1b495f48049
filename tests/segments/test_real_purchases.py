"""Recency, frequency and money: segments over real purchases, counted beside by plain Python over the same file.

The file is the CDNOW sample (customer_id,date,cds,dollars; January 1997 to June 1998) where it lies beside the project
or in the folder FAIRWAY_DATA names; else one of the same shape is made up.
"""

import csv
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from app.capture import service as capture
from app.segments.preview import preview
from tests.segments.helpers import all_of, did, members, rule, segment

ROOT = Path(__file__).parents[2]
FILE = Path(os.environ.get("FAIRWAY_DATA", ROOT.parent / "shared" / "data")) / "cdnow_sample.csv"
NOW = datetime.fromisoformat("1998-07-01T00:00:00+00:00")
PAID = "payment.received"
Purchases = list[tuple[datetime, int, Decimal]]


def _made_up() -> Iterable[dict[str, str]]:
    draw = Random(1997)
    for number in range(1, 301):
        first = date(1997, 1, 1) + timedelta(days=draw.randrange(85))
        for _ in range(min(30, int(draw.paretovariate(1.1)))):
            yield {
                "customer_id": f"{number:04}",
                "date": first.isoformat(),
                "cds": str(draw.randrange(1, 6)),
                "dollars": f"{draw.lognormvariate(3, 0.8):.2f}",
            }
            first = min(date(1998, 6, 30), first + timedelta(days=draw.randrange(150)))


def _rows() -> list[dict[str, str]]:
    if not FILE.exists():
        return list(_made_up())
    with FILE.open(newline="") as file:
        return list(csv.DictReader(file))


def ago(days: int) -> datetime:
    return NOW - timedelta(days=days)


def spent(bought: Purchases, since: datetime | None = None) -> Decimal:
    return sum((dollars for at, _, dollars in bought if since is None or at >= since), Decimal())


MONEY: dict[str, Any] = {"aggregate": "sum", "field": "amount", "currency": "USD"}
# What is asked, and the same in plain Python of one customer's purchases.
ASKED: dict[str, tuple[dict[str, Any], Callable[[Purchases], bool]]] = {
    "bought in the last 90 days": (
        did(PAID, within="90 days"),
        lambda bought: any(at >= ago(90) for at, _, _ in bought),
    ),
    "nothing for half a year": (
        did(PAID, "never", None, within="180 days"),
        lambda bought: not any(at >= ago(180) for at, _, _ in bought),
    ),
    "last bought more than a year ago": (
        did(PAID, "longer_ago", "1 year", aggregate="last"),
        lambda bought: max(at for at, _, _ in bought) < datetime.fromisoformat("1997-07-01T00:00:00+00:00"),
    ),
    "five times or more": (did(PAID, "gte", 5), lambda bought: len(bought) >= 5),
    "once only": (did(PAID, "exactly", 1), lambda bought: len(bought) == 1),
    "spent more than 200": (did(PAID, "gt", 200, **MONEY), lambda bought: spent(bought) > 200),
    "spent at most 20 in a year": (
        did(PAID, "lte", 20, within="365 days", **MONEY),
        lambda bought: spent(bought, ago(365)) <= 20,
    ),
    "once spent 100 or more": (
        did(PAID, "gte", 100, aggregate="max", field="amount", currency="USD"),
        lambda bought: max(dollars for _, _, dollars in bought) >= 100,
    ),
    "three discs at once, twice or more": (
        did(PAID, "gte", 2, where=all_of(rule("cds", "gte", 3))),
        lambda bought: sum(1 for _, cds, _ in bought if cds >= 3) >= 2,
    ),
    "champions": (
        all_of(did(PAID, within="90 days"), did(PAID, "gte", 5), did(PAID, "gt", 200, **MONEY)),
        lambda bought: any(at >= ago(90) for at, _, _ in bought) and len(bought) >= 5 and spent(bought) > 200,
    ),
    "good ones who are lapsing": (
        all_of({"not": did(PAID, within="180 days")}, did(PAID, "gt", 100, **MONEY)),
        lambda bought: not any(at >= ago(180) for at, _, _ in bought) and spent(bought) > 100,
    ),
    "neither often nor much": (
        {"not": {"combinator": "OR", "rules": [did(PAID, "gte", 3), did(PAID, "gte", 50, **MONEY)]}},
        lambda bought: not (len(bought) >= 3 or spent(bought) >= 50),
    ),
}


def test_segments_of_real_purchases_match_plain_python(tenant: Any, api: Any) -> None:
    rows = _rows()
    bought: dict[str, Purchases] = defaultdict(list)
    for row in rows:
        at = datetime.fromisoformat(f"{row['date']}T12:00:00+00:00")
        bought[row["customer_id"]].append((at, int(row["cds"]), Decimal(row["dollars"])))
    events = [
        {
            "id": f"sale-{at}",
            "type": PAID,
            "source": "shop",
            "timestamp": f"{row['date']}T12:00:00Z",
            "identity": {"scl_member_id": row["customer_id"]},
            "payload": {"amount": row["dollars"], "cds": int(row["cds"]), "currency": "USD"},
        }
        for at, row in enumerate(rows)
    ]
    for at in range(0, len(events), 1000):
        answer = api.post("/events", json=events[at : at + 1000])
        assert answer.status_code == 202, answer.json
    while capture.process_batch(tenant_id=tenant.id, now=NOW):
        pass

    for name, (asked, fits) in ASKED.items():
        criteria = asked if "combinator" in asked else all_of(asked)
        expected = sum(1 for one in bought.values() if fits(one))
        found = preview(tenant_id=tenant.id, criteria=criteria, now=NOW)
        assert (found.count, found.estimated) == (expected, False), name
    for name in ("champions", "neither often nor much"):
        asked, fits = ASKED[name]
        made = segment(tenant.id, asked if "combinator" in asked else all_of(asked), name, now=NOW)
        assert len(members(tenant.id, made)) == sum(1 for one in bought.values() if fits(one)), name


@pytest.mark.parametrize("name", ASKED)
def test_the_questions_tell_some_from_others(name: str) -> None:
    """Of the made-up file: a question that all or none fit would prove nothing."""
    bought: dict[str, Purchases] = defaultdict(list)
    for row in _made_up():
        at = datetime.fromisoformat(f"{row['date']}T12:00:00+00:00")
        bought[row["customer_id"]].append((at, int(row["cds"]), Decimal(row["dollars"])))
    assert 0 < sum(1 for one in bought.values() if ASKED[name][1](one)) < len(bought)
