"""The law of this room: both readers give the same answer, on any tree and any people."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from sqlalchemy import Connection, delete, insert, select

from app.conditions import (
    Arity,
    FieldType,
    compile_rules,
    compile_sql,
    evaluate,
    evaluate_rules,
    operators_for,
    parse,
    to_json,
)
from tests.conditions.people import FIELDS, TIERS, catalogue, people

# Letters that disagree somewhere: ASCII, accents, sharp s, dotless and dotted i, sigmas, Cyrillic, Kelvin, long s,
# combining accent, other scripts, and the signs that LIKE, arrays and quoting treat as special.
LETTERS = "aAbB ZéÉüÜßẞıİiIσςΣжЖÅåKkſsǅǆѢ́ﬁ日ậẬΐ%_\\'\"{},µμ0"
texts = st.text(alphabet=LETTERS, max_size=4)
words = st.one_of(st.sampled_from(["Gold", "gold", "É", "élite", "NULL", "a", "Σσς"]), texts)
numbers = st.one_of(
    st.integers(-3, 3).map(Decimal),
    st.decimals(-1000, 1000, places=2),
    st.sampled_from([Decimal("10.5"), Decimal("0.1"), Decimal("1E+3")]),
)
days = st.one_of(
    st.sampled_from([date(2026, 3, 29), date(2026, 10, 25)]),
    st.dates(date(2026, 3, 27), date(2026, 3, 31)),
    st.dates(date(1800, 1, 1), date(2200, 12, 31)),
)
edges = st.sampled_from([timedelta(0), timedelta(microseconds=1), timedelta(hours=-2), timedelta(hours=1)])
instants = st.builds(
    lambda day, edge: datetime(day.year, day.month, day.day, tzinfo=UTC) + edge,
    days.filter(lambda day: 1800 < day.year < 2200),
    edges,
)
ids = st.uuids(version=4) | st.sampled_from([f"0190f3a1-7b1c-7000-8000-00000000000{n}" for n in range(3)])
zones = st.sampled_from(
    [UTC, ZoneInfo("Europe/London"), ZoneInfo("Africa/Johannesburg"), timezone(timedelta(hours=-9))]
)

asked: dict[FieldType, SearchStrategy[Any]] = {
    FieldType.TEXT: words.filter(str.strip),
    FieldType.CHOICE: st.sampled_from([choice.value for choice in TIERS] + ["GOLD"]),
    FieldType.NUMBER: numbers.map(str).filter(lambda text: "E" not in text) | st.integers(-5, 5),
    FieldType.BOOLEAN: st.booleans(),
    FieldType.DATE: days.map(date.isoformat),
    FieldType.DATETIME: days.map(date.isoformat) | instants.map(datetime.isoformat),
    FieldType.LIST: words.filter(str.strip),
    FieldType.ID: ids.map(str),
}
held: dict[FieldType, SearchStrategy[Any]] = {
    FieldType.TEXT: words,
    FieldType.CHOICE: words,
    FieldType.NUMBER: numbers,
    FieldType.BOOLEAN: st.booleans(),
    FieldType.DATE: days,
    FieldType.DATETIME: instants,
    FieldType.LIST: st.lists(st.none() | words, max_size=3),
    FieldType.ID: ids,
}


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    field = draw(st.sampled_from(FIELDS))
    operator = draw(st.sampled_from(operators_for(field.type)))
    one = asked[field.type]
    rule = {"field": field.name, "operator": operator.name}
    match operator.arity:
        case Arity.ONE:
            rule["value"] = draw(one)
        case Arity.MANY:
            rule["value"] = draw(st.lists(one, min_size=1, max_size=3))
        case Arity.PAIR:
            key = Decimal if field.type is FieldType.NUMBER else lambda text: text[:10]
            rule["value"] = sorted(draw(st.lists(one, min_size=2, max_size=2)), key=key)
    return rule


def groups(members: SearchStrategy[Any]) -> SearchStrategy[Any]:
    negated = members.map(lambda member: {"not": member})
    return st.builds(
        lambda combinator, rules: {"combinator": combinator, "rules": rules},
        st.sampled_from(["AND", "OR"]),
        st.lists(members | negated, min_size=1, max_size=3),
    )


trees = st.recursive(rules(), groups, max_leaves=8)
persons = st.fixed_dictionaries(
    {field.name: st.none() | (st.integers(-5, 5) if field.name == "rounds" else held[field.type]) for field in FIELDS}
)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=trees, who=st.lists(persons, min_size=1, max_size=6), zone=zones)
def test_both_readers_answer_the_same(
    connection: Connection, data: dict[str, Any], who: list[dict[str, Any]], zone: Any
) -> None:
    tree = parse(data, catalogue)
    assert parse(to_json(tree), catalogue) == tree
    connection.execute(delete(people))
    connection.execute(insert(people), [{"id": number, **person} for number, person in enumerate(who)])
    each = [expression for _, expression in compile_rules(tree, zone=zone)]
    answers = connection.execute(select(compile_sql(tree, zone=zone), *each).select_from(people).order_by(people.c.id))
    for person, answer in zip(who, answers, strict=True):
        facts = evaluate(tree, person, zone=zone), *(known for _, known in evaluate_rules(tree, person, zone=zone))
        assert tuple(answer) == facts
