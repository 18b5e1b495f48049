"""At most so many in a time, of a channel or to one domain: counted at the SMTP peer, whoever sends."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.infra.figures import written_for
from app.infra.ids import new_id
from app.messaging import explain, gate, outbox, policy, rates, sender
from app.messaging.models import SendingRate
from app.messaging.rates import Rate
from app.messaging.states import Priority, Purpose, Reason, Status
from app.messaging.verdict import Verdict
from tests.campaigns.conftest import NOON, Club, club
from tests.messaging.conftest import customer, sink, template
from tests.messaging.sink import Sink
from tests.page_client import ApiClient, PageClient

__all__ = ["club", "customer", "sink", "template"]

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def allow(club: Club, *wanted: Mapping[str, Any]) -> None:
    rates_ = [{"channel": "EMAIL", "domain": None, "seconds": 60} | dict(one) for one in wanted]
    policy.save(tenant_id=club.tenant_id, actor="system", changes={"rates": rates_}, now=NOON)


def domains(sink: Sink) -> Counter[str]:
    return Counter(one.recipient.rpartition("@")[2] for one in sink.letters)


def people_at(club: Club, domain: str, number: int) -> list[Any]:
    return [club.customer(email=f"{new_id()}@{domain}") for _ in range(number)]


def journeys_message(club: Club, purpose: Purpose = Purpose.MARKETING, **fields: Any) -> None:
    (who,) = club.people(1, **fields)
    outbox.put(
        tenant_id=club.tenant_id,
        template_id=club.template_id,
        customer_ids=[who],
        dedupe_keys=[f"step:{who}"],
        purpose=purpose,
        now=NOON,
    )


def test_a_domain_s_rate_keeps_back_its_own_and_nobody_else(club: Club, sink: Sink) -> None:
    allow(club, {"domain": "big.example", "most": 2})
    campaign = club.campaign([*people_at(club, "BIG.example", 5), *people_at(club, "small.example", 4)])
    club.act("start", campaign)
    club.work()
    assert domains(sink) == {"BIG.example": 1, "small.example": 4}
    assert club.stats(campaign).held == {Reason.RATE_LIMIT: 4}
    for half in range(1, 5):
        club.work(half * MINUTE / 2 - SECOND)
        assert domains(sink)["BIG.example"] == half
        club.work(half * MINUTE / 2)
        assert domains(sink)["BIG.example"] == half + 1
    club.work(3 * MINUTE)
    assert club.stats(campaign).sent == 9
    assert club.status(campaign) == "completed"


def test_both_a_channel_s_and_a_domain_s_rate_are_kept(club: Club, sink: Sink) -> None:
    allow(club, {"most": 12}, {"domain": "big.example", "most": 3})
    campaign = club.campaign([*people_at(club, "big.example", 20), *people_at(club, "small.example", 60)])
    club.act("start", campaign)
    before: Counter[str] = Counter()
    for second in range(301):
        club.work(second * SECOND)
        if second % 60 == 0:
            grown = domains(sink) - before
            # Five seconds' worth more at the beginning, where it begins.
            assert grown.total() <= 13
            assert grown["big.example"] <= 4
            before = domains(sink)
    assert before == {"big.example": 5 * 3 + 1, "small.example": 5 * 9}
    club.stats(campaign)


@given(
    order=st.permutations(["big.example"] * 20 + ["odd.example"] * 15 + ["small.example"] * 45),
    most=st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(1, 20)),
)
def test_no_place_under_a_rate_is_lost_to_another(order: list[str], most: tuple[int, int, int]) -> None:
    """In whatever order people come: each place of the channel is used, as long as somebody may take it."""
    all_, big, odd = most
    wanted = {None: all_, "big.example": big, "odd.example": odd}
    kept = [
        SendingRate(
            channel="EMAIL", domain=domain, most=n, seconds=60, ready_at=NOON, journey_at=NOON, queue_at=NOON
        )
        for domain, n in wanted.items()
    ]  # fmt: skip
    due = [(NOON, domain) for domain in order]
    out: list[tuple[datetime, str]] = []
    for second in range(241):
        now = NOON + second * SECOND
        tried = sorted((one for one in due if one[0] <= now), key=lambda one: one[0])
        due = [one for one in due if one[0] > now]
        clocks = [rates.Clock(row, now) for row in kept]
        verdicts = [Verdict(Status.SENDING, None, f"reader@{domain}") for _, domain in tried]
        rows = [{"channel": "EMAIL", "purpose": Purpose.MARKETING, "priority": Priority.CAMPAIGN} for _ in tried]
        for (_, domain), told in zip(tried, rates.spread(clocks, rows, verdicts, now), strict=True):
            if told.status is Status.SENDING:
                out.append((now, domain))
            else:
                assert told.due_at is not None
                due.append((told.due_at, domain))
        for clock in clocks:
            clock.row.ready_at, clock.row.queue_at = clock.ready, clock.behind[False]
    for domain, n in wanted.items():
        went = [at for at, one in out if domain in (None, one)]
        # Five seconds' worth more where some were late.
        assert all(len([at for at in went if since <= at < since + MINUTE]) <= n + n // 12 + 1 for since in went)
    others = [at for at, domain in out if domain == "small.example"]
    if len(others) < 45:
        # Somebody whom no domain keeps waited all the time, so nothing of the channel's was left over.
        assert 4 * all_ <= len(out) <= 4 * all_ + 1


def test_after_a_rest_a_few_go_at_once(club: Club, sink: Sink) -> None:
    allow(club, {"most": 60})
    campaign = club.campaign(club.people(20))
    club.act("start", campaign, 10 * MINUTE)
    club.work(10 * MINUTE)
    assert len(sink.letters) == 6
    club.work(10 * MINUTE + 3 * SECOND)
    assert len(sink.letters) == 9


def test_two_senders_let_out_no_more_than_one(club: Club, sink: Sink) -> None:
    allow(club, {"most": 60})
    campaign = club.campaign(club.people(10))
    club.act("start", campaign)
    club.work(send=False)
    claims = [gate.claim(tenant_id=club.tenant_id, limit=5, now=NOON) for _ in range(3)]
    assert [len(one.letters) for one in claims] == [1, 0, 0]
    assert sum(one.looked_at for one in claims) == 10


def test_a_journey_s_goes_before_a_campaign_s(club: Club, sink: Sink) -> None:
    allow(club, {"most": 1})
    campaign = club.campaign(club.people(4))
    club.act("start", campaign)
    club.work()
    journeys_message(club, email="journey@example.com")
    for minute in (0, 1, 2):
        club.work(minute * MINUTE)
    assert len(sink.letters) == 3
    assert [one.recipient for one in sink.letters].index("journey@example.com") == 1


def test_what_is_transactional_goes_and_is_counted(club: Club, sink: Sink) -> None:
    allow(club, {"most": 1})
    journeys_message(club)
    club.work()
    for _ in range(3):
        journeys_message(club, Purpose.TRANSACTIONAL)
    club.work()
    assert len(sink.letters) == 4
    journeys_message(club)
    club.work(3 * MINUTE)
    assert len(sink.letters) == 4
    for minute in range(4, 40):
        club.work(minute * MINUTE)
    assert len(sink.letters) == 5


def test_however_many_are_transactional_others_wait_for_them_no_longer_than_the_horizon(club: Club, sink: Sink) -> None:
    allow(club, {"most": 1})
    for _ in range(40):
        journeys_message(club, Purpose.TRANSACTIONAL)
    club.work()
    assert len(sink.letters) == 40
    [row] = club.rows("SELECT ready_at FROM sending_rate")
    assert row.ready_at == NOON + rates.HORIZON
    journeys_message(club)
    club.work(rates.HORIZON - MINUTE)
    assert len(sink.letters) == 40
    club.work(rates.HORIZON + MINUTE)
    assert len(sink.letters) == 41


def test_what_was_called_off_keeps_nobody_waiting_for_long(club: Club, sink: Sink, monkeypatch: Any) -> None:
    monkeypatch.setattr(rates, "HORIZON", 3 * MINUTE)
    allow(club, {"most": 1})
    first = club.campaign(club.people(30))
    club.act("start", first)
    club.work()
    club.act("cancel", first)
    club.work()
    later = club.campaign(people_at(club, "later.example", 1))
    club.act("start", later)
    club.work()
    for minute in range(1, 8):
        club.work(minute * MINUTE)
    assert domains(sink)["later.example"] == 1
    assert club.stats(first).skipped == {"cancelled": 29}


def test_everybody_gets_it_in_the_end_and_once(club: Club, sink: Sink, monkeypatch: Any) -> None:
    monkeypatch.setattr(rates, "HORIZON", timedelta(seconds=20))
    allow(club, {"most": 60})
    campaign = club.campaign(club.people(60))
    club.act("start", campaign)
    for second in range(0, 200, 2):
        club.work(second * SECOND)
    assert club.stats(campaign).sent == len({one.recipient for one in sink.letters}) == len(sink.letters) == 60


def test_a_rate_is_told_as_the_region_writes_numbers() -> None:
    saw = {"rate": {"channel": "EMAIL", "domain": "gmail.com", "most": 1500, "seconds": 60}, "at": "2026-11-20T15:00Z"}
    row = {"status": "held", "reason": "rate_limit", "saw": saw, "due_at": None, "channel": "EMAIL"}
    with written_for("de_DE"):
        (step,) = explain.story(row | {"id": new_id()})
    assert step.words.endswith("It went by: 1.500 a minute to gmail.com (E-mail).")


def test_one_that_ends_is_left_out_and_why_says_the_rate(club: Club, sink: Sink) -> None:
    allow(club, {"most": 1, "seconds": 3600})
    campaign = club.campaign(club.people(2), expires_hours=1)
    club.act("start", campaign)
    club.work()
    (held,) = club.rows(f"SELECT {explain.STORY} FROM message WHERE status = 'held'")
    (step,) = explain.story(held._mapping)
    assert (step.what, step.holds) == ("Rate", None)
    assert step.words.endswith("It went by: 1 an hour (E-mail).")
    club.work(timedelta(hours=1))
    assert club.stats(campaign).skipped == {"expired": 1}


def test_a_rate_that_is_taken_away_lets_out_what_it_held(club: Club, sink: Sink) -> None:
    allow(club, {"most": 1})
    club.act("start", club.campaign(club.people(5)))
    club.work()
    allow(club)
    club.work()
    assert len(sink.letters) == 5


def test_who_has_no_rate_has_nothing_asked(club: Club, sink: Sink, monkeypatch: Any) -> None:
    monkeypatch.setattr(rates, "hold_back", None)
    club.act("start", club.campaign(club.people(3)))
    club.work()
    assert len(sink.letters) == 3
    assert sender.send_batch(tenant_id=club.tenant_id, now=NOON) == 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"rate_most": "0"}, "Allow from 1 to 1\u00a0000\u00a0000 messages."),
        ({"rate_most": "x"}, "Allow from 1 to 1\u00a0000\u00a0000 messages."),
        ({"rate_domain": "no domain"}, "Give a domain such as gmail.com, or none for all."),
        ({"rate_channel": "SMS", "rate_domain": "big.example"}, "Only addresses of e-mail have a domain."),
        ({"rate_seconds": "7"}, "Count over a second, a minute, an hour or a day."),
    ],
)
def test_what_is_wrong_stands_beside_it(
    client: PageClient, sign_in: Any, tenant: Any, wrong: dict[str, str], words: str
) -> None:
    sign_in("owner")
    times = {f"{end}_{name}": at for name in policy.CHANNELS for end, at in (("from", "21:00"), ("to", "08:00"))}
    given = {"rate_most": "5", "rate_channel": "EMAIL", "rate_domain": "", "rate_seconds": "60"}
    page = client.post("/settings/limits", times | given | wrong, status=422).text
    assert page.count(words) == 2
    assert rates.of(tenant_id=tenant.id) == []
    client.post("/settings/limits", times | given | {"rate_domain": "@Big.Example"}, status=302)
    assert rates.of(tenant_id=tenant.id) == [Rate("EMAIL", "big.example", 5, 60)]
    assert 'value="big.example"' in client.get("/settings/limits").text


def test_over_the_api(api: ApiClient, tenant: Any) -> None:
    one = {"channel": "SMS", "domain": None, "most": 1, "seconds": 1}
    assert api.patch("/sending-policy", json={"rates": [one]}).get_json()["rates"] == [one]
    assert api.patch("/sending-policy", json={"rates": [one, one]}).status_code == 422
    assert api.patch("/sending-policy", json={"caps": []}).get_json()["rates"] == [one]
    assert api.patch("/sending-policy", json={"rates": []}).get_json()["rates"] == []
