"""A clock that jumps by an hour or a day, ahead and back: nothing goes before its time, twice, or in a storm."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from time_machine import travel

from app.campaigns.models import Campaign
from app.infra import clock
from app.messaging import outbox, policy
from app.messaging.states import Reason
from tests.campaigns.conftest import NOON, Club
from tests.messaging.sink import Sink

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BEFORE = (timedelta(0), -HOUR, 59 * MINUTE, -25 * HOUR, timedelta(0))
"""Looks at the clock before one in the afternoon, UTC."""
AFTER = (25 * HOUR, timedelta(0), 24 * HOUR, 50 * HOUR, -HOUR)
DAILY: dict[str, Any] = {"rrule": "FREQ=DAILY", "local_time": "15:00", "start_at": "2026-11-20T00:00"}


def begun(club: Club, people: int, **given: Any) -> Campaign:
    """Return a campaign that is due at one in the afternoon, UTC."""
    campaign = club.campaign(club.people(people), **({"schedule": {"start_at": "2026-11-20T15:00"}} | given))
    club.act("schedule_", campaign)
    return campaign


def sixty_an_hour(club: Club, limit: str) -> dict[str, int]:
    """Let the channel send no more than that, or return the settings by which a campaign does not."""
    if limit == "campaign":
        return {"throttle_per_hour": 60}
    rate = {"channel": "EMAIL", "domain": None, "most": 60, "seconds": 3600}
    policy.save(tenant_id=club.tenant_id, actor="system", changes={"rates": [rate]}, now=NOON)
    return {}


def reached(sink: Sink) -> Counter[str]:
    return Counter(letter.recipient for letter in sink.letters)


def test_nobody_is_written_to_early_or_twice(club: Club, sink: Sink) -> None:
    begun(club, 3)
    for jump in BEFORE:
        club.work(jump)
        assert not sink.letters
    for jump in AFTER:
        club.work(jump)
        assert list(reached(sink).values()) == [1, 1, 1]


def test_what_is_worth_nothing_any_more_after_a_jump_is_not_sent(club: Club, sink: Sink) -> None:
    campaign = begun(club, 3, expires_hours=6)
    for jump in (*BEFORE, *AFTER):
        club.work(jump)
    assert not sink.letters
    assert club.stats(campaign).skipped == {Reason.EXPIRED: 3}


def test_an_occurrence_that_is_a_day_late_is_left_out_and_one_that_is_an_hour_late_is_not(
    club: Club, sink: Sink
) -> None:
    begun(club, 2, type="RECURRING", schedule=DAILY)
    for jump in (*BEFORE, 26 * HOUR, timedelta(0), HOUR, 26 * HOUR + MINUTE):
        club.work(jump)
    runs = club.rows("SELECT occurrence, status FROM campaign_run ORDER BY occurrence")
    assert [tuple(one) for one in runs] == [("2026-11-20", "failed"), ("2026-11-21", "completed")]
    assert list(reached(sink).values()) == [1, 1]


def test_weeks_of_occurrences_are_not_made_up_for(club: Club, sink: Sink) -> None:
    begun(club, 2, type="RECURRING", schedule=DAILY)
    for jump in (30 * 24 * HOUR, 30 * 24 * HOUR + MINUTE, 30 * 24 * HOUR + HOUR):
        club.work(jump)
    assert list(reached(sink).values()) == [1, 1], "of the day it is"


@pytest.mark.parametrize("limit", ["campaign", "channel"])
def test_what_is_made_up_for_keeps_to_the_limits(club: Club, sink: Sink, limit: str) -> None:
    begun(club, 12, **sixty_an_hour(club, limit))
    club.work(HOUR)
    assert len(sink.letters) == 1
    for minute in range(5):
        club.work(26 * HOUR + minute * MINUTE)
    assert len(sink.letters) <= 1 + 5 + 1


@pytest.mark.parametrize("limit", ["campaign", "channel"])
def test_no_limit_waits_for_a_time_that_never_was(club: Club, sink: Sink, limit: str) -> None:
    """The clock ran a day ahead while something was sent, and is put right."""
    begun(club, 3, **sixty_an_hour(club, limit))
    club.work(25 * HOUR)
    assert len(sink.letters) == 1
    if limit == "channel":
        # What it held keeps its time; what comes now need not wait for that.
        begun(club, 2)
    for minute in range(1, 5):
        club.work(HOUR + minute * MINUTE)
    assert list(reached(sink).values()) == [1, 1, 1]


def test_who_had_their_share_gets_no_more_for_a_clock_that_is_set_back(club: Club, sink: Sink) -> None:
    policy.save(
        tenant_id=club.tenant_id,
        actor="system",
        changes={"caps": [{"channel": "EMAIL", "most": 1, "hours": 24}]},
        now=NOON,
    )
    (who,) = club.people(1)
    for key, moment in (("first", NOON), ("second", NOON - HOUR), ("third", NOON - 25 * HOUR)):
        outbox.put(
            tenant_id=club.tenant_id,
            template_id=club.template_id,
            customer_ids=[who],
            dedupe_keys=[key],
            now=moment,
        )
    for jump in (timedelta(0), -HOUR, -25 * HOUR, timedelta(0)):
        club.work(jump)
        assert len(sink.letters) == 1
    club.work(25 * HOUR)
    assert len(sink.letters) == 2


@pytest.mark.parametrize("minutes", [5, -5])
def test_nobody_waits_for_a_database_whose_clock_is_another(club: Club, sink: Sink, minutes: int) -> None:
    with travel(clock.now() + minutes * MINUTE):
        club.act("start", club.campaign(club.people(3)), clock.now() - NOON)
        (who,) = club.people(1)
        outbox.put(tenant_id=club.tenant_id, template_id=club.template_id, customer_ids=[who], dedupe_keys=["step"])
        club.work(clock.now() - NOON)
    assert list(reached(sink).values()) == [1, 1, 1, 1]
