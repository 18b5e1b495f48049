"""What an address says of whom numbers and lists of a journey are of, and what a list is called because of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import request

from app.infra import clock
from app.journeys.graph import NEXT, storable
from app.journeys.latest import ANY, DID, GOAL, NOT, Behind, Who
from app.journeys.queries import ENROLLMENT_STATUSES
from app.web.lists import asked_choice, asked_day, asked_for, asked_number, asked_until, wrong
from app.web.shell import organisation

WEEKS, MOST_WEEKS = 26, 260
PERIODS = {"4": "Last 4 weeks", "13": "Last 13 weeks", "52": "Last 52 weeks"}
"""The periods that end now, by how many weeks they have, this one included."""
_MOST_KEY, _MOST_KEYS = 200, 2000
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


def who() -> Who:
    """Return of whom a report or list is: `since` is a number of weeks, or the first day, `until` the last one; raise
    Invalid for what is none."""
    if (period := request.values.get("since")) in PERIODS:
        today = clock.now().astimezone(ZoneInfo(organisation().timezone)).date()
        since: date | None = today - timedelta(days=today.weekday(), weeks=int(period) - 1)
    else:
        since = asked_day("since")
    return Who(since, asked_number("version"), asked_until("until", since))


def behind() -> Behind:
    """Return what an address says of the people of a list, or raise Invalid for what says nothing."""

    def text(name: str) -> str | None:
        said = request.values.get(name)
        if said and not (storable(said) and len(said) <= _MOST_KEY):
            raise wrong(name, "is no step.")
        return said or None

    def pair(name: str) -> tuple[str, str] | None:
        said = text(name)
        one, _, other = (said or "").partition(":")
        if said and not (one and other):
            raise wrong(name, "are not two things with a colon between them.")
        return (one, other) if said else None

    def several(name: str) -> tuple[str, ...]:
        said = request.values.get(name, "")
        if not (storable(said) and len(said) < _MOST_KEYS):
            raise wrong(name, "are no steps.")
        return tuple(one for one in said.split(",") if one)

    did = pair("did")
    if did and did[0] not in DID:
        raise wrong("did", f"does not begin with one of {', '.join(DID)}.")
    return Behind(
        status=asked_choice("status", ENROLLMENT_STATUSES),
        step=text("step"),
        week=asked_day("week"),
        converted=asked_for("converted", "1"),
        dropped=text("dropped"),
        came=text("came"),
        way=pair("way"),
        flow=pair("flow"),
        by=text("by"),
        did=did,
        after=several("after"),
        without=several("without"),
    )


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
