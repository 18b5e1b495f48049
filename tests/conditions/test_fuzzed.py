"""Whatever stands in the place of a name or a value: it is refused, or bound; none of it becomes a statement."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.dialects import postgresql

from app.conditions import InvalidConditions, compile_rules, compile_seen, compile_sql, explain, parse
from tests.conditions.people import FIELDS, RELATED, catalogue, people

MARK = "zqx"
LIST = "0190f3a1-7b1c-7000-8000-000000000001"
ATTACKS = (
    f"{MARK}'; DROP TABLE people; --",
    f'{MARK}" OR 1=1 --',
    f"{MARK}%(id)s",
    f"{MARK}:id",
    f"{MARK}\\'\x1a",
    f"{MARK}$${{{{7*7}}}}",
    f"{MARK}\u202e\u0000",
    f"{MARK}\ud800",
    f"{MARK} UNION SELECT password FROM people",
    MARK * 20_000,
    "\u212a" + MARK,
)
attacks = st.sampled_from(ATTACKS) | st.text(max_size=12).map(lambda text: MARK + text)
# Deeper than any reader of trees may go by itself.
deep = st.integers(1, 400).map(lambda depth: nest(depth))
odd = st.one_of(
    attacks,
    attacks,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.lists(attacks, max_size=3),
    st.dictionaries(attacks, attacks, max_size=2),
    deep,
)
fields = st.sampled_from([one.name for one in (*FIELDS, *RELATED)])
operators = st.sampled_from(["eq", "neq", "gt", "between", "in", "contains", "starts_with", "within_last", "isNull"])
events = st.sampled_from(["round", "payment"])


def nest(depth: int) -> Any:
    inner: Any = MARK
    for level in range(depth):
        inner = {"not": inner} if level % 2 else {"combinator": "AND", "rules": [inner]}
    return inner


rules = st.fixed_dictionaries(
    {"field": fields | odd, "operator": operators | odd, "value": odd | st.lists(odd, max_size=2)},
    optional={"disabled": st.booleans() | attacks, "sql": attacks},
)
behaviours = st.fixed_dictionaries(
    {"event": events | odd, "operator": operators | odd, "value": odd | st.integers(0, 3)},
    optional={
        "aggregate": st.sampled_from(["count", "sum", "last"]) | odd,
        "field": st.just("holes") | odd,
        "within": st.just("3 days") | odd,
        "where": st.lists(rules | odd, max_size=2) | odd,
    },
)
groups = st.fixed_dictionaries(
    {"combinator": st.sampled_from(["AND", "or"]) | odd, "rules": st.lists(rules | behaviours | odd, max_size=3) | odd}
)


def asked(data: Any) -> list[str] | None:
    """Return the statements conditions come to, or None where they are refused."""
    said: dict[str, str] = {}
    try:
        tree = parse(data, catalogue, allow_empty=True)
    except InvalidConditions as wrong:
        said = wrong.errors
    if said:
        assert all(len(path) < 300 and len(message) < 2_000 for path, message in said.items())
        # What is said of it can be sent.
        assert str(said).encode()
        return None
    assert explain(tree)
    parts = [compile_sql(tree), *(one for _, one in compile_rules(tree)), *(one.value for one in compile_seen(tree))]
    statement = select(people.c.id, *parts).where(compile_sql(tree))
    return [str(statement.compile(dialect=postgresql.dialect()))]  # type: ignore[no-untyped-call]


@given(data=rules | behaviours | groups | odd)
def test_nothing_that_is_sent_becomes_a_statement(data: Any) -> None:
    for statement in asked(data) or ():
        assert MARK not in statement.lower()


@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
@pytest.mark.parametrize(
    "data",
    [
        {"field": "?", "operator": "eq", "value": "x"},
        {"field": "city", "operator": "?", "value": "x"},
        {"field": "handicap", "operator": "eq", "value": "?"},
        {"field": "opened_at", "operator": "gt", "value": "?"},
        {"field": "opened_at", "operator": "within_last", "value": "?"},
        {"field": "club_id", "operator": "eq", "value": "?"},
        {"field": "lists", "operator": "in", "value": [LIST, "?"]},
        {"field": "tier", "operator": "in", "value": ["?"]},
        {"event": "round", "aggregate": "?", "operator": "eq", "value": 1},
        {"event": "round", "operator": "eq", "value": "?"},
        {"event": "round", "operator": "?", "value": 1},
        {"event": "round", "operator": "eq", "value": 1, "within": "?"},
        {"combinator": "?", "rules": [{"field": "city", "operator": "isNull"}]},
        {"field": "city", "operator": "isNull", "disabled": "?"},
        "?",
    ],
    ids=str,
)
def test_a_name_that_is_none_is_refused(data: Any, attack: str) -> None:
    def put(one: Any) -> Any:
        if isinstance(one, dict):
            return {key: put(value) for key, value in one.items()}
        return [put(inner) for inner in one] if isinstance(one, list) else attack if one == "?" else one

    assert asked(put(data)) is None


@pytest.mark.parametrize("attack", ATTACKS[:5] + ATTACKS[8:9], ids=range(6))
def test_text_and_the_names_of_events_and_their_fields_are_bound(attack: str) -> None:
    name = attack.replace("\x1a", "")
    where = [{"field": name, "operator": "eq", "value": attack}]
    data = [
        {"field": "city", "operator": "contains", "value": attack},
        {"field": "badges", "operator": "in", "value": [attack]},
        {"event": name, "operator": "at_least", "value": 1, "where": where},
        {"event": "round", "aggregate": "sum", "field": name, "operator": "gt", "value": 1},
    ]
    [statement] = asked(data) or ()
    assert MARK not in statement
