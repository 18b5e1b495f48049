"""The form for conditions: whatever can be asked is drawn, and posted back it is the same."""

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, render_template_string
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.blueprints.conditions import Asked, Posted, draw, read
from app.conditions import Arity, FieldType, OperatorInfo, operators_for, parse, payload_catalogue, to_json
from app.infra.figures import written_for
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
        rule["field"] = draw(st.sampled_from(["holes", "amount", "price"]))
    if said := draw(st.sampled_from(["", "any", "EUR", "JPY"])):
        rule["currency"] = said
    if draw(st.booleans()):
        rule["within"] = draw(periods(FieldType.DATETIME, "within_last"))
    if draw(st.booleans()):
        rule["where"] = draw(marked(groups(payload_rules() | marked(payload_rules()))))
    rule["operator"] = operator.name
    # How often is a whole number, and nobody does anything less than 0 times.
    one = st.integers(1, 1000) if aggregate == "count" else values[type]
    match operator.arity:
        case Arity.ONE:
            rule["value"] = draw(one)
        case Arity.PERIOD:
            rule["value"] = draw(periods(type, operator.name))
        case Arity.MANY:
            rule["value"] = draw(st.lists(one, min_size=1, max_size=3))
        case Arity.PAIR:
            key = Decimal if type is FieldType.NUMBER else lambda text: text[:10]
            rule["value"] = sorted(draw(st.lists(one, min_size=2, max_size=2)), key=key)
    return rule


def marked(nodes: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw nodes of which some are disabled."""
    return st.builds(lambda node, off: {**node, "disabled": True} if off else node, nodes, st.booleans())


trees = st.recursive(marked(rules() | did()), lambda members: marked(groups(marked(members))), max_leaves=6)


@pytest.mark.parametrize("locale", ["en_GB", "de_DE"])
@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(data=trees)
def test_any_tree_that_is_drawn_comes_back_the_same(app: Flask, locale: str, data: dict[str, Any]) -> None:
    tree = parse(data, catalogue, allow_empty=True)
    with written_for(locale):
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
            st.sampled_from(
                ["not", "rules", "combinator", "field", "event", "operator", "value", "where", "within", "currency"]
            ),
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


@pytest.mark.parametrize(("name", "operator"), [("greater_than", "gt"), ("at_least", "gte"), ("is_null", "isNull")])
def test_operators_are_drawn_whatever_they_are_called(app: Flask, name: str, operator: str) -> None:
    [rule] = again(app, [{"field": "handicap", "operator": name, "value": 18}]).tree["rules"]
    assert rule["operator"] == operator


@pytest.mark.parametrize(
    ("field", "typed", "value"),
    [
        ("city", {"operator": "in", "value": ["Rome", "a, b"], "more": "Oslo, Bonn"}, ["Rome", "a, b", "Oslo", "Bonn"]),
        ("handicap", {"operator": "in", "drawn": "number_many", "value": "1, 2.5,x"}, ["1", "2.5", "x"]),
        ("handicap", {"operator": "between", "drawn": "number_pair", "value": ["1", ""]}, ["1", ""]),
        ("handicap", {"operator": "gte", "drawn": "number_pair", "value": ["1", "2"]}, "1"),
        ("handicap", {"operator": "gte", "drawn": "number", "value": "20,000"}, "20000"),
        ("handicap", {"operator": "gte", "drawn": "number", "value": "1 020 000.5"}, "1020000.5"),
        ("handicap", {"operator": "gte", "drawn": "number", "value": "69,2"}, "69.2"),
        ("handicap", {"operator": "gte", "drawn": "number", "value": "2,0000"}, "2,0000"),
        ("born", {"operator": "within_last", "drawn": "period", "value": " 3 ", "unit": "weeks"}, "3 weeks"),
        ("born", {"operator": "within_last", "drawn": "date", "value": "2026-01-01"}, " days"),
        ("opened_at", {"operator": "gt", "drawn": "moment", "value": "2026-03-29", "time": ""}, "2026-03-29"),
        (
            "opened_at",
            {"operator": "gt", "drawn": "moment", "value": "2026-03-29", "time": "09:30"},
            "2026-03-29T09:30:00+02:00",
        ),
        ("club_id", {"operator": "in", "drawn": "choice_many", "value": ["nonsense"]}, ["nonsense"]),
    ],
)
def test_what_is_typed_becomes_the_value(app: Flask, field: str, typed: dict[str, Any], value: Any) -> None:
    stored = [{"field": field, "operator": "isNull"}]
    drawn_as = {"drawn": "text_many"} | typed
    [rule] = again(app, stored, **{f"_0__{name}": one for name, one in drawn_as.items()}).tree["rules"]
    assert (rule["operator"], rule["value"]) == (typed["operator"], value)


@pytest.mark.parametrize(
    ("typed", "value", "shown"),
    [
        ("1.100,50", "1100.50", "1100,50"),
        ("1.100", "1100", "1100"),
        ("1 100 000", "1100000", "1100000"),
        ("-1,234", "-1.234", "-1,234"),
        ("69,2", "69.2", "69,2"),
        ("108.50", "108.50", "108,50"),
        ("1,000.5", "1,000.5", "1,000.5"),
    ],
)
def test_a_number_is_typed_as_the_region_writes_it(app: Flask, typed: str, value: str, shown: str) -> None:
    stored = [{"field": "handicap", "operator": "gte", "value": "1"}]
    with written_for("de_DE"):
        found = again(app, stored, _0__value=typed)
        assert found.tree["rules"][0]["value"] == value
        assert f'value="{shown}"' in drawn(app, found)


def test_an_instant_keeps_what_its_inputs_cannot_say(app: Flask) -> None:
    # The second of two hours that have the same name.
    stored = {"field": "opened_at", "operator": "eq", "value": "2026-10-25T01:30:00.000007Z"}
    asked = Asked("customers", catalogue, {}, ZoneInfo("Europe/London"), EVENTS)
    assert again(app, [stored], asked).tree["rules"] == [stored]


def test_choosing_another_field_keeps_what_still_fits(app: Flask) -> None:
    number = {"field": "handicap", "operator": "gt", "value": 18}
    [rule] = again(app, [number], _0__field="rounds").tree["rules"]
    assert rule == {"field": "rounds", "operator": "gt", "value": "18"}
    [rule] = again(app, [number], _0__field="city").tree["rules"]
    assert rule == {"field": "city", "operator": "eq", "value": ""}
    [rule] = again(app, [number], _0__field="club_id").tree["rules"]
    assert rule == {"field": "club_id", "operator": "in", "value": []}
    [rule] = again(app, [number], _0__field="event:round").tree["rules"]
    assert rule == {"event": "round", "aggregate": "count", "operator": "gte", "value": "1"}


def test_a_field_that_is_gone_stays_until_another_is_chosen(app: Flask) -> None:
    stored = {"field": "custom.locker", "operator": "in", "value": ["7", "8"]}
    assert again(app, [stored]).tree["rules"] == [stored]
    assert "custom.locker (no longer there)" in drawn(app, [stored])


def test_what_is_wrong_stands_beside_its_rule_until_it_is_mended(app: Flask) -> None:
    rules = [
        {"not": {"field": "handicap", "operator": "gt", "value": "many"}},
        {"combinator": "OR", "rules": [{"field": "", "operator": "eq", "value": ""}]},
        {"event": "round", "operator": "gte", "value": 1, "where": [{"field": "holes", "operator": "eq", "value": ""}]},
    ]
    with app.test_request_context():
        html = drawn(app, rules)
        assert "field-error" not in html
        refused = drawn(app, rules, checked=True)
    for key, words in ((2, "give a number, such as"), (4, "Choose a field."), (7, "give a number, such as")):
        assert words in refused[refused.index(f'id="criteria-{key}-error"') :][:400]
    form = posted(refused, act="criteria:add:1")
    form["criteria.0.value"] = "18"
    further = read(form, "criteria", ASKED)
    html = drawn(app, further)
    assert [key for key in range(1, 10) if f'id="criteria-{key}-error"' in html] == [4, 7]


def test_what_only_the_service_knows_is_told_by_path(app: Flask) -> None:
    rules = [{"field": "city", "operator": "eq", "value": "Rome"}]
    html = drawn(app, rules, errors={"criteria.rules[0].value": "This names itself.", "criteria": "In a circle."})
    assert "This names itself." in html[html.index('id="criteria-2-error"') :]
    html = drawn(app, rules, errors={"rules[0]": "This names itself.", "": "In a circle."})
    assert "This names itself." in html[html.index('id="criteria-2-error"') :]
    assert "In a circle." in html[html.index('id="criteria-1-error"') :]


@pytest.mark.parametrize(
    "name", ["criteria.0.0x.field", "criteria.-1.field", "criteria.0", "criteria.²", "criteria..a"]
)
def test_names_that_mean_nothing_are_passed_over(name: str) -> None:
    form = posted("")
    form[name] = "city"
    read(form, "criteria", ASKED)


def test_nobodys_words_become_markup(app: Flask) -> None:
    evil = '"><script>alert(1)</script>'
    stored = [
        {"field": "city", "operator": "eq", "value": evil},
        {"field": evil, "operator": evil, "value": evil},
        {"event": evil, "aggregate": "sum", "field": evil, "within": evil, "operator": "gt", "value": evil},
    ]
    assert "<script>" not in drawn(app, stored, checked=True)
