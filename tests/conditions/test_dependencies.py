"""What the answer to a tree depends on, and what of a tree is asked at all."""

from typing import Any

import pytest

from app.conditions import (
    Group,
    asks_nothing,
    dependencies,
    depends_on_time,
    enabled,
    explain,
    matches,
    parse,
    payload_catalogue,
    to_json,
    walk,
)
from app.customers import condition_fields, consent_fields  # noqa: F401 - they fill the catalogue
from app.customers.custom_fields import catalogue_of
from app.customers.models import Topic
from tests.conditions.people import catalogue
from tests.conditions.test_parse import rule

CITY = rule("city", "eq", "Knysna")
TIER = rule("tier", "eq", "Gold")
PLAYED = {"event": "round", "operator": "gte", "value": 1}
OFF = {"disabled": True}
LIST = "0190f3a1-7b1c-7000-8000-000000000001"


def read(data: Any) -> Group:
    return parse(data, catalogue, allow_empty=True)


def test_an_answer_depends_on_what_its_rules_read() -> None:
    tree = read(
        {
            "combinator": "OR",
            "rules": [
                CITY,
                {"not": rule("lists", "contains", LIST)},
                {"rules": [{"event": "round", "operator": "never"}, {**rule("badges", "isNull"), **OFF}]},
            ],
        }
    )
    assert dependencies(tree) == {"profile", "list_id", "activity:round"}
    assert dependencies(read([])) == frozenset()


def test_the_customers_fields_say_what_they_read() -> None:
    fields = catalogue_of((), (Topic(key="news", name="News"),))
    assert dependencies(parse(rule("membership_tier", "eq", "Gold"), fields)) == {"profile"}
    assert dependencies(parse(rule("last_email_open_at", "isNull"), fields)) == {"last_activity"}
    assert dependencies(parse(rule("consent.news.EMAIL", "isNull"), fields)) == {"consent", "profile"}


@pytest.mark.parametrize(
    ("data", "moves"),
    [
        (CITY, False),
        (rule("born", "gt", "2000-01-01"), False),
        (rule("born", "within_last", "18 years"), True),
        (rule("born", "anniversary_next", "7 days"), True),
        (rule("opened_at", "longer_ago", "30 days"), True),
        ({**rule("opened_at", "longer_ago", "30 days"), **OFF}, False),
        ({"not": rule("opened_at", "longer_ago", "30 days")}, True),
        ({"event": "round", "operator": "never"}, False),
        ({"event": "round", "operator": "never", "within": "60 days"}, True),
        ({"event": "round", "aggregate": "last", "operator": "longer_ago", "value": "60 days"}, True),
        ({**PLAYED, "where": [rule("day", "within_next", "3 days")]}, True),
        ({**PLAYED, "where": [{**rule("day", "within_next", "3 days"), **OFF}]}, False),
    ],
)
def test_what_time_alone_changes_is_known(data: Any, moves: bool) -> None:
    assert depends_on_time(read(data)) is moves


def test_a_count_of_the_last_thirty_days_moves_with_time() -> None:
    assert depends_on_time(parse(rule("activity_count_30d", "gt", 3), catalogue_of(())))


def test_what_is_switched_off_is_kept_and_not_asked() -> None:
    tree = read([{**CITY, **OFF}, {"combinator": "OR", "rules": [{**TIER, **OFF}]}, {"not": TIER, **OFF}, TIER])
    assert to_json(tree)["rules"][0] == {**CITY, **OFF}
    assert to_json(tree)["rules"][2] == {"not": TIER, **OFF}
    assert parse(to_json(tree), catalogue) == tree
    assert [(path, one.field.name) for path, one in walk(tree)] == [("rules[3]", "tier")]
    assert enabled(tree) == read([TIER])
    assert explain(tree) == explain(read([TIER]))


@pytest.mark.parametrize(
    "nothing",
    [
        [],
        {**CITY, **OFF},
        {"combinator": "OR", "rules": [CITY], **OFF},
        {"not": CITY, **OFF},
        {"not": {**CITY, **OFF}},
        {"not": {"rules": [{"combinator": "OR", "rules": [{**CITY, **OFF}]}]}},
    ],
)
def test_a_tree_of_which_nothing_is_on_asks_nothing(nothing: Any) -> None:
    tree = read(nothing)
    assert asks_nothing(tree)
    assert matches(tree, {})
    assert explain(tree) == "No conditions"
    # Beside something that is asked it is as if it were not there, in an OR too.
    beside = read({"combinator": "OR", "rules": [CITY, *([nothing] if nothing else [])]})
    assert not matches(beside, {"city": "George"})
    assert matches(beside, {"city": "Knysna"})


def test_a_payload_is_asked_of_by_what_is_on_alone() -> None:
    tree = parse([{**rule("holes", "eq", 18), **OFF}, rule("tees", "eq", "red")], payload_catalogue({}))
    assert matches(tree, {"holes": 9, "tees": "red"})
    where = [{**rule("holes", "eq", 18), **OFF}]
    did = {**PLAYED, "where": where}
    assert explain(read(did)) == explain(read({**did, "where": []}))
    assert to_json(read(did))["rules"][0]["where"]["rules"] == where
