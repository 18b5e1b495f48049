"""What a campaign is for: something its readers do, within some days of being written to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from app.conditions import InvalidConditions, Tree, asks_nothing, explain, matches, named, parse, to_json
from app.events import catalogue
from app.events.facts import facts
from app.infra.errors import Invalid
from app.infra.words import is_visible

MOST_DAYS = 90
DAYS = 7
MAX_EVENT = 100


@dataclass(frozen=True, slots=True)
class Goal:
    """An event of a type that fits the conditions, at most `window_days` after the message."""

    event_type: str
    conditions: dict[str, Any]
    window_days: int


def of(kept: Mapping[str, Any] | None) -> Goal | None:
    """Return a goal as a campaign keeps it."""
    return Goal(kept["event_type"], dict(kept["conditions"]), kept["window_days"]) if kept else None


def read(given: Mapping[str, Any] | None, *, tenant_id: UUID) -> dict[str, Any] | None:
    """Return a goal as it is kept, None for none; raise Invalid with a message for each part that is wrong.

    `conditions` are a tree on the event's payload, or a list of rules that all must hold; without any, any such event
    does.
    """
    if not given:
        return None
    errors: dict[str, str] = {f"goal.{name}": "There is no such setting." for name in given if name not in _PARTS}
    event = given.get("event_type")
    days = given.get("window_days", DAYS)
    if not isinstance(event, str) or not is_visible(event) or len(event) > MAX_EVENT:
        errors["goal.event_type"] = "Choose what the campaign is for."
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= MOST_DAYS:
        errors["goal.window_days"] = f"Give a number of days from 1 to {MOST_DAYS}."
    tree: Tree | None = None
    if "goal.event_type" not in errors:
        try:
            tree = parse(given.get("conditions") or [], catalogue.payload_fields(str(event)), allow_empty=True)
            wrong = named.unknown(tree, tenant_id)
        except InvalidConditions as refused:
            wrong = dict(refused.errors)
        errors |= {f"goal.conditions{'.' if path else ''}{path}": message for path, message in wrong.items()}
    if errors or tree is None:
        raise Invalid(errors)
    return {"event_type": str(event).strip(), "conditions": to_json(tree), "window_days": days}


def is_met(goal: Goal, payload: Mapping[str, Any], *, timezone: str, now: datetime) -> bool:
    """Return whether an event of the goal's type is what the campaign is for, by what is told of it."""
    tree = _tree(goal.event_type, orjson.dumps(goal.conditions).decode())
    if tree is None or asks_nothing(tree):
        return tree is not None
    return matches(tree, facts(goal.event_type, payload), zone=ZoneInfo(timezone), now=now)


def in_words(goal: Goal, *, locale: str = "en", currency: str = "") -> str:
    """Return a goal in words without a full stop: "Payment received within 7 days, where the amount is above 50"."""
    days = f"{goal.window_days} day{'s' if goal.window_days > 1 else ''}"
    said = f"{catalogue.get(goal.event_type).label} within {days}"
    tree = _tree(goal.event_type, orjson.dumps(goal.conditions).decode())
    if tree is None or asks_nothing(tree):
        return said
    told = explain(tree, locale=locale, currency=currency)
    return f"{said}, where {told[:1].lower()}{told[1:]}"


_PARTS = ("event_type", "conditions", "window_days")


@lru_cache(maxsize=1000)
def _tree(event_type: str, conditions: str) -> Tree | None:
    """Return a goal's conditions, or None if they can't be asked any more: then nothing is one."""
    try:
        return parse(orjson.loads(conditions), catalogue.payload_fields(event_type), allow_empty=True)
    except InvalidConditions:
        return None
