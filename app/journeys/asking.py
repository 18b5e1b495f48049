"""Asking conditions of everybody in a batch: one statement, however many people and conditions."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, any_, select

from app.accounts.queries import tenant_info
from app.conditions import Rule, Tree, compile_rules, compile_sql, walk
from app.customers.models import Customer
from app.infra.arrays import uuids
from app.journeys.step_type import StepBatch

Answer = tuple[bool, tuple[bool, ...]]
"""Whether conditions hold, and each of their rules; what is not known does not."""


def answers(batch: StepBatch[Any], trees: Sequence[Tree]) -> dict[UUID, tuple[Answer, ...]]:
    """Return what each of the trees comes to for each customer of the batch; who does not exist is missing."""
    zone, currency = ZoneInfo(batch.journey.timezone), tenant_info(tenant_id=batch.tenant_id).currency
    asks: list[ColumnElement[bool]] = []
    for tree in trees:
        asks.append(compile_sql(tree, zone=zone, now=batch.now, currency=currency))
        asks += [answer for _, answer in compile_rules(tree, zone=zone, now=batch.now, currency=currency)]
    columns = [one.is_(True).label(f"answer_{at}") for at, one in enumerate(asks)]
    sizes = [len(rules_of(tree)) for tree in trees]
    asked = select(Customer.id, *columns).where(
        Customer.tenant_id == batch.tenant_id, Customer.id == any_(uuids(batch.customer_ids))
    )
    return {row[0]: _cut(tuple(row[1:]), sizes) for row in batch.session.execute(asked)}


def _cut(row: tuple[bool, ...], sizes: Sequence[int]) -> tuple[Answer, ...]:
    found: list[Answer] = []
    for size in sizes:
        found.append((row[0], row[1 : 1 + size]))
        row = row[1 + size :]
    return tuple(found)


def nothing_holds(trees: Sequence[Tree]) -> tuple[Answer, ...]:
    """Return the answers of somebody nothing is known of."""
    return tuple((False, (False,) * len(rules_of(tree))) for tree in trees)


def told(tree: Tree, answer: Answer) -> list[dict[str, Any]]:
    """Return each rule of a tree and whether it was met, as results of steps tell it."""
    return [
        {"field": rule.field.name, "operator": rule.operator.value, "matched": matched}
        for rule, matched in zip(rules_of(tree), answer[1], strict=True)
    ]


def rules_of(tree: Tree) -> list[Rule]:
    """Return the rules of a tree that are asked, in its order."""
    return [rule for _, rule in walk(tree)]
