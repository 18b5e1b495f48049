"""Lengths of time as people write them: "3 days"."""

import re
from datetime import timedelta

DURATION = re.compile(r"([0-9]{1,6})\s*(minute|hour|day|week)s?", re.ASCII | re.IGNORECASE)
UNITS = {"minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
MAX_DAYS = 5 * 366
HELP = "Give a duration such as “30 minutes”, “2 hours”, “3 days” or “1 week”."


def duration(words: str) -> timedelta:
    """Return how long the words say, or raise ValueError. A day is 24 hours, whatever the clocks do meanwhile."""
    found = DURATION.fullmatch(words.strip())
    if found is None:
        raise ValueError(HELP)
    seconds = int(found[1]) * UNITS[found[2].lower()]
    if seconds > MAX_DAYS * UNITS["day"]:
        raise ValueError("Wait at most five years.")
    return timedelta(seconds=seconds)


def longer_than_nothing(words: object) -> bool:
    """Return whether it is a duration, and one of some length."""
    try:
        return bool(duration(str(words)))
    except ValueError:
        return False
