"""Which of two things said about a field holds: the rule is about when they were said, never when they came in.

`facts_at` keeps by field when its value was said: an RFC 3339 time, with a "~" before it where it was only weakly
said (an address an event happened to carry). A strong word gives way to a newer strong one; a weak one to any strong
one, and to an older weak one. So the order in which events arrive does not matter.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.customers.records import Record

WEAK = "~"
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
CONSENT_FIELDS = {
    "EMAIL": "email_opt_in",
    "SMS": "sms_opt_in",
    "PUSH": "push_opt_in",
    "WHATSAPP": "whatsapp_opt_in",
}
"""The column of each channel's consent. Nothing else is ever taken for a consent."""
_CONSENTS = frozenset(CONSENT_FIELDS.values())


@dataclass(frozen=True, slots=True)
class Fact:
    """What somebody said about one field of a customer, and when."""

    field: str
    value: Any
    at: datetime
    weak: bool = False

    @property
    def mark(self) -> str:
        """Return what facts_at keeps of it."""
        return f"{WEAK if self.weak else ''}{self.at.astimezone(UTC).isoformat()}"


def _kept(record: Record, field: str) -> Fact | None:
    """Return the fact that holds now; None where nothing is known, or nothing of when it was said."""
    mark = record.facts_at.get(field)
    if not isinstance(mark, str):
        return None
    weak = mark.startswith(WEAK)
    try:
        at = datetime.fromisoformat(mark.removeprefix(WEAK))
    except ValueError:
        return None
    return Fact(field, record.values[field], at if at.tzinfo else at.replace(tzinfo=UTC), weak)


def holds(fact: Fact, kept: Fact | None, value: Any) -> bool:
    """Return whether `fact` takes the place of what is `kept` (or of a `value` of which nobody knows since when)."""
    if kept is None:
        return value is None or not fact.weak
    if fact.weak != kept.weak:
        return not fact.weak
    if fact.at != kept.at:
        return (fact.at < kept.at) if fact.weak else (fact.at > kept.at)
    return _tie(fact) > _tie(kept)


def _tie(fact: Fact) -> tuple[bool, str]:
    """Two words of the same moment: the stricter consent holds, else the one that sorts last."""
    return fact.field in _CONSENTS and fact.value is False, str(fact.value)


def apply(record: Record, fact: Fact) -> bool:
    """Give the record the fact if it holds; return whether the field's value is another one now."""
    before = record.values[fact.field]
    if not holds(fact, _kept(record, fact.field), before):
        return False
    if record.facts_at.get(fact.field) != fact.mark:
        record.facts_at[fact.field] = fact.mark
        record.changed = True
    record.set(fact.field, fact.value)
    if fact.field in _CONSENTS:
        record.set(f"{fact.field}_at", fact.at)
    return bool(before != fact.value)


def withdraw(record: Record, fact: Fact) -> None:
    """Take back what a fact gave the record, if it is what holds: it was said of somebody else."""
    if record.facts_at.get(fact.field) == fact.mark and record.values[fact.field] == fact.value:
        del record.facts_at[fact.field]
        record.changed = True
        record.set(fact.field, "SUBSCRIBER" if fact.field == "lifecycle_stage" else None)
        if fact.field in _CONSENTS:
            record.set(f"{fact.field}_at", None)


def merge_into(winner: Record, loser: Record) -> None:
    """Give the winner what the loser knows better. Of two consents the stricter holds, whichever is newer."""
    for field, value in loser.values.items():
        if field in _CONSENTS:
            _stricter(winner, loser, field)
        elif field in ("last_activity_at", "last_email_open_at", "last_email_click_at"):
            if value and (winner.values[field] is None or value > winner.values[field]):
                winner.set(field, value)
                if field == "last_activity_at":
                    winner.set("last_activity_type", loser.values["last_activity_type"])
        elif field in loser.facts_at:
            fact = _kept(loser, field)
            if fact and value is not None:
                apply(winner, fact)
        elif value is not None and winner.values[field] is None and field != "search_extra":
            winner.set(field, value)
    winner.find_by(loser.words)


def _stricter(winner: Record, loser: Record, field: str) -> None:
    mine, theirs = winner.values[field], loser.values[field]
    if theirs is None:
        return
    moments = [fact.at for fact in (_kept(winner, field), _kept(loser, field)) if fact]
    holds = theirs if mine is None else mine and theirs
    if holds != mine:
        winner.set(field, holds)
        winner.set(f"{field}_at", loser.values[f"{field}_at"])
    if moments:
        winner.facts_at[field] = max(moments).isoformat()
        winner.changed = True
