"""Changing what a segment means, putting it away, copying it, keeping who is in it; and what is guarded."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.capture import merging
from app.conditions import InvalidConditions
from app.infra.errors import Invalid, IsArchived
from app.infra.ids import new_id
from app.segments import queries, ready_made, service, usage
from app.segments.models import STATIC
from app.segments.usage import Use
from tests.segments.helpers import (
    ACTOR,
    GOLD,
    NOW,
    PLAYED,
    all_of,
    change,
    check,
    members,
    people,
    rows,
    rule,
    segment,
    settle,
)

SILVER = all_of(rule("membership_tier", "eq", "Silver"))
LATER = NOW + timedelta(hours=1)


def uses(running: bool) -> Any:
    def journeys(_session: Any, _tenant_id: UUID, ids: Any) -> Any:
        return {one: [Use("journey", new_id(), "Welcome", "journeys.show", {}, running)] for one in ids}

    return [journeys]


def redefine(tenant: Any, one: Any, users: Any = (), **changes: Any) -> Any:
    return service.change(tenant_id=tenant.id, segment_id=one.id, actor=ACTOR, changes=changes, users=users, now=LATER)


def test_the_audit_log_names_what_changed_and_nothing_else(tenant: Any) -> None:
    made = segment(tenant.id)
    same = {"name": made.name, "description": "", "club_id": None, "criteria": GOLD, "refresh_frequency": "DAILY"}
    redefine(tenant, made, **same)
    redefine(tenant, made, **same | {"description": "The best"})
    redefine(tenant, made, **same | {"description": "The best", "criteria": SILVER, "name": "Silver"})
    found = rows(tenant.id, "SELECT detail FROM audit_entry WHERE action = 'segment.change' ORDER BY id")
    assert [row.detail["changed"] for row in found] == [["description"], ["criteria", "name"]]


def test_a_save_that_changes_no_schedule_leaves_a_refresh_that_was_asked_for(tenant: Any) -> None:
    made = segment(tenant.id)
    service.ask_refresh(tenant_id=tenant.id, segment_id=made.id, actor=ACTOR, now=NOW)
    assert redefine(tenant, made, name="Golds", refresh_frequency="DAILY").refresh_due_at == NOW


def test_whoever_read_it_before_somebody_else_changed_it_is_refused(tenant: Any) -> None:
    made = segment(tenant.id)
    who: dict[str, Any] = {"tenant_id": tenant.id, "segment_id": made.id, "actor": ACTOR, "users": (), "now": LATER}
    opened = made.updated_at
    redefine(tenant, made, description="The best")
    with pytest.raises(service.ChangedMeanwhile):
        service.change(**who, changes={"criteria": SILVER}, seen=opened)
    # What stands there already is nobody's concern.
    service.change(**who, changes={"description": "The best"}, seen=opened)
    assert queries.one(tenant_id=tenant.id, segment_id=made.id).criteria == GOLD
    assert service.change(**who, changes={"criteria": SILVER}, seen=LATER).criteria == SILVER


def test_another_definition_is_asked_of_everybody_and_told_to_nobody(tenant: Any) -> None:
    (gold,), (silver,) = people(tenant.id, membership_tier="Gold"), people(tenant.id, membership_tier="Silver")
    made = segment(tenant.id)
    changed = redefine(tenant, made, criteria=SILVER)
    assert (changed.version, changed.refreshing_since, changed.refresh_tells) == (2, LATER, False)
    # Until everybody was asked, who is in it stays, whatever happens to them.
    change(tenant.id, gold, membership_tier="Silver")
    change(tenant.id, gold, membership_tier="Gold")
    assert members(tenant.id, made) == {gold}
    settle(tenant.id, LATER)
    assert members(tenant.id, made) == {silver}
    days = rows(tenant.id, 'SELECT entered, "left", members FROM segment_day')
    assert [tuple(day) for day in days] == [(0, 0, 1)]
    found = queries.versions(tenant_id=tenant.id, segment_id=made.id).items
    assert [one.number for one in found] == [2, 1]


def test_settings_that_mean_the_same_make_no_version(tenant: Any) -> None:
    made = segment(tenant.id)
    changed = redefine(tenant, made, name="Gold people", criteria=GOLD, refresh_frequency="WEEKLY")
    assert (changed.name, changed.version, changed.refreshing_since) == ("Gold people", 1, None)
    # Monday, midnight of Johannesburg.
    assert changed.refresh_due_at.isoformat() == "2026-11-22T22:00:00+00:00"
    changed = redefine(tenant, made, refresh_frequency="MANUAL")
    assert changed.refresh_due_at is None


def test_an_earlier_definition_comes_back_as_a_new_one(tenant: Any) -> None:
    (gold,) = people(tenant.id, membership_tier="Gold")
    made = segment(tenant.id)
    redefine(tenant, made, criteria=SILVER)
    settle(tenant.id, LATER)
    back = service.restore(tenant_id=tenant.id, segment_id=made.id, version=1, actor=ACTOR, users=(), now=LATER)
    assert (back.version, back.criteria) == (3, made.criteria)
    settle(tenant.id, LATER + timedelta(days=1))
    assert members(tenant.id, made) == {gold}
    with pytest.raises(service.NoSuchVersion):
        service.restore(tenant_id=tenant.id, segment_id=made.id, version=9, actor=ACTOR, users=())


def test_a_static_segment_has_no_conditions(tenant: Any) -> None:
    made = segment(tenant.id, None, "List", type=STATIC)
    with pytest.raises(Invalid) as wrong:
        redefine(tenant, made, criteria=GOLD)
    assert set(wrong.value.errors) == {"criteria"}


def test_nothing_is_taken_away_from_under_what_runs(tenant: Any) -> None:
    people(tenant.id, membership_tier="Gold")
    made = segment(tenant.id)
    who: dict[str, Any] = {"tenant_id": tenant.id, "segment_id": made.id, "actor": ACTOR}
    with pytest.raises(service.InUse, match="journey “Welcome”") as refused:
        service.archive(**who, users=uses(running=True))
    assert [one.name for one in refused.value.uses] == ["Welcome"]
    with pytest.raises(service.InUse):
        redefine(tenant, made, uses(running=True), criteria=SILVER)
    with pytest.raises(service.InUse):
        # A draft would ask what is no more.
        service.delete(**who, users=uses(running=False))
    assert queries.one(tenant_id=tenant.id, segment_id=made.id).version == 1
    people(tenant.id, membership_tier="Silver")
    redefine(tenant, made, uses(running=True), criteria=SILVER)
    service.archive(**who, users=uses(running=False))
    service.delete(**who, users=())
    assert rows(tenant.id, "SELECT FROM segment") == []


def test_the_archive_keeps_who_was_in_it_and_asks_anew_on_the_way_out(tenant: Any) -> None:
    one, other = people(tenant.id, 2, membership_tier="Gold")
    made = segment(tenant.id)
    who: dict[str, Any] = {"tenant_id": tenant.id, "segment_id": made.id, "actor": ACTOR}
    service.archive(**who, users=(), now=LATER)
    change(tenant.id, one, membership_tier="Silver")
    rows(tenant.id, "DELETE FROM customer WHERE id = :id RETURNING id", id=other)
    settle(tenant.id, LATER + timedelta(days=3))
    assert members(tenant.id, made) == {one}
    with pytest.raises(IsArchived):
        service.ask_refresh(**who)
    with pytest.raises(IsArchived):
        redefine(tenant, made, name="Other")
    segment(tenant.id, SILVER, "gold")
    with pytest.raises(service.NameTaken):
        service.unarchive(**who)
    rows(tenant.id, "UPDATE segment SET name = 'Silver' WHERE archived_at IS NULL RETURNING id")
    service.unarchive(**who, now=LATER)
    settle(tenant.id, LATER)
    assert members(tenant.id, made) == set()


def test_a_copy_is_a_segment_of_its_own(tenant: Any) -> None:
    (gold,) = people(tenant.id, membership_tier="Gold")
    made = segment(tenant.id, description="The best", refresh_frequency="WEEKLY")
    who: dict[str, Any] = {"tenant_id": tenant.id, "segment_id": made.id, "actor": ACTOR, "now": NOW}
    first, second = service.copy(**who), service.copy(**who)
    assert (first.name, second.name) == ("Copy of Gold", "Copy of Gold (2)")
    assert (first.description, first.criteria, first.refresh_frequency) == ("The best", made.criteria, "WEEKLY")
    settle(tenant.id)
    assert members(tenant.id, first) == {gold}


def test_a_snapshot_keeps_who_is_in_it(tenant: Any) -> None:
    (gold,) = people(tenant.id, membership_tier="Gold")
    made = segment(tenant.id)
    kept = service.snapshot(tenant_id=tenant.id, segment_id=made.id, actor=ACTOR, now=NOW)
    assert (kept.name, kept.type, kept.snapshot_of) == ("Gold, 21 November 2026", STATIC, made.id)
    settle(tenant.id)
    change(tenant.id, gold, membership_tier="Silver")
    people(tenant.id, membership_tier="Gold")
    settle(tenant.id)
    assert members(tenant.id, kept) == {gold}
    again = service.copy(tenant_id=tenant.id, segment_id=kept.id, actor=ACTOR, now=NOW)
    settle(tenant.id)
    assert members(tenant.id, again) == {gold}


def test_who_is_on_a_list_is_in_the_segment_at_once(tenant: Any) -> None:
    one, other, _ = people(tenant.id, 3)
    made = segment(tenant.id, None, "Guests", type=STATIC)
    who: dict[str, Any] = {"tenant_id": tenant.id, "segment_id": made.id, "actor": ACTOR, "tellers": ()}
    assert service.add_people(**who, customer_ids=[one, other, new_id()]) == 2
    assert service.add_people(**who, customer_ids=[one]) == 0
    assert members(tenant.id, made) == {one, other}
    assert service.remove_people(**who, customer_ids=[other], users=uses(running=True)) == 1
    assert members(tenant.id, made) == {one}
    with pytest.raises(service.InUse):
        service.remove_people(**who, customer_ids=[one], users=uses(running=True))
    assert service.remove_people(**who, customer_ids=[one], users=()) == 1
    check(tenant.id)
    assert queries.one(tenant_id=tenant.id, segment_id=made.id).member_count == 0


def test_only_static_segments_have_lists(tenant: Any) -> None:
    made = segment(tenant.id)
    with pytest.raises(Exception, match="told by its conditions"):
        service.add_people(tenant_id=tenant.id, segment_id=made.id, customer_ids=[new_id()], actor=ACTOR, tellers=())


def test_who_was_merged_stands_on_a_list_as_the_one_they_went_into(tenant: Any) -> None:
    (winner,), (loser,) = people(tenant.id, first_name="Anna"), people(tenant.id, first_name="Ann")
    made = segment(tenant.id, None, "Guests", type=STATIC)
    who: dict[str, Any] = {"tenant_id": tenant.id, "segment_id": made.id, "actor": ACTOR, "tellers": ()}
    service.add_people(**who, customer_ids=[loser])
    merge = merging.merge_customers(tenant_id=tenant.id, winner_id=winner, loser_id=loser, actor=ACTOR)
    settle(tenant.id)
    assert members(tenant.id, made) == {winner}
    merging.undo(tenant_id=tenant.id, merge_id=merge, actor=ACTOR)
    settle(tenant.id)
    assert members(tenant.id, made) == {loser}
    merging.merge_customers(tenant_id=tenant.id, winner_id=winner, loser_id=loser, actor=ACTOR)
    settle(tenant.id)
    # By either name they leave.
    assert service.remove_people(**who, customer_ids=[winner], users=()) == 1
    settle(tenant.id)
    assert members(tenant.id, made) == set()


def test_pasted_lines_find_their_people_and_say_who_is_nobody(tenant: Any) -> None:
    anna, ben, carl = people(tenant.id, 3)
    with_points = [(anna, "anna@mail.example"), (ben, "home@mail.example"), (carl, "home@mail.example")]
    for who, address in with_points:
        rows(
            tenant.id,
            "INSERT INTO contact_point (tenant_id, customer_id, kind, key, value)"
            " VALUES (:tenant, :who, 'email', :address, :address) RETURNING id",
            tenant=tenant.id,
            who=who,
            address=address,
        )
    rows(
        tenant.id,
        "INSERT INTO external_id (tenant_id, customer_id, kind, value)"
        " VALUES (:tenant, :who, 'scl_member_id', 'ZA7') RETURNING id",
        tenant=tenant.id,
        who=ben,
    )
    made = segment(tenant.id, None, "Guests", type=STATIC)
    found = service.add_pasted(
        tenant_id=tenant.id,
        segment_id=made.id,
        lines=" Anna@Mail.example \n\nZA7; nobody@mail.example, home@mail.example\nZA7\n\u200b\n" + "x" * 999,
        actor=ACTOR,
        tellers=(),
    )
    assert (found.added, found.ambiguous) == (2, ["home@mail.example"])
    assert found.unmatched == ["nobody@mail.example", "\u200b", "x" * 999]
    assert members(tenant.id, made) == {anna, ben}
    with pytest.raises(Invalid):
        service.add_pasted(tenant_id=tenant.id, segment_id=made.id, lines=" \n ", actor=ACTOR, tellers=())


def test_ready_made_segments_are_offered_until_they_are_there(tenant: Any) -> None:
    lead, member = people(tenant.id, lifecycle_stage="LEAD"), people(tenant.id, lifecycle_stage="MEMBER")
    offered = [one.key for one in ready_made.offered(tenant_id=tenant.id)]
    assert offered == list(ready_made.RECIPES)
    made = {key: ready_made.make(tenant_id=tenant.id, key=key, actor=ACTOR, now=NOW) for key in offered}
    assert ready_made.offered(tenant_id=tenant.id) == []
    assert ready_made.make(tenant_id=tenant.id, key="leads", actor=ACTOR).id == made["leads"].id
    settle(tenant.id)
    assert members(tenant.id, made["all_customers"]) == {*lead, *member}
    assert members(tenant.id, made["leads"]) == set(lead)
    # It may ask nothing, as no other may.
    assert redefine(tenant, made["all_customers"], description="Everybody").version == 1
    service.archive(tenant_id=tenant.id, segment_id=made["leads"].id, actor=ACTOR, users=())
    rows(tenant.id, "UPDATE segment SET name = 'Old leads' WHERE archived_at IS NOT NULL RETURNING id")
    assert ready_made.make(tenant_id=tenant.id, key="leads", actor=ACTOR).id != made["leads"].id
    with pytest.raises(ready_made.NoSuchRecipe):
        ready_made.make(tenant_id=tenant.id, key="enemies", actor=ACTOR)


def test_conditions_that_can_not_be_asked_any_more_stay_in_the_archive(tenant: Any) -> None:
    made = segment(tenant.id)
    who: dict[str, Any] = {"tenant_id": tenant.id, "segment_id": made.id, "actor": ACTOR}
    service.archive(**who, users=())
    rows(
        tenant.id,
        """UPDATE segment SET criteria = '{"rules": [{"field": "nonsense", "operator": "eq", "value": 1}]}'
           RETURNING id""",
    )
    with pytest.raises(InvalidConditions):
        service.unarchive(**who)


def test_uses_are_told_by_segment(tenant: Any) -> None:
    made = segment(tenant.id, PLAYED)
    assert usage.of(tenant_id=tenant.id, segment_ids=[made.id], users=[usage.by_segments]) == {}
    found = usage.of(tenant_id=tenant.id, segment_ids=[made.id], users=uses(running=True))
    assert [one.name for one in found[made.id]] == ["Welcome"]


def test_a_copy_of_everybody_can_be_changed_archived_and_taken_out_like_any_other(tenant: Any) -> None:
    everybody = ready_made.make(tenant_id=tenant.id, key="all_customers", actor=ACTOR, now=NOW)
    made = service.copy(tenant_id=tenant.id, segment_id=everybody.id, actor=ACTOR, now=NOW)
    # A form sends the conditions again with the name.
    redefine(tenant, made, name="All of them", criteria=made.criteria)
    assert redefine(tenant, made, refresh_frequency="WEEKLY").name == "All of them"
    service.archive(tenant_id=tenant.id, segment_id=made.id, actor=ACTOR, users=(), now=NOW)
    assert service.unarchive(tenant_id=tenant.id, segment_id=made.id, actor=ACTOR, now=NOW).archived_at is None
    redefine(tenant, made, criteria=GOLD)
    with pytest.raises(InvalidConditions):
        redefine(tenant, made, criteria=all_of())


def test_a_name_that_another_has_is_refused_beside_its_field(tenant: Any) -> None:
    segment(tenant.id, SILVER, "Silver")
    made = segment(tenant.id)
    with pytest.raises(service.NameTaken):
        redefine(tenant, made, name="silver")


def test_an_earlier_definition_by_which_it_was_everybody_comes_back(tenant: Any) -> None:
    who = {*people(tenant.id, 2), *people(tenant.id, membership_tier="Gold")}
    everybody = ready_made.make(tenant_id=tenant.id, key="all_customers", actor=ACTOR, now=NOW)
    copy = service.copy(tenant_id=tenant.id, segment_id=everybody.id, actor=ACTOR, now=NOW)
    redefine(tenant, copy, criteria=GOLD)
    settle(tenant.id, LATER)
    assert len(members(tenant.id, copy)) == 1
    back = service.restore(tenant_id=tenant.id, segment_id=copy.id, version=1, actor=ACTOR, users=(), now=LATER)
    assert (back.version, back.criteria) == (3, all_of())
    settle(tenant.id, LATER)
    assert members(tenant.id, copy) == who
    # By itself nobody makes one of everybody.
    with pytest.raises(InvalidConditions):
        redefine(tenant, segment(tenant.id), criteria=all_of())
