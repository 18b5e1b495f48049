"""Operators by any of their names: journeys stored by the API are drawn, asked and told as they are meant."""

from app.blueprints.journeys.conditions import Drawing, RuleRow
from app.conditions import explain, profile
from app.journeys.steps.condition import ConditionConfig


def test_a_rule_stored_by_another_name_is_drawn_with_its_operator() -> None:
    drawing = Drawing(profile, {}, {})
    stored = {"field": "handicapIndex", "operator": "greater_than", "value": 18}
    [row] = drawing.rows([stored], "rules")
    assert isinstance(row, RuleRow)
    assert (row.field, row.operator) == ("handicap_index", "gt")
    assert explain(ConditionConfig(rules=[stored]).tree(profile)) == "Handicap index is more than 18"
