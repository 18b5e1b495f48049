"""Journeys that begin on a date of the customer, or at a time of a schedule."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, text

from app.accounts.models import Club, ClubClosure
from app.customers import custom_fields
from app.infra.db import transaction
from app.infra.working_days import WorkingDays
from app.journeys import lifecycle, queries, service
from app.journeys.engine import timed as engine
from app.journeys.kinds import words_of
from app.journeys.models import Journey
from app.journeys.step_type import Known
from app.journeys.timed import CATCH_UP, DateTrigger
from app.journeys.waits import UntilDate
from app.messaging.windows import JOURNEY
from app.segments import service as segments
from app.segments.work import run_step
from app.tasks.work import _due
from tests.journeys.helpers import NOW, check_counters, in_the_way, journey, people, rows, run, tag, tags

ZONE = "Africa/Johannesburg"
BIRTHDAY = {"field": "date_of_birth", "when": "on", "time": "09:00"}
Config = dict[str, Any]


def by_date(tenant: Any, config: Config, *, at: datetime = NOW, **settings: Any) -> Journey:
    """Return an active journey that begins with a date."""
    return _timed(tenant, "DATE", {"date": config}, at, {"allow_reentry": True, **settings})


def by_time(tenant: Any, config: Config, *, at: datetime = NOW, **settings: Any) -> Journey:
    return _timed(tenant, "SCHEDULE", {"schedule": config}, at, {"allow_reentry": True, **settings})


def _timed(tenant: Any, type_: str, config: Config, at: datetime, settings: Config) -> Journey:
    made = journey(
        tenant.id,
        [tag("mark", None, "seen")],
        active=False,
        trigger_type=type_,
        trigger_config=config,
        **{"timezone": ZONE, **settings},
    )
    lifecycle.activate(tenant_id=tenant.id, journey_id=made.id, actor="system", now=at)
    return queries.journey(tenant_id=tenant.id, journey_id=made.id)


def let_in(tenant: Any, now: datetime) -> None:
    while engine.run_due(tenant_id=tenant.id, now=now):
        pass


def entered(tenant: Any) -> list[tuple[UUID, str]]:
    return [
        (row.customer_id, row.entry)
        for row in rows(tenant.id, "SELECT customer_id, entry FROM journey_enrollment ORDER BY id")
    ]


def at(words: str) -> datetime:
    return datetime.fromisoformat(words).replace(tzinfo=UTC)


def test_a_birthday_comes_at_the_local_time_where_the_person_is(tenant: Any) -> None:
    born = date(1990, 11, 21)
    [here] = people(tenant.id, date_of_birth=born)
    [tokyo] = people(tenant.id, date_of_birth=born, timezone="Asia/Tokyo")
    people(tenant.id, date_of_birth=date(1990, 11, 22))
    people(tenant.id)
    made = by_date(tenant, BIRTHDAY)
    let_in(tenant, at("2026-11-21T00:05"))
    assert entered(tenant) == [(tokyo, "date:2026-11-21")]
    let_in(tenant, at("2026-11-21T06:59"))
    assert len(entered(tenant)) == 1
    let_in(tenant, at("2026-11-21T07:00"))
    assert entered(tenant)[1:] == [(here, "date:2026-11-21")]
    run(tenant.id, at("2026-11-21T07:01"))
    assert tags(tenant.id, here) == ["seen"]
    check_counters(tenant.id, made.id)


def test_a_club_s_clock_counts_for_who_has_none(tenant: Any) -> None:
    with transaction(tenant.id) as session:
        club = Club(
            tenant_id=tenant.id,
            name="Perth Links",
            country="AU",
            timezone="Australia/Perth",
            locale="en_AU",
            currency="AUD",
        )
        session.add(club)
        session.flush()
        club_id = club.id
    [member] = people(tenant.id, date_of_birth=date(1990, 11, 21), club_id=club_id)
    by_date(tenant, BIRTHDAY)
    let_in(tenant, at("2026-11-21T01:00"))
    assert entered(tenant) == [(member, "date:2026-11-21")]


def test_it_goes_by_the_journey_s_clock_where_the_journey_does(tenant: Any) -> None:
    [tokyo] = people(tenant.id, date_of_birth=date(1990, 11, 21), timezone="Asia/Tokyo")
    by_date(tenant, BIRTHDAY, clock=JOURNEY)
    let_in(tenant, at("2026-11-21T06:59"))
    assert entered(tenant) == []
    let_in(tenant, at("2026-11-21T07:00"))
    assert entered(tenant) == [(tokyo, "date:2026-11-21")]


def test_a_day_on_which_the_club_is_closed_is_put_off_to_its_next_working_day(tenant: Any) -> None:
    with transaction(tenant.id) as session:
        here = session.scalars(select(Club)).one().id
        other = Club(tenant_id=tenant.id, name="Perth", country="AU", timezone=ZONE, locale="en_AU", currency="AUD")
        session.add(other)
        session.flush()
        monday = date(2026, 11, 23)
        session.add(ClubClosure(tenant_id=tenant.id, club_id=here, name="Fair", starts_on=monday, ends_on=monday))
    saturday = date(1990, 11, 21)
    [closed] = people(tenant.id, date_of_birth=saturday, club_id=here)
    [open_] = people(tenant.id, date_of_birth=saturday, club_id=other.id)
    [of_none] = people(tenant.id, date_of_birth=date(1990, 11, 23))
    [later] = people(tenant.id, date_of_birth=date(1990, 11, 24), club_id=here)
    made = by_date(tenant, BIRTHDAY | {"working_days": True})
    let_in(tenant, at("2026-11-22T23:00"))
    assert entered(tenant) == []
    let_in(tenant, at("2026-11-23T07:00"))
    assert set(entered(tenant)) == {(open_, "date:2026-11-21"), (of_none, "date:2026-11-23")}
    let_in(tenant, at("2026-11-24T06:59"))
    assert len(entered(tenant)) == 2
    let_in(tenant, at("2026-11-24T07:00"))
    assert set(entered(tenant)[2:]) == {(closed, "date:2026-11-21"), (later, "date:2026-11-24")}
    check_counters(tenant.id, made.id)


def test_a_wait_for_a_date_is_put_off_to_a_working_day_too() -> None:
    until = UntilDate(field="date_of_birth", working_days=True)
    found = until.moment(date(1990, 11, 21), NOW, ZoneInfo(ZONE), WorkingDays())
    assert found == at("2026-11-23T07:00")


@pytest.mark.parametrize(
    ("config", "now", "expected"),
    [
        # The day before Monday 23 November is a Sunday: it comes on the Friday.
        ({"when": "before", "days": 1, "every": "once"}, "2026-11-20T06:59", "2026-11-20T07:00"),
        ({"when": "before", "days": 1, "every": "once"}, "2026-11-20T07:00", None),
        ({"when": "before", "days": 1}, "2026-11-20T06:59", "2026-11-20T07:00"),
        # Over for this year; the day before 23 November 2027 is a Monday.
        ({"when": "before", "days": 1}, "2026-11-20T07:00", "2027-11-22T07:00"),
        # What is over on the Saturday does not come on the Monday.
        ({"when": "after", "days": 5, "every": "once"}, "2026-11-28T06:59", "2026-11-30T07:00"),
        ({"when": "after", "days": 5, "every": "once"}, "2026-11-28T07:00", None),
    ],
)
def test_a_wait_before_a_date_is_never_late_and_what_is_over_is_over(
    config: Config, now: str, expected: str | None
) -> None:
    until = UntilDate.model_validate({"field": "expires_on", "working_days": True, **config})
    found = until.moment(date(2026, 11, 23), at(now), ZoneInfo(ZONE), WorkingDays())
    assert found == (at(expected) if expected else None)


def test_days_before_a_date_a_closed_day_is_made_good_for_before_it(tenant: Any) -> None:
    # The days before these are Friday to Monday.
    born = [date(1990, 11, day) for day in (21, 22, 23, 24)]
    members = [people(tenant.id, date_of_birth=one)[0] for one in born]
    made = by_date(tenant, BIRTHDAY | {"when": "before", "days": 1, "working_days": True}, at=at("2026-11-19T12:00"))
    let_in(tenant, at("2026-11-20T06:59"))
    assert entered(tenant) == []
    let_in(tenant, at("2026-11-20T07:00"))
    assert {one for one, _ in entered(tenant)} == set(members[:3])
    let_in(tenant, at("2026-11-23T07:00"))
    assert [one for one, _ in entered(tenant)][3:] == members[3:]
    check_counters(tenant.id, made.id)
    words = DateTrigger.model_validate({"field": "x", "when": "before", "days": 1, "working_days": True})
    assert words.words(Known()).endswith(", at 09:00, or on the last working day before that")


@pytest.mark.parametrize(
    ("config", "day"),
    [({"when": "before", "days": 3}, "2026-11-28"), ({"when": "after", "days": 30}, "2026-12-31")],
)
def test_days_before_and_after(tenant: Any, config: Config, day: str) -> None:
    [member] = people(tenant.id, joined_on=date(2020, 12, 1))
    by_date(tenant, {"field": "joined_on", **config})
    let_in(tenant, at(f"{day}T06:59"))
    assert entered(tenant) == []
    let_in(tenant, at(f"{day}T07:00"))
    assert entered(tenant) == [(member, "date:2026-12-01")]


def test_who_was_born_on_29_february_has_the_day_on_the_28th_in_other_years(tenant: Any) -> None:
    [leap] = people(tenant.id, date_of_birth=date(1992, 2, 29))
    by_date(tenant, BIRTHDAY, at=at("2027-01-01T00:00"))
    let_in(tenant, at("2027-02-28T07:00"))
    assert entered(tenant) == [(leap, "date:2027-02-28")]
    run(tenant.id, at("2027-02-28T07:01"))
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE journey SET next_run_at = '2028-02-28T00:00Z'"))
    let_in(tenant, at("2028-02-28T12:00"))
    assert len(entered(tenant)) == 1
    let_in(tenant, at("2028-02-29T07:00"))
    assert entered(tenant)[1:] == [(leap, "date:2028-02-29")]


def test_every_year_with_re_entry_and_never_twice_for_the_same_date(tenant: Any) -> None:
    [member] = people(tenant.id, date_of_birth=date(1990, 11, 21))
    made = by_date(tenant, BIRTHDAY)
    let_in(tenant, at("2026-11-21T08:00"))
    run(tenant.id, at("2026-11-21T08:00"))
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE journey SET next_run_at = '2026-11-21T00:00Z'"))
    let_in(tenant, at("2026-11-21T08:01"))
    assert entered(tenant) == [(member, "date:2026-11-21")]
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE journey SET next_run_at = '2027-11-21T00:00Z'"))
    let_in(tenant, at("2027-11-21T08:00"))
    assert [entry for _, entry in entered(tenant)] == ["date:2026-11-21", "date:2027-11-21"]
    check_counters(tenant.id, made.id)


def test_the_day_itself_is_no_anniversary(tenant: Any) -> None:
    people(tenant.id, joined_on=date(2026, 11, 21))
    by_date(tenant, {"field": "joined_on"})
    let_in(tenant, at("2026-11-21T12:00"))
    assert entered(tenant) == []


def test_a_custom_date_comes_once_and_who_gets_it_late_is_in_time_while_it_is_ahead(tenant: Any) -> None:
    custom_fields.add(tenant_id=tenant.id, actor="system", key="locker_until", label="Locker until", kind="DATE")
    [early] = people(tenant.id, custom={"locker_until": "2026-12-24"})
    [late] = people(tenant.id, custom={})
    [other_year] = people(tenant.id, custom={"locker_until": "2025-12-24"})
    config = {"field": "custom.locker_until", "when": "before", "days": 10, "every": "once"}
    made = by_date(tenant, config)
    with transaction(tenant.id) as session:
        session.execute(
            text("""UPDATE customer SET custom = '{"locker_until": "2026-12-24"}' WHERE id = :id"""), {"id": late}
        )
    let_in(tenant, at("2026-12-14T07:00"))
    assert {one for one, _ in entered(tenant)} == {early, late}
    assert other_year not in {one for one, _ in entered(tenant)}
    known = queries.known(tenant_id=tenant.id)
    graph = queries.draft(made)
    assert graph.trigger is not None
    assert words_of(graph.trigger, known) == "10 days before “Locker until”, at 09:00"


@pytest.mark.parametrize(("late", "made_good"), [(CATCH_UP - timedelta(hours=1), True), (CATCH_UP * 2, False)])
def test_a_missed_day_is_made_good_up_to_a_limit(tenant: Any, late: timedelta, made_good: bool) -> None:
    people(tenant.id, date_of_birth=date(1990, 11, 21))
    by_date(tenant, BIRTHDAY)
    let_in(tenant, at("2026-11-21T07:00") + late)
    assert bool(entered(tenant)) is made_good


def test_what_came_while_a_journey_was_paused_is_not_made_good(tenant: Any) -> None:
    people(tenant.id, date_of_birth=date(1990, 11, 21))
    made = by_date(tenant, BIRTHDAY)
    lifecycle.pause(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW)
    let_in(tenant, at("2026-11-21T08:00"))
    lifecycle.resume(tenant_id=tenant.id, journey_id=made.id, actor="system", now=at("2026-11-21T09:00"))
    let_in(tenant, at("2026-11-21T10:00"))
    assert entered(tenant) == []


@pytest.mark.parametrize(("pause", "goes_on"), [(timedelta(hours=5), True), (CATCH_UP * 2, False)])
def test_a_run_that_a_pause_cuts_off_goes_on_and_lets_in_nobody_of_the_pause(
    tenant: Any, monkeypatch: pytest.MonkeyPatch, pause: timedelta, goes_on: bool
) -> None:
    monkeypatch.setattr(engine, "AT_ONCE", 2)
    home: dict[str, Any] = {"timezone": "Europe/London"}
    members = people(tenant.id, 5, date_of_birth=date(1990, 11, 21), **home)
    behind = people(tenant.id, 1, date_of_birth=date(1990, 11, 21), timezone="Atlantic/Azores")
    early = people(tenant.id, 1, date_of_birth=date(1990, 11, 21), timezone="Europe/Berlin")
    next_year = people(tenant.id, 1, date_of_birth=date(1990, 11, 30), **home)
    made = by_date(tenant, BIRTHDAY)
    on: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    let_in(tenant, at("2026-11-21T08:59"))
    assert [one for one, _ in entered(tenant)] == early
    began = at("2026-11-21T09:05")
    assert engine.run_due(tenant_id=tenant.id, now=began) == 2
    lifecycle.pause(**on, now=began)
    assert engine.run_due(tenant_id=tenant.id, now=began + pause) == 0
    lifecycle.resume(**on, now=began + pause)
    let_in(tenant, began + pause)
    let_in(tenant, at("2026-11-30T10:00"))
    got = {one for one, _ in entered(tenant)}
    assert len(got & set(members)) == (5 if goes_on else 2)
    assert not got & set(behind), "theirs came at 10:00, while it was paused"
    assert got >= set(next_year)
    check_counters(tenant.id, made.id)
    [said] = rows(tenant.id, "SELECT detail FROM audit_entry WHERE action = 'journey.resume'")
    assert said.detail == {"run": "goes on" if goes_on else "missed"}


def test_a_second_pause_does_not_let_in_whose_date_came_in_the_first(
    tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "AT_ONCE", 2)
    members = people(tenant.id, 5, date_of_birth=date(1990, 11, 21), timezone="Europe/London")
    people(tenant.id, 1, date_of_birth=date(1990, 11, 21), timezone="Atlantic/Azores")
    made = by_date(tenant, BIRTHDAY)
    on: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    let_in(tenant, at("2026-11-21T08:59"))
    assert engine.run_due(tenant_id=tenant.id, now=at("2026-11-21T09:05")) == 2
    lifecycle.pause(**on, now=at("2026-11-21T09:05"))
    lifecycle.resume(**on, now=at("2026-11-21T10:05"))
    assert engine.run_due(tenant_id=tenant.id, now=at("2026-11-21T10:05")) == 2
    lifecycle.pause(**on, now=at("2026-11-21T10:06"))
    lifecycle.resume(**on, now=at("2026-11-21T10:10"))
    let_in(tenant, at("2026-11-21T10:10"))
    assert sorted(one for one, _ in entered(tenant)) == sorted(members), "another's came at 10:00, while it was paused"


def test_a_run_that_was_due_when_its_journey_was_paused_is_made_up(tenant: Any) -> None:
    [member] = people(tenant.id, 1, date_of_birth=date(1990, 11, 21))
    made = by_date(tenant, BIRTHDAY)
    on: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    lifecycle.pause(**on, now=at("2026-11-21T07:00") + timedelta(days=1))
    lifecycle.resume(**on, now=at("2026-11-21T07:00") + timedelta(days=2))
    let_in(tenant, at("2026-11-21T07:00") + timedelta(days=2))
    assert [one for one, _ in entered(tenant)] == [member]


def test_a_run_that_dies_in_between_goes_on_where_it_was(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "AT_ONCE", 2)
    members = people(tenant.id, 5, date_of_birth=date(1990, 11, 21))
    made = by_date(tenant, BIRTHDAY)
    assert engine.run_due(tenant_id=tenant.id, now=at("2026-11-21T07:00")) == 2
    # Whoever has the moment after the run began is let in by the next run.
    let_in(tenant, at("2026-11-21T07:30"))
    assert sorted(one for one, _ in entered(tenant)) == sorted(members)
    assert not engine.run_due(tenant_id=tenant.id, now=at("2026-11-21T07:30"))
    check_counters(tenant.id, made.id)


def test_the_tick_finds_it(tenant: Any) -> None:
    by_date(tenant, BIRTHDAY)
    assert ("advance_journeys", tenant.id) not in _due(NOW)
    assert ("advance_journeys", tenant.id) in _due(at("2026-11-21T09:00"))


def test_a_schedule_lets_a_segment_in_again_and_again(tenant: Any) -> None:
    rule = {"field": "membership_tier", "operator": "is", "value": "Gold"}
    criteria = {"combinator": "AND", "rules": [rule]}
    segment = segments.create(tenant_id=tenant.id, actor="system", name="Gold", criteria=criteria, now=NOW)
    gold = people(tenant.id, 3, membership_tier="Gold")
    people(tenant.id, 2)
    while run_step(tenant_id=tenant.id, tellers=()):
        pass
    config = {"starts_on": "2026-11-20", "rrule": "FREQ=WEEKLY", "time": "12:00", "segment_id": str(segment.id)}
    made = by_time(tenant, config)
    let_in(tenant, at("2026-11-20T09:59"))
    assert entered(tenant) == []
    for week in ("2026-11-20", "2026-11-27"):
        let_in(tenant, at(f"{week}T10:00"))
        run(tenant.id, at(f"{week}T10:01"))
    assert sorted(entered(tenant)) == sorted(
        (one, f"schedule:{week}") for one in gold for week in ("2026-11-20", "2026-11-27")
    )
    check_counters(tenant.id, made.id)
    trigger = queries.draft(made).trigger
    assert trigger is not None
    told = words_of(trigger, queries.known(tenant_id=tenant.id))
    assert told == "Every week from 20 November 2026 at 12:00: the segment “Gold”"


def test_a_schedule_that_comes_once_lets_in_everybody_of_the_club_and_is_over(tenant: Any) -> None:
    with transaction(tenant.id) as session:
        club = Club(
            tenant_id=tenant.id,
            name="Perth Links",
            country="AU",
            timezone="Australia/Perth",
            locale="en_AU",
            currency="AUD",
        )
        session.add(club)
        session.flush()
        club_id = club.id
    members = people(tenant.id, 2, club_id=club_id)
    people(tenant.id)
    made = by_time(tenant, {"starts_on": "2026-11-21"}, club_id=club_id, timezone="Australia/Perth")
    let_in(tenant, at("2026-11-21T01:00"))
    assert sorted(one for one, _ in entered(tenant)) == sorted(members)
    assert queries.journey(tenant_id=tenant.id, journey_id=made.id).next_run_at is None


def test_of_several_missed_times_the_last_is_made_good(tenant: Any) -> None:
    people(tenant.id)
    by_time(tenant, {"starts_on": "2026-11-21", "rrule": "FREQ=DAILY"})
    let_in(tenant, at("2026-11-23T08:00"))
    assert [entry for _, entry in entered(tenant)] == ["schedule:2026-11-23"]


def test_another_zone_moves_the_next_time(tenant: Any) -> None:
    people(tenant.id)
    made = by_time(tenant, {"starts_on": "2126-11-21"})
    service.update_settings(tenant_id=tenant.id, journey_id=made.id, actor="system", changes={"timezone": "Asia/Tokyo"})
    let_in(tenant, at("2026-11-23T08:00"))
    held = queries.journey(tenant_id=tenant.id, journey_id=made.id)
    assert held.next_run_at == at("2126-11-21T00:00")
    assert entered(tenant) == []


def test_a_changed_trigger_is_planned_anew_when_it_is_published(tenant: Any) -> None:
    made = by_time(tenant, {"starts_on": "2026-11-21"})
    step = queries.draft(made).trigger
    assert step is not None
    config = {"event_type": "SCHEDULE", "schedule": {"starts_on": "2026-11-25", "time": "10:00"}}
    service.configure_step(tenant_id=tenant.id, journey_id=made.id, actor="system", key="trigger", config=config)
    lifecycle.publish(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW)
    assert queries.journey(tenant_id=tenant.id, journey_id=made.id).next_run_at == at("2026-11-25T08:00")


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"event_type": "DATE"}, "date"),
        ({"event_type": "DATE", "date": {"field": "custom.nothing"}}, "date.field"),
        ({"event_type": "DATE", "date": {"field": "joined_on", "when": "before"}}, "date.days"),
        ({"event_type": "SCHEDULE"}, "schedule"),
        ({"event_type": "SCHEDULE", "schedule": {"starts_on": "2026-11-21", "rrule": "EVERY DAY"}}, "schedule.rrule"),
        ({"event_type": "MANUAL", "schedule": {"starts_on": "2026-11-21"}}, "schedule"),
    ],
)
def test_what_is_missing_or_wrong_stands_at_its_field(tenant: Any, config: Config, field: str) -> None:
    made = journey(tenant.id, [tag("mark", None, "seen")], active=False)
    service.configure_step(tenant_id=tenant.id, journey_id=made.id, actor="system", key="trigger", config=config)
    assert list(in_the_way(tenant.id, made.id)) == [f"steps.trigger.{field}"]


def test_the_next_moment_is_that_of_the_first_zone_there_is() -> None:
    config = DateTrigger(field="joined_on", time="09:00")
    assert config.next(at("2026-11-20T18:30")) == at("2026-11-20T19:00")  # Kiritimati, 14 hours ahead
    assert config.next(at("2026-11-20T19:00")) == at("2026-11-20T19:15")  # the Chathams, 13:45
