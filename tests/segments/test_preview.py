"""Whom conditions would mean, while they are made: counted, estimated where that takes too long, and shown by name."""

from datetime import date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select, text

from app.accounts.models import Club
from app.conditions import InvalidConditions
from app.customers.models import Activity, Customer, ExternalId
from app.infra.db import transaction
from app.infra.ids import new_id
from app.segments import preview as previews
from app.segments.preview import Preview, TooSlow, plain, preview

NOW = datetime.fromisoformat("2026-11-21T10:00:00+00:00")
PLAYED = {"event": "teetime.completed", "operator": "gte", "value": 2, "within": "90 days"}


def people(tenant: Any, count: int = 1, **values: Any) -> list[UUID]:
    ids = [new_id() for _ in range(count)]
    with transaction(tenant.id) as session:
        session.execute(insert(Customer), [{"tenant_id": tenant.id, "id": one, **values} for one in ids])
    return ids


def play(tenant: Any, *who: UUID, days_ago: int = 1) -> None:
    with transaction(tenant.id) as session:
        session.execute(
            insert(Activity),
            [
                {
                    "tenant_id": tenant.id,
                    "customer_id": one,
                    "type": "teetime.completed",
                    "category": "GOLF",
                    "title": "Played",
                    "source": "teetime",
                    "occurred_at": NOW - timedelta(days=days_ago),
                }
                for one in who
            ],
        )


def ask(tenant: Any, *rules: dict[str, Any], **more: Any) -> Preview:
    return preview(tenant_id=tenant.id, criteria={"combinator": "AND", "rules": list(rules)}, now=NOW, **more)


def eq(field: str, value: Any) -> dict[str, Any]:
    return {"field": field, "operator": "eq", "value": value}


def test_who_fits_is_counted_and_ten_are_shown_by_what_they_are_known_by(tenant: Any) -> None:
    with transaction(tenant.id) as session:
        club = session.scalars(select(Club)).one()
    gold = people(tenant, 12, first_name="Thandi", membership_tier="Gold", club_id=club.id)
    people(tenant, 3, membership_tier="Silver")
    people(tenant, 2, membership_tier="Gold", status="MERGED", merged_into_id=gold[0])
    with transaction(tenant.id) as session:
        session.execute(
            insert(ExternalId),
            [
                {"tenant_id": tenant.id, "customer_id": one, "kind": "scl_member_id", "value": f"ZA{at}"}
                for at, one in enumerate(gold)
            ],
        )
    found = ask(tenant, eq("membership_tier", "gold"))
    assert (found.count, found.estimated, found.sentence) == (12, False, "Membership tier is gold")
    assert len({one.id for one in found.sample}) == 10
    assert {one.id for one in found.sample} <= set(gold)
    assert {(one.name, one.club, one.membership_tier) for one in found.sample} == {("Thandi", club.name, "Gold")}
    assert {one.member_number for one in found.sample} <= {f"ZA{at}" for at in range(12)}


def test_the_sample_is_in_the_order_of_lists(tenant: Any) -> None:
    for name in ("Zulu", "Adams", "Nel"):
        people(tenant, last_name=name)
    assert [one.name for one in ask(tenant).sample] == ["Adams", "Nel", "Zulu"]


def test_without_conditions_it_is_everybody_and_of_nobody_nothing(tenant: Any) -> None:
    assert ask(tenant) == Preview(0, False, "No conditions", [])
    people(tenant, 2)
    assert ask(tenant).count == 2


def test_of_a_club_only_its_people_are_meant_and_its_days(tenant: Any) -> None:
    with transaction(tenant.id) as session:
        far = Club(
            tenant_id=tenant.id, name="Far", country="NZ", timezone="Pacific/Auckland", locale="en_NZ", currency="NZD"
        )
        session.add(far)
        session.flush()
        club_id = far.id
    # In Auckland it is the 22nd already when it is eleven in the evening of the 21st in Cape Town.
    now = datetime.fromisoformat("2026-11-21T21:00:00+00:00")
    born_on = {"field": "date_of_birth", "operator": "anniversary_next", "value": "0 days"}
    people(tenant, date_of_birth=date(1980, 11, 22), club_id=club_id)
    people(tenant, date_of_birth=date(1980, 11, 22))
    criteria = {"combinator": "AND", "rules": [born_on]}
    assert preview(tenant_id=tenant.id, criteria=criteria, club_id=club_id, now=now).count == 1
    assert preview(tenant_id=tenant.id, criteria=criteria, now=now).count == 0


def test_what_was_done_counts_and_other_tenants_are_not_seen(tenant: Any, other_tenant: Any) -> None:
    often, once, *_ = people(tenant, 3)
    play(tenant, often, often, once)
    play(tenant, once, days_ago=91)
    strangers = people(other_tenant, 2)
    play(other_tenant, *strangers, *strangers)
    assert [one.id for one in ask(tenant, PLAYED).sample] == [often]
    assert ask(tenant, {"not": PLAYED}).count == 2
    assert ask(tenant, {**PLAYED, "operator": "eq", "value": 0}).count == 1


@pytest.mark.parametrize(
    ("given", "count"), [("VIP", 2), ("vip", 2), ("nine holes", 1), ("élan", 1), ('a "b"', 1), ("vi", 0), ("none", 0)]
)
def test_tags_are_found_however_they_are_written(tenant: Any, given: str, count: int) -> None:
    for tags in (["vip", "nine holes"], ["Vip", 'a "b"'], ["Élan"], []):
        people(tenant, tags=tags)
    assert ask(tenant, {"field": "tags", "operator": "contains", "value": given}).count == count
    assert ask(tenant, {"field": "tags", "operator": "not_contains", "value": given}).count == 4 - count


def test_amounts_are_told_in_the_money_of_the_organisation(tenant: Any) -> None:
    spent = {"event": "payment.received", "aggregate": "sum", "field": "amount", "operator": "gt", "value": 20_000}
    assert ask(tenant, spent).sentence == "Has spent more than R20\u00a0000 (payment received, ever)"


def test_names_tell_ids_in_the_sentence(tenant: Any) -> None:
    with transaction(tenant.id) as session:
        club_id = session.scalars(select(Club.id)).one()
    assert (
        ask(tenant, eq("club_id", str(club_id)), names={"club_id": {str(club_id): "Cape"}}).sentence == "Club is Cape"
    )


def test_what_is_wrong_is_told_by_its_path(tenant: Any) -> None:
    with pytest.raises(InvalidConditions) as wrong:
        ask(tenant, eq("handicap_index", "low"))
    assert list(wrong.value.errors) == ["criteria.rules[0]"]


def test_what_takes_too_long_is_estimated_and_said_so(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of people with ids that are the same each time, a fifth are golden and a tenth of all have played."""
    draw = Random(20261121)
    ids = [UUID(int=draw.getrandbits(128)) for _ in range(3000)]
    with transaction(tenant.id) as session:
        rows = [
            {"tenant_id": tenant.id, "id": one, "membership_tier": "Silver" if at % 5 else "Gold"}
            for at, one in enumerate(ids)
        ]
        session.execute(insert(Customer), rows)
    play(tenant, *ids[::10], *ids[::10])
    monkeypatch.setattr(previews, "_expected", lambda *_: 3000)
    monkeypatch.setattr(previews, "DRAWN", (1000, 100))
    monkeypatch.setattr(previews, "DRAWN_PATIENCE_MS", 60_000)

    def slow(*_: Any) -> Any:
        raise TooSlow

    monkeypatch.setattr(previews._Asked, "exactly", slow)
    gold, players = ask(tenant, eq("membership_tier", "Gold")), ask(tenant, PLAYED)
    assert (gold.estimated, players.estimated) == (True, True)
    assert gold.count == pytest.approx(600, rel=0.15)
    assert players.count == pytest.approx(300, rel=0.2)
    assert len(players.sample) == 10
    assert {one.id for one in players.sample} <= set(ids[::10])
    assert ask(tenant, eq("membership_tier", "Platinum")).sample == []
    monkeypatch.setattr(previews, "_expected", lambda *_: 999)
    everybody = ask(tenant, eq("membership_tier", "Gold"))
    assert (everybody.count, everybody.estimated) == (600, False)


def golden(tenant: Any) -> dict[str, Any]:
    """Make 2,000 people with ids that are the same each time, a tenth of them golden; return what asks for these."""
    draw = Random(20261122)
    rows = [
        {"id": UUID(int=draw.getrandbits(128)), "membership_tier": "Silver" if at % 10 else "Gold"}
        for at in range(2000)
    ]
    with transaction(tenant.id) as session:
        session.execute(insert(Customer), [{"tenant_id": tenant.id, **one} for one in rows])
    return eq("membership_tier", "Gold")


@pytest.fixture
def dear(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Whatever is asked is thought to take long, and may."""
    for name, value in {"LIKELY": -1, "WITHIN_MS": 60_000, "DRAWN": (200, 100), "DRAWN_PATIENCE_MS": 60_000}.items():
        monkeypatch.setattr(previews, name, value)
    monkeypatch.setattr(previews, "_expected", lambda *_: 2000)
    return monkeypatch


def test_few_are_counted_though_that_is_thought_to_take_long(tenant: Any, dear: pytest.MonkeyPatch) -> None:
    found = ask(tenant, golden(tenant))
    assert (found.count, found.estimated, len(found.sample)) == (200, False, 10)


@pytest.mark.parametrize("limits", [{"FEW": 100}, {"HOPELESS": -1}, {"WITHIN_MS": 0}])
def test_counting_is_not_begun_where_many_are_expected_or_no_time_is_left(
    tenant: Any, dear: pytest.MonkeyPatch, limits: dict[str, int]
) -> None:
    for name, value in limits.items():
        dear.setattr(previews, name, value)
    dear.setattr(previews._Asked, "_cost", lambda *_: 1.0)
    dear.setattr(previews._Asked, "exactly", lambda *_: pytest.fail("it was begun"))
    found = ask(tenant, golden(tenant))
    assert found.estimated
    assert found.count == pytest.approx(200, rel=0.5)


def test_what_is_counted_too_long_stays_the_estimate_it_was(tenant: Any, dear: pytest.MonkeyPatch) -> None:
    def slow(*_: Any) -> Any:
        raise TooSlow

    dear.setattr(previews._Asked, "exactly", slow)
    assert ask(tenant, golden(tenant)).estimated


def test_of_no_more_people_than_are_drawn_all_are_asked(tenant: Any, dear: pytest.MonkeyPatch) -> None:
    play(tenant, *people(tenant, 3))
    dear.setattr(previews, "_expected", lambda *_: 3)
    dear.setattr(previews._Asked, "exactly", lambda *_: pytest.fail("they were asked already"))
    found = ask(tenant, {**PLAYED, "value": 1})
    assert (found.count, found.estimated, len(found.sample)) == (3, False, 3)


def test_a_statement_is_given_its_time_and_the_transaction_goes_on(tenant: Any) -> None:
    with transaction(tenant.id) as session:
        before = session.scalar(text("SHOW statement_timeout"))
        with pytest.raises(TooSlow), previews._within(session, 20):
            session.execute(text("SELECT pg_sleep(30)"))
        with previews._within(session, 20_000):
            session.execute(text("SELECT 1"))
        assert session.scalar(text("SHOW statement_timeout")) == before
        assert session.scalar(select(Club.name).limit(1)) is not None


@pytest.mark.parametrize(("count", "told"), [(0, 0), (999, 999), (1234, 1230), (899_476, 899_000), (123_456, 123_000)])
def test_an_estimate_is_told_in_three_digits(count: int, told: int) -> None:
    assert plain(count) == told
