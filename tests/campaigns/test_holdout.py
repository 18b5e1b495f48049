"""People who are left out by chance: who they are, that they get nothing, and what that tells of a campaign."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.campaigns import lift, report, running, split
from app.campaigns.lift import Lift, Part
from app.capture import merging
from app.infra.errors import Invalid
from app.infra.ids import new_id
from app.infra.statistics import difference, wilson
from tests.campaigns.conftest import ACTOR, Club
from tests.campaigns.test_conversions import FOR_PAYMENTS, HOUR, Happenings
from tests.messaging.sink import Sink
from tests.page_client import ApiClient, PageClient


@pytest.fixture
def happens(club: Club, sink: Sink) -> Happenings:
    return Happenings(club)


def held_out(club: Club) -> set[UUID]:
    rows = club.rows("SELECT customer_id FROM message WHERE status = 'skipped' AND reason = 'holdout'")
    return {row.customer_id for row in rows}


def test_chance_is_fair_and_the_same_whenever_it_is_asked() -> None:
    run, people = new_id(), [new_id() for _ in range(4000)]
    places = [split.position(run, one) for one in people]
    assert places == [split.position(run, one) for one in people]
    assert all(0 <= one < 1 for one in places)
    assert 300 < sum(split.is_held_out(run, one, 10) for one in people) < 500
    assert not any(split.is_held_out(run, one, None) for one in people)
    other = new_id()
    assert places != [split.position(other, one) for one in people]


def test_who_is_left_out_gets_nothing_and_is_told_of(
    happens: Happenings, club: Club, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = club.people(12)
    monkeypatch.setattr(split, "position", lambda _run, who: people.index(who) / 12)
    campaign = happens.sent(people, holdout_percent=25)
    found = club.stats(campaign)
    assert (found.audience, found.sent, found.skipped) == (12, 9, {"holdout": 3})
    assert held_out(club) == set(people[:3])
    assert len(sink.letters) == 9


def test_who_would_not_get_it_anyway_is_none_of_them(happens: Happenings, club: Club) -> None:
    people = [*club.people(2), *club.people(2, email_opt_in=False)]
    campaign = happens.sent(people, holdout_percent=50)
    skipped = club.stats(campaign).skipped
    assert skipped["opted_out"] == 2
    assert held_out(club) <= set(people[:2])


def test_a_crash_while_people_are_put_in_changes_nobody_s_part(
    happens: Happenings, club: Club, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "BATCH", 3)
    people = club.people(10)
    campaign = club.campaign(people, goal=FOR_PAYMENTS, holdout_percent=50)
    club.act("start", campaign)
    club.work(steps=1000, send=False)
    (run,) = club.rows("SELECT id FROM campaign_run")
    club.rows("DELETE FROM message WHERE id IN (SELECT id FROM message ORDER BY id LIMIT 4) RETURNING 1")
    club.rows(
        "UPDATE campaign_run SET status = 'preparing', cursor = NULL, prepared_at = NULL, audience = 6 RETURNING 1"
    )
    club.rows("UPDATE message_run SET status = 'paused' RETURNING 1")
    club.rows("UPDATE campaign_run SET look_at = created_at RETURNING 1")
    club.work()
    club.work(timedelta(seconds=5))
    assert held_out(club) == {one for one in people if split.is_held_out(run.id, one, 50)}
    assert club.stats(campaign).audience == 10


def test_what_it_changed(happens: Happenings, club: Club, monkeypatch: pytest.MonkeyPatch) -> None:
    people = club.people(10)
    monkeypatch.setattr(split, "position", lambda _run, who: people.index(who) / 10)
    campaign = happens.sent(people, holdout_percent=40)
    other = happens.sent(people[4:5], HOUR)
    for who in (people[0], *people[4:8]):
        happens.event(who, 2 * HOUR)
        happens.event(who, 3 * HOUR)
    runs = report.runs_of(tenant_id=club.tenant_id, campaign_id=campaign.id)
    found = lift.of(tenant_id=club.tenant_id, run_ids=runs)
    assert found is not None
    # Who was credited to another campaign did it all the same.
    assert (found.reached, found.held_out) == (Part(6, 4), Part(4, 1))
    assert club.stats(other).converted == 1
    assert club.stats(campaign).converted == 3
    assert not found.decided
    assert found.relative == pytest.approx((4 / 6 - 1 / 4) / (1 / 4))


def test_nobody_left_out_nothing_to_tell(happens: Happenings, club: Club) -> None:
    campaign = happens.sent(club.people(2))
    runs = report.runs_of(tenant_id=club.tenant_id, campaign_id=campaign.id)
    assert lift.of(tenant_id=club.tenant_id, run_ids=runs) is None


def test_two_who_became_one_are_one(happens: Happenings, club: Club, monkeypatch: pytest.MonkeyPatch) -> None:
    people = club.people(4)
    monkeypatch.setattr(split, "position", lambda _run, who: people.index(who) / 4)
    campaign = happens.sent(people, holdout_percent=25)
    merging.merge_customers(tenant_id=club.tenant_id, winner_id=people[2], loser_id=people[3], actor=ACTOR)
    happens.event(people[2], HOUR)
    runs = report.runs_of(tenant_id=club.tenant_id, campaign_id=campaign.id)
    found = lift.of(tenant_id=club.tenant_id, run_ids=runs)
    assert found is not None
    assert (found.reached, found.held_out) == (Part(2, 1), Part(1, 0))


@pytest.mark.parametrize("percent", [0, -1, 51, 100])
def test_how_many_may_be_left_out(club: Club, percent: int) -> None:
    with pytest.raises(Invalid) as refused:
        club.campaign([], goal=FOR_PAYMENTS, holdout_percent=percent)
    assert "holdout_percent" in refused.value.errors


def test_without_a_goal_there_is_nothing_to_measure(club: Club) -> None:
    with pytest.raises(Invalid) as refused:
        club.campaign([], holdout_percent=10)
    assert "goal" in refused.value.errors["holdout_percent"]


def test_intervals_as_in_the_books() -> None:
    """Newcombe 1998 (Statistics in Medicine 17), his methods 3 and 10."""
    found = wilson(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    found = wilson(0, 20)
    assert (found.low, round(found.high, 4)) == (0, 0.1611)
    found = difference(56, 70, 48, 80)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)
    found = difference(9, 10, 3, 10)
    assert (round(found.low, 4), round(found.high, 4)) == (0.1705, 0.8090)
    assert not difference(0, 0, 0, 0).decided
    assert Lift(Part(0, 0), Part(0, 0), None).relative is None
    assert difference(80, 100, 10, 100).decided


def test_in_words(
    client: PageClient, sign_in: Any, happens: Happenings, club: Club, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in("marketer")
    people = club.people(4)
    monkeypatch.setattr(split, "position", lambda _run, who: people.index(who) / 4)
    campaign = happens.sent(people, holdout_percent=50)
    page = client.get(f"/campaigns/{campaign.id}/report").text
    assert "Not decided yet." in page
    assert "left out on purpose" in client.get(f"/campaigns/{campaign.id}").text


def test_over_the_api(api: ApiClient, happens: Happenings, club: Club, monkeypatch: pytest.MonkeyPatch) -> None:
    people = club.people(4)
    monkeypatch.setattr(split, "position", lambda _run, who: people.index(who) / 4)
    campaign = happens.sent(people, holdout_percent=50)
    happens.event(people[3], HOUR)
    found = api.get(f"/campaigns/{campaign.id}/lift").get_json()
    assert (found["reached"]["converted"], found["held_out"]["people"], found["decided"]) == (1, 2, False)
    assert api.get(f"/campaigns/{club.campaign([]).id}/lift").status_code == 404
