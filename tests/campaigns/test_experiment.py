"""A/B tests: who gets which variant, who waits, how the winner is chosen, and that everybody gets one, once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.campaigns import experiment, running, split, winner
from app.campaigns.models import Campaign, CampaignRun
from app.campaigns.states import Status
from app.content import service as content
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.ids import new_id
from app.messaging.tally import Count
from app.messaging.tracking import Kind
from tests.campaigns.conftest import ACTOR, NOON, Club
from tests.campaigns.test_conversions import FOR_PAYMENTS, Happenings
from tests.messaging.families import sharing
from tests.messaging.sink import Sink
from tests.page_client import ApiClient

AN_HOUR = timedelta(hours=1)


class Trial(Happenings):
    """Twenty people in the order of chance: four get A, four B, the rest wait."""

    def __init__(self, club: Club, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(club)
        self.a, self.b = club.other_template("Subject A"), club.other_template("Subject B")
        self.people = club.people(20)
        places = {who: place / 20 for place, who in enumerate(self.people)}
        monkeypatch.setattr(experiment, "position", lambda _run, who: places[who])
        monkeypatch.setattr(split, "position", lambda _run, who: places[who])

    def begin(self, rule: str = "clicks", shares: tuple[int, int] = (20, 20), **given: Any) -> Campaign:
        campaign = self.draft(rule, shares, **given)
        self.club.act("start", campaign)
        self.club.work()
        return campaign

    def draft(self, rule: str = "clicks", shares: tuple[int, int] = (20, 20), **given: Any) -> Campaign:
        tried = {
            "variants": [
                {"name": "First", "share": shares[0], "templates": {"EMAIL": str(self.a)}},
                {"share": shares[1], "templates": {"EMAIL": str(self.b)}},
            ],
            "rule": rule,
            "after_minutes": 60,
        }
        return self.club.campaign(self.people, experiment=tried, **given)

    def run(self) -> CampaignRun:
        with transaction(self.club.tenant_id) as session:
            found = session.query(CampaignRun).populate_existing().one()
            session.expunge(found)
            return found

    def choose(self, campaign: Campaign, variant: str, after: timedelta = timedelta(0)) -> None:
        winner.choose(
            tenant_id=self.club.tenant_id,
            campaign_id=campaign.id,
            run_id=self.run().id,
            variant=variant,
            actor=ACTOR,
            now=NOON + after,
        )

    def got(self) -> Counter[tuple[str | None, str | None]]:
        return Counter(
            (row.variant, row.subject)
            for row in self.club.rows("SELECT variant, subject FROM message WHERE sent_at IS NOT NULL")
        )


@pytest.fixture
def trial(club: Club, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Trial:
    return Trial(club, monkeypatch)


def test_each_variant_goes_to_its_share_and_the_rest_waits(trial: Trial, club: Club) -> None:
    campaign = trial.begin()
    assert trial.got() == {("a", "Subject A"): 4, ("b", "Subject B"): 4}
    found = club.stats(campaign)
    assert (found.audience, found.sent, found.held) == (20, 8, {"awaiting_winner": 12})
    club.work(timedelta(minutes=59))
    assert club.status(campaign) == Status.SENDING
    assert club.stats(campaign).sent == 8


def test_the_rest_gets_what_was_clicked_most_once_it_is_time(trial: Trial, club: Club, sink: Sink) -> None:
    campaign = trial.begin()
    trial.visit(trial.message(campaign, trial.people[5]), Kind.CLICKED, timedelta(minutes=5))
    trial.apply(timedelta(minutes=6))
    club.work(AN_HOUR)
    club.work(AN_HOUR + timedelta(seconds=5))
    assert trial.got() == {("a", "Subject A"): 4, ("b", "Subject B"): 4, ("b_rest", "Subject B"): 12}
    assert (trial.run().winner, trial.run().winner_by) == ("b", "rule")
    assert club.status(campaign) == Status.COMPLETED
    assert set(Counter(one.recipient for one in sink.letters).values()) == {1}


@pytest.mark.parametrize(("rule", "won"), [("opens", "a"), ("clicks", "b"), ("conversions", "b")])
def test_by_which_rule(trial: Trial, club: Club, rule: str, won: str) -> None:
    campaign = trial.begin(rule, goal=FOR_PAYMENTS)
    for who in trial.people[:3]:
        trial.visit(trial.message(campaign, who), Kind.OPENED, timedelta(minutes=5))
    trial.visit(trial.message(campaign, trial.people[4]), Kind.CLICKED, timedelta(minutes=5))
    trial.event(trial.people[4], timedelta(minutes=10))
    club.work(AN_HOUR)
    assert trial.run().winner == won


def test_a_tie_goes_to_the_first(trial: Trial, club: Club) -> None:
    trial.begin()
    club.work(AN_HOUR)
    assert trial.run().winner == "a"


def test_nobody_in_the_trial(trial: Trial, club: Club) -> None:
    club.rows("UPDATE customer SET email_opt_in = false RETURNING 1")
    campaign = trial.begin()
    club.work(AN_HOUR)
    club.work(AN_HOUR + timedelta(seconds=5))
    assert trial.run().winner == "a"
    assert club.stats(campaign).skipped == {"opted_out": 20}
    assert club.status(campaign) == Status.COMPLETED


def test_by_hand_it_waits_until_somebody_chooses(trial: Trial, club: Club) -> None:
    campaign = trial.begin("by_hand")
    club.work(timedelta(days=2))
    assert club.stats(campaign).held == {"awaiting_winner": 12}
    trial.choose(campaign, "b", timedelta(days=2))
    club.work(timedelta(days=2))
    assert trial.got()["b_rest", "Subject B"] == 12
    with pytest.raises(winner.AlreadyDecided):
        trial.choose(campaign, "a", timedelta(days=2))


def test_before_the_rule_does(trial: Trial, club: Club) -> None:
    campaign = trial.begin()
    trial.choose(campaign, "a", timedelta(minutes=10))
    club.work(timedelta(minutes=10))
    club.work(AN_HOUR)
    assert trial.got() == {("a", "Subject A"): 4, ("a_rest", "Subject A"): 12, ("b", "Subject B"): 4}
    assert trial.run().winner_by == ACTOR


def test_paused_meanwhile_it_is_decided_when_it_goes_on(trial: Trial, club: Club) -> None:
    campaign = trial.begin()
    club.act("pause", campaign, timedelta(minutes=10))
    club.work(2 * AN_HOUR)
    assert (trial.run().winner, club.stats(campaign).sent) == (None, 8)
    club.act("resume", campaign, 3 * AN_HOUR)
    club.work(3 * AN_HOUR)
    assert club.stats(campaign).sent == 20


def test_chosen_while_it_is_paused_it_goes_out_when_it_goes_on(trial: Trial, club: Club) -> None:
    campaign = trial.begin("by_hand")
    club.act("pause", campaign, timedelta(minutes=10))
    trial.choose(campaign, "b", timedelta(minutes=20))
    club.work(timedelta(minutes=20))
    assert club.stats(campaign).sent == 8
    club.act("resume", campaign, timedelta(minutes=30))
    club.work(timedelta(minutes=30))
    assert club.stats(campaign).sent == 20


def test_cancelled_while_they_wait(trial: Trial, club: Club) -> None:
    campaign = trial.begin()
    club.act("cancel", campaign, timedelta(minutes=10))
    club.work(AN_HOUR)
    assert club.stats(campaign).skipped == {"cancelled": 12}
    with pytest.raises(winner.NothingToDecide):
        trial.choose(campaign, "a", AN_HOUR)


def test_a_template_changed_meanwhile_changes_nothing(trial: Trial, club: Club) -> None:
    campaign = trial.begin("by_hand")
    content.update(tenant_id=club.tenant_id, template_id=trial.b, changes={"subject": "Other"})
    trial.choose(campaign, "b")
    club.work()
    assert trial.got()["b_rest", "Subject B"] == 12


def test_beside_a_holdout(trial: Trial, club: Club) -> None:
    campaign = trial.begin(goal=FOR_PAYMENTS, holdout_percent=20)
    found = club.stats(campaign)
    assert found.skipped == {"holdout": 4}
    # Of the sixteen others a fifth each.
    assert trial.got() == {("a", "Subject A"): 4, ("b", "Subject B"): 3}


def test_all_in_the_trial_nobody_waits(trial: Trial, club: Club) -> None:
    campaign = trial.begin(shares=(50, 50))
    club.work(timedelta(seconds=5))
    assert trial.got() == {("a", "Subject A"): 10, ("b", "Subject B"): 10}
    assert club.status(campaign) == Status.COMPLETED
    with pytest.raises(winner.NothingToDecide):
        trial.choose(campaign, "a")


def test_many_wait(trial: Trial, club: Club, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winner, "BATCH", 5)
    campaign = trial.begin()
    club.work(AN_HOUR)
    assert club.stats(campaign).sent == 20


def test_the_parts_are_the_same_whenever_they_are_asked() -> None:
    tried = experiment.of(experiment.read({"variants": [{"share": 10}, {"share": 30}], "rule": "clicks"}))
    assert tried is not None
    run, people = new_id(), [new_id() for _ in range(4000)]
    parts = Counter(tried.of(run, one) for one in people)
    assert parts == Counter(tried.of(run, one) for one in people)
    assert 300 < parts["a"] < 500
    assert 1050 < parts["b"] < 1350


def test_not_decided_is_said() -> None:
    tried = experiment.of(experiment.read({"variants": [{"share": 10}, {"share": 10}], "rule": "clicks"}))
    assert tried is not None
    run = UUID(int=1)

    def outcome(a: int, b: int) -> experiment.Outcome:
        counts = [
            Count(run, key, what, "", n)
            for key, n in (("a", a), ("b", b))
            for what, n in (("sent", 1000), ("clicked", n))
        ]
        return experiment.outcome(tried, counts)

    assert not outcome(50, 52).decided
    assert outcome(50, 52).best.variant.key == "b"
    assert outcome(90, 50).decided
    assert not outcome(0, 0).decided


def test_what_nobody_knows_of_is_no_part_of_what_was_sent_but_of_whom_the_shares_are() -> None:
    tried = experiment.of(experiment.read({"variants": [{"share": 10}, {"share": 10}], "rule": "clicks"}))
    assert tried is not None
    counted = {("a", "sent"): 80, ("a", "unknown"): 20, ("a", "clicked"): 10, ("b", "sent"): 100, ("b", "clicked"): 9}
    counted |= {("a_rest", "sent"): 7, ("a_rest", "unknown"): 3}
    found = experiment.outcome(tried, [Count(UUID(int=1), *which, "", n) for which, n in counted.items()])
    assert [(one.variant.key, one.sent, one.unknown, one.share.value) for one in found.standings] == [
        ("a", 80, 20, 0.1),
        ("b", 100, 0, 0.09),
    ]
    assert found.rest == 7


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"variants": [{"share": 10}]}, "experiment.variants"),
        ({"variants": [{"share": 60}, {"share": 50}]}, "experiment.variants"),
        ({"variants": [{"share": 0}, {"share": 50}]}, "experiment.variants[0].share"),
        ({"variants": [{"share": 10}, {"share": 10, "templates": {"EMAIL": "x"}}]}, "experiment.variants[1].templates"),
        ({"variants": [{"share": 10}, {"share": 10}], "rule": "luck"}, "experiment.rule"),
        ({"variants": [{"share": 10}, {"share": 10}], "after_minutes": 0}, "experiment.after_minutes"),
    ],
)
def test_what_is_refused(club: Club, wrong: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as refused:
        club.campaign([], experiment=wrong)
    assert path in refused.value.errors


@pytest.mark.committed
def test_twice_chosen_at_once_is_chosen_once(
    app: Flask, club: Club, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(club, monkeypatch)
    campaign = trial.begin("by_hand")
    run = trial.run()

    def choose(variant: str) -> str | None:
        with app.app_context():
            try:
                winner.choose(
                    tenant_id=club.tenant_id,
                    campaign_id=campaign.id,
                    run_id=run.id,
                    variant=variant,
                    actor=ACTOR,
                    now=NOON,
                )
            except winner.AlreadyDecided:
                return None
            return variant

    def watch() -> None:
        with app.app_context():
            running.run_step(tenant_id=club.tenant_id, now=NOON)

    with ThreadPoolExecutor(6) as pool:
        chosen = [pool.submit(choose, "ab"[place % 2]) for place in range(8)]
        watching = [pool.submit(watch) for _ in range(4)]
        won = [found for one in chosen if (found := one.result())]
        for one in watching:
            one.result()
    assert len(won) == 1
    club.work()
    assert sum(trial.got().values()) == 20
    assert trial.run().winner == won[0]


def test_over_the_api(api: ApiClient, trial: Trial, club: Club) -> None:
    tried = {
        "variants": [
            {"name": "First", "share": 20, "templates": {"EMAIL": str(trial.a)}},
            {"share": 20, "templates": {"EMAIL": str(trial.b)}},
        ],
        "rule": "by_hand",
    }
    campaign = club.campaign(trial.people)
    path = f"/campaigns/{campaign.id}"
    found = api.patch(path, {"experiment": tried}).get_json()["experiment"]
    assert [one["key"] for one in found["variants"]] == ["a", "b"]
    club.act("start", campaign)
    club.work()
    run = trial.run().id
    found = api.get(f"{path}/runs/{run}/variants").get_json()
    assert ([one["sent"] for one in found["items"]], found["decided"], found["winner"]) == ([4, 4], False, None)
    assert api.post(f"{path}/runs/{run}/winner", {"variant": "h"}).status_code == 422
    assert api.post(f"{path}/runs/{run}/winner", {"variant": "b"}).get_json()["winner"] == "b"
    assert api.post(f"{path}/runs/{run}/winner", {"variant": "b"}).status_code == 409
    assert api.get(f"{path}/runs/{new_id()}/variants").status_code == 404
    club.work(clock.now() - NOON)
    assert club.stats(campaign).sent == 20


@pytest.mark.parametrize("told", ["the winner", "no"])
def test_one_copy_an_address_beside_somebody_who_waits(
    club: Club, sink: Sink, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    """Who comes second at an address waits with the first, and no longer: gets theirs if the first gets none."""
    trial = Trial(club, monkeypatch)
    first, second = sorted(sharing(club.customer, club.tenant_id, "home@example.com", "Ann", "Bob"))
    for module in (experiment, split):
        monkeypatch.setattr(module, "position", lambda _run, who: {first: 0.9, second: 0.1}[who])
    trial.people = [first, second]
    campaign = trial.begin("by_hand")
    assert club.stats(campaign).held == {"awaiting_winner": 1, "copy_pending": 1}
    if told == "no":
        club.rows("UPDATE customer SET email_opt_in = false WHERE id = :id RETURNING 1", id=first)
    trial.choose(campaign, "b", timedelta(minutes=1))
    club.work(timedelta(minutes=1))
    club.work(timedelta(minutes=2))
    skipped = {"opted_out": 1} if told == "no" else {"household_copy": 1}
    assert club.stats(campaign).skipped == skipped
    assert [one.mail["Subject"] for one in sink.letters] == ["Subject A" if told == "no" else "Subject B"]
    assert club.status(campaign) == Status.COMPLETED


def test_who_waited_is_not_too_late_for_it(club: Club, sink: Sink, trial: Trial) -> None:
    """What is not worth sending any more after some hours counts them from the winner for those who waited."""
    campaign = trial.begin("by_hand", expires_hours=2)
    trial.choose(campaign, "b", 5 * AN_HOUR)
    club.work(5 * AN_HOUR)
    assert club.stats(campaign).sent == 20
