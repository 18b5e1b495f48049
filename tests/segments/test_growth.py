"""Growth day by day, and the list of members."""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.infra import clock
from app.infra.db import transaction
from app.infra.paging import BadCursor
from app.segments import growth, lately, queries
from app.segments.growth import Day
from app.segments.lately import Lately
from app.segments.models import DYNAMIC, SegmentDay
from tests.segments.crowd import SINCE, filled, person

TODAY = date(2026, 11, 21)


def grown(tenant: Any, segment_id: Any, day: date, entered: int, left: int, members: int) -> None:
    with transaction(tenant.id) as session:
        session.add(
            SegmentDay(tenant_id=tenant.id, segment_id=segment_id, day=day, entered=entered, left=left, members=members)
        )
        session.flush()


def test_days_without_a_change_keep_what_was(tenant: Any) -> None:
    one = filled(tenant.id, "S", [])
    grown(tenant, one, date(2026, 11, 10), 40, 0, 40)
    grown(tenant, one, date(2026, 11, 19), 3, 1, 42)
    assert growth.days(tenant_id=tenant.id, segment_id=one, days=4, today=TODAY) == [
        Day(date(2026, 11, 18), 0, 0, 40),
        Day(date(2026, 11, 19), 3, 1, 42),
        Day(date(2026, 11, 20), 0, 0, 42),
        Day(date(2026, 11, 21), 0, 0, 42),
    ]


def test_before_the_first_refresh_nobody_knows(tenant: Any) -> None:
    one = filled(tenant.id, "S", [])
    grown(tenant, one, TODAY, 0, 0, 7)
    found = growth.days(tenant_id=tenant.id, segment_id=one, days=2, today=TODAY)
    assert [day.members for day in found] == [None, 7]


def test_where_nobody_was_it_was_empty_since_it_was_made(tenant: Any) -> None:
    today = clock.now().astimezone(ZoneInfo("Africa/Johannesburg")).date()
    listed, asked = filled(tenant.id, "Listed", []), filled(tenant.id, "Asked", [], type=DYNAMIC)
    told = lambda one: [day.members for day in growth.days(tenant_id=tenant.id, segment_id=one, days=3, today=today)]  # noqa: E731
    assert told(listed) == [None, None, 0]
    # Nobody has looked yet who is in this one.
    assert told(asked) == [None, None, None]
    early = clock.now() - timedelta(days=2)
    old = filled(tenant.id, "Old", [], type=DYNAMIC, created_at=early, refreshed_at=early)
    assert told(old) == [0, 0, 0]
    grown(tenant, old, today - timedelta(days=1), 3, 1, 2)
    assert told(old) == [0, 2, 2]


def test_lately_are_seven_days(tenant: Any) -> None:
    one, still = filled(tenant.id, "S", []), filled(tenant.id, "Still", [])
    grown(tenant, one, date(2026, 11, 14), 100, 100, 1)
    grown(tenant, one, date(2026, 11, 15), 2, 1, 2)
    grown(tenant, one, TODAY, 3, 0, 5)
    assert lately.of(tenant_id=tenant.id, segment_ids=[one, still], today=TODAY) == {one: Lately(5, 1)}


def test_members_are_listed_and_found_by_name(tenant: Any, other_tenant: Any) -> None:
    people = [person(tenant.id, name, last_name="Smith") for name in ("Cy", "Ann", "Bob")]
    person(tenant.id, "Di", last_name="Smith")
    one = filled(tenant.id, "S", people)
    first = queries.members(tenant_id=tenant.id, segment_id=one, limit=2)
    rest = queries.members(tenant_id=tenant.id, segment_id=one, cursor=first.next_cursor, limit=2)
    assert [member.customer.first_name for member in first.items + rest.items] == ["Ann", "Bob", "Cy"]
    assert rest.next_cursor is None
    assert {member.entered_at for member in first.items} == {SINCE}
    found = queries.members(tenant_id=tenant.id, segment_id=one, q="smith bo")
    assert [member.customer.first_name for member in found.items] == ["Bob"]
    assert queries.members(tenant_id=tenant.id, segment_id=one, q="di").items == []
    assert queries.members(tenant_id=other_tenant.id, segment_id=one).items == []


@pytest.mark.parametrize("sort", ["name", "people", "changed"])
def test_lists_go_both_ways_a_page_at_a_time(tenant: Any, sort: str) -> None:
    people = [person(tenant.id, name) for name in ("Ann", "Bob", "Cy")]
    names = [filled(tenant.id, f"S{number}", people[:number]) for number in range(4)]
    for order, expected in ((sort, names), (f"-{sort}", names[::-1])):
        first = queries.page(tenant_id=tenant.id, sort=order, limit=3)
        rest = queries.page(tenant_id=tenant.id, sort=order, limit=3, cursor=first.next_cursor)
        found = [one.id for one in first.items + rest.items]
        assert found == expected if sort != "changed" else sorted(found) == sorted(expected)


def test_a_cursor_of_another_order_is_refused(tenant: Any) -> None:
    for number in range(2):
        filled(tenant.id, f"S{number}", [])
    by_name = queries.page(tenant_id=tenant.id, limit=1).next_cursor
    for sort in ("people", "-changed"):
        with pytest.raises(BadCursor):
            queries.page(tenant_id=tenant.id, sort=sort, cursor=by_name)
