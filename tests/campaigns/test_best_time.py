"""At the hour each recipient opens most: what decides it, when it goes, and that it is told."""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from app.campaigns import best_time, why
from app.campaigns.best_time import HOURS, best, moment
from app.campaigns.models import Campaign
from app.infra import clock
from app.infra.db import transaction
from app.messaging import policy
from tests.campaigns.conftest import NOON, Club
from tests.messaging.sink import Sink
from tests.page_client import ApiClient, PageClient

HERE = ZoneInfo("Africa/Johannesburg")
FLAT = [1 / HOURS] * HOURS
MORNING = [0.5 if hour == 9 else 0.5 / 23 for hour in range(HOURS)]
HOUR = timedelta(hours=1)

Opened = Callable[..., None]


@pytest.fixture
def opened(club: Club) -> Opened:
    """Put down that somebody opened mails at these hours of the clocks of a zone, a day each."""

    def put(who: UUID, *hours: int, zone: str = HERE.key, machine: bool = False, days_ago: int = 3) -> None:
        for place, hour in enumerate(hours):
            day = (NOON - timedelta(days=days_ago + place)).date()
            at = clock.instant(datetime(day.year, day.month, day.day, hour, 30), ZoneInfo(zone))  # noqa: DTZ001
            club.rows(
                "INSERT INTO activity (tenant_id, customer_id, type, category, title, occurred_at, source, payload)"
                " VALUES (:t, :c, 'message.opened', 'MESSAGE', 'Opened', :at, 'fairway',"
                " jsonb_build_object('is_machine', CAST(:machine AS boolean))) RETURNING 1",
                t=club.tenant_id,
                c=who,
                at=at,
                machine=machine,
            )

    return put


def chosen(club: Club, campaign: Campaign, who: UUID, begins: datetime = NOON) -> best_time.Chosen:
    with transaction(club.tenant_id) as session:
        found = best_time.of_one(session, campaign, who, begins=begins, now=NOON)
    assert found is not None
    return found


def campaign_of(club: Club, people: list[UUID], **schedule: Any) -> Campaign:
    return club.campaign(people, schedule={"mode": "best_time"} | schedule)


@pytest.mark.parametrize(
    ("club_reads", "own", "hour"),
    [
        (MORNING, [], 9),
        (MORNING, [3], 9),
        (MORNING, [20] * 12, 20),
        (MORNING, [19, 20, 20, 21] * 4, 20),
        (FLAT, [], 14),
        (FLAT, [6], 6),
        (FLAT, [23, 0, 1], 0),
    ],
)
def test_one_open_decides_nothing_where_the_club_reads_at_one_hour(
    club_reads: list[float], own: list[int], hour: int
) -> None:
    assert best(club_reads, own, first=14) == hour


@pytest.mark.parametrize("hour", range(HOURS))
@pytest.mark.parametrize("day", [date(2026, 3, 28), date(2026, 3, 29), date(2026, 10, 25), date(2026, 11, 20)])
def test_it_comes_within_a_day_also_when_the_clocks_change(day: date, hour: int) -> None:
    zone = ZoneInfo("Europe/Berlin")
    for minute in (0, 30):
        begins = clock.instant(datetime(day.year, day.month, day.day, 9, minute), zone)  # noqa: DTZ001
        at = moment(begins, hour, zone)
        assert begins <= at <= begins + timedelta(hours=25)
        assert at.astimezone(zone).hour in (hour, 3 if hour == 2 else hour)
        assert (at == begins) is (hour == 9)


def test_each_gets_it_at_their_own_hour_where_they_are(club: Club, sink: Sink, opened: Opened) -> None:
    early, far, none = club.customer(), club.customer(timezone="America/New_York"), club.customer()
    opened(early, *[6] * 30)
    opened(far, *[20] * 12, zone="America/New_York")
    campaign = campaign_of(club, [early, far, none])
    club.act("start", campaign)
    club.work(send=False)
    due = {row.customer_id: row.due_at for row in club.rows("SELECT customer_id, due_at FROM message")}
    # It is 14:00 at the club, 07:00 in New York.
    assert due[early] == datetime(2026, 11, 21, 6, tzinfo=HERE)
    assert due[far] == datetime(2026, 11, 20, 20, tzinfo=ZoneInfo("America/New_York"))
    # Most of what the club's people did was at six.
    assert due[none] == due[early]
    assert max(due.values()) - NOON < timedelta(days=1)
    club.work(12 * HOUR)
    assert not sink.letters
    club.work(25 * HOUR)
    club.work(26 * HOUR)
    assert club.stats(campaign).sent == 3
    assert club.status(campaign) == "completed"


def test_whose_clock_is_not_known_goes_by_that_of_their_club(club: Club, opened: Opened) -> None:
    (links,) = club.rows(
        "INSERT INTO club (tenant_id, name, country, timezone, locale, currency)"
        " VALUES (:t, 'North Links', 'GB', 'Europe/London', 'en-GB', 'GBP') RETURNING id",
        t=club.tenant_id,
    )
    who = club.customer(club_id=links.id)
    opened(who, *[10] * 9, zone="Europe/London")
    found = chosen(club, campaign_of(club, [who]), who)
    assert (found.hour, found.zone) == (10, "Europe/London")


def test_machines_old_opens_and_bad_zones_tell_nothing(club: Club, opened: Opened) -> None:
    people = [club.customer(), club.customer(), club.customer(timezone="Nowhere/Atall")]
    opened(people[0], *[4] * 20, machine=True)
    opened(people[1], *[4] * 20, days_ago=best_time.DAYS + 2)
    opened(people[2], *[17] * 9)
    campaign = campaign_of(club, people)
    assert [chosen(club, campaign, one).own for one in people] == [0, 0, 9]
    assert {chosen(club, campaign, one).hour for one in people} == {17}


def test_one_open_decides_nothing_even_where_the_club_has_no_habits(club: Club, opened: Opened) -> None:
    (who,) = club.people(1)
    opened(who, 3, 3)
    campaign = campaign_of(club, [who])
    found = chosen(club, campaign, who)
    assert (found.own, found.by_own) == (2, False)
    assert "only 2 times in the last 180 days, too little to tell by" in best_time.in_words(found)
    opened(who, 4, days_ago=20)
    assert chosen(club, campaign, who).hour == 3


def test_where_nobody_opened_anything_it_goes_at_once(club: Club, sink: Sink) -> None:
    campaign = campaign_of(club, club.people(3))
    club.act("start", campaign)
    club.work()
    club.work(timedelta(seconds=5))
    assert len(sink.letters) == 3


def test_scheduled_it_begins_at_its_time(club: Club, sink: Sink, opened: Opened) -> None:
    (who,) = club.people(1)
    opened(who, *[11] * 9)
    campaign = campaign_of(club, [who], start_at="2026-11-21T09:00")
    club.act("schedule_", campaign)
    club.work(18 * HOUR)
    assert not club.rows("SELECT 1 FROM message")
    club.work(19 * HOUR + timedelta(hours=2))
    assert [row.due_at for row in club.rows("SELECT due_at FROM message")] == [datetime(2026, 11, 21, 11, tzinfo=HERE)]


def test_without_a_day_scheduling_begins_it(club: Club) -> None:
    campaign = campaign_of(club, club.people(1))
    assert club.act("schedule_", campaign).due_at == NOON


def test_each_occurrence_goes_at_their_hours(club: Club, sink: Sink, opened: Opened) -> None:
    (who,) = club.people(1)
    opened(who, *[18] * 9)
    campaign = club.campaign(
        [who], type="RECURRING", schedule={"mode": "best_time", "rrule": "FREQ=DAILY", "local_time": "15:00"}
    )
    club.act("start", campaign)
    for later in (1, 4, 25, 28):
        club.work(later * HOUR)
    hours = [row.hour for row in club.rows("SELECT date_trunc('hour', sent_at) AS hour FROM message ORDER BY 1")]
    assert hours == [datetime(2026, 11, day, 18, tzinfo=HERE) for day in (20, 21)]


def test_quiet_hours_hold_all_the_same(club: Club, sink: Sink, opened: Opened) -> None:
    (who,) = club.people(1)
    opened(who, *[22] * 9)
    quiet = {"quiet": {"EMAIL": {"from": "21:00", "to": "08:00"}}}
    policy.save(tenant_id=club.tenant_id, actor="system", changes=quiet)
    campaign = campaign_of(club, [who])
    club.act("start", campaign)
    club.work(8 * HOUR)
    assert club.stats(campaign).held == {"quiet_hours": 1}
    club.work(18 * HOUR)
    assert len(sink.letters) == 1


def test_why_says_what_decided(club: Club, sink: Sink, opened: Opened) -> None:
    mine, none = club.people(2)
    opened(mine, *[7] * 6, 20)
    campaign = campaign_of(club, [mine, none])

    def told(who: UUID) -> Any:
        (trace,) = why.of(tenant_id=club.tenant_id, campaign_id=campaign.id, customer_id=who, now=NOON)
        (step,) = [one for one in trace.steps if one.what == "Best hour"]
        return step

    before = told(mine)
    assert before.at == datetime(2026, 11, 21, 7, tzinfo=HERE)
    assert before.words.startswith("They opened or clicked 7 times in the last 180 days, 6 times around 07:00")
    assert told(none).words.startswith("They have opened nothing in the last 180 days; people of their club open most")
    club.act("start", campaign)
    club.work(send=False)
    # What they do later changes nothing of what was chosen.
    opened(mine, *[13] * 20, days_ago=-25)
    assert told(mine) == before
    assert [row.due_at for row in club.rows("SELECT due_at FROM message WHERE customer_id = :c", c=mine)] == [before.at]


def test_the_outlook_adds_up_and_is_shown(
    client: PageClient, sign_in: Any, club: Club, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = club.people(6)
    for one in people[:2]:
        opened(one, *[6] * 20)
    campaign = campaign_of(club, people)
    found = best_time.outlook(tenant_id=club.tenant_id, campaign=campaign, people=6, begins=NOON, now=NOON)
    assert (sum(number for _, number in found.hours), found.by_own, found.estimated) == (6, 2, False)
    assert found.hours[0][0] == datetime(2026, 11, 21, 6)  # noqa: DTZ001
    monkeypatch.setattr(best_time, "LOOKED_AT", 3)
    some = best_time.outlook(tenant_id=club.tenant_id, campaign=campaign, people=6, begins=NOON, now=NOON)
    assert (sum(number for _, number in some.hours), some.estimated) == (6, True)
    sign_in("marketer")
    page = client.get(f"/campaigns/{campaign.id}/review").text
    assert "When they get it" in page
    assert "by their own habits" in page
    assert f'action="/campaigns/{campaign.id}/start"' in page
    assert "within 24 hours" in page


def test_chosen_on_the_page_and_over_the_api(client: PageClient, sign_in: Any, api: ApiClient, club: Club) -> None:
    campaign = club.campaign(club.people(1))
    sign_in("marketer")
    path = f"/campaigns/{campaign.id}"
    page = client.get(f"{path}/when").text
    assert "less than three times" in page
    given = {"version": "1", "type": "ONE_TIME", "mode": "best_time", "date": "", "time": "09:00", "timezone": ""}
    client.post(f"{path}/when", given, status=302)
    assert api.get(path).get_json()["schedule"] == {"mode": "best_time"}
    assert re.search(r'value="best_time"[^>]*checked|checked[^>]*value="best_time"', client.get(f"{path}/when").text)
    assert "each within 24 hours at the hour they open most" in client.get(path).text
    later = {"mode": "best_time", "start_at": "2131-01-01T09:00"}
    assert api.patch(path, json={"schedule": later}).get_json()["schedule"] == later
    assert api.post(f"{path}/schedule", {}).get_json()["status"] == "scheduled"
