"""What caps and shared addresses take from a campaign: the review tells beforehand what the gate does."""

from collections import Counter
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from app.campaigns import queries, reach, running
from app.messaging import outbox, policy
from tests.campaigns.conftest import ACTOR, NOON, Club
from tests.messaging.families import household, sharing
from tests.messaging.sink import Sink

DAY = timedelta(days=1)


def crowd(club: Club, chance: Random) -> list[UUID]:
    """Make families, some at one address, some in a household, of whom some said no and some have no address."""
    people: list[UUID] = []
    for home in range(25):
        size = chance.randint(1, 4)
        if chance.random() < 0.7:
            family = sharing(club.customer, club.tenant_id, f"home{home}@example.com", *("ABCD"[:size]))
        else:
            family = club.people(size)
        if chance.random() < 0.6:
            roles = ["head", *(chance.choice(("member", "child")) for _ in family[1:])]
            chance.shuffle(roles)
            household(club.tenant_id, family, roles)
        people += family
    for one in people:
        if chance.random() < 0.3:
            club.rows(
                "UPDATE customer SET email_opt_in = :said, email = CASE WHEN :gone THEN NULL ELSE email END"
                " WHERE id = :id RETURNING 1",
                id=one,
                said=chance.choice((True, False, None)),
                gone=chance.random() < 0.3,
            )
    chance.shuffle(people)
    return people


def receive(club: Club, chance: Random, people: list[UUID]) -> None:
    """Let some have been sent something in the last days."""
    for turn in range(3):
        some = [one for one in people if chance.random() < 0.4]
        outbox.put(
            tenant_id=club.tenant_id,
            template_id=club.template_id,
            customer_ids=some,
            dedupe_keys=[f"{turn}:{one}" for one in some],
            now=NOON - turn * DAY - timedelta(hours=1),
        )
        club.work(-turn * DAY)


@pytest.mark.parametrize("at_once", [5_000, 7])
@pytest.mark.parametrize("seed", range(3))
def test_the_review_says_what_the_gate_does(
    club: Club, sink: Sink, monkeypatch: pytest.MonkeyPatch, seed: int, at_once: int
) -> None:
    monkeypatch.setattr(running, "BATCH", at_once)
    chance = Random(seed)
    people = crowd(club, chance)
    receive(club, chance, people)
    caps = [{"most": 1, "hours": 24, "channel": None}, {"most": 2, "hours": 72, "channel": "EMAIL"}]
    policy.save(tenant_id=club.tenant_id, actor=ACTOR, changes={"caps": caps}, now=NOON)
    for one_copy in (True, False):
        moment = DAY if one_copy else 4 * DAY
        campaign = club.campaign(people, one_copy=one_copy)
        told = reach.of(tenant_id=club.tenant_id, campaign=campaign, now=NOON + moment)
        club.act("start", campaign, moment)
        for minute in range(5):
            club.work(moment + timedelta(minutes=minute))
        stats = club.stats(campaign)
        assert stats.status == "completed"
        assert told.people == len(people)
        assert told.sent.get("EMAIL", 0) == stats.sent
        assert dict(told.skipped) == dict(stats.skipped)
        if one_copy:
            assert {"frequency_cap", "household_copy"} <= set(stats.skipped)
            assert max(Counter(one.recipient for one in sink.letters[-stats.sent :]).values()) == 1


def test_a_campaign_says_how_long_it_is_worth_sending(club: Club, sink: Sink) -> None:
    changes = {"quiet": {"EMAIL": {"from": "13:00", "to": "16:00"}}}
    policy.save(tenant_id=club.tenant_id, actor=ACTOR, changes=changes, now=NOON)
    # 14:00 at the club.
    soon, later = (club.campaign(club.people(2), expires_hours=hours) for hours in (1, 3))
    for one in (soon, later):
        club.act("start", one)
    club.work()
    assert club.stats(soon).skipped == {"expired": 2}
    assert club.stats(later).held == {"quiet_hours": 2}
    club.work(timedelta(hours=2))
    assert club.stats(later).sent == 2
    assert queries.one(tenant_id=club.tenant_id, campaign_id=later.id).status == "completed"


def test_the_review_says_who_waits_for_the_morning(club: Club, sink: Sink) -> None:
    quiet = {"EMAIL": {"from": "13:00", "to": "15:00"}}
    policy.save(tenant_id=club.tenant_id, actor=ACTOR, changes={"quiet": quiet}, now=NOON)
    people = [*club.people(3), *club.people(2, timezone="UTC"), *club.people(1, email_opt_in=False)]
    campaign = club.campaign(people)
    told = reach.of(tenant_id=club.tenant_id, campaign=campaign, now=NOON)
    ends = NOON + timedelta(hours=1)
    assert (told.total_sent, dict(told.asleep), told.waiting) == (5, {ends: 3}, 3)
    short = club.campaign(people, expires_hours=1)
    told = reach.of(tenant_id=club.tenant_id, campaign=short, now=NOON)
    assert (told.total_sent, told.skipped["expired"], told.waiting) == (2, 3, 0)
    club.act("start", campaign)
    club.work()
    assert queries.quiet_until(tenant_id=club.tenant_id, campaign_id=campaign.id) == (ends, ends)
    assert club.stats(campaign).held == {"quiet_hours": 3}
    club.work(timedelta(hours=2))
    assert queries.quiet_until(tenant_id=club.tenant_id, campaign_id=campaign.id) is None


def test_no_number_of_hours_is_too_odd_to_be_refused(club: Club) -> None:
    from app.infra.errors import Invalid

    given: dict[str, Any] = {"expires_hours": 0}
    with pytest.raises(Invalid) as refused:
        club.campaign(club.people(1), **given)
    assert "expires_hours" in refused.value.errors
