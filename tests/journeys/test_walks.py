"""Conditions of steps ask of what let people in, of what they waited for, and of what calls were answered."""

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from app.accounts.models import Tenant
from app.conditions import FieldType, compile_seen, evaluate, evaluate_rules, explain, parse, profile, to_json
from app.infra.db import transaction
from app.infra.ids import new_id
from app.journeys import asking, calls
from app.journeys.kinds import check_graph, read_graph, words_of
from app.journeys.step_type import JourneyFacts, Known, StepBatch, Walker, step_types
from app.journeys.steps.condition import ConditionConfig
from app.journeys.walks import Around, Walks, around
from tests.conditions.test_behaviour import anything, payload_rules
from tests.conditions.test_two_readers import groups
from tests.journeys.helpers import (
    JOINED,
    NOW,
    Json,
    admit,
    asks,
    check_counters,
    event,
    happen,
    journey,
    people,
    rows,
    run,
    step,
    tag,
    tags,
)

PAID = "payment.received"
AROUND = Around(PAID, ("teetime.completed",), (("webhook_1", "Ask the weather"),))


def rule(field: str, operator: str, value: Any = None) -> Json:
    return {"field": field, "operator": operator, "value": value}


@st.composite
def walk_rules(draw: st.DrawFn) -> Json:
    made = draw(payload_rules())
    document = draw(st.sampled_from(["event", "awaited", "webhook.webhook_1"]))
    return {**made, "field": f"{document}.{made['field']}"}


trees: SearchStrategy[Json] = st.recursive(walk_rules(), groups, max_leaves=4)
NAMES = ["holes", "club", "paid", "day", "at", "tags", "ref", "price", "currency", "else", "amount", "membershipTier"]
payloads = st.fixed_dictionaries({}, optional={**dict.fromkeys(NAMES, anything), "a": st.just({"b": 18})})
walks = st.tuples(payloads, st.none() | payloads, st.none() | payloads | anything)


@pytest.fixture
def customer_id(tenant: Tenant) -> UUID:
    return people(tenant.id)[0]


@settings(suppress_health_check=list(HealthCheck), max_examples=60)
@given(
    data=trees,
    typed=st.booleans(),
    told=st.lists(walks, min_size=1, max_size=4),
    zone=st.sampled_from(["UTC", "Europe/London"]),
)
def test_both_readers_answer_the_same(
    tenant: Tenant, customer_id: UUID, data: Json, typed: bool, told: list[Any], zone: str
) -> None:
    catalogue = Walks(profile, AROUND, typed=typed)
    tree = parse(data, catalogue, allow_empty=True)
    assert parse(to_json(tree), catalogue, allow_empty=True) == tree
    walkers = [
        Walker(
            new_id(),
            customer_id,
            1,
            None,
            payload,
            answers={} if answer is None else {"webhook_1": answer},
            awaited=None if awaited is None else {"type": "teetime.completed", "payload": awaited},
        )
        for payload, awaited, answer in told
    ]
    with transaction(tenant.id) as session:
        journey_id = new_id()
        batch = StepBatch(
            session=session,
            tenant_id=tenant.id,
            now=NOW,
            journey=JourneyFacts(journey_id, 1, zone, journey_id, PAID),
            step_key="c",
            config=ConditionConfig(),
            walkers=walkers,
        )
        found = asking.answers(batch, [tree])
    for walker in walkers:
        said = asking.documents(walker, PAID)
        known = evaluate(tree, said, zone=ZoneInfo(zone), now=NOW)
        each = [one is True for _, one in evaluate_rules(tree, said, zone=ZoneInfo(zone), now=NOW)]
        if found:
            assert found[walker] == ((known is True, tuple(each)),), (explain(tree), said)


def test_a_condition_asks_what_let_them_in(tenant: Tenant) -> None:
    steps = [
        step("t", "TRIGGER", "c", {"event_type": PAID}),
        asks("c", "yes", "no", rule("event.amount", "gte", 500), rule("first_name", "is_not_null")),
        tag("yes", None, "much"),
        tag("no", None, "little"),
    ]
    made = journey(tenant.id, steps, reentry="each", reentry_key="reference")
    rich, poor, both = people(tenant.id, 3)
    happen(
        tenant.id,
        event(rich, {"amount": "1200.50", "reference": "a"}, type=PAID),
        event(poor, {"amount": 20, "reference": "b"}, type=PAID),
        event(both, {"amount": 600, "reference": "c"}, type=PAID),
        event(both, {"amount": 1, "reference": "d"}, type=PAID),
    )
    run(tenant.id)
    assert (tags(tenant.id, rich), tags(tenant.id, poor)) == (["much"], ["little"])
    # Each walk by its own event, though one person takes both in one batch.
    assert sorted(tags(tenant.id, both)) == ["little", "much"]
    of_rich = (
        "SELECT s.result FROM journey_enrollment_step s JOIN journey_enrollment e ON e.id = s.enrollment_id"
        " WHERE s.step_key = 'c' AND e.customer_id = :id"
    )
    told = rows(tenant.id, of_rich, id=rich)[0].result
    assert told["evaluated_rules"][0] == {"field": "event.amount", "operator": "gte", "matched": True}
    check_counters(tenant.id, made.id)


def test_who_came_without_an_event_is_not_known(tenant: Tenant) -> None:
    steps = [
        asks("c", "yes", "else", rule("event.amount", "lt", 5)),
        asks("else", "unknown", None, rule("event.amount", "is_null")),
        tag("yes", None, "little"),
        tag("unknown", None, "unknown"),
    ]
    made = journey(tenant.id, steps)
    (who,) = people(tenant.id)
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    assert tags(tenant.id, who) == ["unknown"]


def test_several_ways_by_what_was_waited_for(tenant: Tenant) -> None:
    ways = [
        {"key": "p1", "name": "Whole round", "rules": [rule("awaited.holes", "gte", 18)], "combinator": "AND"},
        {"key": "p2", "name": "Gold", "rules": [rule("event.membership_tier", "eq", "gold")], "combinator": "AND"},
    ]
    steps = [
        step("t", "TRIGGER", "w", {"event_type": JOINED}),
        step("w", "WAIT", "c", {"event_type": "teetime.completed", "timeout": "3 days"}, next_timeout=None),
        step("c", "CONDITION", None, {"paths": ways}, next_p1="whole", next_p2="gold", next_else=None),
        tag("whole", None, "whole"),
        tag("gold", None, "gold"),
    ]
    journey(tenant.id, steps)
    whole, gold, neither = everybody = people(tenant.id, 3)
    happen(tenant.id, *(event(who, {"membershipTier": "Gold" if who == gold else "Blue"}) for who in everybody))
    run(tenant.id)
    played = {whole: 18, gold: 9, neither: 9}
    events = [event(who, {"holes": holes}, type="teetime.completed") for who, holes in played.items()]
    for one in events:
        note(tenant.id, one)
    happen(tenant.id, *events)
    run(tenant.id)
    assert [tags(tenant.id, who) for who in everybody] == [["whole"], ["gold"], []]
    kept = rows(tenant.id, "SELECT awaited FROM journey_enrollment WHERE customer_id = :id", id=whole)
    assert kept[0].awaited == {"type": "teetime.completed", "payload": {"holes": 18}}


def note(tenant_id: UUID, one: Any) -> None:
    """Put an event on the timeline, as capture does before journeys hear of it."""
    rows(
        tenant_id,
        "INSERT INTO activity (tenant_id, id, customer_id, type, category, source, occurred_at, title, payload)"
        " VALUES (:tenant, :id, :customer_id, :type, 'OTHER', 'teetime', :at, 'Played', CAST(:payload AS jsonb))"
        " RETURNING id",
        tenant=tenant_id, id=one.id, customer_id=one.customer_id, type=one.type, at=NOW,
        payload=f'{{"holes": {one.payload["holes"]}}}',
    )  # fmt: skip


def test_letters_know_what_was_waited_for() -> None:
    walker = Walker(new_id(), new_id(), 1, None, {"a": 1}, awaited={"type": PAID, "payload": {"amount": 2}})
    assert walker.context == {"event": {"a": 1}, "awaited": {"amount": 2}}


def test_an_answer_decides(tenant: Tenant) -> None:
    (who, other) = people(tenant.id, 2)
    call = {"method": "POST", "url": "https://hooks.example.com/in", "secret": calls.new_secret(tenant.id)[1]}
    steps = [
        asks("c", "yes", "webhook_1", rule("webhook.webhook_1.forecast.rain", "lt", 30)),
        tag("yes", None, "dry"),
        step("webhook_1", "WEBHOOK", None, call, next_failed=None),
    ]
    made = journey(tenant.id, steps)
    inside = admit(tenant.id, made.id, [who, other])
    rows(
        tenant.id,
        'UPDATE journey_enrollment SET answers = \'{"webhook_1": {"forecast": {"rain": 10}}}\' WHERE id = :id'
        " RETURNING id",
        id=inside[who],
    )
    run(tenant.id)
    assert (tags(tenant.id, who), tags(tenant.id, other)) == (["dry"], [])


def test_words_name_whose_it_is() -> None:
    steps = [
        step("t", "TRIGGER", "w", {"event_type": PAID}),
        step("w", "WAIT", "webhook_1", {"event_type": "teetime.completed", "timeout": "1 day"}, next_timeout=None),
        {**step("webhook_1", "WEBHOOK", "c"), "name": "Ask the weather", "next_failed": None},
        asks(
            "c",
            None,
            None,
            rule("event.amount", "gte", 500),
            rule("event.whatever", "eq", "yes, please"),
            rule("awaited.holes", "eq", 18),
            rule("webhook.webhook_1.rain", "is_null"),
        ),
    ]
    graph = read_graph({"steps": steps})
    known = Known(around=around(graph), event_types={PAID: "Payment received", "teetime.completed": "Round played"})
    assert words_of(graph.steps["c"], known) == (
        "Amount of the event is at least 500, and whatever of the event is “yes, please”, and holes of the event waited"
        " for is 18, and rain in the answer to “Ask the weather” is unknown"
    )
    assert not [one for one in check_graph(graph, known) if one.step_key == "c"]


@pytest.mark.parametrize("type", ["CONDITION", "WAIT"])
def test_answers_asked_of_follow_the_step_that_is_copied(type: str) -> None:
    asked = [rule("webhook.call.rain", "lt", 30), {"not": {"rules": [rule("webhook.call.wind.gusts", "gt", 5)]}}]
    config = {"rules": asked, "combinator": "AND"} | ({"timeout": "1 day"} if type == "WAIT" else {})
    kind = step_types().get(type)
    assert kind.retargeted(config, lambda key: {"call": "webhook_9"}.get(key, key))["rules"] == [
        rule("webhook.webhook_9.rain", "lt", 30),
        {"not": {"rules": [rule("webhook.webhook_9.wind.gusts", "gt", 5)]}},
    ]
    assert kind.retargeted(config, lambda key: f"-{key}") == config
    trigger = step("t", "TRIGGER", "c", {"event_type": PAID})
    graph = read_graph({"steps": [trigger, step("c", type, None, config)]})
    wrong = {one.field: one.message for one in check_graph(graph, Known()) if one.step_key == "c"}
    assert set(wrong) == {"rules[0]", "rules[1].not.rules[0]"}
    assert "no webhook step “call”" in wrong["rules[0]"]


@pytest.mark.parametrize(
    "name", ["event", "event.", "event. x", "webhook", "awaited.", "happened.amount", "event.a\nb"]
)
def test_no_name_is_refused(name: str) -> None:
    graph = read_graph(
        {"steps": [step("t", "TRIGGER", "c", {"event_type": PAID}), asks("c", None, None, rule(name, "eq", 1))]}
    )
    wrong = [one for one in check_graph(graph, Known()) if one.step_key == "c"]
    assert [one.field for one in wrong] == ["rules[0]"]
    assert "There is no field" in wrong[0].message


def test_segments_can_not_ask_it() -> None:
    assert profile.find("event.amount") is None
    assert Walks(profile).find("first_name") is profile.find("first_name")
    assert Walks(profile, AROUND, typed=True).find("event.amount").type is FieldType.NUMBER  # type: ignore[union-attr]
    offered = [one.name for one in Walks(profile, AROUND)]
    assert len(offered) == len(set(offered))
    assert {"event.amount", "awaited.holes", "first_name"} <= set(offered)
    tree = parse(rule("event.amount", "gt", 1), Walks(profile))
    assert str(compile_seen(tree)[0].value)


def test_the_form_offers_the_events_fields_and_says_that_nobody_can_be_counted(
    client: Any, sign_in: Any, tenant: Tenant
) -> None:
    sign_in()
    steps = [step("t", "TRIGGER", "c", {"event_type": PAID}), asks("c", None, None, rule("event.amount", "gte", 500))]
    made = journey(tenant.id, steps, active=False)
    shown = client.get(f"/journeys/{made.id}/steps/c").text
    assert "What let them in: Payment received" in shown
    assert 'value="event.amount" selected' in shown
    form = {
        "rules.of": f"walk:{PAID}",
        "rules.join": "AND",
        "rules.0.field": "event.amount",
        "rules.0.value": "500",
        "rules.0.was": "event.amount",
        "rules.0.operator": "gte",
        "rules.0.drawn": "number",
    }
    told = client.post("/conditions/preview?name=rules", form, htmx=True).text
    assert "can’t be counted" in told
    assert "Not finished" not in told
