"""CONDITION with several ways: the first that fits, from the top, and one for everybody else."""

from typing import Any

import pytest
from sqlalchemy import Engine, event

from app.accounts.models import Tenant
from app.journeys import queries
from app.journeys.kinds import check_graph, exit_labels, read_graph
from app.journeys.step_type import Known, step_types
from app.journeys.steps.condition import ConditionConfig
from tests.journeys.helpers import NOW, Json, admit, check_counters, journey, paths, people, rows, run, step, tag


def tier(name: str) -> Json:
    return {"field": "membership_tier", "operator": "eq", "value": name}


KNOWN_TIER = {"field": "membership_tier", "operator": "isNotNull"}
WAYS: Json = {
    "paths": [
        {"key": "gold", "name": "Gold", "rules": [tier("Gold")]},
        {"name": "Any tier", "rules": [KNOWN_TIER]},
        {"key": "two", "name": "Two", "rules": [tier("Gold"), tier("Silver")], "combinator": "OR"},
    ]
}


def test_the_first_way_that_fits_is_taken(tenant: Tenant) -> None:
    ask = step("ask", "CONDITION", None, WAYS, next_gold="g", next_any_tier="t", next_two="g", next_else=None)
    made = journey(tenant.id, [ask, tag("g", None, "gold"), tag("t", None, "tier")])
    gold, silver, none = (people(tenant.id, membership_tier=one)[0] for one in ("Gold", "Silver", None))
    admit(tenant.id, made.id, [gold, silver, none])
    run(tenant.id)
    assert {who: taken[-1][0] for who, taken in paths(tenant.id).items()} == {gold: "g", silver: "t", none: "ask"}
    found = rows(tenant.id, "SELECT exit, result FROM journey_enrollment_step WHERE step_key = 'ask' ORDER BY exit")
    assert [(row.exit, row.result["path"]) for row in found] == [
        ("any_tier", "Any tier"), ("else", None), ("gold", "Gold")
    ]  # fmt: skip
    matched = [one["matched"] for one in found[0].result["evaluated_rules"]]
    assert matched == [False, True, False, True]
    counts = queries.step_counts(tenant_id=tenant.id, journey_id=made.id)["ask"]
    assert counts.ways == {"gold": 1, "any_tier": 1, "else": 1}
    check_counters(tenant.id, made.id)


def test_one_statement_asks_for_everybody(tenant: Tenant) -> None:
    made = journey(tenant.id, [step("ask", "CONDITION", None, WAYS)])
    admit(tenant.id, made.id, people(tenant.id, 5))
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        run(tenant.id, NOW)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert sum("membership_tier" in one for one in asked) == 1


def test_names_and_words() -> None:
    found = read_graph({"steps": [step("c", "CONDITION", None, WAYS)]}).steps["c"]
    assert exit_labels(found) == {"gold": "Gold", "any_tier": "Any tier", "two": "Two", "else": "Everybody else"}
    told = step_types().get("CONDITION").words(ConditionConfig.model_validate(WAYS), Known())
    assert told == "Gold, Any tier, Two, or else"


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"paths": []}, "paths"),
        ({"paths": [{"name": "A", "rules": []}]}, "paths[0].rules"),
        ({"paths": [{"name": "A", "rules": [KNOWN_TIER]}, {"name": "a ", "rules": [KNOWN_TIER]}]}, "paths[1]"),
        ({"paths": [{"name": "A", "key": "else", "rules": [KNOWN_TIER]}]}, "paths[0]"),
        ({"paths": [{"name": "A", "rules": [{"field": "nonsense"}]}]}, "paths[0].rules[0]"),
        ({"paths": [{"name": "A", "rules": [KNOWN_TIER]}], "rules": [KNOWN_TIER]}, None),
    ],
)
def test_what_is_wrong_is_told_beside_it(config: Json, field: str | None) -> None:
    trigger = step("t", "TRIGGER", "c", {"event_type": "MANUAL"})
    graph = read_graph({"steps": [trigger, step("c", "CONDITION", None, config)]})
    assert field in [one.field for one in check_graph(graph, Known())]
