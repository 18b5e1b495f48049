"""What recipes are written with: steps as the API takes them, one line each."""

from typing import Any

Step = dict[str, Any]

FRIEND = '{{ customer.first_name | default: "friend" }}'


def send(key: str, letter: str, then: str | None, *, transactional: bool = False) -> Step:
    """Return a SEND of an e-mail of the recipe."""
    config = {"channel": "EMAIL", "template_id": letter, "purpose": "transactional" if transactional else "marketing"}
    return {"key": key, "type": "SEND", "config": config, "next": then}


def wait(key: str, duration: str, then: str) -> Step:
    """Return a WAIT of some time."""
    return {"key": key, "type": "WAIT", "config": {"duration": duration}, "next": then}


def until(key: str, time: str, days: int, then: str) -> Step:
    """Return a WAIT until the clock shows a time, so many days on."""
    return {"key": key, "type": "WAIT", "config": {"until": {"time": time, "days": days}}, "next": then}


def until_event(key: str, field: str, before: str, then: str, missed: str, time: str = "10:00") -> Step:
    """Return a WAIT until so many days before a date the event says; whose moment is over goes another way."""
    date = {"field": field, "when": "before", "offset": before, "time": time, "missed": "branch"}
    return {"key": key, "type": "WAIT", "config": {"event_date": date}, "next": then, "next_missed": missed}


def ask(key: str, name: str, rules: list[dict[str, Any]], yes: str | None, no: str | None) -> Step:
    """Return a CONDITION all of whose rules must hold."""
    config = {"rules": rules, "combinator": "AND"}
    return {"key": key, "type": "CONDITION", "name": name, "config": config, "next_yes": yes, "next_no": no}


def tag(key: str, value: str, then: str | None) -> Step:
    """Return an UPDATE that adds a tag."""
    config = {"updates": [{"field": "tags", "operation": "add", "value": value}]}
    return {"key": key, "type": "UPDATE", "config": config, "next": then}


def end(key: str = "end") -> Step:
    """Return an END."""
    return {"key": key, "type": "END", "config": {}}


def did(event: str, within: str, **more: Any) -> dict[str, Any]:
    """Return the rule that somebody did something at least once within a period."""
    return {"event": event, "operator": "gte", "value": 1, "within": within, **more}
