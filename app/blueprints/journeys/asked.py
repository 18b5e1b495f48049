"""What an address says of whom numbers and lists of a journey are of, and what a list is called because of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.infra import clock
from app.journeys.graph import NEXT, storable
from app.journeys.latest import ANY, DID, GOAL, NOT, Behind, Who
from app.journeys.queries import ENROLLMENT_STATUSES
from app.web.shell import organisation

WEEKS, MOST_WEEKS = 26, 260
PERIODS = {"4": "Last 4 weeks", "13": "Last 13 weeks", "52": "Last 52 weeks"}
"""The periods that end now, by how many weeks they have, this one included."""
_MOST_KEY = 200
_DID = {
    "sent": "were sent",
    "not_sent": "were not sent",
    "waiting": "are still to be sent",
    "opened": "opened",
    "clicked": "clicked in",
    "bounced": "could not be reached with",
    "unsubscribed": "unsubscribed by",
}


def weeks(mondays: Iterable[date], day: Callable[[date], str]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return (value, words) of the weeks a period can begin with, and of those it can end with; `day` writes a date."""
    listed = sorted(mondays, reverse=True)[:MOST_WEEKS]
    first = [(one.isoformat(), f"From {day(one)}") for one in listed]
    return first, [(last.isoformat(), f"Up to {day(last)}") for last in (one + timedelta(days=6) for one in listed)]


def mondays(who_: Who) -> list[date]:
    """Return the Mondays of the first and the last week of whom a report is, in which nobody need have come in."""
    days = [who_.since, who_.until and who_.until - timedelta(days=6)]
    return [day for day in days if day is not None]


def of(who_: Who) -> dict[str, str]:
    """Return the part of an address that says of whom a report is."""
    return {name: str(said) for name, said in asdict(who_).items() if said is not None}


def who(args: Mapping[str, str]) -> Who:
    """Return of whom a report or list is, in whole weeks: `since` is a number of them, or a day of the first one,
    `until` a day of the last one; what says nothing is left out."""
    said, number = args.get("since", ""), args.get("version", "")
    since: date | None = None
    if said in PERIODS:
        today = clock.now().astimezone(ZoneInfo(organisation().timezone)).date()
        since = today - timedelta(days=today.weekday(), weeks=int(said) - 1)
    else:
        since = _sane(said)
    version = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None
    return Who(since, version, _sane(args.get("until", ""))).in_weeks()


def behind(args: Mapping[str, str]) -> Behind:
    """Return what an address says of the people of a list; what says nothing is left out."""

    def text(name: str) -> str | None:
        said = args.get(name, "")
        return said if said and storable(said) and len(said) <= _MOST_KEY else None

    def pair(name: str) -> tuple[str, str] | None:
        one, _, other = (text(name) or "").partition(":")
        return (one, other) if one and other else None

    def several(name: str) -> tuple[str, ...]:
        said = args.get(name, "")
        return tuple(one for one in said.split(",") if one) if storable(said) and len(said) < 2000 else ()

    status, did = text("status"), pair("did")
    return Behind(
        status=status if status in ENROLLMENT_STATUSES else None,
        step=text("step"),
        week=_day(args.get("week", "")),
        converted=args.get("converted") == "1",
        dropped=text("dropped"),
        came=text("came"),
        way=pair("way"),
        flow=pair("flow"),
        by=text("by"),
        did=did if did and did[0] in DID else None,
        after=several("after"),
        without=several("without"),
    )


def _sane(said: str) -> date | None:
    day = _day(said)
    return day if day is not None and 2000 <= day.year < 2100 else None


def _day(said: str) -> date | None:
    try:
        return date.fromisoformat(said)
    except ValueError:
        return None


def quoted(title: str) -> str:
    """Return the title of a step in quotes; one that has quotes itself as it is."""
    return title if "“" in title else f"“{title}”"


def came_in(who: Who, day: Callable[[date], str]) -> list[str]:
    """Return when, and under which version, those came in; nothing of everybody. `day` writes a date."""
    found = []
    if who.since is not None:
        found.append(f"since {day(who.since)}")
    if who.until is not None:
        found.append(f"up to {day(who.until)}")
    if who.version is not None:
        found.append(f"under version {who.version}")
    return found


def words(
    who: Who, behind: Behind, titles: Mapping[str, str], ways: Mapping[tuple[str, str], str], day: Any
) -> list[str]:
    """Return what is true of the people of a list, but for their status; `day` writes a date."""

    def step(key: str) -> str:
        return quoted(titles.get(key, key))

    found = [f"came in {one}" for one in came_in(who, day)]
    if behind.week is not None:
        found.append(f"came in in the week of {day(behind.week)}")
    if behind.step is not None:
        found.append(f"stand at {step(behind.step)}")
    if behind.dropped is not None:
        found.append(f"left or failed at {step(behind.dropped)}")
    if behind.came is not None:
        found.append(f"came to {step(behind.came)}")
    if behind.way is not None:
        key, exit = behind.way
        label = ways.get((key, exit.removeprefix(NOT)), exit.removeprefix(NOT))
        way = f"went {'another way than ' if exit.startswith(NOT) else ''}“{label}” at {step(key)}"
        found.append(f"went on from {step(key)}" if exit == ANY else way)
    if behind.flow is not None:
        source, target = behind.flow
        by = f" by “{ways.get((source, behind.by), behind.by)}”" if behind.by not in (None, NEXT) else ""
        found.append(f"went from {step(source)}{by} to {step(target)}")
    if behind.did is not None:
        found.append(f"{_DID[behind.did[0]]} {'a message' if behind.did[1] == ANY else step(behind.did[1])}")
    taken = [key for key in behind.after if key != GOAL]
    if taken:
        found.append(f"came to {' and '.join(map(step, taken))}")
    if behind.converted or GOAL in behind.after:
        found.append("reached the goal")
    if missed := [key for key in behind.without if key != GOAL]:
        found.append(f"did not come to {' or '.join(map(step, missed))}")
    if GOAL in behind.without:
        found.append("did not reach the goal")
    return found
