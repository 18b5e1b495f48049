"""Conditions that are switched off: journeys keep them, tell them apart, and ask without them."""

from typing import Any

from app.journeys.payloads import payload_tree
from app.journeys.step_type import Known, step_types
from app.journeys.tagging import renamed_graph
from app.journeys.triggers import TriggerConfig

OFF: dict[str, Any] = {"field": "holes", "operator": "eq", "value": 18, "disabled": True}
ON = {"field": "tees", "operator": "eq", "value": "red"}


def told(*conditions: dict[str, Any]) -> str:
    config = TriggerConfig(event_type="teetime.completed", conditions=list(conditions))
    return step_types().get("TRIGGER").words(config, Known())


def test_a_trigger_tells_what_it_asks() -> None:
    assert told(OFF) == told()
    assert told(OFF, ON) == told(ON)
    assert len(payload_tree("teetime.completed", [OFF, ON]).items) == 2


def test_a_renamed_tag_is_followed_into_what_is_switched_off() -> None:
    rule = {"field": "tags", "operator": "contains", "value": "vip", "disabled": True}
    graph = {"steps": [{"type": "CONDITION", "config": {"rules": [{"not": rule, "disabled": True}]}}]}
    [step] = renamed_graph(graph, "vip", "regular")["steps"]
    assert step["config"]["rules"] == [{"not": {**rule, "value": "regular"}, "disabled": True}]
