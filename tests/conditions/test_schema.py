"""Conditions described: what is stored is what the schema says, and nothing else is."""

import json
from typing import Any

import pytest
from hypothesis import given
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import models_json_schema

from app.conditions import Arity, operators_for, parse, to_json
from app.conditions.schema import ConditionGroup, ConditionsJson, schema
from tests.conditions.people import catalogue
from tests.conditions.test_behaviour import behaviour_rules
from tests.conditions.test_two_readers import trees


@given(data=trees)
def test_what_is_stored_is_what_is_described(data: dict[str, Any]) -> None:
    stored = to_json(parse(data, catalogue, allow_empty=True))
    assert ConditionGroup.model_validate(stored).model_dump(by_alias=True, exclude_unset=True) == stored


@given(rule=behaviour_rules())
def test_so_is_what_somebody_did(rule: dict[str, Any]) -> None:
    stored = to_json(parse(rule, catalogue))
    assert ConditionGroup.model_validate(stored).model_dump(by_alias=True, exclude_unset=True) == stored


@pytest.mark.parametrize(
    "wrong",
    [
        {"field": "city", "operator": "eq"},
        {"field": "city", "operator": "equals", "value": "x"},
        {"field": "city", "operator": "eq", "value": ["x"]},
        {"field": "city", "operator": "in", "value": "x"},
        {"field": "city", "operator": "in", "value": []},
        {"field": "rounds", "operator": "between", "value": [1]},
        {"field": "born", "operator": "within_last", "value": "soon"},
        {"field": "city", "operator": "isNull", "value": 1},
        {"field": "city", "operator": "eq", "value": "x", "sql": "1=1"},
        {"operator": "eq", "value": "x"},
        {"event": "round", "operator": "never"},
        {"event": "round", "aggregate": "median", "operator": "eq", "value": 1},
        {"combinator": "XOR", "rules": []},
        {"not": {"field": "city", "operator": "isNull"}, "rules": []},
    ],
)
def test_anything_else_is_not(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ConditionGroup.model_validate({"combinator": "AND", "rules": [wrong]})


def test_the_schema_names_every_operator_and_closes_every_object() -> None:
    told = json.dumps(schema())
    assert all(f'"{one.name}"' in told for field in catalogue for one in operators_for(field.type))
    assert set(Arity) == {operator.arity for field in catalogue for operator in operators_for(field.type)}
    objects = [one for one in schema()["$defs"].values() if one.get("type") == "object"]
    assert len(objects) == 12
    assert all(one["additionalProperties"] is False for one in objects)


class Body(BaseModel):
    criteria: ConditionsJson


def test_a_body_of_the_api_is_described_and_left_to_be_read() -> None:
    _, found = models_json_schema([(Body, "validation")], ref_template="#/components/schemas/{model}")
    assert found["$defs"]["Body"]["properties"]["criteria"]["$ref"].endswith("/ConditionGroup")
    assert "ConditionOfOne" in found["$defs"]
    assert Body(criteria={"field": "x", "operator": "equals"}).criteria == {"field": "x", "operator": "equals"}
