"""When campaigns are sent: rules, zones, nights on which the clocks change, and one occurrence a local date."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.campaigns import queries, running, schedule, service
from app.campaigns.states import Status
from app.infra import recurrence
from app.infra.errors import Invalid
from tests.campaigns.conftest import ACTOR, NOON, Club
from tests.messaging.sink import Sink

LONDON = ZoneInfo("Europe/London")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def told(rule: str, clock: str, start: str, zone: str, now: str, limit: int = 5) -> list[str]:
    """Return the next moments of a recurrence, in UTC."""
    kept = schedule.read(
        {"rrule": rule, "local_time": clock, "start_at": f"{start}T00:00"},
        type_="RECURRING",
        zone=ZoneInfo(zone),
        now=at(now),
    )
    found = schedule.coming(kept, type_="RECURRING", zones=[ZoneInfo(zone)], now=at(now), limit=limit)
    return [f"{moment:%Y-%m-%dT%H:%M}" for _, moment in found]


@pytest.mark.parametrize(
    ("rule", "clock", "start", "zone", "expected"),
    [
        # Clocks go forward on 29 March 2026 in London: 01:30 is left out, and the first minute after stands for it.
        ("FREQ=DAILY", "01:30", "2026-03-28", "Europe/London",
         ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]),
        # And back on 25 October: 01:30 is there twice, and counts once, the first time.
        ("FREQ=DAILY", "01:30", "2026-10-24", "Europe/London",
         ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"]),
        ("FREQ=DAILY", "09:00", "2026-03-28", "Europe/London",
         ["2026-03-28T09:00", "2026-03-29T08:00", "2026-03-30T08:00"]),
        ("FREQ=DAILY", "02:30", "2026-03-07", "America/New_York",
         ["2026-03-07T07:30", "2026-03-08T07:00", "2026-03-09T06:30"]),
        ("FREQ=WEEKLY;BYDAY=MO,TH", "09:00", "2026-03-01", "Africa/Johannesburg",
         ["2026-03-02T07:00", "2026-03-05T07:00", "2026-03-09T07:00"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31", "09:00", "2026-01-01", "Africa/Johannesburg",
         ["2026-01-31T07:00", "2026-03-31T07:00", "2026-05-31T07:00"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "09:00", "2026-01-15", "Africa/Johannesburg",
         ["2026-01-31T07:00", "2026-02-28T07:00", "2026-03-31T07:00"]),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "09:00", "2026-01-15", "Africa/Johannesburg",
         ["2028-02-29T07:00", "2032-02-29T07:00", "2036-02-29T07:00"]),
        ("FREQ=MONTHLY;BYDAY=2TU", "18:00", "2026-01-01", "Pacific/Auckland",
         ["2026-01-13T05:00", "2026-02-10T05:00", "2026-03-10T05:00"]),
    ],
)  # fmt: skip
def test_local_times_stay_what_they_are(rule: str, clock: str, start: str, zone: str, expected: list[str]) -> None:
    assert told(rule, clock, start, zone, "2025-12-31T00:00:00+00:00", len(expected)) == expected


def test_a_rule_that_ends_ends() -> None:
    now = "2026-01-01T00:00:00+00:00"
    assert len(told("FREQ=DAILY;COUNT=3", "09:00", "2026-01-01", "UTC", now)) == 3
    assert told("FREQ=DAILY;UNTIL=20260102", "09:00", "2026-01-01", "UTC", now) == [
        "2026-01-01T09:00",
        "2026-01-02T09:00",
    ]
    # Those that have passed count.
    assert len(told("FREQ=DAILY;COUNT=3", "09:00", "2026-01-01", "UTC", "2026-01-02T10:00:00+00:00")) == 1


@pytest.mark.parametrize(
    "rule",
    ["", "x", "FREQ=HOURLY", "FREQ=SECONDLY", "FREQ=DAILY;BYHOUR=1", "FREQ=DAILY;COUNT=2;UNTIL=20260101",
     "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;FREQ=DAILY", "FREQ=MONTHLY;BYMONTHDAY=0", "FREQ=DAILY;COUNT=9999",
     "FREQ=WEEKLY;BYDAY=XX", "INTERVAL=2", "FREQ=DAILY;UNTIL=20269999", "FREQ=DAILY\nDTSTART:20200101"],
)  # fmt: skip
def test_rules_that_are_none_are_refused(rule: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        recurrence.read_rule(rule)


def test_a_moment_with_an_offset_is_read_in_the_campaign_s_zone() -> None:
    kept = schedule.read(
        {"start_at": at("2026-07-01T09:00:00+02:00")},
        type_="ONE_TIME",
        zone=LONDON,
        now=at("2026-01-01T00:00:00+00:00"),
    )
    assert kept == {"mode": "at", "start_at": "2026-07-01T08:00"}


def test_what_is_wrong_stands_at_its_part() -> None:
    with pytest.raises(Invalid) as refused:
        schedule.read(
            {"mode": "sometime", "start_at": "soon", "local_time": "25:00", "rrule": "x"},
            type_="RECURRING",
            zone=LONDON,
            now=NOON,
        )
    assert set(refused.value.errors) == {
        "schedule.mode",
        "schedule.start_at",
        "schedule.local_time",
        "schedule.rrule",
    }


DAILY: dict[str, Any] = {"rrule": "FREQ=DAILY", "local_time": "15:00", "start_at": "2026-11-20T00:00"}


def test_each_occurrence_is_sent_once_to_those_of_its_day(club: Club, sink: Sink) -> None:
    where = club.segment(club.people(2))
    campaign = club.campaign(where, type="RECURRING", schedule=DAILY)
    club.act("start", campaign)
    for day, arrived in enumerate((2, 5, 9)):
        for minute in (0, 1, 30):
            club.work(timedelta(days=day, hours=1, minutes=minute))
        assert len(sink.letters) == arrived
        club.rows(
            "INSERT INTO segment_member (tenant_id, segment_id, customer_id, entered_at)"
            " VALUES (:t, :s, :c, now()) RETURNING 1",
            t=club.tenant_id, s=where, c=club.people(1)[0],
        )  # fmt: skip
    runs = club.rows("SELECT occurrence, status, people FROM campaign_run ORDER BY occurrence")
    assert [tuple(run) for run in runs] == [
        ("2026-11-20", "completed", 2),
        ("2026-11-21", "completed", 3),
        ("2026-11-22", "completed", 4),
    ]
    assert club.status(campaign) == Status.SCHEDULED


def test_the_last_occurrence_completes_it(club: Club, sink: Sink) -> None:
    campaign = club.campaign(club.people(1), type="RECURRING", schedule=DAILY | {"rrule": "FREQ=DAILY;COUNT=2"})
    club.act("start", campaign)
    for hours in (1, 1.1, 25, 25.1, 49):
        club.work(timedelta(hours=hours))
    assert (len(sink.letters), club.status(campaign)) == (2, Status.COMPLETED)


def test_what_came_while_it_was_paused_is_left_out(club: Club, sink: Sink) -> None:
    campaign = club.campaign(club.people(1), type="RECURRING", schedule=DAILY)
    club.act("start", campaign)
    club.act("pause", campaign)
    club.work(timedelta(days=2))
    assert not sink.letters
    resumed = club.act("resume", campaign, timedelta(days=2))
    assert resumed.status == Status.SCHEDULED
    assert resumed.due_at == NOON + timedelta(days=2, hours=1)


def test_what_nobody_was_there_to_begin_is_told_and_left_out(club: Club, sink: Sink) -> None:
    campaign = club.campaign(club.people(1), type="RECURRING", schedule=DAILY)
    club.act("start", campaign)
    club.work(timedelta(days=3))
    (run,) = club.rows("SELECT occurrence, status, error FROM campaign_run")
    assert (run.occurrence, run.status) == ("2026-11-20", "failed")
    assert "too late" in run.error
    assert not sink.letters
    assert club.status(campaign) == Status.SCHEDULED
    club.work(timedelta(days=3, hours=1))
    assert len(sink.letters) == 1


def test_two_who_look_at_the_same_moment_begin_it_once(club: Club, sink: Sink) -> None:
    campaign = club.campaign(club.people(1), type="RECURRING", schedule=DAILY)
    club.act("start", campaign)
    for _ in range(3):
        club.rows("UPDATE campaign SET due_at = :at, next_occurrence = '2026-11-20T15:00' RETURNING 1", at=NOON)
        running.run_step(tenant_id=club.tenant_id, now=NOON)
    assert len(club.rows("SELECT 1 FROM campaign_run")) == 1


def test_a_date_is_one_occurrence_whatever_the_clock_says() -> None:
    kept = {"mode": "at", "rrule": "FREQ=DAILY", "local_time": "01:30", "start_at": "2026-10-24"}
    found = schedule.coming(kept, type_="RECURRING", zones=[LONDON], now=at("2026-10-24T22:00:00+00:00"), limit=400)
    days = [local.date() for local, _ in found]
    assert days[0] == date(2026, 10, 25)
    assert len(days) == len(set(days)) == 400


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=31",
        "FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=2,4,6",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=9",
        "FREQ=DAILY;BYSETPOS=2",
        "FREQ=DAILY;BYDAY=1MO",
        "FREQ=MONTHLY;BYMONTHDAY=99",
    ],
)
def test_a_rule_of_which_no_day_is_is_refused(rule: str) -> None:
    with pytest.raises(Invalid) as refused:
        told(rule, "09:00", "2026-01-01", "UTC", "2025-12-31T00:00:00+00:00")
    assert list(refused.value.errors) == ["schedule.rrule"]


def test_days_are_the_same_where_they_are_looked_for_in_later_centuries() -> None:
    days = list(recurrence.read_rule("FREQ=DAILY;COUNT=1000").occurrences(at("2027-06-01T09:00"), date(2038, 1, 1)))
    assert days == [at("2027-06-01T09:00") + timedelta(days=number) for number in range(1000)]
    fifth = list(recurrence.read_rule("FREQ=MONTHLY;BYDAY=5FR").occurrences(at("2026-01-01T09:00"), date(2036, 12, 31)))
    assert {day.weekday() for day in fifth} == {4}
    assert {day.day for day in fifth} <= {29, 30, 31}


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=DAILY;UNTIL=20270330", "Every day at 02:30, until 30 March 2027"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;COUNT=3", "Every 2 weeks on Monday at 02:30, 3 times"),
        ("FREQ=MONTHLY;BYDAY=2TU", "By the rule FREQ=MONTHLY;BYDAY=2TU at 02:30"),
    ],
)
def test_the_time_stands_before_the_end(rule: str, words: str) -> None:
    assert recurrence.in_words(rule, " at 02:30") == words


def test_a_day_that_ran_is_not_promised_again(club: Club, sink: Sink) -> None:
    campaign = club.campaign(club.people(1), type="RECURRING", schedule=DAILY)
    club.act("start", campaign)
    club.work(timedelta(hours=1))
    club.work(timedelta(hours=1, seconds=5))
    later = DAILY | {"local_time": "20:00"}
    changed = service.change(
        tenant_id=club.tenant_id,
        campaign_id=campaign.id,
        actor=ACTOR,
        changes={"schedule": later},
        now=NOON + timedelta(hours=2),
    )
    assert changed.next_occurrence == "2026-11-21T20:00"
    dates = queries.next_dates(tenant_id=club.tenant_id, campaign=changed, now=NOON + timedelta(hours=2))
    assert dates[0] == changed.due_at


def test_only_the_clocks_of_those_it_goes_to_count(club: Club, sink: Sink) -> None:
    """At noon UTC it is 02:00 of the next day on Kiritimati, which is in nobody's way who isn't there."""
    club.people(1, timezone="Pacific/Kiritimati")
    campaign = club.campaign(
        club.people(1),
        schedule={"mode": "recipient_zone", "start_at": "2026-11-20T17:00"},
        timezone="Africa/Johannesburg",
    )
    assert club.act("schedule_", campaign).due_at == NOON + timedelta(hours=3)


def test_whoever_s_clock_is_past_it_gets_it_at_once(club: Club, sink: Sink) -> None:
    behind = club.people(1, timezone="Pacific/Kiritimati")
    campaign = club.campaign(
        [*behind, *club.people(1)],
        schedule={"mode": "recipient_zone", "start_at": "2026-11-20T17:00"},
        timezone="Africa/Johannesburg",
    )
    club.act("schedule_", campaign)
    club.work()
    assert len(sink.letters) == 1
    club.work(timedelta(hours=3))
    assert len(sink.letters) == 2
