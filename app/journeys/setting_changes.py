"""Settings of a journey as a version keeps them beside its graph, and what has become different, in sentences.

They are no part of the version: they hold from the moment they are saved. Kept, they tell what changed since.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from app.conditions import InvalidConditions, parse
from app.events import catalogue
from app.infra.ids import as_id
from app.journeys import reentry, sending
from app.journeys.changes import Change
from app.journeys.models import Journey
from app.journeys.payloads import payload_tree
from app.journeys.step_type import Known

KEPT = (
    *("club_id", "max_enrollments", "timezone", "reentry", "reentry_days", "reentry_key", "topic_id", "send_window"),
    *("clock", "exit_on_unsubscribe", "exit_event", "exit_conditions", "goal", "goal_days"),
)


def kept(journey: Journey) -> dict[str, Any]:
    """Return the settings of a journey as plain values."""
    found = {name: getattr(journey, name) for name in KEPT}
    return {name: str(one) if isinstance(one, UUID) else one for name, one in found.items()}


def setting_changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, known: Known) -> list[Change]:
    """Return what is set otherwise, a sentence each; nothing where one of the two was not kept."""
    if before is None or after is None:
        return []
    was, now = dict(_told(before, known)), dict(_told(after, known))
    return [Change("journey", "", f"{name}: {was[name]} → {now[name]}.") for name in now if was[name] != now[name]]


def _told(settings: Mapping[str, Any], known: Known) -> Iterator[tuple[str, str]]:
    """Yield (what it is called, what it says) of each setting."""
    journey = Journey(**{name: settings.get(name) for name in KEPT if not name.endswith("_id")})
    topic, club = as_id(settings.get("topic_id")), as_id(settings.get("club_id"))
    yield "Club", known.clubs.get(club, "one that is gone") if club else "all clubs"
    yield "How often people can come", _small(reentry.words(journey))
    limit = settings.get("max_enrollments")
    yield "Limit", f"{limit} people at a time" if limit else "none"
    yield "Time zone", str(settings.get("timezone")).replace("_", " ")
    yield "Topic", f"“{known.topics.get(topic, 'one that was archived')}”" if topic else "none of its own"
    yield "Marketing goes out", sending.window_words(journey).replace("At any", "at any")
    yield "Whose clock counts", _small(sending.CLOCKS.get(str(settings.get("clock")), "unknown"))
    yield "Who unsubscribes", "leaves" if settings.get("exit_on_unsubscribe") else "stays"
    yield "Whoever does this leaves", _event(settings.get("exit_event"), known) or "nothing"
    yield "Whoever this is true of leaves", _people(settings.get("exit_conditions"), known) or "nothing"
    goal = settings.get("goal") or {}
    yield "Goal", _event(goal, known) or _people(goal.get("conditions"), known) or "none"
    days = settings.get("goal_days")
    yield "Days in which the goal counts", str(days) if days else "no end"


def _event(asked: Mapping[str, Any] | None, known: Known) -> str:
    type = str((asked or {}).get("event_type") or "")
    if not asked or not type:
        return ""
    try:
        tree = payload_tree(type, asked.get("conditions") or [])
        told = known.told(tree) if asked.get("conditions") else ""
    except InvalidConditions:
        told = "conditions that can’t be asked any more"
    same = f" with the same “{asked['same']}”" if asked.get("same") else ""
    return f"“{catalogue.get(type).label}”{f' and {told}' if told else ''}{same}"


def _people(rules: Any, known: Known) -> str:
    if not rules:
        return ""
    try:
        return known.told(parse(rules, known.profile, spoken=True))
    except InvalidConditions:
        return "conditions that can’t be asked any more"


def _small(words: str) -> str:
    return words[:1].lower() + words[1:]
