"""When people leave a journey by themselves: conditions, unsubscribing, and what the journey is for (its goal)."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.conditions import InvalidConditions, Tree, asks_nothing, named, parse
from app.customers import custom_fields
from app.journeys.graph import Graph
from app.journeys.models import Journey
from app.journeys.payloads import payload_tree
from app.journeys.reentry import is_within

SETTINGS = ("exit_conditions", "exit_event", "exit_on_unsubscribe", "goal", "goal_days")
GOAL = "GOAL"
MAX_DAYS = 3660
EVENT, CONDITIONS, SAME = "event_type", "conditions", "same"
"""`same` names a field of an event that has to say what the event says that let somebody in: another one's booking does
not concern them."""
MAX_SAME = 100

_HAS_GOAL = text("""
    SELECT graph @> '{"steps": [{"type": "GOAL"}]}' FROM journey_version
    WHERE tenant_id = :tenant_id AND journey_id = :id AND number = :number
""")


def customer_tree(rules: object, *, tenant_id: Any) -> Tree:
    """Return conditions on a tenant's customers as a tree, or raise InvalidConditions."""
    return parse(rules, custom_fields.catalogue(tenant_id=tenant_id), spoken=True)


def apply(session: Session, journey: Journey, given: Mapping[str, Any], errors: dict[str, str]) -> None:
    """Put the given settings on the journey; what is wrong with them goes to `errors`.

    A goal is an event (`event_type`, with `conditions` on what it says, and `same`) or `conditions` on the customer
    alone. An `exit_event` has `event_type` and `same`.
    """
    with session.no_autoflush:
        if "exit_conditions" in given:
            journey.exit_conditions = _tree(journey, given["exit_conditions"], "exit_conditions", errors)
        if "exit_event" in given:
            journey.exit_event = _exit_event(given["exit_event"], errors)
        if "exit_on_unsubscribe" in given:
            journey.exit_on_unsubscribe = bool(given["exit_on_unsubscribe"])
        if "goal" in given:
            journey.goal = _goal(journey, given["goal"], errors)
        if "goal_days" in given:
            journey.goal_days = given["goal_days"]
            if journey.goal_days is not None and not is_within(journey.goal_days, 1, MAX_DAYS):
                errors["goal_days"] = f"Give a number of days from 1 to {MAX_DAYS}, or leave it empty."
        values = {"tenant_id": journey.tenant_id, "id": journey.id, "number": journey.published_version}
        has_goal = journey.published_version is not None and session.scalar(_HAS_GOAL, values)
        journey.watches = bool(has_goal) or by_settings(journey)


def by_settings(journey: Journey) -> bool:
    """Return whether the settings of a journey let people leave by what happens to them."""
    return bool(journey.exit_conditions or journey.exit_event or journey.exit_on_unsubscribe or journey.goal)


def watched(journey: Journey, graph: Graph) -> bool:
    """Return whether people may leave a journey with this graph, or come to a GOAL, by what happens to them."""
    return by_settings(journey) or any(step.type == GOAL for step in graph)


def _tree(journey: Journey, rules: Any, at: str, errors: dict[str, str]) -> dict[str, Any] | None:
    if not rules or (isinstance(rules, Mapping) and set(rules) <= {"combinator", "rules"} and not rules.get("rules")):
        return None
    try:
        tree = customer_tree(rules, tenant_id=journey.tenant_id)
    except InvalidConditions as wrong:
        errors.update({f"{at}.{path}" if path else at: message for path, message in wrong.errors.items()})
        return None
    if missing := named.unknown(tree, journey.tenant_id):
        errors.update({f"{at}.{path}": message for path, message in missing.items()})
    return None if asks_nothing(tree) else dict(rules)


def _goal(journey: Journey, goal: Any, errors: dict[str, str]) -> dict[str, Any] | None:
    if not goal:
        return None
    if not isinstance(goal, Mapping) or set(goal) - {EVENT, CONDITIONS, SAME}:
        errors["goal"] = "Give the event_type that is the goal, or conditions on the customer."
        return None
    if not goal.get(EVENT):
        rules = _tree(journey, goal.get(CONDITIONS), "goal", errors)
        return {CONDITIONS: rules} if rules else None
    try:
        payload_tree(str(goal[EVENT]), goal.get(CONDITIONS) or [])
    except InvalidConditions as wrong:
        errors.update({f"goal.{path}" if path else "goal": message for path, message in wrong.errors.items()})
    return {EVENT: str(goal[EVENT])[:100], CONDITIONS: goal.get(CONDITIONS) or [], **_same(goal, "goal", errors)}


def _exit_event(given: Any, errors: dict[str, str]) -> dict[str, Any] | None:
    if not given or (isinstance(given, Mapping) and not given.get(EVENT)):
        return None
    if not isinstance(given, Mapping) or set(given) - {EVENT, SAME}:
        errors["exit_event"] = "Give the event_type by which people leave."
        return None
    return {EVENT: str(given[EVENT])[:100], **_same(given, "exit_event", errors)}


def _same(given: Mapping[str, Any], at: str, errors: dict[str, str]) -> dict[str, str]:
    name = str(given.get(SAME) or "").strip()
    if len(name) > MAX_SAME:
        errors[f"{at}.{SAME}"] = f"Give the name of a field, of at most {MAX_SAME} characters."
    return {SAME: name} if name else {}
