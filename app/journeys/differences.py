"""What a walk came to, kept as plain values, and how another walk differs from it, in sentences."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Any
from zoneinfo import ZoneInfo

from app.infra.words import INNER
from app.journeys.rehearsal import Storyboard
from app.messaging.states import Reason, Status, reason_in_words

ENDS = {"COMPLETED": "come to the end", "EXITED": "leave early", "FAILED": "fail", "ACTIVE": "still be inside"}
ENDED = {"COMPLETED": "they came to the end", "EXITED": "they left early", "FAILED": "they failed"}


def told(board: Storyboard, titles: Mapping[str, str], zone: ZoneInfo) -> dict[str, Any]:
    """Return what a walk came to: `path`, `letters` and `end`, days counted from 1 as local days of a zone.

    `titles` are what the steps are called, by key (see `app.journeys.titles`).
    """

    def day(moment: datetime) -> int:
        return (moment.astimezone(zone).date() - board.entered_at.astimezone(zone).date()).days + 1

    def name(key: str | None) -> str:
        return titles.get(key or "", str(key)).translate(INNER)

    return {
        "path": [{"step": one.key, "name": name(one.key), "day": day(one.entered_at)} for one in board.steps],
        "letters": [
            {
                "step": one.key,
                "name": name(one.key),
                "channel": letter.channel,
                "template_id": str(letter.template_id) if letter.template_id else None,
                "status": str(letter.status),
                "reason": str(letter.reason) if letter.reason else None,
                "day": day(letter.at or one.entered_at),
            }
            for one in board.steps
            for letter in one.letters
        ],
        "end": {
            "status": board.status,
            "reason": board.error if board.status == "FAILED" else board.exit_reason,
            "step": board.standing_at,
            "name": name(board.standing_at) if board.standing_at else None,
        },
    }


def differences(expected: Mapping[str, Any], got: Mapping[str, Any], strictness: str) -> list[str]:
    """Return how a walk differs from what was expected, the most telling first; nothing where it does not.

    "path" asks for everything, "messages" for the messages, "end" for the end alone.
    """
    found = []
    if strictness in ("path", "messages"):
        found += _letters(expected["letters"], got["letters"])
    if strictness == "path":
        found += _path(expected["path"], got["path"])
    if strictness in ("path", "end"):
        found += _end(expected["end"], got["end"])
    return found


def _letters(expected: Sequence[Mapping[str, Any]], got: Sequence[Mapping[str, Any]]) -> list[str]:
    left = list(got)
    found = []
    for one in expected:
        same = [other for other in left if other["step"] == one["step"]]
        if not same:
            found.append(f"Expected {_letter(one)}; nothing was written there.")
            continue
        left.remove(same[0])
        if any(one[name] != same[0][name] for name in ("status", "reason", "day", "channel", "template_id")):
            found.append(f"Expected {_letter(one)}; it was {_fate(same[0], one)}.")
    return found + [f"“{one['name']}” was {_fate(one)}, which was not expected." for one in left]


def _letter(one: Mapping[str, Any]) -> str:
    return f"“{one['name']}” to be {_fate(one)}"


def _fate(one: Mapping[str, Any], beside: Mapping[str, Any] | None = None) -> str:
    day = f"on the {_nth(one['day'])} day"
    if one["status"] != Status.SENT:
        why = reason_in_words(Reason(one["reason"])) if one["reason"] else ""
        words = f"{one['status']}: {why[:1].lower()}{why[1:].rstrip('.')}" if why else str(one["status"])
        return words if beside is None or beside["day"] == one["day"] else f"{words}, {day}"
    other = beside is not None and beside["status"] == one["status"]
    if other and beside is not None and beside["channel"] != one["channel"]:
        return f"sent by {one['channel'].lower()} {day}"
    if other and beside is not None and beside["template_id"] != one["template_id"]:
        return f"sent with another template {day}"
    return f"sent {day}"


def _path(expected: Sequence[Mapping[str, Any]], got: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the first place at which two ways part."""
    before = None
    for one, other in zip_longest(expected, got):
        if one is None:
            return [f"After “{before}” they went on to “{other['name']}”, where the way was expected to end."]
        after = f"After “{before}” expected" if before else "Expected"
        if other is None:
            return [f"{after} “{one['name']}”; they did not come to it."]
        if one["step"] != other["step"]:
            return [f"{after} “{one['name']}”; they went to “{other['name']}”."]
        if one["day"] != other["day"]:
            days = f"on the {_nth(one['day'])} day; they came to it on the {_nth(other['day'])}"
            return [f"Expected “{one['name']}” {days}."]
        before = one["name"]
    return []


def _end(expected: Mapping[str, Any], got: Mapping[str, Any]) -> list[str]:
    if all(expected[name] == got[name] for name in ("status", "reason", "step")):
        return []
    at = f" at “{expected['name']}”" if expected["step"] else ""
    why = f" ({_why(expected['reason'])})" if expected["status"] in ("EXITED", "FAILED") and expected["reason"] else ""
    return [f"Expected them to {ENDS[expected['status']]}{at}{why}; {_ended(got)}."]


def _ended(got: Mapping[str, Any]) -> str:
    if got["status"] == "ACTIVE":
        return f"they still stood at “{got['name']}”"
    why = f" ({_why(got['reason'])})" if got["status"] != "COMPLETED" and got["reason"] else ""
    return ENDED[got["status"]] + why


def _why(reason: str) -> str:
    return reason.replace("_", " ")


def _nth(number: int) -> str:
    suffix = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"
