"""Settings that take ways away from a step: the steps on them are asked about first, and put where it was said."""

from typing import Any

import pytest

from app.accounts.models import Tenant
from app.journeys import queries, service
from app.journeys.graph import BadGraph, Graph
from app.journeys.models import Journey
from app.journeys.narrowing import Dropping, WaysLost
from tests.journeys.helpers import asks, step, wait

AWAITED = {"event_type": "teetime.booked", "timeout": "3 days"}
DAYS = {"duration": "2 days"}


def trigger(to: str) -> dict[str, Any]:
    return step("trigger", "TRIGGER", to, {"event_type": "MANUAL"})


def awaits(key: str, to: str | None, timeout: str | None) -> dict[str, Any]:
    return step(key, "WAIT", to, AWAITED, next_timeout=timeout)


def make(tenant: Tenant, *steps: dict[str, Any]) -> Journey:
    on = {"tenant_id": tenant.id, "actor": "system"}
    made = service.create(**on, name="Ways")
    return service.put_steps(**on, journey_id=made.id, steps=[trigger(steps[0]["key"]), *steps])


def draft(journey: Journey) -> Graph:
    return queries.draft(queries.journey(tenant_id=journey.tenant_id, journey_id=journey.id))


def ways(journey: Journey) -> dict[str, dict[str, str | None]]:
    return {one.key: dict(one.exits) for one in draft(journey) if one.key != "trigger"}


def change(journey: Journey, key: str, config: dict[str, Any], fate: Any = None, *losing: str) -> Journey:
    return service.configure_step(
        tenant_id=journey.tenant_id,
        journey_id=journey.id,
        actor="system",
        key=key,
        config=config,
        dropping=Dropping(fate, frozenset(losing)),
    )


def reminded(tenant: Tenant) -> Journey:
    return make(tenant, awaits("w", "end", "a"), wait("a", "b", "1 day"), wait("b", None, "2 days"), step("end", "END"))


def test_a_way_that_holds_steps_is_asked_about_and_nothing_is_changed(tenant: Tenant) -> None:
    journey = reminded(tenant)
    before = draft(journey)
    with pytest.raises(WaysLost) as asked:
        change(journey, "w", DAYS)
    assert asked.value.ways == {"timeout": {"a", "b"}}
    assert draft(journey) == before
    # Others put a step there meanwhile: it is asked again.
    with pytest.raises(WaysLost):
        change(journey, "w", DAYS, "delete", "a")
    assert draft(journey) == before


def test_its_steps_come_below_or_go_and_one_undo_brings_all_back(tenant: Tenant) -> None:
    journey = reminded(tenant)
    before = draft(journey)
    change(journey, "w", DAYS, "move", "a", "b")
    assert ways(journey) == {"w": {"next": "a"}, "a": {"next": "b"}, "b": {"next": "end"}, "end": {}}
    service.undo(tenant_id=journey.tenant_id, journey_id=journey.id, actor="system")
    assert draft(journey) == before
    change(journey, "w", DAYS, "delete", "a", "b")
    assert ways(journey) == {"w": {"next": "end"}, "end": {}}
    service.undo(tenant_id=journey.tenant_id, journey_id=journey.id, actor="system")
    assert draft(journey) == before


def test_what_other_ways_lead_to_is_not_lost(tenant: Tenant) -> None:
    journey = make(
        tenant, awaits("w", "a", "b"), wait("a", "m", "1 day"), wait("b", "m", "2 days"), wait("m", None, "1 day")
    )
    with pytest.raises(WaysLost) as asked:
        change(journey, "w", DAYS)
    assert asked.value.ways == {"timeout": {"b"}}
    change(journey, "w", DAYS, "move", "b")
    assert ways(journey) == {"w": {"next": "a"}, "a": {"next": "b"}, "b": {"next": "m"}, "m": {"next": None}}


def test_a_way_that_only_meets_another_or_leads_nowhere_asks_nothing(tenant: Tenant) -> None:
    journey = make(tenant, awaits("w", "m", "m"), wait("m", None, "1 day"))
    change(journey, "w", DAYS)
    assert ways(journey)["w"] == {"next": "m"}


def test_ways_that_are_gained_take_the_steps_of_those_lost(tenant: Tenant) -> None:
    journey = make(tenant, asks("c", "a", "b"), wait("a", None, "1 day"), wait("b", None, "2 days"))
    several = {"paths": [{"key": "gold", "name": "Gold", "rules": [], "combinator": "AND"}]}
    with pytest.raises(WaysLost) as asked:
        change(journey, "c", several)
    assert asked.value.ways == {"yes": {"a"}, "no": {"b"}}
    change(journey, "c", several, "move", "a", "b")
    assert ways(journey)["c"] == {"gold": "a", "else": "b"}
    change(journey, "c", {"rules": [], "combinator": "AND"}, "move", "a", "b")
    assert ways(journey)["c"] == {"yes": "a", "no": "b"}


def test_the_arm_of_a_split_comes_below_the_others(tenant: Tenant) -> None:
    arms = [{"key": key, "name": key, "weight": 1} for key in ("a", "b")]
    config = {"variants": arms, "holdout_percent": 10}
    journey = make(
        tenant,
        step("s", "SPLIT", None, config, next_a="x", next_b="y"),
        wait("x", None, "1 day"),
        wait("y", None, "2 days"),
    )
    change(journey, "s", {**config, "variants": arms[:1]}, "move", "y")
    assert ways(journey) == {"s": {"a": "x"}, "x": {"next": "y"}, "y": {"next": None}}


def test_steps_that_fit_nowhere_are_left_unconnected_or_deleted(tenant: Tenant) -> None:
    journey = make(tenant, awaits("w", "end", "a"), wait("a", "out", "1 day"), step("end", "END"), step("out", "END"))
    with pytest.raises(WaysLost) as asked:
        change(journey, "w", DAYS, "move", "a", "out")
    assert asked.value.moved is None
    change(journey, "w", DAYS, "loosen", "a", "out")
    assert ways(journey)["w"] == {"next": "end"}
    assert "a" in ways(journey)


def test_who_says_nothing_of_it_keeps_them_as_they_are(tenant: Tenant) -> None:
    journey = reminded(tenant)
    on = {"tenant_id": tenant.id, "journey_id": journey.id, "actor": "system"}
    service.configure_step(**on, key="w", config=DAYS)
    assert ways(journey)["a"] == {"next": "b"}
    with pytest.raises(BadGraph):
        service.configure_step(**on, key="w", config={"duration": "\0"})


# The API, which gives all steps at once


def given(journey: Journey, **configs: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps of a draft as the API shows them, some with other settings."""
    steps = journey.draft["steps"]
    return [{**one, "config": configs[one["key"]]} if one["key"] in configs else one for one in steps]


def test_the_api_asks_what_becomes_of_steps_whose_way_is_left_out(api: Any, tenant: Tenant) -> None:
    journey = reminded(tenant)
    at, before = f"/journeys/{journey.id}/steps", draft(journey)
    changed = given(journey, w=DAYS)
    unnamed = [{name: one for name, one in step.items() if name != "next_timeout"} for step in changed]
    for steps in (changed, unnamed):
        refused = api.put(at, json={"steps": steps})
        assert refused.status_code == 409
        told = refused.get_json()
        assert "lost_steps" in told["detail"]
        assert told["errors"] == {"steps.w.next_timeout": "It leads to “a” and “b”. The step has no such way."}
        assert draft(journey) == before
    assert api.put(at, json={"steps": unnamed, "lost_steps": "loosen"}).status_code == 200
    assert ways(journey) == {"w": {"next": "end"}, "a": {"next": "b"}, "b": {"next": None}, "end": {}}
    # They hang on nothing by now: there is nothing more to lose.
    assert api.put(at, json={"steps": unnamed}).status_code == 200


@pytest.mark.parametrize(
    ("fate", "left"),
    [
        ("move", {"w": {"next": "a"}, "a": {"next": "b"}, "b": {"next": "end"}, "end": {}}),
        ("delete", {"w": {"next": "end"}, "end": {}}),
    ],
)
def test_the_api_moves_or_deletes_them(api: Any, tenant: Tenant, fate: str, left: dict[str, Any]) -> None:
    journey = reminded(tenant)
    sent = {"steps": given(journey, w=DAYS), "lost_steps": fate}
    assert api.put(f"/journeys/{journey.id}/steps", json=sent).status_code == 200
    assert ways(journey) == left
    service.undo(tenant_id=journey.tenant_id, journey_id=journey.id, actor="system")
    assert ways(journey)["w"] == {"next": "end", "timeout": "a"}


def test_the_api_takes_steps_that_are_put_elsewhere_or_left_out(api: Any, tenant: Tenant) -> None:
    journey = reminded(tenant)
    at = f"/journeys/{journey.id}/steps"
    elsewhere = [{**one, "next": {"w": "a", "b": "end"}.get(one["key"], one["next"])} for one in given(journey, w=DAYS)]
    assert api.put(at, json={"steps": elsewhere}).status_code == 200
    assert ways(journey) == {"w": {"next": "a"}, "a": {"next": "b"}, "b": {"next": "end"}, "end": {}}
    assert api.put(at, json={"steps": [trigger("w"), wait("w", None, "1 day")]}).status_code == 200
    assert ways(journey) == {"w": {"next": None}}


def test_a_way_that_a_step_never_has_is_told_of(api: Any, tenant: Tenant) -> None:
    made = service.create(tenant_id=tenant.id, actor="system", name="Asked")
    at = f"/journeys/{made.id}/steps"
    steps = [trigger("c"), {**asks("c", "a", None), "next": "b"}, wait("a", None, "1 day"), wait("b", None, "2 days")]
    refused = api.put(at, json={"steps": steps})
    assert refused.status_code == 409
    assert list(refused.get_json()["errors"]) == ["steps.c.next"]
    ends = [trigger("e"), {**step("e", "END"), "next": "b"}, wait("b", None, "2 days")]
    told = api.put(at, json={"steps": ends, "lost_steps": "move"})
    assert told.status_code == 409
    assert "no place to move them to" in told.get_json()["errors"]["steps.e.next"]


def test_a_step_put_in_with_other_ways_keeps_what_follows(api: Any, tenant: Tenant) -> None:
    journey = make(tenant, wait("a", None, "1 day"))
    paths = [{"key": "gold", "name": "Gold", "rules": [], "combinator": "AND"}]
    sent = {"after": "trigger", "step": {"type": "CONDITION", "key": "c", "config": {"paths": paths}}}
    assert api.post(f"/journeys/{journey.id}/steps", json=sent).status_code == 201
    assert ways(journey) == {"c": {"gold": "a", "else": None}, "a": {"next": None}}


# The panel


def typed(either: str, **more: str) -> dict[str, Any]:
    groups = ["duration working_days", "until working_days", "event_type conditions same timeout", "rules combinator"]
    return {"either.of": groups, "either": either, **more}


def save(client: Any, journey: Journey, form: dict[str, Any], **how: Any) -> Any:
    return client.post(f"/journeys/{journey.id}/steps/w", form, **how)


@pytest.fixture
def marketer(client: Any, sign_in: Any) -> Any:
    sign_in("marketer")
    return client


def test_looking_at_another_kind_of_wait_saves_nothing(marketer: Any, tenant: Tenant) -> None:
    journey = reminded(tenant)
    before = draft(journey)
    for kind, more in {
        "duration": {"duration.amount": "", "duration.unit": "days"},
        "until": {"until.time": "", "until.days": "0"},
        "rules": {},
    }.items():
        answer = save(marketer, journey, typed(kind, told="", **more), htmx=True, status=200)
        assert "Not changed yet" in answer.text
        assert "data-step-form" not in answer.text
    assert draft(journey) == before
    # The name is saved all the same.
    save(marketer, journey, typed("rules", name="For a booking"), htmx=True, status=200)
    assert draft(journey).steps["w"].name == "For a booking"
    page = save(marketer, journey, typed("rules"), status=200)
    assert "Fill in what you chose" in page.text


def test_the_panel_asks_with_numbers_and_buttons(marketer: Any, tenant: Tenant) -> None:
    journey = reminded(tenant)
    before = draft(journey)
    form = typed("duration", **{"duration.amount": "2", "duration.unit": "days"})
    asked = save(marketer, journey, {**form, "act": "save"}, htmx=True, status=422)
    assert "This takes away the way “Time is up” with 2 steps." in asked.text
    assert "Change it, move the 2 steps below" in asked.text
    assert "Change it, delete the 2 steps" in asked.text
    assert 'name="losing" value="a b"' in asked.text
    assert draft(journey) == before
    # Without scripts the page asks the same, with what was typed still in it.
    page = save(marketer, journey, {**form, "act": "save"}, status=409)
    assert "This takes away" in page.text
    assert 'name="duration.amount" value="2"' in page.text
    answer = save(marketer, journey, {**form, "act": "save:delete", "losing": "a b"}, htmx=True, status=200)
    assert "undo_url" in answer.headers["HX-Trigger"]
    assert ways(journey) == {"w": {"next": "end"}, "end": {}}
    save(marketer, journey, {**form, "act": "save:move", "losing": ""}, status=302)
