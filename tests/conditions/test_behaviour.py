"""What somebody did: how it is asked, told, and read alike by Python and SQL, whatever stands in a payload."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Text, bindparam, cast, delete, insert, select
from sqlalchemy.dialects.postgresql import JSONB

from app.conditions import (
    Field,
    FieldType,
    Gathered,
    Later,
    NotEvaluable,
    compile_rules,
    compile_sql,
    evaluate,
    evaluate_rules,
    explain,
    operators_for,
    parse,
    payload_catalogue,
    to_json,
    values,
)
from app.conditions.behaviour import DID
from app.conditions.payload_sql import read, value_at
from tests.conditions.people import FIELDS, MONEY, PAYLOAD, catalogue, keep_done, people
from tests.conditions.test_parse import errors

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
ZONES = [UTC, ZoneInfo("Europe/London"), ZoneInfo("Pacific/Gambier")]
BLANK = dict.fromkeys((one.name for one in FIELDS), None)

TEXTS = [
    "",
    " ",
    "18",
    " 18.0\t",
    "18.50",
    "+18",
    "9" * 40,
    "9" * 41,
    f"{'9' * 20}.{'9' * 20}",
    "1e5",
    "1,804.58",
    "\u0663",
    "\u00a018",
    "true",
    " TRUE ",
    "yes",
    "Gold",
    "gold",
    "É",
    "ẞ",
    "2026-03-28",
    "2026-02-30",
    "0000-01-01",
    "9999-12-31",
    "2026-03-29T00:30:00Z",
    "2026-03-29T00:30:00.1234567+02:00",
    "2026-03-28 23:59:59.9999999-0900",
    "2026-03-29T24:00:00Z",
    "2026-03-29T12:00:60Z",
    "2026-03-29t12:00z",
    "2026-03-29T12:00",
    "2026-03-29T12:00+16:00",
    "0001-01-01T00:00+14:00",
    "9999-12-31T23:59:59Z",
    "0190f3a1-7b1c-7000-8000-000000000001",
    "0190F3A1-7B1C-7000-8000-000000000001",
    "0190f3a17b1c70008000000000000001",
]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**15), 10**15),
    st.sampled_from([18, 18.0, 18.5, -0.0, 0.1, 1e-7, 108.32]),
    st.decimals(-1000, 1000, places=2).map(float),
    st.sampled_from(TEXTS),
    st.text(alphabet="aA1.-:TZ é+0", max_size=5),
)
anything = st.one_of(
    scalars, st.lists(scalars | st.lists(scalars, max_size=1), max_size=3), st.just({"a": 1}), st.just({})
)


@settings(suppress_health_check=list(HealthCheck))
@given(value=st.sampled_from(TEXTS) | anything, zone=st.sampled_from(ZONES))
def test_both_read_any_json_the_same(connection: Connection, value: Any, zone: Any) -> None:
    stored = cast(bindparam("value", value, JSONB()), JSONB())
    kinds = [kind for kind in FieldType if kind is not FieldType.ANY]
    kept, *row = connection.execute(select(stored, *(read(kind, stored, zone) for kind in kinds))).one()
    for kind, found in zip(kinds, row, strict=True):
        known = values.read(kind, kept, zone)
        assert (tuple(found) if isinstance(found, list) else found) == known, (kind, value)


@pytest.mark.parametrize("name", ["a", "a.b", "a.b.c", "x.y", "l.0", "t.t", "gone.b"])
def test_both_find_the_same_by_a_name(connection: Connection, name: str) -> None:
    payload = {"a": {"b": {"c": 1, "b.c": 2}, "b.c": 3}, "x.y": 4, "x": {"y": 5}, "l": [6], "t": "t"}
    stored = cast(bindparam("value", payload, JSONB()), JSONB())
    rule = parse({"field": name, "operator": "isNotNull"}, payload_catalogue({}))
    known = evaluate(rule, payload)
    assert connection.scalar(select(cast(value_at(stored, name), Text()).is_not(None))) is known


@st.composite
def payload_rules(draw: st.DrawFn) -> dict[str, Any]:
    undeclared = [("else", FieldType.ANY), ("a.b", FieldType.ANY)]
    name, kind = draw(st.sampled_from([*PAYLOAD.items(), *MONEY.items(), *undeclared]))
    offered = [one for one in operators_for(kind) if one.arity in ("one", "many", "none", "period")]
    operator = draw(st.sampled_from(offered))
    asked: dict[FieldType, st.SearchStrategy[Any]] = {
        FieldType.NUMBER: st.sampled_from([18, "18.5", 0]),
        FieldType.TEXT: st.sampled_from(["18", "gold", "É", "18.0", "true", "1"]),
        FieldType.BOOLEAN: st.booleans(),
        FieldType.DATE: st.sampled_from(["2026-03-28", "2026-03-29"]),
        FieldType.DATETIME: st.sampled_from(["2026-03-29", "2026-03-29T00:30:00Z"]),
        FieldType.LIST: st.sampled_from(["18", "gold", "true"]),
        FieldType.ID: st.just("0190f3a1-7b1c-7000-8000-000000000001"),
    }
    sorts = [st.sampled_from([18, 0]), asked[FieldType.TEXT]] if operator.name in ("in", "not_in") else []
    ordered = operator.name in ("gt", "gte", "lt", "lte")
    of_any = [asked[FieldType.NUMBER], asked[FieldType.DATE], asked[FieldType.DATETIME]]
    if kind is not FieldType.ANY:
        one = asked[kind]
    elif sorts:
        one = draw(st.sampled_from(sorts))
    else:
        one = draw(st.sampled_from(of_any if ordered else [*of_any, asked[FieldType.TEXT]]))
    rule = {"field": name, "operator": operator.name}
    if operator.arity == "one":
        rule["value"] = draw(one)
    elif operator.arity == "many":
        rule["value"] = draw(st.lists(one, min_size=1, max_size=2))
    elif operator.arity == "period":
        rule["value"] = draw(st.sampled_from(["1 day", "2 weeks", "1 year"]))
    return rule


@st.composite
def behaviour_rules(draw: st.DrawFn) -> dict[str, Any]:
    aggregate = draw(st.sampled_from(["count", "sum", "min", "max", "first", "last"]))
    rule: dict[str, Any] = {"event": draw(st.sampled_from(["round", "payment"])), "aggregate": aggregate}
    if aggregate in ("sum", "min", "max"):
        rule["field"] = draw(st.sampled_from(["holes", "else", "a.b", "price", "price"]))
    if said := draw(st.sampled_from(["", "", "any", "ZAR", "EUR"])):
        rule["currency"] = said
    if draw(st.booleans()):
        rule["within"] = draw(st.sampled_from(["1 hour", "2 days", "1 month"]))
    if draw(st.booleans()):
        some = draw(st.lists(payload_rules(), min_size=1, max_size=2))
        rule["where"] = draw(st.sampled_from([{"combinator": "OR", "rules": some}, {"rules": [{"not": some[0]}]}]))
    if aggregate in ("first", "last"):
        operator, value = draw(
            st.sampled_from(
                [("within_last", "1 day"), ("longer_ago", "2 days"), ("eq", "2026-03-28"), ("isNull", None)]
            )
        )
    else:
        more = ("gt", 1) if aggregate == "count" else ("gt", "18.2")
        operator, value = draw(st.sampled_from([("gte", 1), ("eq", 0), ("lt", 2), ("neq", 1), more, ("isNull", None)]))
    return {**rule, "operator": operator, "value": value}


currencies = st.sampled_from(
    ["ZAR", "EUR", " zar\n", "eUR", "", " ", "R", "ZAR\u00a0", "\u017far", None, True, ["ZAR"]]
)
happened = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["round", "payment"]),
        "occurred_at": st.sampled_from(
            [
                NOW + step
                for step in (
                    timedelta(0),
                    timedelta(microseconds=1),
                    -timedelta(hours=1),
                    -timedelta(hours=1, microseconds=1),
                    -timedelta(days=1),
                    -timedelta(days=2),
                    -timedelta(days=20),
                    -timedelta(days=400),
                )
            ]
        ),
        "payload": st.fixed_dictionaries(
            {},
            optional={
                **dict.fromkeys([*PAYLOAD, "else"], anything),
                "a": st.just({"b": 18}),
                "price": st.sampled_from([18, "18.5", 0.1, "", "R 18", None]) | anything,
                "currency": currencies | anything,
            },
        ),
    }
)


@settings(suppress_health_check=list(HealthCheck))
@given(
    rules=st.lists(behaviour_rules(), min_size=1, max_size=3),
    who=st.lists(st.lists(happened, max_size=4), min_size=2, max_size=4),
    zone=st.sampled_from(ZONES),
    home=st.sampled_from(["ZAR", "EUR", ""]),
)
def test_both_readers_answer_the_same_of_what_was_done(
    connection: Connection, rules: list[dict[str, Any]], who: list[list[dict[str, Any]]], zone: Any, home: str
) -> None:
    there: dict[str, Any] = {"zone": zone, "currency": home}
    at: dict[str, Any] = {**there, "now": NOW}
    tree = parse({"combinator": "OR", "rules": rules}, catalogue)
    assert parse(to_json(tree), catalogue) == tree
    assert explain(tree)
    connection.execute(delete(people))
    connection.execute(insert(people), [{"id": number, **BLANK} for number in range(len(who))])
    keep_done(connection, [{"person_id": number, **one} for number, did in enumerate(who) for one in did])
    each = [answer for _, answer in compile_rules(tree, **at)]
    asked = select(compile_sql(tree, **at), *each).select_from(people).order_by(people.c.id)
    for did, (answer, *answers) in zip(who, connection.execute(asked), strict=True):
        facts = {**BLANK, DID: did}
        assert evaluate(tree, facts, **at) is answer, (explain(tree), did)
        assert [known for _, known in evaluate_rules(tree, facts, **at)] == answers
    of_one = {number: {**BLANK, DID: did} for number, did in enumerate(who)}
    contrary = parse({"not": {"combinator": "OR", "rules": [*rules, {"not": rules[0]}]}}, catalogue)
    both = parse({"combinator": "AND", "rules": [*rules, {"not": {"not": rules[0]}}]}, catalogue)
    trees = (tree, contrary, both, *(parse({"not": one}, catalogue) for one in rules))
    for later in (None, Later()):
        gathered = Gathered()
        fitting = [compile_sql(one, **there, now=NOW, gathered=gathered, later=later) for one in trees]
        table = gathered.table(lambda key: key.in_(list(of_one)))
        assert table
        together = select(people.c.id, *fitting).select_from(people.outerjoin(*table))
        for number, *answers in connection.execute(together, later.values(NOW) if later else {}):
            assert answers == [evaluate(one, of_one[number], **at) for one in trees], (rules, who[number])
    for asked_of_all in trees:
        known = {number for number, facts in of_one.items() if evaluate(asked_of_all, facts, **at)}
        for few in (False, True):
            fits = compile_sql(asked_of_all, **at, whole=True, few=few)
            found = set(connection.scalars(select(people.c.id).where(fits)))
            assert found == known, (explain(asked_of_all), few, who)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            {
                "event": "round",
                "operator": "at_least",
                "value": 3,
                "within": "90 days",
                "where": [{"field": "holes", "operator": "eq", "value": 18}],
            },
            "Has played a round at least 3 times in the last 90 days where holes is 18",
        ),
        (
            {"event": "round", "operator": "never", "within": "60 days"},
            "Has not played a round in the last 60 days",
        ),
        ({"event": "round", "operator": "exactly", "value": 1}, "Has played a round exactly once"),
        (
            {"event": "round", "operator": "between", "value": [2, 4]},
            "Has played a round between 2 and 4 times",
        ),
        (
            {
                "event": "payment",
                "aggregate": "sum",
                "field": "amount",
                "operator": "gt",
                "value": 5000,
                "within": "1 year",
            },
            "The total amount of all “Payment received” in the last year is more than 5,000",
        ),
        (
            {"event": "round", "aggregate": "last", "operator": "longer_ago", "value": "60 days"},
            "Last played a round more than 60 days ago",
        ),
    ],
)
def test_what_was_done_is_told_in_words(rule: dict[str, Any], words: str) -> None:
    assert explain(parse(rule, catalogue)) == words


PLAYED = {"event": "round"}
SPENT = {"event": "payment", "aggregate": "sum", "field": "spent"}
LAST = {"event": "round", "aggregate": "last"}
HOLES = {"field": "holes", "operator": "eq", "value": 18}
TAGGED = {"field": "tags", "operator": "contains", "value": "a"}


@pytest.mark.parametrize(
    ("rule", "operator", "value", "words", "contrary"),
    [
        (PLAYED, "eq", 0, "Has never played a round", "Has played a round at least once"),
        (PLAYED, "gte", 1, "Has played a round at least once", "Has never played a round"),
        (PLAYED, "gt", 0, "Has played a round at least once", "Has never played a round"),
        (PLAYED, "neq", 0, "Has played a round at least once", "Has never played a round"),
        (PLAYED, "gt", 2, "Has played a round more than 2 times", "Has played a round at most 2 times"),
        (PLAYED, "lte", 1, "Has played a round at most once", "Has played a round more than once"),
        (
            PLAYED,
            "lt",
            3,
            "Has played a round fewer than 3 times",
            "Has played a round at least 3 times",
        ),
        (
            PLAYED,
            "neq",
            2,
            "Has played a round not exactly 2 times",
            "Has played a round exactly 2 times",
        ),
        (PLAYED, "in", [1, 2], "Has played a round exactly 1 or 2 times", None),
        (PLAYED, "not_in", [1, 2], "Has played a round not exactly 1 or 2 times", None),
        (PLAYED, "between", [0, 1], None, "Has played a round not between 0 and 1 times"),
        (PLAYED, "isNull", None, "Has played a round an unknown number of times", None),
        ({"event": "payment"}, "gte", 2, "Has had “Payment received” at least 2 times", None),
        (
            {**PLAYED, "within": "1 year", "where": [HOLES, TAGGED]},
            "eq",
            0,
            "Has not played a round in the last year (where holes is 18 and tags include a)",
            None,
        ),
        (
            SPENT,
            "gt",
            20_000,
            "Has spent more than 20,000 (payment received, ever)",
            "Has spent at most 20,000 (payment received, ever)",
        ),
        (
            SPENT,
            "eq",
            5,
            "Has spent exactly 5 (payment received, ever)",
            "Has spent not exactly 5 (payment received, ever)",
        ),
        ({**SPENT, "within": "1 month"}, "lt", 5, "Has spent less than 5 (payment received) in the last month", None),
        (
            {**SPENT, "aggregate": "max"},
            "gte",
            500,
            "The largest spent of any “Payment received” ever is at least 500",
            None,
        ),
        (LAST, "isNull", None, "Has never played a round", "Has played a round at least once"),
        (LAST, "within_last", "2 days", "Last played a round in the last 2 days", None),
        (LAST, "within_last", "2 days", None, "Last played a round more than 2 days ago"),
        (LAST, "eq", "2026-03-28", "Last played a round on 28 March 2026", None),
        (LAST, "neq", "2026-03-28", "Last played a round not on 28 March 2026", None),
        (LAST, "gt", "2026-03-28", None, "Last played a round on or before 28 March 2026"),
        (LAST, "between", ["2026-03-28", "2026-03-29"], None, None),
        (
            {**LAST, "aggregate": "first", "within": "90 days", "where": [HOLES]},
            "longer_ago",
            "1 week",
            "First played a round (in the last 90 days where holes is 18) more than 1 week ago",
            None,
        ),
    ],
)
def test_each_way_of_asking_reads_well(
    rule: dict[str, Any], operator: str, value: Any, words: str | None, contrary: str | None
) -> None:
    one = {**rule, "operator": operator, "value": value}
    told, other = explain(parse(one, catalogue)), explain(parse({"not": one}, catalogue))
    assert words in (None, told)
    assert contrary in (None, other)
    assert told != other


@pytest.mark.parametrize(
    ("rule", "path", "words"),
    [
        ({"event": "", "operator": "eq", "value": 1}, "", "Choose what they did"),
        ({"event": "round", "aggregate": "median", "operator": "eq", "value": 1}, "", "choose one of count, sum"),
        ({"event": "round", "aggregate": ["sum"], "operator": "eq", "value": 1}, "", "choose one of count, sum"),
        ({"event": "round", "aggregate": "sum", "operator": "eq", "value": 1}, "", "choose the number"),
        (
            {"event": "round", "aggregate": "sum", "field": "club", "operator": "eq", "value": 1},
            "",
            "choose the number",
        ),
        ({"event": "round", "operator": "eq", "value": 1, "within": "soon"}, "", "within how long"),
        ({"event": "round", "operator": "contains", "value": 1}, "", "can't be compared"),
        ({"event": "round", "operator": "eq", "value": "often"}, "", "give a number"),
        ({"event": "round", "operator": "eq"}, "", "give a number"),
        ({"event": "round", "operator": "gt", "value": 1, "where": "x"}, "where", "a rule or a group"),
        (
            {
                "event": "round",
                "operator": "gt",
                "value": 1,
                "where": [{"field": "holes", "operator": "eq", "value": "x"}],
            },
            "where.rules[0]",
            "Holes: give a number",
        ),
        (
            {"event": "round", "operator": "gt", "value": 1, "where": [{"event": "round", "operator": "never"}]},
            "where.rules[0]",
            "ask it of customers",
        ),
        ({"event": "round", "rules": [{"field": "city"}]}, "", "both"),
        *(
            ({"event": "round", "operator": operator, "value": value}, "", "a whole number from 0 to 1,000,000")
            for operator, value in (
                ("gte", -1),
                ("eq", 1.5),
                ("lt", "0.5"),
                ("gt", 1_000_001),
                ("in", [1, -2]),
                ("between", [-1, 3]),
            )
        ),
        ({"event": "round", "operator": "lt", "value": 0}, "", "less than 0 times"),
        *(
            (
                {"event": "payment", "aggregate": "sum", "field": "holes", "operator": "gt", "value": value},
                "",
                "give a number",
            )
            for value in (float("nan"), float("inf"), float("-inf"), "NaN", "Infinity", "1e5", 10**20)
        ),
    ],
)
def test_what_is_wrong_with_it_is_said_where_it_is(rule: dict[str, Any], path: str, words: str) -> None:
    found = errors(rule)
    assert list(found) == [path]
    assert words in found[path]


def test_of_an_event_it_can_not_be_asked() -> None:
    with pytest.raises(NotEvaluable):
        parse({"event": "round", "operator": "never"}, payload_catalogue({}))
    with pytest.raises(NotEvaluable):
        parse(
            {"event": "round", "operator": "never"},
            type(catalogue)([Field("a", "A", "", FieldType.TEXT, people.c.city)]),
        )
