"""The form for conditions: whatever can be asked is drawn, and posted back it is the same."""

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask, render_template_string
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.blueprints.conditions import Asked, Posted, draw, read
from app.conditions import Arity, FieldType, OperatorInfo, operators_for, parse, payload_catalogue, to_json
from tests.conditions.people import PAYLOAD, catalogue
from tests.conditions.test_two_readers import asked as values
from tests.conditions.test_two_readers import groups, numbers, periods, rules
from tests.forms import posted

JOHANNESBURG = ZoneInfo("Africa/Johannesburg")
EVENTS = (("payment", "Payment received"), ("round", "Round played"))
CLUBS = {"club_id": [("0190f3a1-7b1c-7000-8000-000000000001", "Two Oceans")]}
ASKED = Asked("customers", catalogue, CLUBS, JOHANNESBURG, EVENTS)
EVENT = Asked("event:round", payload_catalogue(PAYLOAD), {}, JOHANNESBURG)
DRAW = "{% from 'conditions/builder.html' import builder %}{{ builder(b) }}"


def drawn(app: Flask, conditions: object, asked: Asked = ASKED, **more: Any) -> str:
    with app.test_request_context():
        return render_template_string(DRAW, b=draw(conditions, "criteria", asked, **more))


def again(app: Flask, conditions: object, asked: Asked = ASKED, act: str = "", **typed: str | list[str]) -> Posted:
    """Draw conditions, type something into inputs (`0__value` is criteria.0.value), press a button."""
    form = posted(drawn(app, conditions, asked), act=act)
    for name, value in typed.items():
        form.setlist(f"criteria.{name.lstrip('_').replace('__', '.')}", value if isinstance(value, list) else [value])
    return read(form, "criteria", asked)


def undeclared(operator: OperatorInfo) -> list[st.SearchStrategy[Any]]:
    """Return what a key that nobody declared may be compared with."""
    if operator.name not in ("eq", "neq", "in", "not_in"):
        return [values[FieldType.NUMBER]]
    kinds = [values[FieldType.TEXT], values[FieldType.DATE], values[FieldType.DATETIME], numbers.map(float)]
    return [*kinds, st.booleans()] if operator.arity is Arity.ONE else kinds


@st.composite
def payload_rules(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a rule on a payload: a key that is declared, or one that is not and may hold anything."""
    name, type = draw(st.sampled_from([*PAYLOAD.items(), ("sponsor", FieldType.ANY), ("deep.key", FieldType.ANY)]))
    operator = draw(st.sampled_from(operators_for(type)))
    rule: dict[str, Any] = {"field": name, "operator": operator.name}
    one = values[type] if type is not FieldType.ANY else draw(st.sampled_from(undeclared(operator)))
    match operator.arity:
        case Arity.ONE:
            rule["value"] = draw(one)
        case Arity.PERIOD:
            rule["value"] = draw(periods(FieldType.DATE, operator.name))
        case Arity.MANY:
            rule["value"] = draw(st.lists(one, min_size=1, max_size=3))
        case Arity.PAIR:
            key = Decimal if type in (FieldType.NUMBER, FieldType.ANY) else lambda text: text[:10]
            rule["value"] = sorted(draw(st.lists(one, min_size=2, max_size=2)), key=key)
    return rule


@st.composite
def did(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a rule on what somebody did."""
    aggregate = draw(st.sampled_from(["count", "sum", "min", "max", "first", "last"]))
    type = FieldType.DATETIME if aggregate in ("first", "last") else FieldType.NUMBER
    operator = draw(st.sampled_from(operators_for(type)))
    rule: dict[str, Any] = {"event": draw(st.sampled_from(["round", "payment", "club.own"])), "aggregate": aggregate}
    if aggregate in ("sum", "min", "max"):
        rule["field"] = draw(st.sampled_from(["holes", "amount"]))
    if draw(st.booleans()):
        rule["within"] = draw(periods(FieldType.DATETIME, "within_last"))
    if draw(st.booleans()):
        rule["where"] = draw(marked(groups(payload_rules() | marked(payload_rules()))))
    rule["operator"] = operator.name
    match operator.arity:
        case Arity.ONE:
            rule["value"] = draw(values[type])
        case Arity.PERIOD:
            rule["value"] = draw(periods(type, operator.name))
        case Arity.MANY:
            rule["value"] = draw(st.lists(values[type], min_size=1, max_size=3))
        case Arity.PAIR:
            key = Decimal if type is FieldType.NUMBER else lambda text: text[:10]
            rule["value"] = sorted(draw(st.lists(values[type], min_size=2, max_size=2)), key=key)
    return rule


def marked(nodes: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw nodes of which some are disabled."""
    return st.builds(lambda node, off: {**node, "disabled": True} if off else node, nodes, st.booleans())


trees = st.recursive(marked(rules() | did()), lambda members: marked(groups(marked(members))), max_leaves=6)


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(data=trees)
def test_any_tree_that_is_drawn_comes_back_the_same(app: Flask, data: dict[str, Any]) -> None:
    tree = parse(data, catalogue, allow_empty=True)
    found = again(app, to_json(tree)).tree
    assert parse(found, catalogue, allow_empty=True) == tree
    # And again: what is drawn of what was posted is the same once more.
    assert again(app, found).tree == found


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.recursive(marked(payload_rules()), lambda members: marked(groups(members)), max_leaves=5))
def test_conditions_on_a_payload_come_back_the_same(app: Flask, data: dict[str, Any]) -> None:
    tree = parse(data, EVENT.catalogue, allow_empty=True)
    assert parse(again(app, to_json(tree), EVENT).tree, EVENT.catalogue, allow_empty=True) == tree


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["not", "rules", "combinator", "field", "event", "operator", "value", "where", "within"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(data=junk)
def test_whatever_is_stored_can_be_drawn(app: Flask, data: Any) -> None:
    assert "data-conditions" in drawn(app, data, checked=True)
    again(app, data)
