"""Recurrences as RRULE (RFC 5545) says them, in days and more: on which dates something comes again.

Times are local, without a zone: what they are in UTC is worked out by whoever asks when they come.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, date, datetime, time
from itertools import islice

from dateutil.rrule import rrulestr

from app.infra.words import listed

MOST_YEARS = 11
"""A rule is followed for so long: the 29th of February may be eight years off."""
MAX_RULE = 300
MAX_COUNT = 1000
DAYS = {
    "MO": "Monday",
    "TU": "Tuesday",
    "WE": "Wednesday",
    "TH": "Thursday",
    "FR": "Friday",
    "SA": "Saturday",
    "SU": "Sunday",
}
_UNITS = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}
_DAY = r"(MO|TU|WE|TH|FR|SA|SU)"
_DATE = r"-?([1-9]|[12][0-9]|3[01])"
_PARTS = {
    "FREQ": r"DAILY|WEEKLY|MONTHLY|YEARLY",
    "INTERVAL": r"[1-9][0-9]{0,2}",
    "COUNT": r"[1-9][0-9]{0,3}",
    "UNTIL": r"[0-9]{8}(T[0-9]{6}Z?)?",
    "BYDAY": rf"([+-]?[1-5])?{_DAY}(,([+-]?[1-5])?{_DAY})*",
    "BYMONTHDAY": rf"{_DATE}(,{_DATE})*",
    "BYMONTH": r"(1[0-2]|[1-9])(,(1[0-2]|[1-9]))*",
    "BYSETPOS": r"-?[1-9][0-9]?(,-?[1-9][0-9]?)*",
    "WKST": _DAY,
}
_CYCLE = 400
"""After so many years each date has the same day of the week again."""
RULE_HELP = "Give a rule such as FREQ=WEEKLY;BYDAY=MO, with FREQ one of DAILY, WEEKLY, MONTHLY and YEARLY."


@dataclass(frozen=True, slots=True)
class Rule:
    """A recurrence: the parts of an RRULE that say which days, how many of them, and until when."""

    days: str
    count: int | None
    until: date | None

    def occurrences(self, first: datetime, horizon: date) -> Iterator[datetime]:
        """Yield local times from `first` on, each on a date of its own, none later than `horizon`.

        dateutil looks for a day that never comes up to the last year there is, seconds of processor. So it is asked
        about the same days shortly before that year.
        """
        last = min(self.until or horizon, horizon)
        later = (MAXYEAR - max(last, first.date()).year) // _CYCLE * _CYCLE
        start, end = first.replace(year=first.year + later), last.replace(year=last.year + later)
        rule = rrulestr(f"RRULE:{self.days}", dtstart=start).replace(until=datetime.combine(end, time.max))
        return (one.replace(year=one.year - later) for one in islice(iter(rule), self.count))


def read_rule(text: str) -> Rule:
    """Return the recurrence that a text says, or raise ValueError with what is wrong."""
    parts: dict[str, str] = {}
    for part in text.removeprefix("RRULE:").upper().split(";"):
        name, _, value = part.partition("=")
        if name not in _PARTS or name in parts or not re.fullmatch(_PARTS[name], value, re.ASCII):
            raise ValueError(RULE_HELP)
        parts[name] = value
    if "FREQ" not in parts:
        raise ValueError(RULE_HELP)
    if parts["FREQ"] in ("DAILY", "WEEKLY") and ("BYSETPOS" in parts or re.search("[0-9]", parts.get("BYDAY", ""))):
        raise ValueError("Only days of months are counted: with DAILY and WEEKLY give days of the week alone.")
    if "COUNT" in parts and "UNTIL" in parts:
        raise ValueError("Give a number of times or an end, not both.")
    count, until = parts.pop("COUNT", None), parts.pop("UNTIL", None)
    if count and int(count) > MAX_COUNT:
        raise ValueError(f"Repeat it at most {MAX_COUNT} times.")
    try:
        days = ";".join(f"{name}={value}" for name, value in parts.items())
        end = datetime.strptime(until[:8], "%Y%m%d").date() if until else None  # noqa: DTZ007 - a date has no zone
        rrulestr(f"RRULE:{days}", dtstart=datetime(2026, 1, 1))  # noqa: DTZ001 - local times have no zone
    except ValueError:
        raise ValueError(RULE_HELP) from None
    return Rule(days, int(count) if count else None, end)


def in_words(rule: str, at: str = "") -> str:
    """Return a recurrence in words: "Every week on Monday"; one that has no plain words as it is written.

    `at` are words that stand before how often or until when: " at 09:00".
    """
    parts = dict(part.split("=", 1) for part in rule.split(";"))
    unit, every = _UNITS[parts.pop("FREQ")], int(parts.pop("INTERVAL", "1"))
    said = f"Every {unit}" if every == 1 else f"Every {every} {unit}s"
    if days := parts.pop("BYDAY", None):
        if any(one not in DAYS for one in days.split(",")):
            return f"By the rule {rule}{at}"
        said += " on " + listed([DAYS[one] for one in days.split(",")])
    if days := parts.pop("BYMONTHDAY", None):
        said += " on " + listed(["the last day" if one == "-1" else f"day {one}" for one in days.split(",")])
    said += at
    if count := parts.pop("COUNT", None):
        said += f", {count} times"
    if until := parts.pop("UNTIL", None):
        said += f", until {datetime.strptime(until[:8], '%Y%m%d'):%-d %B %Y}"  # noqa: DTZ007 - a date has no zone
    return f"By the rule {rule}{at}" if parts else said
