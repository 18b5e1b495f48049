"""What the SQL reader puts into statements, beyond agreeing with the other reader."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Column, Connection, DateTime, Enum, Float, Integer, MetaData, Table, Text, insert, select
from sqlalchemy.dialects import postgresql

from app.conditions import (
    Catalogue,
    Choice,
    Field,
    FieldType,
    NotEvaluable,
    Rule,
    compile_rules,
    compile_seen,
    compile_sql,
    explain_seen,
    parse,
)
from app.conditions.language import Combinator, Group
from app.conditions.operators import Operator
from app.conditions.values import LOWER, UPPER, fold
from tests.conditions.people import badge, catalogue, people

other = Table("other", MetaData(), Column("code", Integer), Column("score", Float), Column("at", DateTime))
kinds = Table("kinds", MetaData(), Column("kind", Enum("LEAD", "MEMBER", name="kind")), Column("note", Text))


def sql(data: Any, where: Catalogue = catalogue) -> tuple[str, dict[str, Any]]:
    compiled = compile_sql(parse(data, where, allow_empty=True)).compile(dialect=postgresql.dialect())
    return str(compiled), compiled.params


def test_values_are_bound_and_never_part_of_the_statement() -> None:
    hostile = "x'); DROP TABLE people; --%s"
    for operator, value in (("eq", hostile), ("contains", hostile), ("in", [hostile, "b"])):
        for field in ("city", "tags"):
            if (field, operator) != ("tags", "eq"):
                statement, bound = sql({"field": field, "operator": operator, "value": value})
                assert "drop table" not in statement.lower()
                assert fold(hostile) in str(bound)


def test_the_long_table_of_letters_is_used_only_where_it_matters() -> None:
    assert "translate" not in sql({"field": "city", "operator": "eq", "value": "Knysna"})[0]
    assert "translate" in sql({"field": "city", "operator": "eq", "value": "Zürich"})[0]
    assert len(UPPER) == len(LOWER) > 600
    assert not any(letter.isascii() for letter in UPPER + LOWER)


def test_the_empty_tree_selects_everyone() -> None:
    assert sql([])[0] == "true"


def test_rules_come_apart_in_the_order_of_the_tree(connection: Connection) -> None:
    tree = parse(
        [
            {"field": "city", "operator": "eq", "value": "knysna"},
            {"not": {"field": "opened_at", "operator": "gt", "value": "2026-10-04"}},
        ],
        catalogue,
    )
    rules = compile_rules(tree)
    assert [rule.field.name for rule, _ in rules] == ["city", "opened_at"]
    connection.execute(people.delete())
    late = datetime(2026, 10, 5, tzinfo=UTC)
    connection.execute(insert(people), {"id": 1, "city": "KNYSNA", "opened_at": late})
    answer = connection.execute(select(*(expression for _, expression in rules)).select_from(people)).one()
    assert tuple(answer) == (True, True)
    assert connection.scalar(select(people.c.id).where(compile_sql(tree))) is None


def test_each_rule_tells_what_it_saw(connection: Connection) -> None:
    lists = ["0190f3a1-7b1c-7000-8000-000000000001", "0190f3a1-7b1c-7000-8000-000000000002"]
    rules: list[dict[str, Any]] = [
        {"field": "city", "operator": "eq", "value": "George"},
        {"field": "tier", "operator": "eq", "value": "Gold", "disabled": True},
        {"not": {"field": "lists", "operator": "in", "value": lists}},
        {"field": "badges", "operator": "isNull"},
        {"event": "round", "operator": "at_least", "value": 1},
        {"event": "round", "aggregate": "last", "operator": "within_last", "value": "3 days"},
    ]
    connection.execute(people.delete())
    connection.execute(insert(people), {"id": 1, "city": "Knysna"})
    connection.execute(insert(badge), [{"person_id": 1, "list_id": UUID(one)} for one in lists])
    connection.execute(insert(badge), [{"person_id": 2, "badge": "vip"}])
    found = compile_seen(parse(rules, catalogue))
    row = connection.execute(select(*(part for one in found for part in (one.answer, one.value))).select_from(people))
    answers = row.one()
    assert [one.path for one in found] == ["rules[0]", "rules[2].not", "rules[3]", "rules[4]", "rules[5]"]
    assert list(answers[::2]) == [False, True, True, False, None]
    seen = ["Knysna", lists, None, 0, None]
    assert [sorted(one) if isinstance(one, list) else one for one in answers[1::2]] == seen
    told = [explain_seen(one.rule, value) for one, value in zip(found, seen, strict=True)]
    assert told == ["Knysna", " and ".join(lists), "none", "never", "never"]


def test_a_column_may_come_late_and_an_enum_is_read_as_text() -> None:
    choices = (Choice("LEAD", "Lead"), Choice("MEMBER", "Member"))
    late = Catalogue([Field("kind", "Stage", "Profile", FieldType.CHOICE, lambda: kinds.c.kind, choices)])
    statement, bound = sql({"field": "kind", "operator": "eq", "value": "lead"}, late)
    assert statement.startswith("lower(nullif(CAST(kinds.kind AS TEXT), ")
    assert "lead" in bound.values()


@pytest.mark.parametrize(
    ("type", "column"),
    [
        (FieldType.NUMBER, other.c.score),
        (FieldType.NUMBER, kinds.c.note),
        (FieldType.DATETIME, other.c.at),
        (FieldType.DATE, other.c.at),
        (FieldType.BOOLEAN, other.c.code),
        (FieldType.LIST, kinds.c.note),
        (FieldType.ID, other.c.code),
    ],
)
def test_a_column_that_holds_something_else_is_refused_loudly(type: FieldType, column: Any) -> None:
    one = Field("x", "X", "G", type, column)
    with pytest.raises(TypeError, match=f"field x is declared {type.value}"):
        sql({"field": "x", "operator": "isNull"}, Catalogue([one]))


def test_a_key_of_a_payload_has_no_sql() -> None:
    key = Field("holes", "Holes", "Event", FieldType.NUMBER, from_payload=True)
    with pytest.raises(NotEvaluable, match="Holes"):
        compile_sql(Group(Combinator.AND, (Rule(key, Operator.IS_NULL, None, FieldType.NUMBER),)))
