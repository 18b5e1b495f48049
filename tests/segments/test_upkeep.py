"""Whoever something happens to is in the right segments at once, and nobody else is looked at."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg.errors import DeadlockDetected
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.capture import merging
from app.infra import clock
from app.infra.db import transaction
from app.segments import membership, refresh, service, upkeep, usage, work
from app.segments.models import Segment
from tests.segments.helpers import (
    ACTOR,
    GOLD,
    NOW,
    PLAYED,
    all_of,
    change,
    did,
    due,
    members,
    people,
    play,
    rows,
    rule,
    segment,
    settle,
)


def test_a_new_segment_holds_those_who_fit(tenant: Any, other_tenant: Any) -> None:
    gold = people(tenant.id, 3, membership_tier="gold")
    people(tenant.id, 2, membership_tier="Silver")
    people(other_tenant.id, 2, membership_tier="Gold")
    made = segment(tenant.id)
    assert members(tenant.id, made) == set(gold)
    (found,) = rows(tenant.id, "SELECT * FROM segment")
    assert (found.member_count, found.refreshed_at, found.refreshing_since) == (3, NOW, None)
    # Midnight of Johannesburg.
    assert found.refresh_due_at.isoformat() == "2026-11-21T22:00:00+00:00"


def test_who_changes_enters_and_leaves(tenant: Any) -> None:
    (one,) = people(tenant.id)
    made = segment(tenant.id)
    change(tenant.id, one, membership_tier="Gold")
    assert settle(tenant.id, NOW + timedelta(minutes=1)) == 1
    assert members(tenant.id, made) == {one}
    change(tenant.id, one, membership_tier="Silver")
    settle(tenant.id, NOW + timedelta(minutes=2))
    assert members(tenant.id, made) == set()
    (past,) = rows(tenant.id, "SELECT * FROM segment_past_member")
    assert (past.customer_id, past.entered_at, past.left_at) == (
        one,
        NOW + timedelta(minutes=1),
        NOW + timedelta(minutes=2),
    )
    (day,) = rows(tenant.id, "SELECT * FROM segment_day")
    assert (day.day, day.entered, day.left, day.members) == (date(2026, 11, 21), 1, 1, 0)


def test_a_change_that_no_segment_asks_about_is_not_noted(tenant: Any) -> None:
    (one,) = people(tenant.id)
    segment(tenant.id, PLAYED, "Players")
    change(tenant.id, one, membership_tier="Gold")
    change(tenant.id, one, last_activity_at=NOW)
    play(tenant.id, one, type="payment.received")
    assert due(tenant.id) == 0
    play(tenant.id, one)
    assert due(tenant.id) == 1


def test_without_segments_nothing_is_noted(tenant: Any) -> None:
    (one, other) = people(tenant.id, 2)
    change(tenant.id, one, membership_tier="Gold")
    play(tenant.id, one)
    merging.merge_customers(tenant_id=tenant.id, winner_id=one, loser_id=other, actor=ACTOR)
    rows(tenant.id, "DELETE FROM customer RETURNING id")
    assert due(tenant.id) == 0


def test_new_people_are_looked_at_by_every_segment(tenant: Any) -> None:
    never = segment(tenant.id, all_of(did("teetime.completed", "eq", 0)), "Never played")
    gold = segment(tenant.id)
    found = people(tenant.id, 2, membership_tier="Gold")
    settle(tenant.id)
    assert members(tenant.id, never) == members(tenant.id, gold) == set(found)


def test_one_club_only(tenant: Any) -> None:
    club = rows(tenant.id, "SELECT id FROM club")[0].id
    (here,) = people(tenant.id, membership_tier="Gold", club_id=club)
    (there,) = people(tenant.id, membership_tier="Gold")
    made = segment(tenant.id, all_of(did("teetime.completed", "eq", 0)), club_id=club)
    assert members(tenant.id, made) == {here}
    change(tenant.id, there, club_id=club)
    change(tenant.id, here, club_id=None)
    settle(tenant.id)
    assert members(tenant.id, made) == {there}


KINDS: dict[str, tuple[Any, str]] = {
    "last_activity": (rule("last_activity_type", "eq", "x"), "UPDATE customer SET last_activity_type = 'x'"),
    "count of activities": (rule("activity_count_30d", "gte", 1), ""),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_change_finds_its_segments(tenant: Any, kind: str) -> None:
    (one,) = people(tenant.id)
    asked, act = KINDS[kind]
    made = segment(tenant.id, all_of(asked))
    assert members(tenant.id, made) == set()
    if act:
        rows(tenant.id, f"{act} RETURNING id")
    else:
        # The last thirty days are those of the database's clock.
        play(tenant.id, one, at=clock.now())
    settle(tenant.id)
    assert members(tenant.id, made) == {one}


def test_consent_by_topic(tenant: Any) -> None:
    (one,) = people(tenant.id, email="anna@mail.example")
    made = segment(tenant.id, all_of(rule("consent.news.EMAIL", "eq", "subscribed")))
    topic = rows(tenant.id, "SELECT id FROM topic WHERE key = 'news'")[0].id
    rows(
        tenant.id,
        """INSERT INTO consent (tenant_id, customer_id, channel, topic_id, state, said_at)
           VALUES (:tenant, :one, 'EMAIL', :topic, 'subscribed', now()) RETURNING id""",
        tenant=tenant.id,
        one=one,
        topic=topic,
    )
    settle(tenant.id)
    assert members(tenant.id, made) == {one}


def test_merged_people_leave_and_come_back_when_the_merge_is_undone(tenant: Any) -> None:
    (winner,) = people(tenant.id, first_name="Anna")
    (loser,) = people(tenant.id, first_name="Ann", membership_tier="Gold")
    play(tenant.id, loser)
    gold, played = segment(tenant.id), segment(tenant.id, PLAYED, "Players")
    assert members(tenant.id, gold) == members(tenant.id, played) == {loser}
    merge = merging.merge_customers(tenant_id=tenant.id, winner_id=winner, loser_id=loser, actor=ACTOR)
    settle(tenant.id)
    assert members(tenant.id, gold) == members(tenant.id, played) == {winner}
    merging.undo(tenant_id=tenant.id, merge_id=merge, actor=ACTOR)
    settle(tenant.id)
    assert members(tenant.id, gold) == members(tenant.id, played) == {loser}


def test_nothing_is_left_of_customers_who_are_deleted(tenant: Any) -> None:
    one, other = people(tenant.id, 2, membership_tier="Gold")
    made = segment(tenant.id)
    change(tenant.id, one, membership_tier="Silver")
    settle(tenant.id)
    change(tenant.id, one, membership_tier="Gold")
    settle(tenant.id)
    rows(tenant.id, "DELETE FROM customer WHERE id = :one RETURNING id", one=one)
    # At once, not when somebody looks.
    assert members(tenant.id, made) == {other}
    assert rows(tenant.id, "SELECT FROM segment_past_member") == []
    settle(tenant.id)
    (day,) = rows(tenant.id, "SELECT * FROM segment_day")
    assert (day.entered, day.left, day.members) == (1, 2, 1)
    assert due(tenant.id) == 0


def test_who_waits_to_be_asked_stays_as_it_is(tenant: Any) -> None:
    one, other = people(tenant.id, 2, membership_tier="Gold")
    made = segment(tenant.id, refresh_frequency="MANUAL")
    (new,) = people(tenant.id, membership_tier="Gold")
    change(tenant.id, one, membership_tier="Silver")
    assert due(tenant.id) == 0
    merging.merge_customers(tenant_id=tenant.id, winner_id=new, loser_id=other, actor=ACTOR)
    settle(tenant.id, NOW + timedelta(days=30))
    # Only who is no customer any more has left.
    assert members(tenant.id, made) == {one}


def test_a_change_during_a_refresh_is_not_lost(tenant: Any) -> None:
    stays, leaves = people(tenant.id, 2, membership_tier="Gold")
    made = segment(tenant.id)
    later = NOW + timedelta(days=1)
    assert refresh.begin(tenant_id=tenant.id, segment_id=made.id, now=later)
    # The refresh has begun; whatever it saw, this comes after.
    change(tenant.id, leaves, membership_tier="Silver")
    (new,) = people(tenant.id, membership_tier="Gold")
    assert upkeep.run_batch(tenant_id=tenant.id, now=later) == 2
    assert members(tenant.id, made) == {stays, leaves}
    # They wait for its end, and nobody turns in circles until then.
    assert upkeep.run_batch(tenant_id=tenant.id, now=later) == 0
    assert due(tenant.id) == 2
    settle(tenant.id, later)
    assert members(tenant.id, made) == {stays, new}
    assert due(tenant.id) == 0


def test_a_refresh_that_was_killed_is_taken_up_again(tenant: Any) -> None:
    (one,) = people(tenant.id, membership_tier="Gold")
    made = segment(tenant.id)
    change(tenant.id, one, membership_tier="Silver")
    later = NOW + timedelta(days=1)
    assert refresh.begin(tenant_id=tenant.id, segment_id=made.id, now=later)
    settle(tenant.id, later + timedelta(seconds=2))
    assert members(tenant.id, made) == set()
    (found,) = rows(tenant.id, "SELECT refreshing_since, refresh_due_at FROM segment")
    assert found.refreshing_since is None
    assert found.refresh_due_at > later


def test_a_refresh_that_loses_a_deadlock_is_a_step_of_its_own_again(tenant: Any, monkeypatch: Any) -> None:
    """Begun again within one job it might take longer than a job may."""
    gold = people(tenant.id, 1, membership_tier="Gold")
    made = service.create(tenant_id=tenant.id, actor=ACTOR, name="Gold", criteria=GOLD, now=NOW)
    asked: list[Any] = []

    def lose(*_: Any, **__: Any) -> Any:
        asked.append(1)
        raise OperationalError("", {}, DeadlockDetected())

    monkeypatch.setattr(refresh.membership, "write", lose)
    assert work.run_step(tenant_id=tenant.id, now=NOW) == 1
    assert len(asked) == 1
    (found,) = rows(tenant.id, "SELECT refresh_error, refreshing_since, refresh_due_at FROM segment")
    assert (found.refresh_error, found.refreshing_since, found.refresh_due_at) == (None, NOW, NOW)
    monkeypatch.undo()
    settle(tenant.id)
    assert members(tenant.id, made) == set(gold)


def test_a_definition_that_changes_during_its_refresh_is_asked_anew(tenant: Any, monkeypatch: Any) -> None:
    gold = people(tenant.id, 1, membership_tier="Gold")
    made = service.create(tenant_id=tenant.id, actor=ACTOR, name="Gold", criteria=GOLD, now=NOW)
    written = refresh.membership.write

    def change_meanwhile(*args: Any, **more: Any) -> Any:
        found = written(*args, **more)
        with transaction(tenant.id) as session:
            session.execute(text("UPDATE segment SET version = version + 1, refresh_due_at = :now"), {"now": NOW})
        return found

    monkeypatch.setattr(refresh.membership, "write", change_meanwhile)
    with pytest.raises(refresh._ChangedMeanwhile):
        refresh.finish(tenant_id=tenant.id, segment_id=made.id, now=NOW)
    monkeypatch.undo()
    settle(tenant.id)
    assert members(tenant.id, made) == set(gold)


def test_a_segment_that_cannot_be_asked_keeps_its_members_and_says_why(tenant: Any) -> None:
    (one,) = people(tenant.id, membership_tier="Gold")
    broken, sound = segment(tenant.id), segment(tenant.id, name="Also gold")
    rows(
        tenant.id,
        """UPDATE segment SET criteria = '{"rules": [{"field": "nonsense", "operator": "eq", "value": 1}]}'
           WHERE id = :id RETURNING id""",
        id=broken.id,
    )
    change(tenant.id, one, membership_tier="Silver")
    settle(tenant.id)
    assert (members(tenant.id, broken), members(tenant.id, sound)) == ({one}, set())
    settle(tenant.id, NOW + timedelta(days=1))
    assert members(tenant.id, broken) == {one}
    (found,) = rows(tenant.id, "SELECT * FROM segment WHERE refresh_error IS NOT NULL")
    assert found.id == broken.id
    assert "nonsense" in found.refresh_error
    assert found.refreshing_since is None
    assert found.refresh_due_at == NOW + timedelta(days=1) + refresh.TRY_AGAIN


def test_one_that_fails_in_the_database_does_not_hold_up_the_others(tenant: Any, monkeypatch: Any) -> None:
    (one,) = people(tenant.id)
    broken, sound = segment(tenant.id), segment(tenant.id, name="Also gold")
    asked = upkeep.Question.of_few

    def divide(question: Any, *where: Any) -> Any:
        return text("1 / (SELECT 0) = 1") if question.segment.id == broken.id else asked(question, *where)

    monkeypatch.setattr(upkeep.Question, "of_few", divide)
    change(tenant.id, one, membership_tier="Gold")
    settle(tenant.id)
    assert (members(tenant.id, broken), members(tenant.id, sound)) == (set(), {one})
    (found,) = rows(tenant.id, "SELECT id FROM segment WHERE refresh_error IS NOT NULL")
    assert found.id == broken.id


def test_time_alone_takes_people_out_at_midnight_of_the_club(tenant: Any) -> None:
    born = date(1980, 11, 22)
    (one,) = people(tenant.id, date_of_birth=born)
    made = segment(tenant.id, all_of(rule("date_of_birth", "anniversary_next", "0 days")))
    assert members(tenant.id, made) == set()
    midnight = NOW.replace(hour=22)
    assert settle(tenant.id, midnight - timedelta(seconds=1)) == 0
    assert settle(tenant.id, midnight) == 1
    assert members(tenant.id, made) == {one}
    settle(tenant.id, midnight + timedelta(days=1))
    assert members(tenant.id, made) == set()


def test_many_segments_and_many_people_in_one_statement(tenant: Any) -> None:
    made: list[Segment] = [
        service.create(
            tenant_id=tenant.id,
            actor=ACTOR,
            name=f"At least {at} rounds",
            criteria=all_of(did("teetime.completed", "gte", at)),
            now=NOW,
        )
        for at in range(1, 6)
    ]
    settle(tenant.id)
    who = people(tenant.id, 5)
    for at, one in enumerate(who, 1):
        for _ in range(at):
            play(tenant.id, one)
    settle(tenant.id)
    for at, one in enumerate(made, 1):
        assert members(tenant.id, one) == set(who[at - 1 :])


def test_a_segment_that_is_deleted_takes_all_of_it_along(tenant: Any) -> None:
    (one,) = people(tenant.id, membership_tier="Gold")
    made = segment(tenant.id)
    change(tenant.id, one, membership_tier="Silver")
    settle(tenant.id)
    change(tenant.id, one, membership_tier="Gold")
    settle(tenant.id)
    change(tenant.id, one, membership_tier="Silver")
    rows(tenant.id, "DELETE FROM segment WHERE id = :id RETURNING id", id=made.id)
    for table in ("segment_member", "segment_past_member", "segment_day", "segment_dependency", "segment_version"):
        assert rows(tenant.id, f"SELECT FROM {table}") == [], table
    settle(tenant.id)
    assert due(tenant.id) == 0


def test_tellers_hear_of_each_who_moves_but_not_of_a_first_refresh(tenant: Any) -> None:
    def teller(session: Any, tenant_id: UUID, now: Any) -> list[Any]:
        assert tenant_id == tenant.id
        return [
            text("""
                INSERT INTO tag (tenant_id, name)
                SELECT :tenant_id, 'in:' || customer_id FROM entered UNION ALL
                SELECT :tenant_id, 'out:' || customer_id FROM gone
            """)
        ]

    (first,) = people(tenant.id, membership_tier="Gold")
    service.create(tenant_id=tenant.id, actor=ACTOR, name="Gold", criteria=GOLD, now=NOW)
    settle(tenant.id, tellers=[teller])
    assert rows(tenant.id, "SELECT name FROM tag") == []
    (second,) = people(tenant.id, membership_tier="Gold")
    change(tenant.id, first, membership_tier=None)
    settle(tenant.id, tellers=[teller])
    assert {row.name for row in rows(tenant.id, "SELECT name FROM tag")} == {f"in:{second}", f"out:{first}"}


def test_people_follow_through_segments_that_ask_about_segments(tenant: Any) -> None:
    gold = segment(tenant.id)
    both = segment(tenant.id, all_of(rule("segments", "contains", str(gold.id)), *PLAYED["rules"]), "Gold who play")
    others = segment(tenant.id, all_of(rule("segments", "not_contains", str(both.id))), "Others")
    one, other = people(tenant.id, 2)
    play(tenant.id, one, other)
    settle(tenant.id)
    assert (members(tenant.id, both), members(tenant.id, others)) == (set(), {one, other})
    change(tenant.id, one, membership_tier="Gold")
    settle(tenant.id)
    assert (members(tenant.id, both), members(tenant.id, others)) == ({one}, {other})


def test_after_many_moves_segments_that_ask_about_them_are_refreshed(tenant: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(membership, "MOST_DUE", 2)
    gold = segment(tenant.id)
    also = segment(tenant.id, all_of(rule("segments", "in", [str(gold.id)])), "Also gold")
    found = people(tenant.id, 3)
    change(tenant.id, *found, membership_tier="Gold")
    settle(tenant.id)
    assert members(tenant.id, also) == set(found)


def test_a_segment_that_asks_about_itself_is_refused_with_the_way_in_words(tenant: Any) -> None:
    gold = segment(tenant.id)
    second = segment(tenant.id, all_of(rule("segments", "contains", str(gold.id))), "Second")
    third = segment(tenant.id, all_of({"not": rule("segments", "in", [str(second.id)])}), "Third")
    circle = all_of(*GOLD["rules"], rule("segments", "contains", str(third.id)))
    with pytest.raises(service.Circle) as refused:
        service.change(tenant_id=tenant.id, segment_id=gold.id, actor=ACTOR, changes={"criteria": circle}, users=())
    assert refused.value.way == ["Gold", "Third", "Second", "Gold"]
    assert "“Gold” asks who is in “Third” asks" in refused.value.errors["criteria"]
    with pytest.raises(service.Circle):
        segment(tenant.id, all_of(rule("segments", "isNull")), "In none")
    # What is switched off asks nothing.
    switched_off = all_of(*GOLD["rules"], rule("segments", "contains", str(third.id)) | {"disabled": True})
    service.change(tenant_id=tenant.id, segment_id=gold.id, actor=ACTOR, changes={"criteria": switched_off}, users=())
    found = usage.of(tenant_id=tenant.id, segment_ids=[gold.id, second.id], users=[usage.by_segments])
    assert {key: [one.name for one in uses] for key, uses in found.items()} == {
        gold.id: ["Second"],
        second.id: ["Third"],
    }
