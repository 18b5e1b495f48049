"""What is taken, what is refused, and where it says so."""

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.conditions import (
    Arity,
    Catalogue,
    Combinator,
    DuplicateField,
    Field,
    FieldType,
    Group,
    InvalidConditions,
    Not,
    NotEvaluable,
    Operator,
    Rule,
    Tree,
    find_operator,
    parse,
    payload_catalogue,
    to_json,
    walk,
)
from app.conditions.operators import ALIASES, WORDS, arity
from app.conditions.periods import Period
from app.infra.errors import UserError
from tests.conditions.people import FIELDS, RELATED, catalogue, people

event = payload_catalogue({"membership_tier": FieldType.TEXT, "amount": FieldType.NUMBER})


def rule(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def errors(data: object, where: Catalogue = catalogue, **options: Any) -> dict[str, str]:
    with pytest.raises(InvalidConditions) as raised:
        parse(data, where, **options)
    return raised.value.errors


def only(tree: Tree) -> Rule:
    [(_, found)] = walk(tree)
    return found


def test_a_tree_of_all_kinds_comes_back_canonical() -> None:
    tree = parse(
        {
            "combinator": "or",
            "rules": [
                {"field": "openedAt", "operator": "is_not_null", "value": None, "id": "row-1"},
                {"rules": [rule("handicap", "greater_than", "18.50"), {"not": rule("tags", "contains", "vip")}]},
            ],
        },
        catalogue,
    )
    assert isinstance(tree, Group)
    assert tree.combinator is Combinator.OR
    assert isinstance(tree.items[1].items[1], Not)
    assert to_json(tree) == {
        "combinator": "OR",
        "rules": [
            {"field": "opened_at", "operator": "isNotNull"},
            {
                "combinator": "AND",
                "rules": [
                    {"field": "handicap", "operator": "gt", "value": 18.5},
                    {"not": {"field": "tags", "operator": "contains", "value": "vip"}},
                ],
            },
        ],
    }
    assert [path for path, _ in walk(tree)] == ["rules[0]", "rules[1].rules[0]", "rules[1].rules[1].not"]
    assert parse(json.loads(json.dumps(to_json(tree))), catalogue) == tree
    assert hash(parse(to_json(tree), catalogue)) == hash(tree)


def test_a_list_or_a_bare_rule_is_a_group_too() -> None:
    bare = rule("city", "eq", "Knysna")
    assert parse([bare], catalogue) == parse(bare, catalogue) == parse({"rules": [bare]}, catalogue)


@pytest.mark.parametrize("nothing", [None, {}, [], {"rules": []}, {"combinator": "OR", "rules": []}])
def test_no_conditions_at_all_are_taken_only_where_allowed(nothing: object) -> None:
    assert parse(nothing, catalogue, allow_empty=True) == Group(Combinator.AND, ())
    assert errors(nothing) == {"": "Add at least one condition."}


@pytest.mark.parametrize(("alias", "operator"), ALIASES.items())
def test_every_alias_is_its_operator(alias: str, operator: Operator) -> None:
    field = next(one for one in FIELDS if operator in WORDS[one.type])
    sample: Any = {FieldType.TEXT: "x", FieldType.NUMBER: 1}.get(field.type, "2026-10-04")
    value = {Arity.MANY: [sample], Arity.PERIOD: "1 day"}.get(arity(operator), sample)
    camel = re.sub("_([a-z])", lambda found: found[1].upper(), alias)
    for way in (alias, f" {alias.upper()} ", alias.replace("_", " "), alias.replace("_", "-"), camel):
        assert only(parse(rule(field.name, way, value), catalogue)).operator is operator


@pytest.mark.parametrize(
    "names",
    [
        "eq neq gt gte lt lte contains not_contains in not_in isNull isNotNull",
        "equals not_equals greater_than less_than contains not_contains in not_in isNotNull",
        "starts_with ends_with startsWith endsWith between before after within exactly at_least at_most",
    ],
)
def test_all_names_the_product_was_described_with_are_operators(names: str) -> None:
    found = [find_operator(name) for name in names.split()]
    assert all(found)
    assert all(find_operator(one.value) is one for one in Operator)


def test_no_alias_hides_an_operator() -> None:
    assert not {one.value.lower() for one in Operator} & set(ALIASES)
    assert {find_operator(alias.upper()) for alias in ALIASES} <= set(Operator)


@pytest.mark.parametrize(
    ("field", "operator", "value", "expected"),
    [
        ("city", "eq", "Zürich", "Zürich"),
        ("city", "eq", 7, "7"),
        ("city", "in", ["a", "b", "a"], ("a", "b")),
        ("tier", "in", ["gold", "PLATINUM"], ("Gold", "Platinum")),
        ("handicap", "eq", "18.50", Decimal("18.5")),
        ("rounds", "between", [1, "2"], (Decimal(1), Decimal(2))),
        ("opted_in", "eq", "true", True),
        ("born", "gt", "1979-04-25", date(1979, 4, 25)),
        ("opened_at", "gt", "2026-10-04", date(2026, 10, 4)),
        ("opened_at", "gt", "2026-10-04T09:00:00+02:00", datetime(2026, 10, 4, 7, tzinfo=UTC)),
        ("tags", "in", ["vip", "VIP"], ("vip", "VIP")),
        ("lists", "contains", "0190F3A1-7B1C-7000-8000-000000000001", "0190f3a1-7b1c-7000-8000-000000000001"),
        ("badges", "in", ["vip", "VIP"], ("vip", "VIP")),
        ("tags", "isNull", "ignored", None),
        ("opened_at", "within_last", "30 days", Period(30, "days")),
        ("opened_at", "within", "1 Hour", Period(1, "hours")),
        ("born", "anniversary_next", {"amount": 7, "unit": "days"}, Period(7, "days")),
        ("born", "before", "1979-04-25", date(1979, 4, 25)),
    ],
)
def test_values_are_read_in_the_type_of_the_field(field: str, operator: str, value: Any, expected: Any) -> None:
    found = only(parse(rule(field, operator, value), catalogue))
    assert found.value == expected
    assert type(found.value) is type(expected)


@pytest.mark.parametrize(
    ("operator", "value", "type"),
    [
        ("eq", 18, FieldType.NUMBER),
        ("eq", "18", FieldType.TEXT),
        ("gt", "18", FieldType.NUMBER),
        ("between", ["1", 2], FieldType.NUMBER),
        ("eq", True, FieldType.BOOLEAN),
        ("eq", "2026-10-04", FieldType.DATE),
        ("lt", "2026-10-04", FieldType.DATE),
        ("lt", "2026-10-04T09:00Z", FieldType.DATETIME),
        ("between", ["2026-10-04", "2026-10-04T09:00Z"], FieldType.DATETIME),
        ("eq", "2026-10-04T09:00", FieldType.TEXT),
        ("in", [1, 2.5], FieldType.NUMBER),
        ("in", ["1", "2026-10-04"], FieldType.TEXT),
        ("contains", 18, FieldType.TEXT),
        ("within_last", "3 days", FieldType.DATE),
        ("within_last", "3 hours", FieldType.DATETIME),
        ("anniversary_next", "3 days", FieldType.DATE),
        ("isNull", None, FieldType.ANY),
    ],
)
def test_an_undeclared_key_takes_the_type_of_the_value(operator: str, value: Any, type: FieldType) -> None:
    tree = parse(rule("holes", operator, value), event)
    assert only(tree).type is type
    assert parse(to_json(tree), event) == tree


@pytest.mark.parametrize(
    ("data", "path", "words"),
    [
        (rule("shoe_size", "eq", 9), "", "no field “shoe_size”"),
        (rule("city", "resembles", "x"), "", "no operator “resembles”"),
        (rule("city", "gt", "x"), "", "City can't be compared with “gt”. Use one of: eq, neq, in"),
        (rule("handicap", "contains", "1"), "", "can't be compared"),
        (rule("tags", "eq", "vip"), "", "can't be compared"),
        (rule("handicap", "eq", "low"), "", "Handicap: give a number"),
        (rule("handicap", "eq", True), "", "give a number"),
        (rule("handicap", "eq", float("nan")), "", "give a number"),
        (rule("handicap", "eq", float("inf")), "", "give a number"),
        (rule("handicap", "eq", "1e9"), "", "give a number"),
        (rule("handicap", "eq", 10**15), "", "at most 15 digits"),
        (rule("handicap", "eq", 10**4000), "", "give a number"),
        (rule("handicap", "eq", 1e300), "", "at most 15 digits"),
        (rule("handicap", "eq", [1]), "", "give a number"),
        (rule("handicap", "in", 1), "", "give a list of values"),
        (rule("handicap", "in", []), "", "give a list of values"),
        (rule("handicap", "between", [1]), "", "give two values"),
        (rule("handicap", "between", [2, 1]), "", "must not be greater"),
        (rule("opened_at", "between", ["2026-10-05", "2026-10-04T10:00Z"]), "", "must not be greater"),
        (rule("opened_at", "gt", "2026-10-04T10:00"), "", "with its offset"),
        (rule("opened_at", "gt", "next week"), "", "with its offset"),
        (rule("born", "gt", "2026-02-30"), "", "give a day"),
        (rule("born", "gt", "2026-10-04T10:00Z"), "", "give a day"),
        (rule("born", "gt", "0001-01-01"), "", "give a year from 1800 to 2200"),
        (rule("opened_at", "gt", "0001-01-01T00:00+14:00"), "", "with its offset"),
        (rule("opened_at", "within_last", "soon"), "", "such as “30 days”"),
        (rule("opened_at", "within_last", 30), "", "such as “30 days”"),
        (rule("opened_at", "within_last", "-1 days"), "", "such as “30 days”"),
        (rule("opened_at", "within_last", "10001 days"), "", "such as “30 days”"),
        (rule("opened_at", "within_last", "201 years"), "", "such as “30 days”"),
        (rule("opened_at", "anniversary_next", "7 days"), "", "can't be compared"),
        (rule("born", "within_last", "3 hours"), "", "give a number of days"),
        (rule("born", "anniversary_next", "367 days"), "", "within a year"),
        (rule("city", "within_last", "3 days"), "", "can't be compared"),
        (rule("opted_in", "eq", "maybe"), "", "give true or false"),
        (rule("opted_in", "eq", 1), "", "give true or false"),
        (rule("club_id", "eq", "12"), "", "give an id"),
        (rule("lists", "contains", "members"), "", "Lists: give an id"),
        (rule("lists", "in", ["0190f3a1-7b1c-7000-8000-000000000001", 7]), "", "Lists: give an id"),
        (rule("badges", "eq", "gold"), "", "can't be compared"),
        ({**rule("city", "isNull"), "disabled": "yes"}, "", "true or false"),
        ({**rule("city", "isNull"), "disabled": 1}, "", "true or false"),
        ({**rule("city", "gt", 1), "disabled": True}, "", "can't be compared"),
        ([{**rule("city", "isNull"), "disabled": True}], "", "Switch on at least one"),
        ({"not": {**rule("city", "isNull"), "disabled": True}}, "", "Switch on at least one"),
        (rule("tier", "eq", "Silver"), "", "choose one of: Gold, Platinum, Élite"),
        (rule("city", "eq", None), "", "give a text"),
        (rule("city", "eq", " "), "", "use “isNull”"),
        (rule("city", "eq", False), "", "give a text"),
        (rule("city", "eq", {"a": 1}), "", "give a text"),
        (rule("city", "eq", "a\0b"), "", "can't be stored"),
        (rule("city", "eq", "a\ud800b"), "", "can't be stored"),
        (rule("city", "eq", "x" * 501), "", "at most 500 characters"),
        (rule("city", "in", ["x"] * 501), "", "at most 500 values"),
        (rule("city", "in", ["x", None]), "", "give a text"),
        ({"field": 7, "operator": "eq"}, "", "Choose a field"),
        ({"field": "city"}, "", "Choose an operator"),
        ({"operator": "eq", "value": 1}, "", "Choose a field"),
        ("city", "", "a rule or a group"),
        ([["city"]], "rules[0]", "a rule or a group"),
        ([{"combinator": "AND", "rules": []}], "rules[0]", "Add at least one rule"),
        ([{"combinator": "AND"}], "rules[0]", "Add at least one rule"),
        ({"rules": {"field": "city"}}, "", "Add at least one rule"),
        ({"combinator": "XOR", "rules": [rule("city", "isNull")]}, "", "by AND or by OR"),
        ({"combinator": 1, "rules": [rule("city", "isNull")]}, "", "by AND or by OR"),
        ({"not": rule("city", "isNull"), "rules": []}, "", None),
        ({"not": rule("city", "isNull"), **rule("city", "eq", "x")}, "", "both “not” and “field”"),
        ({"rules": [rule("city", "isNull")], **rule("city", "eq", "x")}, "", "both “rules” and “field”"),
        ({"not": None}, "not", "a rule or a group"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(data: object, path: str, words: str | None) -> None:
    found = errors(data)
    assert list(found) == [path]
    assert words is None or words in found[path]


def test_every_problem_is_listed_with_its_path() -> None:
    found = errors([rule("nope", "eq", 1), {"rules": [rule("city", "eq", "x"), {"not": rule("rounds", "eq", "x")}]}])
    assert list(found) == ["rules[0]", "rules[1].rules[1].not"]
    assert issubclass(InvalidConditions, UserError)


def test_undeclared_keys_are_measured_by_numbers_and_dates_only() -> None:
    assert "give a number, a day" in errors(rule("holes", "gt", "many"), event)[""]
    assert "not both" in errors(rule("holes", "in", [1, "a"]), event)[""]
    assert "no field" in errors(rule("x" * 101, "eq", 1), event)[""]
    assert "no field" in errors(rule("a\0b", "eq", 1), event)[""]


def test_names_of_any_length_are_shown_short_and_printable() -> None:
    assert errors(rule("\ud800\n" + "x" * 10_000, "eq", 1))[""].startswith("There is no field “��xxx")
    assert len(errors(rule("city", "x" * 10_000, 1))[""]) < 100


def test_depth_and_number_of_rules_are_bounded() -> None:
    nested: Any = rule("city", "isNull")
    for _ in range(9):
        nested = {"rules": [nested]}
    assert parse(nested, catalogue)
    assert list(errors({"rules": [{"not": nested}]}).values()) == ["Conditions may be nested at most 10 deep."]
    many = [rule("city", "isNull")] * 200
    assert parse(many, catalogue)
    assert errors([*many, *many]) == {"": "Use at most 200 rules."}
    assert len(errors([rule("nope", "eq", 1)] * 100_000)) == 20


def test_very_deep_json_is_refused_quietly() -> None:
    nested: Any = rule("city", "isNull")
    for _ in range(100_000):
        nested = {"not": nested}
    assert list(errors(nested).values()) == ["Conditions may be nested at most 10 deep."]


def test_what_only_the_database_knows_is_refused_on_an_event() -> None:
    stored = Field("in_list", "Is in the list", "Lists", FieldType.BOOLEAN, people.c.opted_in)
    mixed = Catalogue([*event, stored], for_payload=True)
    with pytest.raises(NotEvaluable) as raised:
        parse([rule("amount", "gt", 5), rule("in_list", "eq", True)], mixed)
    assert list(raised.value.errors) == ["rules[1]"]
    with pytest.raises(InvalidConditions) as other:
        parse([rule("amount", "gt", "x"), rule("in_list", "eq", True)], mixed)
    assert not isinstance(other.value, NotEvaluable)
    with pytest.raises(NotEvaluable, match="can only be asked of an event"):
        parse(rule("amount", "gt", 5), Catalogue(event))


def test_a_catalogue_keeps_names_apart() -> None:
    with pytest.raises(DuplicateField):
        Catalogue([FIELDS[0], FIELDS[0]])
    assert list(catalogue) == [*FIELDS, *RELATED]
    assert len(catalogue) == len(FIELDS) + len(RELATED)
    assert "city" in catalogue
    assert list(catalogue.groups()) == ["Person"]
    assert catalogue.find("clubId") == catalogue.find("club_id")
    found = event.find("bookingRef.party_size")
    assert found is not None
    assert found.label == "Booking ref party size"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": " ", "from_payload": True},
        {"name": "x"},
        {"name": "x", "type": FieldType.ANY, "column": people.c.city},
        {"name": "x", "type": FieldType.CHOICE, "column": people.c.city},
        {"name": "x", "type": FieldType.TEXT, "related": RELATED[0].related},
        {"name": "x", "type": FieldType.LIST, "related": RELATED[0].related, "column": people.c.tags},
    ],
)
def test_a_field_that_could_never_be_asked_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"field|name"):
        Field(**{"label": "X", "group": "G", "type": FieldType.TEXT, **wrong})


def test_only_a_payload_has_unknown_names() -> None:
    with pytest.raises(ValueError, match="payloads"):
        Catalogue(open=True)


def test_operators_are_called_as_forms_do_where_people_read_it() -> None:
    def said(data: Any) -> str:
        with pytest.raises(InvalidConditions) as caught:
            parse(data, catalogue, spoken=True)
        (message,) = caught.value.errors.values()
        return message

    assert said(rule("city", "eq", " ")) == "City: give a text. To ask whether it is missing, use “is unknown”."
    assert said(rule("city", "gt", "x")).startswith(
        "City can't be compared with “is more than”. Use one of: is, is not, is any of, is none of, contains"
    )
