"""Why somebody is in a segment, or not."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.customers.queries import NoSuchCustomer
from app.infra.db import transaction
from app.infra.ids import new_id
from app.segments import queries, why
from app.segments.models import DYNAMIC
from app.segments.why import GroupSeen, RuleSeen
from tests.segments.crowd import SINCE, filled, person
from tests.segments.helpers import rule

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
CRITERIA = {
    "combinator": "AND",
    "rules": [
        {"field": "membership_tier", "operator": "in", "value": ["Gold", "Platinum"]},
        {"not": {"field": "handicap_index", "operator": "gt", "value": 18}},
        {"field": "date_of_birth", "operator": "anniversary_next", "value": "7 days"},
        {"field": "tags", "operator": "contains", "value": "vip", "disabled": True},
    ],
}


def dynamic(tenant: Any, people: list[UUID], **more: Any) -> UUID:
    return filled(tenant.id, "S", people, **({"type": DYNAMIC, "criteria": CRITERIA} | more))


def asked(tenant: Any, segment_id: UUID, customer_id: UUID) -> why.Why:
    return why.of(tenant_id=tenant.id, segment_id=segment_id, customer_id=customer_id, now=NOW)


def test_each_rule_tells_the_value_it_saw(tenant: Any) -> None:
    ann = person(
        tenant.id, "Ann", membership_tier="Gold", handicap_index=12, date_of_birth=date(1980, 11, 24), tags=["vip"]
    )
    found = asked(tenant, dynamic(tenant, [ann]), ann)
    assert (found.member, found.since, found.fits) == (True, SINCE, True)
    assert [(one.path, one.holds) for one in found.rules] == [
        ("rules[0]", True),
        ("rules[1].not", True),
        ("rules[2]", True),
    ]
    assert found.rules[0].value == "Gold"
    assert found.rules[1].words.startswith("Not: ")
    assert found.rules[1].value == "12"
    assert found.rules[2].value == "24 November 1980"


def test_what_is_not_known_is_neither_yes_nor_no(tenant: Any) -> None:
    bob = person(tenant.id, "Bob", membership_tier="Silver")
    found = asked(tenant, dynamic(tenant, []), bob)
    assert (found.member, found.since, found.left_at, found.fits) == (False, None, None, False)
    assert [one.holds for one in found.rules] == [False, None, None]
    assert [one.value for one in found.rules] == ["Silver", "unknown", "unknown"]


def test_who_fits_and_was_not_looked_at_yet_is_told_so(tenant: Any) -> None:
    ann = person(tenant.id, "Ann", membership_tier="Gold", handicap_index=12, date_of_birth=date(1980, 11, 21))
    found = asked(tenant, dynamic(tenant, []), ann)
    assert (found.member, found.fits) == (False, True)


def test_who_left_is_told_when(tenant: Any) -> None:
    bob = person(tenant.id, "Bob")
    one = dynamic(tenant, [])
    with transaction(tenant.id) as session:
        for year in (2024, 2025):
            session.execute(
                text("INSERT INTO segment_past_member VALUES (:t, :s, :c, :entered, :left)"),
                {
                    "t": tenant.id,
                    "s": one,
                    "c": bob,
                    "entered": datetime(year, 1, 1, tzinfo=UTC),
                    "left": datetime(year, 6, 1, tzinfo=UTC),
                },
            )
    assert asked(tenant, one, bob).left_at == datetime(2025, 6, 1, tzinfo=UTC)
    standing = queries.of_customer(tenant_id=tenant.id, customer_id=bob).items
    assert [(it.since, it.left_at) for it in standing] == [(None, datetime(2025, 6, 1, tzinfo=UTC))]


def test_a_clubs_segment_asks_for_the_club_first(tenant: Any) -> None:
    from app.accounts import queries as accounts

    club = accounts.clubs(tenant_id=tenant.id)[0]
    one = dynamic(tenant, [], club_id=club.id)
    here, nowhere = person(tenant.id, "Ann", club_id=club.id), person(tenant.id, "Bob")
    assert asked(tenant, one, here).rules[0] == RuleSeen("", f"Club is {club.name}", True, club.name)
    assert asked(tenant, one, nowhere).rules[0].holds is None


def test_whoever_was_merged_is_no_customer_in_their_own_right(tenant: Any) -> None:
    kept = person(tenant.id, "Ann")
    gone = person(tenant.id, "Anne", status="MERGED", merged_into_id=kept)
    assert asked(tenant, dynamic(tenant, []), gone).rules[0].value == "merged into another profile"


def test_a_list_says_since_when_somebody_is_on_it(tenant: Any) -> None:
    ann, bob = person(tenant.id, "Ann"), person(tenant.id, "Bob")
    merged = person(tenant.id, "Anne", status="MERGED", merged_into_id=ann)
    one = filled(tenant.id, "Guests", [ann])
    with transaction(tenant.id) as session:
        session.execute(
            text("INSERT INTO segment_listed VALUES (:t, :s, :c, :at, 'system')"),
            {"t": tenant.id, "s": one, "c": merged, "at": SINCE},
        )
    assert asked(tenant, one, ann).rules == [RuleSeen("", "Is on the list", True, "since 1 October 2026")]
    assert asked(tenant, one, bob).rules == [RuleSeen("", "Is on the list", False, "not on it")]


def test_conditions_that_name_a_field_no_longer_there_say_so(tenant: Any) -> None:
    gone = {"combinator": "AND", "rules": [{"field": "custom.gone", "operator": "eq", "value": "x"}]}
    found = asked(tenant, dynamic(tenant, [], criteria=gone), person(tenant.id, "Ann"))
    assert not found.fits
    assert [one.path for one in found.rules] == ["rules[0]"]


def test_nobody_and_nothing_are_refused(tenant: Any, other_tenant: Any) -> None:
    ann = person(tenant.id, "Ann")
    one = dynamic(tenant, [])
    with pytest.raises(queries.NoSuchSegment):
        asked(tenant, new_id(), ann)
    with pytest.raises(NoSuchCustomer):
        asked(tenant, one, person(other_tenant.id, "Eve"))


def test_segments_somebody_is_in_come_first(tenant: Any) -> None:
    ann = person(tenant.id, "Ann")
    ids = {name: filled(tenant.id, name, [ann] if name in ("c", "B") else []) for name in ("a", "B", "c", "D")}
    filled(tenant.id, "Archived", [ann], archived_at=NOW)
    first = queries.of_customer(tenant_id=tenant.id, customer_id=ann, limit=3)
    rest = queries.of_customer(tenant_id=tenant.id, customer_id=ann, limit=3, cursor=first.next_cursor)
    found = first.items + rest.items
    assert [one.segment.id for one in found] == [ids[name] for name in ("B", "c", "a", "D")]
    assert [one.since for one in found] == [SINCE, SINCE, None, None]
    assert queries.inside(tenant_id=tenant.id, segment_id=ids["a"], customer_ids=[ann]) == frozenset()
    assert queries.inside(tenant_id=tenant.id, segment_id=ids["c"], customer_ids=[ann]) == {ann}


def test_rules_stand_in_their_groups(tenant: Any) -> None:
    ann = person(tenant.id, "Ann", membership_tier="Gold", lifecycle_stage="MEMBER", tags=["vip"])
    gold, silver = (rule("membership_tier", "eq", one) for one in ("Gold", "Silver"))
    lead, vip, unknown = (
        rule("lifecycle_stage", "eq", "LEAD"),
        rule("tags", "contains", "vip"),
        rule("title", "eq", "Ms"),
    )
    either = {"combinator": "OR", "rules": [silver, gold]}
    neither = {"not": {"combinator": "OR", "rules": [lead, vip]}}
    alone = {"combinator": "AND", "rules": [{"not": lead}, {**silver, "disabled": True}]}
    perhaps = {"combinator": "OR", "rules": [silver, unknown]}
    criteria = {"combinator": "AND", "rules": [either, neither, alone, perhaps]}
    found = asked(tenant, dynamic(tenant, [], criteria=criteria), ann)
    first, second, third, fourth = found.parts
    assert isinstance(first, GroupSeen)
    assert (first.words, first.holds, [one.holds for one in first.parts]) == (
        "At least one of these",
        True,
        [False, True],
    )
    assert isinstance(second, GroupSeen)
    assert (second.words, second.holds, second.against) == ("None of these", False, True)
    assert [one.holds for one in second.parts] == [False, True]
    assert isinstance(third, why.RuleSeen)
    assert (third.words, third.holds, third.value) == ("Lifecycle stage is not Lead", True, "Member")
    assert isinstance(fourth, GroupSeen)
    assert (fourth.holds, [one.holds for one in fourth.parts]) == (None, [False, None])
    assert not found.fits
    assert len(found.rules) == 7


def test_any_of_a_definition_is_told_as_one_group(tenant: Any) -> None:
    bob = person(tenant.id, "Bob", membership_tier="Silver")
    criteria = {"combinator": "OR", "rules": [rule("membership_tier", "eq", one) for one in ("Gold", "Silver")]}
    (only,) = asked(tenant, dynamic(tenant, [bob], criteria=criteria), bob).parts
    assert isinstance(only, GroupSeen)
    assert (only.words, only.holds) == ("At least one of these", True)
