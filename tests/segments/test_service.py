"""Making segments, and what is refused."""

from typing import Any

import pytest

from app.conditions import InvalidConditions
from app.infra.errors import Invalid
from app.infra.ids import new_id
from app.infra.paging import BadCursor
from app.segments import queries, service
from app.segments.models import DYNAMIC, STATIC

ACTOR = "user:0190f3a1-7b1c-7000-8000-000000000001"
GOLD = {"combinator": "AND", "rules": [{"field": "membershipTier", "operator": "equals", "value": "Gold"}]}


def make(tenant: Any, name: str = "Gold", **given: Any) -> Any:
    return service.create(tenant_id=tenant.id, actor=ACTOR, name=name, **({"criteria": GOLD} | given))


def test_a_segment_keeps_its_conditions_in_their_one_form(tenant: Any) -> None:
    made = make(tenant, "  Gold   members ", description=" The best. ")
    found = queries.one(tenant_id=tenant.id, segment_id=made.id)
    assert (found.name, found.description, found.type, found.version) == ("Gold members", "The best.", DYNAMIC, 1)
    assert found.criteria == {
        "combinator": "AND",
        "rules": [{"field": "membership_tier", "operator": "eq", "value": "Gold"}],
    }
    assert (found.member_count, found.refreshed_at, found.refresh_frequency) == (0, None, "DAILY")


@pytest.mark.parametrize(
    "given, field",
    [
        ({"name": "\u200b "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"description": "x" * 2001}, "description"),
        ({"club_id": new_id()}, "club_id"),
        ({"type": "LIVING"}, "type"),
        ({"refresh_frequency": "YEARLY"}, "refresh_frequency"),
        ({"type": STATIC}, "criteria"),
    ],
)
def test_what_is_wrong_is_said_beside_it(tenant: Any, given: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as wrong:
        make(tenant, **given)
    assert set(wrong.value.errors) == {field}
    assert queries.page(tenant_id=tenant.id).items == []


@pytest.mark.parametrize(
    "criteria, path",
    [
        (None, "criteria"),
        ({"combinator": "AND", "rules": []}, "criteria"),
        ({"rules": [{"field": "tier", "operator": "eq", "value": 1}]}, "criteria.rules[0]"),
        (
            {"rules": [GOLD, {"not": {"field": "handicap_index", "operator": "gt", "value": "x"}}]},
            "criteria.rules[1].not",
        ),
    ],
)
def test_conditions_that_say_nothing_or_nonsense_are_refused(tenant: Any, criteria: Any, path: str) -> None:
    with pytest.raises(InvalidConditions) as wrong:
        make(tenant, criteria=criteria)
    assert set(wrong.value.errors) == {path}


def test_two_segments_in_use_never_share_a_name(tenant: Any, other_tenant: Any) -> None:
    make(tenant, "Gold")
    make(other_tenant, "Gold")
    with pytest.raises(service.NameTaken):
        make(tenant, "gOLD")
    assert len(queries.page(tenant_id=tenant.id).items) == 1


def test_another_tenants_segment_is_not_there(tenant: Any, other_tenant: Any) -> None:
    made = make(tenant)
    with pytest.raises(queries.NoSuchSegment):
        queries.one(tenant_id=other_tenant.id, segment_id=made.id)


def test_the_list_goes_by_name_a_page_at_a_time(tenant: Any) -> None:
    for name in ("beta", "Alpha", "gamma 100%", "Delta"):
        make(tenant, name, type=STATIC, criteria=None)
    first = queries.page(tenant_id=tenant.id, limit=2)
    second = queries.page(tenant_id=tenant.id, limit=2, cursor=first.next_cursor)
    assert [one.name for one in first.items + second.items] == ["Alpha", "beta", "Delta", "gamma 100%"]
    assert second.next_cursor is None
    assert [one.name for one in queries.page(tenant_id=tenant.id, q="0%").items] == ["gamma 100%"]
    assert queries.page(tenant_id=tenant.id, type=DYNAMIC).items == []
    with pytest.raises(BadCursor):
        queries.page(tenant_id=tenant.id, cursor="nonsense")
