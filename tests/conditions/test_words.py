"""What people read."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.conditions import Arity, FieldType, explain, explain_rule, operators_for, parse, payload_catalogue, walk
from app.conditions.operators import WORDS
from tests.conditions.people import catalogue

CLUB = "0190f3a1-7b1c-7000-8000-000000000001"


def told(data: Any, **options: Any) -> str:
    return explain(parse(data, catalogue, allow_empty=True), **options)


def rule(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            [rule("tier", "in", ["gold", "platinum"]), rule("opened_at", "isNotNull")],
            "Membership tier is any of Gold, Platinum card and E-mail opened is known",
        ),
        ([], "No conditions"),
        (rule("city", "not_contains", "Links"), "City does not contain Links"),
        (rule("rounds", "between", [1, "2.50"]), "Rounds is between 1 and 2.5"),
        (rule("handicap", "gte", 100), "Handicap is at least 100"),
        (rule("opted_in", "eq", False), "E-mail opt-in is no"),
        (rule("born", "lt", "1979-04-25"), "Date of birth is before 25 April 1979"),
        (rule("opened_at", "within_last", "30 days"), "E-mail opened is in the last 30 days"),
        (rule("opened_at", "longer_ago", "1 months"), "E-mail opened is more than 1 month ago"),
        (rule("born", "further_ahead", "2 weeks"), "Date of birth is more than 2 weeks from now"),
        (rule("born", "anniversary_next", "7 days"), "The anniversary of Date of birth is in the next 7 days"),
        (rule("born", "anniversary_last", "0 days"), "The anniversary of Date of birth is today"),
        (rule("tags", "contains", "vip"), "Tags include vip"),
        (rule("tags", "not_in", ["a", "b"]), "Tags include none of a, b"),
        (rule("tags", "isNull"), "Tags are empty"),
        (rule("city", "in", list("abcdefghij")), "City is any of a, b, c, d, e, f, g, h and 2 more"),
        (rule("city", "eq", "x" * 100), f"City is {'x' * 60}…"),
        ({"not": rule("city", "isNull")}, "not (City is unknown)"),
        (
            {
                "combinator": "OR",
                "rules": [rule("city", "isNull"), {"rules": [rule("rounds", "gt", 1), rule("tags", "isNotNull")]}],
            },
            "City is unknown or (Rounds is more than 1 and Tags are not empty)",
        ),
    ],
)
def test_a_tree_is_one_plain_sentence(data: Any, words: str) -> None:
    assert told(data) == words


def test_instants_are_told_in_the_zone_and_values_by_their_names() -> None:
    opened = rule("opened_at", "gt", "2026-10-04T22:30:00Z")
    assert told(opened) == "E-mail opened is after 4 October 2026, 22:30 UTC"
    zone = ZoneInfo("Africa/Johannesburg")
    assert told(opened, zone=zone) == "E-mail opened is after 5 October 2026, 00:30 SAST"
    club = rule("club_id", "eq", CLUB)
    assert told(club, names={"club_id": {CLUB: "Table Bay"}}) == "Club is Table Bay"
    assert told(club) == f"Club is {CLUB}"


def test_rules_of_a_payload_have_words_too() -> None:
    event = payload_catalogue({"tier": FieldType.TEXT}, labels={"tier": "Tier"})
    tree = parse([rule("tier", "eq", "Gold"), rule("holes", "gt", "9"), rule("teeTime", "lt", "2026-10-04")], event)
    assert [explain_rule(one) for _, one in walk(tree)] == [
        "Tier is Gold",
        "Holes is more than 9",
        "Tee time is before 4 October 2026",
    ]


def test_the_builder_is_offered_every_operator_with_its_words() -> None:
    assert set(WORDS) == set(FieldType)
    offered = {operator.name: operator for operator in operators_for(FieldType.NUMBER)}
    assert offered["between"].arity is Arity.PAIR
    assert offered["in"].arity is Arity.MANY
    assert offered["isNull"].arity is Arity.NONE
    assert (offered["gt"].label, offered["gt"].arity) == ("is more than", Arity.ONE)
    assert {operator.name for operator in operators_for(FieldType.BOOLEAN)} == {"eq", "neq", "isNull", "isNotNull"}
