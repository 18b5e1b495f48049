"""One condition language for the whole product; the README beside this file describes it."""

from app.conditions.behaviour import Amounts, Behaviours, Doings
from app.conditions.errors import InvalidConditions, NotEvaluable
from app.conditions.evaluate import evaluate, evaluate_rules, matches
from app.conditions.fields import (
    Catalogue,
    Choice,
    DuplicateField,
    Field,
    FieldType,
    Phrases,
    Related,
    payload_catalogue,
    profile,
)
from app.conditions.gathered import Gathered
from app.conditions.language import (
    ACTIVITY,
    Combinator,
    Group,
    Node,
    Not,
    Rule,
    Tree,
    asks_nothing,
    dependencies,
    depends_on_time,
    enabled,
    to_json,
    walk,
)
from app.conditions.moments import Later
from app.conditions.operators import Arity, Operator, OperatorInfo, find_operator, operators_for, operators_of
from app.conditions.parse import parse
from app.conditions.periods import UNITS as PERIODS
from app.conditions.sql import Seen, compile_rules, compile_seen, compile_sql
from app.conditions.words import explain, explain_rule, explain_seen

__all__ = [
    "ACTIVITY",
    "PERIODS",
    "Amounts",
    "Arity",
    "Behaviours",
    "Catalogue",
    "Choice",
    "Combinator",
    "Doings",
    "DuplicateField",
    "Field",
    "FieldType",
    "Gathered",
    "Group",
    "InvalidConditions",
    "Later",
    "Node",
    "Not",
    "NotEvaluable",
    "Operator",
    "OperatorInfo",
    "Phrases",
    "Related",
    "Rule",
    "Seen",
    "Tree",
    "asks_nothing",
    "compile_rules",
    "compile_seen",
    "compile_sql",
    "dependencies",
    "depends_on_time",
    "enabled",
    "evaluate",
    "evaluate_rules",
    "explain",
    "explain_rule",
    "explain_seen",
    "find_operator",
    "matches",
    "operators_for",
    "operators_of",
    "parse",
    "payload_catalogue",
    "profile",
    "to_json",
    "walk",
]
