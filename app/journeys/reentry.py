"""Who may come into a journey again: the settings, and the key by which the database tells one walk from another."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from app.journeys.models import Journey

NEVER, AFTER_EXIT, AFTER_DAYS, EACH = "never", "after_exit", "after_days", "each"
LABELS = {
    NEVER: "Never: once for each person",
    AFTER_EXIT: "Once they have left it",
    AFTER_DAYS: "Some days after they came in",
    EACH: "Each time for another booking, quote …",
}
SETTINGS = ("reentry", "reentry_days", "reentry_key", "allow_reentry")
MAX_DAYS = 3660
MAX_KEY = 100
MAX_ENTRY = 200


def apply(journey: Journey, given: Mapping[str, Any], errors: dict[str, str]) -> None:
    """Put the given settings of re-entry on the journey; what is wrong with them goes to `errors`.

    `allow_reentry` is another name: true lets people in again once they have left, unless `reentry` says when.
    """
    if not any(name in given for name in SETTINGS):
        return
    chosen = given.get("reentry")
    if chosen is None:
        held = journey.reentry or NEVER
        again = bool(given.get("allow_reentry", held != NEVER))
        chosen = NEVER if not again else AFTER_EXIT if held == NEVER else held
    if chosen not in LABELS:
        errors["reentry"] = f"Choose one of: {', '.join(LABELS)}."
        return
    days = given.get("reentry_days", journey.reentry_days)
    key = str(given.get("reentry_key", journey.reentry_key) or "").strip()
    if chosen == AFTER_DAYS and not is_within(days, 1, MAX_DAYS):
        errors["reentry_days"] = f"Give a number of days from 1 to {MAX_DAYS}."
    if chosen == EACH and not 1 <= len(key) <= MAX_KEY:
        errors["reentry_key"] = "Name the field of the event that tells one from the other, such as booking_id."
    journey.reentry, journey.allow_reentry = chosen, chosen != NEVER
    journey.reentry_days = days if chosen == AFTER_DAYS else None
    journey.reentry_key = key if chosen == EACH else None


def is_within(value: object, least: int, most: int) -> bool:
    """Return whether a value is a whole number from `least` to `most`."""
    return isinstance(value, int) and least <= value <= most


def entry_key(reentry: str, key: str | None, cause: str, said: Mapping[str, Any]) -> str:
    """Return what makes a walk the only one of its kind for a person; '': there is one walk for each, ever.

    `cause` is what lets them in (an event, an act by hand, a date), `said` what it says. Where each walk is for
    another value of the field `key` and the cause says none, the cause itself tells it from others.
    """
    if reentry == NEVER:
        return ""
    value = said.get(key or "") if reentry == EACH else None
    if value is None or value == "":
        return cause
    told = f"each:{value}"
    return told if len(told) <= MAX_ENTRY else f"each:{sha256(told.encode()).hexdigest()}"


def words(journey: Journey) -> str:
    """Return how often somebody may enter a journey."""
    if journey.reentry == AFTER_DAYS:
        days = "day" if journey.reentry_days == 1 else "days"
        return f"Again {journey.reentry_days} {days} after they came in, once they have left"
    if journey.reentry == EACH:
        return f"Once for each “{journey.reentry_key}”, also several at the same time"
    return "Again, once they have left" if journey.reentry == AFTER_EXIT else "Once for each person"
