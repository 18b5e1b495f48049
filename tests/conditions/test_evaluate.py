"""One event's payload: untyped JSON from somebody else's system, read without raising and without lying."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.conditions import (
    Arity,
    Field,
    FieldType,
    NotEvaluable,
    Rule,
    evaluate,
    evaluate_rules,
    matches,
    operators_for,
    parse,
    payload_catalogue,
)
from app.conditions.language import Combinator, Group
from app.conditions.operators import Operator
from tests.conditions.people import people

NOW = datetime(2026, 10, 4, 9, tzinfo=UTC)
CLUB = "0190f3a1-7b1c-7000-8000-000000000001"
declared = payload_catalogue(
    {
        "text": FieldType.TEXT,
        "number": FieldType.NUMBER,
        "boolean": FieldType.BOOLEAN,
        "date": FieldType.DATE,
        "datetime": FieldType.DATETIME,
        "list": FieldType.LIST,
        "id": FieldType.ID,
    }
)


def ask(field: str, operator: str, value: Any, fact: Any, **options: Any) -> bool | None:
    tree = parse({"field": field, "operator": operator, "value": value}, declared)
    return evaluate(tree, {field: fact}, now=NOW, **options)


# For each operator and type: the rule's value, facts that answer yes, and facts that answer no.
CASES: list[tuple[str, str, Any, list[Any], list[Any]]] = [
    ("text", "eq", "gold", ["Gold", "GOLD"], ["Golden", " gold"]),
    ("text", "neq", "gold", ["Silver"], ["Gold"]),
    ("text", "in", ["Gold", "ÉLITE"], ["gold", "élite"], ["elite"]),
    ("text", "not_in", ["Gold"], ["Silver"], ["GOLD"]),
    ("text", "contains", "LINKS", ["St Brannock's Links"], ["Lin\u212as", "Linnks"]),
    ("text", "not_contains", "%", ["100"], ["100%"]),
    ("text", "starts_with", "Zü", ["ZÜRICH"], ["Zurich"]),
    ("text", "ends_with", "ΟΣ", ["λόγος", "ΛΌΓΟσ"], ["λόγοι"]),
    ("number", "eq", 108.32, [108.32, "108.32", " 108.320 ", Decimal("108.32")], [108.33, 108]),
    ("number", "neq", 18, [9, "9"], [18, "18.0"]),
    ("number", "gt", 18, [18.1, "19"], [18, -19]),
    ("number", "gte", 18, [18, "18"], [17.9]),
    ("number", "lt", 0.3, [0.1 + 0.1], [0.1 + 0.2]),
    ("number", "lte", 18, [18, -1], [18.01]),
    ("number", "between", [1, 2], [1, 2, "1.5"], [0.99, 2.01]),
    ("number", "in", [1, 2], ["1", 2.0], [3]),
    ("number", "not_in", [1, 2], [3], [1]),
    ("boolean", "eq", True, [True, "true", "True"], [False, "false"]),
    ("boolean", "neq", True, [False], [True]),
    ("date", "eq", "2026-10-04", ["2026-10-04", date(2026, 10, 4), "2026-10-04T23:59"], ["2026-10-05"]),
    ("date", "neq", "2026-10-04", ["2026-10-05"], ["2026-10-04"]),
    ("date", "gt", "2026-10-04", ["2026-10-05"], ["2026-10-04"]),
    ("date", "gte", "2026-10-04", ["2026-10-04"], ["2026-10-03"]),
    ("date", "lt", "2026-10-04", ["1979-04-25"], ["2026-10-04"]),
    ("date", "lte", "2026-10-04", ["2026-10-04"], ["2026-10-05"]),
    ("date", "between", ["2026-10-04", "2026-10-05"], ["2026-10-04", "2026-10-05"], ["2026-10-06"]),
    ("date", "within_last", "7 days", ["2026-10-04", "2026-09-27"], ["2026-09-26", "2026-10-05"]),
    ("date", "within_next", "1 month", ["2026-10-04", "2026-11-04"], ["2026-10-03", "2026-11-05"]),
    ("date", "longer_ago", "1 year", ["2025-10-03"], ["2025-10-04", "2026-12-01"]),
    ("date", "further_ahead", "2 weeks", ["2026-10-19"], ["2026-10-18"]),
    ("date", "anniversary_next", "7 days", ["1979-10-11", "2026-10-04"], ["1979-10-12", "1979-10-03"]),
    ("date", "anniversary_last", "7 days", ["1979-09-27", "1979-10-04"], ["1979-09-26", "1979-10-05"]),
    ("datetime", "within_last", "3 hours", ["2026-10-04T06:00Z"], ["2026-10-04T05:59:59Z", "2026-10-04T09:00:01Z"]),
    ("datetime", "within_next", "1 day", ["2026-10-05T09:00Z"], ["2026-10-05T09:00:01Z", "2026-10-04T08:59Z"]),
    ("datetime", "longer_ago", "2 days", ["2026-10-02T08:59Z"], ["2026-10-02T09:00Z"]),
    ("datetime", "further_ahead", "5 minutes", ["2026-10-04T09:05:01Z"], ["2026-10-04T09:05Z"]),
    ("datetime", "eq", "2026-10-04", ["2026-10-04T00:00Z", "2026-10-04T23:59:59.999Z"], ["2026-10-05T00:00Z"]),
    ("datetime", "eq", "2026-10-04T09:00Z", ["2026-10-04T11:00:00+02:00"], ["2026-10-04T09:00:00.1Z"]),
    ("datetime", "neq", "2026-10-04", ["2026-10-05T00:00Z"], ["2026-10-04T12:00Z"]),
    ("datetime", "gt", "2026-10-04", ["2026-10-05T00:00Z"], ["2026-10-04T23:59Z"]),
    ("datetime", "gte", "2026-10-04", ["2026-10-04T00:00Z"], ["2026-10-03T23:59Z"]),
    ("datetime", "lt", "2026-10-04", ["2026-10-03T23:59Z"], ["2026-10-04T00:00Z"]),
    ("datetime", "lte", "2026-10-04", ["2026-10-04T23:59Z"], ["2026-10-05T00:00Z"]),
    ("datetime", "lte", "2026-10-04T09:00Z", [datetime(2026, 10, 4, 9, tzinfo=UTC)], ["2026-10-04T09:00:01Z"]),
    ("datetime", "between", ["2026-10-04", "2026-10-05"], ["2026-10-05T23:59Z"], ["2026-10-06T00:00Z"]),
    ("list", "contains", "VIP", [["vip"], ("x", "Vip")], [["vips"], [], [None]]),
    ("list", "not_contains", "vip", [[], ["x"]], [["VIP"]]),
    ("list", "in", ["a", "b"], [["B", "c"]], [["c"], []]),
    ("list", "not_in", ["a", "b"], [["c"], []], [["A"]]),
    ("id", "eq", CLUB, [CLUB.upper(), UUID(CLUB)], [CLUB.replace("1", "2")]),
    ("id", "neq", CLUB, [CLUB.replace("1", "2")], [CLUB]),
    ("id", "in", [CLUB], [CLUB], [CLUB.replace("1", "2")]),
    ("id", "not_in", [CLUB], [CLUB.replace("1", "2")], [CLUB]),
]
# What each type can't read: it is unknown, and no operator pretends otherwise.
UNREADABLE: dict[str, list[Any]] = {
    "text": [None, "", ["gold"], {"gold": 1}, float("nan")],
    "number": [None, "", "low", "1,804.58", "1e5", True, [18], {}, float("nan"), float("inf"), 10**5000, "٣"],
    "boolean": [None, "", "yes", 1, 0, []],
    "date": [None, "", "2026-02-30", "04/10/2026", "2026", 20261004, "9999-12-32", []],
    "datetime": [None, "", "2026-10-04", "2026-10-04T09:00", "2026-10-04T25:00Z", "0001-01-01T00:00+14:00", 1, {}],
    "list": [None, "vip", "", 1, {"vip": 1}],
    "id": [None, "", "12", 12, [CLUB], CLUB.replace("-", "")],
}


@pytest.mark.parametrize(("field", "operator", "value", "yes", "no"), CASES)
def test_every_operator_of_every_type(field: str, operator: str, value: Any, yes: list[Any], no: list[Any]) -> None:
    assert [ask(field, operator, value, fact) for fact in yes] == [True] * len(yes)
    assert [ask(field, operator, value, fact) for fact in no] == [False] * len(no)
    unknown = UNREADABLE[field]
    assert [ask(field, operator, value, fact) for fact in unknown] == [None] * len(unknown)


def test_the_table_above_leaves_none_out() -> None:
    offered = {
        (field.name, operator.name)
        for field in declared
        for operator in operators_for(field.type)
        if operator.arity is not Arity.NONE
    }
    assert offered == {(field, operator) for field, operator, *_ in CASES}


@pytest.mark.parametrize("field", UNREADABLE)
def test_missing_and_unreadable_values_are_unknown(field: str) -> None:
    for fact in UNREADABLE[field]:
        assert ask(field, "isNull", None, fact) is True
        assert ask(field, "isNotNull", None, fact) is False
    tree = parse({"field": field, "operator": "isNull"}, declared)
    assert evaluate(tree, {}) is True


def test_present_values_are_known_and_an_empty_list_is_empty() -> None:
    assert ask("text", "isNotNull", None, " ") is True
    assert ask("number", "isNotNull", None, "0") is True
    assert ask("boolean", "isNotNull", None, False) is True
    assert ask("list", "isNull", None, []) is True
    assert ask("list", "isNull", None, [None]) is False


@pytest.mark.parametrize(
    ("operator", "value", "fact", "expected"),
    [
        ("eq", 18, "18", True),
        ("eq", "18", 18, True),
        ("eq", "18.0", 18, True),
        ("eq", "007", "7", False),
        ("eq", "Gold", 18, False),
        ("neq", "Gold", 18, True),
        ("eq", "true", True, True),
        ("eq", True, "true", True),
        ("gt", "100", "108.32", True),
        ("gt", "100", "a lot", None),
        ("contains", "8", 108, True),
        ("contains", "vip", ["VIP", 3], True),
        ("contains", "vip", ["VIPs"], False),
        ("not_contains", "vip", [], True),
        ("in", [1, 2], [2, "x"], True),
        ("not_in", ["a"], ["b", ["a"]], True),
        ("eq", "a", ["a"], None),
        ("gt", 1, [2], None),
        ("eq", "2026-10-05", "2026-10-05T17:27+00:00", True),
        ("lt", "2026-10-05T18:00Z", "2026-10-05T17:27+00:00", True),
        ("lt", "2026-10-05T18:00Z", "2026-10-05", None),
        ("isNull", None, {}, True),
        ("isNull", None, 0, False),
        ("isNotNull", None, False, True),
    ],
)
def test_undeclared_keys(operator: str, value: Any, fact: Any, expected: bool | None) -> None:
    assert ask("whatever", operator, value, fact) is expected


def test_a_day_is_a_day_of_the_zone() -> None:
    johannesburg = ZoneInfo("Africa/Johannesburg")
    late = "2026-10-03T22:30:00Z"
    assert ask("datetime", "eq", "2026-10-04", late, zone=johannesburg) is True
    assert ask("datetime", "eq", "2026-10-04", late) is False
    assert ask("date", "eq", "2026-10-04", late, zone=johannesburg) is True
    assert ask("date", "eq", "2026-10-04", "9999-12-31T23:59:59Z", zone=johannesburg) is None


def test_nested_values_are_found_by_their_path() -> None:
    tree = parse({"field": "booking.party.size", "operator": "gte", "value": 4}, declared)
    assert evaluate(tree, {"booking": {"party": {"size": "4"}}}) is True
    assert evaluate(tree, {"booking.party.size": 5}) is True
    assert evaluate(tree, {"booking": {"party.size": 3}}) is False
    assert evaluate(tree, {"booking": "none"}) is None
    assert evaluate(tree, {}) is None


YES = {"field": "text", "operator": "eq", "value": "x"}
NO = {"field": "text", "operator": "neq", "value": "x"}
UNKNOWN = {"field": "number", "operator": "eq", "value": 1}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([YES, YES], True),
        ([YES, UNKNOWN], None),
        ([NO, UNKNOWN], False),
        ([UNKNOWN, NO], False),
        ({"combinator": "OR", "rules": [NO, NO]}, False),
        ({"combinator": "OR", "rules": [UNKNOWN, YES]}, True),
        ({"combinator": "OR", "rules": [NO, UNKNOWN]}, None),
        ({"not": YES}, False),
        ({"not": NO}, True),
        ({"not": UNKNOWN}, None),
        ({"not": [YES]}, None),
        ([], True),
    ],
)
def test_unknown_is_carried_as_sql_carries_null(data: Any, expected: bool | None) -> None:
    if data == {"not": [YES]}:
        data = {"not": {"rules": [YES, UNKNOWN]}}
    tree = parse(data, declared, allow_empty=True)
    assert evaluate(tree, {"text": "X"}) is expected
    assert matches(tree, {"text": "X"}) is (expected is True)


def test_each_rule_says_its_own_answer() -> None:
    tree = parse([YES, {"not": NO}, UNKNOWN], declared)
    answers = evaluate_rules(tree, {"text": "x"})
    assert [(rule.field.name, answer) for rule, answer in answers] == [
        ("text", True),
        ("text", False),
        ("number", None),
    ]


def test_a_field_of_the_database_is_never_guessed() -> None:
    stored = Field("in_list", "Is in the list", "Lists", FieldType.BOOLEAN, people.c.opted_in)
    tree = Group(Combinator.AND, (Rule(stored, Operator.IS_NULL, None, FieldType.BOOLEAN),))
    with pytest.raises(NotEvaluable, match="Is in the list"):
        evaluate(tree, {"in_list": True})


def test_a_number_in_a_declared_text_is_compared_as_a_number() -> None:
    assert ask("text", "eq", "5001812", 5001812) is True
    assert ask("text", "starts_with", "500", 5001812.0) is True


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes() | st.dates() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


every_rule = parse(
    [
        {"field": name, "operator": operator, "value": value}
        for field, operator, value, _, _ in CASES
        for name in (field, "undeclared")
    ],
    declared,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fact=anything)
def test_no_payload_makes_it_raise(fact: Any) -> None:
    facts = dict.fromkeys([*(field.name for field in declared), "undeclared"], fact)
    assert {answer for _, answer in evaluate_rules(every_rule, facts)} <= {True, False, None}
