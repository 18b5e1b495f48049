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
