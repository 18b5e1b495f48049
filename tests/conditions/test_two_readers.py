"""The law of this room: both readers give the same answer, on any tree and any people."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from sqlalchemy import Connection, Text, delete, func, insert, null, select

from app.conditions import (
    Arity,
    Field,
    FieldType,
    Later,
    Tree,
    asks_nothing,
    compile_rules,
    compile_sql,
    enabled,
    evaluate,
    evaluate_rules,
    explain,
    operators_for,
    parse,
    to_json,
    values,
)
from app.conditions.operators import FROM_NOW
from app.conditions.periods import UNITS, Present
from app.conditions.periods import read as read_period
from app.conditions.sql import folded
from app.conditions.values import fold
from tests.conditions.people import FIELDS, RELATED, TIERS, badge, catalogue, people

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

# Moments about which days, months and years end, clocks change and leap days come and go.
presents = st.sampled_from(
    [
        datetime(2026, 3, 29, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 1, tzinfo=UTC),
        datetime(2026, 2, 27, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2028, 2, 29, 12, tzinfo=UTC),
        datetime(2027, 12, 31, 22, tzinfo=UTC),
        datetime(2026, 5, 31, 9, tzinfo=UTC),
    ]
)
OF_DAYS, YEARLY = UNITS[2:], ("anniversary_last", "anniversary_next")


def periods(type: FieldType, operator: str) -> SearchStrategy[str]:
    units = UNITS if type is FieldType.DATETIME else OF_DAYS
    most = {"days": 366, "weeks": 52, "months": 12, "years": 1} if operator in YEARLY else {}
    return st.sampled_from(units).flatmap(
        lambda unit: st.one_of(st.integers(0, 3), st.integers(0, most.get(unit, 150))).map(
            lambda amount: f"{min(amount, most.get(unit, amount))} {unit}"
        )
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

# Rows of others are compared as they stand: ids, and texts but for their case.
asked_of = {"lists": asked[FieldType.ID], "badges": asked[FieldType.LIST]}
held_of: dict[str, SearchStrategy[Any]] = {
    "rounds": st.integers(-5, 5),
    "lists": st.lists(st.none() | ids, max_size=3),
    "badges": st.lists(st.none() | words, max_size=3),
}
switched = st.sampled_from([{}] * 5 + [{"disabled": True}])


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    field = draw(st.sampled_from((*FIELDS, *RELATED)))
    operator = draw(st.sampled_from(operators_for(field.type)))
    one = asked_of.get(field.name, asked[field.type])
    rule = {"field": field.name, "operator": operator.name, **draw(switched)}
    match operator.arity:
        case Arity.ONE:
            rule["value"] = draw(one)
        case Arity.PERIOD:
            rule["value"] = draw(periods(field.type, operator.name))
        case Arity.MANY:
            rule["value"] = draw(st.lists(one, min_size=1, max_size=3))
        case Arity.PAIR:
            key = Decimal if field.type is FieldType.NUMBER else lambda text: text[:10]
            rule["value"] = sorted(draw(st.lists(one, min_size=2, max_size=2)), key=key)
    return rule


def groups(members: SearchStrategy[Any]) -> SearchStrategy[Any]:
    negated = st.builds(lambda member, switch: {"not": member, **switch}, members, switched)
    return st.builds(
        lambda combinator, rules, switch: {"combinator": combinator, "rules": rules, **switch},
        st.sampled_from(["AND", "OR"]),
        st.lists(members | negated, min_size=1, max_size=3),
        switched,
    )


trees = st.recursive(rules(), groups, max_leaves=6)


def leaves(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "field" in data:
        yield data
    for inner in data.get("rules", [data["not"]] if "not" in data else []):
        yield from leaves(inner)


def near_period(type: FieldType, value: str, present: Present) -> list[Any]:
    """Return days or instants at both ends of a period, before and after now, and days of other years like them."""
    period = read_period(value)
    assert period
    if type is FieldType.DATETIME:
        ends = [present.now, present.moment(period, -1), present.moment(period, 1)]
        return [end + step for end in ends for step in (timedelta(0), timedelta.resolution, -timedelta.resolution)]
    ends = [present.today, present.day(period, -1), present.day(period, 1)]
    days = [end + timedelta(days=step) for end in ends for step in (-1, 0, 1)]
    return [*days, *(date(1960, day.month, day.day) for day in days), date(1960, 2, 29), date(1961, 2, 28)]


def kin(type: FieldType, value: Any, zone: tzinfo) -> list[Any]:
    """Return values close to what a rule asks for: at its edges, or the same but for case."""
    match type:
        case FieldType.TEXT | FieldType.CHOICE:
            cased = {value.upper(), value.lower(), value.casefold(), value.swapcase(), value.replace("k", "\u212a")}
            return [value, *sorted(cased), f"x{value.lower()}", f"{value.upper()}x", f"{value[:-1]}_", value[::-1]]
        case FieldType.LIST:
            return [[near, "x"] for near in kin(FieldType.TEXT, value, zone)]
        case FieldType.NUMBER:
            return [Decimal(value) + step for step in (0, Decimal("0.01"), Decimal("-0.5"))]
        case FieldType.DATE:
            return [date.fromisoformat(value) + timedelta(days=step) for step in (0, 1, -1)]
        case FieldType.DATETIME:
            found = datetime.fromisoformat(value)
            start = found if found.tzinfo else found.replace(tzinfo=zone)
            end = start if found.tzinfo else (found + timedelta(days=1)).replace(tzinfo=zone)
            return [
                edge.astimezone(UTC) + step
                for edge in (start, end)
                for step in (timedelta(0), timedelta(microseconds=1), timedelta(microseconds=-1))
            ]
    return [value]


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]], Present]:
    """Draw a tree, people of whom some are just about what it asks for, and when and where it is asked."""
    data, zone, now = draw(trees), draw(zones), draw(presents)
    present = Present(zone, now)
    near: dict[str, list[Any]] = {}
    types = {field.name: field.type for field in (*FIELDS, *RELATED)}
    for rule in leaves(data):
        asked_for = rule.get("value", [])
        if isinstance(asked_for, str) and rule["operator"] in FROM_NOW:
            near.setdefault(rule["field"], []).extend(near_period(types[rule["field"]], asked_for, present))
            continue
        for value in asked_for if isinstance(asked_for, list) else [asked_for]:
            near.setdefault(rule["field"], []).extend(kin(types[rule["field"]], value, zone))
    near["lists"] = [[UUID(some[0])] for some in near.get("lists", []) if is_id(some[0])]
    someone = {}
    for name, type in types.items():
        anything = st.none() | held_of.get(name, held[type])
        close = [fitting(name, value) for value in near.get(name, [])]
        someone[name] = st.sampled_from(close) | anything if close else anything
    return data, draw(st.lists(st.fixed_dictionaries(someone), min_size=3, max_size=8)), present


def is_id(value: Any) -> bool:
    return values.identifier(value) is not None


def fitting(name: str, value: Any) -> Any:
    return round(value) if name == "rounds" else value


def keep(connection: Connection, who: list[dict[str, Any]]) -> None:
    """Keep these people, numbered from 0, and what they have in other rows, in place of those who were there."""
    of_others = {field.name for field in RELATED}
    connection.execute(delete(people))
    connection.execute(delete(badge))
    own = [{name: value for name, value in person.items() if name not in of_others} for person in who]
    connection.execute(insert(people), [{"id": number, **person} for number, person in enumerate(own)])
    blank = {"list_id": None, "badge": None}
    others = [
        {**blank, "person_id": number, column: one}
        for number, person in enumerate(who)
        for name, column in (("lists", "list_id"), ("badges", "badge"))
        for one in person.get(name) or ()
    ]
    if others:
        connection.execute(insert(badge), others)


def ask_both(connection: Connection, trees: list[Tree], who: list[dict[str, Any]], present: Present) -> None:
    zone, now = present.zone, present.now
    keep(connection, who)
    questions = [compile_sql(tree, zone=zone, now=now) for tree in trees]
    questions += [question.is_(True) for question in questions]
    answers = connection.execute(select(*questions).select_from(people).order_by(people.c.id)).all()
    later = Later()
    kept = select(*(compile_sql(tree, zone=zone, later=later) for tree in trees)).select_from(people)
    again = connection.execute(kept.order_by(people.c.id), later.values(now)).all()
    assert again == [answer[: len(trees)] for answer in answers]
    for tree in trees:
        found = set(connection.scalars(select(people.c.id).where(compile_sql(tree, zone=zone, now=now, whole=True))))
        known = {at for at, person in enumerate(who) if evaluate(tree, person, zone=zone, now=now)}
        assert found == known, (explain(tree), who)
    for person, answer in zip(who, answers, strict=True):
        for tree, known, surely in zip(trees, answer, answer[len(trees) :], strict=False):
            assert evaluate(tree, person, zone=zone, now=now) is known, (explain(tree), person)
            assert surely is (known is True), (explain(tree), person)


def switched_on(data: dict[str, Any]) -> Any:
    """Return conditions in JSON without what is switched off, in the words of the README."""
    if data.get("disabled"):
        return None
    if "not" in data:
        inner = switched_on(data["not"])
        return inner and {"not": inner}
    if "rules" in data:
        members = [kept for one in data["rules"] if (kept := switched_on(one))]
        return {**data, "rules": members} if members else None
    return data


@settings(suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_both_readers_answer_the_same(
    connection: Connection, case: tuple[dict[str, Any], list[dict[str, Any]], Present]
) -> None:
    data, who, present = case
    zone, now = present.zone, present.now
    tree = parse(data, catalogue, allow_empty=True)
    assert parse(to_json(tree), catalogue, allow_empty=True) == tree
    assert enabled(tree).items == parse(switched_on(data), catalogue, allow_empty=True).items
    assert asks_nothing(tree) is (switched_on(data) is None)
    ask_both(connection, [tree], who, present)
    each = [expression for _, expression in compile_rules(tree, zone=zone, now=now)] or [null()]
    answers = connection.execute(select(*each).select_from(people).order_by(people.c.id))
    for person, answer in zip(who, answers, strict=True):
        told = evaluate_rules(tree, person, zone=zone, now=now)
        assert asks_nothing(tree) or list(answer) == [known for _, known in told]


SAMPLES: dict[FieldType, list[Any]] = {
    FieldType.TEXT: ["gold", "Kılıç", "ÉLAN", "100%", "a_b\\", "Σίσυφος"],
    FieldType.CHOICE: ["Gold", "Élite"],
    FieldType.NUMBER: ["2.5", "2.75", 3, "-0.01"],
    FieldType.BOOLEAN: [True, False],
    FieldType.DATE: ["2026-03-29", "1979-04-25"],
    FieldType.DATETIME: ["2026-03-29", "2026-10-25", "2026-03-29T00:30:00+00:00"],
    FieldType.LIST: ["vip", "Élan", "NULL", 'a "b", {c}\\'],
    FieldType.ID: ["0190f3a1-7b1c-7000-8000-000000000001"],
}


def at_the_edges(field: Field, present: Present) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return rules on a field by each of its operators, and people at the edges of what they ask."""
    samples = SAMPLES[FieldType.ID if field.of_ids else field.type]
    rules = []
    for operator in operators_for(field.type):
        values: list[Any] = samples
        if operator.arity is Arity.PAIR:
            values = [sorted(pair, key=str) for pair in zip(samples, samples, strict=True)]
        elif operator.arity is Arity.MANY:
            values = [samples, *([one] for one in samples)]
        elif operator.arity is Arity.PERIOD:
            values = ["0 days", "1 day", "5 weeks", "11 months", "1 year"]
            values += [] if operator.name in YEARLY else ["6 years"]
            values += ["90 minutes", "23 hours"] if field.type is FieldType.DATETIME else []
        rules += [{"field": field.name, "operator": operator.name, "value": value} for value in values]
    near = [fitting(field.name, value) for sample in samples for value in kin(field.type, sample, present.zone)]
    near = [[sample] for sample in samples] if field.of_ids else near
    if field.type in (FieldType.DATE, FieldType.DATETIME):
        near += [
            one
            for rule in rules
            if rule["operator"] in FROM_NOW
            for one in near_period(field.type, rule["value"], present)
        ]
    other = [[None, "0190f3a1-7b1c-7000-8000-000000000009"]] if field.of_ids else [[None], [""]]
    blank = {FieldType.TEXT: [""], FieldType.CHOICE: [""], FieldType.LIST: [[], *other]}.get(field.type, [])
    nobody = dict.fromkeys((one.name for one in (*FIELDS, *RELATED)), None)
    return rules, [nobody | {field.name: value} for value in [None, *blank, *near]]


@pytest.mark.parametrize(
    "now", [datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2027, 2, 28, 9, tzinfo=UTC)], ids=str
)
@pytest.mark.parametrize("zone", [UTC, ZoneInfo("Europe/London")], ids=str)
@pytest.mark.parametrize("field", (*FIELDS, *RELATED), ids=lambda field: field.name)
def test_both_readers_agree_at_every_edge(connection: Connection, field: Field, zone: tzinfo, now: datetime) -> None:
    rules, who = at_the_edges(field, Present(zone, now))
    trees = [parse({"not": rule} if negated else rule, catalogue) for rule in rules for negated in (False, True)]
    ask_both(connection, trees, who, Present(zone, now))


def test_both_readers_fold_every_letter_the_same(connection: Connection) -> None:
    letters = func.generate_series(1, 0xFFFF).column_valued("code")
    letter = func.chr(letters, type_=Text())
    spoken = ~letters.between(0xD800, 0xDFFF)
    rows = connection.execute(select(letter, folded(letter, ["É"]), folded(letter, ["a"])).where(spoken)).all()
    assert [each for each, whole, _ in rows if whole != fold(each)] == []
    # Wanted text that is ASCII is sought without the table: what becomes ASCII must be the same without it.
    assert [each for each, whole, quick in rows if (whole.isascii() or quick.isascii()) and whole != quick] == []
