"""Statements are kept between batches, and say what they say today: whatever they are made of makes others of them."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.customers import custom_fields, topics
from app.segments import kept, service
from tests.segments.helpers import ACTOR, NOW, all_of, change, did, members, people, play, rows, rule, segment, settle

PLAYED = all_of(did("teetime.completed", within="90 days"))


def touch(tenant_id: UUID, *who: UUID) -> None:
    rows(
        tenant_id,
        "INSERT INTO segment_due (tenant_id, customer_id) SELECT :tenant, unnest(CAST(:who AS uuid[])) RETURNING id",
        tenant=tenant_id,
        who=list(who),
    )


def test_a_statement_is_made_once_and_knows_what_time_it_is(tenant: Any) -> None:
    (one,) = people(tenant.id, date_of_birth=date(1980, 11, 23))
    played = segment(tenant.id, PLAYED, "Played")
    born = segment(tenant.id, all_of(rule("date_of_birth", "anniversary_next", "1 day")), "Birthday")
    play(tenant.id, one)
    settle(tenant.id)
    assert (members(tenant.id, played), members(tenant.id, born)) == ({one}, set())
    touch(tenant.id, one)
    settle(tenant.id)
    made = kept.asked.cache_info().misses
    for days, wanted in ((1, ({one}, {one})), (2, ({one}, {one})), (3, ({one}, set())), (90, (set(), set()))):
        touch(tenant.id, one)
        later = NOW + timedelta(days=days)
        rows(tenant.id, "UPDATE segment SET refresh_due_at = NULL RETURNING id")
        settle(tenant.id, later)
        assert (members(tenant.id, played), members(tenant.id, born)) == wanted, days
    assert kept.asked.cache_info().misses == made


def test_another_definition_is_asked(tenant: Any) -> None:
    gold, silver = people(tenant.id, membership_tier="Gold") + people(tenant.id, membership_tier="Silver")
    made = segment(tenant.id)
    touch(tenant.id, gold, silver)
    settle(tenant.id)
    # As it is without a refresh, which would ask anew anyway.
    rows(
        tenant.id,
        """UPDATE segment SET criteria = jsonb_set(criteria, '{rules,0,value}', '"Silver"') RETURNING id""",
    )
    touch(tenant.id, gold, silver)
    settle(tenant.id)
    assert members(tenant.id, made) == {silver}


def test_another_schedule_and_another_type_are_seen(tenant: Any) -> None:
    (one,) = people(tenant.id, membership_tier="Gold")
    made = segment(tenant.id)
    touch(tenant.id, one)
    settle(tenant.id)
    rows(tenant.id, "UPDATE segment SET refresh_frequency = 'MANUAL' RETURNING id")
    change(tenant.id, one, membership_tier="Silver")
    touch(tenant.id, one)
    settle(tenant.id)
    assert members(tenant.id, made) == {one}
    rows(tenant.id, "UPDATE segment SET refresh_frequency = 'DAILY' RETURNING id")
    touch(tenant.id, one)
    settle(tenant.id)
    assert members(tenant.id, made) == set()


def test_another_club_and_another_zone_are_seen(tenant: Any) -> None:
    club = rows(tenant.id, "SELECT id FROM club")[0].id
    here, there = people(tenant.id, club_id=club) + people(tenant.id)
    rows(tenant.id, "UPDATE customer SET date_of_birth = '1980-11-22' RETURNING id")
    made = segment(tenant.id, all_of(rule("date_of_birth", "anniversary_next", "0 days")))
    touch(tenant.id, here, there)
    settle(tenant.id)
    assert members(tenant.id, made) == set()
    # In Kiritimati it is the 22nd already.
    rows(tenant.id, "UPDATE tenant SET timezone = 'Pacific/Kiritimati' RETURNING id")
    touch(tenant.id, here, there)
    settle(tenant.id)
    assert members(tenant.id, made) == {here, there}
    rows(tenant.id, "UPDATE segment SET club_id = :club RETURNING id", club=club)
    rows(tenant.id, "UPDATE club SET timezone = 'Pacific/Kiritimati' RETURNING id")
    touch(tenant.id, here, there)
    settle(tenant.id)
    assert members(tenant.id, made) == {here}
    rows(tenant.id, "UPDATE club SET timezone = 'Africa/Johannesburg' RETURNING id")
    touch(tenant.id, here, there)
    settle(tenant.id)
    assert members(tenant.id, made) == set()


def test_a_topic_that_asks_for_a_yes_of_its_own_is_seen(tenant: Any) -> None:
    (one,) = people(tenant.id, email="anna@mail.example", email_opt_in=True, email_opt_in_at=NOW)
    made = segment(tenant.id, all_of(rule("can_be_mailed.news", "eq", True)))
    touch(tenant.id, one)
    settle(tenant.id)
    assert members(tenant.id, made) == {one}
    about = next(topic for topic in topics.topics(tenant_id=tenant.id) if topic.key == "news")
    topics.update(tenant_id=tenant.id, topic_id=about.id, changes={"opt_in_only": True}, actor=ACTOR)
    rows(tenant.id, "UPDATE segment SET refresh_due_at = NULL RETURNING id")
    touch(tenant.id, one)
    settle(tenant.id)
    assert members(tenant.id, made) == set()


def test_a_field_of_another_kind_is_seen(tenant: Any) -> None:
    shoe = custom_fields.add(tenant_id=tenant.id, key="shoe", label="Shoe", kind="NUMBER", actor=ACTOR)
    (one,) = people(tenant.id)
    made = segment(tenant.id, all_of({"not": rule("custom.shoe", "gt", 40)}))
    touch(tenant.id, one)
    settle(tenant.id)
    custom_fields.change(tenant_id=tenant.id, field_id=shoe.id, changes={"kind": "TEXT"}, actor=ACTOR)
    touch(tenant.id, one)
    settle(tenant.id)
    (found,) = rows(tenant.id, "SELECT refresh_error FROM segment")
    assert "Shoe can't be compared with" in found.refresh_error
    custom_fields.change(tenant_id=tenant.id, field_id=shoe.id, changes={"kind": "NUMBER"}, actor=ACTOR)
    rows(tenant.id, """UPDATE customer SET custom = '{"shoe": 39}' RETURNING id""")
    settle(tenant.id)
    assert members(tenant.id, made) == {one}


def test_who_begins_to_listen_is_told(tenant: Any) -> None:
    (one,) = people(tenant.id)
    segment(tenant.id)
    teller = text("INSERT INTO tag (tenant_id, name) SELECT :tenant_id, 'in:' || customer_id FROM entered")
    for tellers, told in (((), []), ((lambda *_: [teller],), [f"in:{one}"])):
        change(tenant.id, one, membership_tier="Silver")
        settle(tenant.id)
        change(tenant.id, one, membership_tier="Gold")
        settle(tenant.id, tellers=tellers)
        assert [row.name for row in rows(tenant.id, "SELECT name FROM tag")] == told


def test_one_that_is_archived_or_deleted_is_not_asked(tenant: Any) -> None:
    (one,) = people(tenant.id, membership_tier="Gold")
    other, gone = segment(tenant.id), segment(tenant.id, name="Also gold")
    touch(tenant.id, one)
    settle(tenant.id)
    service.archive(tenant_id=tenant.id, segment_id=gone.id, actor=ACTOR, users=(), now=NOW)
    change(tenant.id, one, membership_tier="Silver")
    settle(tenant.id)
    assert (members(tenant.id, other), members(tenant.id, gone)) == (set(), {one})
