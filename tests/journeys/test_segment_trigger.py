"""A journey that begins when somebody enters or leaves a segment: chosen by name, checked, told in words."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.conditions import InvalidConditions
from app.events import log
from app.infra.db import transaction
from app.infra.ids import new_id
from app.journeys import lifecycle, queries, service
from app.journeys.kinds import words_of
from app.journeys.segments import _place, naming, using
from app.segments import service as segments
from tests.journeys.helpers import NOW, in_the_way, tag

ACTOR = "system:tests"
ENTERED, LEFT = "segment.entered", "segment.left"


def a_segment(tenant: Any, name: str = "Gold") -> UUID:
    return segments.create(tenant_id=tenant.id, actor=ACTOR, name=name, type="STATIC", now=NOW).id


def a_journey(tenant: Any, config: dict[str, Any], trigger: str = ENTERED) -> UUID:
    made = service.create(tenant_id=tenant.id, actor=ACTOR, name="Welcome", trigger_type=trigger, trigger_config=config)
    service.put_steps(tenant_id=tenant.id, journey_id=made.id, actor=ACTOR, steps=[tag("mark", None, "seen")])
    return made.id


@pytest.mark.parametrize("given", ["as it is", "in capitals", "without dashes"])
def test_the_segment_is_kept_as_events_name_it(tenant: Any, given: str) -> None:
    segment = a_segment(tenant)
    spelt = {"as it is": str(segment), "in capitals": str(segment).upper(), "without dashes": segment.hex}[given]
    made = a_journey(tenant, {"segment_id": spelt})
    lifecycle.activate(tenant_id=tenant.id, journey_id=made, actor=ACTOR, now=NOW)
    journey = queries.journey(tenant_id=tenant.id, journey_id=made)
    assert (journey.trigger_type, journey.trigger_config["segment_id"]) == (ENTERED, str(segment))


def test_a_segment_must_be_chosen_and_there_and_in_use(tenant: Any, other_tenant: Any) -> None:
    assert in_the_way(tenant.id, a_journey(tenant, {})) == {"steps.trigger.segment_id": "Choose the segment."}


@pytest.mark.parametrize("which", ["unknown", "archived", "another tenant's"])
def test_a_segment_that_is_not_there_is_refused(tenant: Any, other_tenant: Any, which: str) -> None:
    segment = a_segment(other_tenant if which == "another tenant's" else tenant)
    if which == "archived":
        with transaction(tenant.id) as session:
            session.execute(text("UPDATE segment SET archived_at = now()"))
    chosen = new_id() if which == "unknown" else segment
    assert (
        "archived" in in_the_way(tenant.id, a_journey(tenant, {"segment_id": str(chosen)}))["steps.trigger.segment_id"]
    )


def test_another_event_has_nothing_to_do_with_a_segment(tenant: Any) -> None:
    made = a_journey(tenant, {"segment_id": str(a_segment(tenant))}, trigger="payment.received")
    assert "nothing to do with a segment" in in_the_way(tenant.id, made)["steps.trigger.segment_id"]


@pytest.mark.parametrize("trigger, verb", [(ENTERED, "enters"), (LEFT, "leaves")])
def test_it_reads_as_one_would_say_it(tenant: Any, trigger: str, verb: str) -> None:
    made = a_journey(tenant, {"segment_id": str(a_segment(tenant))}, trigger=trigger)
    step = queries.draft(queries.journey(tenant_id=tenant.id, journey_id=made)).steps["trigger"]
    assert words_of(step, queries.known(tenant_id=tenant.id)) == f"When somebody {verb} the segment “Gold”"


def test_over_the_api(tenant: Any, api: Any) -> None:
    segment = a_segment(tenant)
    made = api.post(
        "/journeys",
        json={"name": "W", "trigger_type": ENTERED, "trigger_config": {"segment_id": str(segment), "conditions": []}},
    )
    assert made.status_code == 201, made.json
    assert made.json["trigger_config"]["segment_id"] == str(segment)


def test_in_the_form_the_segment_is_asked_for_by_name_once_the_event_is_about_one(
    tenant: Any, client: Any, sign_in: Any
) -> None:
    sign_in("marketer")
    gold, silver = a_segment(tenant), a_segment(tenant, "Silver <b>")
    made = service.create(tenant_id=tenant.id, actor=ACTOR, name="Welcome").id
    step = f"/journeys/{made}/steps/trigger"
    assert 'name="segment_id"' not in client.get(step).get_data(as_text=True)
    drawn = client.post(step, {"event_type": ENTERED, "act": "redraw"}, htmx=True).get_data(as_text=True)
    assert 'name="segment_id"' in drawn
    assert "Silver &lt;b&gt;" in drawn
    client.post(step, {"event_type": ENTERED, "segment_id": str(silver)}, htmx=True)
    journey = queries.journey(tenant_id=tenant.id, journey_id=made)
    assert queries.draft(journey).steps["trigger"].config["segment_id"] == str(silver)
    assert f'value="{silver}" selected' in client.get(step).get_data(as_text=True)
    client.post(step, {"event_type": "payment.received", "segment_id": str(gold)}, htmx=True)
    journey = queries.journey(tenant_id=tenant.id, journey_id=made)
    assert "segment_id" not in queries.draft(journey).steps["trigger"].config


@pytest.mark.parametrize("source", [None, "segment", "scl", "fairway"])
@pytest.mark.parametrize("type_", [ENTERED, LEFT])
def test_nobody_outside_says_who_enters_a_segment(tenant: Any, type_: str, source: str | None) -> None:
    event = {
        "id": "1",
        "type": type_,
        "source": source,
        "timestamp": NOW.isoformat(),
        "identity": {"email": "thandi@example.com"},
        "payload": {"segment_id": str(a_segment(tenant))},
    }
    (answer,) = log.append(tenant_id=tenant.id, events=[event], now=NOW)
    assert answer.status is log.Status.REJECTED
    assert answer.reason in (
        f'events of type "{type_}" are made by Fairway itself',
        'the source "fairway" is kept for Fairway itself',
    )


def test_where_a_graph_names_segments() -> None:
    one, two, three, four = (new_id() for _ in range(4))
    graph = {
        "steps": [
            {"key": "t", "type": "TRIGGER", "config": {"event_type": ENTERED, "segment_id": str(one).upper()}},
            {
                "key": "c",
                "type": "CONDITION",
                "config": {
                    "rules": [
                        {"field": "segments", "operator": "in", "value": [str(two), "nonsense", 7]},
                        {"not": {"combinator": "OR", "rules": [
                            {"field": "segments", "operator": "contains", "value": str(three), "disabled": True},
                            {"field": "first_name", "operator": "eq", "value": str(four)},
                        ]}},
                    ]
                },
            },
        ]
    }  # fmt: skip
    assert naming(graph) == {one, two, three}
    assert [_place(graph, id_) for id_ in (one, two, three)] == ["trigger", "condition", "condition"]
    graph["steps"][1]["config"]["rules"].append({"field": "segments", "operator": "contains", "value": str(one)})
    assert _place(graph, one) == "trigger and condition"
    assert naming(None) == frozenset()


def test_which_journeys_use_a_segment(tenant: Any) -> None:
    def used(*ids: UUID) -> dict[UUID, list[tuple[str, bool]]]:
        with transaction(tenant.id) as session:
            found = using(session, tenant.id, ids)
        return {id_: [(use.name, use.running) for use in uses] for id_, uses in found.items()}

    def placed(id_: UUID) -> list[str]:
        with transaction(tenant.id) as session:
            return [use.place for use in using(session, tenant.id, [id_])[id_]]

    gold, silver, bronze = (a_segment(tenant, name) for name in ("Gold", "Silver", "Bronze"))
    assert used(gold, silver, bronze) == {}
    made = a_journey(tenant, {"segment_id": str(gold)})
    assert used(gold, silver, bronze) == {gold: [("Welcome", False)]}
    assert placed(gold) == ["trigger"]
    lifecycle.activate(tenant_id=tenant.id, journey_id=made, actor=ACTOR, now=NOW)
    assert used(gold) == {gold: [("Welcome", True)]}
    # The draft goes on to another one; people follow the published one until the draft is published.
    service.configure_step(
        tenant_id=tenant.id,
        journey_id=made,
        actor=ACTOR,
        key="trigger",
        config={"event_type": LEFT, "segment_id": str(silver)},
    )
    assert used(gold, silver, bronze) == {gold: [("Welcome", True)], silver: [("Welcome", False)]}
    lifecycle.pause(tenant_id=tenant.id, journey_id=made, actor=ACTOR, now=NOW)
    assert used(gold) == {gold: [("Welcome", True)]}
    lifecycle.archive(tenant_id=tenant.id, journey_id=made, actor=ACTOR, now=NOW)
    assert used(gold, silver, bronze) == {}


def test_a_segment_that_asks_who_enters_segments_is_refused(tenant: Any) -> None:
    """Being let in would be a reason to be let out, and so on for ever."""
    rule = {"event": ENTERED, "aggregate": "count", "operator": "eq", "value": 0}
    criteria = {"combinator": "AND", "rules": [{"not": {"combinator": "OR", "rules": [rule]}}]}
    with pytest.raises(InvalidConditions) as refused:
        segments.create(tenant_id=tenant.id, actor=ACTOR, name="Never", criteria=criteria, now=NOW)
    assert list(refused.value.errors) == ["criteria.rules[0].not.rules[0].event"]


def test_a_segment_is_not_archived_or_deleted_from_under_a_running_journey(tenant: Any, api: Any) -> None:
    segment = a_segment(tenant)
    made = a_journey(tenant, {"segment_id": str(segment)})
    lifecycle.activate(tenant_id=tenant.id, journey_id=made, actor=ACTOR, now=NOW)
    for answer in (api.post(f"/segments/{segment}/archive", json={}), api.delete(f"/segments/{segment}")):
        assert answer.status_code == 409, answer.json
        assert "journey “Welcome”" in answer.json["detail"]
    lifecycle.archive(tenant_id=tenant.id, journey_id=made, actor=ACTOR, now=NOW)
    assert api.post(f"/segments/{segment}/archive", json={}).status_code == 200
