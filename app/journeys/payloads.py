"""Conditions on what an event says, as steps ask them: of triggers, and of waits for an event."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from app.conditions import FieldType, InvalidConditions, Tree, asks_nothing, matches, parse, values
from app.events import catalogue
from app.events.catalogue import payload_fields
from app.events.facts import facts
from app.infra.clock import instant
from app.journeys.graph import Graph
from app.journeys.timed import TIMED
from app.journeys.walks import around


def payload_tree(event_type: str, conditions: object) -> Tree:
    """Return conditions on the payload of an event type as a tree, or raise InvalidConditions."""
    return parse(conditions, payload_fields(event_type), allow_empty=True, spoken=True)


def payload_fits(event_type: str, conditions: object, payload: Mapping[str, Any], *, zone: str, now: datetime) -> bool:
    """Return whether what an event says meets conditions; of those that can't be asked any more, nothing does."""
    tree = _tree(event_type, orjson.dumps(conditions or []).decode())
    if tree is None or asks_nothing(tree):
        return tree is not None
    return matches(tree, facts(event_type, payload), zone=ZoneInfo(zone), now=now)


def said(name: str, event: tuple[str, Mapping[str, Any]]) -> str | None:
    """Return what an event (type, payload) says under a name, as text; None: nothing."""
    return values.text(facts(*event).get(name))


def says_same(name: str, one: tuple[str, Mapping[str, Any]], other: tuple[str, Mapping[str, Any]]) -> bool:
    """Return whether two events (type, payload) say the same under a name, and say something."""
    found = said(name, one)
    return found is not None and found == said(name, other)


@lru_cache(maxsize=1000)
def _tree(event_type: str, conditions: str) -> Tree | None:
    try:
        return payload_tree(event_type, orjson.loads(conditions))
    except InvalidConditions:
        return None


@dataclass(frozen=True, slots=True)
class EventDates:
    """The dates that events of a journey say: names in the payload with what people call them.

    `open`: there is an event of which nobody knows what else it says.
    """

    known: Mapping[str, str]
    open: bool


def event_dates(graph: Graph) -> EventDates:
    """Return the dates said by the event that lets people into a journey, or by those its steps wait for."""
    named: dict[str, str] = {}
    is_open = False
    for _, type in around(graph).events():
        if catalogue.is_known(type):
            fields = catalogue.get(type).fields
            named |= {one.name: one.label for one in fields if one.type in (FieldType.DATE, FieldType.DATETIME)}
        else:
            is_open = is_open or type not in TIMED
    return EventDates(named, is_open)


def date_label(name: str) -> str:
    """Return what people call a date that events say; one of which the catalogue knows nothing, by its name."""
    labels = (field.label for kind in catalogue.known() for field in kind.fields if field.name == name)
    return next(labels, name)


def said_date(type: str, payload: Mapping[str, Any], name: str, here: ZoneInfo) -> datetime | date | None:
    """Return the date an event says under a name: an instant in UTC, or a day where it says no time.

    A time without an offset is one of the zone `here`.
    """
    value = facts(type, payload).get(name)
    if (known := values.moment(value)) is not None:
        return known
    day = values.day(value, here)
    if day is None or not isinstance(value, str) or len(value.strip()) <= len("2026-11-22"):
        return day
    try:
        return instant(datetime.combine(day, time.fromisoformat(value.strip()[11:])), here)
    except (ValueError, OverflowError):
        return day
