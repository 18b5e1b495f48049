"""The timeline: every filter alone and together, words, pages by key, and the count of the last thirty days."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from app.accounts.models import Club
from app.conditions import compile_sql, parse, profile
from app.customers import timeline
from app.customers.models import Activity, Customer
from app.customers.timeline import Filters
from app.infra.db import transaction
from app.infra.ids import new_id
from tests.page_client import ApiClient, PageClient

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def nomsa(tenant: Any) -> UUID:
    return person(tenant)


def person(tenant: Any) -> UUID:
    customer_id = new_id()
    with transaction(tenant.id) as session:
        session.add(Customer(tenant_id=tenant.id, id=customer_id, first_name="Nomsa"))
    return customer_id


def club(tenant: Any, name: str) -> UUID:
    club_id = new_id()
    place = {"country": "ZA", "timezone": "Africa/Johannesburg", "locale": "en_ZA", "currency": "ZAR"}
    with transaction(tenant.id) as session:
        session.add(Club(tenant_id=tenant.id, id=club_id, name=name, **place))
    return club_id


def happened(tenant: Any, customer_id: UUID, title: str, at: datetime = NOON, **more: Any) -> UUID:
    fields = {"type": "teetime.booked", "category": "GOLF", "source": "teetime", "payload": {}} | more
    activity_id = new_id()
    with transaction(tenant.id) as session:
        session.add(
            Activity(
                tenant_id=tenant.id, id=activity_id, customer_id=customer_id, title=title, occurred_at=at, **fields
            )
        )
    return activity_id


def titles(tenant: Any, customer_id: UUID, **filters: Any) -> list[str]:
    found = timeline.timeline(tenant_id=tenant.id, customer_id=customer_id, filters=Filters(**filters))
    return [one.title for one in found.items]


def test_each_filter_alone_and_all_together(tenant: Any, nomsa: UUID) -> None:
    here, there = club(tenant, "Here"), club(tenant, "There")
    happened(tenant, nomsa, "booked", club_id=here)
    happened(tenant, nomsa, "cancelled", NOON - timedelta(days=1), type="teetime.cancelled", club_id=there)
    happened(tenant, nomsa, "paid", NOON - timedelta(days=2), type="payment.received", category="PAYMENT", club_id=here)
    happened(tenant, person(tenant), "somebody else's")
    assert titles(tenant, nomsa) == ["booked", "cancelled", "paid"]
    assert titles(tenant, nomsa, category="GOLF") == ["booked", "cancelled"]
    assert titles(tenant, nomsa, type="payment.received") == ["paid"]
    assert titles(tenant, nomsa, club_id=here) == ["booked", "paid"]
    assert titles(tenant, nomsa, since=NOON - timedelta(days=1)) == ["booked", "cancelled"]
    assert titles(tenant, nomsa, until=NOON) == ["cancelled", "paid"]
    assert titles(tenant, nomsa, q="PAI") == ["paid"]
    everything = {"category": "GOLF", "type": "teetime.booked", "club_id": here, "since": NOON, "q": "book"}
    assert titles(tenant, nomsa, **everything) == ["booked"]
    assert titles(tenant, nomsa, **everything | {"club_id": there}) == []


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("tokai", True),
        ("TOKAI gala", True),
        ("tokai braai", False),
        ("4711", True),
        ("Åse", True),
        ("holes", False),
        ("100%", True),
        ("1_0", False),
        ("%", True),
        ("back\\slash", False),
        ('"quoted"', True),
        ("\x00", False),
        ('"', False),
        ("\\", False),
        ("true", False),
    ],
)
def test_searches_titles_and_what_payloads_say(tenant: Any, nomsa: UUID, q: str, found: bool) -> None:
    payload = {"holes": 18, "where": {"course": "Tokai"}, "players": [{"name": "Åse", "no": 4711}], "paid": True}
    happened(tenant, nomsa, "Gala, 100% full, quoted", payload=payload)
    assert bool(titles(tenant, nomsa, q=q)) is found


def test_pages_hold_each_activity_once_though_times_are_equal(tenant: Any, nomsa: UUID) -> None:
    made = [happened(tenant, nomsa, f"{number}", NOON - timedelta(hours=number // 4)) for number in range(11)]
    seen: list[UUID] = []
    cursor: str | None = None
    while True:
        page = timeline.timeline(tenant_id=tenant.id, customer_id=nomsa, cursor=cursor, limit=3)
        seen += [one.id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
        happened(tenant, nomsa, "newer than all", NOON + timedelta(days=1))
    assert sorted(seen) == sorted(made)


def test_filters_stay_in_the_address(client: PageClient, sign_in: Any, tenant: Any, nomsa: UUID) -> None:
    sign_in("viewer")
    here, _ = club(tenant, "Here"), club(tenant, "There")
    for number in range(60):
        happened(tenant, nomsa, f"booked {number}", NOON - timedelta(minutes=number), club_id=here)
    happened(tenant, nomsa, "paid", type="payment.received", category="PAYMENT")
    address = f"/customers/{nomsa}?category=GOLF&type=teetime.booked&club={here}&q=booked&since=2026-11-01"
    page = client.get(address).text
    assert "paid</" not in page
    assert f'<option value="{here}" selected' in page
    assert '<option value="teetime.booked" selected' in page
    more = page.partition('id="pager"')[2].partition('href="')[2].partition('"')[0].replace("&amp;", "&")
    for kept in ("category=GOLF", "type=teetime.booked", f"club={here}", "q=booked", "since=2026-11-01"):
        assert kept in more
    assert "booked 55" in client.get(more, htmx=True).text
    assert "Nothing matches" in client.get(f"/customers/{nomsa}?q=nowhere").text


def test_filters_over_the_api(api: ApiClient, tenant: Any, nomsa: UUID) -> None:
    here = club(tenant, "Here")
    happened(tenant, nomsa, "booked", club_id=here, payload={"course": "Tokai"})
    happened(tenant, nomsa, "paid", type="payment.received", category="PAYMENT")
    for query, found in (
        ({"club": "here"}, ["booked"]),
        ({"club": str(here), "q": "tokai"}, ["booked"]),
        ({"club": "Nowhere"}, []),
        ({"q": "paid", "category": "GOLF"}, []),
        ({"type": "payment.received", "since": NOON.isoformat()}, ["paid"]),
    ):
        answer = api.get(f"/customers/{nomsa}/timeline", query_string=query).json
        assert [one["title"] for one in answer["items"]] == found, query


def test_the_count_of_thirty_days_rises_and_falls(api: ApiClient, tenant: Any, nomsa: UUID) -> None:
    now = datetime.now(UTC)
    edge = happened(tenant, nomsa, "nearly gone", now - timedelta(days=30) + timedelta(hours=1))
    happened(tenant, nomsa, "long gone", now - timedelta(days=31))
    happened(tenant, nomsa, "ours", now, type="message.sent", category="MESSAGE")
    happened(tenant, nomsa, "a note", now, type="note.call", category="NOTE")
    assert edge
    for path in (f"/customers/{nomsa}", "/customers/"):
        answer = api.get(path.rstrip("/")).json
        assert answer.get("items", [answer])[0]["activity_count_30d"] == 1
    later = now + timedelta(hours=2)
    assert timeline.counts_30d(tenant_id=tenant.id, customer_ids=[nomsa], now=later) == {nomsa: 0}
    happened(tenant, nomsa, "new", now)
    assert api.get(f"/customers/{nomsa}").json["activity_count_30d"] == 2


def test_conditions_ask_for_the_count(tenant: Any, nomsa: UUID) -> None:
    idle = person(tenant)
    for _ in range(3):
        happened(tenant, nomsa, "booked", datetime.now(UTC))
    for operator, value, found in (
        ("gt", 2, {nomsa}),
        ("equals", 0, {idle}),
        ("lt", 4, {nomsa, idle}),
    ):
        tree = parse({"field": "activity_count_30d", "operator": operator, "value": value}, profile)
        with transaction(tenant.id) as session:
            assert set(session.scalars(select(Customer.id).where(compile_sql(tree)))) == found, operator


def test_shows_the_count_and_the_kinds_on_the_page(client: PageClient, sign_in: Any, tenant: Any, nomsa: UUID) -> None:
    sign_in("viewer")
    happened(tenant, nomsa, "booked", datetime.now(UTC))
    happened(tenant, nomsa, "a strange thing", type="club.oddity", category="OTHER")
    page = client.get(f"/customers/{nomsa}").text
    assert "Activities in 30 days" in page
    assert '<option value="club.oddity"' in page
