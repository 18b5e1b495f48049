"""The catalogue of conditions over the API: what a tenant's rules may ask of, and how."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel

from app import road
from app.conditions import Catalogue, Field, FieldType, OperatorInfo, operators_for, operators_of
from app.conditions.behaviour import MEASURES, TIMES, Aggregate
from app.customers import custom_fields
from app.events import catalogue
from app.web.api import ApiBlueprint
from app.web.guards import current

api = ApiBlueprint("conditions_api", __name__)

Type = Literal["text", "choice", "number", "boolean", "date", "datetime", "list", "id"]


class ValueOut(BaseModel):
    """A value, and what people call it."""

    value: str
    label: str


class OperatorOut(BaseModel):
    """An operator of a field. `value` is what a rule with it takes: `none`, `one` value, a `pair` (from and to),
    `many` (a list), or a `period` ("30 days")."""

    name: str
    label: str
    value: Literal["none", "one", "pair", "many", "period"]


class FieldOut(BaseModel):
    """A field. `choices` are the only values it takes (type `choice`), or those it has in this organisation. `money`:
    an amount of an event in the currency it says; a rule that asks it counts one `currency`."""

    name: str
    label: str
    group: str
    type: Type
    operators: list[OperatorOut]
    choices: list[ValueOut]
    money: bool


class AggregateOut(BaseModel):
    """What a rule on an event may ask. `measures`: it is of a number in the payloads, named by the rule's `field`."""

    name: str
    type: Literal["number", "datetime"]
    measures: bool
    operators: list[OperatorOut]


class EventOut(BaseModel):
    """A type of event, with what its payload is known to hold; a rule's `where` may ask of more."""

    name: str
    label: str
    fields: list[FieldOut]


class CatalogueOut(BaseModel):
    """What conditions may ask: `fields` of a customer, and what they did (`events`, asked by `aggregates`)."""

    fields: list[FieldOut]
    events: list[EventOut]
    aggregates: list[AggregateOut]


@api.operation("GET", "/conditions/fields", permission="segments.edit", returns=CatalogueOut)
def fields() -> dict[str, Any]:
    """List what conditions may ask of this organisation's customers, and of what they did."""
    tenant_id = current().tenant_id
    names = road.condition_names(tenant_id)
    found = custom_fields.catalogue(tenant_id=tenant_id)
    return {
        "fields": _fields(found, names),
        "events": [
            {"name": kind.name, "label": kind.label, "fields": _fields(catalogue.payload_fields(kind.name), names)}
            for kind in catalogue.done()
        ],
        "aggregates": [_aggregate(one) for one in Aggregate],
    }


def _fields(found: Catalogue, names: Mapping[str, list[tuple[str, str]]]) -> list[dict[str, Any]]:
    return [_field(one, names.get(one.name, [])) for fields in found.groups().values() for one in fields]


def _field(one: Field, known: list[tuple[str, str]]) -> dict[str, Any]:
    choices = [(choice.value, choice.label) for choice in one.choices] or known
    return {
        "name": one.name,
        "label": one.label,
        "group": one.group,
        "type": one.type.value,
        "operators": _operators(operators_of(one)),
        "choices": [{"value": value, "label": label} for value, label in choices],
        "money": bool(one.currency_in),
    }


def _operators(offered: list[OperatorInfo]) -> list[dict[str, str]]:
    return [{"name": one.name, "label": one.label, "value": one.arity.value} for one in offered]


def _aggregate(one: Aggregate) -> dict[str, Any]:
    type = FieldType.DATETIME if one in TIMES else FieldType.NUMBER
    return {
        "name": one.value,
        "type": type.value,
        "measures": one in MEASURES,
        "operators": _operators(operators_for(type)),
    }
