"""How a payload's values are read into facts about a customer. What can't be read is None and changes nothing."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.conditions.values import boolean, day, number
from app.infra.figures import amount as in_figures
from app.infra.words import is_visible

Reader = Callable[[Any], Any]
MAX_TEXT = 200
EARLIEST_BIRTH = date(1900, 1, 2)
A_YEAR = timedelta(days=366)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LIFECYCLE_STAGES = ("SUBSCRIBER", "LEAD", "PROSPECT", "MEMBER", "FORMER")


def a_text(value: Any) -> str | None:
    """Return a short text with its white space tidied; one in which nothing is to be seen is none."""
    if not isinstance(value, str):
        return None
    tidy = " ".join(value.split())
    return tidy if len(tidy) <= MAX_TEXT and is_visible(tidy) else None


def a_birth_date(value: Any) -> date | None:
    """Return a birth date; 1 January 1900, which exports write for "unknown", and days to come are none."""
    found = day(value)
    return found if found and EARLIEST_BIRTH <= found <= datetime.now(UTC).date() else None


def a_joining_date(value: Any) -> date | None:
    """Return since when somebody is a member: a day from 1900 up to a year ahead, memberships being sold beforehand."""
    found = day(value)
    return found if found and EARLIEST_BIRTH <= found <= datetime.now(UTC).date() + A_YEAR else None


def a_handicap(value: Any) -> Decimal | None:
    """Return a handicap index to one decimal; the World Handicap System knows +10.0 (here -10) to 54.0."""
    found = number(value)
    return round(found, 1) if found is not None and -10 <= found <= 54 else None


def a_flag(value: Any) -> bool | None:
    """Return a truth value."""
    return boolean(value)


def a_stage(value: Any) -> str | None:
    """Return a lifecycle stage."""
    found = value.strip().upper() if isinstance(value, str) else None
    return found if found in LIFECYCLE_STAGES else None


def money(payload: Mapping[str, Any]) -> str:
    """Return the amount a payload names as figures are written here, such as "ZAR 108.32", or an empty text."""
    amount = number(payload.get("amount", payload.get("value")))
    if amount is None:
        return ""
    currency = payload.get("currency")
    told = in_figures(amount)
    return f"{currency} {told}" if isinstance(currency, str) and 0 < len(currency) <= 3 else told


def wall_time(value: Any) -> str:
    """Return a moment as its sender wrote it, "5 Oct, 17:27"; an empty text if it is none."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    # By hand: strftime takes five times as long, and most events of a club have such a line.
    return f"{moment.day} {MONTHS[moment.month - 1]}, {moment.hour:02}:{moment.minute:02}" if moment else ""


def spoken(name: str) -> str:
    """Return a name of code in words: "golf_day" is "golf day"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace(".", " ").replace("-", " ").lower()
