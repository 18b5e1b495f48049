"""Conditions on what an event says, as steps ask them: of triggers, and of waits for an event."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from app.conditions import InvalidConditions, Tree, asks_nothing, matches, parse
from app.events.catalogue import payload_fields
from app.events.facts import facts


def payload_tree(event_type: str, conditions: object) -> Tree:
    """Return conditions on the payload of an event type as a tree, or raise InvalidConditions."""
    return parse(conditions, payload_fields(event_type), allow_empty=True, spoken=True)


def payload_fits(event_type: str, conditions: object, payload: Mapping[str, Any], *, zone: str, now: datetime) -> bool:
    """Return whether what an event says meets conditions; of those that can't be asked any more, nothing does."""
    tree = _tree(event_type, orjson.dumps(conditions or []).decode())
    if tree is None or asks_nothing(tree):
        return tree is not None
    return matches(tree, facts(event_type, payload), zone=ZoneInfo(zone), now=now)


@lru_cache(maxsize=1000)
def _tree(event_type: str, conditions: str) -> Tree | None:
    try:
        return payload_tree(event_type, orjson.loads(conditions))
    except InvalidConditions:
        return None
