"""No rule makes SQL of what somebody typed: hostile names are refused at every door, and no statement holds them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, func, select

from app.conditions import InvalidConditions, compile_rules, compile_sql, parse, profile
from app.customers import custom_fields
from app.customers.models import Customer
from app.infra.db import transaction
from app.segments import service as segments
from app.web.api import ENDPOINTS

MARK = "zqzq"
"""What is in every hostile text, and in nothing else."""
HOSTILE = (
    "'; DROP TABLE customer; --",
    '"; SELECT pg_sleep(10); --',
    "city' OR '1'='1",
    "%(param)s",
    ":param",
    "customer.email",
    "custom.x'->>'y",
    "$1",
    "{0}",
    "\\",
    "email\u2028",
    "émail",
    "🏌",
    "x" * 5000,
    "consent.a.EMAIL",
    "can_be_mailed.'",
)
hostile = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=30)).map(lambda one: f"{MARK}{one}")
values: Any = st.recursive(
    st.one_of(hostile, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hostile, inner, max_size=2),
    max_leaves=5,
)
typed = st.sampled_from([one.name for one in profile if one.type not in ("text", "list", "id")])
operators = st.sampled_from(["eq", "in", "between", "within_last"])
wrong_rules = st.one_of(
    st.fixed_dictionaries({"field": hostile, "operator": operators, "value": values}),
    st.fixed_dictionaries({"field": st.sampled_from(["email", "tags"]), "operator": hostile, "value": values}),
    st.fixed_dictionaries({"field": typed, "operator": operators, "value": hostile}),
    st.fixed_dictionaries({"event": st.just("teetime.completed"), "aggregate": hostile, "operator": st.just("gte")}),
    st.fixed_dictionaries(
        {"event": st.just("teetime.completed"), "within": hostile, "operator": st.just("gte"), "value": st.just(1)}
    ),
)


def nested(rule: Any) -> Any:
    """Return the rule alone, in groups or behind a not."""
    return st.sampled_from(
        [
            {"combinator": "AND", "rules": [rule]},
            {"combinator": "OR", "rules": [{"not": rule}, {"combinator": "AND", "rules": [rule]}]},
        ]
    )


wrong = wrong_rules.flatmap(nested)
TRIES = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the text of every statement that is sent to a database."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def clean(seen: list[str]) -> None:
    assert seen
    assert not [one for one in seen if MARK in one.lower()]


@pytest.fixture
def doors(tenant: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """Return every endpoint whose body has criteria: method, path and the rest of a body that would do."""
    fine = [{"field": "first_name", "operator": "isNotNull"}]
    made = segments.create(tenant_id=tenant.id, actor="system", name="Any", criteria=fine)
    found = []
    for one in ENDPOINTS:
        fields = one.body.model_fields if one.body else {}
        if "criteria" in fields:
            path = one.path.removeprefix("/api/v1").replace("<uuid:segment_id>", str(made.id))
            found.append((one.method, path, {"name": "Hostile"} if "name" in fields else {}))
    return found


@TRIES
@given(criteria=wrong)
def test_every_endpoint_with_criteria_refuses_hostile_names(api: Any, doors: Any, criteria: Any) -> None:
    for method, path, rest in doors:
        with statements() as seen:
            answer = api.request(method, path, json={**rest, "criteria": criteria})
        assert answer.status_code in (400, 422), answer.text
        clean(seen)


@TRIES
@given(criteria=wrong)
def test_a_journey_that_asks_by_hostile_names_does_not_run(api: Any, criteria: Any) -> None:
    with statements() as seen:
        made = api.post("/journeys", json={"name": f"J {uuid4()}"})
        assert made.status_code == 201, made.text
        path = f"/journeys/{made.get_json()['id']}"
        asks = {"rules": criteria["rules"], "combinator": criteria["combinator"]}
        steps = [
            {"key": "start", "type": "TRIGGER", "config": {"event_type": "MANUAL"}, "next": "ask"},
            {"key": "ask", "type": "CONDITION", "config": asks, "next_yes": None, "next_no": None},
        ]
        stored = api.put(f"{path}/steps", json={"steps": steps})
        assert stored.status_code in (200, 400, 422), stored.text
        if stored.status_code == 200:
            assert api.post(f"{path}/activate").status_code == 422
    clean(seen)


@settings(TRIES, max_examples=60)
@given(name=hostile, value=hostile, city=hostile)
def test_what_is_taken_is_bound_and_never_written(tenant: Any, name: str, value: str, city: str) -> None:
    """Names of events, and of what their payloads hold, are open; so are texts."""
    known = custom_fields.catalogue(tenant_id=tenant.id)
    rules: list[Any] = []
    for one in (
        {"field": "first_name", "operator": "contains", "value": value},
        {"field": "tags", "operator": "in", "value": [value, city]},
        {"field": "contact_points", "operator": "in", "value": [value, city]},
        {"field": "journey_steps", "operator": "not_in", "value": [value]},
        {"event": name, "operator": "gte", "value": 1},
        {"event": "payment.received", "aggregate": "sum", "field": name, "operator": "gt", "value": 5},
        {
            "event": "teetime.completed",
            "operator": "eq",
            "value": 0,
            "where": {"rules": [{"field": name, "operator": "starts_with", "value": value}]},
        },
    ):
        try:
            parse([one], known)
        except InvalidConditions:
            continue
        rules.append(one)
    if not rules:
        return
    tree = parse({"combinator": "OR", "rules": rules}, known)
    with statements() as seen, transaction(tenant.id) as session:
        session.scalar(select(func.count()).select_from(Customer).where(compile_sql(tree)))
        session.execute(select(*(answer.is_(True) for _, answer in compile_rules(tree)))).first()
    clean(seen)
