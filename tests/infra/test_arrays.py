"""Array literals come out of Postgres as what went in."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import any_, select, text

from app.customers.models import Customer
from app.infra.arrays import array, uuids
from app.infra.db import transaction
from app.infra.ids import new_id

FIXED = {"deadline": None, "max_examples": 60, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


def back(values: list[Any], kind: str) -> Any:
    with transaction(None) as session:
        return session.scalar(text(f"SELECT CAST(:values AS {kind}[])"), {"values": array(values)})


@settings(**FIXED)
@given(st.lists(st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_texts(values: list[str | None]) -> None:
    assert back(values, "text") == values


@pytest.mark.parametrize(
    "value", ["", "NULL", "null", '"', "\\", '\\"', "{a,b}", " a ", "\n", "é😀", '{"a": "b\\u0000"}']
)
def test_texts_that_look_like_something_else(value: str) -> None:
    assert back([value, value], "text") == [value, value]


@settings(**FIXED)
@given(st.lists(st.none() | st.uuids()))
def test_ids(values: list[UUID | None]) -> None:
    assert back(values, "uuid") == values


def test_numbers_and_moments() -> None:
    assert back([1, None, -3], "int") == [1, None, -3]
    moments = [
        datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
        datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2))),
    ]
    assert back([*moments, None], "timestamptz") == [*moments, None]


def test_ids_in_a_statement_are_read_once_and_not_for_each_row() -> None:
    ids = [new_id(), new_id()]
    asked = select(Customer.id).where(Customer.id == any_(uuids(ids)))
    with transaction(None) as session:
        made = asked.compile(session.connection())
        plan = session.connection().exec_driver_sql(f"EXPLAIN (VERBOSE) {made}", made.params).scalars().all()
    assert f"ANY ('{{{ids[0]},{ids[1]}}}'::uuid[])" in "\n".join(plan)
