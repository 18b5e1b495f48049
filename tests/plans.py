"""How Postgres goes about a statement: the nodes of its plan, and how many rows each of them reads."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

Node = dict[str, Any]


def plan_of(session: Session, statement: str, values: dict[str, Any], *, run: bool = False) -> list[Node]:
    """Return all nodes of a statement's plan; `run`: the statement is run, and the nodes say what they read."""
    options = "ANALYZE, FORMAT JSON" if run else "FORMAT JSON"
    [found] = session.scalar(text(f"EXPLAIN ({options}) {statement}"), values)
    return list(nodes(found["Plan"]))


def nodes(plan: Node) -> Iterator[Node]:
    """Yield a node and all below it."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def read(node: Node) -> int:
    """Return how many rows a node of a statement that was run read, those it left out too."""
    return int(node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0))
