"""Segments beside each other and beside everybody."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from app.conditions import profile
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.segments import compare, queries
from app.segments.compare import Comparison
from tests.segments.crowd import filled, person

CAPE = ZoneInfo("Africa/Johannesburg")


def compared(tenant: Any, segment_id: UUID, name: str) -> Comparison:
    field = profile.find(name)
    assert field is not None
    return compare.values(segment=queries.one(tenant_id=tenant.id, segment_id=segment_id), field=field, zone=CAPE)


def test_every_part_of_three_segments_is_counted(tenant: Any) -> None:
    ann, bob, cy, di = (person(tenant.id, name) for name in ("Ann", "Bob", "Cy", "Di"))
    a = filled(tenant.id, "A", [ann, bob, cy])
    b = filled(tenant.id, "B", [bob, cy])
    c = filled(tenant.id, "C", [cy, di])
    assert compare.overlap(tenant_id=tenant.id, segment_ids=[a, b, c]) == {
        (True, True, True): 1,
        (True, True, False): 1,
        (True, False, True): 0,
        (True, False, False): 1,
        (False, True, True): 0,
        (False, True, False): 0,
        (False, False, True): 1,
    }
    found = queries.people(tenant_id=tenant.id, within=[a], without=[b, c])
    assert [one.first_name for one in found.items] == ["Ann"]


@pytest.mark.parametrize("number", [0, 1, 4])
def test_only_two_or_three_segments_overlap(tenant: Any, number: int) -> None:
    ids = [filled(tenant.id, f"S{one}", []) for one in range(number)]
    with pytest.raises(Invalid):
        compare.overlap(tenant_id=tenant.id, segment_ids=ids)


def test_a_segment_does_not_overlap_itself(tenant: Any) -> None:
    one = filled(tenant.id, "S", [])
    with pytest.raises(Invalid):
        compare.overlap(tenant_id=tenant.id, segment_ids=[one, one])


def test_another_tenants_members_are_not_counted(tenant: Any, other_tenant: Any) -> None:
    theirs = filled(other_tenant.id, "Theirs", [person(other_tenant.id, "Eve")])
    mine = filled(tenant.id, "Mine", [person(tenant.id, "Ann")])
    assert compare.overlap(tenant_id=tenant.id, segment_ids=[mine, theirs])[False, True] == 0


def test_shares_of_a_text_are_told_beside_everybodys(tenant: Any) -> None:
    gold = [person(tenant.id, name, membership_tier="Gold") for name in ("Ann", "Bob")]
    silver = person(tenant.id, "Cy", membership_tier="Silver")
    person(tenant.id, "Di", membership_tier="")
    person(tenant.id, "Lost", membership_tier="Gold", status="MERGED")
    found = compared(tenant, filled(tenant.id, "S", [gold[0], silver]), "membership_tier")
    assert [(one.value, one.mine, one.all) for one in found.shares] == [("Gold", 1, 2), ("Silver", 1, 1)]
    assert (found.mine, found.all, found.known_mine, found.known_all, found.others) == (2, 4, 2, 3, None)


def test_rare_values_count_as_one(tenant: Any) -> None:
    for number in range(compare.LISTED + 3):
        person(tenant.id, "Ann", membership_tier=f"Tier {number:02}")
    found = compared(tenant, filled(tenant.id, "S", []), "membership_tier")
    assert len(found.shares) == compare.LISTED
    assert found.others is not None
    assert (found.others.mine, found.others.all) == (0, 3)


def test_numbers_have_an_average_and_ranges(tenant: Any) -> None:
    low = [person(tenant.id, "Low", handicap_index=Decimal(number)) for number in ("2.5", "7.5")]
    person(tenant.id, "High", handicap_index=Decimal(36))
    person(tenant.id, "None")
    found = compared(tenant, filled(tenant.id, "S", low), "handicap_index")
    assert (found.average_mine, found.least_all, found.most_all) == (5, Decimal("2.5"), 36)
    assert [(one.value, one.until, one.mine, one.all) for one in found.shares] == [
        (0, 5, 1, 1),
        (5, 10, 1, 1),
        (35, 40, 0, 1),
    ]


def test_where_all_numbers_are_one_there_is_one_range(tenant: Any) -> None:
    person(tenant.id, "Ann", handicap_index=Decimal(12))
    found = compared(tenant, filled(tenant.id, "S", []), "handicap_index")
    assert [(one.value, one.mine, one.all) for one in found.shares] == [(12, 0, 1)]


def test_days_fall_into_decades_years_or_months(tenant: Any) -> None:
    people = [person(tenant.id, "Ann", date_of_birth=day) for day in (date(1950, 1, 1), date(1999, 12, 31))]
    found = compared(tenant, filled(tenant.id, "S", people[:1]), "date_of_birth")
    assert [(one.value, one.until, one.mine, one.all) for one in found.shares] == [
        (date(1950, 1, 1), date(1960, 1, 1), 1, 1),
        (date(1990, 1, 1), date(2000, 1, 1), 0, 1),
    ]


def test_a_moment_counts_on_the_clubs_day(tenant: Any) -> None:
    # New Year is two hours earlier at the Cape.
    person(tenant.id, "Ann", last_activity_at=datetime(2025, 12, 31, 22, 30, tzinfo=UTC))
    found = compared(tenant, filled(tenant.id, "S", []), "last_activity_at")
    assert [one.value for one in found.shares] == [date(2026, 1, 1)]


def test_somebody_with_two_tags_counts_at_both(tenant: Any) -> None:
    both = person(tenant.id, "Ann", tags=["news", "vip"])
    person(tenant.id, "Bob", tags=["news"])
    person(tenant.id, "Cy")
    found = compared(tenant, filled(tenant.id, "S", [both]), "tags")
    assert [(one.value, one.mine, one.all) for one in found.shares] == [("news", 1, 2), ("vip", 1, 1)]


def test_of_a_clubs_segment_the_club_is_everybody(tenant: Any) -> None:
    from app.accounts import queries as accounts

    club = accounts.clubs(tenant_id=tenant.id)[0].id
    here = person(tenant.id, "Ann", club_id=club, membership_tier="Gold")
    person(tenant.id, "Bob", membership_tier="Gold")
    found = compared(tenant, filled(tenant.id, "S", [here], club_id=club), "membership_tier")
    assert (found.mine, found.all) == (1, 1)


def test_every_field_can_be_compared(tenant: Any) -> None:
    person(tenant.id, "Ann", handicap_index=Decimal(3), date_of_birth=date(1980, 5, 5), tags=["vip"])
    segment_id = filled(tenant.id, "S", [])
    for field in profile:
        if field.in_sql:
            assert compared(tenant, segment_id, field.name).all == 1, field.name


SLOW = text("SELECT CAST(:ids AS uuid[]) AS held, 0 AS people FROM pg_sleep(60) WHERE :tenant_id IS NOT NULL")


def test_what_takes_too_long_says_so_on_the_page_and_over_the_api(
    tenant: Any, api: Any, client: Any, sign_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (filled(tenant.id, name, []) for name in ("One", "Other"))
    sign_in("marketer")
    monkeypatch.setattr(compare, "LONGEST", 0.05)
    monkeypatch.setattr(compare, "_OVERLAP", SLOW)
    answer = api.get(f"/segments/{one}/overlap?segment_id={other}")
    assert (answer.status_code, answer.json["title"]) == (503, "That takes too long")
    assert "Choose smaller ones" in answer.json["errors"]["segments"]
    drawn = client.get(f"/segments/{one}/overlap?with={other}&now=1", status=503).get_data(as_text=True)
    assert "Choose smaller ones" in drawn

    def asleep(session: Any, *_: Any) -> Any:
        session.execute(text("SELECT pg_sleep(60)"))

    monkeypatch.setattr(compare, "_compared", asleep)
    drawn = client.get(f"/segments/{one}/compare?field=club_id&now=1", status=503).get_data(as_text=True)
    assert "Choose another one" in drawn
    # What comes after it in the same transaction has its usual time.
    with transaction(tenant.id) as session:
        with pytest.raises(compare.TooLong):
            compare.overlap(tenant_id=tenant.id, segment_ids=[one, other])
        assert session.scalar(text("SHOW statement_timeout")) == "1min"
