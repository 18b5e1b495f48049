"""Asking conditions of everybody in a batch: one statement, however many people and conditions."""

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import CTE, ColumnElement, Select, Uuid, any_, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from app.accounts.queries import tenant_info
from app.conditions import Rule, Tree, compile_rules, compile_sql, walk
from app.customers import custom_fields
from app.customers.models import Customer
from app.events.facts import facts
from app.infra.arrays import array, uuids
from app.journeys.step_type import StepBatch, Walker
from app.journeys.walks import AWAITED, DOCUMENTS, EVENT, WEBHOOK, Walks

_ROWS = text("""
    SELECT w.id, w.customer_id, CAST(w.event AS jsonb) AS event, CAST(w.awaited AS jsonb) AS awaited,
        CAST(w.webhook AS jsonb) AS webhook
    FROM unnest(CAST(:walks AS uuid[]), CAST(:people AS uuid[]), CAST(:events AS text[]), CAST(:awaiteds AS text[]),
        CAST(:webhooks AS text[])) AS w(id, customer_id, event, awaited, webhook)
""")

Answer = tuple[bool, tuple[bool, ...]]
"""Whether conditions hold, and each of their rules; what is not known does not."""


def catalogue(batch: StepBatch[Any]) -> Walks:
    """Return what conditions of steps may ask of the people of a batch, and of their walks."""
    return Walks(custom_fields.catalogue(tenant_id=batch.tenant_id))


def answers(batch: StepBatch[Any], trees: Sequence[Tree]) -> dict[Walker, tuple[Answer, ...]]:
    """Return what each of the trees comes to for each walker of the batch; who does not exist is missing."""
    zone, currency = ZoneInfo(batch.journey.timezone), tenant_info(tenant_id=batch.tenant_id).currency
    asks: list[ColumnElement[bool]] = []
    for tree in trees:
        asks.append(compile_sql(tree, zone=zone, now=batch.now, currency=currency))
        asks += [answer for _, answer in compile_rules(tree, zone=zone, now=batch.now, currency=currency)]
    columns = [one.is_(True).label(f"answer_{at}") for at, one in enumerate(asks)]
    sizes = [len(rules_of(tree)) for tree in trees]
    of_walks = any(rule.field.inside for tree in trees for rule in rules_of(tree))
    asked: Select[Any] = _walks(batch, columns) if of_walks else _people(batch, columns)
    # Past the ORM, which has nothing to add to rows of truths. Many people have the same answers.
    cut = cache(lambda row: _cut(row, sizes))
    found: dict[UUID, tuple[Answer, ...]] = {
        row[0]: cut(tuple(row[1:])) for row in batch.session.connection().execute(asked)
    }
    who = {one: one.enrollment_id if of_walks else one.customer_id for one in batch.walkers}
    return {one: found[id] for one, id in who.items() if id in found}


def _people(batch: StepBatch[Any], columns: Sequence[ColumnElement[bool]]) -> Select[Any]:
    ids = uuids(batch.customer_ids)
    found: Any = select(Customer.id, *columns)
    people: Select[Any] = found.where(Customer.tenant_id == batch.tenant_id, Customer.id == any_(ids))
    return people


def _walks(batch: StepBatch[Any], columns: Sequence[ColumnElement[bool]]) -> Select[Any]:
    here = _rows(batch)
    return (
        select(here.c.id, *columns)
        .join_from(here, Customer, Customer.id == here.c.customer_id)
        .where(Customer.tenant_id == batch.tenant_id)
    )


def _rows(batch: StepBatch[Any]) -> CTE:
    """Return the walks of a batch with their documents, which the fields of walks refer to."""
    told = [(one, documents(one, batch.journey.trigger)) for one in batch.walkers]
    values: dict[str, Any] = {
        "walks": array(one.enrollment_id for one, _ in told),
        "people": array(one.customer_id for one, _ in told),
        **{
            f"{name}s": array(orjson.dumps(about[name], default=str).decode() for _, about in told)
            for name in DOCUMENTS
        },
    }
    columns: dict[str, TypeEngine[Any]] = {"id": Uuid(), "customer_id": Uuid()}
    columns |= {name: JSONB() for name in DOCUMENTS}
    return _ROWS.bindparams(**values).columns(**columns).cte("walk").prefix_with("MATERIALIZED")


def documents(walker: Walker, trigger: str) -> dict[str, Any]:
    """Return what conditions ask of a walk; `trigger` is the type of event that lets people in."""
    awaited = walker.awaited or {}
    return {
        EVENT: facts(trigger, walker.trigger_data),
        AWAITED: facts(str(awaited.get("type") or ""), awaited.get("payload") or {}),
        WEBHOOK: walker.answers,
    }


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
