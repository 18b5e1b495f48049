"""What readers do after a campaign: credited once, to the message that was touched last, with what it brought in."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.campaigns import goal, queries
from app.campaigns.models import Campaign
from app.capture import merging, service
from app.customers import timeline
from app.events import log
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.messaging.tokens import TrackedLink
from app.messaging.tracking import Kind, Visit, record
from app.road import HANDLERS
from tests.campaigns.conftest import ACTOR, NOON, Club
from tests.messaging.sink import Sink

PERSON = Visit("GET", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0")
PAID = "payment.received"
FOR_PAYMENTS = {"event_type": PAID, "window_days": 7}
HOUR = timedelta(hours=1)


class Happenings:
    """What the club's systems tell of people, and what people do with mails."""

    def __init__(self, club: Club) -> None:
        self.club, self.number = club, 0

    def event(self, who: UUID, after: timedelta, type_: str = PAID, **payload: Any) -> None:
        self.number += 1
        self.tell(f"e{self.number}", who, after, type_, **payload)
        self.apply(after)

    def tell(self, id_: str, who: UUID, after: timedelta, type_: str = PAID, **payload: Any) -> None:
        event = {
            "id": id_,
            "type": type_,
            "source": "fairway",
            "timestamp": (NOON + after).isoformat(),
            "identity": {"customer_id": str(who)},
            "payload": payload,
        }
        log.append(tenant_id=self.club.tenant_id, events=[event], own=True, now=NOON + after)

    def apply(self, after: timedelta) -> None:
        while service.process_batch(tenant_id=self.club.tenant_id, now=NOON + after, handlers=HANDLERS):
            pass

    def visit(self, message: UUID, kind: Kind, after: timedelta) -> None:
        url = "https://club.example/book" if kind is Kind.CLICKED else ""
        link = TrackedLink(self.club.tenant_id, message, url)
        record(kind=kind, link=link, visit=PERSON, now=NOON + after)

    def sent(self, people: list[UUID], after: timedelta = timedelta(0), **given: Any) -> Campaign:
        """Send a campaign to these people, and return it."""
        campaign = self.club.campaign(people, **{"goal": FOR_PAYMENTS} | given)
        self.club.act("start", campaign, after)
        self.club.work(after)
        self.club.work(after + timedelta(seconds=5))
        return campaign

    def message(self, campaign: Campaign, who: UUID) -> UUID:
        found = self.club.rows(
            "SELECT id FROM message WHERE campaign_id = :c AND customer_id = :w", c=campaign.id, w=who
        )
        return UUID(str(found[0].id))

    def credits(self) -> list[tuple[UUID, str, Decimal | None, str | None]]:
        rows = self.club.rows(
            "SELECT campaign_id, touch, amount, currency FROM conversion WHERE credited ORDER BY at, event_id"
        )
        return [tuple(row) for row in rows]


@pytest.fixture
def happens(club: Club, sink: Sink) -> Happenings:
    return Happenings(club)


def test_what_is_done_within_the_window_counts_with_what_it_brought_in(happens: Happenings, club: Club) -> None:
    ann, ben, cid, dee = club.people(4)
    campaign = happens.sent([ann, ben, cid], cost=Decimal("100"))
    happens.event(ann, 2 * HOUR, amount=150, currency="ZAR")
    happens.event(ann, 3 * HOUR, amount="49.50", currency="ZAR")
    happens.event(ben, 4 * HOUR, amount=20, currency="EUR")
    happens.event(ben, 5 * HOUR, "teetime.booked")
    happens.event(cid, timedelta(days=7, hours=1), amount=1000, currency="ZAR")
    happens.event(cid, -HOUR, amount=1000, currency="ZAR")
    happens.event(dee, HOUR, amount=1000, currency="ZAR")
    found = club.stats(campaign)
    assert found.converted == 2
    assert found.revenue == {"ZAR": Decimal("199.50"), "EUR": Decimal("20")}
    assert (found.cost_currency, found.roi) == ("ZAR", Decimal("0.995"))


def test_without_a_currency_it_is_the_club_s_and_without_an_amount_it_counts(happens: Happenings, club: Club) -> None:
    (club_id,) = [row.id for row in club.rows("SELECT id FROM club")]
    club.rows("UPDATE club SET currency = 'GBP' RETURNING 1")
    (ann,), (ben,) = club.people(1, club_id=club_id), club.people(1)
    campaign = happens.sent([ann, ben])
    happens.event(ann, HOUR, amount=5)
    happens.event(ben, HOUR, amount="a lot")
    happens.event(ben, 2 * HOUR, amount=10**15)
    found = club.stats(campaign)
    assert (found.converted, found.revenue) == (2, {"GBP": Decimal(5)})


@pytest.mark.parametrize(
    ("touches", "credited", "by"),
    [
        ([], 2, "send"),
        ([(1, Kind.OPENED)], 1, "open"),
        ([(2, Kind.OPENED), (1, Kind.CLICKED)], 1, "click"),
        ([(1, Kind.CLICKED), (2, Kind.CLICKED)], 2, "click"),
        ([(2, Kind.CLICKED), (1, Kind.CLICKED)], 1, "click"),
        ([(2, Kind.OPENED), (1, Kind.OPENED)], 1, "open"),
    ],
)
def test_the_last_touch_is_credited_a_click_before_an_open(
    happens: Happenings, club: Club, touches: list[tuple[int, Kind]], credited: int, by: str
) -> None:
    ann = club.people(1)[0]
    first, second = happens.sent([ann]), happens.sent([ann], HOUR)
    campaigns = {1: first, 2: second}
    for place, (which, kind) in enumerate(touches):
        happens.visit(happens.message(campaigns[which], ann), kind, (place + 2) * HOUR)
    happens.event(ann, 10 * HOUR, amount=10, currency="ZAR")
    ((campaign_id, touch, *_),) = happens.credits()
    assert (campaign_id, touch) == (campaigns[credited].id, by)
    assert club.stats(campaigns[credited]).converted == 1
    assert club.stats(campaigns[3 - credited]).converted == 0
    # It stays beside the other one all the same: what it would have done without is another question.
    assert len(club.rows("SELECT 1 FROM conversion")) == 2


def test_a_click_after_it_is_no_cause(happens: Happenings, club: Club) -> None:
    ann = club.people(1)[0]
    campaign = happens.sent([ann])
    happens.visit(happens.message(campaign, ann), Kind.CLICKED, 3 * HOUR)
    happens.event(ann, 2 * HOUR)
    assert [touch for _, touch, *_ in happens.credits()] == ["send"]


def test_late_and_repeated_events_count_once(happens: Happenings, club: Club) -> None:
    ann = club.people(1)[0]
    campaign = happens.sent([ann])
    happens.tell("late", ann, 2 * HOUR, amount=10, currency="ZAR")
    happens.tell("late", ann, 2 * HOUR, amount=10, currency="ZAR")
    happens.apply(timedelta(days=60))
    happens.tell("late", ann, 2 * HOUR, amount=10, currency="ZAR")
    happens.apply(timedelta(days=61))
    assert club.stats(campaign).revenue == {"ZAR": Decimal(10)}
    # Whoever tries again what was applied, as a worker that died would.
    club.rows("UPDATE inbound_event SET status = 'received' RETURNING 1")
    happens.apply(timedelta(days=62))
    found = club.stats(campaign)
    assert (found.converted, found.revenue) == (1, {"ZAR": Decimal(10)})


def test_conditions_on_what_the_event_says(happens: Happenings, club: Club) -> None:
    ann, ben = club.people(2)
    rules = [{"field": "amount", "operator": "gt", "value": 100}]
    campaign = happens.sent([ann, ben], goal={**FOR_PAYMENTS, "conditions": rules})
    happens.event(ann, HOUR, amount=100.5, currency="ZAR")
    happens.event(ben, HOUR, amount=100, currency="ZAR")
    assert club.stats(campaign).converted == 1


def test_only_what_went_out_is_credited(happens: Happenings, club: Club) -> None:
    ann, ben = club.people(1)[0], club.people(1, email_opt_in=False)[0]
    campaign = happens.sent([ann, ben])
    happens.event(ben, HOUR)
    assert club.stats(campaign).converted == 0


def test_whoever_became_one_with_another_is_credited_still(happens: Happenings, club: Club) -> None:
    ann, anna = club.people(2)
    campaign = happens.sent([anna])
    merging.merge_customers(tenant_id=club.tenant_id, winner_id=ann, loser_id=anna, actor=ACTOR)
    happens.event(ann, HOUR)
    assert club.stats(campaign).converted == 1


def test_each_occurrence_has_its_own(happens: Happenings, club: Club) -> None:
    ann = club.people(1)[0]
    schedule = {"local_time": "15:00", "rrule": "FREQ=DAILY"}
    campaign = club.campaign([ann], type="RECURRING", schedule=schedule, goal=FOR_PAYMENTS)
    club.act("start", campaign)
    for days in range(2):
        after = timedelta(days=days, hours=2)
        club.work(after)
        club.work(after + timedelta(seconds=5))
        happens.event(ann, after + HOUR, amount=10, currency="ZAR")
    runs = queries.page_of_runs(tenant_id=club.tenant_id, campaign_id=campaign.id).items
    by_run = [queries.stats(tenant_id=club.tenant_id, campaign_id=campaign.id, run_id=run.id) for run in runs]
    assert [one.converted for one in by_run] == [1, 1]
    assert club.stats(campaign).revenue == {"ZAR": Decimal(20)}


def test_it_stands_on_the_timeline(happens: Happenings, club: Club) -> None:
    ann = club.people(1)[0]
    happens.sent([ann])
    happens.event(ann, HOUR, amount=10, currency="ZAR")
    page = timeline.timeline(tenant_id=club.tenant_id, customer_id=ann)
    (found,) = [one for one in page.items if one.type == "message.converted"]
    assert found.title == "Payment received after “Welcome, Ann”"
    assert {"amount": 10, "currency": "ZAR", "touch": "send"}.items() <= found.payload.items()


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"event_type": ""}, "goal.event_type"),
        ({"event_type": PAID, "window_days": 0}, "goal.window_days"),
        ({"event_type": PAID, "window_days": True}, "goal.window_days"),
        ({"event_type": PAID, "conditions": [{"field": "amount", "operator": "gt", "value": "x"}]},
         "goal.conditions.rules[0]"),
        ({"event_type": PAID, "more": 1}, "goal.more"),
    ],
)  # fmt: skip
def test_a_goal_that_can_t_be_asked_is_refused(club: Club, wrong: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as refused:
        club.campaign([], goal=wrong)
    assert path in refused.value.errors


def test_a_goal_in_words() -> None:
    rules = {"combinator": "AND", "rules": [{"field": "amount", "operator": "gt", "value": 100}]}
    assert goal.in_words(goal.Goal(PAID, {"combinator": "AND", "rules": []}, 1)) == "Payment received within 1 day"
    assert goal.in_words(goal.Goal(PAID, rules, 7)).startswith("Payment received within 7 days, where ")


def test_many_in_one_batch(happens: Happenings, club: Club) -> None:
    people = club.people(30)
    campaign = happens.sent(people)
    for place, who in enumerate(people):
        happens.tell(f"many{place}", who, HOUR, amount=1, currency="ZAR")
    happens.apply(HOUR)
    found = club.stats(campaign)
    assert (found.converted, found.revenue) == (30, {"ZAR": Decimal(30)})


def test_a_conversion_reads_few_rows_though_its_plan_was_made_while_there_were_few(
    happens: Happenings, club: Club
) -> None:
    people = club.people(8)
    happens.sent(people)
    read = (
        "SELECT sum(idx_tup_fetch + seq_tup_read) AS many FROM pg_stat_xact_user_tables"
        " WHERE relname IN ('customer', 'message')"
    )
    with transaction(club.tenant_id) as session:
        # As of a connection that has asked often enough.
        session.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
    for who in people[1:]:
        happens.event(who, HOUR)
    club.rows(
        "INSERT INTO customer (tenant_id, first_name) SELECT :t, 'Late' FROM generate_series(1, 2000) RETURNING id",
        t=club.tenant_id,
    )
    club.rows(
        "INSERT INTO message SELECT made.* FROM message m JOIN customer c ON c.first_name = 'Late',"
        " jsonb_populate_record(m, jsonb_build_object('id', uuid7(), 'customer_id', c.id, 'dedupe_key', c.id)) AS made"
        " WHERE m.customer_id = :w RETURNING id",
        w=people[0],
    )
    before = club.rows(read)[0].many
    happens.event(people[0], HOUR)
    assert len(happens.credits()) == 8
    many = club.rows(read)[0].many - before
    # Each of them beside each other is four million.
    assert many < 10_000
