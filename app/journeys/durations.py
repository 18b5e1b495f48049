"""Lengths of time as people write them: "3 days"."""

import re
from datetime import timedelta

DURATION = re.compile(r"([0-9]{1,40})\s*(minute|hour|day|week)s?", re.ASCII | re.IGNORECASE)
UNITS = {"minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
MAX_DAYS = 5 * 366
WORKING_DAYS = re.compile(r"([0-9]{1,40})\s*working\s+days?", re.ASCII | re.IGNORECASE)
MAX_WORKING_DAYS = 250
HELP = "Give a duration such as “30 minutes”, “2 hours”, “3 days” or “1 week”."


def duration(words: str) -> timedelta:
    """Return how long the words say, or raise ValueError. A day is 24 hours, whatever the clocks do meanwhile."""
    found = DURATION.fullmatch(words.strip())
    if found is None:
        raise ValueError("Time runs forward only. " + HELP if words.strip().startswith(("-", "−")) else HELP)
    seconds = int(found[1]) * UNITS[found[2].lower()]
    if seconds > MAX_DAYS * UNITS["day"]:
        raise ValueError("That is too long. Five years are the most.")
    return timedelta(seconds=seconds)


def whole_days(words: str) -> int | None:
    """Return how many days of the calendar the words say ("7 days", "2 weeks"), None if they say something else."""
    found = DURATION.fullmatch(words.strip())
    if found is None or found[2].lower() not in ("day", "week"):
        return None
    return duration(words) // timedelta(days=1)


def working_days(words: str) -> int | None:
    """Return how many working days the words say ("3 working days"), None if they say something else.

    Too many raise ValueError.
    """
    found = WORKING_DAYS.fullmatch(words.strip())
    if found is not None and int(found[1]) > MAX_WORKING_DAYS:
        raise ValueError(f"That is too long. {MAX_WORKING_DAYS} working days are the most.")
    return int(found[1]) if found is not None else None


def longer_than_nothing(words: object) -> bool:
    """Return whether it is a duration, or a number of working days, and more than none."""
    try:
        if (days := working_days(str(words))) is not None:
            return days > 0
        return bool(duration(str(words)))
    except ValueError:
        return False
