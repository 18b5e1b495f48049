"""The law of this room has teeth: with one operator changed in either reader, the two no longer agree.

Each mutant is a reader with one sign of its source changed (`<` for `<=`, one operator's line for another's, AND for
OR). It is asked what the test of both readers asks, at the edges of every operator, until it answers otherwise than the
other reader does. One that never did would mean that nothing holds that line.
"""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import SADeprecationWarning, SQLAlchemyError

from app.conditions import Tree, behaviour, evaluate, parse
from app.conditions.behaviour import DID
from app.conditions.periods import Present
from tests.conditions.people import FIELDS, RELATED, catalogue, done, people
from tests.conditions.test_two_readers import at_the_edges, keep

ROOM = Path(behaviour.__file__).parent
PRESENT = Present(ZoneInfo("Europe/London"), datetime(2026, 3, 29, 0, 30, tzinfo=UTC))
OTHER_SIGN = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq}
OTHER_NAME = {"and_": "or_", "or_": "and_", "any": "all"}

# The parts of both readers that hold the operators, and the fields that ask them ("" stands for groups, "did" for what
# somebody did).
ASKED_BY = {
    "_node": ("",),
    "_all": ("",),
    "_not": ("",),
    "_rule": ("city", "handicap", "tags", "lists"),
    "_done": ("did",),
    "aggregated": ("did",),
    "_ask_text": ("city", "tier"),
    "_same": ("did",),
    "_TEXT": ("city",),
    "_ask_from_now": ("born", "opened_at"),
    "_ask_anniversary": ("born",),
    "_ask_moment": ("opened_at",),
    "_any_element": ("tags",),
    "_ask_list": ("tags",),
    "_any_related": ("badges",),
    "_ask_related": ("badges",),
    "_ORDER": ("handicap", "rounds", "opted_in", "born", "club_id"),
}
# Of these, lines that belong to one operator are given to another.
SWAPPED = {"_ORDER", "_TEXT", "_ask_text", "_ask_from_now", "_ask_moment", "_done", "aggregated"}


@dataclass(frozen=True)
class Mutant:
    """One part of a reader, changed in one place."""

    module: str
    part: str
    change: str
    source: ast.Module


def mutants(module: str) -> Iterator[Mutant]:
    tree = ast.parse((ROOM / f"{module}.py").read_text())
    for at, part in enumerate(tree.body):
        name = named(part)
        if name not in ASKED_BY:
            continue
        for change, changed in changes(part, swapped=name in SWAPPED):
            whole = ast.Module([*tree.body[:at], changed, *tree.body[at + 1 :]], [])
            yield Mutant(module, name, f"{ast.unparse(part).splitlines()[0][:40]}: {change}", whole)


def named(part: ast.stmt) -> str:
    if isinstance(part, ast.FunctionDef):
        return part.name
    return part.target.id if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) else ""


def changes(part: ast.stmt, *, swapped: bool) -> Iterator[tuple[str, ast.stmt]]:
    """Yield a part with each of its signs changed, one at a time, and each two of its operators for one another."""
    for index, node in enumerate(ast.walk(part)):
        if isinstance(node, ast.Compare):
            for place, sign in enumerate(node.ops):
                if type(sign) in OTHER_SIGN:
                    changed = copy.deepcopy(part)
                    nth(changed, index).ops[place] = OTHER_SIGN[type(sign)]()
                    yield f"{ast.unparse(node)} sign {place + 1}", changed
        elif isinstance(node, ast.Name) and node.id in OTHER_NAME:
            changed = copy.deepcopy(part)
            nth(changed, index).id = OTHER_NAME[node.id]
            yield f"{node.id} {index}", changed
        elif isinstance(node, ast.Attribute) and ast.unparse(node) == "Combinator.OR":
            changed = copy.deepcopy(part)
            nth(changed, index).attr = "AND"
            yield "AND for OR", changed
        elif isinstance(node, ast.IfExp) and ast.unparse(node.test) == "contrary":
            changed = copy.deepcopy(part)
            there = nth(changed, index)
            there.body, there.orelse = there.orelse, there.body
            yield "contraries the wrong way about", changed
    held = {one for one in map(ast.unparse, ast.walk(part)) if one.startswith(("Operator.", "Aggregate."))}
    kinds = sorted(one for one in held if one.count(".") == 1 and one.partition(".")[2].isupper())
    for one, other in combinations(kinds if swapped else (), 2):
        if one.partition(".")[0] == other.partition(".")[0]:
            yield f"{one} and {other} for one another", Swap(one, other).visit(copy.deepcopy(part))


def nth(part: ast.stmt, index: int) -> Any:
    return next(node for at, node in enumerate(ast.walk(part)) if at == index)


class Swap(ast.NodeTransformer):
    """Puts two operators in each other's place."""

    def __init__(self, one: str, other: str) -> None:
        self.names = {one: other.partition(".")[2], other: one.partition(".")[2]}

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if (name := ast.unparse(node)) in self.names:
            return ast.Attribute(node.value, self.names[name], node.ctx)
        return self.generic_visit(node)


def run(mutant: Mutant) -> dict[str, Any]:
    """Return the namespace of the reader with the change in it."""
    spaces: dict[str, Any] = {"__name__": f"app.conditions.{mutant.module}"}
    if mutant.module == "behaviour":
        changed: dict[str, Any] = dict(vars(behaviour))
        parts: list[ast.stmt] = [part for part in mutant.source.body if named(part) == mutant.part]
        exec(compile(ast.fix_missing_locations(ast.Module(parts, [])), "mutant", "exec"), changed)
        spaces["__name__"] = "app.conditions.evaluate"
        exec(compile((ROOM / "evaluate.py").read_text(), "evaluate", "exec"), spaces)
        spaces["aggregated"] = changed["aggregated"]
        return spaces
    exec(compile(ast.fix_missing_locations(mutant.source), "mutant", "exec"), spaces)
    return spaces


@dataclass(frozen=True)
class Chunk:
    """Questions about people, and what both readers answer."""

    trees: list[Tree]
    who: list[dict[str, Any]]
    answers: list[list[bool | None]]


def read(data: Any) -> Tree:
    return parse(data, catalogue)


@cache
def chunk(name: str) -> Chunk:
    if name == "":
        trees, who = groups()
    elif name == "did":
        trees, who = deeds()
    else:
        field = next(one for one in (*FIELDS, *RELATED) if one.name == name)
        rules, who = at_the_edges(field, PRESENT)
        trees = [read(rule) for rule in rules]
    answers = [[evaluate(tree, one, zone=PRESENT.zone, now=PRESENT.now) for tree in trees] for one in who]
    return Chunk(trees, who, answers)


def groups() -> tuple[list[Tree], list[dict[str, Any]]]:
    """Return trees of three rules in each arrangement, and people for each row of their truth table."""
    a, b, c = (
        {"field": "opted_in", "operator": "eq", "value": True},
        {"field": "rounds", "operator": "eq", "value": 1},
        {"field": "city", "operator": "eq", "value": "a"},
    )
    inner = [{"combinator": word, "rules": [b, c]} for word in ("AND", "OR")]
    members = [*inner, *({"not": one} for one in inner), {"not": b}]
    trees = [read({"combinator": word, "rules": [a, one]}) for word in ("AND", "OR") for one in members]
    nobody = dict.fromkeys((one.name for one in (*FIELDS, *RELATED)), None)
    values = [(x, y, z) for x in (True, False, None) for y in (1, 2, None) for z in ("a", "b", None)]
    return trees, [nobody | {"opted_in": x, "rounds": y, "city": z} for x, y, z in values]


def deeds() -> tuple[list[Tree], list[dict[str, Any]]]:
    """Return rules on what somebody did, by each aggregate, and people who did it at the edges of the period."""
    now = PRESENT.now
    asked: list[dict[str, Any]] = [
        *({"operator": operator, "value": 1} for operator in ("eq", "gt", "gte", "lt", "lte")),
        *({"aggregate": one, "field": "holes", "operator": "gt", "value": 9} for one in ("sum", "min", "max")),
        *({"aggregate": one, "operator": "lt", "value": (now - timedelta(1)).isoformat()} for one in ("first", "last")),
        {"operator": "gte", "value": 1, "where": [{"field": "club", "operator": "eq", "value": "18"}]},
        {"operator": "gte", "value": 1, "where": [{"field": "club", "operator": "eq", "value": "x"}]},
        {"operator": "gte", "value": 1, "where": [{"field": "holes", "operator": "gt", "value": 9}]},
    ]
    trees = [read({"event": "round", **one, **within}) for one in asked for within in ({}, {"within": "2 hours"})]
    tick, begin = timedelta.resolution, now - timedelta(hours=2)
    times = [now, now + tick, now - tick, begin, begin - tick, begin + tick, now - timedelta(3)]
    each = [
        {"type": kind, "occurred_at": at, "payload": payload}
        for kind, at in [("round", at) for at in times] + [("payment", now)]
        for payload in ({"holes": 9, "club": 18}, {"holes": 18, "club": "x"}, {"holes": "?"})
    ]
    nobody = dict.fromkeys((one.name for one in (*FIELDS, *RELATED)), None)
    several = [each[:1] + each[18:19], each[1:2] + each[19:20], each[:2], each[18:20]]
    return trees, [nobody | {DID: did} for did in [[], *([one] for one in each), *several]]


def settle(connection: Connection, asked: Chunk) -> None:
    """Keep the people of a chunk, and what they did."""
    keep(connection, [{name: value for name, value in one.items() if name != DID} for one in asked.who])
    connection.execute(delete(done))
    rows = [{"person_id": number, **did} for number, one in enumerate(asked.who) for did in one.get(DID, ())]
    if rows:
        connection.execute(insert(done), rows)


def differs(connection: Connection, mutant: Mutant, asked: Chunk) -> bool:
    """Return whether a mutant answers otherwise than the other reader, or can't answer."""
    space = run(mutant)
    try:
        if mutant.module != "sql":
            given = (
                [space["evaluate"](tree, one, zone=PRESENT.zone, now=PRESENT.now) for tree in asked.trees]
                for one in asked.who
            )
            return any(answers != known for answers, known in zip(given, asked.answers, strict=True))
        questions = [space["compile_sql"](tree, zone=PRESENT.zone, now=PRESENT.now) for tree in asked.trees]
        with connection.begin_nested():
            found = connection.execute(select(*questions).select_from(people).order_by(people.c.id)).all()
    except (LookupError, TypeError, ValueError, AttributeError, SQLAlchemyError, SADeprecationWarning):
        return True
    return [list(row) for row in found] != asked.answers


@pytest.mark.parametrize("module", ["evaluate", "behaviour", "sql"])
def test_no_change_of_an_operator_goes_unseen(connection: Connection, module: str) -> None:
    alive = list(mutants(module))
    made = len(alive)
    for name in dict.fromkeys(name for mutant in alive for name in ASKED_BY[mutant.part]):
        asked = chunk(name)
        settle(connection, asked)
        alive = [one for one in alive if name not in ASKED_BY[one.part] or not differs(connection, one, asked)]
    assert [one.change for one in alive] == []
    assert made >= {"evaluate": 40, "behaviour": 10, "sql": 50}[module]


@pytest.mark.parametrize("module", ["evaluate", "sql"])
def test_a_reader_that_was_not_changed_is_not_taken_for_a_mutant(connection: Connection, module: str) -> None:
    same = Mutant(module, "", "nothing", ast.parse((ROOM / f"{module}.py").read_text()))
    for name in dict.fromkeys(name for names in ASKED_BY.values() for name in names):
        settle(connection, chunk(name))
        assert not differs(connection, same, chunk(name))
